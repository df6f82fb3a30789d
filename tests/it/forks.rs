//! Pull requests that wait for a person's word.

use serde_json::json;

use crate::support::payload::{Pull, pull};
use crate::support::scene::{APP, Scene, WAITS};

const TEST: [(&str, &str); 1] = [("test", "echo ran $PILOTLIGHT_SHA > @say")];

#[track_caller]
fn waits(scene: &Scene, delivery: Pull) -> i64 {
    let (status, answer) = scene.daemon.hook("pull_request", &delivery.json(), false);
    let id = answer["build"].as_i64().unwrap_or_else(|| panic!("{answer}"));
    let expected = json!({"status": 202, "result": format!("Build {id} waits for approval"), "build": id});
    assert_eq!((status, answer), (202, expected));
    id
}

#[test]
fn a_fork_waits_and_never_runs_without_isolation() {
    let scene = Scene::new(&TEST);
    let (fork, deleted) = (scene.commit(1, &[]), scene.commit(2, &[]));
    let first = waits(&scene, pull("opened", APP, 1, &fork, 0).fork("mallory/app"));
    let second = waits(&scene, pull("opened", APP, 2, &deleted, 0).without_head_repository());
    let words = "Waiting for approval: forks never run here (isolation = \"none\")";
    for (sha, id) in [(&fork, first), (&deleted, second)] {
        assert_eq!(scene.shown(sha, "test", "pending").description, words);
        let build = scene.daemon.wait_build(id, "waiting_for_approval");
        assert_eq!(
            (&build["reason"], &build["attempt"], &build["started_at"]),
            (&json!(words), &json!(0), &json!(null))
        );
    }
    let dark = json!({"red": "off", "yellow": "off", "green": "off", "reason": "No pull request yet",
        "repository": null, "pull": null});
    assert_eq!(scene.daemon.get_json("/api/v1/lights"), dark, "it does not take the lamp");

    let approved = scene.daemon.cli(&["approve", "acme/app#1"]);
    let refusal = "pilotlight: acme/app#1 comes from a fork, and forks never run with isolation = \"none\": \
        set isolation = \"systemd\" to build it";
    assert_eq!((approved.code, approved.stderr.as_str()), (Some(1), refusal));
    let rebuilt = scene.daemon.cli(&["rebuild", "1"]);
    assert_eq!(rebuilt.code, Some(0), "{}", rebuilt.stderr);

    let (own, _) = scene.open(3);
    scene.shown(&own, "test", "success");
    assert_eq!(scene.cues.heard(), format!("ran {own}"), "no other has run");
    assert_eq!(scene.daemon.get_json("/api/v1/lights")["pull"], 3);
    for id in [first, second] {
        assert_eq!(scene.daemon.get_json(&format!("/api/v1/builds/{id}"))["state"], "waiting_for_approval");
    }
}

#[test]
fn a_fork_with_the_head_of_our_own_pull_request_takes_no_status_away() {
    let scene = Scene::new(&TEST);
    let (sha, own) = scene.open(1);
    scene.shown(&sha, "test", "success");
    scene.origin.publish_pull(2, &sha);
    waits(&scene, pull("opened", APP, 2, &sha, 0).fork("mallory/app"));
    // What the fork had to say would come before this.
    let (next, _) = scene.open(3);
    scene.shown(&next, "test", "success");
    let shown = scene.github.latest(APP, &sha, "test").unwrap();
    assert_eq!(
        (shown.state.as_str(), shown.target_url.as_str()),
        ("success", &*format!("http://box.example:8080/builds/{own}"))
    );
}

#[test]
fn with_approval_for_all_each_head_waits_for_its_own_word() {
    let scene = Scene::with(&[("test", WAITS)], |c| c.set("builder.approval", "\"all\""));
    let sha = scene.commit(1, &[]);
    let id = waits(&scene, pull("opened", APP, 1, &sha, 0));
    let words =
        |sha: &str| format!("Waiting for approval: comment /approve {sha} (or pilotlight approve acme/app#1 SHA)");
    assert_eq!(scene.shown(&sha, "test", "pending").description, words(&sha));
    let short = &sha[..7];

    let wrong = scene.daemon.cli(&["approve", "acme/app#1", "0000000"]);
    let refusal = format!("pilotlight: The head of acme/app#1 is {short}, not that: look at it, then approve it");
    assert_eq!((wrong.code, wrong.stderr), (Some(1), refusal));
    let approved = scene.daemon.cli(&["approve", "acme/app#1", short]);
    let done = format!("Approved {sha} of acme/app#1 (Change number 1): build {id} is queued");
    assert_eq!((approved.code, approved.stdout), (Some(0), done), "{}", approved.stderr);
    scene.cues.hear(&sha);
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    let twice = scene.daemon.cli(&["approve", "acme/app#1"]);
    assert_eq!((twice.code, twice.stderr.as_str()), (Some(1), "pilotlight: Nothing of acme/app#1 waits for approval"));

    let pushed = scene.commit(1, &[]);
    waits(&scene, pull("synchronize", APP, 1, &pushed, 1));
    assert_eq!(scene.shown(&pushed, "test", "pending").description, words(&pushed));
    let approved = scene.daemon.cli(&["approve", "acme/app#1"]);
    assert!(approved.stdout.starts_with(&format!("Approved {pushed} of acme/app#1")), "{}", approved.stderr);
}
