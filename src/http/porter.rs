//! The thread `gate`: accepts on all doors, lets in as many as there is room for, turns the others away with
//! an answer, and never ends by itself.

use std::collections::VecDeque;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with, sockopt};

use super::connection::{self, Caller};
use super::front::name;
use super::gate::Shared;
use super::message::Door;
use super::refusal::Refusal;
use super::wire::{Wire, poll_until};

/// Connections accepted on one door before the others are looked at again.
const ACCEPTS_IN_A_ROW_MAX: usize = 16;

/// Connections turned away that may still read their answer; beyond, the oldest is cut off.
const LEAVING_MAX: usize = 64;

/// Descriptors kept for when there is no other: as many callers at once can still be told, and have time to read it.
const RESERVE: usize = 8;

/// The kernel's buffer for an answer, in bytes; it takes twice that. Left alone it grows to megabytes for everyone who
/// asks for a log and does not read it.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// How long to let things be after a failed accept: whatever is short must come back first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Between two lines in the journal about failed accepts.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Stack of a connection's thread, in bytes: it holds one read buffer and parses a head.
const STACK_BYTES: usize = 256 * 1024;

pub(super) struct Porter {
    shared: Arc<Shared>,
    doors: Vec<(Door, OwnedFd)>,
    /// Turned away, with the moment at which patience ends; in that order.
    leaving: VecDeque<(Wire, Instant)>,
    /// To be given up when there is no other descriptor, for callers who would wait for ever.
    reserve: Vec<File>,
    complaints: Complaints,
}

#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    unsaid: u32,
}

impl Porter {
    pub fn new(shared: Arc<Shared>, doors: Vec<(Door, OwnedFd)>) -> std::io::Result<Self> {
        for (_, listener) in &doors {
            // Else a connection that is reset before it is accepted would make accept wait.
            rustix::io::ioctl_fionbio(listener, true)?;
        }
        let reserve = (0..RESERVE).map(|_| File::open("/dev/null")).collect::<std::io::Result<_>>()?;
        Ok(Self { shared, doors, leaving: VecDeque::new(), reserve, complaints: Complaints::default() })
    }

    pub fn run(mut self) {
        while let Some(ready) = self.wait() {
            for index in ready {
                self.admit(index);
            }
        }
    }

    /// Waits for callers: the indices of doors with someone before them. `None` when the gate closes.
    fn wait(&mut self) -> Option<Vec<usize>> {
        self.fill_the_reserve();
        let closing = PollFd::new(&self.shared.closing, PollFlags::IN);
        let doors = self.doors.iter().map(|(_, listener)| PollFd::new(listener, PollFlags::IN));
        let leaving = self.leaving.iter().map(|(wire, _)| PollFd::new(wire, PollFlags::IN));
        let mut watched: Vec<PollFd> = [closing].into_iter().chain(doors).chain(leaving).collect();
        // With nobody leaving there is no deadline: the thread sleeps.
        let deadline = self.leaving.front().map(|(_, deadline)| *deadline);
        let polled = poll_until(&mut watched, deadline);
        let ready: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
        if let Err(errno) = polled {
            self.complain(&format!("could not wait for connections: {errno}"));
            return self.pause().then(Vec::new);
        }
        if ready[0] {
            return None;
        }
        let (doors, leaving) = ready[1..].split_at(self.doors.len());
        let mut leaving = leaving.iter();
        let now = Instant::now();
        self.leaving.retain(|(wire, deadline)| {
            let readable = leaving.next().is_some_and(|ready| *ready);
            now < *deadline && (!readable || wire.discard())
        });
        Some(doors.iter().enumerate().filter(|(_, ready)| **ready).map(|(index, _)| index).collect())
    }

    fn admit(&mut self, index: usize) {
        for _ in 0..ACCEPTS_IN_A_ROW_MAX {
            let (door, listener) = &self.doors[index];
            match acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok((fd, peer)) => {
                    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                    self.receive(*door, fd, peer);
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(errno) => {
                    self.complain(&format!("could not accept a connection: {errno}"));
                    let out_of_descriptors = matches!(errno, Errno::MFILE | Errno::NFILE);
                    // Whoever is told is a caller less, so this comes to an end without a pause.
                    if !(out_of_descriptors && self.turn_away_with_the_reserve(index)) {
                        self.pause();
                        return;
                    }
                }
            }
        }
    }

