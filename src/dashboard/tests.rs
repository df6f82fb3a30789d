use std::fs;
use std::io::Read;

use expect_test::expect;
use tempfile::TempDir;

use super::*;
use crate::http::message::Body;
use crate::logic::build::{BuildState, Check, CheckState};
use crate::logic::event::Change;
use crate::logic::panel::Led;
use crate::store::Store;

mod api;
mod words;

const SHA: &str = "1a2b3c4d1a2b3c4d1a2b3c4d1a2b3c4d1a2b3c4d";

/// A box with builds in a real database, looked at without sockets.
struct House {
    dir: TempDir,
    config: DashboardConfig,
    reader: Option<Reader>,
    lights: Option<Standing>,
}

struct Answered {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl House {
    fn new(builds: &[Build]) -> House {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("pilotlight.db");
        let changes: Vec<_> = builds.iter().cloned().map(Change::Build).collect();
        Store::open(&database).unwrap().save(&changes).unwrap();
        let reader = Some(Reader::open(&database).unwrap());
        let (logs_dir, hostname) = (dir.path().to_owned(), "pi".to_owned());
        let config = DashboardConfig { database, logs_dir, hostname, url_host: Some("ci.example.org".to_owned()) };
        let reason = "acme/app#7 is running".to_owned();
        let panel = Panel {
            yellow: Led::Blink,
            reason,
            repository: Some("acme/app".into()),
            pull: Some(7),
            ..Panel::default()
        };
        House { dir, config, reader, lights: Some(Standing { panel, summary: "1 running".to_owned(), notice: None }) }
    }

    fn write_log(&self, build: i64, bytes: &[u8]) {
        fs::write(self.dir.path().join(format!("{build}.log")), bytes).unwrap();
    }

    fn reply(&self, asked: &Asked) -> Reply {
        let lights = || self.lights.clone();
        respond(&View { config: &self.config, reader: self.reader.as_ref(), lights: &lights }, asked)
    }

    fn ask(&self, asked: &Asked) -> Answered {
        match self.reply(asked) {
            Reply::Answer(response) => Answered::from(response),
            Reply::Command(command) => panic!("a command: {command:?}"),
            Reply::Lamp(show) => panic!("a word to the lamp: {show:?}"),
        }
    }

