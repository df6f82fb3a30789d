//! The command line against a daemon that runs: what each command does.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::payload::pull;
use crate::support::process::{Finished, Process, run_to_end};
use crate::support::scene::{APP, Scene, WAITS, wait_until_gone};

#[track_caller]
fn done(finished: Finished) -> String {
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{}", finished.stdout);
    finished.stdout
}

#[test]
fn status_and_builds_tell_what_is_going_on() {
    let scene = Scene::new(&[("test", WAITS)]);
    assert_eq!(
        done(scene.daemon.cli(&["status"])),
        "0 running, 0 queued, 0 waiting for approval; lamp: No pull request yet"
    );
    let empty = done(scene.daemon.cli(&["builds"]));
    assert_eq!(empty.lines().count(), 1, "{empty}");
    assert_eq!(done(scene.daemon.cli(&["builds", "--json"])), "{\"builds\":[]}");

    let first = scene.commit(1, &[]);
    scene.accepted(pull("opened", APP, 1, &first, 0).with("/pull_request/title", "Bell \u{7} \u{1b}[31mred \u{202e}!"));
    scene.cues.hear(&first);
    let (second, _) = scene.open(2);
    scene.daemon.wait_build(1, "running");
    let status = done(scene.daemon.cli(&["status"]));
    assert_eq!(status, "1 running, 1 queued, 0 waiting for approval; lamp: acme/app#2 is queued");
    let table = done(scene.daemon.cli(&["builds"]));
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["BUILD", "STATE", "PULL", "SHA", "QUEUED", "TITLE"]);
    assert_eq!(rows[1][..4], ["2", "queued", "acme/app#2", &second[..7]]);
    assert_eq!(rows[2][..4], ["1", "running", "acme/app#1", &first[..7]]);
    assert!(!table.contains(['\u{7}', '\u{1b}', '\u{202e}']), "{table:?}");
    let json: Value = serde_json::from_str(&done(scene.daemon.cli(&["builds", "--json"]))).expect("JSON");
    assert_eq!(json, scene.daemon.get_json("/api/v1/builds"));
}

#[test]
fn log_shows_a_build_and_follows_it_to_its_end() {
    let scene = Scene::new(&[("test", "echo begun; echo at $PILOTLIGHT_SHA $$ > @say; read _ < @go; echo ended >&2")]);
    let (sha, _) = scene.open(1);
    scene.cues.hear(&sha);
    let mut following = Process::start(&mut scene.daemon.room.command(&["log", "1", "-f"]));
    following.stdout.wait_for("begun", PATIENCE);
    let now = done(scene.daemon.cli(&["log", "1"]));
    assert!(now.ends_with("\nbegun"), "{now:?}");
    scene.cues.go();
    assert_eq!(following.wait(PATIENCE).and_then(|status| status.code()), Some(0), "it ends by itself");
    let followed = following.stdout.wait_for_end();
    scene.shown(&sha, "test", "success");
    assert_eq!(followed, done(scene.daemon.cli(&["log", "1"])));
    assert_eq!(followed + "\n", scene.log(1));
    assert!(scene.log(1).ends_with("\nbegun\nended\n"), "{}", scene.log(1));
}

#[test]
fn cancel_ends_a_build_and_names_the_person() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (sha, _) = scene.open(1);
    let (waiting, _) = scene.open(2);
    let pid = scene.cues.hear_pid(&sha);
    let me = run_to_end(Command::new("id").arg("-un")).stdout;
    for (id, sha) in [(2, &waiting), (1, &sha)] {
        let words = done(scene.daemon.cli(&["cancel", &id.to_string()]));
        assert_eq!(words, format!("Cancelled build {id}"));
        assert_eq!(scene.shown(sha, "test", "error").description, format!("Cancelled by {me}"));
        assert_eq!(scene.daemon.wait_build(id, "cancelled")["reason"], format!("Cancelled by {me}").as_str());
    }
    wait_until_gone(pid);
    let lights = scene.daemon.get_json("/api/v1/lights");
    assert_eq!([&lights["red"], &lights["yellow"], &lights["green"]], ["on", "on", "off"], "{lights}");
    assert_eq!(lights["reason"], "acme/app#2 was cancelled");
}

