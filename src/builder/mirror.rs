//! A repository's bare mirror below the state directory: what the daemon fetches into, with the token, and what
//! workers borrow objects from, without it.
//!
//! Every pull request keeps a ref here, and another for its base where merges are tested, because a fetch negotiates
//! from refs. Those of closed ones stay: a thousand of them cost a fetch nothing, ten thousand 0.1 s of a desktop's
//! processor. One `git fetch` by sha is all a build needs: it asks nobody when the commit is there already, works
//! before `refs/pull/N/head` is published, and after a force-push has taken the commit off it. Neither the remote's URL
//! nor a credential is ever stored.
//!
//! Everything here can be had again, so nothing waits for the card: a power cut may break a mirror, and a broken
//! one is noticed and made anew.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::git::{ENDED, Failure, Git, Watch, gist};
use super::process::{ready, spawn};
use super::slug;
use crate::logic::event::Job;
use crate::logic::policy::Tested;

/// How long one fetch may take, waiting for another one of this repository included: a first clone over a slow
/// line takes minutes; what takes longer would hold up every other build.
pub const FETCH_DEADLINE: Duration = Duration::from_secs(600);

/// How often a lock held by another fetch is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// git's own measure for 6,700 loose objects (its `gc.auto`): the files in one of their 256 directories.
const LOOSE_FILES_MAX: usize = 27;

/// Refs with a file of their own, one for each pull request: every fetch reads them all, and with 440 of them it
/// takes twice the time.
const LOOSE_REFS_MAX: usize = 64;

/// `gc.autoPackLimit` of git.
const PACKS_MAX: usize = 50;

/// A pull request's fetch, and nothing that is not it: no tags, no FETCH_HEAD, no upkeep in its way.
const FETCH: [&str; 6] = [
    "fetch",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-show-forced-updates",
    "--no-recurse-submodules",
];

/// Words of git that point at the mirror rather than at the remote.
const DAMAGE: [&str; 13] = [
    "corrupt",
    "loose object",
    "is empty",
    "bad object",
    "bad config",
    "not a git repository",
    "valid object",
    "valid commit",
    "could not parse",
    "Could not read",
    "unable to read",
    "unable to find",
    "necessary objects",
];

/// How long a mirror that was read whole and found sound counts as that. Whoever can make git say words like those
/// above again and again, as by the names of files, makes us read it no more often. A power cut ends us, and this too.
const SOUND_MAX: Duration = Duration::from_secs(3600);

/// The longest sha and a line break, in bytes.
const SHA_BYTES_MAX: usize = 65;

/// What a fetch brought.
#[derive(Debug)]
pub struct Fetched {
    /// git's words, for the log.
    pub said: String,
    /// The tip of the base branch, if the merge is tested.
    pub base_sha: Option<String>,
}

pub struct Mirror {
    path: PathBuf,
    lock: PathBuf,
    /// When all of it was read last.
    sound_at: Cell<Option<Instant>>,
}

/// What `git fsck` says, or is said of it, when it has not read the mirror to its end.
const NOT_JUDGED: [&str; 4] = [ENDED, "cannot start git", "ut of memory", "died of signal"];

