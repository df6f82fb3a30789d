//! The worker's room: tree, home, cache and tmp of one repository, and the lock on all of it.
//!
//! Builds of one repository share the room and its user, one after the other. So whatever is found in it
//! may have been left by a stranger: nothing is reached through a symlink, nothing is taken for a
//! directory unlooked.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::processes::Processes;
use crate::logic::build::CheckEnd;

/// Between two tries for the lock: `flock` can't be waited for together with the stream. Only a build whose
/// predecessor is still being ended ever waits.
const LOCK_POLL: Duration = Duration::from_millis(50);
/// How long removing one directory may take, with the patience of an old card.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The name of the file that is locked.
const LOCK: &str = "lock";
/// The name of the file that tells which build the tree is of.
const BUILT: &str = "built";
/// The name of what is being removed.
const GONE: &str = "gone";

/// A room of our own until it is dropped.
pub struct Room {
    pub path: PathBuf,
    pub tree: PathBuf,
    pub home: PathBuf,
    pub cache: PathBuf,
    /// Empty on entering.
    pub tmp: PathBuf,
    /// The index of our last checkout, out of the way of what builds do to theirs.
    pub index: PathBuf,
    lock: File,
}

impl Room {
    /// Makes what is missing, waits for the lock or until it is `Stopped`, empties `tmp`; with `fresh` everything but
    /// the lock.
    pub fn enter(path: &Path, fresh: bool, processes: &mut Processes) -> Result<Room> {
        ensure!(path.is_absolute(), "the room {} is not an absolute path", path.display());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
            .with_context(|| format!("the room {} can't be made", path.display()))?;
        let below = |name| path.join(name);
        let (tree, home, cache, tmp) = (below("tree"), below("home"), below("cache"), below("tmp"));
        let room = Room {
            path: path.to_owned(),
            tree,
            home,
            cache,
            tmp,
            index: below("index"),
            lock: lock(&below(LOCK), processes)?,
        };
        let Room { tree, home, cache, tmp, .. } = &room;
        remove(&room.path.join(GONE), processes)?;
        if fresh {
            room.empty(processes)?;
        }
        for directory in [tree, home, cache] {
            make_directory(directory, processes)?;
        }
        empty_directory(tmp, &[], processes)?;
        Ok(room)
    }

    /// Notes whose tree it is from now on.
    pub fn mark(&self, build: i64) -> Result<()> {
        fs::write(self.path.join(BUILT), build.to_string()).context("the room can't be marked")
    }

    /// Whether the tree is what this build left.
    pub fn was_left_by(&self, build: i64) -> bool {
        fs::read_to_string(self.path.join(BUILT)).is_ok_and(|found| found == build.to_string())
    }

    /// A build may have filled the disk with it.
    pub fn clear_lock(&self) -> Result<()> {
        self.lock.set_len(0).context("the lock can't be emptied")
    }

    /// Removes all but the lock.
    pub fn empty(&self, processes: &mut Processes) -> Result<()> {
        let what = || format!("the room {} can't be emptied", self.path.display());
        for entry in fs::read_dir(&self.path).with_context(what)? {
            let entry = entry.with_context(what)?;
            if entry.file_name() != LOCK {
                self.discard(&entry.path(), processes)?;
            }
        }
        Ok(())
    }

    /// Removes the file or directory, so that after a power cut either all of it is there or nothing.
    pub fn discard(&self, path: &Path, processes: &mut Processes) -> Result<()> {
        let gone = self.path.join(GONE);
        remove(&gone, processes)?;
        // What is closed to us can't be moved.
        let moved = fs::rename(path, &gone).is_ok();
        remove(if moved { &gone } else { path }, processes)
    }
}

