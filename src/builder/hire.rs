//! The way to a worker: a child of our own, or the systemd unit of the repository. Never one instead of the other.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::process::{Process, end_in_words, ready};
use crate::logic::wording;
use crate::worker::protocol::{Frame, News};

/// How long a worker may take to leave once its job is done or its stream has ended. It gives its own processes
/// two seconds to end; the rest is for a slow card.
pub const LEAVE_DEADLINE: Duration = Duration::from_secs(15);

/// The same for one that was told to leave and borne with for as long already.
pub const GONE_DEADLINE: Duration = Duration::from_secs(1);

/// How long a unit may turn callers away: while it ends its last build, which takes it some 20 ms, or because it can't
/// start, which will not change soon.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Before a unit is asked again; then twice as long, and so on.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// How long a unit may take to start: its network and a process, from a slow card.
const START_MAX: Duration = Duration::from_secs(60);

/// How long a unit may take to end what is left of it, and to tell why it was ended.
const WHY_MAX: Duration = Duration::from_secs(15);

/// How long a worker may take to greet whoever it has accepted, and to take its job. That fits into the socket's buffer
/// unless its commands are huge.
const HAND_OVER_DEADLINE: Duration = Duration::from_secs(10);

/// A worker that waits for its job or has it.
pub struct Worker {
    pub stream: UnixStream,
    runs_as: RunsAs,
}

enum RunsAs {
    Child(Process),
    Unit { name: String, socket: PathBuf },
}

impl Worker {
    /// Starts `EXE worker` with the stream as its stdin, and with nothing of ours but PATH in its environment.
    pub fn child(exe: &Path) -> Result<Worker> {
        let (stream, theirs) = UnixStream::pair().context("cannot make a socket for the worker")?;
        let mut command = Command::new(exe);
        command.arg("worker").env_clear().env("LANG", "C.UTF-8");
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        // What it has to say about itself goes where our own log goes under systemd; builds never see that stream.
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::inherit());
        let child = Process::spawn(&mut command).with_context(|| format!("cannot start {} worker", exe.display()))?;
        Ok(Worker { stream, runs_as: RunsAs::Child(child) })
    }

    /// Connects to the unit's socket, which starts it, until a worker is there that waits for its job. `None`: one of
    /// the two has ended meanwhile.
    ///
    /// # Errors
    /// There is no such unit, or it can't start.
    pub fn unit(
        sockets: &Path,
        instance: &str,
        cancel: BorrowedFd<'_>,
        needed: Option<BorrowedFd<'_>>,
    ) -> Result<Option<Worker>> {
        let (socket, name) = (sockets.join(format!("{instance}.sock")), format!("pilotlight-build@{instance}"));
        let (began, mut pause) = (Instant::now(), BUSY_PAUSE);
        loop {
            let stream = UnixStream::connect(&socket).with_context(|| {
                format!("no worker at {}: run `sudo systemctl enable --now {name}.socket`", socket.display())
            })?;
            let [answered, cancelled, not_needed] =
                ready([Some(stream.as_fd()), Some(cancel), needed], Instant::now() + START_MAX)?;
            if cancelled || not_needed {
                return Ok(None);
            }
            if answered && greets(&stream) {
                return Ok(Some(Worker { stream, runs_as: RunsAs::Unit { name, socket } }));
            }
            if began.elapsed() >= BUSY_MAX {
                bail!("{name}.service does not start: see journalctl -u {name} -u pilotlight-network@{instance}");
            }
            if ready([Some(cancel), needed], Instant::now() + pause)? != [false; 2] {
                return Ok(None);
            }
            pause *= 2;
        }
    }

    /// Whether it still waits for its job: it says nothing more before.
    pub fn waits(&self) -> bool {
        matches!(ready([Some(self.stream.as_fd())], Instant::now()), Ok([false]))
    }

    /// Gives it its job.
    pub fn hand(&mut self, job: &Frame) -> Result<()> {
        self.stream.set_write_timeout(Some(HAND_OVER_DEADLINE))?;
        job.write(&mut self.stream).context("the worker did not take its job")
    }

    /// Why systemd ended the unit, if it was so: when the worker is gone without a word.
    pub fn why(&self) -> Option<String> {
        let RunsAs::Unit { socket, .. } = &self.runs_as else { return None };
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(WHY_MAX)).ok()?;
        // Should it be another worker that hears us, there is no job for it.
        stream.shutdown(Shutdown::Write).ok()?;
        match Frame::read(&mut &stream) {
            Ok(Some(Frame::News(News::UnitEnded { result, status }))) => Some(wording::unit_ended(&result, &status)),
            _ => None,
        }
    }

    /// Ends the stream and waits until the worker has left; has it killed when that takes longer than `grace`.
    /// `stuck` is where pilotlight-stuck.path looks. Returns how it ended, in words.
    pub fn dismiss(self, grace: Duration, stuck: &Path) -> String {
        match self.runs_as {
            RunsAs::Unit { name, socket } => {
                if !has_left(self.stream, grace) {
                    log::warn!("{name}.service does not end: systemd is asked to kill it");
                    let asked = File::create(stuck.join(socket.file_stem().unwrap_or_default()));
                    let _ = asked.inspect_err(|error| log::error!("{} can't be written: {error}", stuck.display()));
                }
                format!("see journalctl -u {name}.service")
            }
            RunsAs::Child(child) => {
                drop(self.stream);
                child.wait(grace).map_or_else(|error| error.to_string(), end_in_words)
            }
        }
    }
}

/// Whether it is a worker; after its greeting it may be silent for as long as its job lets it. systemd turns callers
/// away while the unit ends its last build, and what tells of that end takes us for whoever asks why.
fn greets(mut stream: &UnixStream) -> bool {
    let greeted = stream.set_read_timeout(Some(HAND_OVER_DEADLINE)).and_then(|()| Frame::read(&mut stream));
    matches!(greeted, Ok(Some(Frame::Log(_)))) && stream.set_read_timeout(None).is_ok()
}

/// Tells the worker to leave, and whether it has: a build can stop the worker that runs it, as both are one user.
fn has_left(mut stream: UnixStream, grace: Duration) -> bool {
    let deadline = Instant::now() + grace;
    let mut rest = [0; 64 * 1024];
    let _ = stream.shutdown(Shutdown::Write);
    while matches!(ready([Some(stream.as_fd())], deadline), Ok([true])) {
        match stream.read(&mut rest) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return true,
        }
    }
    false
}
