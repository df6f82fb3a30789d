//! One build: its tree, its processes, its result.
//!
//! A process of its own, with a stranger's code below it and the daemon at the other end of one Unix stream.
//! It has no secrets but those that its checks get to know. It lives for one job: [`room`] (whose turn it is), [`tree`]
//! and [`submodules`] (what is built), [`processes`] (what runs, and that nothing is left), and this page, which
//! strings them together.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_acceptconn;
use rustix::process::{self, DumpableBehavior};

use self::memory::Memory;
use self::output::Output;
use self::processes::{Limits, Processes, Sink, Stopped};
use self::protocol::{Frame, News, WorkerJob};
use self::room::Room;
use self::tree::NoMerge;
use crate::logic::event::JobCheck;

mod cache;
mod descent;
mod lfs;
mod memory;
mod output;
mod processes;
pub mod protocol;
mod room;
mod shell;
mod submodules;
mod tree;

/// How long the daemon may take to hand over the job: it fetches the head meanwhile, for ten minutes at most.
const JOB_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// How long the daemon may take to see that its stream has ended, and to ask why.
const ASKED_DEADLINE: Duration = Duration::from_secs(3);
/// How long the daemon may take no bytes at all, as when its card stalls, before it counts as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Where programs are looked for when the worker itself was not told.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `pilotlight worker`: serves the daemon whose stream is the standard input, or who waits at the socket of our unit
/// there, for one build.
pub fn main() -> Result<()> {
    // What the build runs is the same user as we are: it must not read our memory nor write into it.
    process::set_dumpable_behavior(DumpableBehavior::NotDumpable).context("the worker can't close its memory")?;
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().context("the worker has no input")?;
    let stream = match socket_acceptconn(&stdin) {
        Ok(true) => UnixListener::from(stdin).accept().context("nobody waits at the unit's socket")?.0,
        _ => UnixStream::from(stdin),
    };
    // Nor may it find the unit's socket with us, and answer for builds to come.
    rustix::stdio::dup2_stdin(File::open("/dev/null").context("there is no /dev/null")?)?;
    stream.local_addr().context("`pilotlight worker` is started by the daemon, with a Unix stream as its input")?;
    // Away from the daemon's terminal, whose Ctrl-C is for the daemon. It fails only where that is so already.
    let _ = process::setsid();
    serve(stream)
}

/// `pilotlight worker --ended`, which our unit runs when we have ended: tells the daemon why, if it was not by
/// ourselves. The daemon knocks at the unit's socket once it finds that we are gone.
pub fn tell_how_it_ended() -> Result<()> {
    let told = |name| std::env::var(name).unwrap_or_default();
    let (result, status) = (told("SERVICE_RESULT"), told("EXIT_STATUS"));
    if result == "success" {
        return Ok(());
    }
    let socket = std::io::stdin().as_fd().try_clone_to_owned().context("there is no socket to tell it at")?;
    let limit = Timespec::try_from(ASKED_DEADLINE)?;
    if poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&limit))? > 0 {
        let (daemon, _) = UnixListener::from(socket).accept()?;
        Frame::News(News::UnitEnded { result, status }).write(&mut &daemon)?;
    }
    // A worker that was killed has tidied nothing up, and no other build starts while the disk is full.
    std::env::var_os("CACHE_DIRECTORY").map_or(Ok(()), |room| room::abandon(&PathBuf::from(room)))
}

/// Takes one job from `stream`, runs it and tells how it went. When this returns, no descendant of this
/// process is left. The process must have no other children and no thread that waits for any.
///
/// # Errors
/// No job came, it can't be understood, or this system lacks what a worker needs. A build that fails is none,
/// nor is a stream that ends.
pub fn serve(stream: UnixStream) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(JOB_DEADLINE))?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut processes = Processes::new(stream.try_clone()?)?;
    let daemon = Daemon(stream);
    // Until it hears something, the daemon can't know whether it has found anybody.
    if daemon.tell(&Frame::Log(Vec::new())).is_err() {
        return Ok(());
    }
    let job = match Frame::read(&mut &daemon.0).context("no job came from the daemon")? {
        Some(Frame::Job(job)) => job,
        Some(_) => bail!("the daemon sent something else before a job"),
        None => return Ok(()),
    };
    let mut room = None;
    let built = build(&job, &daemon, &mut processes, &mut room);
    let ended = processes.end();
    // The results are out, and nothing runs any more.
    if let Some(Err(error)) = room.map(|room| room.tidy(job.fresh, &mut processes)) {
        eprintln!("pilotlight worker: what is left in the room stays: {error:#}");
    }
    let last = match ended.and(built) {
        Err(error) if error.is::<Stopped>() => return Ok(()),
        Err(error) if matches!(error.downcast_ref(), Some(NoMerge::Conflict)) => News::Conflict,
        Err(error) => News::Done { error: Some(format!("{error:#}")) },
        Ok(()) => News::Done { error: None },
    };
    // Whoever does not hear this any more has gone, which is no fault of ours.
    let _ = daemon.tell(&Frame::News(last));
    Ok(())
}

