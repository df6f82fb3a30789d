//! The supports themselves hold what they promise.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::PATIENCE;
use crate::support::config::{Room, TestConfig};
use crate::support::daemon::{address_in, encode, fresh_guid, sign};
use crate::support::github::FakeGithub;
use crate::support::http::{parse_reply, raw, request};
use crate::support::payload::{ping, pull};
use crate::support::process::{Process, run_to_end};
use crate::support::repo::Origin;

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const AUTHORIZED: [(&str, &str); 2] = [("Authorization", "Bearer good"), ("User-Agent", "test")];

fn post_to(github: &FakeGithub, sha: &str, body: &serde_json::Value, headers: &[(&str, &str)]) -> u16 {
    let path = format!("/repos/acme/app/statuses/{sha}");
    let address = github.url().replace("http://", "");
    request(&address, "POST", &path, headers, body.to_string().as_bytes()).status
}

#[test]
fn the_stand_in_for_github_is_as_strict_as_github() {
    let github = FakeGithub::start("good");
    let fine = json!({"state": "success", "description": "é".repeat(140), "context": "c", "target_url": "http://x"});
    let with = |key: &str, value: &str| {
        let mut body = fine.clone();
        body[key] = value.into();
        body
    };
    let table = [
        (201, SHA, fine.clone(), &AUTHORIZED[..]),
        (422, SHA, with("description", &"é".repeat(141)), &AUTHORIZED),
        (422, SHA, with("state", "passed"), &AUTHORIZED),
        (422, SHA, with("target_url", "javascript:alert(1)"), &AUTHORIZED),
        (422, "abc", fine.clone(), &AUTHORIZED),
        (401, SHA, fine.clone(), &AUTHORIZED[1..]),
        (401, SHA, fine.clone(), &[("Authorization", "Bearer bad"), ("User-Agent", "test")]),
        (403, SHA, fine.clone(), &AUTHORIZED[..1]),
    ];
    for (expected, sha, body, headers) in table {
        assert_eq!(post_to(&github, sha, &body, headers), expected, "{sha} {body} {headers:?}");
    }
    let answers: Vec<_> = github.posts().iter().map(|p| p.answer.unwrap()).collect();
    assert_eq!(answers, [201, 422, 422, 422, 422, 401, 401, 403]);
    let authorization: Vec<_> = github.posts().iter().map(|p| p.authorization).collect();
    assert_eq!(authorization, [true, true, true, true, true, false, true, true]);
    assert_eq!(github.latest("acme/app", SHA, "C").unwrap().state, "success");
    assert_eq!(github.latest("acme/other", SHA, "c"), None);
}

#[test]
fn the_stand_in_for_github_fails_on_demand_and_heals() {
    let github = FakeGithub::start("good");
    let body = json!({"state": "pending", "context": "c"});
    github.fail_next(2, 502, &[("Retry-After", "7")]);
    assert_eq!(post_to(&github, SHA, &body, &AUTHORIZED), 502);
    assert_eq!(post_to(&github, SHA, &body, &AUTHORIZED), 502);
    assert_eq!(post_to(&github, SHA, &body, &AUTHORIZED), 201);
    github.fail_with(403, &[]);
    assert_eq!(post_to(&github, SHA, &body, &AUTHORIZED), 403);
    assert_eq!(post_to(&github, SHA, &body, &AUTHORIZED), 403);
    github.heal();
    assert_eq!(post_to(&github, SHA, &body, &AUTHORIZED), 201);
}

#[test]
fn the_stand_in_for_github_stalls_and_resets() {
    let github = FakeGithub::start("good");
    let call = format!("POST /repos/acme/app/statuses/{SHA} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}");
    let address = github.url().replace("http://", "");
    github.reset();
    let reset = std::panic::catch_unwind(|| raw(&address, call.as_bytes()));
    assert!(reset.is_err(), "{reset:?}");
    github.stall();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let stalled = std::panic::catch_unwind(|| raw(&address, call.as_bytes()));
            assert!(stalled.is_err(), "{stalled:?}");
        });
        let posts = github.wait_for(|posts| posts.len() == 2, PATIENCE);
        assert_eq!(posts[1].answer, None);
        github.heal();
    });
}

#[test]
fn waiting_for_a_status_ends_when_it_comes_and_panics_when_it_does_not() {
    let github = FakeGithub::start("good");
    std::thread::scope(|scope| {
        scope.spawn(|| post_to(&github, SHA, &json!({"state": "failure", "context": "c"}), &AUTHORIZED));
        let post = github.wait_for_state(SHA, "c", "failure", PATIENCE);
        assert_eq!((post.repository.as_str(), post.accepted()), ("acme/app", true));
    });
    let never = std::panic::AssertUnwindSafe(|| github.wait_for(|posts| posts.len() > 1, Duration::from_millis(1)));
    assert!(std::panic::catch_unwind(never).is_err());
}

