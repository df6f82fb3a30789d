//! Follows a worker from its job to its end.
//!
//! A stranger's code may have taken the worker over: nothing it says is believed further than the job allows. It
//! may pass its own checks, which it could do anyway; it can't hold a builder, fill the disk, or speak of checks
//! that are not its own.

use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use super::hire::LEAVE_DEADLINE;
use super::log::Log;
use super::plain;
use super::process::ready;
use crate::logic::build::CheckEnd;
use crate::logic::event::{BuildNews, Job, JobCheck};
use crate::logic::policy::Tested;
use crate::logic::space::floor;
use crate::worker::protocol::{FRAME_BYTES_MAX, FRAME_HEAD_BYTES, Frame, LOG_HEAD_BYTES_MAX, LOG_TAIL_BYTES_MAX, News};

/// What a worker gets beside the time of its checks, for checkout, LFS and submodules.
const SETUP_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// What each check gets beside its own timeout, for ending its processes.
const CHECK_GRACE: Duration = Duration::from_secs(30);

/// What the sum of it all is cut to: as good as for ever, and can be added to any clock.
const WORK_DEADLINE_MAX: Duration = Duration::from_secs(365 * 86_400);

/// Between two looks at the disks while a build runs: at 100 MB/s, which few cards write, it can't get far below the
/// floor.
const DISK_BEAT: Duration = Duration::from_secs(1);

/// What a worker may send beyond the heads and tails of its sections, in bytes for each second: a tail. It sends no
/// more than one of the rest in a second, so twice that is no honest worker's.
const LOG_RATE_BYTES_MAX: u64 = 2 * LOG_TAIL_BYTES_MAX as u64;

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// By its own word.
    Done { error: Option<String> },
    /// The head can't be merged into its base.
    Conflict,
    /// By ours, and it has closed its side or has had the time to.
    Cancelled,
    /// It closed its side without a word.
    Silent,
    /// It said what no worker says, or nothing for too long.
    Broken(String),
    /// By us: there is hardly any room left on a disk of ours.
    DiskFull,
}

/// How long a worker is borne with.
#[derive(Clone, Copy, Debug)]
pub struct Patience<'a> {
    /// From its job to its last word.
    pub work: Duration,
    /// From the end of its stream to its own end.
    pub leave: Duration,
    /// Where it must not use up the room.
    pub disks: [&'a Path; 2],
}

