//! What systemd hears, and how the daemon bears being stopped for a while.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::github::StatusPost;
use crate::support::payload::pull;
use crate::support::scene::{APP, Scene, WAITS, wait_until_gone};

/// As `WATCHDOG_USEC` has it: systemd would restart a daemon that is silent for longer.
const WATCHDOG: Duration = Duration::from_secs(2);

/// Longer than any feeding that was on its way takes.
const SILENCE: Duration = Duration::from_secs(3);

/// In systemd's place.
struct Manager {
    socket: UnixDatagram,
    dir: TempDir,
}

impl Manager {
    fn new() -> Manager {
        let dir = TempDir::new().expect("a temporary directory");
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        Manager { socket, dir }
    }

    fn path(&self) -> String {
        self.dir.path().join("notify").display().to_string()
    }

    /// The next word, if one comes within `limit`.
    fn next(&self, limit: Duration) -> Option<String> {
        let mut word = [0; 4096];
        self.socket.set_read_timeout(Some(limit)).unwrap();
        match self.socket.recv(&mut word) {
            Ok(bytes) => Some(String::from_utf8_lossy(&word[..bytes]).into_owned()),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                None
            }
        }
    }

    /// Waits for a word that holds `part`, past all others.
    #[track_caller]
    fn hear(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let word = self.next(left).unwrap_or_else(|| panic!("systemd never hears {part:?}"));
            if word.contains(part) {
                return word;
            }
        }
    }

    /// Takes what is on its way, then waits and hears whether it is fed.
    fn is_fed(&self) -> bool {
        while self.next(Duration::from_millis(1)).is_some() {}
        let end = Instant::now() + SILENCE;
        while let left = end.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            if self.next(left).is_some_and(|word| word == "WATCHDOG=1") {
                return true;
            }
        }
        false
    }

    fn watched(&self, checks: &[(&str, &str)]) -> Scene {
        let usec = WATCHDOG.as_micros().to_string();
        Scene::with(checks, |c| c.env("NOTIFY_SOCKET", &self.path()).env("WATCHDOG_USEC", &usec))
    }
}

/// The process that runs a check's shell: its worker.
fn parent(pid: i32) -> Pid {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).expect("it lives");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent");
    Pid::from_raw(parent.trim().parse().unwrap()).expect("a parent")
}

#[test]
fn systemd_hears_that_it_is_ready_what_it_does_and_that_it_ends() {
    let manager = Manager::new();
    let mut scene = manager.watched(&[("test", WAITS)]);
    manager.hear("READY=1");
    manager.hear("STATUS=0 running, 0 queued, 0 waiting for approval; lamp: No pull request yet");
    let (sha, _) = scene.open(1);
    manager.hear("STATUS=1 running, 0 queued");
    scene.open(2);
    manager.hear("STATUS=1 running, 1 queued");
    scene.daemon.signal(Signal::TERM);
    // While it still waits for what runs: whoever looks sees why it takes so long.
    manager.hear("STOPPING=1");
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    assert_eq!(scene.daemon.wait_for_exit().code(), Some(0));
}

#[test]
fn the_watchdog_is_fed_while_it_lives_and_not_while_it_hangs() {
    let manager = Manager::new();
    let scene = manager.watched(&[("test", "true")]);
    (0..3).for_each(|_| drop(manager.hear("WATCHDOG=1")));

    scene.daemon.signal(Signal::STOP);
    assert!(!manager.is_fed(), "nobody feeds for a process that stands still");
    scene.daemon.signal(Signal::CONT);
    manager.hear("WATCHDOG=1");

    // Only the main thread hangs: its card does not answer.
    let card = Connection::open(scene.state_dir().join("pilotlight.db")).unwrap();
    card.execute_batch("BEGIN IMMEDIATE").unwrap();
    let sha = scene.commit(1, &[]);
    let delivery = pull("opened", APP, 1, &sha, 0).json();
    thread::scope(|scope| {
        let answer = scope.spawn(|| scene.daemon.hook("pull_request", &delivery, false));
        // Until the delivery has reached it; then the other threads must not feed for it.
        let deadline = Instant::now() + PATIENCE;
        while manager.is_fed() {
            assert!(Instant::now() < deadline, "it is fed although its main thread hangs");
        }
        card.execute_batch("ROLLBACK").unwrap();
        let (status, words) = answer.join().unwrap();
        assert!(status == 202 || status == 503, "{words}");
    });
    manager.hear("WATCHDOG=1");
    // Nothing is wrong with it afterwards.
    let (sha, _) = loop {
        let next = scene.commit(2, &[]);
        let (status, answer) = scene.daemon.hook("pull_request", &pull("opened", APP, 2, &next, 0).json(), false);
        if status == 202 {
            break (next, answer);
        }
        assert_eq!(status, 503, "{answer}");
        scene.daemon.wait_for_log("saving works again");
    };
    scene.shown(&sha, "test", "success");
}

#[test]
fn strangers_who_take_all_connections_do_not_stop_the_watchdog() {
    let manager = Manager::new();
    let scene = manager.watched(&[("test", "true")]);
    manager.hear("WATCHDOG=1");
    let strangers: Vec<_> = (0..100).map(|_| TcpStream::connect(scene.daemon.hooks_address()).unwrap()).collect();
    while manager.next(Duration::from_millis(1)).is_some() {}
    manager.hear("WATCHDOG=1");
    manager.hear("WATCHDOG=1");
    drop(strangers);
}

