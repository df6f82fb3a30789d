//! Power cuts, ordered stops and new configurations: nothing that was accepted is lost, nothing is left running.

use rustix::process::Signal;
use serde_json::json;

use crate::builds::WITH_A_RUNAWAY;
use crate::support::daemon::fresh_guid;
use crate::support::payload::pull;
use crate::support::repo::Origin;
use crate::support::scene::{APP, Scene, WAITS, wait_until_gone};

#[test]
fn a_build_that_a_power_cut_ends_leaves_nothing_and_runs_again() {
    let mut scene = Scene::new(&[("test", WITH_A_RUNAWAY)]);
    let (sha, id) = scene.open(1);
    let pids = [scene.cues.hear_pid("at "), scene.cues.hear_pid("apart ")];
    scene.described(&sha, "Running");
    scene.daemon.sigkill();
    pids.into_iter().for_each(wait_until_gone);

    scene.power_cut();
    scene.described(&sha, "Queued again after an interruption");
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    let build = scene.daemon.wait_build(id, "success");
    assert_eq!((&build["attempt"], &build["reason"]), (&json!(2), &json!(null)));
    assert_eq!(scene.cues.heard().matches(&format!("at {sha}")).count(), 2);
}

#[test]
fn a_build_that_was_interrupted_twice_ends_with_an_error() {
    let mut scene = Scene::new(&[("test", "echo at $PILOTLIGHT_SHA $PILOTLIGHT_BUILD_ID $$ > @say; read _ < @go")]);
    let (sha, id) = scene.open(1);
    let first = scene.cues.hear_pid("at ");
    scene.daemon.wait_build(id, "running");
    scene.power_cut();
    wait_until_gone(first);
    let running = scene.daemon.wait_build(id, "running");
    assert_eq!(running["attempt"], 2);
    scene.power_cut();
    let words = "Interrupted twice while it ran: rebuild it to try again";
    assert_eq!(scene.shown(&sha, "test", "error").description, words);
    assert_eq!(scene.daemon.wait_build(id, "error")["reason"], words);

    let rebuilt = scene.daemon.cli(&["rebuild", "1"]);
    assert_eq!((rebuilt.code, rebuilt.stdout.as_str()), (Some(0), "Accepted as build 2"), "{}", rebuilt.stderr);
    scene.cues.hear(&format!("at {sha} 2 "));
    scene.cues.go();
    scene.shown(&sha, "test", "success");
}

#[test]
fn an_ordered_stop_lets_what_runs_end_and_starts_nothing() {
    let mut scene = Scene::new(&[("test", WAITS)]);
    let (sha, _) = scene.open(1);
    let (waiting, second) = scene.open(2);
    scene.cues.hear(&sha);
    scene.daemon.signal(Signal::TERM);
    scene.daemon.wait_for_log("stopping");
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    assert_eq!(scene.daemon.wait_for_exit().code(), Some(0));
    assert!(scene.daemon.log().contains("pilotlight has stopped"), "{}", scene.daemon.log());
    assert!(!scene.cues.heard().contains(&waiting), "nothing new is started");

    scene.daemon.restart(&scene.config);
    scene.cues.go();
    scene.shown(&waiting, "test", "success");
    assert_eq!(scene.daemon.wait_build(second, "success")["attempt"], 1);
}

#[test]
fn a_second_signal_interrupts_without_counting_the_run() {
    let mut scene = Scene::new(&[("test", WITH_A_RUNAWAY)]);
    for signals in [&[Signal::TERM, Signal::TERM][..], &[Signal::INT]] {
        let number = signals.len() as u64;
        let (sha, id) = scene.open(number);
        let pids = [scene.cues.hear_pid(&format!("at {sha}")), scene.cues.hear_pid(&format!("apart {sha}"))];
        scene.daemon.wait_build(id, "running");
        for signal in signals {
            scene.daemon.signal(*signal);
            // Two signals of one kind that come too close are one to the kernel.
            scene.daemon.wait_for_log("stopping");
        }
        assert_eq!(scene.daemon.wait_for_exit().code(), Some(0));
        pids.into_iter().for_each(wait_until_gone);

        scene.daemon.restart(&scene.config);
        scene.cues.go();
        scene.shown(&sha, "test", "success");
        assert_eq!(scene.daemon.wait_build(id, "success")["attempt"], 1);
    }
}

