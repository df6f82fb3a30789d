//! What a head may say of itself, where the box lets it: that it wants no build, by which checks it is built. And what
//! merging it would give.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::payload::pull;
use crate::support::scene::{APP, Scene};

const FILE: &str = ".pilotlight.toml";

/// A scene whose repository has these lines, and the usual check or this one.
fn scene(lines: &str, checks: &[(&str, &str)]) -> Scene {
    // The lines belong to the repository: its checks come behind them.
    Scene::with(&[], |config| {
        let config = config.line(lines);
        checks.iter().fold(config, |config, (context, run)| {
            config.line(&format!("[[repository.check]]\ncontext = {context:?}\nrun = {run:?}"))
        })
    })
}

/// Opens a pull request with a commit that has this message: the head's sha and the build's id.
#[track_caller]
fn open_saying(scene: &Scene, number: u64, message: &str) -> (String, i64) {
    let sha = scene.origin.commit_as(message, |_| {});
    scene.origin.publish_pull(number, &sha);
    (sha.clone(), scene.accepted(pull("opened", APP, number, &sha, 0)))
}

/// Opens a pull request with a file of checks.
#[track_caller]
fn open_with_file(scene: &Scene, number: u64, text: &str) -> (String, i64) {
    let sha = scene.commit(number, &[(FILE, text)]);
    (sha.clone(), scene.accepted(pull("opened", APP, number, &sha, 0)))
}

fn checks_of(build: &Value) -> Vec<(&str, &str)> {
    let checks = build["checks"].as_array().expect("checks");
    checks.iter().map(|c| (c["context"].as_str().unwrap(), c["state"].as_str().unwrap())).collect()
}

#[test]
fn a_head_that_asks_for_it_is_not_built_until_a_person_does() {
    let scene = scene("skip_ci = true", &[("lint", "true"), ("test", "echo built")]);
    let (sha, id) = open_saying(&scene, 1, "Mend a comma\n\nNothing to test: [skip ci]\n");
    for context in ["lint", "test"] {
        assert_eq!(scene.shown(&sha, context, "success").description, "Skipped: [skip ci]");
    }
    let build = scene.daemon.wait_build(id, "success");
    assert_eq!((&build["reason"], &build["attempt"]), (&json!("Skipped: [skip ci]"), &json!(0)));
    assert_eq!(checks_of(&build), [("lint", "skipped"), ("test", "skipped")]);
    assert!(scene.log(id).contains("The head's message says [skip ci].\n"), "{}", scene.log(id));
    assert_eq!(scene.daemon.get_json("/api/v1/lights")["green"], "on");

    let rebuilt = scene.daemon.cli(&["rebuild", "acme/app#1"]);
    assert_eq!(rebuilt.code, Some(0), "{}", rebuilt.stderr);
    let build = scene.daemon.wait_build(id + 1, "success");
    assert_eq!(checks_of(&build), [("lint", "success"), ("test", "success")]);

    // The title of the pull request is no message, and neither is what GitHub says of it.
    let sha = scene.origin.commit_as("Change it", |_| {});
    scene.origin.publish_pull(2, &sha);
    let id = scene.accepted(pull("opened", APP, 2, &sha, 0).with("/pull_request/title", "[skip ci] Change it"));
    assert_eq!(checks_of(&scene.daemon.wait_build(id, "success")), [("lint", "success"), ("test", "success")]);
}

#[test]
fn no_head_skips_where_the_box_does_not_say_so_nor_a_forks_head_anywhere() {
    let scene = scene("skip_ci = false", &[]);
    let (sha, _) = open_saying(&scene, 1, "Change it [skip ci]");
    scene.shown(&sha, "pilotlight", "failure"); // there is no script/cibuild

    let scene = self::scene("skip_ci = true", &[("test", "true")]);
    let sha = scene.origin.commit_as("Mine bitcoins [skip ci]", |_| {});
    scene.origin.publish_pull(1, &sha);
    let id = scene.accepted(pull("opened", APP, 1, &sha, 0).fork("mallory/app"));
    // What the fork had to say would come before this.
    let (skipped, _) = open_saying(&scene, 2, "Change it [skip ci]");
    assert_eq!(scene.shown(&skipped, "test", "success").description, "Skipped: [skip ci]");
    assert_eq!(scene.daemon.get_json(&format!("/api/v1/builds/{id}"))["state"], "waiting_for_approval");
    assert_eq!(scene.github.latest(APP, &sha, "test").unwrap().state, "pending");
}

#[test]
fn a_head_names_its_checks() {
    let scene = scene("checks = \"repository\"", &[]);
    let file = "[[check]]\ncontext = \"lint\"\nrun = \"echo linted\"\n\n\
                [[check]]\ncontext = \"pilotlight/test\"\nrun = \"echo $PILOTLIGHT_CONTEXT; exit 3\"\ntimeout = \"1m\"\n";
    let (sha, id) = open_with_file(&scene, 1, file);
    scene.shown(&sha, "lint", "success");
    let failed = scene.shown(&sha, "pilotlight/test", "failure").description;
    assert!(failed.ends_with(": exit code 3"), "{failed}");
    let other = "Skipped: .pilotlight.toml names other checks";
    assert_eq!(scene.shown(&sha, "pilotlight", "success").description, other, "it does not stay pending");
    let build = scene.daemon.wait_build(id, "failure");
    assert_eq!(checks_of(&build), [("pilotlight", "skipped"), ("lint", "success"), ("pilotlight/test", "failure")]);
    let log = scene.log(id);
    assert!(log.contains("── lint: echo linted\nlinted\n") && log.contains("\npilotlight/test\n"), "{log}");

    // A head without such a file is built as ever.
    let sha = scene.commit(2, &[("script/cibuild", "#!/bin/sh\necho as ever\n")]);
    let id = scene.accepted(pull("opened", APP, 2, &sha, 0));
    scene.shown(&sha, "pilotlight", "success");
    assert!(scene.log(id).contains("\nas ever\n"), "{}", scene.log(id));
}

