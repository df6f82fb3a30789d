//! `pilotlight hook`: makes and mends the webhook at a stand-in for GitHub, whose pings really arrive at the daemon.

use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::support::config::{Room, SECRET, TOKEN, TestConfig};
use crate::support::daemon::{Daemon, sign};
use crate::support::http::request;
use crate::support::payload;
use crate::support::scene::APP;

/// May change webhooks, as the daemon's token may not.
const ADMIN: &str = "github_pat_of_an_admin";

/// A stand-in for GitHub's webhooks of one repository. It lives as long as the test's process.
#[derive(Clone, Default)]
struct Hooks {
    hooks: Arc<Mutex<Vec<Value>>>,
    deliveries: Arc<Mutex<Vec<Value>>>,
}

impl Hooks {
    fn serve(self) -> String {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.server_addr());
        thread::spawn(move || {
            for mut request in server.incoming_requests() {
                let mut body = String::new();
                request.as_reader().read_to_string(&mut body).unwrap();
                let authorization = request.headers().iter().find(|h| h.field.equiv("Authorization"));
                let admin = authorization.is_some_and(|h| h.value.as_str() == format!("Bearer {ADMIN}"));
                let path = request.url().split('?').next().unwrap_or_default().to_owned();
                let rest = path.strip_prefix("/repos/acme/app/hooks").unwrap_or("/nowhere");
                let (status, answer) = match admin {
                    true => self.answer(&request.method().to_string(), rest, serde_json::from_str(&body).ok()),
                    false => (404, json!({ "message": "Not Found" })),
                };
                let _ = request.respond(tiny_http::Response::from_string(answer.to_string()).with_status_code(status));
            }
        });
        url
    }

    fn answer(&self, method: &str, rest: &str, body: Option<Value>) -> (u16, Value) {
        let mut hooks = self.hooks.lock().unwrap();
        let (id, rest) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest.trim_start_matches('/'), ""));
        let place = hooks.iter().position(|h| h["id"].as_u64() == id.parse().ok());
        match (method, id, rest, place) {
            ("GET", "", "", None) => (200, hooks.clone().into()),
            ("POST", "", "", None) => {
                let mut hook = body.unwrap();
                hook["id"] = (100 + hooks.len()).into();
                hooks.push(hook.clone());
                (201, hook)
            }
            ("PATCH", _, "", Some(place)) => {
                hooks[place].as_object_mut().unwrap().extend(body.unwrap().as_object().unwrap().clone());
                (200, hooks[place].clone())
            }
            ("POST", _, "pings", Some(place)) => {
                let code = ping(&hooks[place]);
                let mut deliveries = self.deliveries.lock().unwrap();
                let delivery =
                    json!({ "id": deliveries.len() + 1, "event": "ping", "status_code": code, "status": "said" });
                deliveries.push(delivery);
                (204, Value::Null)
            }
            ("GET", _, "deliveries", Some(_)) => (200, self.deliveries.lock().unwrap().clone().into()),
            _ => (404, Value::Null),
        }
    }
}