/// `room` is where it was, for whoever tidies up.
fn build(job: &WorkerJob, daemon: &Daemon, processes: &mut Processes, room: &mut Option<Room>) -> Result<()> {
    let mut said = Output::to(daemon);
    let room = room.insert(Room::enter(&job.room, job.fresh, processes)?);
    // A shell finds the tree as that build left it.
    let left = job.shell.is_some() && room.was_left_by(job.build);
    let prepared = if left { Ok(()) } else { prepare(room, job, daemon, processes, &mut |bytes| said.write(bytes)) };
    said.flush()?;
    prepared?;
    if let Some(terminal) = &job.shell {
        // From now on something may be typed; before, whatever came would be the end.
        daemon.tell(&Frame::News(News::CheckStarted { check: job.checks[0].index }))?;
        return shell::serve(terminal, &command(job, &job.checks[0], room), &daemon.0);
    }
    for check in &job.checks {
        daemon.tell(&Frame::News(News::CheckStarted { check: check.index }))?;
        let (memory, mut output) = (Memory::look(), Output::to(daemon));
        let limits = Limits { time: check.timeout, silence: job.silence };
        let (end, took) = processes.run(command(job, check, room), limits, &mut |bytes| output.write(bytes))?;
        output.flush()?;
        let end = memory.judge(end);
        daemon.tell(&Frame::News(News::CheckFinished { check: check.index, end, took }))?;
    }
    Ok(())
}

/// All that the checks find in the tree.
fn prepare(room: &Room, job: &WorkerJob, daemon: &Daemon, processes: &mut Processes, log: &mut Sink) -> Result<()> {
    room.mark(0)?;
    tree::check_out(room, job, processes, log)?;
    room.mark(job.build)?;
    daemon.tell(&Frame::News(News::CheckedOut))?;
    submodules::fetch(room, job, processes, log)?;
    lfs::note(room, log)
}

/// The environment is exactly the contract's, and the build's secrets.
fn command(job: &WorkerJob, check: &JobCheck, room: &Room) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&check.run).current_dir(&room.tree);
    command.env_clear().envs(job.secrets.iter().map(|(name, value)| (name, value.expose()))).env("PATH", path());
    command.envs([
        ("CI", "true"),
        ("PILOTLIGHT", "true"),
        ("PILOTLIGHT_BUILD_ID", &job.build.to_string()),
        ("PILOTLIGHT_REPOSITORY", &job.repository),
        ("PILOTLIGHT_PULL_REQUEST", &job.pull.to_string()),
        ("PILOTLIGHT_SHA", &job.sha),
        ("PILOTLIGHT_BASE_REF", &job.base_ref),
        ("PILOTLIGHT_HEAD_REF", &job.head_ref),
        ("PILOTLIGHT_CONTEXT", &check.context),
        ("LANG", "C.UTF-8"),
    ]);
    command.env("PILOTLIGHT_CACHE_DIR", &room.cache).env("HOME", &room.home).env("TMPDIR", &room.tmp);
    command
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| PATH_DEFAULT.into())
}

/// The writing half of the stream.
struct Daemon(UnixStream);

impl Daemon {
    /// A daemon that does not take a frame is gone: [`Stopped`].
    fn tell(&self, frame: &Frame) -> Result<()> {
        frame.write(&mut &self.0).map_err(|_| Stopped.into())
    }
}

#[cfg(test)]
mod tests;
