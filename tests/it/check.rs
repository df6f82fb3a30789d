//! `pilotlight check`: each line good, doubtful or bad, with the cure; exit code 0 when nothing is bad.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::support::config::{Room, TestConfig};
use crate::support::daemon::Daemon;
use crate::support::github::FakeGithub;
use crate::support::scene::APP;

/// A stand-in for the parts of GitHub's API that only `check` asks: each path answers as the table says, all others
/// 404. It lives as long as the test's process.
pub fn doctor(table: Vec<(&'static str, u16, Value)>) -> String {
    let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.server_addr());
    thread::spawn(move || {
        for request in server.incoming_requests() {
            let path = request.url().split('?').next().unwrap_or_default().to_owned();
            let found = table.iter().find(|(known, ..)| *known == path);
            let (status, body) = found.map_or((404, Value::Null), |(_, status, body)| (*status, body.clone()));
            let _ = request.respond(tiny_http::Response::from_string(body.to_string()).with_status_code(status));
        }
    });
    url
}

const DELIVERIES: &str = "/repos/acme/app/hooks/1/deliveries";

/// A GitHub where all is well.
pub fn healthy() -> Vec<(&'static str, u16, Value)> {
    let hook = json!([{ "id": 1, "active": true, "events": ["pull_request", "issue_comment"], "last_response": { "code": 200 },
        "config": { "url": "https://tunnel.example/event_handler" } }]);
    vec![
        ("/rate_limit", 200, json!({ "resources": { "core": { "limit": 5000, "remaining": 4987 } } })),
        ("/repos/acme/app", 200, json!({})),
        ("/repos/acme/app/branches", 200, json!([])),
        ("/repos/acme/app/pulls", 200, json!([])),
        ("/repos/acme/app/statuses/0000000000000000000000000000000000000000", 422, json!({ "message": "No commit" })),
        (DELIVERIES, 200, json!([{ "status_code": 200 }, { "status_code": 202 }])),
        ("/repos/acme/app/hooks", 200, hook),
    ]
}

/// The same, but for one answer.
pub fn but(path: &'static str, status: u16, body: Value) -> Vec<(&'static str, u16, Value)> {
    let mut table = healthy();
    table.retain(|(known, ..)| *known != path);
    table.push((path, status, body));
    table
}

fn room(github: &str) -> Room {
    Room::new(&TestConfig::new(github).repository(APP, "file:///nowhere", &[]))
}

/// The findings of `check --json`, as `verdict about: words`, and the exit code.
fn findings(room: &Room, args: &[&str]) -> (Vec<String>, Option<i32>) {
    let done = room.cli(&[&["check", "--json"], args].concat());
    let report: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", done.stdout));
    assert_eq!(report["ok"], json!(done.code == Some(0)));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let line = |f: &Value| format!("{} {}: {}", text(f, "verdict"), text(f, "about"), text(f, "words"));
    (report["findings"].as_array().unwrap().iter().map(line).collect(), done.code)
}

#[track_caller]
fn finds(room: &Room, args: &[&str], line: &str, code: i32) {
    let (found, exit) = findings(room, args);
    assert!(found.iter().any(|f| f.starts_with(line)), "no `{line}` in {found:#?}");
    assert_eq!(exit, Some(code), "{found:#?}");
}

#[test]
fn all_is_well() {
    let room = room(&doctor(healthy()));
    let (found, code) = findings(&room, &[]);
    let about = |verdict: &str| found.iter().filter(|f| f.starts_with(verdict)).count();
    assert_eq!((about("bad"), code), (0, Some(0)), "{found:#?}");
    for line in [
        "good webhook secret: ",
        "good GitHub token: ",
        "good state directory: ",
        "good clock: 2",
        "good git: 2.",
        "good lamp: none is configured",
        "doubtful isolation: none: builds run as the daemon's user, and pull requests from forks never run",
        "doubtful daemon: is not running here",
        "good GitHub: answers; 4987 of 5000 requests left this hour",
        "good acme/app: Commit statuses: write: granted",
        "good acme/app: Contents: read: granted",
        "good acme/app: webhook: its last delivery arrived",
        "good acme/app: deliveries: the last 2 arrived",
        "good GitHub token's end: has no end that GitHub tells of",
        "good DNS: 127.0.0.1:",
        "doubtful tunnel: neither ngrok, cloudflared nor tailscale tells of one: polling still works",
    ] {
        assert!(found.iter().any(|f| f.starts_with(line)), "no `{line}` in {found:#?}");
    }
    let shown = room.cli(&["check"]);
    assert_eq!(shown.code, Some(0));
    assert!(shown.stdout.contains("\ngood      git                       2."), "{}", shown.stdout);
    assert!(!shown.stdout.contains(crate::support::config::TOKEN));
}