/// Sends a signed ping to the hook's address, as GitHub does. A host that is not this one does not answer: 502.
fn ping(hook: &Value) -> u16 {
    let url = hook["config"]["url"].as_str().unwrap();
    let (address, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
    if !address.starts_with("127.0.0.1:") {
        return 502;
    }
    let body = payload::ping(APP, hook["id"].as_u64().unwrap()).to_string();
    let signature = sign(hook["config"]["secret"].as_str().unwrap(), body.as_bytes());
    let headers = [
        ("X-GitHub-Event", "ping"),
        ("X-GitHub-Delivery", "0a0b0c0d-0000-0000-0000-000000000000"),
        ("Content-Type", "application/json"),
        ("X-Hub-Signature-256", signature.as_str()),
    ];
    request(address, "POST", &format!("/{path}"), &headers, body.as_bytes()).status
}

struct Office {
    github: Hooks,
    daemon: Daemon,
    token_file: String,
}

impl Office {
    fn new() -> Office {
        let github = Hooks::default();
        let config = TestConfig::new(&github.clone().serve()).repository(APP, "file:///nowhere", &[]);
        let daemon = Daemon::start(&config);
        let token_file = daemon.room.path("admin-token");
        std::fs::write(&token_file, format!("{ADMIN}\n")).unwrap();
        Office { github, daemon, token_file: token_file.to_str().unwrap().to_owned() }
    }

    fn url(&self) -> String {
        format!("http://{}/event_handler", self.daemon.hooks_address())
    }

    fn install(&self) -> (String, Option<i32>) {
        let done = self.daemon.cli(&["hook", "install", "--url", &self.url(), "--token-file", &self.token_file]);
        (done.stdout + &done.stderr, done.code)
    }
}

#[test]
fn a_hook_is_made_and_its_ping_arrives() {
    let office = Office::new();
    let url = office.url();
    let made = format!("acme/app: webhook 100 made: {url}\nacme/app: GitHub's ping arrived: all is well");
    assert_eq!(office.install(), (made, Some(0)));
    let hook = office.github.hooks.lock().unwrap()[0].clone();
    assert_eq!(hook["config"], json!({ "url": url, "content_type": "json", "secret": SECRET, "insecure_ssl": "0" }));
    assert_eq!(hook["events"], json!(["pull_request", "issue_comment"]));
    let again = office.install().0;
    assert!(again.starts_with("acme/app: webhook 100 brought up to date: "), "{again}");
    assert_eq!(office.github.hooks.lock().unwrap().len(), 1, "made once");
}

#[test]
fn a_hook_whose_tunnel_is_gone_is_mended_and_one_that_arrives_is_not() {
    let office = Office::new();
    let hook = |id: u64, url: &str, secret: &str| {
        let config = json!({ "url": url, "content_type": "form", "secret": secret });
        json!({ "id": id, "active": true, "events": ["push"], "config": config })
    };
    let another = Daemon::start(&TestConfig::new("http://127.0.0.1:1").repository(APP, "file:///nowhere", &[]));
    let elsewhere = format!("http://{}/event_handler", another.hooks_address());
    *office.github.hooks.lock().unwrap() = vec![
        hook(1, "http://chat.example/hooks", "x"),
        hook(2, &elsewhere, SECRET),
        hook(3, "http://1a2b.ngrok.example/event_handler", "old"),
    ];
    let (said, code) = office.install();
    assert_eq!(code, Some(0), "{said}");
    let alone = format!("acme/app: webhook 2 at {elsewhere} arrives somewhere and is left alone\n");
    assert!(said.contains(&alone) && said.contains(&format!("webhook 3 mended: {}", office.url())), "{said}");
    let hooks = office.github.hooks.lock().unwrap().clone();
    let urls: Vec<_> = hooks.iter().map(|h| h["config"]["url"].as_str().unwrap()).collect();
    assert_eq!(urls, ["http://chat.example/hooks", &elsewhere, &office.url()]);
    assert_eq!(hooks[2]["config"]["content_type"], "json");
}

#[test]
fn what_goes_wrong_is_told_with_its_cure() {
    let office = Office::new();
    let done = office.daemon.cli(&["hook", "install", "--url", &office.url()]);
    let words = "acme/app: the token may not look at or change the webhooks of acme/app: give one that may (Webhooks: \
                 read and write) with `pilotlight hook install --token-file FILE`";
    assert!(done.stderr.contains(words) && done.code == Some(1), "{}", done.stderr);
    let far = ["hook", "install", "--url", "http://gone.example", "--token-file", &office.token_file];
    let done = office.daemon.cli(&far);
    let words = "GitHub's ping did not arrive (502 said): are the tunnel and pilotlight running?";
    assert!(done.stderr.contains(words) && done.code == Some(1), "{}", done.stderr);
    let done = office.daemon.cli(&["hook", "install", "--repository", "acme/other", "--url", &office.url()]);
    assert_eq!((done.code, done.stderr.contains("acme/other is not configured here")), (Some(2), true));
    for secret in [TOKEN, ADMIN, SECRET] {
        assert!(!office.daemon.log().contains(secret) && !done.stderr.contains(secret));
    }
}

#[test]
fn one_that_fails_does_not_keep_the_others_from_being_made() {
    let github = Hooks::default();
    let config = TestConfig::new(&github.clone().serve()).repository("acme/gone", "file:///nowhere", &[]);
    let daemon = Daemon::start(&config.repository(APP, "file:///nowhere", &[]));
    let token_file = daemon.room.path("admin-token");
    std::fs::write(&token_file, format!("{ADMIN}\n")).unwrap();
    let url = format!("http://{}", daemon.hooks_address());
    let done = daemon.cli(&["hook", "install", "--url", &url, "--token-file", token_file.to_str().unwrap()]);
    assert!(done.stderr.contains("acme/gone: the token may not look at"), "{}", done.stderr);
    assert!(done.stdout.contains("acme/app: GitHub's ping arrived: all is well"), "{}", done.stdout);
    assert_eq!(done.code, Some(1));
}

#[test]
fn polling_alone_needs_no_hook() {
    let config = TestConfig::new("http://127.0.0.1:1").set("webhook.listen", "\"off\"");
    let room = Room::new(&config.repository(APP, "file:///nowhere", &[]));
    let done = room.cli(&["hook", "install"]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("webhook.listen is \"off\": no tunnel is needed, and no webhook"), "{}", done.stderr);
}
