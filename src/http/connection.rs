//! One connection: read a request under total deadlines, hand it on, bring the answer back, part politely.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::front::{GATE_HEADER, name};
use super::gate::{Place, Shared};
use super::head::{self, Head};
use super::message::Door;
use super::refusal::Refusal;
use super::wire::{Stall, Wire};

/// Bytes asked of a socket at once.
const READ_BYTES: usize = 16 * 1024;

/// The longest status line of our own tiny_http, in bytes.
const STATUS_LINE_BYTES_MAX: usize = 256;

/// Who knocked.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub door: Door,
    /// Known for the control socket.
    pub uid: Option<u32>,
}

/// How a conversation ends when it doesn't end with the front's answer.
enum End {
    Refused(Refusal),
    /// Nobody is there to be answered.
    Silent,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Serves one request on `wire`, which then is of no more use.
pub(super) fn serve(place: Place, caller: Caller, wire: &Wire) {
    let shared = &place.shared;
    let mut to_head = false;
    let end = read_head(shared, wire).and_then(|(head, rest)| {
        to_head = head.method == "HEAD";
        answer(shared, caller, wire, &head, rest)
    });
    if let Err(End::Refused(refusal)) = end {
        log::debug!(door = name(caller.door), status = refusal.status; "refused: {}", refusal.message);
        let _ = wire.write_all(&refusal.render(to_head), Instant::now() + shared.limits.write);
    }
    place.part(wire);
}

fn read_head(shared: &Shared, wire: &Wire) -> Result<(Head, Vec<u8>), End> {
    let deadline = Instant::now() + shared.limits.head;
    let mut bytes = Vec::new();
    loop {
        let seen = bytes.len();
        match read_more(wire, &mut bytes, READ_BYTES, deadline, shared) {
            Err(Stall::Gone) => return Err(End::Silent),
            Err(stall) => return Err(stalled(stall, "head").into()),
            Ok(0) if bytes.is_empty() => return Err(End::Silent),
            Ok(0) => return Err(Refusal::new(400, "the request ends before its head does").into()),
            Ok(_) => {}
        }
        if let Some(end) = head::end_of_head(&bytes, seen)? {
            let rest = bytes.split_off(end);
            return Ok((head::parse(&bytes)?, rest));
        }
    }
}

fn answer(shared: &Shared, caller: Caller, wire: &Wire, head: &Head, rest: Vec<u8>) -> Result<(), End> {
    let length = shared.rules(caller.door).judge(head)?;
    if head.expects_continue && length > rest.len() {
        let deadline = Instant::now() + shared.limits.write;
        wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n", deadline).map_err(|_| End::Silent)?;
    }
    let mut held = Held { total: &shared.body_bytes, max: shared.limits.body_bytes_sum_max, bytes: 0 };
    let body = read_body(shared, wire, rest, length, &mut held)?;
    let front = hand_on(shared, caller, head, &body)?;
    drop(body); // The front has its own copy now; `held` goes on counting that one.
    bring_back(shared, wire, &front)
}

fn read_body(shared: &Shared, wire: &Wire, rest: Vec<u8>, length: usize, held: &mut Held) -> Result<Vec<u8>, End> {
    let deadline = Instant::now() + shared.limits.body;
    let mut body = rest;
    body.truncate(length);
    held.grow(body.len())?;
    while body.len() < length {
        // Counted as it comes and not as it is announced: an announcement costs the sender nothing.
        let more = (length - body.len()).min(READ_BYTES);
        held.grow(more)?;
        match read_more(wire, &mut body, more, deadline, shared) {
            Err(Stall::Gone) => return Err(End::Silent),
            Err(stall) => return Err(stalled(stall, "body").into()),
            Ok(0) => return Err(Refusal::new(400, "the body is shorter than Content-Length says").into()),
            Ok(got) => held.shrink(more - got),
        }
    }
    Ok(body)
}

/// What tiny_http answers for a request that nobody answered, as when it can't go on for want of descriptors. No answer
/// of ours begins so.
const DROPPED: &[u8] = b"HTTP/1.1 500 ";

/// Writes the request to the front: our words, their method, target and chosen headers.
fn hand_on(shared: &Shared, caller: Caller, head: &Head, body: &[u8]) -> Result<Wire, End> {
    let mut request = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", head.method, head.target);
    let uid = caller.uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string());
    request.push_str(&format!("{GATE_HEADER}: {} {uid}\r\nContent-Length: {}\r\n", name(caller.door), body.len()));
    for (name, value) in &head.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let deadline = Instant::now() + shared.limits.answer;
    let connected = shared.front.connect().map(|stream| Wire::new(stream.into()));
    let front = match connected {
        Ok(Ok(front)) => front,
        Ok(Err(errno)) => return Err(unanswered(&errno).into()),
        Err(error) => return Err(unanswered(&error).into()),
    };
    let written = front.write_all(request.as_bytes(), deadline).and_then(|()| front.write_all(body, deadline));
    match written {
        Ok(()) => Ok(front),
        Err(_) => Err(unanswered(&"it did not take the request").into()),
    }
}

