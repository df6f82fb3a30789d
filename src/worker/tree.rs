//! The checkout: exactly the sha (or its merge, see [`merge`]), in a tree that is used again and that strangers had
//! their hands in.
//!
//! What makes it exact:
//! - `.git` is brought back to what `git init` makes before every checkout. So no config, hook, attribute,
//!   exclude, sparse setting, ref, replacement, graft, lock, rebase, worktree, module or forged object of an
//!   earlier build is left; all objects come from the daemon's mirror.
//! - The index is kept beside the tree and is written by our own git alone; a build gets a copy. So flags that
//!   a build sets (assume-unchanged, skip-worktree, fsmonitor, a split or sparse index) are never read again,
//!   and a file whose times or size differ from our last checkout is written again.
//! - What git leaves alone is put right here: directories that nobody may enter, FIFOs and sockets, the
//!   contents of submodules.
//!
//! Not covered: modes that git does not keep (all but "executable"), of directories that can be entered, and
//! of a file where they changed within the second of its checkout. And a build that seeks out the kept index
//! and forges the times of files in it: it could as well leave something for the next build in its home or
//! cache, which builds of one repository share.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, ensure};

use super::processes::{Processes, Sink, Stopped};
use super::protocol::WorkerJob;
use super::room::{Room, empty_directory, make_directory, remove};
use crate::logic::build::CheckEnd;

mod merge;

pub use merge::NoMerge;

/// How long one call of git may take: a first checkout of gigabytes onto an old card.
const GIT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// What is kept of git's output, in bytes: its last words say what went wrong.
const GIT_OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// HEAD until git itself has set it, so that finding the sha there is proof of a whole checkout.
const NO_HEAD: &str = "ref: refs/heads/none\n";

/// Makes `room.tree` a checkout of exactly the job's sha, or of its merge into the base, out of the mirror's objects. A
/// tree that resists is removed and made again, once. What git said goes to `log` if it failed.
///
/// # Errors
/// `Stopped`; [`NoMerge`]; a sha that is none or is not in the mirror; whatever git or the file system says.
pub fn check_out(room: &Room, job: &WorkerJob, processes: &mut Processes, log: &mut Sink) -> Result<()> {
    ensure!(is_sha(&job.sha), "“{}” is not the full sha of a commit", job.sha);
    let mut tree = Tree { room, job, processes, log };
    let Err(error) = tree.make() else { return Ok(()) };
    if error.is::<Stopped>() || error.is::<NoMerge>() || !tree.has_commit()? {
        return Err(error);
    }
    let note = format!("The tree could not be used again ({error:#}); making it anew.\n");
    (tree.log)(note.as_bytes())?;
    remove(&room.tree, tree.processes)?;
    remove(&room.index, tree.processes)?;
    tree.make()
}

