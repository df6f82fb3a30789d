//! A full disk: a small file system of the test's own, filled while deliveries arrive. What was answered 202 is built,
//! what could not be saved was answered 503, and it goes on by itself when there is room.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::fs::statvfs;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::config::SECRET;
use crate::support::daemon::{encode, fresh_guid, sign};
use crate::support::github::StatusPost;
use crate::support::http::Reply;
use crate::support::payload::pull;
use crate::support::scene::{APP, Scene, WAITS};

const SIZE_BYTES: u64 = 64 * 1024 * 1024;

/// Less than a twentieth of the file system, which is the floor there, and enough for the daemon's own needs.
const SHORT_BYTES: u64 = 2 * 1024 * 1024;

const ENDED: &str = "The disk is full: the build was ended";
const NO_SPACE: &str = "Queued: waiting for disk space on the box";

/// A small file system, unmounted with its value. Outlives the scene when it is made before it.
struct Disk {
    dir: TempDir,
}

impl Disk {
    /// `None` where this user may not mount.
    fn mount() -> Option<Disk> {
        let dir = TempDir::new().expect("a temporary directory");
        let size = format!("size={SIZE_BYTES}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Disk { dir });
        }
        // Past the test harness, which would swallow what `println` says.
        let why = mounted.map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
        let _ = writeln!(std::io::stderr(), "NOT RUN: a full disk, as no small file system can be mounted: {why:?}");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A daemon whose state and cache are here.
    fn scene(&self, checks: &[(&str, &str)]) -> Scene {
        let quoted = |name: &str| format!("{:?}", self.path(name));
        Scene::with(checks, |c| c.set("storage.state_dir", &quoted("state")).set("storage.cache_dir", &quoted("cache")))
    }

    fn free_bytes(&self) -> u64 {
        let found = statvfs(self.dir.path()).expect("our own mount");
        found.f_bavail * found.f_frsize
    }

    /// Fills it until no more than `left` bytes are free; the file to remove.
    fn fill(&self, left: u64) -> PathBuf {
        let path = self.path(&format!("filler-{}", fastrand::u32(..)));
        self.fill_with(&path, left);
        path
    }

    /// The same with a file of that name.
    fn fill_with(&self, path: &Path, left: u64) {
        let mut filler = File::create(path).unwrap();
        let block = vec![1; 4096];
        while self.free_bytes() > left && filler.write_all(&block).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whatever a failing test left open must not keep it.
        let _ = Command::new("umount").arg("--lazy").arg(self.dir.path()).status();
    }
}

/// Waits until the lamp tells so. Each question is also an occasion to look at the disk.
#[track_caller]
fn wait_for_lamp(scene: &Scene, part: &str) -> Value {
    wait_for_lamp_where(scene, |reason| reason.contains(part))
}

#[track_caller]
fn wait_for_lamp_where(scene: &Scene, wanted: impl Fn(&str) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lamp = scene.daemon.get_json("/api/v1/lights");
        if lamp["reason"].as_str().is_some_and(&wanted) {
            return lamp;
        }
        assert!(Instant::now() < deadline, "the lamp does not tell it: {lamp}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn deliver(scene: &Scene, guid: &str, payload: &Value) -> Reply {
    let (content_type, body) = encode(payload, false);
    let headers = [
        ("Content-Type", content_type),
        ("X-GitHub-Event", "pull_request"),
        ("X-GitHub-Delivery", guid),
        ("X-GitHub-Hook-ID", "1"),
        ("X-Hub-Signature-256", &sign(SECRET, &body)),
    ];
    scene.daemon.hook_raw(&headers, &body)
}

/// Once it was saved nothing is refused any more; but a sweep may have made room for a moment before.
#[track_caller]
fn deliver_until_saved(scene: &Scene, guid: &str, payload: &Value) -> Reply {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = deliver(scene, guid, payload);
        if reply.status == 202 {
            return reply;
        }
        assert!(reply.status == 503 && Instant::now() < deadline, "{}: {}", reply.status, reply.text());
        thread::sleep(Duration::from_millis(100));
    }
}

#[track_caller]
fn is_sound(disk: &Disk) {
    let connection = Connection::open(disk.path("state/pilotlight.db")).unwrap();
    let word: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(word, "ok");
}

#[test]
fn below_the_floor_builds_wait_say_so_and_go_on_when_there_is_room() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = disk.scene(&[("test", WAITS)]);
    let (running, _) = scene.open(1);
    scene.cues.hear(&running);
    let (queued, _) = scene.open(2);
    scene.described(&queued, "Queued");

    let filler = disk.fill(SHORT_BYTES);
    let lamp = wait_for_lamp(&scene, "Can't tell: the disk is full: ");
    assert_eq!([&lamp["red"], &lamp["yellow"], &lamp["green"]], ["on", "on", "off"], "{lamp}");
    assert!(scene.daemon.get_text("/", &[]).text().contains("the disk is full: "));
    scene.daemon.wait_for_log("3 MiB are needed: no build starts until there is room");
    let checked = scene.daemon.cli(&["check", "--offline"]);
    assert!(checked.stdout.contains(" MiB free, so no build starts: make room"), "{}", checked.stdout);
    let (late, _) = scene.open(3);
    for sha in [&queued, &late] {
        assert!(scene.described(sha, NO_SPACE).iter().filter(|p| p.sha == *sha).all(|p| p.state == "pending"));
    }
    // What runs is ended, before it takes the last byte.
    assert_eq!(scene.shown(&running, "test", "error").description, ENDED);