    fn receive(&mut self, door: Door, fd: OwnedFd, peer: Option<SocketAddr>) {
        let Ok(wire) = Wire::new(fd) else { return };
        if door == Door::Dashboard && !peer.is_some_and(|peer| is_near(peer.ip())) {
            let message = "the dashboard answers private, link-local and loopback addresses only";
            return self.turn_away(wire, &Refusal::new(403, message));
        }
        let Some(place) = self.shared.enter(door) else {
            return self.turn_away(wire, &Refusal::new(503, "too many connections: try again in a moment"));
        };
        let uid = match door {
            Door::Control => sockopt::socket_peercred(&wire).ok().map(|peer| peer.uid.as_raw()),
            Door::Webhook | Door::Dashboard => {
                // An answer is one or two writes, and the second must not wait for the first's receipt.
                let _ = sockopt::set_tcp_nodelay(&wire, true);
                let _ = sockopt::set_socket_send_buffer_size(&wire, SEND_BUFFER_BYTES);
                None
            }
        };
        let thread = thread::Builder::new().name(name(door).into()).stack_size(STACK_BYTES);
        // Ours as well until the thread runs: without one, somebody must still answer.
        let wire = Arc::new(wire);
        let theirs = wire.clone();
        let started = thread.spawn(move || connection::serve(place, Caller { door, uid }, &theirs));
        if let Err(error) = started {
            self.complain(&format!("could not start a thread for a connection: {error}"));
            let wire = Arc::into_inner(wire).expect("the thread that never ran let go of it");
            self.turn_away(wire, &Refusal::new(503, "too many threads: try again in a moment"));
        }
    }

    /// Answers at once, and keeps the socket a moment for the answer to be read.
    fn turn_away(&mut self, wire: Wire, refusal: &Refusal) {
        wire.write_now(&refusal.render(false));
        wire.end_writing();
        wire.discard();
        if self.leaving.len() >= LEAVING_MAX {
            self.leaving.pop_front();
        }
        self.leaving.push_back((wire, Instant::now() + self.shared.limits.linger));
    }

    /// False when there is nothing to give up, or somebody else took it.
    fn turn_away_with_the_reserve(&mut self, index: usize) -> bool {
        // Of those who are leaving, the first had the most time to read.
        if self.reserve.pop().is_none() && self.leaving.pop_front().is_none() {
            return false;
        }
        match acceptfrom_with(&self.doors[index].1, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((fd, _)) => {
                if let Ok(wire) = Wire::new(fd) {
                    self.turn_away(wire, &Refusal::new(503, "too many open files: try again in a moment"));
                }
                true
            }
            Err(errno) => errno == Errno::AGAIN,
        }
    }

    fn fill_the_reserve(&mut self) {
        while self.reserve.len() < RESERVE
            && let Ok(file) = File::open("/dev/null")
        {
            self.reserve.push(file);
        }
    }

    /// Lets things be for a moment. False when the gate closes.
    fn pause(&self) -> bool {
        let mut watched = [PollFd::new(&self.shared.closing, PollFlags::IN)];
        let _ = poll_until(&mut watched, Some(Instant::now() + ACCEPT_PAUSE));
        watched[0].revents().is_empty()
    }

    fn complain(&mut self, what: &str) {
        let now = Instant::now();
        if self.complaints.last.is_some_and(|last| now < last + COMPLAINT_INTERVAL) {
            self.complaints.unsaid += 1;
            return;
        }
        log::warn!("{what} ({} such failures since the last line)", self.complaints.unsaid);
        self.complaints = Complaints { last: Some(now), unsaid: 0 };
    }
}

/// Private (RFC 1918, RFC 4193), link-local or loopback, in either notation.
pub(super) fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}
