//! The daemon as it is shipped, all that it needs around it, and webhooks as GitHub sends them.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::hub::Hub;
use super::proc::Proc;
use super::repo::Origin;
use super::stamps::{Stamps, lines};
use crate::support::config::{SECRET, TOKEN, TestConfig};
use crate::support::daemon::{address_in, encode, fresh_guid, sign};
use crate::support::http::{parse_reply, raw, request};
use crate::support::payload::pull;

const APP: &str = "acme/app";
const CONTEXT: &str = "test";

/// A pull request's payload is 20–300 KB.
const PAYLOAD_BYTES: usize = 20_000;

/// Builds that one life of the daemon is asked for: it posts three statuses for each, and slows down after 60 in
/// a minute, since GitHub allows no more than 80.
const BUILDS_OF_A_LIFE: usize = 18;

/// A directory, a stand-in for GitHub, and one life of the daemon after the other.
pub struct Stage {
    pub dir: TempDir,
    pub hub: Hub,
    /// What checks say: `echo x > @said` in a command.
    pub said: Stamps<String>,
    /// What they wait for: `read _ < @go` in a command.
    go: File,
    life: Option<Life>,
    builds: usize,
}

/// One running daemon. Killed with its value.
pub struct Life {
    child: Child,
    /// From its start to its first answer.
    pub took: Duration,
    pub printed: Stamps<String>,
    hooks: String,
}

/// A signed webhook, ready to be sent.
pub struct Hook(Vec<u8>);

/// When a webhook was sent and when its answer was there.
#[derive(Clone, Copy)]
pub struct Answered {
    pub sent: Instant,
    pub at: Instant,
    pub status: u16,
}

impl Answered {
    pub fn took(self) -> Duration {
        self.at - self.sent
    }
}

impl Stage {
    /// With one check, `run`, and the lamp's `driver`. Nothing runs yet.
    pub fn new(below: &Path, origin: &Origin, run: &str, driver: &str) -> Stage {
        let dir = TempDir::new_in(below).expect("a directory below target");
        let (hub, path) = (Hub::start(), |name: &str| dir.path().join(name));
        let [said, go] = ["said", "go"].map(|name| fifo(&path(name)));
        let run = run.replace('@', &format!("{}/", dir.path().display()));
        let quoted = |name: &str| format!("{:?}", path(name));
        let config = TestConfig::new(&hub.url())
            .set("webhook.secret_file", &quoted("secret"))
            .set("github.token_file", &quoted("token"))
            .set("storage.state_dir", &quoted("state"))
            .set("storage.cache_dir", &quoted("cache"))
            .set("lights.driver", &format!("{driver:?}"))
            .repository(APP, &origin.url(), &[(CONTEXT, &run)]);
        fs::write(path("pilotlight.toml"), config.toml()).expect("our own directory");
        for (name, text) in [("secret", SECRET), ("token", TOKEN)] {
            fs::write(path(name), text).expect("our own directory");
            fs::set_permissions(path(name), Permissions::from_mode(0o600)).expect("our own file");
        }
        Stage { said: lines(said), go, dir, hub, life: None, builds: 0 }
    }

