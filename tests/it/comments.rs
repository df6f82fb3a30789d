//! Words in comments, by the whole daemon: payloads as GitHub sends them, and its answers about who wrote them.

use rustix::process::Signal;
use serde_json::json;

use crate::check::doctor;
use crate::support::PATIENCE;
use crate::support::config::TestConfig;
use crate::support::daemon::{Daemon, fresh_guid};
use crate::support::payload::{comment, pull};
use crate::support::repo::Origin;
use crate::support::scene::{APP, Scene, WAITS};

const TEST: [(&str, &str); 1] = [("test", "true")];

/// Each pull request waits for a word.
fn wary(checks: &[(&str, &str)]) -> Scene {
    let scene = Scene::with(checks, |c| c.set("builder.approval", "\"all\""));
    scene.github.permit("alice", "write");
    scene.github.permit("trina", "triage");
    scene
}

#[track_caller]
fn say(scene: &Scene, number: u64, login: &str, words: &str) {
    let (status, answer) = scene.daemon.hook("issue_comment", &comment(APP, number, login, words), true);
    let result = answer["result"].as_str().unwrap_or_default();
    let end = format!(" by {login}: it counts if GitHub says that {login} may write there");
    assert!(status == 200 && result.starts_with("Understood /") && result.ends_with(&end), "{status} {answer}");
}

fn questions(scene: &Scene, login: &str) -> usize {
    let path = format!("/repos/{APP}/collaborators/{login}/permission");
    scene.github.wait_for_asked(|_| true, PATIENCE).iter().filter(|asked| asked.path == path).count()
}

#[test]
fn the_team_approves_tests_and_cancels_in_comments() {
    let scene = wary(&[("test", WAITS)]);
    let (sha, id) = scene.open(1);
    let short = &sha[..7];
    scene.shown(&sha, "test", "pending");
    say(&scene, 1, "trina", &format!("/approve {short}\nI have looked at it."));
    scene.daemon.wait_for_log(&format!("/approve {short} by trina on acme/app#1: GitHub does not say"));
    say(&scene, 1, "mallory", &format!("/approve {short}"));
    scene.daemon.wait_for_log(&format!("/approve {short} by mallory on acme/app#1: GitHub does not say"));
    assert_eq!(scene.daemon.wait_build(id, "waiting_for_approval")["attempt"], 0);

    scene.github.list(APP, vec![pull("opened", APP, 1, &sha, 0).json()]);
    say(&scene, 1, "alice", &format!("/approve {short}"));
    scene.cues.hear(&sha);
    say(&scene, 1, "alice", "/cancel");
    assert_eq!(scene.shown(&sha, "test", "error").description, "Cancelled by alice");
    say(&scene, 1, "alice", "/test");
    // Then the one that was cancelled reads no more.
    scene.daemon.wait_build(id + 1, "running");
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    assert_eq!(questions(&scene, "alice"), 1, "what GitHub says is believed for minutes");

    let pushed = scene.commit(1, &[]);
    scene.accepted(pull("synchronize", APP, 1, &pushed, 1));
    let waits = format!("comment /approve {pushed} (or pilotlight approve acme/app#1 SHA)");
    scene.described(&pushed, &format!("Waiting for approval: {waits}"));
}

/// The second one was pushed while somebody read the first, and its push is known from before a power cut.
#[test]
fn of_heads_that_begin_alike_only_the_whole_sha_approves_one() {
    let mut scene = wary(&TEST);
    let (head, _) = scene.open(1);
    let alike = format!("{}{}", &head[..12], "0".repeat(28));
    scene.accepted(pull("synchronize", APP, 1, &alike, 1).with("/before", head.as_str()));
    scene.described(&head, &format!("Superseded by {}", &head[..7]));
    scene.github.list(APP, vec![pull("synchronize", APP, 1, &alike, 2).json()]);
    scene.power_cut();
    say(&scene, 1, "alice", &format!("/approve {}", &head[..12]));
    let ask =
        |head: &str| format!("Waiting for approval: {} may mean another head: comment /approve {head}", &head[..7]);
    scene.described(&alike, &ask(&alike));
    let at_the_box = scene.daemon.cli(&["approve", "acme/app#1", &head[..12]]);
    let cure = format!("look at the newest, then `pilotlight approve acme/app#1 {alike}`");
    let words = format!("pilotlight: Another head of acme/app#1 may have been meant: {cure}");
    assert_eq!((at_the_box.code, at_the_box.stderr), (Some(1), words));

    scene.accepted(pull("synchronize", APP, 1, &head, 3).with("/before", alike.as_str()));
    say(&scene, 1, "alice", &format!("/approve {head}"));
    scene.shown(&head, "test", "success");
}