impl<'a> Patience<'a> {
    pub fn with(job: &Job, disks: [&'a Path; 2]) -> Patience<'a> {
        let checks = job.checks.iter().map(|check| check.timeout.saturating_add(CHECK_GRACE));
        let work = checks.fold(SETUP_DEADLINE, Duration::saturating_add);
        Patience { work: work.min(WORK_DEADLINE_MAX), leave: LEAVE_DEADLINE, disks }
    }
}

/// Follows the worker on `stream` until it is done, is cancelled, breaks the rules or runs out of time.
pub fn follow(
    stream: &UnixStream,
    cancel: BorrowedFd<'_>,
    course: &mut Course<'_>,
    patience: Patience<'_>,
    tell: &dyn Fn(BuildNews),
) -> io::Result<End> {
    let mut inbox = Inbox::default();
    let (mut cancelled, mut deadline, mut look_at) = (false, Instant::now() + patience.work, Instant::now());
    loop {
        let until = deadline.min(look_at);
        let [readable, stop] = ready([Some(stream.as_fd()), (!cancelled).then_some(cancel)], until)?;
        if stop {
            // The end of the stream is the order. What the worker says until it leaves is for the log alone.
            let _ = stream.shutdown(Shutdown::Write);
            (cancelled, deadline) = (true, Instant::now() + patience.leave);
        }
        if Instant::now() >= deadline || course.is_overdue() {
            return Ok(if cancelled { End::Cancelled } else { End::Broken("the worker took too long".to_owned()) });
        }
        if Instant::now() >= look_at {
            look_at = Instant::now() + DISK_BEAT;
            if !cancelled && patience.disks.into_iter().any(is_full) {
                return Ok(End::DiskFull);
            }
        }
        if readable && !inbox.fill(stream)? {
            return Ok(if cancelled { End::Cancelled } else { End::Silent });
        }
        while let Some(frame) = inbox.next() {
            match frame.and_then(|frame| course.take(frame)) {
                Err(_) | Ok(Step::Done(_) | Step::Conflict) if cancelled => return Ok(End::Cancelled),
                Err(error) => return Ok(End::Broken(format!("the worker broke the rules: {error}"))),
                Ok(Step::Conflict) => return Ok(End::Conflict),
                Ok(Step::Done(error)) => return Ok(End::Done { error }),
                Ok(Step::News(news)) if !cancelled => tell(news),
                Ok(_) => {}
            }
        }
    }
}

/// Whether hardly any room is left there. Where it can't be told, nothing is.
fn is_full(directory: &Path) -> bool {
    statvfs(directory).is_ok_and(|disk| {
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        bytes(disk.f_bavail) < floor(bytes(disk.f_blocks)) || (disk.f_files > 0 && disk.f_favail == 0)
    })
}

/// Bytes that have arrived and are not a whole frame yet.
#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// Reads what is there. False at the end of the stream.
    fn fill(&mut self, mut stream: &UnixStream) -> io::Result<bool> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let mut chunk = [0; 64 * 1024];
        match stream.read(&mut chunk) {
            Ok(read) => {
                self.bytes.extend_from_slice(&chunk[..read]);
                Ok(read > 0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            // A peer that died with our words unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next whole frame. Its length is judged before its body is waited for.
    fn next(&mut self) -> Option<Result<Frame, String>> {
        let bytes = &self.bytes[self.start..];
        let head: [u8; 4] = bytes.get(1..FRAME_HEAD_BYTES)?.try_into().ok()?;
        let length = u32::from_be_bytes(head);
        if length > FRAME_BYTES_MAX {
            return Some(Err(format!("a frame of {length} bytes")));
        }
        let mut frame = bytes.get(..FRAME_HEAD_BYTES + length as usize)?;
        self.start += frame.len();
        Frame::read(&mut frame).map_err(|error| error.to_string()).transpose()
    }
}

/// What a frame amounts to.
enum Step {
    Logged,
    News(BuildNews),
    Conflict,
    Done(Option<String>),
}

/// The course of a job: which check runs, which have, and the log they write.
pub struct Course<'a> {
    job: &'a Job,
    log: &'a mut Log,
    /// By the worker's word: it had no need of the mirror any more.
    pub checked_out: bool,
    phases: Vec<Phase>,
    began: Instant,
    /// Bytes of log that came.
    heard: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waits,
    Runs { since: Instant },
    Ended,
}

impl<'a> Course<'a> {
    pub fn new(job: &'a Job, log: &'a mut Log) -> Course<'a> {
        let phases = vec![Phase::Waits; job.checks.len()];
        Course { job, log, checked_out: false, phases, began: Instant::now(), heard: 0 }
    }

    fn take(&mut self, frame: Frame) -> Result<Step, String> {
        // Also of a frame with nothing in it: none is free.
        self.heard += FRAME_HEAD_BYTES as u64 + if let Frame::Log(bytes) = &frame { bytes.len() as u64 } else { 0 };
        let sections = (self.phases.len() as u64 + 1) * (LOG_HEAD_BYTES_MAX + 2 * LOG_TAIL_BYTES_MAX) as u64;
        if self.heard > sections + (self.began.elapsed().as_secs() + 1) * LOG_RATE_BYTES_MAX {
            return Err("it sent more of its output than will be kept".to_owned());
        }
        match frame {
            Frame::Job(_) | Frame::Typed(_) => Err("it handed us a job".to_owned()),
            Frame::Log(bytes) => {
                self.log.write(&bytes);
                Ok(Step::Logged)
            }
            Frame::News(News::Cut { bytes }) => {
                self.log.skip(bytes);
                Ok(Step::Logged)
            }
            Frame::News(News::CheckedOut) => {
                self.checked_out = true;
                Ok(Step::Logged)
            }
            Frame::News(News::UnitEnded { .. }) => Err("it told of its own end".to_owned()),
            Frame::News(News::CheckStarted { check }) => self.started(check).map(Step::News),
            Frame::News(News::CheckFinished { check, end, took }) => self.finished(check, end, took).map(Step::News),
            Frame::News(News::Conflict) if self.job.tested == Tested::Merge => Ok(Step::Conflict),
            Frame::News(News::Conflict) => Err("it merged what is not to be merged".to_owned()),
            Frame::News(News::Done { error }) => self.done(error).map(Step::Done),
        }
    }

    /// A check runs for longer than its worker lets any.
    fn is_overdue(&self) -> bool {
        let late = |(phase, check): (&Phase, &JobCheck)| match phase {
            Phase::Runs { since } => since.elapsed() >= check.timeout.saturating_add(CHECK_GRACE),
            _ => false,
        };
        self.phases.iter().zip(&self.job.checks).any(late)
    }

    fn started(&mut self, index: usize) -> Result<BuildNews, String> {
        if self.phases.iter().any(|phase| matches!(phase, Phase::Runs { .. })) {
            return Err(format!("check {index} started beside another"));
        }
        let Some((check, phase @ Phase::Waits)) = self.check(index) else {
            return Err(format!("check {index} started and is none that waits"));
        };
        *phase = Phase::Runs { since: Instant::now() };
        let command = check.run.lines().next().unwrap_or_default();
        let log_start = self.log.section(&format!("{}: {command}", check.context));
        Ok(BuildNews::CheckStarted { check: index, log_start })
    }

    fn finished(&mut self, index: usize, end: CheckEnd, took: Duration) -> Result<BuildNews, String> {
        let Some((check, phase)) = self.check(index) else {
            return Err(format!("check {index} finished and is none of the job"));
        };
        let Phase::Runs { since } = *phase else {
            return Err(format!("check {index} finished and did not run"));
        };
        *phase = Phase::Ended;
        let end = match end {
            CheckEnd::TimedOut(after) => CheckEnd::TimedOut(after.min(check.timeout)),
            CheckEnd::Silent(after) => CheckEnd::Silent(after.min(self.job.silence)),
            CheckEnd::Broken(why) => CheckEnd::Broken(plain(&self.log.masked(&why))),
            end => end,
        };
        // By our clock it can't have taken longer; by theirs, the way here does not count.
        Ok(BuildNews::CheckFinished {
            check: index,
            end,
            took: took.min(since.elapsed()),
            log_end: self.log.end_section(),
        })
    }

    fn done(&self, error: Option<String>) -> Result<Option<String>, String> {
        match error {
            Some(error) => Ok(Some(error)),
            None if self.phases.iter().all(|phase| *phase == Phase::Ended) => Ok(None),
            None => Err("it was done before every check had run".to_owned()),
        }
    }

    fn check(&mut self, index: usize) -> Option<(&'a JobCheck, &mut Phase)> {
        let place = self.job.checks.iter().position(|check| check.index == index)?;
        Some((&self.job.checks[place], &mut self.phases[place]))
    }
}

#[cfg(test)]
mod tests;