#[test]
fn a_commit_is_published_when_the_test_says_so() {
    let origin = Origin::new();
    let sha = origin.commit(&[("script/cibuild", "#!/bin/sh\nexit 0\n"), ("a b.txt", "x")]);
    let again = origin.commit(&[("script/cibuild", "#!/bin/sh\nexit 0\n"), ("a b.txt", "x")]);
    assert_ne!(sha, again, "equal changes are different commits");
    assert!(origin.has(&origin.base) && !origin.has(&sha));
    origin.publish_pull(7, &sha);
    assert!(origin.has(&sha) && !origin.has(&again));
    origin.publish_pull(7, &again);
    let listed = Command::new("git").args(["ls-remote", &origin.url()]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&format!("{again}\trefs/pull/7/head\n")), "{listed}");
    assert!(listed.contains(&format!("{}\trefs/heads/main\n", origin.base)), "{listed}");

    // What was pushed away can still be fetched by its sha, as at GitHub.
    let clone = tempfile::TempDir::new().unwrap();
    let git = |args: &[&str]| Command::new("git").arg("-C").arg(clone.path()).args(args).output().unwrap();
    assert!(git(&["init", "-q"]).status.success());
    assert!(git(&["fetch", "-q", &origin.url(), &sha]).status.success());
    let tree = String::from_utf8(git(&["ls-tree", "-r", &sha]).stdout).unwrap();
    assert!(tree.contains("100755 blob") && tree.contains("script/cibuild"), "{tree}");
    let late = origin.commit_on(&sha, &[("late", "1")]);
    assert!(!git(&["fetch", "-q", &origin.url(), &late]).status.success());
}

#[test]
fn a_configuration_is_toml_with_all_that_was_set() {
    let config = TestConfig::new("http://127.0.0.1:9")
        .set("builder.workers", "2")
        .set("lights.driver", "\"terminal\"")
        .repository("acme/app", "file:///tmp/x", &[("pilotlight/test", "echo \"hi\"")])
        .line("timeout = \"1m\"")
        .repository("acme/other", "file:///tmp/y", &[]);
    let room = Room::new(&config);
    let text = std::fs::read_to_string(room.config_file()).unwrap();
    let value: toml::Table = text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(value["builder"]["workers"].as_integer(), Some(2));
    assert_eq!(value["lights"]["driver"].as_str(), Some("terminal"));
    assert_eq!(value["webhook"]["secret_file"].as_str(), room.path("webhook-secret").to_str());
    assert_eq!(value["repository"][0]["check"][0]["run"].as_str(), Some("echo \"hi\""));
    assert_eq!(value["repository"][0]["check"][0]["timeout"].as_str(), Some("1m"));
    assert_eq!(value["repository"][1]["name"].as_str(), Some("acme/other"));
    assert!(config.listens("webhook") && !config.set("webhook.listen", "\"off\"").listens("webhook"));
}

#[test]
fn a_process_is_heard_signalled_and_waited_for() {
    let finished = run_to_end(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
    assert_eq!((finished.code, finished.stdout.as_str(), finished.stderr.as_str()), (Some(3), "out", "err"));

    let mut process = Process::start(Command::new("sh").args(["-c", "echo ready >&2; exec sleep 600"]));
    assert_eq!(process.stderr.wait_for("ready", PATIENCE), "ready");
    assert_eq!(process.wait(Duration::ZERO), None);
    process.signal(rustix::process::Signal::TERM);
    assert_eq!(process.wait(PATIENCE).unwrap().code(), None);
    assert!(process.wait(Duration::ZERO).is_some(), "its end is remembered");

    let started = Instant::now();
    let mut quiet = Process::start(Command::new("sh").args(["-c", "echo bye"]));
    let missing = std::panic::AssertUnwindSafe(|| quiet.stdout.wait_for("hello", PATIENCE));
    assert!(std::panic::catch_unwind(missing).is_err());
    assert!(started.elapsed() < PATIENCE, "the end of the pipe ends the wait");
    quiet.wait(PATIENCE);
}

#[test]
fn replies_are_read_whole() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n";
    let reply = parse_reply(chunked);
    assert_eq!((reply.status, reply.text(), reply.header("x-a")), (200, "abcdefg", Some("b")));
    assert_eq!(parse_reply(b"HTTP/1.1 503 No\r\n\r\n{}").json(), json!({}));
}

#[test]
fn deliveries_are_signed_and_encoded_as_github_does() {
    let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(sign("It's a Secret to Everybody", b"Hello, World!"), expected);
    let (content_type, body) = encode(&json!({"a": "b c&d"}), true);
    assert_eq!(content_type, "application/x-www-form-urlencoded");
    assert_eq!(body, b"payload=%7B%22a%22%3A%22b+c%26d%22%7D");
    assert_eq!(encode(&json!({}), false), ("application/json", b"{}".to_vec()));
    let guid = fresh_guid();
    let lengths: Vec<_> = guid.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{guid}");
    assert_ne!(guid, fresh_guid());
    let line = "INFO listening for webhooks on http://127.0.0.1:4567/event_handler";
    assert_eq!(address_in(line, "listening for webhooks on http://"), "127.0.0.1:4567");
}

#[test]
fn payloads_look_like_githubs() {
    let payload = pull("synchronize", "acme/app", 7, SHA, 61).fork("mallory/app").json();
    assert_eq!(payload["pull_request"]["updated_at"], "2026-01-01T00:01:01Z");
    assert_eq!(payload["pull_request"]["head"]["repo"]["full_name"], "mallory/app");
    assert_eq!(payload["pull_request"]["base"]["repo"]["full_name"], "acme/app");
    assert_eq!((&payload["after"], &payload["pull_request"]["state"]), (&SHA.into(), &"open".into()));
    let payload =
        pull("closed", "acme/app", 7, SHA, 0).without_head_repository().with("/pull_request/merged", true).json();
    assert_eq!(payload["pull_request"]["head"]["repo"], serde_json::Value::Null);
    assert_eq!(
        (&payload["pull_request"]["state"], &payload["pull_request"]["merged"]),
        (&"closed".into(), &true.into())
    );
    let payload = pull("edited", "acme/app", 7, SHA, 0).with_old_base("dev").json();
    assert_eq!(payload["changes"]["base"]["ref"]["from"], "dev");
    assert_eq!(ping("acme/app", 9)["hook_id"], 9);
}
