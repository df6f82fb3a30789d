//! The torture: the real daemon is killed with SIGKILL at random moments, again and again, while deliveries arrive and
//! GitHub fails. In the end all that was accepted has its end, GitHub shows it, and nothing is left running.
//!
//! `PILOTLIGHT_TORTURE_KILLS` says how often, `PILOTLIGHT_TORTURE_SEED` repeats the choices of a run that failed (but
//! not what two processors make of them).

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::config::{Room, SECRET, TOKEN, TestConfig};
use crate::support::daemon::{address_in, encode, fresh_guid, sign};
use crate::support::github::{FakeGithub, StatusPost};
use crate::support::http::parse_reply;
use crate::support::payload::pull;
use crate::support::process::Process;
use crate::support::repo::Origin;
use crate::support::scene::{APP, wait_until_gone};

/// Kills when nobody says otherwise: some seconds of `cargo test`.
const KILLS: u32 = 40;

/// Pull requests that all this is about: few enough that pushes meet builds that wait and run, and so many that most
/// builds live through some kills.
const PULLS: u64 = 10;

/// The last life works off what has piled up, and after 60 posts GitHub hears one a second.
const LAST_LIFE_MAX: Duration = Duration::from_secs(180);

/// Runs as long and ends as its head says, and leaves a process behind that is nobody's child.
const CHECK: &str = "setsid sleep 600 & sleep $(cat time); exit $(cat code)";

const INTERRUPTED: &str = "Interrupted twice while it ran: rebuild it to try again";

#[test]
fn however_often_it_is_killed_every_build_ends_and_github_shows_it() {
    let kills = from_environment("PILOTLIGHT_TORTURE_KILLS").unwrap_or(KILLS);
    let seed = from_environment("PILOTLIGHT_TORTURE_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("PILOTLIGHT_TORTURE_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let (github, origin, door) = (FakeGithub::start(TOKEN), Origin::new(), Door::default());
    let config = TestConfig::new(&github.url()).repository(APP, &origin.url(), &[("test", CHECK)]);
    let room = Room::new(&config.set("builder.workers", "2"));
    let mut people = People::new(rng.fork(), &origin, &door);
    let (life, people) = thread::scope(|scope| {
        let (orders, taken) = channel();
        let deliverer = scope.spawn(|| people.deliver(taken).map(|()| people));
        let mut seen = 0;
        for _ in 0..kills {
            change_mood(&github, &mut rng);
            let mut life = Life::begin(&room);
            if rng.u8(..8) > 0 {
                door.open(&life.wait_until_it_listens());
                (0..rng.u8(..3)).for_each(|_| orders.send(()).unwrap_or_default());
            }
            match rng.u8(..4) {
                // The moment that a promise was made.
                0 => door.wait_for_answer(Duration::from_millis(150)),
                // While a build is on its way, from its fetch to its end.
                1 | 2 if life.process.stderr.hears("starting build", Duration::from_millis(300)) => {
                    life.go_on_for(Duration::from_millis(rng.u64(..250)));
                }
                _ => life.go_on_for(Duration::from_millis(rng.u64(..150))),
            }
            life.kill();
            seen += processes_of_builds(&room).len();
        }
        github.heal();
        let mut life = Life::begin(&room);
        door.open(&life.wait_until_it_listens());
        drop(orders);
        assert!(seen > 0, "no kill ever met a build that ran");
        (life, deliverer.join().expect("the deliverer does not panic").expect("every delivery is answered"))
    });
    people.all_is_well(&github, &room, life);
}

impl People<'_> {
    /// What must hold once nobody kills it any more.
    fn all_is_well(mut self, github: &FakeGithub, room: &Room, mut life: Life) {
        let database = Connection::open_with_flags(room.path("state/pilotlight.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
        let database = database.expect("the daemon's database");
        github.wait_for(|posts| Ends::of(&database).all_shown(posts), LAST_LIFE_MAX);
        let ends = Ends::of(&database);
        for (guid, sha, build) in &self.accepted {
            assert_eq!(ends.of_build.get(build).map(|e| &e.sha), Some(sha), "build {build} of {guid} is lost");
            let known = "SELECT count(*) FROM deliveries WHERE guid = ?";
            assert_eq!(database.query_row(known, [guid], |row| row.get(0)), Ok(1), "{guid} is forgotten");
        }
        let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("our schema");
        let again = count("SELECT count(*) FROM builds WHERE attempt > 1");
        assert!(again > 0, "no build that a kill ended ever ran again");
        for (sha, code) in self.heads() {
            let end = ends.newest(&sha).expect("every head was accepted");
            let result = if code == 0 { "success" } else { "failure" };
            assert!(end.state == result || end.description == INTERRUPTED, "{sha} ends with {end:?}, not {result}");
        }
        // It is as well as on its first day.
        let fresh: Vec<_> = (1..=PULLS).map(|number| self.push(number)).collect();
        for (sha, code) in fresh {
            let result = if code == 0 { "success" } else { "failure" };
            github.wait_for_state(&sha, "test", result, LAST_LIFE_MAX);
        }
        life.process.signal(Signal::TERM);
        let status = life.process.wait(PATIENCE).expect("it ends");
        assert_eq!(status.code(), Some(0));
        processes_of_builds(room).into_iter().for_each(wait_until_gone);
        assert_eq!(processes_of_builds(room), [0; 0], "what builds left");
        assert!(Ends::of(&database).all_shown(&github.posts()));
        assert_eq!(count("SELECT count(*) FROM builds WHERE kept = 1"), 0);
        let word: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(word, "ok");
    }
}

/// One life of the process. What it logged is printed when the test fails in it.
struct Life {
    process: Process,
}

impl Life {
    fn begin(room: &Room) -> Life {
        Life { process: Process::start(&mut room.command(&["run"])) }
    }

    fn wait_until_it_listens(&mut self) -> String {
        let sign = "listening for webhooks on http://";
        address_in(&self.process.stderr.wait_for(sign, PATIENCE), sign)
    }

    fn go_on_for(&mut self, moment: Duration) {
        if let Some(status) = self.process.wait(moment) {
            panic!("it ended by itself: {status}");
        }
    }

    fn kill(mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait(PATIENCE).expect("nobody survives SIGKILL");
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("This life logged:\n{}", self.process.stderr.text());
        }
    }
}

/// Where the daemon listens in its present life, and how often it has answered in any.
#[derive(Default)]
struct Door(Mutex<Present>, Condvar);

#[derive(Clone, Default)]
struct Present {
    life: u32,
    address: String,
    answers: u32,
}

impl Door {
    fn open(&self, address: &str) {
        self.change(|now| (now.life, now.address) = (now.life + 1, address.to_owned()));
    }

    fn change(&self, change: impl FnOnce(&mut Present)) {
        change(&mut self.0.lock().expect("nobody panics with it"));
        self.1.notify_all();
    }

    /// The first life after that one; `None` when there is none.
    fn after(&self, life: u32) -> Option<Present> {
        let now = self.wait_while(PATIENCE, |now| now.life <= life);
        (now.life > life).then_some(now)
    }

    /// Until the next answer, or until `limit`.
    fn wait_for_answer(&self, limit: Duration) {
        let before = self.wait_while(Duration::ZERO, |_| false).answers;
        self.wait_while(limit, |now| now.answers == before);
    }

    fn wait_while(&self, limit: Duration, condition: impl Fn(&Present) -> bool) -> Present {
        let now = self.0.lock().expect("nobody panics with it");
        let (now, _) = self.1.wait_timeout_while(now, limit, |now| condition(now)).expect("the same");
        now.clone()
    }
}

/// Those who push, close and redeliver, one after the other. A delivery that was not answered is delivered again with
/// the same GUID, as a person does at GitHub.
struct People<'a> {
    rng: Rng,
    origin: &'a Origin,
    door: &'a Door,
    second: u64,
    /// Head, its exit code and whether it is open.
    pulls: BTreeMap<u64, (String, u8, bool)>,
    /// GUID, payload and head of all deliveries.
    delivered: Vec<(String, Value, String)>,
    /// GUID, head and build of what was answered 202.
    accepted: Vec<(String, String, i64)>,
}