/// Makes sure that `path` is a directory that we can use; anything else there is removed.
pub fn make_directory(path: &Path, processes: &mut Processes) -> Result<()> {
    let what = || format!("the directory {} can't be made", path.display());
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() && found.mode() & 0o700 == 0o700 => return Ok(()),
        Ok(found) if found.is_dir() => {
            return fs::set_permissions(path, Permissions::from_mode(0o700)).with_context(what);
        }
        Ok(_) => remove(path, processes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(what),
    }
    DirBuilder::new().mode(0o700).create(path).with_context(what)
}

/// Makes sure that `path` is a directory with nothing in it but what is called as one of `kept` and is a
/// directory or a file that has no other name.
pub fn empty_directory(path: &Path, kept: &[&str], processes: &mut Processes) -> Result<()> {
    make_directory(path, processes)?;
    let what = || format!("the directory {} can't be emptied", path.display());
    for entry in fs::read_dir(path).with_context(what)? {
        let entry = entry.with_context(what)?;
        let found = entry.metadata().with_context(what)?;
        let plain = found.is_dir() || found.is_file() && found.nlink() == 1;
        if !(plain && kept.iter().any(|name| entry.file_name() == *name)) {
            remove(&entry.path(), processes)?;
        }
    }
    Ok(())
}

/// Removes whatever is at `path`, never following a symlink. A tree that resists (no permissions, deeper
/// than paths may be long) is left to `chmod` and `rm`, which know how.
pub fn remove(path: &Path, processes: &mut Processes) -> Result<()> {
    let what = || format!("{} can't be removed", path.display());
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(what),
        Ok(found) if !found.is_dir() => return fs::remove_file(path).with_context(what),
        Ok(_) if fs::remove_dir_all(path).is_ok() => return Ok(()),
        Ok(_) => {}
    }
    let mut said = Vec::new();
    for (program, flags) in [("chmod", ["-R", "u+rwx"].as_slice()), ("rm", &["-rf"])] {
        let mut command = Command::new(program);
        command.args(flags).arg("--").arg(path);
        said.clear();
        let mut sink = |bytes: &[u8]| {
            said = bytes.to_vec();
            Ok(())
        };
        let (end, _) = processes.run(command, REMOVE_TIMEOUT.into(), &mut sink)?;
        if program == "rm" && end != CheckEnd::Exited(0) {
            bail!("{}: {}", what(), String::from_utf8_lossy(&said).trim_end());
        }
    }
    Ok(())
}

/// Empties the room of a worker that was killed: a stranger's, and any that leaves the disk full.
pub fn abandon(path: &Path) -> Result<()> {
    let what = || format!("the room {} can't be emptied", path.display());
    let strangers = path.as_os_str().as_encoded_bytes().ends_with(b"_s");
    if !strangers && !super::cache::is_short(path)? {
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(what)? {
        let entry = entry.with_context(what)?;
        match entry.file_type().with_context(what)?.is_dir() {
            true => fs::remove_dir_all(entry.path()).with_context(what)?,
            false => fs::remove_file(entry.path()).with_context(what)?,
        }
    }
    Ok(())
}

/// Waits for the lock on the file at `path`. The lock ends with the returned file, which no child inherits
/// (std opens with O_CLOEXEC).
fn lock(path: &Path, processes: &mut Processes) -> Result<File> {
    let what = || format!("the lock {} can't be taken", path.display());
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32; // neither a symlink nor a FIFO fools us
    loop {
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            remove(path, processes)?;
        }
        let opened = OpenOptions::new().write(true).create(true).mode(0o600).custom_flags(flags).open(path);
        let file = opened.with_context(what)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_still_at(&file, path) => {
                // What a build wrote into it is not the next one's to read, nor to be kept.
                file.set_len(0).with_context(what)?;
                return Ok(file);
            }
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => processes.pause(LOCK_POLL)?,
            Err(error) => return Err(error).with_context(what),
        }
    }
}

/// False if a build removed or replaced the file after it was opened: a lock on it would hold off nobody.
fn is_still_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(theirs)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())
}
