//! Every process of a build: started one at a time, followed, and gone when we say so.
//!
//! One thread, one `poll`: on the stream to the daemon, on the signals that ask us to stop, on SIGCHLD and
//! on the child's output. We are the subreaper, so whatever leaves its parent becomes a child of ours, and
//! `wait` saying "no children" is the proof that nothing is left.

use std::fmt;
use std::fs;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags};
use rustix::process::{self, Pid, Signal, WaitOptions, WaitStatus};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::descent::signal_all;
use crate::logic::build::CheckEnd;

/// After a timeout, from SIGTERM to SIGKILL: long enough for a test runner to print what hung.
const KILL_GRACE: Duration = Duration::from_secs(10);
/// After the end of the stream, from SIGTERM to SIGKILL: what runs outside of our tree (a container) is
/// ended only by a client that hears of it, but the next build of the repository waits meanwhile.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// After a child's exit, for helpers that still write its last output (`> >(tee log)`). Never until the
/// end of the pipe: a daemon that a check left behind would hold it open for ever.
const DRAIN_GRACE: Duration = Duration::from_millis(250);
/// How long killing may take. What outlives it is not ours to kill (sudo) or stuck in the kernel.
const KILL_DEADLINE: Duration = Duration::from_secs(30);
/// Between two rounds of killing, unless a child's death comes first.
const KILL_ROUND: Duration = Duration::from_millis(5);
/// Output read at once, in bytes: what a pipe holds. So one frame of log is never longer.
const CHUNK_BYTES: usize = 64 * 1024;
/// What a pipe can hold at most, in bytes (`/proc/sys/fs/pipe-max-size` for a common user): once nobody
/// writes, more can't come.
const PIPE_BYTES_MAX: usize = 1024 * 1024;

/// The daemon wants no more of this build: its stream ended, or a signal told us to.
#[derive(Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the build was stopped")
    }
}

impl std::error::Error for Stopped {}

/// Takes output as it comes, at most 64 KiB at once.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// How long a command is borne with.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub time: Duration,
    /// Without a byte of output.
    pub silence: Duration,
}

impl From<Duration> for Limits {
    /// Silence is no fault.
    fn from(time: Duration) -> Limits {
        Limits { time, silence: Duration::MAX }
    }
}

/// All processes below this one.
pub struct Processes {
    daemon: UnixStream,
    /// Readable once SIGTERM, SIGINT or SIGHUP came.
    asked_to_stop: UnixStream,
    /// Readable when children may have ended.
    child_ended: UnixStream,
    /// From then on the stream and the signals have nothing more to say.
    stopping: bool,
    child: Option<Pid>,
    status: Option<WaitStatus>,
    output: Option<PipeReader>,
    /// No child, so no descendant, was left at the last look.
    alone: bool,
}

impl Processes {
    /// Makes this process the reaper of all its descendants, and from now on takes SIGTERM, SIGINT and
    /// SIGHUP for the end of `daemon`'s stream.
    pub fn new(daemon: UnixStream) -> Result<Processes> {
        process::set_child_subreaper(Some(process::getpid())).context("the worker can't become a subreaper")?;
        keep_descriptors()?;
        let asked_to_stop = signal_stream(&[SIGTERM, SIGINT, SIGHUP])?;
        let child_ended = signal_stream(&[SIGCHLD])?;
        let (child, status, output) = (None, None, None);
        Ok(Processes { daemon, asked_to_stop, child_ended, stopping: false, child, status, output, alone: true })
    }

    /// Runs `command` in a session of its own, without input, within `limits`; what it writes to either
    /// output goes to `sink` in order. When this returns, nothing it started is left. Also tells how long
    /// the command itself took.
    ///
    /// # Errors
    /// [`Stopped`]; those of `sink`; processes that can't be ended. Then [`Processes::end`] must follow. A
    /// command that can't be started is [`CheckEnd::Broken`].
    pub fn run(&mut self, command: Command, limits: Limits, sink: &mut Sink) -> Result<(CheckEnd, Duration)> {
        let begun = Instant::now();
        if let Err(error) = self.start(command) {
            return Ok((CheckEnd::Broken(format!("it could not be started: {error}")), begun.elapsed()));
        }
        let overrun = self.follow(limits, sink, |me| me.status.is_some())?;
        let took = begun.elapsed();
        if overrun.is_none() {
            self.follow(DRAIN_GRACE.into(), sink, |me| me.output.is_none())?;
        } else {
            ask_to_end();
            self.follow(KILL_GRACE.into(), sink, |me| me.alone)?;
        }
        self.kill()?;
        self.drain(sink)?;
        Ok((overrun.unwrap_or_else(|| check_end(self.status.take())), took))
    }

    /// Waits until `limit` has passed or something happened; [`Stopped`], if that is the end.
    pub fn pause(&mut self, limit: Duration) -> Result<()> {
        self.wait(limit).map(drop)
    }

    /// Ends whatever still runs; for a build that was stopped or failed in the midst of a command.
    pub fn end(&mut self) -> Result<()> {
        self.stopping = true;
        self.reap()?;
        if !self.alone {
            ask_to_end();
            self.follow(STOP_GRACE.into(), &mut |_| Ok(()), |me| me.alone)?;
        }
        self.kill()
    }

