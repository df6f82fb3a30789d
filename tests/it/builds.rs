//! Builds from the outside: what makes way, what waits, and how each of them ends.

use serde_json::json;

use crate::support::payload::pull;
use crate::support::scene::{APP, Scene, WAITS, wait_until_gone};

/// Says its own process id, and that of a child in a session of its own.
pub const WITH_A_RUNAWAY: &str = "setsid sh -c 'echo apart $PILOTLIGHT_SHA $$ > @say; exec sleep 600' & \
    echo at $PILOTLIGHT_SHA $$ > @say; read _ < @go";

#[test]
fn a_push_supersedes_what_runs_and_leaves_no_process_of_it() {
    let scene = Scene::new(&[("test", WITH_A_RUNAWAY)]);
    let (old, _) = scene.open(1);
    let pids = [scene.cues.hear_pid(&format!("at {old}")), scene.cues.hear_pid(&format!("apart {old}"))];

    let new = scene.commit(1, &[]);
    assert_eq!(scene.accepted(pull("synchronize", APP, 1, &new, 1)), 2);
    let words = format!("Superseded by {}", &new[..7]);
    assert_eq!(scene.daemon.wait_build(1, "cancelled")["reason"], words.as_str());
    assert_eq!(scene.shown(&old, "test", "error").description, words);
    pids.into_iter().for_each(wait_until_gone);

    let runaway = scene.cues.hear_pid(&format!("apart {new}"));
    scene.cues.go();
    scene.shown(&new, "test", "success");
    // Nor does a build that passes leave one.
    wait_until_gone(runaway);
}

#[test]
fn a_push_supersedes_what_waits() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (first, _) = scene.open(1);
    scene.cues.hear(&first);
    let (old, _) = scene.open(2);
    let new = scene.commit(2, &[]);
    assert_eq!(scene.accepted(pull("synchronize", APP, 2, &new, 1)), 3);
    scene.daemon.wait_build(2, "cancelled");
    scene.cues.go();
    scene.cues.go();
    scene.shown(&new, "test", "success");
    assert!(!scene.cues.heard().contains(&old), "what was superseded while it waited never runs");
}

#[test]
fn a_head_that_is_published_late_waits_without_holding_the_slot() {
    let scene = Scene::new(&[("test", "true")]);
    let late = scene.origin.commit(&[]);
    assert_eq!(scene.accepted(pull("opened", APP, 1, &late, 0)), 1);
    let words = format!("Waiting for {} to be fetched, trying again", &late[..7]);
    let posts = scene.described(&late, &words);
    assert!(posts.iter().all(|p| p.state == "pending"), "{posts:#?}");
    let build = scene.daemon.get_json("/api/v1/builds/1");
    assert_eq!((&build["state"], &build["reason"]), (&json!("queued"), &json!(words)));

    let (other, _) = scene.open(2);
    scene.shown(&other, "test", "success");
    assert_eq!(scene.github.latest(APP, &late, "test").map(|p| p.state), Some("pending".to_owned()));

    scene.origin.publish_pull(1, &late);
    scene.shown(&late, "test", "success");
    let build = scene.daemon.wait_build(1, "success");
    assert_eq!((&build["attempt"], &build["reason"]), (&json!(1), &json!(null)));
}

#[test]
fn as_many_builds_run_at_once_as_there_are_workers() {
    let scene = Scene::with(&[("test", WAITS)], |c| c.set("builder.workers", "2"));
    let shas: Vec<_> = (1..=3).map(|number| scene.open(number).0).collect();
    scene.cues.hear(&shas[0]);
    scene.cues.hear(&shas[1]);
    assert_eq!(scene.daemon.get_json("/api/v1/builds/3")["state"], "queued");
    scene.cues.go();
    scene.cues.hear(&shas[2]);
    scene.cues.go();
    scene.cues.go();
    shas.iter().for_each(|sha| drop(scene.shown(sha, "test", "success")));
}

