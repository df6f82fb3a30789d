//! What a delivery leads to, as GitHub sees it in the answer.

use serde_json::{Value, json};

use crate::support::daemon::fresh_guid;
use crate::support::payload::{Pull, ping, pull, status};
use crate::support::scene::{APP, Scene, WAITS, wait_until_gone};

const TEST: [(&str, &str); 1] = [("test", "true")];
const HELD: [(&str, &str); 1] = [("test", WAITS)];

#[track_caller]
fn builds(scene: &Scene) -> usize {
    scene.daemon.get_json("/api/v1/builds")["builds"].as_array().expect("a list").len()
}

#[test]
fn a_delivery_is_understood_as_a_form_and_as_json() {
    let scene = Scene::new(&TEST);
    for (number, form) in [(1, true), (2, false)] {
        let sha = scene.commit(number, &[]);
        let (status, answer) = scene.daemon.hook("pull_request", &pull("opened", APP, number, &sha, 0).json(), form);
        let expected = json!({"status": 202, "result": format!("Accepted as build {number}"), "build": number});
        assert_eq!((status, answer), (202, expected), "form: {form}");
        scene.shown(&sha, "test", "success");
    }
}

#[test]
fn a_ping_is_told_that_it_worked() {
    let scene = Scene::new(&TEST);
    for (repository, form) in [(APP, true), (APP, false), ("someone/else", true)] {
        let (status, answer) = scene.daemon.hook("ping", &ping(repository, 1), form);
        assert_eq!((status, &answer["result"]), (200, &json!("Well, it worked!")));
    }
}

#[test]
fn each_action_that_changes_what_would_be_merged_is_built() {
    let scene = Scene::with(&TEST, |c| c.set("builder.workers", "2"));
    let sha = |number| scene.commit(number, &[]);
    let draft = |p: Pull| p.with("/pull_request/draft", true);
    let deliveries = [
        pull("opened", APP, 1, &sha(1), 0),
        draft(pull("opened", APP, 2, &sha(2), 0)),
        pull("reopened", APP, 3, &sha(3), 0),
        pull("synchronize", APP, 4, &sha(4), 0),
        pull("ready_for_review", APP, 5, &sha(5), 0),
        pull("edited", APP, 6, &sha(6), 0).with_old_base("dev"),
        // GitHub's names are the same in any case.
        pull("opened", "Acme/APP", 7, &sha(7), 0),
    ];
    for (n, delivery) in (1..).zip(deliveries) {
        assert_eq!(scene.accepted(delivery), n);
    }
    for id in 1..=7 {
        let build = scene.daemon.wait_build(id, "success");
        assert_eq!((&build["repository"], &build["pull"]), (&json!(APP), &json!(id)));
    }
}

#[test]
fn everything_else_is_understood_and_builds_nothing() {
    let scene = Scene::new(&TEST);
    let sha = scene.commit(1, &[]);
    let on = |action: &str| pull(action, APP, 1, &sha, 0);
    let repository = json!({"repository": {"full_name": APP}});
    let table: Vec<(&str, Value, &str)> = vec![
        ("push", repository, "Understood push: nothing to build"),
        ("status", status(APP, &sha, "ci/travis", "failure", 1), "Understood status: nothing to build"),
        ("something_new", json!({}), "Understood something_new: nothing to build"),
        ("pull_request", on("labeled").json(), "Understood pull_request labeled: nothing to build"),
        ("pull_request", on("edited").json(), "Understood pull_request edited: nothing to build"),
        ("pull_request", on("closed").json(), "Closed: nothing waited or ran"),
        (
            "pull_request",
            on("synchronize").with("/pull_request/state", "closed").json(),
            "The pull request is closed: nothing to build",
        ),
        (
            "pull_request",
            pull("opened", "some/other", 1, &sha, 0).json(),
            "some/other is not configured here: nothing to build",
        ),
    ];
    for (event, payload, result) in table {
        for form in [true, false] {
            let (code, answer) = scene.daemon.hook(event, &payload, form);
            assert_eq!((code, answer), (200, json!({"status": 200, "result": result})), "{event}, form: {form}");
        }
    }
    assert_eq!(builds(&scene), 0);
    assert_eq!(scene.github.posts(), []);
}

#[test]
fn a_burst_is_answered_in_full() {
    let scene = Scene::new(&TEST);
    let sha = scene.commit(1, &[]);
    let deliver = |number| scene.daemon.hook("pull_request", &pull("opened", APP, number, &sha, 0).json(), true);
    let mut ids: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=12).map(|number| scope.spawn(move || deliver(number))).collect();
        let answers = threads.into_iter().map(|thread| thread.join().expect("an answer"));
        answers.map(|(status, answer)| (status, answer["build"].as_i64())).collect()
    });
    ids.sort_unstable();
    assert_eq!(ids, (1..=12).map(|id| (202, Some(id))).collect::<Vec<_>>());
}