#[test]
fn what_waits_still_waits_after_a_power_cut_in_the_same_order() {
    let mut scene = Scene::new(&[("test", WAITS)]);
    let guid = fresh_guid();
    let first = scene.commit(1, &[]);
    let payload = pull("opened", APP, 1, &first, 0).json();
    assert_eq!(scene.daemon.hook_as(&guid, 1, "pull_request", &payload, false).0, 202);
    let running = scene.cues.hear_pid(&first);
    let (second, third) = (scene.open(2).0, scene.open(3).0);
    scene.daemon.sigkill();
    wait_until_gone(running);

    scene.power_cut();
    let listed = scene.daemon.get_json("/api/v1/builds");
    let ids: Vec<_> = listed["builds"].as_array().unwrap().iter().map(|b| b["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [3, 2, 1]);
    assert_eq!(listed["builds"][0]["state"], "queued");
    let known = scene.daemon.hook_as(&guid, 2, "pull_request", &payload, false);
    assert_eq!(known, (200, json!({"status": 200, "result": "Already known from hook 1"})));
    for sha in [&first, &second, &third] {
        scene.cues.go();
        scene.shown(sha, "test", "success");
    }
    let heard = scene.cues.heard();
    let order: Vec<_> = heard.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(order, [&first, &first, &second, &third]);
}

#[test]
fn what_was_answered_202_is_never_lost() {
    let mut scene = Scene::new(&[("test", "true")]);
    let mut heads = Vec::new();
    for number in 1..=5 {
        // Not there yet, so that no build begins: each interruption of one that runs would count.
        let sha = scene.origin.commit(&[]);
        let id = scene.accepted(pull("opened", APP, number, &sha, 0));
        scene.power_cut();
        let build = scene.daemon.get_json(&format!("/api/v1/builds/{id}"));
        assert_eq!((&build["sha"], &build["state"]), (&json!(sha), &json!("queued")));
        heads.push((number, sha));
    }
    for (number, sha) in &heads {
        scene.origin.publish_pull(*number, sha);
    }
    for (_, sha) in &heads {
        scene.shown(sha, "test", "success");
    }
}

#[test]
fn a_status_that_was_not_told_before_the_cut_is_told_after_it() {
    let mut scene = Scene::new(&[("test", "exit 4")]);
    scene.github.fail_with(503, &[]);
    let (sha, id) = scene.open(1);
    scene.daemon.wait_build(id, "failure");
    scene.daemon.sigkill();
    scene.github.heal();
    scene.power_cut();
    let end = scene.shown(&sha, "test", "failure");
    assert!(end.description.ends_with("exit code 4"), "{}", end.description);
}

#[test]
fn a_reload_takes_a_good_configuration_and_refuses_a_broken_one() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (sha, _) = scene.open(1);
    scene.cues.hear(&sha);

    std::fs::write(scene.daemon.room.config_file(), "[webhook]\nlisten = 5\n").unwrap();
    scene.daemon.signal(Signal::HUP);
    let refused = scene.daemon.wait_for_log("the new configuration is refused, the old one stays: ");
    assert!(refused.contains("pilotlight.toml:2:10: "), "{refused}");

    let origin = Origin::new();
    let more = crate::support::config::TestConfig::new(&scene.github.url())
        .repository(APP, &scene.origin.url(), &[("test", "true")])
        .repository("acme/new", &origin.url(), &[("new", "true")]);
    scene.daemon.room.write_config(&more);
    scene.daemon.signal(Signal::HUP);
    scene.daemon.wait_for_log("took the new configuration from ");
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    let head = origin.commit(&[]);
    origin.publish_pull(1, &head);
    scene.accepted(pull("opened", "acme/new", 1, &head, 0));
    scene.shown(&head, "new", "success");
}
