//! The usual scene: a daemon with one repository, `acme/app`, and the ways to speak with its checks.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;

use super::PATIENCE;
use super::config::{TOKEN, TestConfig};
use super::daemon::Daemon;
use super::github::FakeGithub;
use super::payload::{Pull, pull};
use super::process::Lines;
use super::repo::Origin;

/// The repository of the scene.
pub const APP: &str = "acme/app";

/// A check that says which head it builds and its process id, then waits for [`Cues::go`].
pub const WAITS: &str = "echo at $PILOTLIGHT_SHA $$ > @say; read _ < @go";

/// How a check and a test speak with each other while it runs: whoever is waited for is waited for in `read`.
pub struct Cues {
    dir: TempDir,
    said: Lines,
    go: File,
}

impl Cues {
    pub fn new() -> Cues {
        let dir = TempDir::new().expect("a temporary directory");
        let [say, go] = ["say", "go"].map(|name| {
            let path = dir.path().join(name);
            mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
            // Both ways, so that neither side waits for the other to open it.
            OpenOptions::new().read(true).write(true).open(path).expect("our own FIFO")
        });
        Cues { dir, said: Lines::gather(say), go }
    }

    /// A command in which `@say` and `@go` are the files to write to and to read a line from.
    pub fn command(&self, run: &str) -> String {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        run.replace("@say", &path("say")).replace("@go", &path("go"))
    }

    /// Waits until a check has said something that holds `part`, and returns that line.
    #[track_caller]
    pub fn hear(&self, part: &str) -> String {
        self.said.wait_for(part, PATIENCE)
    }

    /// The same; the last word of the line is the id of a process.
    #[track_caller]
    pub fn hear_pid(&self, part: &str) -> i32 {
        let line = self.hear(part);
        line.rsplit(' ').next().and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("no pid in {line:?}"))
    }

    /// Everything that checks have said.
    pub fn heard(&self) -> String {
        self.said.text()
    }

    /// Lets one check that waits, or that will, go on.
    pub fn go(&self) {
        (&self.go).write_all(b"\n").expect("a FIFO that we hold open");
    }
}

/// A daemon, its configuration, and all around it.
pub struct Scene {
    pub daemon: Daemon,
    pub config: TestConfig,
    pub github: FakeGithub,
    pub origin: Origin,
    pub cues: Cues,
}

impl Scene {
    /// With these checks (context, command); in the commands `@say` and `@go` are [`Cues`].
    #[track_caller]
    pub fn new(checks: &[(&str, &str)]) -> Scene {
        Scene::with(checks, |config| config)
    }

    /// The same with more in its configuration.
    #[track_caller]
    pub fn with(checks: &[(&str, &str)], more: impl FnOnce(TestConfig) -> TestConfig) -> Scene {
        let (github, origin, cues) = (FakeGithub::start(TOKEN), Origin::new(), Cues::new());
        let checks: Vec<_> = checks.iter().map(|(context, run)| (*context, cues.command(run))).collect();
        let checks: Vec<_> = checks.iter().map(|(context, run)| (*context, run.as_str())).collect();
        let config = more(TestConfig::new(&github.url()).repository(APP, &origin.url(), &checks));
        let daemon = Daemon::start(&config);
        Scene { daemon, config, github, origin, cues }
    }

    /// A new commit with these files, published as the head of a pull request.
    pub fn commit(&self, number: u64, files: &[(&str, &str)]) -> String {
        let sha = self.origin.commit(files);
        self.origin.publish_pull(number, &sha);
        sha
    }

    /// Opens a pull request with a commit of its own: the head's sha, and the build's id.
    #[track_caller]
    pub fn open(&self, number: u64) -> (String, i64) {
        let sha = self.commit(number, &[]);
        let id = self.accepted(pull("opened", APP, number, &sha, 0));
        (sha, id)
    }

    /// Delivers what must be answered 202, and returns the build's id.
    #[track_caller]
    pub fn accepted(&self, pull: Pull) -> i64 {
        let (status, answer) = self.daemon.hook("pull_request", &pull.json(), false);
        assert_eq!(status, 202, "{answer}");
        answer["build"].as_i64().unwrap_or_else(|| panic!("no build in {answer}"))
    }

    /// Waits for the status that GitHub shows.
    #[track_caller]
    pub fn shown(&self, sha: &str, context: &str, state: &str) -> super::github::StatusPost {
        self.github.wait_for_state(sha, context, state, PATIENCE)
    }

    /// Waits until GitHub shows this description, and returns all calls.
    #[track_caller]
    pub fn described(&self, sha: &str, description: &str) -> Vec<super::github::StatusPost> {
        let is_it = |p: &super::github::StatusPost| p.accepted() && p.sha == sha && p.description == description;
        self.github.wait_for(|posts| posts.iter().any(is_it), PATIENCE)
    }

    /// Kills the daemon as a power cut would and starts it again.
    #[track_caller]
    pub fn power_cut(&mut self) {
        self.daemon.restart(&self.config);
    }

    /// The log of a build, all of it.
    #[track_caller]
    pub fn log(&self, build: i64) -> String {
        let reply = self.daemon.get_text(&format!("/api/v1/builds/{build}/log"), &[]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text().to_owned()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.daemon.room.path("state")
    }
}

/// Waits until the process with this id, which is not our child, has ended.
#[track_caller]
pub fn wait_until_gone(pid: i32) {
    let id = Pid::from_raw(pid).expect("no process has the id 0");
    let Ok(pidfd) = pidfd_open(id, PidfdFlags::empty()) else { return };
    let limit = Timespec::try_from(PATIENCE).expect("a short time");
    let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)).expect("poll on a pidfd") > 0;
    assert!(ended, "process {pid} is still there");
}