    fn get(&self, target: &str) -> Answered {
        self.ask(&get(target))
    }
}

impl Answered {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> serde_json::Value {
        assert_eq!(self.content_type, "application/json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

impl From<Response> for Answered {
    fn from(response: Response) -> Self {
        let mut body = Vec::new();
        match response.body {
            Body::Bytes(bytes) => body = bytes,
            Body::File { file, bytes } => {
                assert_eq!(
                    file.take(bytes).read_to_end(&mut body).unwrap() as u64,
                    bytes,
                    "the length that was promised"
                );
            }
        }
        let Response { status, content_type, headers, .. } = response;
        Answered { status, content_type, headers, body: String::from_utf8(body).unwrap() }
    }
}

fn get(target: &str) -> Asked<'_> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let host = Some("pi.local:8080");
    Asked { door: Door::Dashboard, method: "GET", path, query, host, range: None, body: b"", peer_uid: None }
}

fn post(body: &str) -> Asked<'_> {
    let body = body.as_bytes();
    Asked { door: Door::Control, method: "POST", host: None, body, peer_uid: Some(0), ..get(COMMANDS) }
}

fn build(id: i64) -> Build {
    let check = |context: &str| Check::waiting(context, "Queued".to_owned());
    Build {
        id,
        repository: "acme/app".to_owned(),
        pull: 7,
        title: "Add a door".to_owned(),
        sha: SHA.to_owned(),
        base_ref: "main".to_owned(),
        head_ref: "door".to_owned(),
        state: BuildState::Queued,
        reason: None,
        attempt: 0,
        asked: false,
        accepted_order: Some(id),
        queued_at: 1_795_368_241,
        started_at: None,
        finished_at: None,
        checks: vec![check("pilotlight/lint"), check("pilotlight/test")],
    }
}

/// Lint passed and wrote `lint\n`; test failed and wrote `test\n`.
fn failed(id: i64) -> Build {
    let mut build = build(id);
    build.state = BuildState::Failure;
    build.reason = Some("Failed in 41s: exit code 2".to_owned());
    build.attempt = 1;
    build.started_at = Some(build.queued_at + 2);
    build.finished_at = Some(build.queued_at + 45);
    let words = ["Passed in 2s", "Failed in 41s: exit code 2"];
    for (i, check) in build.checks.iter_mut().enumerate() {
        check.state = [CheckState::Success, CheckState::Failure][i];
        check.description = words[i].to_owned();
        check.started_at = Some([1_795_368_243, 1_795_368_245][i]);
        check.finished_at = Some([1_795_368_245, 1_795_368_286][i]);
        (check.log_start, check.log_end) = (Some(5 * i as u64), Some(5 * i as u64 + 5));
    }
    build
}

/// Test runs and has written something after byte 5.
fn running(id: i64) -> Build {
    let mut build = failed(id);
    build.state = BuildState::Running;
    (build.reason, build.finished_at) = (None, None);
    let check = &mut build.checks[1];
    (check.state, check.description) = (CheckState::Running, "Running".to_owned());
    (check.finished_at, check.log_end) = (None, None);
    build
}

#[test]
fn routes() {
    let house = House::new(&[failed(3)]);
    house.write_log(3, b"lint\ntest\n");
    for (door, method, status, paths) in [
        (Door::Dashboard, "GET", 200, "/ /healthz /builds/3 /api/v1/builds /api/v1/builds/3 /api/v1/builds/3/log"),
        (Door::Dashboard, "HEAD", 200, "/ /healthz /api/v1/lights /api/v1/status"),
        (
            Door::Dashboard,
            "GET",
            404,
            "/builds/4 /builds/+3 /builds/3/ /builds/ /builds/../3 /nothing /api/v1 builds/3",
        ),
        (Door::Dashboard, "GET", 404, "/builds/99999999999999999999 /api/v1/builds/4 /api/v1/builds//log"),
        (Door::Dashboard, "GET", 404, "/api/v1/commands"),
        (Door::Dashboard, "POST", 405, "/ /nothing /api/v1/commands /api/v1/builds/3"),
        (Door::Dashboard, "DELETE", 405, "/builds/3 /api/v1/builds/3"),
        (Door::Control, "GET", 200, "/ /api/v1/builds /api/v1/status"),
        (Door::Control, "GET", 405, "/api/v1/commands"),
        (Door::Control, "POST", 405, "/ /api/v1/builds"),
        (Door::Webhook, "GET", 404, "/ /healthz /api/v1/builds"),
        (Door::Webhook, "POST", 404, "/api/v1/commands"),
    ] {
        for path in paths.split(' ') {
            let answered = house.ask(&Asked { door, method, ..get(path) });
            assert_eq!(answered.status, status, "{door:?} {method} {path}");
            check_form(&answered, path);
            let allowed = if door == Door::Control && path == COMMANDS { "POST" } else { "GET, HEAD" };
            assert_eq!(answered.header("Allow"), (status == 405).then_some(allowed), "{path}");
        }
    }
}

/// What every answer carries, and what form a refusal has.
fn check_form(answered: &Answered, path: &str) {
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", answer::POLICY),
    ] {
        assert_eq!(answered.header(name), Some(value), "{path}");
    }
    if answered.status >= 400 && path.starts_with("/api/") {
        assert!(answered.json()["result"].is_string(), "{path}");
    } else if answered.status >= 400 {
        assert_eq!(answered.content_type, "text/html; charset=utf-8", "{path}");
    }
}

#[test]
fn hosts() {
    let house = House::new(&[]);
    let status = |host| house.ask(&Asked { host, ..get("/healthz") }).status;
    let ours = "192.168.1.7 192.168.1.7:8080 127.0.0.1:1 [::1] [::1]:8080 [fe80::1]:80 localhost LocalHost:8080 \
                localhost. pi PI:8080 pi.local pi.local.:8080 Pi.Local ci.example.org CI.example.org:443 pi:";
    for host in ours.split(' ') {
        assert_eq!(status(Some(host)), 200, "{host}");
    }
    let foreign = "evil.example evil.example:8080 pi.evil.example pi.local.evil.example evil.pi localhost.evil \
                   127.0.0.1.evil.example ::1 [::1 [evil] [::1]evil [127.0.0.1] pi:80:80 pi:http user@pi pi.. .local \
                   pi\t.local 0x7f.1 127.1 :8080 xn--pi-.local";
    for host in foreign.split(' ') {
        assert_eq!(status(Some(host)), 421, "{host}");
    }
    assert_eq!((status(None), status(Some(""))), (400, 400));
    let refused = Asked { host: Some("<b>.evil"), ..get("/api/v1/builds") };
    expect![[r#"
        {"result":"This box does not answer to `<b>.evil`: use its IP address or pi.local, or set dashboard.url to the address that people should use"}"#]]
    .assert_eq(&house.ask(&refused).body);
    assert!(house.ask(&Asked { path: "/", ..refused }).body.contains("`&lt;b&gt;.evil`"));
    assert_eq!(house.ask(&Asked { door: Door::Control, ..refused }).status, 200);
}

#[test]
fn a_full_name_also_answers_to_its_first_label() {
    let mut house = House::new(&[]);
    (house.config.hostname, house.config.url_host) = ("pi.lan".to_owned(), None);
    for (host, status) in [("pi.lan", 200), ("pi.local", 200), ("lan", 421), ("ci.example.org", 421)] {
        let host = Some(host);
        assert_eq!(house.ask(&Asked { host, ..get("/healthz") }).status, status, "{host:?}");
    }
}

#[test]
fn without_a_database() {
    let house = House { reader: None, ..House::new(&[]) };
    assert_eq!(house.get("/healthz").status, 200);
    for path in ["/", "/builds/3", "/api/v1/builds", "/api/v1/builds/3"] {
        let answered = house.get(path);
        assert_eq!((answered.status, answered.header("Retry-After")), (503, Some("5")), "{path}");
        assert!(answered.body.contains("The database can't be read: `pilotlight check` says why"), "{path}");
    }
}