#[test]
fn a_redelivery_joins_what_runs_and_starts_anew_what_has_ended() {
    let scene = Scene::new(&HELD);
    let sha = scene.commit(1, &[]);
    let (guid, payload) = (fresh_guid(), pull("opened", APP, 1, &sha, 0).json());
    let again = || scene.daemon.hook_as(&guid, 1, "pull_request", &payload, true);
    let joined = json!({"status": 202, "result": "Joined build 1, which has not ended yet", "build": 1});

    assert_eq!(again().1["build"], 1);
    assert_eq!(again(), (202, joined.clone()));
    scene.cues.hear(&sha);
    assert_eq!(again(), (202, joined.clone()));
    // The same head under a delivery of its own joins as well.
    let other = scene.daemon.hook("pull_request", &pull("ready_for_review", APP, 1, &sha, 1).json(), false);
    assert_eq!(other, (202, joined));
    scene.cues.go();
    scene.shown(&sha, "test", "success");

    assert_eq!(again(), (202, json!({"status": 202, "result": "Accepted as build 2", "build": 2})));
    scene.cues.go();
    let build = scene.daemon.wait_build(2, "success");
    assert_eq!((&build["sha"], &build["attempt"]), (&json!(sha), &json!(1)));
    assert_eq!(builds(&scene), 2);
}

#[test]
fn a_second_hook_on_the_same_event_builds_nothing_twice() {
    let scene = Scene::new(&TEST);
    let sha = scene.commit(1, &[]);
    let (guid, payload) = (fresh_guid(), pull("opened", APP, 1, &sha, 0).json());
    let from = |hook| scene.daemon.hook_as(&guid, hook, "pull_request", &payload, false);
    assert_eq!(from(11).0, 202);
    let known = json!({"status": 200, "result": "Already known from hook 11"});
    assert_eq!(from(22), (200, known.clone()));
    scene.shown(&sha, "test", "success");
    assert_eq!(from(33), (200, known));
    assert_eq!(builds(&scene), 1);
    // The same hook again is a person's Redeliver.
    assert_eq!(from(22), (202, json!({"status": 202, "result": "Accepted as build 2", "build": 2})));
}

#[test]
fn closing_cancels_what_waits_and_what_runs() {
    let scene = Scene::new(&HELD);
    let (first, _) = scene.open(1);
    let (second, _) = scene.open(2);
    scene.cues.hear(&first);
    for (number, sha) in [(1, &first), (2, &second)] {
        let answer = scene.daemon.hook("pull_request", &pull("closed", APP, number, sha, 1).json(), false);
        let words = format!("Closed: cancelled build {number}");
        assert_eq!(answer, (200, json!({"status": 200, "result": words, "build": number})));
        let build = scene.daemon.wait_build(number as i64, "cancelled");
        assert_eq!(build["reason"], "Cancelled: the pull request was closed");
        let post = scene.shown(sha, "test", "error");
        assert_eq!(post.description, "Cancelled: the pull request was closed");
    }
    assert!(!scene.cues.heard().contains(&second), "the second never ran");
    // Closing is no result: the lamp knows of none.
    assert_eq!(scene.daemon.get_json("/api/v1/lights")["reason"], "No pull request yet");
}

#[test]
fn an_older_payload_changes_nothing() {
    let scene = Scene::new(&TEST);
    let (old, new) = (scene.commit(1, &[]), scene.commit(1, &[]));
    let id = scene.accepted(pull("synchronize", APP, 1, &new, 60));
    scene.shown(&new, "test", "success");
    for late in
        [pull("opened", APP, 1, &old, 0), pull("synchronize", APP, 1, &old, 59), pull("closed", APP, 1, &old, 59)]
    {
        let (status, answer) = scene.daemon.hook("pull_request", &late.json(), false);
        let words = "Older than what is known of this pull request: nothing changed";
        assert_eq!((status, answer), (200, json!({"status": 200, "result": words})));
    }
    assert_eq!((id, builds(&scene)), (1, 1));
}

#[test]
fn a_new_base_takes_the_place_of_a_running_build_of_the_old_one() {
    let scene = Scene::new(&HELD);
    let (sha, _) = scene.open(1);
    let old = scene.cues.hear_pid(&sha);
    let edited = pull("edited", APP, 1, &sha, 1).with_old_base("main").with("/pull_request/base/ref", "next");
    assert_eq!(scene.accepted(edited), 2);
    assert_eq!(scene.daemon.wait_build(1, "cancelled")["reason"], "Superseded: the base is now next");
    wait_until_gone(old);
    scene.cues.go();
    scene.daemon.wait_build(2, "success");
    scene.shown(&sha, "test", "success");
}
