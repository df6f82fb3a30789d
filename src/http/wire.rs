//! One connected socket, TCP or Unix, on which nothing waits for longer than it was told to.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

/// Why a read or a write did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stall {
    /// The deadline passed.
    Late,
    /// The gate closes.
    Closing,
    /// The other end is gone.
    Gone,
}

/// A nonblocking socket.
pub(super) struct Wire {
    fd: OwnedFd,
}

impl Wire {
    /// Takes a connected socket and makes it nonblocking.
    pub fn new(fd: OwnedFd) -> rustix::io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self { fd })
    }

    /// Reads what is there, waiting until `deadline` or until `close` becomes readable. 0 is the end.
    pub fn read(&self, buffer: &mut [u8], deadline: Instant, close: Option<BorrowedFd>) -> Result<usize, Stall> {
        loop {
            self.wait(PollFlags::IN, deadline, close)?;
            match recv(&self.fd, &mut *buffer, RecvFlags::empty()) {
                Ok((bytes, _)) => return Ok(bytes),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return Err(Stall::Gone),
            }
        }
    }

    /// Writes all of `bytes` before `deadline`.
    pub fn write_all(&self, mut bytes: &[u8], deadline: Instant) -> Result<(), Stall> {
        while !bytes.is_empty() {
            self.wait(PollFlags::OUT, deadline, None)?;
            match send(&self.fd, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return Err(Stall::Gone),
            }
        }
        Ok(())
    }

    /// Writes what fits at once, for whoever must not wait.
    pub fn write_now(&self, bytes: &[u8]) {
        let _ = send(&self.fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }

    /// Says that nothing more will be written. Closing instead, with unread bytes in the socket, would make
    /// the kernel send a reset, and the other end could lose the answer before it has read it.
    pub fn end_writing(&self) {
        let _ = shutdown(&self.fd, Shutdown::Write);
    }

    /// Throws away what is there. False once the other end has closed.
    pub fn discard(&self) -> bool {
        let mut trash = [0_u8; 16 * 1024];
        match recv(&self.fd, &mut trash[..], RecvFlags::DONTWAIT) {
            Ok((bytes, _)) => bytes > 0,
            Err(errno) => matches!(errno, Errno::AGAIN | Errno::INTR),
        }
    }

    /// Ends it so that the other end can still read the answer: waits at most `patience` for it to close.
    pub fn farewell(&self, patience: Duration) {
        self.end_writing();
        let deadline = Instant::now() + patience;
        while self.wait(PollFlags::IN, deadline, None).is_ok() && self.discard() {}
    }

    fn wait(&self, what: PollFlags, deadline: Instant, close: Option<BorrowedFd>) -> Result<(), Stall> {
        let mut watched = vec![PollFd::new(&self.fd, what)];
        watched.extend(close.map(|close| PollFd::from_borrowed_fd(close, PollFlags::IN)));
        if poll_until(&mut watched, Some(deadline)).is_err() {
            return Err(Stall::Gone);
        }
        if watched.get(1).is_some_and(|close| !close.revents().is_empty()) {
            return Err(Stall::Closing);
        }
        // The second: a peer that always has its next byte ready must not outrun the deadline.
        if watched[0].revents().is_empty() || Instant::now() >= deadline {
            return Err(Stall::Late);
        }
        Ok(())
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `poll`, until something is ready or the deadline has passed; signals do not end it.
pub(super) fn poll_until(watched: &mut [PollFd], deadline: Option<Instant>) -> rustix::io::Result<()> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).expect("deadlines are minutes away at most"));
        match poll(watched, left.as_ref()) {
            Err(Errno::INTR) => {}
            other => return other.map(drop),
        }
    }
}
