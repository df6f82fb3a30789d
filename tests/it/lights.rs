//! The lamp: as lines where no terminal is, as JSON, and which pull request it is about.

use std::fs;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::json;

use crate::support::PATIENCE;
use crate::support::config::{Room, SECRET, TOKEN, TestConfig};
use crate::support::daemon::{Daemon, encode, fresh_guid, sign};
use crate::support::github::FakeGithub;
use crate::support::http::request;
use crate::support::payload::pull;
use crate::support::process::{Process, run_to_end};
use crate::support::relay::relay;
use crate::support::repo::Origin;
use crate::support::scene::{APP, Scene, WAITS};

/// How far away GitHub is, one way, and what people may wait for yellow after a push.
const FAR: Duration = Duration::from_millis(150);
const YELLOW_MAX: Duration = Duration::from_secs(2);

fn terminal(checks: &[(&str, &str)]) -> Scene {
    Scene::with(checks, |c| c.set("lights.driver", "\"terminal\""))
}

#[test]
fn the_lamp_follows_a_build_through_its_colours_and_goes_dark_at_the_end() {
    for (signal, exit, result, state) in [
        (Signal::TERM, "0", "green on, red off, yellow off (acme/app#1 passed)", "success"),
        (Signal::INT, "1", "red on, yellow off, green off (acme/app#1 failed)", "failure"),
    ] {
        let check = format!("{WAITS}; exit {exit}");
        let mut scene = terminal(&[("test", &check)]);
        // A colour test comes first: each of the three.
        for colour in ["red", "yellow", "green"] {
            scene.daemon.wait_for_stdout(&format!("lamp: {colour} on"));
        }
        scene.daemon.wait_for_stdout("No pull request yet");
        let (first, _) = scene.open(1);
        scene.daemon.wait_for_stdout("lamp: yellow blinking, red off, green off (acme/app#1 is running)");
        scene.cues.hear(&first);
        scene.cues.go();
        scene.shown(&first, "test", state);
        scene.daemon.wait_for_stdout(&format!("lamp: {result}"));
        scene.daemon.signal(signal);
        assert_eq!(scene.daemon.wait_for_exit().code(), Some(0));
        let printed = scene.daemon.stdout();
        assert_eq!(printed.lines().last().map(|line| line.starts_with("lamp: dark")), Some(true), "{printed}");
        assert!(!printed.contains('\u{1b}'), "{printed:?}");
    }
}

/// What systemd does after a daemon's end, as the unit says.
#[test]
fn the_lamp_of_a_killed_daemon_is_put_out_whatever_became_of_its_configuration() {
    let mut scene = terminal(&[("test", "true")]);
    let config = scene.daemon.room.config_file();
    let good = fs::read_to_string(&config).unwrap();
    let state = scene.state_dir();
    let off = |scene: &Scene| {
        let mut command = scene.daemon.room.command(&["lamp", "off"]);
        run_to_end(command.env("STATE_DIRECTORY", &state))
    };
    let elsewhere = good.replace("\"terminal\"", "\"none\"");
    for (now, said, words) in [
        (
            Some("repositories = "),
            "lamp: dark (pilotlight has stopped)\nThe lamp that the last daemon left is dark",
            ":1:",
        ),
        (None, "lamp: dark (pilotlight has stopped)\nThe lamp that the last daemon left is dark", "can't be read"),
        (Some(elsewhere.as_str()), "lamp: dark (pilotlight has stopped)", ""),
    ] {
        scene.daemon.wait_for_stdout("No pull request yet");
        match now {
            Some(text) => fs::write(&config, text).unwrap(),
            None => fs::remove_file(&config).unwrap(),
        }
        if words.is_empty() {
            assert_eq!(off(&scene).stdout, "The lamp shows off for a moment, then the truth again");
        } else {
            assert_eq!((off(&scene).code, off(&scene).stdout.as_str()), (Some(2), ""), "it runs, and shows the truth");
        }
        scene.daemon.sigkill();
        let done = off(&scene);
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), said), "{}", done.stderr);
        let again = off(&scene);
        assert_eq!(again.stdout, "", "it is dark already");
        assert!(again.stderr.contains(words), "{}", again.stderr);
        fs::write(&config, &good).unwrap();
        scene.daemon.restart(&scene.config);
    }
    scene.daemon.sigterm();
    fs::remove_file(&config).unwrap();
    assert_eq!(off(&scene).stdout, "", "a daemon that ends in order leaves nothing to put out");
}

