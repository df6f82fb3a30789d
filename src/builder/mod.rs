//! The daemon's side of a build: fetch the head into the mirror, hand it to a worker, follow that to its end.
//!
//! One thread for each slot, one build at a time. Read in this order: [`run`], [`mirror`] (what is fetched, and
//! how), [`head`] (what that says of itself), [`mod@hire`] (the way to a worker), [`mod@follow`] (what it says),
//! [`log`] and [`mask`]; [`secrets`], [`git`] and [`process`] serve them.

mod follow;
mod git;
mod head;
mod hire;
mod log;
mod mask;
mod mirror;
mod process;
mod secrets;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context, bail};
use crossbeam_channel::Receiver;
use ring::digest::{SHA256, digest};

use crate::logic::event::{BuildNews, Job};
use crate::logic::names::hex;
use crate::logic::policy::Isolation;
use crate::logic::secret::Secret;
use crate::logic::{text, wording};
use crate::worker::protocol::{Frame, Terminal, WorkerJob};
use follow::{Course, End, Patience, follow};
use git::{Failure, Git, Watch, gist};
use hire::{GONE_DEADLINE, LEAVE_DEADLINE};
use log::Log;
use mask::Mask;
use mirror::{FETCH_DEADLINE, Mirror, hints_at_damage};

pub use head::Understand;
pub use hire::Worker;
pub use log::log_path;
pub use secrets::read_secret;

/// What a build gets to know: names and values.
type Secrets = [(String, Secret)];

/// The longest reason passed on, in characters: a status shows 140, a page a little more.
const REASON_CHARS_MAX: usize = 200;

/// The longest slug, in bytes: `plb-SLUG_s` is the name of a user, and those end at 31.
const SLUG_BYTES_MAX: usize = 25;

/// Where a file with its name asks systemd to kill an instance (pilotlight-stuck.path).
pub const UNIT_STUCK: &str = "/run/pilotlight/stuck";

/// Where the units' sockets are, `SLUG.sock` for each repository.
pub const UNIT_SOCKETS: &str = "/run/pilotlight/build";

/// Where the units' rooms are, as they see it.
pub const UNIT_ROOMS: &str = "/var/cache/pilotlight-build";

/// What builders need to know of the configuration.
#[derive(Clone)]
pub struct BuilderConfig {
    /// `mirrors/` and `logs/` are below it. Workers of another user must be able to read a mirror's files, so the
    /// daemon's umask must let them (022); the directory itself may be closed.
    pub state_dir: PathBuf,
    /// `rooms/` is below it: where workers without isolation work.
    pub cache_dir: PathBuf,
    pub isolation: Isolation,
    /// For fetching, from `token_host` alone.
    pub token: Option<String>,
    /// `host` or `host:port`, as it stands in a clone URL.
    pub token_host: String,
    /// Understands a head's own file of checks.
    pub understand: Understand,
    /// What is started as `EXE worker`: `/proc/self/exe`.
    pub worker_exe: PathBuf,
    /// [`UNIT_SOCKETS`].
    pub unit_sockets: PathBuf,
    /// [`UNIT_ROOMS`].
    pub unit_rooms: PathBuf,
}

/// One build to be run.
pub struct Order {
    pub job: Job,
    /// The daemon holds the other end; dropping it cancels the build.
    pub cancel: PipeReader,
    /// Hears how it goes.
    pub tell: Box<dyn Fn(BuildNews) + Send>,
}

