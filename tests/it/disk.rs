//! A full disk: a small file system of the test's own, filled while deliveries arrive. What was answered 202 is built,
//! what could not be saved was answered 503, and it goes on by itself when there is room.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rusqlite::Connection;
use rustix::fs::statvfs;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::damage::{SECTOR_BYTES, rows_of};
use crate::support::PATIENCE;
use crate::support::config::SECRET;
use crate::support::daemon::{encode, fresh_guid, sign};
use crate::support::github::StatusPost;
use crate::support::http::{Reply, Sent};
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
        Scene::with(checks, |c| {
            let c = c.set("storage.state_dir", &quoted("state")).set("storage.cache_dir", &quoted("cache"));
            c.set("lights.driver", "\"terminal\"")
        })
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

/// The lamp that can't tell, and why.
fn cannot_tell(why: &str) -> String {
    format!("lamp: red on, yellow on, green off (Can't tell: {why}")
}

fn deliver(scene: &Scene, guid: &str, payload: &Value) -> Reply {
    send(scene, guid, payload).reply()
}

fn send(scene: &Scene, guid: &str, payload: &Value) -> Sent {
    let (content_type, body) = encode(payload, false);
    let headers = [
        ("Content-Type", content_type),
        ("X-GitHub-Event", "pull_request"),
        ("X-GitHub-Delivery", guid),
        ("X-GitHub-Hook-ID", "1"),
        ("X-Hub-Signature-256", &sign(SECRET, &body)),
    ];
    scene.daemon.hook_sent(&headers, &body)
}

/// Once it was saved nothing is refused any more; but a sweep may have made room for a moment before. The build.
#[track_caller]
fn deliver_until_saved(scene: &Scene, guid: &str, payload: &Value) -> i64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let logged = scene.daemon.logged();
        let reply = deliver(scene, guid, payload);
        if reply.status == 202 {
            return reply.json()["build"].as_i64().expect("a build");
        }
        assert!(reply.status == 503 && Instant::now() < deadline, "{}: {}", reply.status, reply.text());
        scene.daemon.wait_for_log_after(logged, "saving works again");
    }
}

/// Waits for the end of what ran when the disk was full: whether that could be saved, or it runs again, the disk decided.
#[track_caller]
fn ended_somehow(scene: &Scene, sha: &str) -> String {
    let ended = |p: &StatusPost| p.accepted() && p.sha == sha && (p.state == "success" || p.description == ENDED);
    scene.github.wait_for(|posts| posts.iter().any(ended), PATIENCE);
    scene.github.latest(APP, sha, "test").expect("a post").state
}

/// Lets all these heads' builds go on, until each has passed.
#[track_caller]
fn all_pass(scene: &Scene, builds: &[(String, i64)]) {
    // In the order of the queue: one word lets one build go on.
    let by_id: BTreeMap<_, _> = builds.iter().map(|(sha, id)| (id, sha)).collect();
    for (id, sha) in by_id {
        scene.cues.go();
        scene.shown(sha, "test", "success");
        assert_eq!(scene.daemon.wait_build(*id, "success")["sha"], sha.as_str());
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
    scene.daemon.wait_for_stdout(&cannot_tell("the disk is full: "));
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
    scene.daemon.wait_for_stdout(&cannot_tell("the disk is full: "));
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
    scene.daemon.wait_for_stdout(&cannot_tell("nothing can be saved"));
    assert!(scene.daemon.get_text("/", &[]).text().contains("nothing can be saved"));

    let logged = scene.daemon.logged();
    fs::remove_file(filler).unwrap();
    scene.daemon.wait_for_log_after(logged, "saving works again");
    let lamp = scene.daemon.get_json("/api/v1/lights");
    assert!(!lamp["reason"].as_str().unwrap().starts_with("Can't tell"), "{lamp}");
    scene.cues.go();
    let last = ended_somehow(&scene, &running);
    scene.daemon.wait_build(first, &last);
    for (guid, payload, sha) in refused {
        accepted.push((sha, deliver_until_saved(&scene, &guid, &payload)));
    }
    all_pass(&scene, &accepted);
    assert_eq!(scene.daemon.sigterm().code(), Some(0));
    is_sound(&disk);
}

#[test]
fn a_daemon_that_stood_still_while_its_disk_was_full_has_lost_nothing() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = disk.scene(&[("test", WAITS)]);
    let (running, first) = scene.open(1);
    scene.cues.hear(&running);
    scene.daemon.wait_build(first, "running");

    scene.daemon.signal(Signal::STOP);
    let filler = disk.fill(0);
    let sent: Vec<_> = (2..=9)
        .map(|number| {
            let sha = scene.commit(number, &[]);
            let (guid, payload) = (fresh_guid(), pull("opened", APP, number, &sha, 0).json());
            (send(&scene, &guid, &payload), guid, payload, sha)
        })
        .collect();
    // What runs ends meanwhile.
    scene.cues.go();
    scene.daemon.signal(Signal::CONT);
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for (sent, guid, payload, sha) in sent {
        let reply = sent.reply();
        match reply.status {
            202 => accepted.push((sha, reply.json()["build"].as_i64().expect("a build"))),
            503 => refused.push((guid, payload, sha)),
            status => panic!("{status}: {}", reply.text()),
        }
    }

    scene.daemon.wait_for_stdout(&cannot_tell(""));
    // Room is made while it stands still once more.
    scene.daemon.signal(Signal::STOP);
    fs::remove_file(filler).unwrap();
    scene.daemon.signal(Signal::CONT);
    for (guid, payload, sha) in refused {
        accepted.push((sha, deliver_until_saved(&scene, &guid, &payload)));
    }
    scene.cues.go();
    all_pass(&scene, &accepted);
    let last = ended_somehow(&scene, &running);
    scene.daemon.wait_build(first, &last);
    assert_eq!(scene.daemon.get_json("/api/v1/lights")["green"], "on");
    assert_eq!(scene.daemon.sigterm().code(), Some(0));
    is_sound(&disk);
}

