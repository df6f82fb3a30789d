//! The demo's stage: a temporary git repository with pull requests, a stand-in for GitHub's API, and hooks that
//! are signed as GitHub signs them.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use crossbeam_channel::{Receiver, Sender, unbounded};
use ring::hmac;
use serde_json::{Value, json};

use super::super::command::output_with;
use crate::logic::names::hex;

/// Each pull request's title, branch and `script/cibuild`.
const PULLS: [(&str, &str, &str); 5] = [
    ("Greet the world", "greet", "echo 'running 2 tests'; sleep 2; echo 'ok: all is well'"),
    ("Divide by zero", "divide", "echo 'running 2 tests'; sleep 1; echo 'not ok: 1 / 0'; exit 2"),
    ("Wait for Godot", "wait", "echo 'waiting'; setsid sleep 600 & sleep 600"),
    ("First try", "try", "echo 'a long test'; sleep 20"),
    ("First try", "try", "echo 'a shorter test'; sleep 2; echo 'ok'"),
];

/// The commit that is pushed onto pull request 4.
const PUSHED: usize = 5;

/// A status as the stand-in for GitHub heard it.
pub struct Status {
    pub sha: String,
    pub state: String,
    pub description: String,
}

pub struct Stage {
    pub room: PathBuf,
    pub api_url: String,
    heads: Vec<String>,
    api: Arc<tiny_http::Server>,
    github: Arc<Mutex<Github>>,
}

/// What the stand-in for GitHub knows: open pull requests, and the newest status of each head.
#[derive(Default)]
struct Github {
    pulls: BTreeMap<usize, Value>,
    statuses: BTreeMap<String, Value>,
}

impl Stage {
    /// Builds the stage below the directory for temporary files; it is taken down when dropped.
    pub fn build() -> Result<(Stage, Receiver<Status>)> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
        let room = std::env::temp_dir().join(format!("pilotlight-demo-{}-{nanos}", process::id()));
        DirBuilder::new().mode(0o700).create(&room).with_context(|| format!("{} can't be made", room.display()))?;
        let server = tiny_http::Server::http("127.0.0.1:0").map_err(|e| anyhow!("no port for the stand-in: {e}"))?;
        let api = Arc::new(server);
        let address = api.server_addr().to_ip().context("the stand-in has an address")?;
        let (heard, statuses) = unbounded();
        let github = Arc::new(Mutex::new(Github::default()));
        let (stand_in, knows) = (api.clone(), github.clone());
        thread::spawn(move || listen(&stand_in, &knows, &heard));
        let mut stage = Stage { room, api_url: format!("http://{address}"), heads: Vec::new(), api, github };
        stage.make_repository()?;
        Ok((stage, statuses))
    }

    pub fn clone_url(&self) -> String {
        format!("file://{}/app.git", self.room.display())
    }

    /// The head sha of pull request `n`, as it was opened.
    pub fn head(&self, n: usize) -> &str {
        &self.heads[n - 1]
    }

    pub fn opened(&self, n: usize) -> Value {
        self.payload("opened", n, self.head(n), None)
    }

    pub fn pushed(&self, n: usize, sha: &str) -> Value {
        self.payload("synchronize", n, sha, Some(self.head(n)))
    }

    /// Moves pull request 4 to its second commit.
    pub fn push_again(&self) -> Result<String> {
        let sha = self.head(PUSHED).to_owned();
        self.git(&["update-ref", "refs/pull/4/head", &sha], "")?;
        Ok(sha)
    }

    fn payload(&self, action: &str, n: usize, sha: &str, before: Option<&str>) -> Value {
        let (title, branch, _) = PULLS[n - 1];
        let repository = json!({ "full_name": "acme/app", "fork": false });
        let updated_at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let pull = json!({
            "number": n, "title": title, "state": "open", "draft": false, "updated_at": updated_at,
            "head": { "sha": sha, "ref": branch, "repo": repository },
            "base": { "sha": "0".repeat(40), "ref": "main", "repo": repository },
        });
        lock(&self.github).pulls.insert(n, pull.clone());
        json!({
            "action": action, "number": n, "before": before, "after": before.map(|_| sha), "repository": repository,
            "pull_request": pull,
        })
    }

    /// One bare repository, made by one `git fast-import`.
    fn make_repository(&mut self) -> Result<()> {
        fs::create_dir(self.room.join("app.git"))?;
        self.git(&["init", "--quiet", "--bare"], "")?;
        let mut stream = String::new();
        commit(&mut stream, "refs/heads/main", "Begin", "exit 0", None);
        for (i, (title, branch, script)) in PULLS.iter().enumerate() {
            let number = i + 1;
            let reference =
                if number == PUSHED { format!("refs/heads/{branch}") } else { format!("refs/pull/{number}/head") };
            let parent = if number == PUSHED { "refs/pull/4/head" } else { "refs/heads/main" };
            commit(&mut stream, &reference, title, script, Some(parent));
        }
        self.git(&["fast-import", "--quiet"], &stream)?;
        let list = "refs/pull/1/head refs/pull/2/head refs/pull/3/head refs/pull/4/head refs/heads/try";
        let shas = self.git(&[&["rev-parse"], list.split(' ').collect::<Vec<_>>().as_slice()].concat(), "")?;
        self.heads = shas.lines().map(str::to_owned).collect();
        ensure!(self.heads.len() == PULLS.len(), "git made {} commits of {}", self.heads.len(), PULLS.len());
        Ok(())
    }

    fn git(&self, args: &[&str], input: &str) -> Result<String> {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.room.join("app.git")).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
        output_with(&mut command, input)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.api.unblock();
        if let Err(error) = fs::remove_dir_all(&self.room) {
            log::warn!("{} is left behind: {error}", self.room.display());
        }
    }
}

