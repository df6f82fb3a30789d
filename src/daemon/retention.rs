//! What may go: old logs, trees that nobody builds in, history. At the start, daily, and when space is short.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::Daemon;

/// Between sweeps.
pub const BEAT: Duration = Duration::from_secs(24 * 3600);

/// Logs older than this go, but for the newest: a clock that jumps must not take them all.
const LOG_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
const LOGS_KEPT: usize = 100;
/// The same when space is short.
const LOGS_KEPT_SHORT: usize = 10;

/// All logs together: a sixteenth of a small card.
const LOG_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The same when space is short.
const LOG_BYTES_MAX_SHORT: u64 = 64 * 1024 * 1024;

/// A room or mirror in which nothing was built for this long goes: it can be made again.
const UNUSED_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// When space is short every room goes in which nobody builds just now: one of them may have filled the disk.
const UNUSED_MAX_SHORT: Duration = Duration::ZERO;

/// A mirror is read by the build that fetched into it: longer than a day of checks may last.
const MIRROR_UNUSED_MAX_SHORT: Duration = Duration::from_secs(3 * 24 * 3600);

/// Between sweeps while space is short: the build that filled the disk may have ended since.
const BEAT_SHORT: Duration = Duration::from_secs(60);

/// Ends the name of a room that is being removed.
const GONE: &str = ".gone";

/// Builds in the database older than this go, but for the newest 10,000.
const HISTORY_AGE_MAX_SECONDS: i64 = 400 * 24 * 3600;

impl Daemon {
    /// Removes what may go; files in a thread of its own, since a large tree takes a while.
    pub(super) fn sweep(&mut self, short: bool) {
        let now = self.now();
        self.sweep_at = now.mono + if short { BEAT_SHORT } else { BEAT };
        if let Err(error) = self.store.forget_before(now.wall - HISTORY_AGE_MAX_SECONDS) {
            log::warn!("old history stays: {error:#}");
        }
        let (logs, mirrors) = (self.config.state_dir.join("logs"), self.config.state_dir.join("mirrors"));
        let rooms = self.config.cache_dir.join("rooms");
        let sweeper = thread::Builder::new().name("sweep".to_owned()).spawn(move || {
            sweep_logs(&logs, short);
            sweep_rooms(&rooms, if short { UNUSED_MAX_SHORT } else { UNUSED_MAX });
            sweep_mirrors(&mirrors, if short { MIRROR_UNUSED_MAX_SHORT } else { UNUSED_MAX });
        });
        if let Err(error) = sweeper {
            log::warn!("old logs and trees stay for now: no thread for it: {error}");
        }
    }
}

/// The oldest first, until both limits hold.
fn sweep_logs(dir: &Path, short: bool) {
    let (kept, bytes_max) = if short { (LOGS_KEPT_SHORT, LOG_BYTES_MAX_SHORT) } else { (LOGS_KEPT, LOG_BYTES_MAX) };
    let number = |entry: &DirEntry| entry.file_name().to_str()?.strip_suffix(".log")?.parse::<i64>().ok();
    let mut logs: Vec<_> = entries(dir).filter_map(|entry| Some((number(&entry)?, entry))).collect();
    logs.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
    let mut bytes = 0;
    for (i, (_, log)) in logs.iter().enumerate() {
        let Ok(found) = log.metadata() else { continue };
        bytes += found.len();
        // The newest may be written just now.
        let old = i >= kept && (short || age(found.modified()) > LOG_AGE_MAX);
        if i > 0 && (old || bytes > bytes_max) {
            told(&log.path(), fs::remove_file(log.path()));
        }
    }
}

/// A room's lock is held while a build runs in it. It is renamed first: the next build then begins a new one.
fn sweep_rooms(dir: &Path, unused_max: Duration) {
    for room in entries(dir) {
        let (path, is_gone) = (room.path(), room.file_name().to_string_lossy().ends_with(GONE));
        let lock = fs::File::open(path.join("lock"));
        let free = lock.as_ref().is_ok_and(|file| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok());
        let built_at = fs::metadata(path.join("index")).or_else(|_| room.metadata());
        let old = free && built_at.is_ok_and(|found| age(found.modified()) >= unused_max);
        let gone = if is_gone { path.clone() } else { PathBuf::from(format!("{}{GONE}", path.display())) };
        if is_gone || (old && fs::rename(&path, &gone).is_ok()) {
            told(&path, remove_tree(&gone));
        }
    }
}

/// A mirror's lock file is as old as the last build that fetched into it.
fn sweep_mirrors(dir: &Path, unused_max: Duration) {
    for lock in entries(dir).filter(|entry| entry.path().extension().is_some_and(|e| e == "lock")) {
        let old = lock.metadata().is_ok_and(|found| age(found.modified()) >= unused_max);
        let Ok(file) = fs::File::open(lock.path()) else { continue };
        let (mirror, gone) = (lock.path().with_extension("git"), lock.path().with_extension("git.gone"));
        let free = old && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if gone.exists() || (free && fs::rename(&mirror, &gone).is_ok()) {
            told(&mirror, remove_tree(&gone));
        }
    }
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

/// None for a time in the future: a clock that was wrong, then or now.
fn age(modified: std::io::Result<SystemTime>) -> Duration {
    modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default()
}

fn told(path: &Path, removed: std::io::Result<()>) {
    match removed {
        Ok(()) => log::info!("removed {}, which was old", path.display()),
        Err(error) => log::warn!("{} is old but stays: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests;
