//! Real git repositories: a bare one as GitHub would have it, and a staging one where commits are made, so that
//! a commit can exist before the bare one has it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// A repository to build from, gone with its value.
pub struct Origin {
    dir: TempDir,
    /// Its `main` has it from the start.
    pub base: String,
    commits: AtomicU32,
}

impl Origin {
    pub fn new() -> Origin {
        let dir = TempDir::new().expect("a temporary directory");
        let mut origin = Origin { dir, base: String::new(), commits: AtomicU32::new(0) };
        git(&["init", "-q", "--bare", "-b", "main", origin.bare().to_str().unwrap()]);
        git(&["init", "-q", "-b", "main", origin.staging().to_str().unwrap()]);
        origin.base = origin.commit_now(&[("README.md", "A repository to build.\n")]);
        origin.publish("refs/heads/main", &origin.base);
        origin
    }

    /// `file://…`, for `clone_url`.
    pub fn url(&self) -> String {
        format!("file://{}", self.bare().display())
    }

    /// A commit on top of the base with these files (path, content); content that starts with `#!` is
    /// executable. Nobody but the staging repository has it until it is published.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        self.commit_on(&self.base, files)
    }

    /// The same on top of any commit.
    pub fn commit_on(&self, parent: &str, files: &[(&str, &str)]) -> String {
        self.git(&["checkout", "-q", "--force", "--detach", parent]);
        self.commit_now(files)
    }

    /// A commit on top of the base with that message, after `change` has changed the files in the directory it gets.
    pub fn commit_as(&self, message: &str, change: impl FnOnce(&Path)) -> String {
        self.git(&["checkout", "-q", "--force", "--detach", &self.base]);
        change(&self.staging());
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Makes `refs/pull/N/head` point to `sha`, whatever it pointed to before, as GitHub does after a push,
    /// forced or not.
    pub fn publish_pull(&self, number: u64, sha: &str) {
        self.publish(&format!("refs/pull/{number}/head"), sha);
    }

    /// Pushes `sha`, and what it stands on, to a full ref name; by force.
    pub fn publish(&self, reference: &str, sha: &str) {
        let refspec = format!("+{sha}:{reference}");
        self.git(&["push", "-q", self.bare().to_str().unwrap(), &refspec]);
    }

    /// Whether the bare repository has this commit.
    pub fn has(&self, sha: &str) -> bool {
        let bare = self.bare();
        let mut command = git_command();
        command.args(["--git-dir", bare.to_str().unwrap(), "cat-file", "-e", sha]);
        command.output().expect("git runs").status.success()
    }

    fn commit_now(&self, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            let path = self.staging().join(path);
            fs::create_dir_all(path.parent().expect("below staging")).unwrap();
            fs::write(&path, content).unwrap();
            let mode = if content.starts_with("#!") { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        self.git(&["add", "--all"]);
        // Numbered, so that equal changes are different commits.
        let message = format!("Change {}", self.commits.fetch_add(1, Ordering::Relaxed));
        self.git(&["commit", "-q", "--allow-empty", "-m", &message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    #[track_caller]
    fn git(&self, args: &[&str]) -> String {
        git(&[&["-C", self.staging().to_str().unwrap()], args].concat())
    }

    fn bare(&self) -> PathBuf {
        self.dir.path().join("origin.git")
    }

    fn staging(&self) -> PathBuf {
        self.dir.path().join("staging")
    }
}

#[track_caller]
fn git(args: &[&str]) -> String {
    let output = git_command().args(args).output().expect("git runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {said}");
    String::from_utf8(output.stdout).expect("git speaks UTF-8")
}

/// git without anyone's configuration.
fn git_command() -> Command {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Octo Cat").env(format!("GIT_{role}_EMAIL"), "octo@example.com");
    }
    for inherited in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(inherited);
    }
    command
}