/// Whether these are all digits of a commit's name.
fn is_sha(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

struct Tree<'a, 'b> {
    room: &'a Room,
    job: &'a WorkerJob,
    processes: &'a mut Processes,
    log: &'a mut Sink<'b>,
}

impl Tree<'_, '_> {
    fn make(&mut self) -> Result<()> {
        make_directory(&self.room.tree, self.processes)?;
        self.make_git_directory()?;
        self.clear_index()?;
        open_up(&self.room.tree)?;
        // Twice as fast as `reset --hard`, which doesn't look at files in parallel.
        let commit = self.commit()?;
        self.git(&["checkout", "--quiet", "--force", "--detach", &commit, "--"])?;
        let said = self.git(&["clean", "-ffdxq"])?;
        ensure!(said.is_empty(), "git clean did not get everywhere");
        let index = fs::read(&self.room.index).context("git wrote no index")?;
        self.empty_submodules(&index)?;
        let head = fs::read_to_string(self.git_directory().join("HEAD")).context("git wrote no HEAD")?;
        ensure!(head.trim_end() == commit, "git checked out {} instead of {commit}", head.trim_end());
        self.hand_out(&index)
    }

    fn git_directory(&self) -> PathBuf {
        self.room.tree.join(".git")
    }

    /// What `git init` makes (gitrepository-layout(5)), without the price of a process and of templates; and
    /// nothing else. What is right already stays, as removing is what a file system is slowest at.
    fn make_git_directory(&mut self) -> Result<()> {
        const LAYOUT: [(&str, &[&str]); 6] = [
            (".git", &["HEAD", "config", "hooks", "index", "info", "objects", "refs"]),
            (".git/hooks", &[]),
            (".git/info", &[]),
            (".git/objects", &["info"]),
            (".git/objects/info", &["alternates"]),
            (".git/refs", &[]),
        ];
        for (directory, kept) in LAYOUT {
            empty_directory(&self.room.tree.join(directory), kept, self.processes)?;
        }
        let git = self.git_directory();
        let format = if self.job.sha.len() == 64 { "1\n[extensions]\n\tobjectFormat = sha256" } else { "0" };
        let config = format!(
            "[core]\n\tbare = false\n\tfilemode = true\n\trepositoryformatversion = {format}\n\
             [remote \"origin\"]\n\turl = \"{}\"\n",
            self.job.clone_url.replace('\\', "\\\\").replace('"', "\\\"")
        );
        put(&git.join("config"), config.as_bytes())?;
        put(&git.join("objects/info/alternates"), &self.alternates()?)?;
        put(&git.join("HEAD"), NO_HEAD.as_bytes())
    }

    fn alternates(&self) -> Result<Vec<u8>> {
        let objects = self.job.mirror.join("objects");
        ensure!(objects.is_dir(), "the mirror {} is not a git repository", self.job.mirror.display());
        let line = objects.as_os_str().as_bytes();
        ensure!(line.starts_with(b"/") && !line.contains(&b'\n'), "git can't borrow from {}", objects.display());
        Ok([line, b"\n"].concat())
    }

    /// A lock that a killed git of ours left, or a trap where the kept index should be.
    fn clear_index(&mut self) -> Result<()> {
        remove(&self.room.index.with_extension("lock"), self.processes)?;
        match fs::symlink_metadata(&self.room.index) {
            Ok(found) if !found.is_file() => remove(&self.room.index, self.processes),
            _ => Ok(()),
        }
    }

    /// As git would leave them in a new clone: an earlier build may have filled them.
    fn empty_submodules(&mut self, index: &[u8]) -> Result<()> {
        for path in submodules(index, self.job.sha.len() / 2).context("the index that git wrote can't be read")? {
            empty_directory(&self.room.tree.join(path), &[], self.processes)?;
        }
        Ok(())
    }

    /// A copy of the index for the build's own git. Its time must be that of the original: git compares it
    /// with the files' times to find those that changed within one tick of the clock.
    fn hand_out(&self, index: &[u8]) -> Result<()> {
        let written = fs::metadata(&self.room.index).and_then(|found| found.modified())?;
        let copy = || -> std::io::Result<()> {
            let mut file = File::create(self.git_directory().join("index"))?;
            file.write_all(index)?;
            file.set_modified(written)
        };
        copy().context("the index can't be copied into the tree")
    }

    fn has_commit(&mut self) -> Result<bool> {
        let commit = format!("{}^{{commit}}", self.job.sha);
        let mut command = self.git_command(&["cat-file", "-e", &commit]);
        command.env("GIT_DIR", &self.job.mirror).current_dir("/");
        let (end, _) = self.processes.run(command, GIT_TIMEOUT.into(), &mut |_| Ok(()))?;
        Ok(end == CheckEnd::Exited(0))
    }

    /// What git said, if it was content; else that goes to the log, and its last line is the error.
    fn git(&mut self, args: &[&str]) -> Result<Vec<u8>> {
        match self.run(self.git_command(args))? {
            (CheckEnd::Exited(0), said) => Ok(said),
            (end, said) => Err(self.failed(args[0], end, &said)),
        }
    }

    /// How it ended, and the last of what it said.
    fn run(&mut self, command: Command) -> Result<(CheckEnd, Vec<u8>)> {
        let mut said = Vec::new();
        let mut sink = |bytes: &[u8]| {
            said.extend_from_slice(bytes);
            said.drain(..said.len().saturating_sub(GIT_OUTPUT_BYTES_MAX));
            Ok(())
        };
        let (end, _) = self.processes.run(command, GIT_TIMEOUT.into(), &mut sink)?;
        Ok((end, said))
    }

    fn failed(&mut self, what: &str, end: CheckEnd, said: &[u8]) -> Error {
        if let Err(stopped) = (self.log)(said) {
            return stopped;
        }
        let text = String::from_utf8_lossy(said);
        match text.trim_end().lines().last() {
            Some(last) => anyhow!("git {what}: {last}"),
            None => anyhow!("git {what} ended without a word: {end:?}"),
        }
    }

    /// git with nothing but our own settings.
    fn git_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "core.logAllRefUpdates=false"]).args(args);
        with_own_settings(&mut command).current_dir(&self.room.tree);
        command.env("GIT_DIR", self.git_directory()).env("GIT_WORK_TREE", &self.room.tree);
        command.env("GIT_INDEX_FILE", &self.room.index);
        command
    }
}

/// A clean environment for git: neither the daemon's settings, nor the system's, nor those of a home.
pub fn with_own_settings(git: &mut Command) -> &mut Command {
    git.env_clear().env("PATH", super::path()).envs([
        ("HOME", "/dev/null"), // also the way to git/attributes and git/ignore of a user
        ("LC_ALL", "C"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ])
}

/// Writes the file unless it is so already.
fn put(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|found| found == content) {
        return Ok(());
    }
    fs::write(path, content).with_context(|| format!("{} can't be written", path.display()))
}

/// Mends what git stumbles over, or overlooks: it neither enters a closed directory nor sees a FIFO or socket.
fn open_up(tree: &Path) -> Result<()> {
    let what = "a directory of the tree can't be opened"; // its path may be as long as a build likes
    let mut waiting = vec![tree.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        let mode = fs::symlink_metadata(&directory).context(what)?.mode();
        if mode & 0o700 != 0o700 {
            fs::set_permissions(&directory, Permissions::from_mode(0o700)).context(what)?;
        }
        for entry in fs::read_dir(&directory).context(what)? {
            let entry = entry.context(what)?;
            let kind = entry.file_type().context(what)?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if !kind.is_file() && !kind.is_symlink() {
                fs::remove_file(entry.path()).context(what)?;
            }
        }
    }
    Ok(())
}

/// The paths of submodules in an index of version 2, the only one our git writes (gitformat-index(5)).
pub fn submodules(index: &[u8], oid_bytes: usize) -> Option<Vec<PathBuf>> {
    const MODE_GITLINK: u32 = 0o160000;
    let number = |at: usize| Some(u32::from_be_bytes(index.get(at..at + 4)?.try_into().ok()?));
    let (signature, version) = (index.get(..4)?, number(4)?);
    let mut found = Vec::new();
    let mut at = 12;
    for _ in 0..number(8).filter(|_| signature == b"DIRC" && version == 2)? {
        let name = index.get(at + 40 + oid_bytes + 2..)?;
        let name = &name[..name.iter().position(|byte| *byte == 0)?];
        if number(at + 24)? == MODE_GITLINK {
            found.push(PathBuf::from(std::ffi::OsString::from_vec(name.to_vec())));
        }
        at += (40 + oid_bytes + 2 + name.len() + 8) & !7;
    }
    Some(found)
}

#[cfg(test)]
mod tests;