/// The life of a builder's thread: one order after the other, until nobody can send any more. The last word about
/// each is [`BuildNews::NotFetched`], [`BuildNews::NoWorker`] or [`BuildNews::Finished`]; the slot is free then.
pub fn run(config: BuilderConfig, slot: usize, orders: Receiver<Order>) {
    let git = Git::new(config.token.clone(), config.token_host.clone());
    let mut mirrors = BTreeMap::new();
    for order in orders {
        let (build, repository) = (order.job.build, &order.job.repository);
        let mut log = Log::create(&config.state_dir, build);
        let mirror = mirrors.entry(slug(repository)).or_insert_with(|| Mirror::new(&config.state_dir, repository));
        let last = match secrets::read(&order.job.secrets) {
            Ok(secrets) => {
                log.mask(Mask::new(secrets.iter().map(|(_, value)| value)));
                run_one(&config, slot, &git, mirror, &order, &secrets, &mut log)
            }
            Err(error) => BuildNews::Finished { error: Some(plain(&error)) },
        };
        log.end_section();
        (order.tell)(last);
        mirror.tidy(&git);
    }
}

/// A worker with a shell for a person: in the tree of `job` if its build was the last one there, else in one made anew.
/// The slot is the first one.
pub fn open_shell(config: &BuilderConfig, job: &Job, terminal: Terminal) -> anyhow::Result<Worker> {
    let secrets = secrets::read(&job.secrets).map_err(anyhow::Error::msg)?;
    let mirror = Mirror::new(&config.state_dir, &job.repository);
    let worker_job = WorkerJob { shell: Some(terminal), ..worker_job(config, 0, job, &mirror, &secrets) };
    let (cancel, _held) = io::pipe()?;
    let worker = hire(config, &instance(&job.repository, job.stranger), None, worker_job, cancel.as_fd())?;
    worker.context("it was cancelled")
}

/// One build. Once more, if its end looks like a broken mirror's and that is what it turns out to be.
fn run_one(
    config: &BuilderConfig,
    slot: usize,
    git: &Git,
    mirror: &Mirror,
    order: &Order,
    secrets: &Secrets,
    log: &mut Log,
) -> BuildNews {
    let checked_out = Cell::new(false);
    let mut attempt = || match fetch_and_call(config, git, mirror, order, log) {
        Ok((base_sha, early)) => {
            let job = WorkerJob { base_sha, ..worker_job(config, slot, &order.job, mirror, secrets) };
            work(config, early, job, order, log, &checked_out)
        }
        Err(last) => last,
    };
    let last = attempt();
    let suspect = matches!(&last, BuildNews::Finished { error: Some(said) } if hints_at_damage(said));
    if checked_out.get() || !suspect || !mirror.mend(git, watch(order)).unwrap_or(false) {
        return last;
    }
    match attempt() {
        // It counts as started: it can't go back to where those words belong.
        BuildNews::NotFetched { error } | BuildNews::NoWorker { error } => BuildNews::Finished { error: Some(error) },
        last => last,
    }
}

/// Fetches, and starts the unit meanwhile, as both take a while. Whatever is wrong with the unit is told when there is
/// a job for it.
fn fetch_and_call(
    config: &BuilderConfig,
    git: &Git,
    mirror: &Mirror,
    order: &Order,
    log: &mut Log,
) -> Result<(Option<String>, Option<Worker>), BuildNews> {
    let seen = (config.isolation == Isolation::Systemd).then(|| File::open(mirror.path()));
    // Without a mirror the unit would see none; without a pipe or a thread it is called afterwards.
    let (Some(Ok(seen)), Ok((needed, needs))) = (seen, io::pipe()) else {
        return Ok((fetch(config, git, mirror, order, log)?, None));
    };
    let (instance, cancel) = (instance(&order.job.repository, order.job.stranger), order.cancel.as_fd());
    mirror.shown_to(&instance);
    thread::scope(|scope| {
        let call = || Worker::unit(&config.unit_sockets, &instance, cancel, Some(needed.as_fd()));
        let calling = thread::Builder::new().name("unit".to_owned()).spawn_scoped(scope, call);
        let fetched = fetch(config, git, mirror, order, log);
        let needs = fetched.is_ok().then_some(needs);
        let called = calling.ok().and_then(|calling| calling.join().ok()?.ok()?);
        drop(needs);
        // The unit goes on seeing what was there: that is held open, so that no other gets its number.
        let number = |found: io::Result<Metadata>| found.map(|found| found.ino()).ok();
        let is_there = number(fs::metadata(mirror.path())) == number(seen.metadata());
        Ok((fetched?, called.filter(|worker| is_there && worker.waits())))
    })
}