#[test]
fn the_default_check_is_the_script_of_the_repository() {
    let scene = Scene::new(&[]);
    let passes = scene.commit(1, &[("script/cibuild", "#!/bin/sh\necho well\n")]);
    let fails = scene.commit(2, &[("script/cibuild", "#!/bin/sh\nexit 41\n")]);
    let lacks = scene.commit(3, &[]);
    for (number, sha) in (1..).zip([&passes, &fails, &lacks]) {
        scene.accepted(pull("opened", APP, number, sha, 0));
    }
    scene.shown(&passes, "pilotlight", "success");
    let failed = scene.shown(&fails, "pilotlight", "failure").description;
    assert!(failed.starts_with("Failed in ") && failed.ends_with(": exit code 41"), "{failed}");
    let failed = scene.shown(&lacks, "pilotlight", "failure").description;
    assert!(failed.ends_with(": exit code 127"), "{failed}");
    let log = scene.log(1);
    assert!(log.contains("\nwell\n") && !log.contains("warning: "), "{log}");
}

#[test]
fn a_log_without_end_is_cut_in_its_middle() {
    let scene = Scene::new(&[("test", "seq 1000000 3500000; echo the end >&2")]);
    let (sha, id) = scene.open(1);
    scene.shown(&sha, "test", "success");
    let log = scene.log(id);
    assert!(log.len() < 6_000_000, "{} bytes", log.len());
    assert!(log.contains("\n1000000\n1000001\n"), "its head is kept");
    assert!(log.ends_with("\n3499999\n3500000\nthe end\n"), "its tail is kept");
    let cuts: Vec<_> = log.lines().filter(|line| line.contains("are cut here")).collect();
    assert_eq!(cuts.len(), 1, "{cuts:?}");
    let written: usize = 8 * 2_500_001 + "the end\n".len();
    let kept: usize = log.lines().filter(|l| l.len() == 7 && l.starts_with(['1', '2', '3'])).count() * 8;
    let cut: usize = cuts[0].split(' ').find_map(|word| word.parse().ok()).expect("a number of bytes");
    // Two numbers may be cut through, so that not all of their bytes are in whole lines.
    assert!((written - kept).abs_diff(cut) < 32, "{cut} bytes are said to be cut of {written}, {kept} are there");
}

#[test]
fn what_goes_to_both_outputs_stays_in_order() {
    let scene = Scene::new(&[("test", "for i in $(seq 100); do echo out $i; echo err $i >&2; done")]);
    let (sha, id) = scene.open(1);
    scene.shown(&sha, "test", "success");
    let expected: String = (1..=100).map(|i| format!("out {i}\nerr {i}\n")).collect();
    assert!(scene.log(id).contains(&expected), "{}", scene.log(id));
}

#[test]
fn a_check_that_ends_does_not_wait_for_what_it_left_in_the_background() {
    let scene = Scene::new(&[("test", "setsid sleep 600 & echo done; echo left $! > @say")]);
    let (sha, _) = scene.open(1);
    let left = scene.cues.hear_pid("left");
    scene.shown(&sha, "test", "success");
    wait_until_gone(left);
}

#[test]
fn a_build_that_kills_its_worker_ends_and_says_so() {
    let scene = Scene::new(&[("test", "kill -KILL $PPID; read _ < @go")]);
    let (sha, id) = scene.open(1);
    let words = scene.shown(&sha, "test", "error").description;
    assert!(words.contains("the worker ended without a word"), "{words}");
    scene.daemon.wait_build(id, "error");
    // What it left without a worker ends by itself.
    scene.cues.go();
    let (next, _) = scene.open(2);
    scene.shown(&next, "test", "error");
    scene.cues.go();
}

#[test]
fn the_log_tells_a_build_s_story_by_its_fields() {
    let scene = Scene::new(&[("pilotlight/test", "exit 3")]);
    let (sha, build) = scene.open(7);
    let fields = format!("build={build} repository=acme/app pull=7 sha={sha}");
    let ended = format!("info: build {build} ended: failure (Failed in 0s: exit code 3) {fields}\n");
    scene.daemon.wait_for_log(ended.trim_end());
    let log = scene.daemon.log();
    assert!(log.contains(&format!("info: 202: Accepted as build {build} {fields} delivery=")), "{log}");
    assert!(log.contains(&format!("info: starting build {build} of acme/app#7 {fields}\n")), "{log}");
}
