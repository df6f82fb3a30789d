//! Every payload of npm's `@octokit/webhooks-examples`, signed both ways, is answered as a table says.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::config::{TOKEN, TestConfig};
use crate::support::daemon::Daemon;
use crate::support::github::FakeGithub;
use crate::support::repo::Origin;

/// The repository that the examples are about.
const THEIRS: &str = "Codertocat/Hello-World";

/// The files that hold the examples, one for each edition of GitHub. `None` where nobody installed them.
fn editions() -> Option<Vec<PathBuf>> {
    let Some(directory) = std::env::var_os("PILOTLIGHT_EXAMPLES").map(PathBuf::from) else {
        // Past the test harness, which would swallow what `println` says.
        let words = "NOT RUN: PILOTLIGHT_EXAMPLES does not name the directory of npm's @octokit/webhooks-examples";
        let _ = writeln!(std::io::stderr(), "{words}");
        return None;
    };
    let entries = fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let index = |entry: fs::DirEntry| Some(entry.path().join("index.json")).filter(|path| path.is_file());
    let mut editions: Vec<_> = entries.flatten().filter_map(index).collect();
    editions.sort();
    assert!(editions.len() >= 6, "{editions:?}");
    Some(editions)
}

/// Name and payload of each example.
fn examples(edition: &Path) -> Vec<(String, Value)> {
    let text = fs::read_to_string(edition).unwrap();
    let events: Vec<Value> = serde_json::from_str(&text).unwrap();
    let of_event = |event: &Value| {
        let name = event["name"].as_str().expect("a name").to_owned();
        event["examples"].as_array().expect("examples").iter().map(|e| (name.clone(), e.clone())).collect::<Vec<_>>()
    };
    events.iter().flat_map(of_event).collect()
}

/// What an example must be answered: the status, and how the result begins.
fn expected(name: &str, payload: &Value, configured: bool) -> (u16, String) {
    let action = payload["action"].as_str().unwrap_or_default();
    if name == "ping" {
        return (200, "Well, it worked!".to_owned());
    }
    if name == "issue_comment" {
        return (200, "Understood issue_comment without /test".to_owned());
    }
    if !["pull_request", "status"].contains(&name) {
        return (200, format!("Understood {name}: nothing to build"));
    }
    let repository = payload["repository"]["full_name"].as_str().expect("a repository");
    if !configured || repository != THEIRS {
        return (200, format!("{repository} is not configured here: nothing to build"));
    }
    match action {
        _ if name == "status" => (200, "Understood status: nothing to build".to_owned()),
        "opened" | "reopened" | "synchronize" | "ready_for_review" if payload["pull_request"]["state"] == "open" => {
            (202, String::new())
        }
        "opened" | "reopened" | "synchronize" | "ready_for_review" => (200, "The pull request is closed".to_owned()),
        "closed" => (200, "Closed: ".to_owned()),
        _ => (200, format!("Understood pull_request {action}: nothing to build")),
    }
}

/// Delivers all examples of an edition to a daemon of its own; how many were accepted.
fn deliver_all(edition: &Path, name: &str, configured: bool) -> usize {
    let (github, origin) = (FakeGithub::start(TOKEN), Origin::new());
    let config = TestConfig::new(&github.url()).set("webhook.max_body", "\"25 MiB\"");
    let daemon = Daemon::start(&config.repository(name, &origin.url(), &[]));
    let mut accepted = 0;
    for (number, (event, payload)) in examples(edition).into_iter().enumerate() {
        for form in [false, true] {
            // Newer than all before it, so that none is refused as late.
            let mut payload = payload.clone();
            if configured
                && let Some(time) = payload.pointer_mut("/pull_request/updated_at").filter(|_| event == "pull_request")
            {
                let moment = std::time::UNIX_EPOCH
                    + std::time::Duration::from_secs(4_000_000_000 + 2 * number as u64 + u64::from(form));
                *time = humantime::format_rfc3339_seconds(moment).to_string().into();
            }
            let (status, answer) = daemon.hook(&event, &payload, form);
            let (expected, words) = expected(&event, &payload, configured);
            let result = answer["result"].as_str().unwrap_or_default();
            let at = format!("{event} {} (form: {form}): {status} {answer}", payload["action"]);
            assert_eq!(status, expected, "{at}");
            assert!(result.starts_with(&words), "{at} instead of {words:?}");
            assert_eq!(answer["build"].is_i64() && status == 202, status == 202, "{at}");
            accepted += usize::from(status == 202);
        }
    }
    accepted
}

#[test]
fn every_example_is_answered_when_its_repository_is_not_configured() {
    for edition in editions().into_iter().flatten() {
        assert_eq!(deliver_all(&edition, "acme/app", false), 0, "{}", edition.display());
    }
}

#[test]
fn every_example_is_answered_when_its_repository_is_configured() {
    for edition in editions().into_iter().flatten() {
        assert!(deliver_all(&edition, THEIRS, true) > 0, "{}", edition.display());
    }
}