#[test]
fn rebuild_makes_a_new_build_of_what_has_ended_and_joins_what_has_not() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (sha, _) = scene.open(1);
    scene.cues.hear(&sha);
    assert_eq!(done(scene.daemon.cli(&["rebuild", "1"])), "Joined build 1, which has not ended yet");
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    assert_eq!(done(scene.daemon.cli(&["rebuild", "1"])), "Accepted as build 2");
    scene.cues.go();
    scene.daemon.wait_build(2, "success");
    assert_eq!(done(scene.daemon.cli(&["rebuild", "acme/app#1"])), "Accepted as build 3");
    scene.cues.go();
    let build = scene.daemon.wait_build(3, "success");
    assert_eq!(build["sha"], sha.as_str());

    let pushed = scene.commit(1, &[]);
    scene.cues.go();
    scene.accepted(pull("synchronize", APP, 1, &pushed, 1));
    scene.shown(&pushed, "test", "success");
    let old = scene.daemon.cli(&["rebuild", "1"]);
    let words =
        format!("pilotlight: The head of acme/app#1 is now {}: `rebuild acme/app#1` builds that one", &pushed[..7]);
    assert_eq!((old.code, old.stderr), (Some(1), words));
}

#[test]
fn rebuild_waits_and_tells_by_its_exit_code() {
    let scene = Scene::new(&[("lint", "test ! -e @say.bad"), ("test", "exit 0")]);
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "test", "success");
    let passed = scene.daemon.cli(&["rebuild", "1", "--wait"]);
    for line in ["Accepted as build 2", "lint: Passed in 0s", "test: Passed in 0s", "build 2: success"] {
        assert!(passed.stdout.lines().any(|l| l == line), "{}", passed.stdout);
    }
    assert_eq!(passed.code, Some(0));
    std::fs::write(scene.cues.command("@say.bad"), "").unwrap();
    let failed = scene.daemon.cli(&["rebuild", "acme/app#1", "--wait"]);
    assert!(failed.stdout.contains("\nlint: Failed in 0s: exit code 1\n"), "{}", failed.stdout);
    assert!(failed.stdout.ends_with("build 3: failure"), "{}", failed.stdout);
    assert_eq!(failed.code, Some(1));
}

#[test]
fn lamp_goes_through_the_running_daemon() {
    let scene = Scene::with(&[("test", "true")], |c| c.set("lights.driver", "\"terminal\""));
    for word in ["test", "red", "yellow", "green", "off"] {
        let said = done(scene.daemon.cli(&["lamp", word]));
        assert_eq!(said, format!("The lamp shows {word} for a moment, then the truth again"));
    }
    assert_eq!(done(scene.daemon.cli(&["lamp", "green"])).lines().count(), 1);
    scene.daemon.wait_for_stdout("lamp: green on");
}

#[test]
fn shell_opens_the_tree_that_a_failed_build_left() {
    let scene = Scene::new(&[("test", "echo half >made; test $(wc -l <made) = 2")]);
    let (sha, build) = scene.open(1);
    scene.shown(&sha, "test", "failure");
    let shell = |id: i64| {
        let mut command = scene.daemon.room.command(&["shell", &id.to_string()]);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let typed = "cat made; echo $PILOTLIGHT_CONTEXT at $PILOTLIGHT_SHA; test -t 0 && echo a terminal; exit\n";
        shell.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = shell(build);
    // The prompt may stand before what a command says.
    let lines: Vec<_> = said.lines().map(|line| line.trim_end_matches('\r').trim_start_matches("$ ")).collect();
    let place = format!("test at {sha}");
    assert_eq!(code, Some(0), "{said}");
    assert!(["half", place.as_str(), "a terminal"].iter().all(|line| lines.contains(line)), "{said}");
    let (code, said) = shell(99);
    assert_eq!((code, said.as_str()), (Some(1), "pilotlight: there is no build 99\n"));

    // Another build has the tree now: it is made anew.
    let (other, _) = scene.open(2);
    scene.shown(&other, "test", "failure");
    let said = shell(build).1;
    assert!(said.contains("cat: made: No such file") && said.contains(&place), "{said}");
}