    /// `command` is dropped here, and with it our writing ends of the pipe.
    fn start(&mut self, mut command: Command) -> io::Result<()> {
        let (output, input) = io::pipe()?;
        rustix::io::ioctl_fionbio(&output, true)?;
        command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input);
        let worker = process::getpid();
        // SAFETY: between fork and exec only async-signal-safe things are allowed, and these are plain
        // system calls without allocation or locks.
        unsafe {
            command.pre_exec(move || {
                process::setsid()?;
                // A SIGKILL of the worker takes at least its direct child along, also if it came first.
                process::set_parent_process_death_signal(Some(Signal::KILL))?;
                if process::getppid() == Some(worker) { Ok(()) } else { Err(Errno::CHILD.into()) }
            });
        }
        self.child = Some(Pid::from_child(&command.spawn()?));
        (self.status, self.output, self.alone) = (None, Some(output), false);
        Ok(())
    }

    /// Passes output on until `done`, or until one of `limits` is reached: then that is the end.
    fn follow(&mut self, limits: Limits, sink: &mut Sink, done: fn(&Self) -> bool) -> Result<Option<CheckEnd>> {
        let begun = Instant::now();
        let mut heard = begun;
        loop {
            self.reap()?;
            if done(self) {
                return Ok(None);
            }
            let left = limits.time.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(Some(CheckEnd::TimedOut(limits.time)));
            }
            let quiet = limits.silence.saturating_sub(heard.elapsed());
            if quiet.is_zero() {
                return Ok(Some(CheckEnd::Silent(limits.silence)));
            }
            if self.wait(left.min(quiet))? && self.pass_on(sink)? > 0 {
                heard = Instant::now();
            }
        }
    }

    /// Kills in rounds until no child is left.
    fn kill(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.reap()?;
            if self.alone {
                return Ok(());
            }
            if begun.elapsed() > KILL_DEADLINE {
                bail!(
                    "some processes of this build can't be ended; look for them with ps, and restart the box if they stay"
                );
            }
            signal_all(Signal::KILL);
            self.wait(KILL_ROUND)?;
        }
    }

    /// Takes leave of every child that has ended, orphans that became ours included.
    fn reap(&mut self) -> Result<()> {
        loop {
            match process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if self.child.take_if(|child| *child == pid).is_some() {
                        self.status = Some(status);
                    }
                }
                Err(Errno::INTR) => {}
                Ok(None) => {
                    self.alone = false;
                    return Ok(());
                }
                Err(Errno::CHILD) => {
                    self.alone = true;
                    return Ok(());
                }
                Err(error) => return Err(error).context("the worker can't wait for its children"),
            }
        }
    }

    /// Sleeps until something happened, at most `limit`; true if there is output to read.
    fn wait(&mut self, limit: Duration) -> Result<bool> {
        let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: i32::MAX.into(), tv_nsec: 0 });
        let mut fds = vec![PollFd::new(&self.child_ended, PollFlags::IN)];
        let output_at = self.output.as_ref().map(|output| {
            fds.push(PollFd::new(output, PollFlags::IN));
            fds.len() - 1
        });
        let ends_from = fds.len();
        if !self.stopping {
            // Nothing follows the job on the stream: whatever it has to say is its end.
            fds.push(PollFd::new(&self.daemon, PollFlags::IN | PollFlags::RDHUP));
            fds.push(PollFd::new(&self.asked_to_stop, PollFlags::IN));
        }
        match poll(&mut fds, Some(&limit)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(error).context("the worker can't poll"),
        }
        let happened = |fd: &PollFd| !fd.revents().is_empty();
        if fds[ends_from..].iter().any(happened) {
            return Err(Stopped.into());
        }
        let readable = output_at.is_some_and(|at| happened(&fds[at]));
        while matches!((&self.child_ended).read(&mut [0; 64]), Ok(64)) {}
        Ok(readable)
    }

    /// One chunk, so that deadlines and the daemon are looked at between two.
    fn pass_on(&mut self, sink: &mut Sink) -> Result<usize> {
        let Some(output) = &mut self.output else { return Ok(0) };
        let mut chunk = [0; CHUNK_BYTES];
        match output.read(&mut chunk) {
            Ok(0) => self.output = None,
            Ok(count) => {
                sink(&chunk[..count])?;
                return Ok(count);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error).context("the output of the check can't be read"),
        }
        Ok(0)
    }

    /// What the pipe still holds after the last writer has gone.
    fn drain(&mut self, sink: &mut Sink) -> Result<()> {
        let mut drained = 0;
        while drained < PIPE_BYTES_MAX {
            match self.pass_on(sink)? {
                0 => break,
                count => drained += count,
            }
        }
        self.output = None;
        Ok(())
    }
}

/// No child inherits what we were given beyond the three standard ones, as by systemd or a careless shell.
fn keep_descriptors() -> Result<()> {
    for entry in fs::read_dir("/proc/self/fd").context("the worker needs /proc")?.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()).filter(|n| *n > 2) else {
            continue;
        };
        // SAFETY: it is open, as it was just listed and nothing runs beside us; closing it is left to its owner.
        rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC)?;
    }
    Ok(())
}

/// SIGCONT, because a stopped process would sleep through its SIGTERM.
fn ask_to_end() {
    signal_all(Signal::TERM);
    signal_all(Signal::CONT);
}

fn check_end(status: Option<WaitStatus>) -> CheckEnd {
    match status.map(|status| (status.exit_status(), status.terminating_signal())) {
        Some((Some(code), _)) => CheckEnd::Exited(code),
        Some((_, Some(signal))) => CheckEnd::Signalled(signal),
        _ => CheckEnd::Broken("its end could not be learned".into()),
    }
}

/// A stream that has something to read once one of `signals` came.
fn signal_stream(signals: &[i32]) -> Result<UnixStream> {
    let (reader, writer) = UnixStream::pair().context("the worker can't make a socket pair")?;
    reader.set_nonblocking(true)?;
    for signal in signals {
        let writer = writer.as_fd().try_clone_to_owned()?;
        pipe::register(*signal, writer).context("the worker can't catch signals")?;
    }
    Ok(reader)
}