impl<'a> People<'a> {
    fn new(rng: Rng, origin: &'a Origin, door: &'a Door) -> People<'a> {
        let (pulls, delivered, accepted) = Default::default();
        People { rng, origin, door, second: 0, pulls, delivered, accepted }
    }

    /// Does one thing for each order; `None` when a life does not answer.
    fn deliver(&mut self, orders: Receiver<()>) -> Option<()> {
        for () in orders {
            let number = self.rng.u64(1..=PULLS);
            match self.rng.u8(..6) {
                0 if !self.delivered.is_empty() => {
                    let (guid, payload, sha) = self.rng.choice(self.delivered.clone()).expect("some");
                    self.tell(&guid, &payload, &sha)?;
                }
                1 if self.pulls.get(&number).is_some_and(|(.., open)| *open) => {
                    let (sha, code, _) = self.pulls[&number].clone();
                    self.tell_anew("closed", number, &sha)?;
                    self.pulls.insert(number, (sha, code, false));
                }
                _ => drop(self.push(number)),
            }
        }
        Some(())
    }

    /// A new head, and how it will end.
    fn push(&mut self, number: u64) -> (String, u8) {
        let (code, time) = (self.rng.u8(..2) * 4, self.rng.u8(..10));
        let files = [("code", format!("{code}\n")), ("time", format!("0.0{time}\n"))];
        let sha = self.origin.commit(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
        self.origin.publish_pull(number, &sha);
        let action = match self.pulls.get(&number) {
            None => "opened",
            Some((.., true)) => "synchronize",
            Some((.., false)) => "reopened",
        };
        self.tell_anew(action, number, &sha).expect("it is answered");
        self.pulls.insert(number, (sha.clone(), code, true));
        (sha, code)
    }

    fn tell_anew(&mut self, action: &str, number: u64, sha: &str) -> Option<()> {
        self.second += 1;
        let (guid, payload) = (fresh_guid(), pull(action, APP, number, sha, self.second).json());
        self.tell(&guid, &payload, sha)?;
        self.delivered.push((guid, payload, sha.to_owned()));
        Some(())
    }

    fn tell(&mut self, guid: &str, payload: &Value, sha: &str) -> Option<()> {
        let mut life = 0;
        loop {
            let now = self.door.after(life)?;
            life = now.life;
            let Some((status, answer)) = post(&now.address, guid, payload) else { continue };
            self.door.change(|now| now.answers += 1);
            assert!(matches!(status, 200 | 202), "{answer}");
            if status == 202 {
                let build = answer["build"].as_i64().expect("the build");
                self.accepted.push((guid.to_owned(), sha.to_owned(), build));
            }
            return Some(());
        }
    }

    /// The heads of what is open, and their exit codes.
    fn heads(&self) -> Vec<(String, u8)> {
        self.pulls.values().filter(|(.., open)| *open).map(|(sha, code, _)| (sha.clone(), *code)).collect()
    }
}

