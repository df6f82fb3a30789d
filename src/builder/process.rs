//! Processes that are always ended and reaped, and the one way this room waits: until something can be read.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, write};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// When memory runs out the kernel ends what can be done again rather than us, whose unit asks for -500: as much as the
/// builds' units have (proc_pid_oom_score_adj(5)).
const OOM_SCORE: &[u8] = b"500";

/// Which of `fds` can be read or have hung up; none of them once `deadline` has passed. `None` is never ready.
pub fn ready<const N: usize>(fds: [Option<BorrowedFd<'_>>; N], deadline: Instant) -> io::Result<[bool; N]> {
    let mut polled: Vec<_> = fds.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut polled, Some(&left)) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut answers = polled.iter().map(|fd| !fd.revents().is_empty());
    Ok(fds.map(|fd| fd.is_some() && answers.next().unwrap_or(false)))
}

/// A child in a process group of its own, so that Ctrl-C at a terminal passes it by and its helpers end with it.
/// Dropping it kills the group and reaps the child.
pub struct Process {
    child: Child,
    pidfd: OwnedFd,
    reaped: bool,
}

impl Process {
    pub fn spawn(command: &mut Command) -> io::Result<Process> {
        let mut child = spawn(command.process_group(0))?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Process { child, pidfd, reaped: false }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }

    /// Can be read once the process has ended.
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    pub fn take_outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Ends the whole group: by SIGTERM, so that it can tidy up (git removes its lock files), and after `grace`
    /// by SIGKILL.
    pub fn stop(self, grace: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM);
        self.wait(grace)
    }

    /// Waits for its own end; after `grace` kills the group. Nothing of the group is left afterwards.
    pub fn wait(mut self, grace: Duration) -> io::Result<ExitStatus> {
        ready([Some(self.ended())], Instant::now() + grace)?;
        self.reap()
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        // Before the wait, while the id still is ours.
        self.signal(Signal::KILL);
        self.reaped = true;
        self.child.wait()
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = self.reap();
        }
    }
}

/// Starts what the kernel may end before us, it and what it starts itself. Nobody needs a privilege to ask for a higher
/// score than was inherited.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    // SAFETY: between fork and exec only async-signal-safe things are allowed, and these are plain system calls without
    // allocation or locks.
    unsafe {
        command.pre_exec(|| {
            // Without a /proc it runs all the same.
            let score = open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
            let _ = score.and_then(|score| write(score, OOM_SCORE));
            Ok(())
        });
    }
    command.spawn()
}

/// How a process ended, in words.
pub fn end_in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (_, Some(9)) => "killed by signal 9: often a lack of memory".to_owned(),
        (_, signal) => format!("killed by signal {}", signal.unwrap_or(0)),
    }
}