    // Nor does a start change anything.
    scene.power_cut();
    scene.daemon.wait_for_log("no build starts until there is room");
    let (later, _) = scene.open(4);
    scene.described(&later, NO_SPACE);
    wait_for_lamp(&scene, "Can't tell: the disk is full");
    let heard = scene.cues.heard();
    assert!([&queued, &late, &later].iter().all(|sha| !heard.contains(*sha)), "{heard}");

    fs::remove_file(filler).unwrap();
    scene.daemon.wait_for_log("there is room on the disk again");
    for sha in [&queued, &late, &later] {
        scene.cues.hear(sha);
        scene.cues.go();
        scene.shown(sha, "test", "success");
    }
    assert_eq!(scene.daemon.get_json("/api/v1/lights")["green"], "on");
}

#[test]
fn with_no_byte_left_nothing_that_was_accepted_is_lost() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = disk.scene(&[("test", "echo at $PILOTLIGHT_SHA > @say; read _ < @go")]);
    let (running, first) = scene.open(1);
    scene.cues.hear(&running);
    scene.daemon.wait_build(first, "running");

    let filler = disk.fill(0);
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for number in 2..400 {
        let sha = scene.commit(number, &[]);
        let (guid, payload) = (fresh_guid(), pull("opened", APP, number, &sha, 0).json());
        let reply = deliver(&scene, &guid, &payload);
        match reply.status {
            202 => accepted.push((sha, reply.json()["build"].as_i64().expect("a build"))),
            503 => {
                assert_eq!(reply.header("retry-after"), Some("60"));
                refused.push((guid, payload, sha));
            }
            status => panic!("{status}: {}", reply.text()),
        }
        if refused.len() >= 5 {
            break;
        }
    }
    assert!(refused.len() >= 5, "the disk never was full: {} accepted", accepted.len());
    let lamp = wait_for_lamp(&scene, "Can't tell: nothing can be saved");
    assert_eq!([&lamp["red"], &lamp["yellow"], &lamp["green"]], ["on", "on", "off"], "{lamp}");
    assert!(scene.daemon.get_text("/", &[]).text().contains("nothing can be saved"));

    fs::remove_file(filler).unwrap();
    scene.daemon.wait_for_log("saving works again");
    wait_for_lamp_where(&scene, |reason| !reason.starts_with("Can't tell"));
    // Whether its end could be saved, or it runs again, the disk decided.
    scene.cues.go();
    let shown = |p: &StatusPost| p.accepted() && p.sha == running && (p.state == "success" || p.description == ENDED);
    scene.github.wait_for(|posts| posts.iter().any(shown), PATIENCE);
    scene.daemon.wait_build(first, &scene.github.latest(APP, &running, "test").expect("a post").state);
    for (guid, payload, sha) in refused {
        let reply = deliver_until_saved(&scene, &guid, &payload);
        accepted.push((sha, reply.json()["build"].as_i64().expect("a build")));
    }
    for (sha, id) in &accepted {
        scene.cues.go();
        scene.shown(sha, "test", "success");
        assert_eq!(scene.daemon.wait_build(*id, "success")["sha"], sha.as_str());
    }
    assert_eq!(scene.daemon.sigterm().code(), Some(0));
    is_sound(&disk);
}

#[test]
fn what_builds_have_filled_the_disk_with_goes_by_itself() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = disk.scene(&[("test", "true"), ("leave", "echo $HOME > @say")]);
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "leave", "success");
    let home = PathBuf::from(scene.cues.hear("home"));
    disk.fill_with(&home.join("much"), 0);
    let payload = pull("opened", APP, 2, &scene.commit(2, &[]), 0).json();
    assert_eq!(deliver(&scene, &fresh_guid(), &payload).status, 503);
    scene.daemon.wait_for_log("acme__app-0, which is not needed");
    assert!(!home.join("much").exists());
    scene.daemon.wait_for_log("saving works again");
    let (later, _) = scene.open(7);
    scene.shown(&later, "leave", "success");
    assert_eq!(scene.daemon.sigterm().code(), Some(0));
    is_sound(&disk);
}

#[test]
fn a_start_on_a_full_disk_says_so_and_loses_nothing() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = disk.scene(&[("test", WAITS)]);
    let (sha, id) = scene.open(1);
    scene.cues.hear(&sha);
    scene.daemon.wait_build(id, "running");
    scene.daemon.sigkill();
    let filler = disk.fill(0);
    let started = scene.daemon.cli(&["run"]);
    assert_eq!(started.code, Some(1), "{}", started.stderr);
    assert!(started.stderr.contains("disk"), "{}", started.stderr);
    fs::remove_file(filler).unwrap();
    scene.power_cut();
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    scene.daemon.sigterm();
    is_sound(&disk);
}
