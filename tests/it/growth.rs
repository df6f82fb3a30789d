//! Years of history and a thousand open pull requests: start, memory and answers stay as they were. And databases of
//! every earlier version still open.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use pilotlight::logic::build::BuildState;
use pilotlight::logic::event::{Change, DeliveryKey, StatusState, Word};
use pilotlight::logic::external::External;
use pilotlight::logic::identity::Identity;
use pilotlight::logic::rows::{Ask, KnownDelivery, Repository};
use pilotlight::store::Store;
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::support::config::TestConfig;
use crate::support::daemon::Daemon;
use crate::support::github::FakeGithub;
use crate::support::scene::APP;

const BUILDS: i64 = 100_000;
const OPEN_PULLS: i64 = 1_000;

/// What the daemon may take of a Pi's memory, in KiB. A small Pi has 512 MiB, and builds want most of it.
const RESIDENT_KIB_MAX: u64 = 64 * 1024;

/// Answers of which the median counts.
const ANSWERS: usize = 15;

/// Builds in the form of version 1 of the schema, the last of each of the open pull requests; all told and ended.
const FILL: &str = r#"
    WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ?1)
    INSERT INTO builds (id, repository, pull, title, sha, base_ref, head_ref, state, reason, attempt, queued_at, started_at,
        finished_at, checks, kept) SELECT id, 'acme/app', 1 + id % ?2, 'Change number ' || id, printf('%040x', id), 'main',
        'change-' || id, iif(id % 7, 'success', 'failure'), NULL, 1, unixepoch() - ?1 + id, unixepoch() - ?1 + id,
        unixepoch() - ?1 + id,
        '[{"context":"test","state":"success","description":"Passed in 41s","started_at":1700000001,
           "finished_at":1700000042,"log_start":0,"log_end":1,"owns_status":true,
           "told":["success","Passed in 41s"]}]', 0 FROM n;
"#;
const FILL_PULLS: &str = "
    INSERT INTO pulls (repository, number, title, open, fork, head_sha, previous_head, head_ref, base_ref, updated_at,
        approved_sha, last_build, last_result, closed_order) SELECT 'acme/app', pull, 'Change', 1, 0, printf('%040x', max(id)), NULL, 'change', 'main',
        1700000000, NULL, max(id), 'success', NULL FROM builds GROUP BY pull;
";

/// Version 1 of the schema, as it was first released. Never to be changed.
const VERSION_1: &str = "
    CREATE TABLE builds (
        id INTEGER PRIMARY KEY AUTOINCREMENT, repository TEXT NOT NULL COLLATE NOCASE, pull INTEGER NOT NULL,
        title TEXT NOT NULL, sha TEXT NOT NULL, base_ref TEXT NOT NULL, head_ref TEXT NOT NULL, state TEXT NOT NULL,
        reason TEXT, attempt INTEGER NOT NULL, queued_at INTEGER NOT NULL, started_at INTEGER, finished_at INTEGER,
        checks TEXT NOT NULL, kept INTEGER NOT NULL
    );
    CREATE INDEX builds_of_pull ON builds (repository, pull, id);
    CREATE INDEX builds_kept ON builds (id) WHERE kept = 1;
    CREATE INDEX builds_state ON builds (state, id);
    CREATE TABLE pulls (
        repository TEXT NOT NULL, number INTEGER NOT NULL, title TEXT NOT NULL, open INTEGER NOT NULL,
        fork INTEGER NOT NULL, head_sha TEXT NOT NULL, previous_head TEXT, head_ref TEXT NOT NULL,
        base_ref TEXT NOT NULL, updated_at INTEGER NOT NULL, approved_sha TEXT, last_build INTEGER, last_result TEXT,
        closed_order INTEGER, PRIMARY KEY (repository, number)
    ) WITHOUT ROWID;
    CREATE INDEX pulls_closed ON pulls (closed_order);
    CREATE TABLE deliveries (
        guid TEXT NOT NULL, hook_id INTEGER NOT NULL, at INTEGER NOT NULL, build INTEGER, PRIMARY KEY (guid, hook_id)
    ) WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// A database of this version.
