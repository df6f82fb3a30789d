//! The way to a worker: a child of our own, or the systemd unit of the repository. Never one instead of the other.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::process::{Process, end_in_words};
use crate::worker::protocol::{Frame, WorkerJob};

/// How long a worker may take to leave once its job is done or its stream has ended. It gives its own processes
/// two seconds to end; the rest is for a slow card.
pub const LEAVE_DEADLINE: Duration = Duration::from_secs(15);

/// How long a worker may take to accept its job. The job fits into the socket's buffer unless its commands are huge.
const HAND_OVER_DEADLINE: Duration = Duration::from_secs(10);

/// A worker that waits for its job or has it.
pub struct Worker {
    pub stream: UnixStream,
    child: Option<Process>,
    /// Where to look when it dies, for people.
    unit: String,
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
        Ok(Worker { stream, child: Some(child), unit: String::new() })
    }

    /// Connects to the unit's socket, which starts it.
    pub fn unit(sockets: &Path, slug: &str) -> Result<Worker> {
        let (socket, unit) = (sockets.join(format!("{slug}.sock")), format!("pilotlight-build@{slug}"));
        let stream = UnixStream::connect(&socket).with_context(|| {
            format!("no worker at {}: run `sudo systemctl enable --now {unit}.socket`", socket.display())
        })?;
        Ok(Worker { stream, child: None, unit: format!("; see journalctl -u {unit}.service") })
    }

    /// Gives it its job.
    pub fn hand(&mut self, job: WorkerJob) -> Result<()> {
        self.stream.set_write_timeout(Some(HAND_OVER_DEADLINE))?;
        Frame::Job(job).write(&mut self.stream).context("the worker did not take its job")
    }

    /// Ends the stream and waits until the child has left; kills it when that takes too long. Returns how it ended,
    /// in words.
    pub fn dismiss(self) -> String {
        drop(self.stream);
        match self.child.map(|child| child.wait(LEAVE_DEADLINE)) {
            Some(Ok(status)) => end_in_words(status),
            Some(Err(error)) => error.to_string(),
            None => format!("killed, out of memory or over its unit's limits{}", self.unit),
        }
    }
}
