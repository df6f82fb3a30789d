//! The command line when something is wrong: the words, and the exit code.

use crate::support::config::{Room, TestConfig};
use crate::support::payload::pull;
use crate::support::scene::{APP, Scene};

const COMMANDS: [&[&str]; 10] = [
    &["run"],
    &["demo"],
    &["check"],
    &["lamp", "test"],
    &["status"],
    &["builds"],
    &["log", "1"],
    &["rebuild", "1"],
    &["approve", "acme/app#1"],
    &["cancel", "1"],
];

fn nowhere() -> Room {
    Room::new(&TestConfig::new("http://127.0.0.1:9").repository(APP, "file:///nowhere", &[]))
}

#[test]
fn what_a_running_daemon_refuses_is_said_with_the_reason() {
    let scene = Scene::new(&[("test", "true")]);
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "test", "success");
    let closed = scene.commit(2, &[]);
    scene.daemon.hook("pull_request", &pull("closed", APP, 2, &closed, 0).json(), false);
    let table: &[(i32, &[&str], &str)] = &[
        (1, &["cancel", "99"], "No build 99 waits or runs"),
        (1, &["cancel", "1"], "Build 1 has ended: success"),
        (1, &["log", "99"], "There is no build 99"),
        (1, &["log", "99", "-f"], "There is no build 99"),
        (1, &["rebuild", "99"], "There is no build 99"),
        (1, &["rebuild", "acme/other#1"], "acme/other is not configured here"),
        (1, &["rebuild", "acme/app#99"], "No pull request acme/app#99 is known"),
        (1, &["rebuild", "acme/app#2"], "acme/app#2 is closed"),
        (1, &["approve", "acme/app#1"], "Nothing of acme/app#1 waits for approval"),
        (1, &["approve", "acme/other#1"], "acme/other is not configured here"),
        (1, &["approve", "acme/app#2"], "acme/app#2 is closed"),
        (
            1,
            &["approve", "acme/app#1", "xyz"],
            "`sha` is at least the first 7 hex digits of the head's sha, like 1a2b3c4",
        ),
        (1, &["lamp", "red"], "There is no lamp to move: lights.driver is \"none\""),
        (2, &["rebuild", "acme/app"], "`acme/app` is no pull request: write it like acme/app#7"),
        (2, &["rebuild", "acme#7"], "`acme#7` is no pull request: write it like acme/app#7"),
        (2, &["rebuild", "/#7"], "`/#7` is no pull request: write it like acme/app#7"),
        (2, &["approve", "acme/app#x"], "`acme/app#x` is no pull request: write it like acme/app#7"),
        (2, &["approve", "7"], "`7` is no pull request: write it like acme/app#7"),
    ];
    for (code, args, words) in table {
        let said = scene.daemon.cli(args);
        assert_eq!(
            (said.code, said.stderr, said.stdout),
            (Some(*code), format!("pilotlight: {words}"), String::new()),
            "{args:?}"
        );
    }
}

#[test]
fn without_a_running_daemon_its_commands_say_how_to_start_it() {
    let room = nowhere();
    let words =
        "pilotlight: pilotlight is not running here: start it with `systemctl start pilotlight` or `pilotlight run`";
    for args in COMMANDS.iter().filter(|args| !["run", "demo", "check", "lamp"].contains(&args[0])) {
        let said = room.cli(args);
        assert_eq!((said.code, said.stderr.as_str(), said.stdout.as_str()), (Some(1), words, ""), "{args:?}");
    }
    let lamp = room.cli(&["lamp", "red"]);
    let words = "pilotlight: there is no lamp to move: lights.driver is \"none\"";
    assert_eq!((lamp.code, lamp.stderr.as_str(), lamp.stdout.as_str()), (Some(1), words, ""));
}

#[test]
fn a_second_daemon_for_the_same_state_is_refused() {
    let scene = Scene::new(&[("test", "true")]);
    let second = scene.daemon.cli(&["run"]);
    let state = scene.state_dir();
    let words = format!("pilotlight: another pilotlight runs with {}: stop it first", state.display());
    assert_eq!((second.code, second.stderr), (Some(1), words));
    // And it has taken nothing from the first.
    assert_eq!(scene.daemon.cli(&["status"]).code, Some(0));
}

#[test]
fn an_address_in_use_is_named_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for key in ["webhook.listen", "dashboard.listen"] {
        let config = TestConfig::new("http://127.0.0.1:9").set(key, &format!("\"{address}\""));
        let room = Room::new(&config.repository(APP, "file:///nowhere", &[]));
        let said = room.cli(&["run"]);
        let words = format!("pilotlight: {address} is in use by another program: choose another {key}");
        assert_eq!((said.code, said.stderr), (Some(1), words));
    }
}

#[test]
fn help_and_version_are_everywhere() {
    let room = nowhere();
    let version = format!("pilotlight {}", env!("CARGO_PKG_VERSION"));
    for flag in ["--version", "-V"] {
        let said = room.cli(&[flag]);
        assert_eq!((said.code, said.stdout.as_str()), (Some(0), version.as_str()));
    }
    let all = room.cli(&["--help"]);
    assert_eq!((all.code, all.stderr.as_str()), (Some(0), ""));
    for args in COMMANDS {
        assert!(all.stdout.contains(&format!("\n  {}", args[0])), "{} is not in {}", args[0], all.stdout);
        let help = room.cli(&[args[0], "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(help.stdout.contains(&format!("Usage: pilotlight {}", args[0])), "{}", help.stdout);
        assert!(help.stdout.contains("--config <FILE>"), "{}", help.stdout);
        let said = room.cli(&[args[0], "--version"]);
        assert_eq!(said.code, Some(0), "{args:?}: {}", said.stderr);
    }
    assert!(!all.stdout.contains("worker"), "what only the daemon starts is not shown: {}", all.stdout);
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    let room = nowhere();
    let table: &[&[&str]] = &[
        &[],
        &["bogus"],
        &["cancel", "x"],
        &["cancel"],
        &["log"],
        &["lamp", "blue"],
        &["builds", "--xml"],
        &["approve"],
    ];
    for args in table {
        let said = room.cli(args);
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{args:?}: {}", said.stderr);
        assert!(said.stderr.contains("--help"), "{args:?}: {}", said.stderr);
    }
    let near = room.cli(&["biulds"]);
    assert!(near.stderr.contains("'builds'"), "{}", near.stderr);
}
