//! What of a room outlasts a build, and how long: the caches and the home of one repository, bounded in size and age.
//!
//! The worker does it: under isolation the room is another user's than the daemon's, where root only ever removes whole
//! rooms. What goes, goes as a whole entry of the cache or the home (`.cargo`, `ccache`): a tool that finds all of its
//! directory gone begins anew; one that finds half of it builds nonsense. For the same reason it is moved aside first.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rustix::fs::statvfs;

use super::processes::Processes;
use super::room::{Room, remove};
use crate::logic::space::floor;

/// What the cache and the home may hold, in bytes: a toolchain's downloads and the target directory of a large project;
/// several of them still fit on a usual card. On a smaller one a tenth of it.
const BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
const SHARE: u64 = 10;
/// Between two looks: a walk over 100,000 files takes a second, and on a cold card half a minute.
const LOOK_BEAT: Duration = Duration::from_secs(24 * 3600);
/// What nobody has read or written for this long goes, in seconds.
const UNUSED_SECONDS_MAX: i64 = 30 * 24 * 3600;

/// An entry of the cache or the home, with all below it.
struct Entry {
    path: PathBuf,
    bytes: u64,
    /// When any of it was last read (as far as the file system keeps that) or changed, in seconds since 1970.
    used_at: i64,
}

impl Room {
    /// After a build. All of the room goes with `fresh`, and on a disk that is too full to build on: the room may be
    /// what filled it, and nobody else touches it while we are here. Else, once a day, the entries that are too old, and the least used
    /// of those that are too much.
    pub fn tidy(&self, fresh: bool, processes: &mut Processes) -> Result<()> {
        self.clear_lock()?;
        if fresh || is_short(&self.path)? {
            return self.empty(processes);
        }
        let looked = self.path.join("looked");
        if age(&looked).is_some_and(|age| age < LOOK_BEAT) {
            return Ok(());
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let kept = [entries(&self.cache)?, entries(&self.home)?].concat().into_iter().map(measure).collect();
        for path in surplus(kept, BYTES_MAX.min(size(&self.path)? / SHARE), now) {
            self.discard(&path, processes)?;
        }
        remove(&looked, processes)?;
        File::create_new(&looked).context("the room can't be written to").map(drop)
    }
}

/// Whether the disk of `path` is below its floor.
pub fn is_short(path: &Path) -> Result<bool> {
    let disk = statvfs(path).context("the room's disk can't be looked at")?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    let no_file_left = disk.f_files > 0 && disk.f_favail == 0;
    Ok(bytes(disk.f_bavail) < floor(bytes(disk.f_blocks)) || no_file_left)
}

/// Of the disk of `path`, in bytes.
fn size(path: &Path) -> Result<u64> {
    let disk = statvfs(path).context("the room's disk can't be looked at")?;
    Ok(disk.f_blocks.saturating_mul(disk.f_frsize))
}

/// Those that were not used for long, then the least used until at most `bytes_max` are left.
fn surplus(mut entries: Vec<Entry>, bytes_max: u64, now: i64) -> impl Iterator<Item = PathBuf> {
    entries.sort_unstable_by_key(|entry| entry.used_at);
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let goes = move |entry: Entry| {
        let goes = bytes > bytes_max || entry.used_at < now - UNUSED_SECONDS_MAX;
        bytes -= if goes { entry.bytes } else { 0 };
        goes.then_some(entry.path)
    };
    entries.into_iter().filter_map(goes)
}

/// Links are not followed; what can't be looked into counts for nothing, and is as old as it seems.
fn measure(path: PathBuf) -> Entry {
    let mut entry = Entry { path: path.clone(), bytes: 0, used_at: 0 };
    let mut waiting = vec![path];
    while let Some(path) = waiting.pop() {
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        entry.bytes += found.blocks() * 512;
        // The change of a file is the time that no build can set. A directory is read by this very walk.
        let read_at = if found.is_dir() { 0 } else { found.atime() };
        entry.used_at = entry.used_at.max(found.ctime()).max(read_at);
        if found.is_dir() {
            waiting.extend(entries(&path).unwrap_or_default());
        }
    }
    entry
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = || fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>();
    match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        found => found.with_context(|| format!("{} can't be looked into", directory.display())),
    }
}

/// None where nothing is, or where it comes from the future: a clock that was wrong, or a build that would keep us from
/// looking.
fn age(path: &Path) -> Option<Duration> {
    let modified = fs::symlink_metadata(path).and_then(|found| found.modified()).ok()?;
    SystemTime::now().duration_since(modified).ok()
}

#[cfg(test)]
mod tests;
