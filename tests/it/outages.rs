//! GitHub away, or unwilling: builds go on, and it hears the newest truth when it is back.

use crate::support::PATIENCE;
use crate::support::config::{TOKEN, TestConfig};
use crate::support::daemon::Daemon;
use crate::support::github::FakeGithub;
use crate::support::payload::pull;
use crate::support::repo::Origin;
use crate::support::scene::{APP, Scene, WAITS};

#[test]
fn after_an_outage_the_end_is_told_and_nothing_older() {
    let scene = Scene::new(&[("test", WAITS)]);
    scene.github.reset();
    let (sha, id) = scene.open(1);
    scene.cues.hear(&sha);
    scene.github.wait_for(|posts| !posts.is_empty(), PATIENCE);
    scene.github.fail_with(502, &[]);
    scene.github.wait_for(|posts| posts.last().is_some_and(|p| p.answer == Some(502)), PATIENCE);
    scene.cues.go();
    scene.daemon.wait_build(id, "success");
    scene.github.heal();
    scene.shown(&sha, "test", "success");
    // Then one more, so that whatever else was on its way has arrived.
    let (next, _) = scene.open(2);
    scene.cues.go();
    scene.shown(&next, "test", "success");
    let accepted: Vec<_> = scene.github.posts().into_iter().filter(|p| p.accepted() && p.sha == sha).collect();
    assert_eq!(accepted.len(), 1, "{accepted:#?}");
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again_with_the_same_words() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (sha, _) = scene.open(1);
    scene.described(&sha, "Running");
    scene.github.fail_next(1, 500, &[("Retry-After", "1")]);
    scene.cues.go();
    let end = scene.shown(&sha, "test", "success");
    let posts = scene.github.posts();
    let ends: Vec<_> = posts.iter().filter(|p| p.state == "success").collect();
    assert_eq!(ends.len(), 2, "{posts:#?}");
    assert!(ends.iter().all(|p| p.description == end.description && p.target_url == end.target_url), "{ends:#?}");
}

#[test]
fn with_a_token_that_is_refused_the_lamp_cant_tell_and_builds_go_on() {
    let (github, origin) = (FakeGithub::start("another token"), Origin::new());
    let daemon = Daemon::start(&TestConfig::new(&github.url()).repository(APP, &origin.url(), &[("test", "true")]));
    let sha = origin.commit(&[]);
    origin.publish_pull(1, &sha);
    let (status, _) = daemon.hook("pull_request", &pull("opened", APP, 1, &sha, 0).json(), false);
    assert_eq!(status, 202);
    daemon.wait_build(1, "success");
    let posts = github.wait_for(|posts| !posts.is_empty(), PATIENCE);
    assert_eq!(posts[0].answer, Some(401));
    daemon.wait_for_log("the lamp: Can't tell: ");
    let lights = daemon.get_json("/api/v1/lights");
    assert_eq!([&lights["red"], &lights["yellow"], &lights["green"]], ["on", "on", "off"], "{lights}");
    let reason = lights["reason"].as_str().unwrap();
    assert!(reason.contains("GitHub does not accept the token (401: Bad credentials)"), "{reason}");
    assert!(!daemon.log().contains(TOKEN) && !reason.contains(TOKEN));
}

#[test]
fn while_a_status_is_refused_the_lamp_cant_tell() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (sha, id) = scene.open(1);
    scene.described(&sha, "Running");
    scene.github.fail_with(422, &[]);
    scene.cues.go();
    scene.daemon.wait_build(id, "success");
    scene.daemon.wait_for_log("the lamp: Can't tell: the status test of acme/app#1 is not taken: GitHub refuses this");
    let lights = scene.daemon.get_json("/api/v1/lights");
    assert_eq!([&lights["red"], &lights["yellow"], &lights["green"]], ["on", "on", "off"], "{lights}");
    scene.github.heal();
    let next = scene.commit(1, &[]);
    scene.accepted(pull("synchronize", APP, 1, &next, 1));
    scene.cues.go();
    scene.shown(&next, "test", "success");
    scene.daemon.wait_for_log("the lamp: acme/app#1 passed");
}
