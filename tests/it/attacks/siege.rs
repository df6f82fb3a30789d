//! A daemon to be attacked, the good people who go on using it, and its vital signs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::support::PATIENCE;
use crate::support::config::{Room, SECRET, TOKEN, TestConfig};
use crate::support::daemon::{address_in, encode, fresh_guid, sign};
use crate::support::github::FakeGithub;
use crate::support::http::{Reply, request};
use crate::support::payload::{ping, pull};
use crate::support::process::Process;
use crate::support::repo::Origin;

/// What the daemon may hold of memory under any attack here, in KiB. At rest a debug build takes about 16 MiB; the
/// bodies in memory may be 32 MiB at once, and the allocator keeps twice that of what was freed.
pub const RSS_KIB_MAX: u64 = 160 * 1024;

/// Threads under any attack here: some 15 of its own, and for each of 64 + 64 connections one at the gate, one behind
/// it, and one that writes a long answer.
pub const THREADS_MAX: u64 = 15 + 3 * (64 + 64) + 30;

/// A good request is answered sooner than this while an attack goes on: far more than a busy machine needs, and far
/// less than any of the gate's own deadlines would let it wait.
const PROMPTLY: Duration = Duration::from_secs(4);

/// Between two tries of a good request.
const TRY_PAUSE: Duration = Duration::from_millis(30);

pub const CONTEXT: &str = "pilotlight/test";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Webhook,
    Dashboard,
}

pub const DOORS: [Door; 2] = [Door::Webhook, Door::Dashboard];

impl Door {
    pub fn other(self) -> Door {
        if self == Door::Webhook { Door::Dashboard } else { Door::Webhook }
    }
}

/// The daemon under attack.
pub struct Siege {
    process: Process,
    webhook: String,
    dashboard: String,
    github: FakeGithub,
    origin: Origin,
    room: Room,
    /// The head of pull request 1.
    first: String,
    pulls: AtomicU64,
}

impl Siege {
    pub fn start() -> Siege {
        Siege::with_check("true")
    }

    /// Its one check runs `run`.
    pub fn with_check(run: &str) -> Siege {
        Siege::build(run, |_, _| {})
    }

    /// The daemon runs as this user, who owns what it needs and may have so many threads and processes. Only root can
    /// start it.
    pub fn as_user(uid: u32, threads_max: u64) -> Siege {
        Siege::build("true", |parts: Parts, command: &mut Command| {
            // Where this user can reach it.
            let exe = parts.room.path("pilotlight");
            fs::copy(env!("CARGO_BIN_EXE_pilotlight"), &exe).expect("room for another copy");
            let mut own = Command::new("prlimit");
            own.arg(format!("--nproc={threads_max}")).arg(&exe).args(command.get_args());
            own.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            *command = own;
            command.uid(uid).gid(uid).current_dir("/");
            give(&parts.room.path(""), uid);
            give(Path::new(parts.origin.url().trim_start_matches("file://")).parent().expect("a directory"), uid);
        })
    }

    fn build(run: &str, prepare: impl FnOnce(Parts, &mut Command)) -> Siege {
        let (github, origin) = (FakeGithub::start(TOKEN), Origin::new());
        let config = TestConfig::new(&github.url()).repository("acme/app", &origin.url(), &[(CONTEXT, run)]);
        let room = Room::new(&config);
        let first = origin.commit(&[("change", "1")]);
        origin.publish_pull(1, &first);
        let mut command = room.command(&["run"]);
        prepare(Parts { room: &room, origin: &origin }, &mut command);
        let process = Process::start(&mut command);
        let address = |sign: &str| address_in(&process.stderr.wait_for(sign, PATIENCE), sign);
        let webhook = address("listening for webhooks on http://");
        let dashboard = address("dashboard on http://");
        Siege { process, webhook, dashboard, github, origin, room, first, pulls: AtomicU64::new(0) }
    }

    pub fn address(&self, door: Door) -> &str {
        if door == Door::Webhook { &self.webhook } else { &self.dashboard }
    }