#[test]
fn a_word_is_kept_over_a_power_cut_and_done_once() {
    let mut scene = wary(&TEST);
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "test", "pending");
    scene.github.stall();
    let (guid, payload) = (fresh_guid(), comment(APP, 1, "alice", &format!("/approve {sha}")));
    assert_eq!(scene.daemon.hook_as(&guid, 1, "issue_comment", &payload, false).0, 200);
    scene.daemon.sigkill();
    scene.github.heal();
    scene.power_cut();
    scene.shown(&sha, "test", "success");
    let again = scene.daemon.hook_as(&guid, 1, "issue_comment", &payload, false);
    assert_eq!(again.1["result"], "Already known: a comment counts once");
    let other_hook = scene.daemon.hook_as(&guid, 2, "issue_comment", &payload, false);
    assert_eq!(other_hook.1["result"], "Already known from hook 1");
}

#[test]
fn a_word_that_overtook_its_push_finds_it_in_githubs_list() {
    let scene = wary(&TEST);
    let old = scene.commit(1, &[]);
    scene.accepted(pull("opened", APP, 1, &old, 0));
    let new = scene.commit(1, &[]);
    scene.github.list(APP, vec![pull("synchronize", APP, 1, &new, 1).json()]);
    say(&scene, 1, "alice", &format!("/approve {new}"));
    scene.shown(&new, "test", "success");
    assert_eq!(scene.shown(&old, "test", "error").description, format!("Superseded by {}", &new[..7]));
}

#[test]
fn a_crowd_of_strangers_costs_few_calls() {
    let scene = wary(&TEST);
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "test", "pending");
    for n in 0..40 {
        for number in [1, 2] {
            let payload = comment(APP, number, &format!("stranger-{}", n % 4), "/test");
            let (status, answer) = scene.daemon.hook("issue_comment", &payload, false);
            assert!(matches!(status, 200 | 503), "{answer}");
        }
    }
    say(&scene, 1, "alice", &format!("/approve {sha}"));
    scene.shown(&sha, "test", "success");
    for n in 0..4 {
        assert_eq!(questions(&scene, &format!("stranger-{n}")), 1);
    }
}

/// One question is answered all the time, another never.
#[test]
fn what_github_will_not_say_is_logged_once_and_with_the_permission_that_lacks() {
    let refused =
        |login: &str| (format!("/repos/{APP}/collaborators/{login}/permission").leak() as &str, 403, json!({}));
    let github = doctor(vec![("/repos/acme/app/pulls", 200, json!([])), refused("alice"), refused("carol")]);
    let origin = Origin::new();
    let daemon = Daemon::start(&TestConfig::new(&github).repository(APP, &origin.url(), &TEST));
    let sha = origin.commit(&[]);
    origin.publish_pull(1, &sha);
    assert_eq!(daemon.hook("pull_request", &pull("opened", APP, 1, &sha, 0).json(), false).0, 202);
    for login in ["alice", "carol"] {
        assert_eq!(daemon.hook("issue_comment", &comment(APP, 1, login, "/test"), true).0, 200);
        daemon.wait_for_log(&format!("/test by {login} on acme/app#1: GitHub does not say"));
        // A list that is given comes between.
        daemon.signal(Signal::HUP);
    }
    let said = daemon.log();
    let lines: Vec<_> = said.lines().filter(|line| line.contains("be asked") && line.contains("who may")).collect();
    let expected = "warn: GitHub can't be asked for who may write to acme/app, so no comment counts: The token may not \
                    ask who may write to acme/app (403). Give it the permission \"Metadata: read\"";
    assert_eq!(lines, [expected]);
}

#[test]
fn other_comments_change_nothing() {
    let scene = Scene::new(&TEST);
    scene.github.permit("alice", "admin");
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "test", "success");
    let say = |pointer: &str, value: serde_json::Value| {
        let mut payload = comment(APP, 1, "alice", "/test");
        *payload.pointer_mut(pointer).expect("it is there") = value;
        scene.daemon.hook("issue_comment", &payload, false)
    };
    for (pointer, value, why) in [
        ("/action", json!("edited"), "edited"),
        ("/action", json!("deleted"), "deleted"),
        ("/issue/pull_request", json!(null), "on what is no open pull request"),
        ("/issue/state", json!("closed"), "on what is no open pull request"),
        ("/comment/user/login", json!("app[bot]"), "by an app or by nobody"),
        ("/comment/body", json!("Nice!"), "without /test, /approve or /cancel in its first line"),
    ] {
        let result = format!("Understood issue_comment {why}: nothing to build");
        assert_eq!(say(pointer, value), (200, json!({"status": 200, "result": result})));
    }
    let other = json!({"full_name": "some/other", "id": 99});
    assert_eq!(say("/repository", other).1["result"], "some/other is not configured here: nothing to build");
    assert_eq!(questions(&scene, "alice"), 0);
    assert_eq!(scene.daemon.get_json("/api/v1/builds")["builds"].as_array().map(Vec::len), Some(1));
}
