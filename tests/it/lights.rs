//! The lamp: as lines where no terminal is, as JSON, and which pull request it is about.

use rustix::process::Signal;
use serde_json::json;

use crate::support::payload::pull;
use crate::support::scene::{APP, Scene, WAITS};

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
