//! What GitHub is told, in which order and in which words.

use serde_json::json;

use crate::support::PATIENCE;
use crate::support::github::StatusPost;
use crate::support::payload::pull;
use crate::support::scene::{APP, Scene, WAITS};

/// State and description of each call about a head's context, in order.
fn told(posts: &[StatusPost], sha: &str, context: &str) -> Vec<(String, String)> {
    let about = posts.iter().filter(|p| p.accepted() && p.sha == sha && p.context == context);
    about.map(|p| (p.state.clone(), p.description.clone())).collect()
}

fn pair(state: &str, description: &str) -> (String, String) {
    (state.to_owned(), description.to_owned())
}

#[test]
fn a_build_is_told_as_queued_then_running_then_its_end() {
    let scene = Scene::new(&[("pilotlight/test", WAITS)]);
    let (first, _) = scene.open(1);
    scene.cues.hear(&first);
    let (sha, id) = scene.open(2);
    scene.described(&sha, "Queued");
    scene.cues.go();
    scene.described(&sha, "Running");
    scene.cues.go();
    let end = scene.shown(&sha, "pilotlight/test", "success");
    assert_eq!(end.target_url, format!("http://box.example:8080/builds/{id}"));
    assert_eq!((end.repository.as_str(), end.authorization), (APP, true));
    let seconds = end.description.strip_prefix("Passed in ").and_then(|s| s.strip_suffix('s'));
    assert!(seconds.is_some_and(|s| s.parse::<u32>().is_ok()), "{}", end.description);
    let told = told(&scene.github.posts(), &sha, "pilotlight/test");
    assert_eq!(told, [pair("pending", "Queued"), pair("pending", "Running"), pair("success", &end.description)]);
}

#[test]
fn all_checks_run_after_one_has_failed() {
    let scene = Scene::new(&[("lint", "echo one; exit 3"), ("test", "echo two"), ("docs", "kill -SEGV $$")]);
    let (sha, id) = scene.open(1);
    let failed = scene.shown(&sha, "lint", "failure").description;
    assert!(failed.starts_with("Failed in ") && failed.ends_with("s: exit code 3"), "{failed}");
    scene.shown(&sha, "test", "success");
    let crashed = scene.shown(&sha, "docs", "failure").description;
    assert!(crashed.starts_with("Failed in ") && crashed.ends_with("s: signal 11 (SEGV)"), "{crashed}");
    let build = scene.daemon.wait_build(id, "failure");
    assert_eq!(build["reason"], failed.as_str());
    let states: Vec<_> = build["checks"].as_array().unwrap().iter().map(|c| (&c["context"], &c["state"])).collect();
    let expected = [("lint", "failure"), ("test", "success"), ("docs", "failure")].map(|(c, s)| (json!(c), json!(s)));
    assert_eq!(states, expected.each_ref().map(|(c, s)| (c, s)));
}

#[test]
fn a_timeout_is_an_error_and_keeps_the_log() {
    let scene = Scene::with(&[("test", "echo before; sleep 600; echo after")], |c| c.line("timeout = \"1s\""));
    let (sha, id) = scene.open(1);
    assert_eq!(scene.shown(&sha, "test", "error").description, "Timed out after 1s");
    assert_eq!(scene.daemon.wait_build(id, "error")["reason"], "Timed out after 1s");
    let log = scene.log(id);
    assert!(log.contains("\nbefore\n") && !log.contains("\nafter\n"), "{log}");
}

#[test]
fn the_builders_timeout_wins_when_it_is_the_shorter_one() {
    let more = |c: crate::support::config::TestConfig| c.set("builder.timeout", "\"1s\"").line("timeout = \"1h\"");
    let scene = Scene::with(&[("test", "sleep 600")], more);
    let (sha, _) = scene.open(1);
    assert_eq!(scene.shown(&sha, "test", "error").description, "Timed out after 1s");
}

#[test]
fn of_two_pull_requests_with_one_sha_the_newest_build_owns_the_status() {
    let check = format!("{WAITS}; exit $(($PILOTLIGHT_PULL_REQUEST - 1))");
    let scene = Scene::new(&[("test", &check)]);
    let (sha, first) = scene.open(1);
    scene.described(&sha, "Running");
    scene.origin.publish_pull(2, &sha);
    let second = scene.accepted(pull("opened", APP, 2, &sha, 0));
    let of_second = format!("http://box.example:8080/builds/{second}");
    let posts = scene.github.wait_for(|posts| posts.iter().any(|p| p.target_url == of_second), PATIENCE);
    scene.cues.go();
    scene.daemon.wait_build(first, "success");
    scene.cues.go();
    let end = scene.shown(&sha, "test", "failure");
    assert_eq!(end.target_url, of_second);
    let since = &scene.github.posts()[posts.len()..];
    assert!(since.iter().all(|p| p.target_url == of_second), "the older build speaks no more: {since:#?}");
}

#[test]
fn descriptions_fit_and_a_newer_truth_replaces_what_was_not_told() {
    // Dozens of statuses: each head ends with its own, in the words of its own end.
    let scene = Scene::with(&[("a", "true"), ("b", "exit 1"), ("c", "true")], |c| c.set("builder.workers", "2"));
    let shas: Vec<_> = (1..=5).map(|number| scene.open(number).0).collect();
    for sha in &shas {
        for (context, state) in [("a", "success"), ("b", "failure"), ("c", "success")] {
            scene.shown(sha, context, state);
        }
    }
    for post in scene.github.posts() {
        assert!(post.accepted() && post.description.chars().count() <= 140, "{post:?}");
    }
    for sha in &shas {
        let told = told(&scene.github.posts(), sha, "b");
        let ends = told.iter().filter(|(state, _)| state != "pending").count();
        assert_eq!((ends, told.last().map(|(state, _)| state.as_str())), (1, Some("failure")), "{told:?}");
    }
}
