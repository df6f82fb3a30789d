//! What may go, by age and by bytes: logs, trees that nobody builds in, mirrors that nobody fetches into, history, torn
//! databases. At the start, daily, and when space is short. Rooms of systemd's units belong to other users: root sees to
//! them ([`units`]).

pub mod units;

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, Metadata, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::Daemon;
use super::space::Room;
use crate::builder::slug;
use crate::logic::build::BuildId;
use crate::logic::policy::Isolation;
use crate::store;

/// Between sweeps.
const BEAT: Duration = Duration::from_secs(24 * 3600);

/// Between sweeps while space is short: the build that filled the disk may have ended since.
const BEAT_SHORT: Duration = Duration::from_secs(60);

/// Between two parts of old history: the main thread has time for all else.
const BEAT_FORGET: Duration = Duration::from_secs(10);

/// Logs older than this go, but for the newest: a clock that jumps must not take them all.
const LOG_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
const LOGS_KEPT: usize = 100;
/// The same when space is short.
const LOGS_KEPT_SHORT: usize = 10;

/// All logs together: a thirtieth of a 32 GB card.
const LOG_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The same when space is short.
const LOG_BYTES_MAX_SHORT: u64 = 64 * 1024 * 1024;

/// A room or mirror that was not used for this long goes: it can be made again.
const UNUSED_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// The share of their file system that all rooms may take: of a 32 GB card 7 GB, a few large trees with what their
/// builds leave, so that two thirds stay free for one that grows.
const ROOMS_SHARE: u64 = 4;

/// The same for mirrors: 3.5 GB. History is packed well, and to fetch it anew is the dearest of all.
const MIRRORS_SHARE: u64 = 8;

/// Torn databases that were set aside, for whoever looks into them: each may be as large as the one in use.
const BROKEN_KEPT: usize = 3;
/// The same when space is short.
const BROKEN_KEPT_SHORT: usize = 1;

/// Ends the name of a room or mirror that is being removed.
const GONE: &str = ".gone";

/// Builds in the database older than this go, but for the newest 10,000.
const HISTORY_AGE_MAX_SECONDS: i64 = 400 * 24 * 3600;

/// The database: about 400,000 builds, a hundredth of a 32 GB card.
const HISTORY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a build is using just now.
#[derive(Default)]
struct Busy {
    builds: BTreeSet<BuildId>,
    /// By [`slug`].
    repositories: BTreeSet<String>,
}

impl Daemon {
    /// Removes what may go, if it is time; files in a thread of its own, since a large tree takes a while.
    pub(super) fn sweep(&mut self) {
        let now = self.now();
        if self.forget_at <= now.mono && self.save_again_at.is_none() {
            let wall = now.wall - HISTORY_AGE_MAX_SECONDS;
            let more = self.store.forget(wall, HISTORY_BYTES_MAX).unwrap_or_else(|error| {
                log::warn!("old history stays: {error:#}");
                false
            });
            self.forget_at = now.mono + if more { BEAT_FORGET } else { BEAT };
        }
        let idle = self.sweeper.as_ref().is_none_or(thread::JoinHandle::is_finished);
        if now.mono < self.sweep_at || !idle {
            return;
        }
        let short = self.space.short.is_some();
        self.sweep_at = now.mono + if short { BEAT_SHORT } else { BEAT };
        let (busy, state_dir, cache_dir) = (self.busy(), self.config.state_dir.clone(), self.config.cache_dir.clone());
        let (database, isolation) = (self.config.database(), self.config.policy.isolation);
        let sweeper = thread::Builder::new().name("sweep".to_owned()).spawn(move || {
            // Of this thread alone, on Linux: builds and webhooks come first.
            let _ = rustix::process::setpriority_process(None, 19);
            sweep_logs(&state_dir.join("logs"), short, &busy);
            let kept = if short { BROKEN_KEPT_SHORT } else { BROKEN_KEPT };
            store::remove_set_aside(&database, kept).into_iter().for_each(|(path, removed)| told(&path, removed));
            sweep_trees(rooms(&cache_dir.join("rooms")), Limit::of(&cache_dir, ROOMS_SHARE, short));
            if isolation == Isolation::Systemd {
                units::ask(short);
            }
            sweep_trees(mirrors(&state_dir.join("mirrors"), &busy), Limit::of(&state_dir, MIRRORS_SHARE, short));
        });
        match sweeper {
            Ok(sweeper) => self.sweeper = Some(sweeper),
            Err(error) => log::warn!("old logs and trees stay until the next sweep: no thread for this one: {error}"),
        }
    }

    fn busy(&self) -> Busy {
        let builds = self.runs.keys().copied().collect();
        let run = |id| self.state.rows().builds.get(id);
        let repositories = self.runs.keys().filter_map(run).map(|build| slug(&build.repository)).collect();
        Busy { builds, repositories }
    }
}

/// The oldest first, until all limits hold.
fn sweep_logs(dir: &Path, short: bool, busy: &Busy) {
    let (kept, bytes_max) = if short { (LOGS_KEPT_SHORT, LOG_BYTES_MAX_SHORT) } else { (LOGS_KEPT, LOG_BYTES_MAX) };
    let number = |entry: &DirEntry| entry.file_name().to_str()?.strip_suffix(".log")?.parse::<BuildId>().ok();
    let mut logs: Vec<_> = entries(dir).filter_map(|entry| Some((number(&entry)?, entry))).collect();
    logs.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
    let mut bytes = 0;
    for (i, (number, log)) in logs.iter().enumerate() {
        let Ok(found) = log.metadata() else { continue };
        bytes += found.len();
        let old = i >= kept && (short || age(&found) > LOG_AGE_MAX);
        // The newest is what people look for. And whatever is written just now would be lost with its file.
        if i > 0 && (old || bytes > bytes_max) && !busy.builds.contains(number) {
            told(&log.path(), fs::remove_file(log.path()));
        }
    }
}