impl Mirror {
    pub fn new(state_dir: &Path, repository: &str) -> Mirror {
        let (dir, slug) = (state_dir.join("mirrors"), slug(repository));
        let (path, lock) = (dir.join(format!("{slug}.git")), dir.join(format!("{slug}.lock")));
        Mirror { path, lock, sound_at: Cell::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the unit of that instance sees it: under its own name, which for strangers is another.
    pub fn shown_to(&self, instance: &str) -> PathBuf {
        let shown = self.path.with_file_name(format!("{instance}.git"));
        if let (Some(mirror), false) = (self.path.file_name(), fs::symlink_metadata(&shown).is_ok())
            && let Err(error) = symlink(mirror, &shown)
        {
            log::warn!("{} can't be made, so that its unit finds nothing: {error}", shown.display());
        }
        shown
    }

    /// Brings `job.sha` here and keeps it under `refs/pull/N/head`, and the tip of its base under `refs/pull/N/base`
    /// if the merge is tested. A broken mirror is made anew, once.
    pub fn fetch(&self, git: &Git, job: &Job, watch: Watch<'_>) -> Result<Fetched, Failure> {
        let _lock = self.lock(watch)?;
        self.make(git, watch)?;
        // Left by a fetch that a power cut ended; whoever holds the lock above is the only one to fetch.
        for name in ["head", "base"] {
            let _ = fs::remove_file(self.path.join(format!("refs/pull/{}/{name}.lock", job.pull)));
        }
        let said = match self.fetch_head(git, job, watch) {
            Err(Failure::Failed(said)) if hints_at_damage(&said) && self.remove_broken(git, watch)? => {
                self.make(git, watch)?;
                self.fetch_head(git, job, watch)?
            }
            done => done?,
        };
        // While the lock is held: another build of this pull request may fetch a newer tip.
        let base_sha = (job.tested == Tested::Merge).then(|| self.base(git, job, watch)).transpose()?;
        Ok(Fetched { said, base_sha })
    }

    /// What `git ARGS` prints about the mirror, no more than `bytes_max` of it.
    pub fn read(&self, git: &Git, args: &[&str], bytes_max: usize, watch: Watch<'_>) -> Result<Vec<u8>, Failure> {
        git.read(&self.args(args), bytes_max, watch)
    }

    /// Takes the mirror away if it is broken, so that the next fetch makes it anew. True if it was.
    pub fn mend(&self, git: &Git, watch: Watch<'_>) -> Result<bool, Failure> {
        let _lock = self.lock(watch)?;
        self.remove_broken(git, watch)
    }

    /// Starts git's upkeep in a thread of the lowest priority if enough has piled up. Nobody has to wait for it:
    /// git is at ease with a fetch or a checkout beside it, and keeps what lost its last ref for two weeks.
    pub fn tidy(&self, git: &Git) -> Option<JoinHandle<()>> {
        let objects = self.path.join("objects");
        let (loose, packs) = (files(&objects.join("17"), None), files(&objects.join("pack"), Some("pack")));
        let refs = files(&self.path.join("refs/pull"), None);
        let work: &[&str] = match () {
            () if loose > LOOSE_FILES_MAX || packs > PACKS_MAX => &["gc", "--auto", "--quiet"],
            () if refs > LOOSE_REFS_MAX => &["pack-refs", "--all"],
            () => return None,
        };
        let mut command = git.command(None);
        // One thread and a small window: this machine may have 512 MiB. What is unreachable goes into a pack, or
        // it would count as piled up again the next time.
        for setting in ["gc.autoDetach=false", "gc.cruftPacks=true", "pack.threads=1", "pack.windowMemory=32m"] {
            command.args(["-c", setting]);
        }
        command.arg("--git-dir").arg(&self.path).args(work);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let work = move || {
            // Of this thread alone, on Linux, and what it starts inherits it.
            let _ = rustix::process::setpriority_process(None, 19);
            if let Err(error) = spawn(&mut command).and_then(|mut git| git.wait()) {
                log::warn!("cannot start git for its upkeep: {error}");
            }
        };
        thread::Builder::new().name("gc".to_owned()).spawn(work).ok()
    }

    /// One fetch at a time for each repository, as the mirror may be taken away and made anew.
    fn lock(&self, watch: Watch<'_>) -> Result<File, Failure> {
        let said = |error: io::Error| Failure::Failed(format!("cannot lock {}: {error}", self.lock.display()));
        fs::create_dir_all(self.lock.parent().unwrap_or(&self.lock)).map_err(said)?;
        let file = OpenOptions::new().append(true).create(true).open(&self.lock).map_err(said)?;
        // Its age is how long nobody has built from this mirror: old ones are swept.
        let _ = file.set_modified(SystemTime::now());
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(error) => return Err(said(error.into())),
            }
            if ready([Some(watch.cancel)], watch.deadline.min(Instant::now() + LOCK_RETRY))?[0] {
                return Err(Failure::Cancelled);
            }
            if Instant::now() >= watch.deadline {
                return Err(Failure::Failed("another fetch of this repository does not end".to_owned()));
            }
        }
    }

    /// Makes the mirror where there is none, under another name first: a half-made one is never seen.
    fn make(&self, git: &Git, watch: Watch<'_>) -> Result<(), Failure> {
        if self.path.is_dir() {
            return Ok(());
        }
        let _ = fs::remove_file(&self.path);
        let unfinished = self.path.with_extension("new");
        let _ = fs::remove_dir_all(&unfinished);
        let init = ["init", "--bare", "--quiet", "--template=", "--initial-branch=main"].map(OsStr::new);
        git.run(&[&init, &[unfinished.as_os_str()][..]].concat(), None, watch)?;
        Ok(fs::rename(&unfinished, &self.path)?)
    }