fn watch(order: &Order) -> Watch<'_> {
    let (cancel, deadline) = (order.cancel.as_fd(), Instant::now() + FETCH_DEADLINE);
    Watch { cancel, deadline }
}

/// Fetches the head and reads what it says. Returns the tip of its base, if the merge is tested; or how that ended the
/// builder's part.
fn fetch(
    config: &BuilderConfig,
    git: &Git,
    mirror: &Mirror,
    order: &Order,
    log: &mut Log,
) -> Result<Option<String>, BuildNews> {
    let (job, watch) = (&order.job, watch(order));
    log.section(&format!("fetch {}#{} at {}", job.repository, job.pull, job.sha));
    let fetched = mirror.fetch(git, job, watch).map_err(|failure| match failed(failure, log) {
        Some(error) => BuildNews::NotFetched { error },
        None => BuildNews::Finished { error: None },
    })?;
    log.write(fetched.said.as_bytes());
    match head::read(git, mirror, job, config.understand, watch) {
        Ok(None) => Ok(fetched.base_sha),
        Ok(Some(news)) => {
            match &news {
                BuildNews::Skipped { marker } => log.write(format!("The head's message says {marker}.\n").as_bytes()),
                BuildNews::Named { checks: Err(error) } => log.write(format!("{error}\n").as_bytes()),
                _ => {}
            }
            Err(news)
        }
        Err(failure) => Err(BuildNews::Finished { error: failed(failure, log) }),
    }
}

/// The sense of git's words, all of which go to the log; `None` if it was cancelled.
fn failed(failure: Failure, log: &mut Log) -> Option<String> {
    let Failure::Failed(said) = failure else { return None };
    log.write(said.as_bytes());
    Some(gist(&said))
}

/// Has a worker do the rest. Returns the last word.
fn work(
    config: &BuilderConfig,
    early: Option<Worker>,
    job: WorkerJob,
    order: &Order,
    log: &mut Log,
    checked_out: &Cell<bool>,
) -> BuildNews {
    let instance = instance(&order.job.repository, order.job.stranger);
    let worker = match hire(config, &instance, early, job, order.cancel.as_fd()) {
        Ok(Some(worker)) => worker,
        Ok(None) => return BuildNews::Finished { error: None },
        Err(error) => return BuildNews::NoWorker { error: plain(&format!("{error:#}")) },
    };
    (order.tell)(BuildNews::Started);
    let mut course = Course::new(&order.job, log);
    let rooms = if config.isolation == Isolation::None { &config.cache_dir } else { &config.unit_rooms };
    let patience = Patience::with(&order.job, [&config.state_dir, rooms]);
    let end = follow(&worker.stream, order.cancel.as_fd(), &mut course, patience, &order.tell);
    checked_out.set(course.checked_out);
    let why = matches!(end, Ok(End::Silent)).then(|| worker.why()).flatten();
    let grace = if matches!(end, Ok(End::Cancelled)) { GONE_DEADLINE } else { LEAVE_DEADLINE };
    let how = worker.dismiss(grace, Path::new(UNIT_STUCK));
    if matches!(end, Ok(End::Conflict)) {
        return BuildNews::Conflict;
    }
    let error = why.or_else(|| reason(end, &how));
    BuildNews::Finished { error: error.map(|error| plain(&log.masked(&error))) }
}