/// A room or a mirror. Its lock is held while it is written.
struct Tree {
    path: PathBuf,
    lock: PathBuf,
    /// As old as its last use.
    mark: PathBuf,
    unused: Duration,
}

impl Tree {
    fn new(path: PathBuf, lock: PathBuf, mark: PathBuf) -> Option<Tree> {
        let found = fs::metadata(&mark).or_else(|_| fs::metadata(&path)).ok()?;
        Some(Tree { path, lock, mark, unused: age(&found) })
    }

    /// Renamed first: the next build then begins a new one, and a power cut leaves nothing that looks whole. False if
    /// somebody uses it.
    fn remove(&self) -> bool {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed(); // a build can't make us wait
        let lock = OpenOptions::new().read(true).custom_flags(flags).open(&self.lock);
        if lock.as_ref().is_ok_and(|file| flock(file, FlockOperation::NonBlockingLockExclusive).is_err()) {
            return false;
        }
        // Used since it was looked at.
        if fs::metadata(&self.mark).is_ok_and(|found| age(&found) < self.unused) {
            return false;
        }
        let gone = PathBuf::from(format!("{}{GONE}", self.path.display()));
        if let Err(error) = fs::rename(&self.path, &gone) {
            log::warn!("{} is not used but stays: {error}", self.path.display());
            return false;
        }
        told(&self.path, remove_tree(&gone));
        true
    }
}

/// How much all rooms, or all mirrors, may take.
enum Limit {
    Bytes(u64),
    /// Nothing but what is used just now, while space is short.
    While(Box<dyn Fn() -> bool>),
}

impl Limit {
    fn of(dir: &Path, share: u64, short: bool) -> Limit {
        let dir = dir.to_owned();
        if short {
            return Limit::While(Box::new(move || Room::of(&dir).is_some_and(|room| room.is_low())));
        }
        Limit::Bytes(Room::of(&dir).map_or(u64::MAX, |room| room.size / share))
    }
}

fn sweep_trees(trees: Vec<Tree>, limit: Limit) {
    sweep_trees_with(trees, limit, Tree::remove);
}

/// The least recently used first, until the limit holds.
fn sweep_trees_with(mut trees: Vec<Tree>, limit: Limit, remove: impl Fn(&Tree) -> bool) {
    trees.sort_by_key(|tree| std::cmp::Reverse(tree.unused));
    let sizes: Vec<u64> = match limit {
        Limit::Bytes(_) => trees.iter().map(|tree| bytes_below(&tree.path)).collect(),
        Limit::While(_) => vec![0; trees.len()],
    };
    let mut all: u64 = sizes.iter().sum();
    for (tree, bytes) in trees.iter().zip(sizes) {
        let goes = match &limit {
            Limit::Bytes(max) => tree.unused >= UNUSED_MAX || all > *max,
            Limit::While(short) => short(),
        };
        if goes && remove(tree) {
            all -= bytes;
        }
    }
}

fn rooms(dir: &Path) -> Vec<Tree> {
    let room = |path: PathBuf| Tree::new(path.clone(), path.join("lock"), path.join("index"));
    whole(dir).filter(|path| path.is_dir()).filter_map(room).collect()
}

/// But for those that a build reads: it fetched into it, and holds no lock any more.
fn mirrors(dir: &Path, busy: &Busy) -> Vec<Tree> {
    let mirror = |path: PathBuf| {
        let slug = path.file_name()?.to_str()?.strip_suffix(".git")?;
        let lock = path.with_extension("lock");
        (!busy.repositories.contains(slug)).then(|| Tree::new(path.clone(), lock.clone(), lock))?
    };
    whole(dir).filter_map(mirror).collect()
}

/// What is in `dir`, but for what was on its way out already: that goes now.
fn whole(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let paths = entries(dir).map(|entry| entry.path());
    paths.filter(|path| {
        let gone = path.to_string_lossy().ends_with(GONE);
        if gone {
            told(path, remove_tree(path));
        }
        !gone
    })
}

/// On the disk, as `du` says, which knows of hard links and the deepest of trees; 0 for what it can't read.
fn bytes_below(path: &Path) -> u64 {
    let asked = Command::new("du").args(["-skx", "--"]).arg(path).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let said = asked.map(|output| output.stdout).unwrap_or_else(|error| {
        log::warn!("the size of {} can't be had from `du`: {error}", path.display());
        Vec::new()
    });
    let kib = String::from_utf8_lossy(&said).split_whitespace().next().and_then(|word| word.parse().ok());
    kib.map_or(0, |kib: u64| kib.saturating_mul(1024))
}

/// Also what a build made unwritable, as Go's module cache is.
fn remove_tree(path: &Path) -> std::io::Result<()> {
    fs::remove_dir_all(path).or_else(|_| {
        Command::new("chmod").args(["-R", "u+rwX", "--"]).arg(path).status()?;
        fs::remove_dir_all(path)
    })
}

fn entries(dir: &Path) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(dir).into_iter().flatten().flatten()
}

/// Zero for a time in the future: a clock that was wrong, then or now.
fn age(found: &Metadata) -> Duration {
    found.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default()
}

fn told(path: &Path, removed: std::io::Result<()>) {
    match removed {
        Ok(()) => log::info!("removed {}, which is not needed", path.display()),
        Err(error) => log::warn!("{} is not needed but stays: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests;