#[test]
fn what_github_says_is_told_with_its_cure() {
    let statuses = "/repos/acme/app/statuses/0000000000000000000000000000000000000000";
    let hook = |key: &str, value: Value| {
        let mut hook = healthy().pop().unwrap().2;
        hook[0][key] = value;
        ("/repos/acme/app/hooks", 200, hook)
    };
    let bad = [
        (but("/rate_limit", 401, json!({})), "bad GitHub: GitHub does not accept the token"),
        (but("/rate_limit", 500, json!({})), "bad GitHub: GitHub answers 500: is github.api_url right?"),
        (but(statuses, 403, json!({})), "bad acme/app: Commit statuses: write: not granted: add the permission"),
        (
            but("/repos/acme/app", 200, json!({"full_name": "acme/web"})),
            "bad acme/app: Metadata: read: GitHub's acme/app is \
          called acme/web now: write the new name in the configuration",
        ),
        (but("/repos/acme/app", 404, json!({})), "bad acme/app: Metadata: read: the token does not see the repository"),
    ];
    let hooks = [
        (hook("active", json!(false)), "bad acme/app: webhook: the webhook is not active"),
        (hook("events", json!(["push"])), "bad acme/app: webhook: the webhook does not send pull requests"),
        (
            hook("last_response", json!({ "code": 401 })),
            "bad acme/app: webhook: its last delivery was answered 401: its secret",
        ),
        (
            hook("last_response", json!({ "code": 502 })),
            "bad acme/app: webhook: its last delivery failed (502): is the tunnel open?",
        ),
    ];
    let hooks = hooks.map(|((path, status, body), line)| (but(path, status, body), line));
    for (table, line) in bad.into_iter().chain(hooks) {
        finds(&room(&doctor(table)), &[], line, 1);
    }
    let failed = json!([{ "status_code": 202 }, { "status_code": 502, "delivered_at": "2026-11-22T21:00:00Z" }]);
    let line = "doubtful acme/app: deliveries: 1 of the last 2 failed, the newest at 2026-11-22T21:00:00Z: \
                pushes are found by polling, a comment must be said again";
    finds(&room(&doctor(but(DELIVERIES, 200, failed))), &[], line, 0);
    let (path, status, body) = hook("events", json!(["pull_request"]));
    let unheard = "good acme/app: webhook: its last delivery arrived; tick Issue comments there";
    finds(&room(&doctor(but(path, status, body))), &[], unheard, 0);
    let missing = but("/repos/acme/app/hooks", 200, json!([]));
    let line =
        "doubtful acme/app: webhook: none has the path /event_handler: polling still works, `pilotlight hook install`";
    finds(&room(&doctor(missing)), &[], line, 0);
    let (path, status, body) = hook("config", json!({ "url": "https://chat.example/ci/event_handler" }));
    finds(&room(&doctor(but(path, status, body))), &[], line, 0);
    let hidden = but("/repos/acme/app/hooks", 404, json!({}));
    finds(&room(&doctor(hidden)), &[], "doubtful acme/app: webhook: the token may not look at it", 0);
    let nowhere = room("http://127.0.0.1:9");
    finds(&nowhere, &[], "bad GitHub: No answer from http://127.0.0.1:9", 1);
    finds(&nowhere, &["--offline"], "doubtful GitHub: not asked (--offline)", 0);
}

#[test]
fn what_this_box_lacks_is_told_with_its_cure() {
    let room = room("http://127.0.0.1:9");
    let token = room.path("github-token");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let open = format!("bad GitHub token: {0} can be read by others (mode 644): `chmod 600 {0}`", token.display());
    finds(&room, &["--offline"], &open, 1);
    fs::remove_file(&token).unwrap();
    finds(&room, &["--offline"], "bad secrets: the secret ", 1);

    let gpio =
        TestConfig::new("http://127.0.0.1:9").repository(APP, "file:///nowhere", &[]).set("lights.driver", "\"gpio\"");
    finds(&Room::new(&gpio), &["--offline"], "bad lamp: rppal does not know this board", 1);
    let units = TestConfig::new("http://127.0.0.1:9")
        .repository(APP, "file:///nowhere", &[])
        .set("builder.isolation", "\"systemd\"");
    finds(&Room::new(&units), &["--offline"], "bad isolation: there is no unit for acme/app", 1);
}

#[test]
fn a_configuration_that_is_wrong_is_a_finding_with_exit_code_2() {
    let room = room("http://127.0.0.1:9");
    fs::write(
        room.config_file(),
        "[lights]\npins = { red = 0, yellow = 20, green = 16 }\n[[repository]]\nname = \"a/b\"\n",
    )
    .unwrap();
    finds(&room, &[], &format!("bad configuration: {}:2:8: ", room.config_file().display()), 2);
    fs::remove_file(room.config_file()).unwrap();
    finds(&room, &[], &format!("bad configuration: {}: can't be read", room.config_file().display()), 2);
}

#[test]
fn a_running_daemon_is_seen() {
    let github = FakeGithub::start(crate::support::config::TOKEN);
    let daemon = Daemon::start(&TestConfig::new(&github.url()).repository(APP, "file:///nowhere", &[]));
    let done = daemon.cli(&["check", "--offline"]);
    assert!(done.stdout.contains("daemon                    runs"), "{} at {:?}", done.stdout, SystemTime::now());
}

#[test]
fn secrets_of_builds_are_looked_at_and_not_shown() {
    let value = "tok-0123456789";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("npm-token");
    let table = format!("[[repository.secret]]\nname = \"NPM_TOKEN\"\nfile = {file:?}");
    let config = TestConfig::new("http://127.0.0.1:9").repository(APP, "file:///nowhere", &[]).line(&table);
    let room = Room::new(&config);
    let (about, shown) = ("acme/app: secret NPM_TOKEN", file.display());
    finds(&room, &["--offline"], &format!("bad {about}: {shown} can't be read (No such file"), 1);
    for (text, mode, line, code) in [
        (value, 0o600, format!("good {about}: {shown} has mode 600"), 0),
        (value, 0o644, format!("bad {about}: {shown} can be read by others (mode 644): `chmod 600 {shown}`"), 1),
        ("", 0o600, format!("bad {about}: {shown} is empty"), 1),
    ] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        finds(&room, &["--offline"], &line, code);
    }
}