    /// From now on the daemon may have so much of it, and no more.
    pub fn limit(&self, resource: Resource, most: u64) {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        prlimit(Some(self.pid()), resource, limit).expect("our own child");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.pid().try_into().expect("a pid")).expect("not 0")
    }

    /// A good request: a signed ping, or the dashboard's sign of life.
    #[track_caller]
    pub fn ask(&self, door: Door) -> Reply {
        match door {
            Door::Webhook => self.hook("ping", &ping("acme/app", 1)),
            Door::Dashboard => request(&self.dashboard, "GET", "/healthz", &[], b""),
        }
    }

    #[track_caller]
    fn hook(&self, event: &str, payload: &serde_json::Value) -> Reply {
        let (content_type, body) = encode(payload, false);
        let (signature, guid) = (sign(SECRET, &body), fresh_guid());
        let headers = [
            ("Content-Type", content_type),
            ("X-GitHub-Event", event),
            ("X-GitHub-Delivery", &guid),
            ("X-GitHub-Hook-ID", "1"),
            ("X-Hub-Signature-256", &signature),
        ];
        request(&self.webhook, "POST", "/event_handler", &headers, &body)
    }

    /// While this door is under attack: the other one serves, this one serves or says when to come again, and nothing
    /// has grown out of bounds.
    #[track_caller]
    pub fn assert_holds(&self, attacked: Door) {
        self.assert_serves(attacked.other());
        self.assert_answers(attacked);
        self.assert_bounded();
    }

    /// A good request is answered with 200.
    #[track_caller]
    pub fn assert_serves(&self, door: Door) {
        let started = Instant::now();
        let reply = self.ask(door);
        assert_eq!(reply.status, 200, "{door:?}: {}", reply.text());
        assert!(started.elapsed() < PROMPTLY, "{door:?} took {:?}", started.elapsed());
    }

    /// A good request is answered with 200, or with 503 and Retry-After.
    #[track_caller]
    pub fn assert_answers(&self, door: Door) -> u16 {
        let started = Instant::now();
        let reply = self.ask(door);
        let busy = reply.status == 503 && reply.header("retry-after").is_some();
        assert!(busy || reply.status == 200, "{door:?}: {reply:?}");
        assert!(started.elapsed() < PROMPTLY, "{door:?} took {:?}", started.elapsed());
        reply.status
    }

    #[track_caller]
    pub fn assert_both_answer(&self) {
        for door in DOORS {
            self.assert_answers(door);
        }
    }

    #[track_caller]
    pub fn assert_bounded(&self) -> Vitals {
        let vitals = self.vitals();
        assert!(vitals.peak_kib <= RSS_KIB_MAX && vitals.threads <= THREADS_MAX, "{vitals:?}");
        vitals
    }

    /// After an attack: both doors serve again without anybody's help, and the whole job is done.
    #[track_caller]
    pub fn assert_recovers(&self) {
        for door in DOORS {
            let started = Instant::now();
            while self.assert_answers(door) != 200 {
                assert!(started.elapsed() < PATIENCE, "{door:?} stays shut");
                thread::sleep(TRY_PAUSE);
            }
        }
        self.deliver();
        self.assert_bounded();
        let log = self.process.stderr.text();
        assert!(!log.contains("thread 'main' panicked"), "{log}");
    }

    /// A signed delivery, and its build up to the last status. The build's id.
    #[track_caller]
    pub fn deliver(&self) -> i64 {
        let number = self.pulls.fetch_add(1, Ordering::Relaxed) + 1;
        let sha = if number == 1 { self.first.clone() } else { self.publish(number) };
        let reply = self.hook("pull_request", &pull("opened", "acme/app", number, &sha, number).json());
        assert_eq!(reply.status, 202, "{}", reply.text());
        self.github.wait_for_state(&sha, CONTEXT, "success", PATIENCE);
        reply.json()["build"].as_i64().expect("the build's id")
    }

    fn publish(&self, number: u64) -> String {
        let sha = self.origin.commit(&[("change", &number.to_string())]);
        self.origin.publish_pull(number, &sha);
        sha
    }

    /// A delivery in raw bytes, rightly signed and never sent: for smuggling.
    pub fn contraband(&self) -> Vec<u8> {
        let (content_type, body) = encode(&pull("opened", "acme/app", 666, &self.origin.base, 1).json(), false);
        let head = format!(
            "POST /event_handler HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             X-GitHub-Event: pull_request\r\nX-GitHub-Delivery: contraband\r\nX-Hub-Signature-256: {}\r\n\r\n",
            body.len(),
            sign(SECRET, &body)
        );
        [head.into_bytes(), body].concat()
    }

    /// How many builds there are.
    #[track_caller]
    pub fn builds(&self) -> usize {
        let reply = request(&self.dashboard, "GET", "/api/v1/builds", &[], b"");
        reply.json()["builds"].as_array().expect("a list").len()
    }

    pub fn vitals(&self) -> Vitals {
        let proc = Path::new("/proc").join(self.process.pid().to_string());
        let status = fs::read_to_string(proc.join("status")).expect("the daemon lives");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
            line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
        };
        let descriptors = fs::read_dir(proc.join("fd")).map_or(0, Iterator::count);
        Vitals { peak_kib: number("VmHWM:"), threads: number("Threads:"), descriptors }
    }

    /// Waits until these signs are seen.
    #[track_caller]
    pub fn wait_until(&self, reached: impl Fn(&Vitals) -> bool) -> Vitals {
        let started = Instant::now();
        loop {
            let vitals = self.vitals();
            if reached(&vitals) {
                return vitals;
            }
            assert!(started.elapsed() < PATIENCE, "not reached: {vitals:?}");
            thread::sleep(TRY_PAUSE);
        }
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{:?}\nThe daemon logged:\n{}", self.vitals(), self.process.stderr.text());
            let _ = &self.room;
        }
    }
}

struct Parts<'a> {
    room: &'a Room,
    origin: &'a Origin,
}

#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// The most memory it ever had.
    pub peak_kib: u64,
    pub threads: u64,
    pub descriptors: usize,
}

/// Lets this process have as many descriptors as it may. How many that is.
pub fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    raised.expect("up to the hard limit anybody may go");
    limit.maximum.unwrap_or(u64::MAX)
}

/// Makes `uid` the owner of all below and including `path`.
fn give(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    if !path.is_dir() || path.is_symlink() {
        return;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(path).unwrap() {
        give(&entry.unwrap().path(), uid);
    }
}