#[test]
fn the_lamp_as_json_is_the_contracts_table() {
    let check = format!("{WAITS}; exit $(($PILOTLIGHT_PULL_REQUEST - 1))");
    let scene = Scene::new(&[("test", &check)]);
    let lamp = |red: &str, yellow: &str, green: &str, reason: &str, number: u64| {
        let repository = (number > 0).then_some(APP);
        let number = (number > 0).then_some(number);
        json!({"red": red, "yellow": yellow, "green": green, "reason": reason, "repository": repository, "pull": number})
    };
    let shown = || scene.daemon.get_json("/api/v1/lights");
    assert_eq!(shown(), lamp("off", "off", "off", "No pull request yet", 0));
    let (first, _) = scene.open(1);
    scene.cues.hear(&first);
    scene.daemon.wait_build(1, "running");
    assert_eq!(shown(), lamp("off", "blink", "off", "acme/app#1 is running", 1));
    let (second, _) = scene.open(2);
    assert_eq!(shown(), lamp("off", "on", "off", "acme/app#2 is queued", 2));
    scene.cues.go();
    scene.cues.go();
    scene.daemon.wait_build(1, "success");
    scene.daemon.wait_build(2, "failure");
    assert_eq!(shown(), lamp("on", "off", "off", "acme/app#2 failed", 2));

    // When the latest is closed it is about the next newest open one, and at last about the last result.
    scene.daemon.hook("pull_request", &pull("closed", APP, 2, &second, 1).json(), false);
    assert_eq!(shown(), lamp("off", "off", "on", "acme/app#1 passed", 1));
    scene.daemon.hook("pull_request", &pull("closed", APP, 1, &first, 1).json(), false);
    assert_eq!(shown(), lamp("off", "off", "on", "acme/app#1 passed", 1));
}

#[test]
fn without_blinking_what_runs_is_steady_and_follow_worst_shows_the_worst() {
    let scene = Scene::with(&[("test", "exit $(($PILOTLIGHT_PULL_REQUEST - 1))")], |c| {
        c.set("lights.blink", "false").set("lights.follow", "\"worst\"")
    });
    let (second, _) = scene.open(2);
    scene.shown(&second, "test", "failure");
    let (first, _) = scene.open(1);
    scene.shown(&first, "test", "success");
    assert_eq!(scene.daemon.get_json("/api/v1/lights")["reason"], "acme/app#2 failed");
    assert!(!scene.daemon.log().contains("panicked"), "{}", scene.daemon.log());
}

/// Only where no Raspberry Pi can be: there it would light real LEDs.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_gpio_that_cant_be_opened_is_a_warning_and_the_daemon_goes_on() {
    let scene = Scene::with(&[("test", "true")], |c| c.set("lights.driver", "\"gpio\""));
    let warning = scene.daemon.wait_for_log("The lamp stays dark: ");
    assert!(warning.starts_with("warn: "), "{warning}");
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "test", "success");
}

#[test]
fn a_test_of_the_lamp_goes_back_to_the_truth_even_when_that_has_changed() {
    let mut scene = terminal(&[("test", WAITS)]);
    scene.daemon.wait_for_stdout("No pull request yet");
    let (sha, _) = scene.open(1);
    scene.cues.hear(&sha);
    scene.daemon.wait_for_stdout("acme/app#1 is running");
    assert_eq!(scene.daemon.cli(&["lamp", "test"]).stdout, "The lamp shows test for a moment, then the truth again");
    scene.cues.go();
    scene.shown(&sha, "test", "success");
    scene.daemon.wait_for_stdout("lamp: green on, red off, yellow off (acme/app#1 passed)");
    scene.daemon.sigterm();
    let printed = scene.daemon.stdout();
    let at = |part: &str| printed.rfind(part).unwrap_or_else(|| panic!("no {part} in {printed}"));
    let order = [
        "is running",
        "red on, yellow off, green off (lamp test)",
        "yellow on, red off",
        "green on, red off",
        "passed",
    ];
    assert!(order.map(at).is_sorted(), "{printed}");
}