/// A signed delivery; `None` when the answer did not come, or not all of it.
fn post(address: &str, guid: &str, payload: &Value) -> Option<(u16, Value)> {
    let (content_type, body) = encode(payload, false);
    let head = format!(
        "POST /event_handler HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         X-GitHub-Event: pull_request\r\nX-GitHub-Delivery: {guid}\r\nX-GitHub-Hook-ID: 1\r\n\
         X-Hub-Signature-256: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        sign(SECRET, &body)
    );
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    let mut answer = Vec::new();
    // Cut off by a kill, it may still be whole.
    let _ = stream.read_to_end(&mut answer);
    if !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        return None;
    }
    let reply = parse_reply(&answer);
    Some((reply.status, serde_json::from_slice(&reply.body).ok()?))
}

/// How the builds in the database stand.
struct Ends {
    of_build: BTreeMap<i64, End>,
}

#[derive(Debug)]
struct End {
    sha: String,
    /// As a commit status.
    state: String,
    description: String,
}

impl Ends {
    fn of(database: &Connection) -> Ends {
        let mut rows = database.prepare("SELECT id, sha, checks FROM builds").expect("our schema");
        let builds = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))).unwrap();
        let end = |(id, sha, checks): (i64, String, String)| {
            let checks: Value = serde_json::from_str(&checks).expect("checks in JSON");
            let state = match checks[0]["state"].as_str().expect("a state") {
                "queued" | "running" => "pending",
                "cancelled" => "error",
                end => end,
            };
            let description = checks[0]["description"].as_str().expect("a description").to_owned();
            (id, End { sha, state: state.to_owned(), description })
        };
        Ends { of_build: builds.map(|row| end(row.expect("a row"))).collect() }
    }

    fn newest(&self, sha: &str) -> Option<&End> {
        self.of_build.values().rev().find(|end| end.sha == sha)
    }

    /// Whether every build has ended, and GitHub shows of each head how its newest did.
    fn all_shown(&self, posts: &[StatusPost]) -> bool {
        let newest: BTreeMap<_, _> = self.of_build.iter().map(|(id, end)| (&end.sha, (id, end))).collect();
        let shown: BTreeMap<_, _> = posts.iter().filter(|p| p.accepted()).map(|p| (&p.sha, p)).collect();
        let is_shown = |sha: &String, id: i64, end: &End| {
            shown.get(sha).is_some_and(|post| {
                (&post.state, &post.description) == (&end.state, &end.description)
                    && post.target_url.ends_with(&format!("/builds/{id}"))
            })
        };
        self.of_build.values().all(|end| end.state != "pending")
            && newest.into_iter().all(|(sha, (id, end))| is_shown(sha, *id, end))
    }
}

/// Those that have a build's room in their environment.
fn processes_of_builds(room: &Room) -> Vec<i32> {
    let rooms = room.path("cache/rooms/").display().to_string();
    let of_build = |process: &Path| {
        fs::read(process.join("environ")).is_ok_and(|e| e.windows(rooms.len()).any(|part| part == rooms.as_bytes()))
    };
    let processes = fs::read_dir("/proc").expect("/proc").flatten().filter(|entry| of_build(&entry.path()));
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// GitHub is well half of the time.
fn change_mood(github: &FakeGithub, rng: &mut Rng) {
    match rng.u8(..10) {
        0 => github.reset(),
        1 => github.stall(),
        2 => github.fail_with(500, &[]),
        3 => github.fail_with(503, &[("Retry-After", "1")]),
        4 => github.fail_next(rng.usize(1..4), 502, &[]),
        _ => github.heal(),
    }
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}