    /// Ends the daemon, if one runs, and starts it again with what it remembers.
    pub fn start(&mut self) -> &Life {
        self.stop();
        let (asked, begun) = (self.hub.asked.len(), Instant::now());
        let mut child = self.command(&["run"]).spawn().expect("the daemon starts");
        let printed = lines(child.stdout.take().expect("piped"));
        let logged = lines(child.stderr.take().expect("piped"));
        let address = |sign: &str| address_in(&logged.wait(0, |line| line.contains(sign)).1, sign);
        let (hooks, dashboard) = (address("listening for webhooks on http://"), address("dashboard on http://"));
        let reply = request(&dashboard, "GET", "/healthz", &[], b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let took = begun.elapsed();
        // Its first questions are behind it then.
        self.hub.asked.wait(asked, |path| path.contains("/hooks"));
        self.builds = 0;
        self.life.insert(Life { child, took, printed, hooks })
    }

    /// The same, but it has forgotten all builds. Mirror and tree stay.
    pub fn start_anew(&mut self) -> &Life {
        self.stop();
        for name in ["pilotlight.db", "pilotlight.db-wal", "pilotlight.db-shm"] {
            let _ = fs::remove_file(self.dir.path().join("state").join(name));
        }
        self.start()
    }

    /// The daemon for the next build: a new one before the old one would have to slow down.
    pub fn for_a_build(&mut self) -> &Life {
        if self.life.is_none() || self.builds >= BUILDS_OF_A_LIFE {
            self.start_anew();
            if self.life().shows_a_lamp() {
                // The colour test is over then.
                self.life().printed.wait(0, |line| line.contains("No pull request yet"));
            }
        }
        self.builds += 1;
        self.life()
    }

    pub fn life(&self) -> &Life {
        self.life.as_ref().expect("it was started")
    }

    /// Lets a check go on that waits.
    pub fn go(&self) {
        (&self.go).write_all(b"\n").expect("a FIFO that we hold open");
    }

    /// Has a pull request built, and waits for its end at GitHub and at home.
    pub fn build(&mut self, origin: &Origin, number: usize) -> Built {
        let begun = self.begin(origin, number);
        self.end(begun)
    }

    /// Sends the webhook of a pull request and waits for `pending`.
    pub fn begin(&mut self, origin: &Origin, number: usize) -> Begun {
        let sha = origin.head(number).to_owned();
        let statuses = self.hub.statuses.len();
        let life = self.for_a_build();
        let (process, hook) = (life.process(), life.hook(number, &sha));
        let (written, cpu) = (process.written_bytes(), process.cpu_ms());
        let answered = life.send(&hook);
        assert_eq!(answered.status, 202, "the webhook of pull request {number}");
        let pending = self.hub.statuses.wait(statuses, |told| told.sha == sha && told.state == "pending").0;
        Begun { sha, statuses, answered, pending, written, cpu }
    }

    /// Waits until what was begun has ended.
    pub fn end(&self, begun: Begun) -> Built {
        let Begun { sha, statuses, answered, pending, written, cpu } = begun;
        let ended = self.hub.statuses.wait(statuses, |told| told.sha == sha && told.state == "success").0;
        let process = self.life().process();
        process.wait_alone();
        let written_bytes = process.written_bytes() - written;
        Built { answered, pending, ended, written_bytes, cpu_ms: process.cpu_ms() - cpu }
    }

    /// `pilotlight ARGS` with this stage's configuration.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilotlight"));
        command.args(args).arg("--config").arg(self.dir.path().join("pilotlight.toml")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn stop(&mut self) {
        let Some(mut life) = self.life.take() else { return };
        let _ = kill_process(Pid::from_child(&life.child), Signal::TERM);
        assert!(life.child.wait().is_ok_and(|status| status.success()), "it ends in order");
    }
}

/// A build that is under way.
pub struct Begun {
    sha: String,
    statuses: usize,
    answered: Answered,
    pending: Instant,
    written: u64,
    cpu: f64,
}

/// A build, from outside.
pub struct Built {
    pub answered: Answered,
    /// When `pending` and `success` came in at GitHub.
    pub pending: Instant,
    pub ended: Instant,
    pub written_bytes: u64,
    pub cpu_ms: f64,
}

impl Life {
    pub fn process(&self) -> Proc {
        Proc(self.child.id())
    }

    /// The webhook of a pull request that was opened, with its GUID and signature.
    pub fn hook(&self, number: usize, sha: &str) -> Hook {
        let payload = pull("opened", APP, number as u64, sha, 0);
        let payload = payload.with("/pull_request/body", "Why and how. ".repeat(PAYLOAD_BYTES / 13)).json();
        let (content_type, body) = encode(&payload, false);
        let head = format!(
            "POST /event_handler HTTP/1.1\r\nHost: {}\r\nUser-Agent: GitHub-Hookshot/0123456\r\nConnection: close\r\n\
             Content-Type: {content_type}\r\nContent-Length: {}\r\nX-GitHub-Event: pull_request\r\n\
             X-GitHub-Delivery: {}\r\nX-GitHub-Hook-ID: 1\r\nX-Hub-Signature-256: {}\r\n\r\n",
            self.hooks,
            body.len(),
            fresh_guid(),
            sign(SECRET, &body)
        );
        Hook([head.as_bytes(), &body].concat())
    }

    /// Where webhooks go.
    pub fn address(&self) -> &str {
        &self.hooks
    }

    pub fn send(&self, hook: &Hook) -> Answered {
        send(&self.hooks, hook)
    }

    fn shows_a_lamp(&self) -> bool {
        self.printed.len() > 0
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Open both ways, so that nobody waits for the other side to open it, and it never ends.
fn fifo(path: &Path) -> File {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
    OpenOptions::new().read(true).write(true).open(path).expect("our own FIFO")
}

/// Sends a webhook to `address`; the time ends with the last byte of the answer.
pub fn send(address: &str, hook: &Hook) -> Answered {
    let sent = Instant::now();
    let answer = raw(address, &hook.0);
    let at = Instant::now();
    Answered { sent, at, status: parse_reply(&answer).status }
}

/// Sends all `hooks`, as many at a time as there are `senders`.
pub fn send_at_once(address: &str, hooks: &[Hook], senders: usize) -> Vec<Answered> {
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(hooks.len())));
    thread::scope(|scope| {
        for _ in 0..senders {
            scope.spawn(|| {
                while let Some(hook) = hooks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answered = send(address, hook);
                    answers.lock().expect("no sender panics while it holds this").push(answered);
                }
            });
        }
    });
    answers.into_inner().expect("the same")
}

/// Where everything that stays between runs is.
pub fn bench_dir() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is target/tmp");
    let dir = target.join("bench");
    fs::create_dir_all(&dir).expect("a directory below target");
    dir
}