/// After a power cut a card may need seconds to give out the database.
#[test]
fn a_long_start_shows_that_it_cant_tell_and_a_failing_one_no_colour() {
    let cant_tell = "lamp: red on, yellow on, green off (Can't tell: pilotlight is starting)";
    for (self_test, first, meanwhile) in [
        ("true", "lamp: red on, yellow off, green off (lamp test)", "lamp: yellow on"),
        ("false", cant_tell, cant_tell),
    ] {
        let config = TestConfig::new("http://127.0.0.1:1")
            .set("lights.driver", "\"terminal\"")
            .set("lights.self_test", self_test)
            .repository(APP, "file:///nowhere", &[]);
        let room = Room::new(&config);
        fs::create_dir(room.path("state")).expect("a directory");
        let card = Connection::open(room.path("state/pilotlight.db")).expect("a database");
        card.execute_batch("BEGIN EXCLUSIVE").expect("ours alone");
        let daemon = Process::start(&mut room.command(&["run"]));
        daemon.stdout.wait_for(meanwhile, PATIENCE);
        assert!(daemon.stdout.text().starts_with(first), "{}", daemon.stdout.text());
        assert!(!daemon.stderr.text().contains("listening"), "{}", daemon.stderr.text());
        card.execute_batch("ROLLBACK").expect("free again");
        daemon.stdout.wait_for("lamp: dark (No pull request yet)", PATIENCE);

        let again = room.cli(&["run"]);
        assert_eq!((again.code, &*again.stdout), (Some(1), ""), "{}", again.stderr);
        drop(daemon);
        fs::remove_file(room.path("state/control.sock")).expect("left by a dead daemon");
        fs::create_dir(room.path("state/control.sock")).expect("something in the way");
        let failing = room.cli(&["run"]);
        assert_eq!((failing.code, &*failing.stdout), (Some(1), "lamp: dark (pilotlight has stopped)"));
    }
}

/// A delivery through a tunnel, GitHub's API behind the same distance, no colour test at the start.
#[test]
fn from_push_to_yellow_within_two_seconds_from_far_away() {
    let (github, origin) = (FakeGithub::start(TOKEN), Origin::new());
    let far_github = relay(github.url().trim_start_matches("http://"), FAR);
    let config = TestConfig::new(&format!("http://{far_github}"))
        .set("lights.driver", "\"terminal\"")
        .set("lights.self_test", "false")
        .repository(APP, &origin.url(), &[("test", "true")]);
    let daemon = Daemon::start(&config);
    let far_hook = relay(daemon.hooks_address(), FAR);
    let sha = origin.commit(&[]);
    origin.publish_pull(1, &sha);
    let (content_type, body) = encode(&pull("opened", APP, 1, &sha, 0).json(), false);
    let (guid, signature) = (fresh_guid(), sign(SECRET, &body));
    let headers = [
        ("Content-Type", content_type),
        ("X-GitHub-Event", "pull_request"),
        ("X-GitHub-Delivery", &*guid),
        ("X-GitHub-Hook-ID", "1"),
        ("X-Hub-Signature-256", &*signature),
    ];
    daemon.wait_for_stdout("No pull request yet");
    let pushed = Instant::now();
    let (yellow, answer) = std::thread::scope(|threads| {
        let push = threads.spawn(|| request(&far_hook, "POST", "/event_handler", &headers, &body));
        daemon.wait_for_stdout("lamp: yellow");
        (pushed.elapsed(), push.join().expect("an answer"))
    });
    assert_eq!(answer.status, 202);
    github.wait_for_state(&sha, "test", "pending", PATIENCE);
    let told = pushed.elapsed();
    github.wait_for_state(&sha, "test", "success", PATIENCE);
    let passed = pushed.elapsed();
    println!("{FAR:?} each way: yellow after {yellow:?}, GitHub told after {told:?}, passed after {passed:?}");
    assert!(FAR < yellow && yellow <= YELLOW_MAX, "yellow after {yellow:?}");
    assert!(!daemon.stdout().contains("lamp test"), "{}", daemon.stdout());
}