/// Copies the front's answer, adding the one header that tiny_http leaves out: without `Connection: close`
/// a tunnel would send its next delivery into a closed connection.
fn bring_back(shared: &Shared, wire: &Wire, front: &Wire) -> Result<(), End> {
    let deadline = Instant::now() + shared.limits.answer;
    let mut bytes = Vec::new();
    let status_line = loop {
        match front_read(front, &mut bytes, deadline) {
            Ok(0) | Err(Stall::Gone | Stall::Closing) => return Err(unanswered(&"it closed without an answer").into()),
            Err(Stall::Late) => return Err(unanswered(&"it took too long").into()),
            Ok(_) => {}
        }
        match bytes.iter().position(|&byte| byte == b'\n') {
            Some(at) => break at + 1,
            None if bytes.len() > STATUS_LINE_BYTES_MAX => return Err(unanswered(&"its answer is no HTTP").into()),
            None => {}
        }
    };
    if bytes.starts_with(DROPPED) {
        return Err(unanswered(&"it dropped the request").into());
    }
    bytes.splice(status_line..status_line, *b"Connection: close\r\n");
    let deadline = Instant::now() + shared.limits.write;
    loop {
        wire.write_all(&bytes, deadline).map_err(|_| End::Silent)?;
        bytes.clear();
        match front_read(front, &mut bytes, deadline) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
}

fn read_more(wire: &Wire, bytes: &mut Vec<u8>, more: usize, by: Instant, shared: &Shared) -> Result<usize, Stall> {
    append(bytes, more, |buffer| wire.read(buffer, by, Some(shared.closing.as_fd())))
}

/// What was handed on is still answered while the gate closes.
fn front_read(front: &Wire, bytes: &mut Vec<u8>, by: Instant) -> Result<usize, Stall> {
    append(bytes, READ_BYTES, |buffer| front.read(buffer, by, None))
}

fn append(
    bytes: &mut Vec<u8>,
    more: usize,
    read: impl FnOnce(&mut [u8]) -> Result<usize, Stall>,
) -> Result<usize, Stall> {
    let old = bytes.len();
    bytes.resize(old + more, 0);
    let got = read(&mut bytes[old..]);
    bytes.truncate(old + got.unwrap_or(0));
    got
}

fn stalled(stall: Stall, part: &str) -> Refusal {
    match stall {
        Stall::Closing => Refusal::new(503, "pilotlight is stopping: try again in a moment"),
        Stall::Late | Stall::Gone => Refusal::new(408, format!("the request's {part} came too slowly")),
    }
}

fn unanswered(why: &dyn std::fmt::Display) -> Refusal {
    log::warn!("a request was not answered from within: {why}");
    Refusal::new(503, "pilotlight could not answer just now: try again in a moment")
}

/// This connection's part of all the bytes of bodies in memory.
struct Held<'a> {
    total: &'a AtomicUsize,
    max: usize,
    bytes: usize,
}

impl Held<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.bytes += bytes;
        if self.total.fetch_add(bytes, Ordering::Relaxed) + bytes > self.max {
            return Err(Refusal::new(503, "too many large requests at once: try again in a moment"));
        }
        Ok(())
    }

    fn shrink(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