    fn fetch_head(&self, git: &Git, job: &Job, watch: Watch<'_>) -> Result<String, Failure> {
        let head = format!("refs/pull/{}/head", job.pull);
        let base = base_refspec(job)?;
        match self.fetch_refspecs(git, &job.clone_url, &[&format!("+{}:{head}", job.sha), &base], watch) {
            // A server without protocol 2 gives out only what a ref points at.
            Err(Failure::Failed(said)) if said.contains("unadvertised object") => {}
            done => return done,
        }
        let said = self.fetch_refspecs(git, &job.clone_url, &[&format!("+{head}:{head}"), &base], watch)?;
        let commit = format!("{}^{{commit}}", job.sha);
        match self.run(git, &["cat-file", "-e", &commit], None, watch) {
            Err(Failure::Failed(_)) => {
                let why = format!("{said}\nfatal: {head} is not at {} any more, or not yet", job.sha);
                Err(Failure::Failed(why))
            }
            done => done.map(|_| said),
        }
    }

    fn fetch_refspecs(&self, git: &Git, url: &str, refspecs: &[&str], watch: Watch<'_>) -> Result<String, Failure> {
        let refspecs = refspecs.iter().copied().filter(|refspec| !refspec.is_empty());
        let args: Vec<_> = FETCH.into_iter().chain(["--", url]).chain(refspecs).collect();
        self.run(git, &args, Some(url), watch)
    }

    fn base(&self, git: &Git, job: &Job, watch: Watch<'_>) -> Result<String, Failure> {
        let tip = format!("refs/pull/{}/base^{{commit}}", job.pull);
        let printed = self.read(git, &["rev-parse", "--verify", &tip], SHA_BYTES_MAX, watch)?;
        Ok(String::from_utf8_lossy(&printed).trim().to_owned())
    }

    fn run(&self, git: &Git, args: &[&str], url: Option<&str>, watch: Watch<'_>) -> Result<String, Failure> {
        git.run(&self.args(args), url, watch)
    }

    fn args<'a>(&'a self, args: &'a [&str]) -> Vec<&'a OsStr> {
        let mut all = vec![OsStr::new("--git-dir"), self.path.as_os_str()];
        all.extend(args.iter().map(OsStr::new));
        all
    }

    /// Has git read all of it, which takes minutes for a large one on a small box.
    fn remove_broken(&self, git: &Git, watch: Watch<'_>) -> Result<bool, Failure> {
        if self.sound_at.get().is_some_and(|at| at.elapsed() < SOUND_MAX) {
            return Ok(false);
        }
        match self.run(git, &["fsck", "--no-dangling", "--no-progress"], None, watch) {
            // Ended by the kernel for want of memory it has not judged.
            Err(Failure::Failed(said)) if NOT_JUDGED.iter().any(|words| said.contains(words)) => Ok(false),
            Err(Failure::Failed(said)) if Instant::now() < watch.deadline => {
                log::warn!("the mirror {} is broken and is made anew: {}", self.path.display(), gist(&said));
                fs::remove_dir_all(&self.path)?;
                Ok(true)
            }
            done => {
                done?;
                self.sound_at.set(Some(Instant::now()));
                Ok(false)
            }
        }
    }
}

/// How the tip of the base comes here, if it is wanted.
fn base_refspec(job: &Job) -> Result<String, Failure> {
    if job.tested == Tested::Head {
        return Ok(String::new());
    }
    // What no branch has in its name, and a refspec understands.
    if job.base_ref.contains([':', '*']) {
        return Err(Failure::Failed(format!("{} is no name of a branch", job.base_ref)));
    }
    Ok(format!("+refs/heads/{}:refs/pull/{}/base", job.base_ref, job.pull))
}

/// Whether these words of git are such as a broken mirror makes it say.
pub fn hints_at_damage(said: &str) -> bool {
    let mut own = said.lines().filter(|line| !line.starts_with("remote:") && !line.contains("from remote repository"));
    own.any(|line| DAMAGE.iter().any(|word| line.contains(word)))
}

fn files(dir: &Path, extension: Option<&str>) -> usize {
    let extension = extension.map(OsStr::new);
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension() == extension).count()
}

#[cfg(test)]
mod tests;