pub fn fill(connection: &Connection, builds: i64, pulls: i64) {
    fill_version_1(connection, builds, pulls);
    connection.execute_batch("UPDATE builds SET accepted_order = id").unwrap();
}

fn fill_version_1(connection: &Connection, builds: i64, pulls: i64) {
    connection.execute(FILL, params![builds, pulls]).unwrap();
    connection.execute_batch(FILL_PULLS).unwrap();
}

/// What is looked at, once with nothing and once with much.
#[derive(Debug)]
struct Measured {
    start: Duration,
    resident_kib: u64,
    list: Duration,
    page: Duration,
    one: Duration,
}

fn measure(daemon: &mut Daemon, config: &TestConfig) -> Measured {
    daemon.sigkill();
    let began = Instant::now();
    daemon.restart(config);
    let start = began.elapsed();
    let answer = |path: &str| {
        let mut took: Vec<_> = (0..ANSWERS)
            .map(|_| {
                let began = Instant::now();
                assert!(daemon.get_text(path, &[]).status < 500);
                began.elapsed()
            })
            .collect();
        took.sort_unstable();
        took[ANSWERS / 2]
    };
    let list = answer("/api/v1/builds?repository=acme/app&state=failure&limit=50");
    let (page, one) = (answer("/"), answer("/api/v1/builds/1"));
    Measured { start, resident_kib: resident_kib(daemon.pid()), list, page, one }
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn database(daemon: &Daemon) -> Connection {
    let entries = fs::read_dir(daemon.room.path("state")).unwrap().map(|entry| entry.unwrap().path());
    let path = entries.into_iter().find(|path| path.extension().is_some_and(|e| e == "db")).expect("a database");
    Connection::open(path).unwrap()
}

#[test]
fn with_years_of_history_it_is_as_it_was() {
    let github = FakeGithub::start(crate::support::config::TOKEN);
    let config = TestConfig::new(&github.url()).repository(APP, "file:///nowhere", &[("test", "true")]);
    let mut daemon = Daemon::start(&config);
    let empty = measure(&mut daemon, &config);
    daemon.sigkill();
    fill(&database(&daemon), BUILDS, OPEN_PULLS);
    daemon.restart(&config);
    let full = measure(&mut daemon, &config);

    let times = |a: Duration, b: Duration| b.as_secs_f64() / a.as_secs_f64();
    println!(
        "{BUILDS} builds and {OPEN_PULLS} open pull requests against none: start ×{:.1}, memory ×{:.1}, list ×{:.1}, page ×{:.1}, one build ×{:.1}",
        times(empty.start, full.start),
        full.resident_kib as f64 / empty.resident_kib as f64,
        times(empty.list, full.list),
        times(empty.page, full.page),
        times(empty.one, full.one)
    );
    println!("{empty:?}\n{full:?}");

    assert!(full.resident_kib < RESIDENT_KIB_MAX, "{} KiB", full.resident_kib);
    let builds = |path: &str| daemon.get_json(path)["builds"].as_array().cloned().unwrap_or_default();
    let ids = |builds: &[Value]| builds.iter().filter_map(|b| b["id"].as_i64()).collect::<Vec<_>>();
    assert_eq!(ids(&builds("/api/v1/builds?limit=3")), [BUILDS, BUILDS - 1, BUILDS - 2]);
    assert_eq!(ids(&builds("/api/v1/builds?state=failure&before=100&limit=2")), [98, 91]);
    assert_eq!(ids(&builds("/api/v1/builds?pull=8&limit=2")), [BUILDS - OPEN_PULLS + 7, BUILDS - 2 * OPEN_PULLS + 7]);
    assert_eq!(daemon.get_json("/api/v1/builds/1")["sha"], format!("{:040x}", 1));
    assert_eq!(daemon.get_json("/api/v1/lights")["pull"], 1 + BUILDS % OPEN_PULLS);
}

#[test]
fn a_database_of_version_1_opens_with_all_that_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pilotlight.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(VERSION_1).unwrap();
    fill_version_1(&old, 500, 20);
    let changes = "
        UPDATE builds SET state = 'queued', kept = 1, finished_at = NULL WHERE id = 500;
        UPDATE builds SET state = 'waiting_for_approval', kept = 1, finished_at = NULL WHERE id = 498;
        UPDATE pulls SET open = 0, closed_order = 1, last_result = 'failure' WHERE number = 3;
        UPDATE pulls SET approved_sha = head_sha, fork = 1, previous_head = 'aa' WHERE number = 4;
        INSERT INTO deliveries VALUES ('guid', 7, 1700000000, 500), ('guid', 8, 1700000000, NULL);
    ";
    old.execute_batch(changes).unwrap();
    drop(old);

    let rows = Store::open(&path).unwrap().load().unwrap();
    assert_eq!((rows.pulls.len(), rows.builds.len(), rows.deliveries.len()), (20, 20, 2));
    assert_eq!((rows.last_build_id, rows.builds[&500].state), (500, BuildState::Queued));
    assert!(rows.builds[&499].is_settled() && rows.builds[&499].title == "Change number 499");
    let order = |id| rows.builds[&id].accepted_order;
    assert_eq!((order(498), order(499), order(500)), (None, Some(499), Some(500)));
    let pull = |number| &rows.pulls[&(APP.to_owned(), number)];
    assert_eq!((pull(3).open, pull(3).closed_order, pull(3).last_result), (false, Some(1), Some(BuildState::Failure)));
    assert_eq!(pull(4).approved_sha.as_ref(), Some(&pull(4).head_sha));
    assert_eq!((pull(4).fork, pull(4).previous_head.as_deref()), (true, Some("aa")));
    let mut with_others = pull(5).clone();
    assert_eq!((&with_others.external, &with_others.heads), (&vec![], &vec![]));
    with_others.heads = vec!["aa".to_owned(), with_others.head_sha.clone()];
    let travis = External { context: "travis".to_owned(), state: StatusState::Error, updated_at: 5, id: 9 };
    with_others.external.push(travis);
    Store::open(&path).unwrap().save(&[Change::Pull(with_others.clone())]).unwrap();
    assert_eq!(Store::open(&path).unwrap().load().unwrap().pulls[&with_others.key()], with_others);
    let version: i64 = Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
    assert!(version >= 7);

    assert_eq!(rows.repositories.len(), 0);
    let another = Identity { name: "acme/web".to_owned(), id: Some(99) };
    let repository = Repository::new(APP, 7, Some(another));
    Store::open(&path).unwrap().save(&[Change::Repository(repository.clone())]).unwrap();
    assert_eq!(Store::open(&path).unwrap().load().unwrap().repositories[APP], repository);

    let deliveries = || Store::open(&path).unwrap().load().unwrap().deliveries;
    assert!(rows.deliveries.values().all(|known| known.ask.is_none()) && deliveries() == rows.deliveries);
    let ask = Ask {
        number: 1,
        repository: APP.to_owned(),
        pull: 4,
        by: "alice".to_owned(),
        word: Word::Approve(Some("1a2b3c4".to_owned())),
        newest: 500,
    };
    let key = DeliveryKey { guid: "guid".to_owned(), hook_id: 7 };
    let known = KnownDelivery { at: 1_700_000_000, build: None, ask: Some(ask) };
    Store::open(&path).unwrap().save(&[Change::Delivery(key.clone(), known.clone())]).unwrap();
    assert_eq!(deliveries().get(&key), Some(&known));
}