#[test]
fn a_stop_is_not_forgotten_when_the_disk_fills_meanwhile() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = disk.scene(&[("test", WAITS)]);
    let (running, first) = scene.open(1);
    scene.cues.hear(&running);
    scene.daemon.wait_build(first, "running");
    scene.daemon.signal(Signal::TERM);
    scene.daemon.wait_for_log("stopping");
    disk.fill(0);
    let payload = |number| pull("opened", APP, number, &scene.commit(number, &[]), 0).json();
    let refused = (2..400).any(|number| deliver(&scene, &fresh_guid(), &payload(number)).status == 503);
    assert!(refused, "the disk never was full");
    assert_eq!(scene.daemon.wait_for_exit().code(), Some(0));
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
fn a_start_on_a_full_disk_says_so_waits_for_room_and_loses_nothing() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = disk.scene(&[("test", WAITS)]);
    let (sha, id) = scene.open(1);
    scene.cues.hear(&sha);
    scene.daemon.wait_build(id, "running");
    scene.daemon.sigkill();
    let filler = disk.fill(0);
    scene.power_cut();
    scene.daemon.wait_for_stdout(&cannot_tell("nothing can be saved"));
    assert!(scene.daemon.get_text("/", &[]).text().contains("nothing can be saved"));
    let (guid, payload) = (fresh_guid(), pull("opened", APP, 2, &scene.commit(2, &[]), 0).json());
    assert_eq!(deliver(&scene, &guid, &payload).status, 503);
    scene.daemon.wait_for_log("still nothing can be saved");
    fs::remove_file(filler).unwrap();
    scene.daemon.wait_for_log("saving works again");
    scene.cues.hear(&sha);
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    assert_eq!(scene.daemon.wait_build(id, "success")["attempt"], 2);
    let second = deliver_until_saved(&scene, &guid, &payload);
    scene.cues.go();
    scene.daemon.wait_build(second, "success");
    assert_eq!(scene.daemon.sigterm().code(), Some(0));
    is_sound(&disk);
}

#[test]
fn what_can_be_read_of_a_torn_database_outlives_a_full_disk() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = disk.scene(&[("test", WAITS)]);
    let (sha, id) = scene.open(1);
    scene.cues.hear(&sha);
    scene.daemon.wait_build(id, "running");
    scene.daemon.sigkill();
    let database = disk.path("state/pilotlight.db");
    let at = rows_of(&database, "builds_state"); // only writing meets it
    let mut torn = fs::read(&database).unwrap();
    torn[at..][..SECTOR_BYTES].fill(0);
    fs::write(&database, torn).unwrap();
    let filler = disk.fill(0);
    scene.power_cut();
    scene.daemon.wait_for_log("still nothing can be saved");
    fs::remove_file(filler).unwrap();
    scene.daemon.wait_for_log("set aside as ");
    scene.cues.hear(&sha);
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    assert_eq!(scene.daemon.sigterm().code(), Some(0));
    assert_eq!(scene.daemon.log().matches("set aside as ").count(), 1);
    is_sound(&disk);
}

#[test]
fn what_a_build_has_filled_the_disk_with_goes_by_itself_after_a_cut_as_well() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = disk.scene(&[("test", "true"), ("leave", "echo $HOME > @say")]);
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "leave", "success");
    let home = PathBuf::from(scene.cues.hear("home"));
    scene.daemon.sigkill();
    disk.fill_with(&home.join("much"), 0);
    scene.power_cut();
    scene.daemon.wait_for_log("acme__app-0, which is not needed");
    scene.daemon.wait_for_log("saving works again");
    let (later, _) = scene.open(7);
    scene.shown(&later, "leave", "success");
    assert_eq!(scene.daemon.sigterm().code(), Some(0));
    is_sound(&disk);
}
