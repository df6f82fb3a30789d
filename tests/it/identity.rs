//! A name that changes hands: GitHub has another repository under it than the one that is meant.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::config::TestConfig;
use crate::support::payload::{comment, pull};
use crate::support::scene::{APP, Scene, WAITS};

/// The number of the stranger's repository.
const ANOTHER: u64 = 99;

/// As a list shows a pull request of the repository with that number.
fn open(number: u64, sha: &str, id: u64) -> Value {
    pull("opened", APP, number, sha, 50).with("/pull_request/base/repo/id", id).with("/repository/id", id).json()
}

/// The number in the payloads of tests.
fn ours() -> u64 {
    pull("opened", APP, 1, &"a".repeat(40), 0).json()["repository"]["id"].as_u64().expect("a number")
}

/// GitHub is asked again, at once.
fn look(scene: &Scene) {
    scene.daemon.signal(Signal::HUP);
}

fn lamp(scene: &Scene) -> (Value, String) {
    let lights = scene.daemon.get_json("/api/v1/lights");
    let reason = lights["reason"].as_str().unwrap_or_default().to_owned();
    (json!([lights["red"], lights["yellow"], lights["green"]]), reason)
}

#[test]
fn a_stranger_s_repository_under_the_configured_name_is_not_built() {
    let mut scene = Scene::with(&[("test", "true")], |config| config.set("builder.approval", "\"none\""));
    let (sha, build) = scene.open(1);
    scene.daemon.wait_build(build, "success");
    // The stranger's pull request has the number of the team's, and is newer.
    let evil = scene.commit(1, &[("evil", "")]);
    scene.github.list(APP, vec![open(1, &evil, ANOTHER)]);
    look(&scene);
    let words = format!(
        "Can't tell: GitHub's acme/app is repository 99, not {}: has a stranger taken the name? Write the new name of yours \
         in the configuration, or id = 99 below this one if that is yours",
        ours()
    );
    scene.daemon.wait_for_log(&format!("the lamp: {words}"));
    assert_eq!(lamp(&scene), (json!(["on", "on", "off"]), words.clone()));
    assert!(scene.daemon.cli(&["status"]).stdout.contains(&words));
    let page = scene.daemon.get_text("/", &[]);
    assert!(page.text().contains("has a stranger taken the name?"), "{}", page.text());
    // Whom GitHub names a writer there is not obeyed, and what the team's hook still tells waits. A power cut changes
    // nothing.
    scene.github.permit("mallory", "admin");
    let approval = comment(APP, 1, "mallory", &format!("/approve {evil}"));
    assert_eq!(scene.daemon.hook("issue_comment", &approval, false).0, 200);
    let (second, waiting) = scene.open(2);
    scene.power_cut();
    assert_eq!(lamp(&scene), (json!(["on", "on", "off"]), words));
    let builds = scene.daemon.get_json("/api/v1/builds");
    let shown = |b: &Value| (b["id"].clone(), b["sha"].clone(), b["state"].clone());
    let shown: Vec<_> = builds["builds"].as_array().expect("a list").iter().map(shown).collect();
    let expected = [(waiting, &second, "queued"), (build, &sha, "success")];
    assert_eq!(shown, expected.map(|(id, sha, state)| (json!(id), json!(sha), json!(state))));
    assert!(scene.github.posts().iter().all(|post| post.sha != evil));
    // It is as it was again.
    scene.origin.publish_pull(1, &sha);
    scene.github.list(APP, vec![open(2, &second, ours()), open(1, &sha, ours())]);
    look(&scene);
    scene.shown(&second, "test", "success");
    assert_eq!(lamp(&scene), (json!(["off", "off", "on"]), "acme/app#2 passed".to_owned()));
}

#[test]
fn an_empty_list_of_a_stranger_s_ends_nothing() {
    let scene = Scene::new(&[("test", WAITS)]);
    let (sha, build) = scene.open(1);
    scene.cues.hear(&sha);
    scene.github.list(APP, vec![]);
    scene.github.own(APP, json!({"id": ANOTHER, "full_name": APP}));
    look(&scene);
    scene.daemon.wait_for_log("the lamp: Can't tell: GitHub's acme/app is repository 99");
    scene.cues.go();
    scene.daemon.wait_build(build, "success");
    scene.github.own(APP, json!({"id": ours(), "full_name": "acme/web"}));
    look(&scene);
    scene.daemon.wait_for_log("GitHub's acme/app is called acme/web now: write the new name in the configuration");
    assert_eq!(lamp(&scene), (json!(["off", "off", "on"]), "acme/app#1 passed".to_owned()));
    // Deliveries bear the new name already: then the list is looked at.
    let sha = scene.commit(2, &[]);
    let renamed = pull("opened", "acme/web", 2, &sha, 50).json();
    scene.github.list(APP, vec![renamed.clone()]);
    let (code, answer) = scene.daemon.hook("pull_request", &renamed, false);
    let words = "acme/web is not configured here: nothing to build. GitHub's acme/app is called acme/web now: write the new \
                 name in the configuration";
    assert_eq!((code, answer["result"].as_str()), (200, Some(words)));
    scene.cues.hear(&sha);
    scene.cues.go();
    scene.shown(&sha, "test", "success");
}

#[test]
fn a_repository_that_was_made_anew_is_built_once_its_hook_or_the_configuration_has_its_number() {
    let scene = Scene::new(&[("test", "true")]);
    let (_, build) = scene.open(1);
    scene.daemon.wait_build(build, "success");
    let anew = scene.commit(1, &[("anew", "")]);
    scene.github.list(APP, vec![open(1, &anew, ANOTHER)]);
    look(&scene);
    scene.daemon.wait_for_log("the lamp: Can't tell");
    assert_eq!(scene.daemon.hook("pull_request", &open(1, &anew, ANOTHER), false).0, 202);
    scene.shown(&anew, "test", "success");
    assert_eq!(lamp(&scene), (json!(["off", "off", "on"]), "acme/app#1 passed".to_owned()));
    // A number in the configuration is the last word.
    let config = TestConfig::new(&scene.github.url()).repository(APP, &scene.origin.url(), &[]);
    let config =
        config.line(&format!("id = {}", ours())).line("[[repository.check]]\ncontext = \"test\"\nrun = \"true\"");
    scene.daemon.room.write_config(&config);
    let logged = scene.daemon.logged();
    look(&scene);
    scene.daemon.wait_for_log_after(logged, "the lamp: Can't tell: GitHub's acme/app is repository 99");
    let (code, answer) = scene.daemon.hook("pull_request", &open(3, &anew, ANOTHER), false);
    assert_eq!(code, 200);
    assert!(answer["result"].as_str().is_some_and(|words| words.starts_with("Nothing to build: GitHub's acme/app")));
}
