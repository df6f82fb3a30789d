//! `pilotlight demo`, as a script sees it, and what it leaves behind: nothing.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::process::Process;

/// What the contract allows it, twice over: the machine may be busy.
const DEMO_MAX: Duration = Duration::from_secs(60);

fn demo(temporary: &TempDir) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilotlight"));
    command.arg("demo").env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    Process::start(command.env("TMPDIR", temporary.path()))
}

/// No file is left, and no process that was started with our directory in its environment.
#[track_caller]
fn assert_nothing_is_left(temporary: &TempDir) {
    let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let ours = temporary.path().as_os_str().as_encoded_bytes();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        let is_ours = environment.windows(ours.len()).any(|window| window == ours);
        assert!(
            !is_ours,
            "{} is left: {:?}",
            process.path().display(),
            fs::read_to_string(process.path().join("cmdline"))
        );
    }
}

#[test]
fn the_demo_shows_everything_and_leaves_nothing() {
    let temporary = TempDir::new().unwrap();
    let started = Instant::now();
    let mut demo = demo(&temporary);
    let status = demo.wait(DEMO_MAX).unwrap_or_else(|| panic!("it does not end:\n{}", demo.stdout.text()));
    let said = demo.stdout.wait_for_end();
    assert_eq!((status.code(), demo.stderr.wait_for_end().as_str()), (Some(0), ""), "{said}");
    assert!(started.elapsed() < DEMO_MAX);
    for state in ["pending", "success", "failure", "error"] {
        let lines = said.lines().filter(|line| line.split_whitespace().take(2).eq(["status", state]));
        assert!(lines.count() > 0, "no status {state} in:\n{said}");
    }
    for lamp in [
        "lamp: yellow on",
        "lamp: yellow blinking",
        "lamp: green on",
        "lamp: red on, yellow off",
        "lamp: red on, yellow on",
    ] {
        assert!(said.contains(lamp), "no {lamp:?} in:\n{said}");
    }
    for words in ["Passed in ", "exit code 2", "Timed out after 3s", "Superseded by "] {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "no colours without a terminal:\n{said}");
    assert_nothing_is_left(&temporary);
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing_either() {
    let temporary = TempDir::new().unwrap();
    let mut demo = demo(&temporary);
    demo.stdout.wait_for("Running", PATIENCE);
    demo.signal(Signal::INT);
    let status = demo.wait(PATIENCE).unwrap_or_else(|| panic!("it does not end:\n{}", demo.stdout.text()));
    assert!(status.code().is_some(), "it ends in order");
    assert_nothing_is_left(&temporary);
}
