//! The daemon as a child process, and how the outside speaks with it.

use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use ring::hmac;
use rustix::process::Signal;
use serde_json::Value;

use super::PATIENCE;
use super::config::{Room, SECRET, TestConfig};
use super::http::{Reply, Sent, request, send};
use super::process::{Finished, Process};

/// Between two looks at the JSON API, which cannot tell of changes by itself.
const LOOK_PAUSE: Duration = Duration::from_millis(30);

/// A running `pilotlight run`. Killed with its value; what it logged is printed when the test panics.
pub struct Daemon {
    pub room: Room,
    run: Run,
}

/// One life of the process, and where it listens.
struct Run {
    process: Process,
    /// `127.0.0.1:PORT`; empty when it is off.
    hooks: String,
    dashboard: String,
}

impl Daemon {
    /// Starts it in a room of its own and waits until it listens.
    #[track_caller]
    pub fn start(config: &TestConfig) -> Daemon {
        let room = Room::new(config);
        let run = Run::start(&room, config);
        Daemon { room, run }
    }

    /// Starts it again, in the same room, after its end or in place of it.
    #[track_caller]
    pub fn restart(&mut self, config: &TestConfig) {
        if self.run.process.wait(Duration::ZERO).is_none() {
            self.sigkill();
        }
        self.room.write_config(config);
        self.run = Run::start(&self.room, config);
    }

    /// As a power cut would.
    pub fn sigkill(&mut self) {
        self.run.process.signal(Signal::KILL);
        self.wait_for_exit();
    }

    /// Asks it to end and waits until it has.
    #[track_caller]
    pub fn sigterm(&mut self) -> ExitStatus {
        self.run.process.signal(Signal::TERM);
        self.wait_for_exit()
    }

    /// Sends a signal and waits for nothing.
    pub fn signal(&self, signal: Signal) {
        self.run.process.signal(signal);
    }

    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        self.run.process.wait(PATIENCE).expect("the daemon does not end")
    }

    pub fn pid(&self) -> u32 {
        self.run.process.pid()
    }

    /// Waits for a line of this life's log and returns it.
    #[track_caller]
    pub fn wait_for_log(&self, part: &str) -> String {
        self.run.process.stderr.wait_for(part, PATIENCE)
    }

    /// How many lines this life has logged.
    pub fn logged(&self) -> usize {
        self.run.process.stderr.count()
    }

    /// Waits for such a line past the first `seen` ones.
    #[track_caller]
    pub fn wait_for_log_after(&self, seen: usize, part: &str) -> String {
        self.run.process.stderr.wait_for_after(seen, part, PATIENCE)
    }

    /// What this life has logged so far.
    pub fn log(&self) -> String {
        self.run.process.stderr.text()
    }

    /// What this life has printed so far: the lamp, with the driver `terminal`.
    pub fn stdout(&self) -> String {
        self.run.process.stdout.text()
    }

    #[track_caller]
    pub fn wait_for_stdout(&self, part: &str) -> String {
        self.run.process.stdout.wait_for(part, PATIENCE)
    }

    /// `127.0.0.1:PORT` of the webhooks.
    pub fn hooks_address(&self) -> &str {
        &self.run.hooks
    }

    /// `127.0.0.1:PORT` of the dashboard.
    pub fn dashboard_address(&self) -> &str {
        &self.run.dashboard
    }

    /// A signed delivery of hook 1 with a fresh GUID, as a form or as JSON. The answer's status and body.
    #[track_caller]
    pub fn hook(&self, event: &str, payload: &Value, form: bool) -> (u16, Value) {
        self.hook_as(&fresh_guid(), 1, event, payload, form)
    }

    /// The same with a GUID and a hook of the test's choice: a redelivery, or the same event from another hook.
    #[track_caller]
    pub fn hook_as(&self, guid: &str, hook_id: u64, event: &str, payload: &Value, form: bool) -> (u16, Value) {
        let (content_type, body) = encode(payload, form);
        let (signature, hook_id) = (sign(SECRET, &body), hook_id.to_string());
        let reply = self.hook_raw(
            &[
                ("User-Agent", "GitHub-Hookshot/0123456"),
                ("Content-Type", content_type),
                ("X-GitHub-Event", event),
                ("X-GitHub-Delivery", guid),
                ("X-GitHub-Hook-ID", &hook_id),
                ("X-GitHub-Hook-Installation-Target-Type", "repository"),
                ("X-Hub-Signature-256", &signature),
            ],
            &body,
        );
        (reply.status, reply.json())
    }

    /// A `POST` to the webhooks' path with these headers and nothing added but what HTTP needs.
    #[track_caller]
    pub fn hook_raw(&self, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.hook_sent(headers, body).reply()
    }

    /// The same without waiting for the answer.
    #[track_caller]
    pub fn hook_sent(&self, headers: &[(&str, &str)], body: &[u8]) -> Sent {
        send(&self.run.hooks, "POST", "/event_handler", headers, body)
    }

    /// JSON from the dashboard, which must answer 200.
    #[track_caller]
    pub fn get_json(&self, path: &str) -> Value {
        let reply = self.get_text(path, &[]);
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }

    /// Anything from the dashboard, whatever its status.
    #[track_caller]
    pub fn get_text(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        request(&self.run.dashboard, "GET", path, headers, b"")
    }

    /// Waits until the JSON API shows this build in this state, and returns it. Prefer to wait for a status at
    /// the stand-in or a line of the log: this one has to look again and again.
    #[track_caller]
    pub fn wait_build(&self, id: i64, state: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let build = self.get_json(&format!("/api/v1/builds/{id}"));
            if build["state"] == state {
                return build;
            }
            assert!(Instant::now() < deadline, "build {id} does not become {state}: {build:#}");
            thread::sleep(LOOK_PAUSE);
        }
    }

    /// A command of the command line with this daemon's configuration, run to its end.
    #[track_caller]
    pub fn cli(&self, args: &[&str]) -> Finished {
        self.room.cli(args)
    }
}

impl Run {
    #[track_caller]
    fn start(room: &Room, config: &TestConfig) -> Run {
        let process = Process::start(room.command(&["run"]).envs(config.environment.iter().cloned()));
        let address = |section: &str, sign: &str| match config.listens(section) {
            true => address_in(&process.stderr.wait_for(sign, PATIENCE), sign),
            false => String::new(),
        };
        let hooks = address("webhook", "listening for webhooks on http://");
        let dashboard = address("dashboard", "dashboard on http://");
        Run { process, hooks, dashboard }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("The daemon logged:\n{}", self.process.stderr.text());
            eprintln!("The daemon printed:\n{}", self.process.stdout.text());
        }
    }
}

/// `X-Hub-Signature-256` of a body.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// A content type and the body that belongs to it.
pub fn encode(payload: &Value, form: bool) -> (&'static str, Vec<u8>) {
    if !form {
        return ("application/json", payload.to_string().into_bytes());
    }
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    ("application/x-www-form-urlencoded", body.into_bytes())
}

/// A delivery's GUID, as GitHub writes them.
pub fn fresh_guid() -> String {
    let (a, b) = (fastrand::u64(..), fastrand::u64(..));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    )
}

/// `127.0.0.1:PORT` behind `sign` in a line of the log.
pub fn address_in(line: &str, sign: &str) -> String {
    let (_, rest) = line.split_once(sign).expect("the line was found by it");
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || ".:[]".contains(*c)).collect()
}