/// GitHub's side of the webhook.
pub struct Hooks {
    url: String,
    key: hmac::Key,
    agent: ureq::Agent,
}

impl Hooks {
    pub fn new(url: String, secret: &str) -> Hooks {
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).proxy(None);
        let agent = config.http_status_as_error(false).build().into();
        Hooks { url, key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), agent }
    }

    /// Delivers `payload` and returns what the daemon says.
    pub fn deliver(&self, payload: &Value) -> Result<String> {
        let body = payload.to_string();
        let signature = format!("sha256={}", hex(hmac::sign(&self.key, body.as_bytes()).as_ref()));
        let (action, number) = (payload["action"].as_str().unwrap_or_default(), &payload["number"]);
        let request = self.agent.post(&self.url).header("Content-Type", "application/json");
        let request = request.header("X-GitHub-Event", "pull_request").header("X-GitHub-Hook-ID", "1");
        let request = request.header("X-GitHub-Delivery", format!("demo-{action}-{number}"));
        let mut response = request.header("X-Hub-Signature-256", signature).send(&body)?;
        let status = response.status().as_u16();
        let answer: Value = serde_json::from_str(&response.body_mut().read_to_string()?)?;
        let result = answer["result"].as_str().unwrap_or_default().to_owned();
        ensure!(status == 202, "the webhook was answered {status}: {result}");
        Ok(format!("{status}, {result}"))
    }
}

/// One commit of a fast-import stream: a README and `script/cibuild`.
fn commit(stream: &mut String, reference: &str, title: &str, script: &str, parent: Option<&str>) {
    let script = format!("#!/bin/sh\n{script}\n");
    let from = parent.map(|p| format!("from {p}\n")).unwrap_or_default();
    let who = "pilotlight demo <demo@example.com> 1577836800 +0000";
    *stream += &format!("commit {reference}\ncommitter {who}\ndata {}\n{title}\n{from}", title.len());
    *stream += &format!("M 100755 inline script/cibuild\ndata {}\n{script}\n", script.len());
}

/// Plays GitHub's API until unblocked: takes statuses, lists pull requests, shows a head's status.
fn listen(server: &tiny_http::Server, github: &Mutex<Github>, heard: &Sender<Status>) {
    while let Ok(mut request) = server.recv() {
        let mut body = String::new();
        let read = request.as_reader().read_to_string(&mut body);
        let (status, answer) = match read {
            Ok(_) => answer(&mut lock(github), request.url(), &body, heard),
            Err(_) => (400, Value::Null),
        };
        let _ = request.respond(tiny_http::Response::from_string(answer.to_string()).with_status_code(status));
    }
}

fn answer(github: &mut Github, url: &str, body: &str, heard: &Sender<Status>) -> (u16, Value) {
    let path = url.split('?').next().unwrap_or_default();
    let Some(rest) = path.strip_prefix("/repos/acme/app/") else { return (404, Value::Null) };
    if let Some(sha) = rest.strip_prefix("statuses/") {
        let status: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
        let _ = heard.send(Status { sha: sha.to_owned(), state: text("state"), description: text("description") });
        github.statuses.insert(sha.to_owned(), status);
        return (201, json!({}));
    }
    if rest == "pulls" {
        return (200, github.pulls.values().rev().cloned().collect());
    }
    match rest.strip_prefix("commits/").and_then(|rest| rest.strip_suffix("/status")) {
        Some(sha) => (200, json!({ "statuses": github.statuses.get(sha).into_iter().collect::<Vec<_>>() })),
        None => (404, Value::Null),
    }
}

fn lock(github: &Mutex<Github>) -> MutexGuard<'_, Github> {
    github.lock().unwrap_or_else(PoisonError::into_inner)
}