/// A worker that has its job; `None` if the build was cancelled meanwhile.
fn hire(
    config: &BuilderConfig,
    instance: &str,
    early: Option<Worker>,
    job: WorkerJob,
    cancel: BorrowedFd<'_>,
) -> anyhow::Result<Option<Worker>> {
    let called = match (early, config.isolation) {
        (Some(worker), _) => Some(worker),
        (None, Isolation::Systemd) => Worker::unit(&config.unit_sockets, instance, cancel, None)?,
        (None, Isolation::None) => Some(Worker::child(&config.worker_exe)?),
    };
    let Some(mut worker) = called else { return Ok(None) };
    match worker.hand(&Frame::Job(Box::new(job))) {
        Ok(()) => Ok(Some(worker)),
        Err(error) => bail!("{error:#} ({})", worker.dismiss(LEAVE_DEADLINE, Path::new(UNIT_STUCK))),
    }
}

/// Why not every check ran; `how` is what became of the worker.
fn reason(end: io::Result<End>, how: &str) -> Option<String> {
    match end {
        Ok(End::Done { error }) => error,
        Ok(End::Cancelled | End::Conflict) => None,
        Ok(End::Silent) => Some(format!("the worker ended without a word ({how})")),
        Ok(End::Broken(why)) => Some(why),
        Ok(End::DiskFull) => Some(wording::DISK_FULL.to_owned()),
        Err(error) => Some(format!("lost the worker: {error}")),
    }
}

fn worker_job(config: &BuilderConfig, slot: usize, job: &Job, mirror: &Mirror, secrets: &Secrets) -> WorkerJob {
    let instance = instance(&job.repository, job.stranger);
    let (mirror, room) = match config.isolation {
        Isolation::None => {
            (mirror.path().to_owned(), config.cache_dir.join("rooms").join(format!("{instance}-{slot}")))
        }
        Isolation::Systemd => (mirror.shown_to(&instance), config.unit_rooms.join(&instance)),
    };
    WorkerJob {
        build: job.build,
        repository: job.repository.clone(),
        pull: job.pull,
        sha: job.sha.clone(),
        base_sha: None,
        base_ref: job.base_ref.clone(),
        head_ref: job.head_ref.clone(),
        clone_url: job.clone_url.clone(),
        submodules: job.submodules,
        mirror,
        room,
        fresh: job.stranger,
        checks: job.checks.clone(),
        silence: job.silence,
        shell: None,
        secrets: secrets.to_vec(),
    }
}

/// The instance of the build's unit: the repository's [`slug`], with `_s` behind it for its strangers (`_s` is no
/// escape of a slug, so that no repository has that name).
pub fn instance(repository: &str, stranger: bool) -> String {
    format!("{}{}", slug(repository), if stranger { "_s" } else { "" })
}

/// Both of a repository: its own, and its strangers'.
pub fn instances(repository: &str) -> [String; 2] {
    [false, true].map(|stranger| instance(repository, stranger))
}

/// The unit that listens for jobs of an instance.
pub fn socket_unit(instance: &str) -> String {
    format!("pilotlight-build@{instance}.socket")
}

/// A repository's name as a file, a unit's instance and a part of a user's name: lower-case letters, digits, `-` and
/// `_`, at most 25 of them, and different for different repositories. `acme/app` becomes `acme__app`.
pub fn slug(repository: &str) -> String {
    let mut slug = String::new();
    for byte in repository.bytes().map(|byte| byte.to_ascii_lowercase()) {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => slug.push(byte.into()),
            b'/' => slug.push_str("__"),
            b'.' => slug.push_str("_d"),
            b'_' => slug.push_str("_u"),
            other => slug.push_str(&format!("_x{other:02x}")),
        }
    }
    if slug.len() <= SLUG_BYTES_MAX {
        return slug;
    }
    // `_h` is no escape of the above, so that no short slug looks like this.
    let hash = hex(&digest(&SHA256, slug.as_bytes()).as_ref()[..6]);
    format!("{}_h{hash}", &slug[..SLUG_BYTES_MAX - 14])
}

/// One short line for people out of words from outside.
fn plain(text: &str) -> String {
    text::one_line(text).chars().take(REASON_CHARS_MAX).collect()
}