#[test]
fn a_wrong_file_is_a_failed_status_that_says_where() {
    let scene = scene("checks = \"repository\"", &[]);
    let table = [
        (
            "[[check]]\ncontext = \"test\"\nrum = \"true\"\n".to_owned(),
            ".pilotlight.toml line 3, column 1: unknown key `rum`: did you mean `run`?",
        ),
        (
            "[builder]\nisolation = \"none\"\n".to_owned(),
            ".pilotlight.toml line 1, column 2: unknown key `builder`: did you mean `check`?",
        ),
        ("#".repeat(65 * 1024), ".pilotlight.toml has 66560 bytes: 65536 is the most"),
    ];
    for (number, (text, words)) in (1..).zip(&table) {
        let (sha, id) = open_with_file(&scene, number, text);
        assert_eq!(scene.shown(&sha, "pilotlight", "failure").description, *words);
        let build = scene.daemon.wait_build(id, "failure");
        assert_eq!((&build["reason"], &build["attempt"]), (&json!(words), &json!(0)));
        assert!(scene.log(id).ends_with(&format!("{words}\n")), "{}", scene.log(id));
    }
    let outside = scene.daemon.room.path("github-token");
    let sha = scene.origin.commit_as("Read yours", |dir| symlink(outside, dir.join(FILE)).unwrap());
    scene.origin.publish_pull(9, &sha);
    scene.accepted(pull("opened", APP, 9, &sha, 0));
    let words = ".pilotlight.toml is a symlink, a directory or a submodule: make it a file";
    assert_eq!(scene.shown(&sha, "pilotlight", "failure").description, words);
}

#[test]
fn a_power_cut_does_not_lose_the_checks_that_a_head_named() {
    let mut scene = Scene::with(&[], |config| config.line("checks = \"repository\""));
    let waits = scene.cues.command("echo at $$ > @say; read _ < @go");
    let file = format!("[[check]]\ncontext = \"one\"\nrun = {waits:?}\n[[check]]\ncontext = \"two\"\nrun = \"true\"\n");
    let (sha, id) = open_with_file(&scene, 1, &file);
    let first = scene.cues.hear_pid("at");
    scene.shown(&sha, "one", "pending");
    scene.power_cut();
    crate::support::scene::wait_until_gone(first);
    scene.cues.hear("at");
    scene.cues.go();
    scene.shown(&sha, "one", "success");
    scene.shown(&sha, "two", "success");
    let build = scene.daemon.wait_build(id, "success");
    assert_eq!(build["attempt"], 2);
    assert_eq!(checks_of(&build), [("pilotlight", "skipped"), ("one", "success"), ("two", "success")]);
}

#[test]
fn a_merge_is_built_into_the_base_as_it_is_now() {
    let check = (
        "test",
        "echo head $(git rev-parse HEAD^2) of $PILOTLIGHT_SHA; echo base $(git rev-parse HEAD^1); cat of-base of-head",
    );
    let scene = scene("test = \"merge\"", &[check]);
    let base = scene.origin.commit(&[("of-base", "one\n")]);
    scene.origin.publish("refs/heads/main", &base);
    let sha = scene.commit(1, &[("of-head", "mine\n")]);
    let id = scene.accepted(pull("opened", APP, 1, &sha, 0));
    scene.shown(&sha, "test", "success");
    let built = |id: i64, base: &str, text: &str| {
        let log = scene.log(id);
        assert!(log.contains(&format!("\nhead {sha} of {sha}\nbase {base}\n{text}\nmine\n")), "{log}");
        assert!(log.contains(&format!("\nMerged into main at {base}: HEAD is ")), "{log}");
    };
    built(id, &base, "one");

    let moved = scene.origin.commit_on(&base, &[("of-base", "two\n")]);
    scene.origin.publish("refs/heads/main", &moved);
    assert_eq!(scene.daemon.cli(&["rebuild", "acme/app#1"]).code, Some(0));
    scene.daemon.wait_build(id + 1, "success");
    built(id + 1, &moved, "two");

    let gone = scene.origin.commit_on(&moved, &[("of-head", "theirs\n")]);
    scene.origin.publish("refs/heads/main", &gone);
    assert_eq!(scene.daemon.cli(&["rebuild", "acme/app#1"]).code, Some(0));
    let words = "Conflict with main: merge or rebase it";
    assert_eq!(scene.shown(&sha, "test", "failure").description, words);
    let build = scene.daemon.wait_build(id + 2, "failure");
    assert_eq!((&build["reason"], checks_of(&build)), (&json!(words), vec![("test", "failure")]));
    assert!(scene.log(id + 2).contains("These files are in conflict with main:\nof-head\n"), "{}", scene.log(id + 2));

    // On top of the base there is nothing to merge.
    let on_top = scene.origin.commit_on(&gone, &[("more", "")]);
    scene.origin.publish_pull(2, &on_top);
    let id = scene.accepted(pull("opened", APP, 2, &on_top, 0));
    scene.daemon.wait_build(id, "success");
    assert!(!scene.log(id).contains("Merged into"), "{}", scene.log(id));
}

#[test]
fn a_base_that_is_gone_is_told_of() {
    let scene = scene("test = \"merge\"", &[("test", "true")]);
    let sha = scene.commit(1, &[]);
    scene.accepted(pull("opened", APP, 1, &sha, 0).with("/pull_request/base/ref", "gone"));
    let words = format!("Waiting for {} to be fetched, trying again", &sha[..7]);
    scene.described(&sha, &words);
}