#[test]
fn a_daemon_that_stood_still_for_a_while_has_lost_nothing() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (first, id) = scene.open(1);
    scene.cues.hear(&first);
    scene.described(&first, "Running");
    scene.daemon.signal(Signal::STOP);
    // The check ends meanwhile, and a delivery comes.
    scene.cues.go();
    let second = scene.commit(2, &[]);
    let delivery = pull("opened", APP, 2, &second, 0).json();
    thread::scope(|scope| {
        let answer = scope.spawn(|| scene.daemon.hook("pull_request", &delivery, false));
        let asked = scope.spawn(|| scene.daemon.get_text("/healthz", &[]).status);
        assert!(!answer.is_finished());
        scene.daemon.signal(Signal::CONT);
        assert_eq!(answer.join().unwrap().0, 202);
        assert_eq!(asked.join().unwrap(), 200);
    });
    scene.shown(&first, "test", "success");
    assert_eq!(scene.daemon.wait_build(id, "success")["attempt"], 1);
    scene.cues.go();
    scene.shown(&second, "test", "success");
}

#[test]
fn a_worker_that_stood_still_for_a_while_goes_on() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (first, id) = scene.open(1);
    let worker = parent(scene.cues.hear_pid(&first));
    kill_process(worker, Signal::STOP).unwrap();
    scene.cues.go();
    // Others are still heard, and wait for their turn.
    let (second, waiting) = scene.open(2);
    assert_eq!(scene.daemon.get_json(&format!("/api/v1/builds/{waiting}"))["state"], "queued");
    assert_eq!(scene.daemon.get_json(&format!("/api/v1/builds/{id}"))["state"], "running");
    kill_process(worker, Signal::CONT).unwrap();
    scene.shown(&first, "test", "success");
    assert_eq!(scene.daemon.wait_build(id, "success")["attempt"], json!(1));
    scene.cues.go();
    scene.shown(&second, "test", "success");
}

#[test]
fn a_build_whose_worker_stands_still_can_be_cancelled() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (first, _) = scene.open(1);
    let worker = parent(scene.cues.hear_pid(&first));
    kill_process(worker, Signal::STOP).unwrap();
    let (status, answer) = scene.daemon.hook("pull_request", &pull("closed", APP, 1, &first, 1).json(), false);
    assert_eq!(status, 200, "{answer}");
    scene.shown(&first, "test", "error");
    kill_process(worker, Signal::CONT).unwrap();
    let (second, _) = scene.open(2);
    scene.cues.go();
    scene.shown(&second, "test", "success");
}

/// A scene with a git in front of the real one: its first fetch says its process id, then waits in `read` for ever. The
/// directory is that git's.
fn with_a_fetch_that_waits() -> (Scene, TempDir) {
    let dir = TempDir::new().expect("a temporary directory");
    let path = std::env::var("PATH").expect("a way to git");
    let scene = Scene::with(&[("test", "true")], |c| c.env("PATH", &format!("{}:{path}", dir.path().display())));
    let script = scene.cues.command(
        "#!/bin/sh\ncase \" $* \" in *' fetch '*) mkdir \"$0.waited\" 2> /dev/null && { echo git $$ > @say; read _ < @go; } ;; esac\n\
         PATH=${PATH#*:} exec git \"$@\"\n",
    );
    let text = dir.path().join("text");
    std::fs::write(&text, script).unwrap();
    // Copied by another process: what we had open for writing, a fork of another test could keep busy.
    let copied = Command::new("install").arg(&text).arg(dir.path().join("git")).status();
    assert!(copied.is_ok_and(|status| status.success()));
    (scene, dir)
}

#[test]
fn a_fetch_that_stands_still_can_be_cancelled() {
    let (scene, _git) = with_a_fetch_that_waits();
    let (first, _) = scene.open(1);
    let git = scene.cues.hear_pid("git ");
    kill_process(Pid::from_raw(git).expect("a process"), Signal::STOP).unwrap();
    let (second, waiting) = scene.open(2);
    assert_eq!(scene.daemon.get_json(&format!("/api/v1/builds/{waiting}"))["state"], "queued");
    let (status, answer) = scene.daemon.hook("pull_request", &pull("closed", APP, 1, &first, 1).json(), false);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(scene.shown(&first, "test", "error").description, "Cancelled: the pull request was closed");
    wait_until_gone(git);
    scene.shown(&second, "test", "success");
}

/// By the daemon's own limit for a fetch, which nobody makes shorter.
#[test]
#[ignore = "ten minutes: `.ci/slow limits`"]
fn a_fetch_that_stands_still_for_ever_is_ended_and_tried_again() {
    const FETCH_MAX: Duration = Duration::from_secs(600);
    let (scene, _git) = with_a_fetch_that_waits();
    let (first, id) = scene.open(1);
    let git = scene.cues.hear_pid("git ");
    kill_process(Pid::from_raw(git).expect("a process"), Signal::STOP).unwrap();
    let (second, _) = scene.open(2);
    let words = format!("Waiting for {} to be fetched, trying again", &first[..7]);
    let tried = |p: &StatusPost| p.accepted() && p.sha == first && p.state == "pending" && p.description == words;
    scene.github.wait_for(|posts| posts.iter().any(tried), FETCH_MAX + PATIENCE);
    wait_until_gone(git);
    scene.shown(&second, "test", "success");
    scene.shown(&first, "test", "success");
    assert_eq!(scene.daemon.wait_build(id, "success")["attempt"], 1);
}
