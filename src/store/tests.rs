use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::{BUILDS_MAX, Filter, Reader};
use super::{Store, is_torn};
use crate::logic::build::{Build, BuildState, Check};
use crate::logic::event::{Change, DeliveryKey, Now};
use crate::logic::identity::Identity;
use crate::logic::rows::{KnownDelivery, Repository, Rows};
use crate::logic::state::State;
use crate::logic::tests::{model, storm, words};

/// Storms whose every row goes through SQLite. With `synchronous=FULL` each commit waits for the card.
const STORM_SEEDS: u64 = 4;

struct Room {
    dir: tempfile::TempDir,
}

impl Room {
    fn new() -> Room {
        Room { dir: tempfile::tempdir().unwrap() }
    }

    fn database(&self) -> PathBuf {
        self.dir.path().join("pilotlight.db")
    }

    fn open(&self) -> Store {
        Store::open(&self.database()).unwrap()
    }

    /// What opening says, without the directory that is another one each time.
    fn error(&self) -> String {
        let found = Store::open(&self.database()).and_then(|store| store.load());
        let words = format!("{:#}", found.expect_err("it can't be used"));
        words.replace(&self.dir.path().display().to_string(), "DIR")
    }

    /// The sizes of what SQLite has written: database and log.
    fn bytes(&self) -> Vec<u8> {
        fs::read(self.database()).unwrap()
    }
}

fn build(id: i64, repository: &str, pull: u64, state: BuildState) -> Build {
    Build {
        id,
        repository: repository.to_owned(),
        pull,
        title: "'); DROP TABLE builds; -- \0 \u{202e} ✓".to_owned(),
        sha: "1a2b".repeat(10),
        base_ref: "main".to_owned(),
        head_ref: "topic".to_owned(),
        state,
        reason: Some("because".to_owned()),
        attempt: 1,
        asked: true,
        accepted_order: Some(id),
        queued_at: 1_775_000_000,
        started_at: None,
        finished_at: Some(-1),
        checks: vec![Check::waiting("pilotlight/test", "Queued".to_owned())],
    }
}

#[test]
fn what_storms_save_is_what_they_load() {
    for seed in 0..STORM_SEEDS {
        let room = Room::new();
        let mut store = room.open();
        let mut all = Rows::default();
        for (n, changes) in storm::commits(seed).into_iter().enumerate() {
            store.save(&changes).unwrap();
            changes.into_iter().for_each(|change| all.apply(change));
            if n % 16 == 0 {
                assert_eq!(store.load().unwrap(), model::select(&all), "storm {seed}, commit {n}");
            }
        }
        drop(store);
        assert_eq!(room.open().load().unwrap(), model::select(&all), "storm {seed}, opened again");
        let reader = Reader::open(&room.database()).unwrap();
        for (id, build) in all.builds {
            assert_eq!(reader.build(id).unwrap(), Some(build), "history keeps every build");
        }
    }
}

#[test]
fn anything_people_write_is_stored_as_it_is() {
    let room = Room::new();
    let odd = build(i64::MAX - 1, "acme/app", u64::MAX, BuildState::Queued);
    let key = DeliveryKey { guid: "'\"\0".to_owned(), hook_id: u64::MAX };
    let known = KnownDelivery { at: i64::MIN, build: None, ask: None };
    let another = Identity { name: "'\"\0 \u{202e}".to_owned(), id: Some(u64::MAX) };
    let repository = Repository::new("Acme/App'", u64::MAX - 1, Some(another));
    let changes = [Change::Build(odd.clone()), Change::Delivery(key.clone(), known.clone())];
    room.open().save(&changes).unwrap();
    room.open().save(&[Change::Repository(repository.clone())]).unwrap();
    let rows = room.open().load().unwrap();
    assert_eq!(rows.repositories["acme/app'"], repository);
    assert_eq!(rows.all().len(), 3);
    assert_eq!(rows.builds[&odd.id], odd);
    assert_eq!(rows.deliveries[&key], known);
    room.open().save(&[Change::ForgetDelivery(key)]).unwrap();
    assert_eq!(room.open().load().unwrap().deliveries.len(), 0);
}

#[test]
fn a_commit_is_on_the_card_or_nowhere() {
    let room = Room::new();
    let mut store = room.open();
    let pragma = |name| store.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(pragma("synchronous"), 2, "FULL");
    let journal: String = store.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(journal, "wal");
    let trigger = "CREATE TEMP TRIGGER no BEFORE INSERT ON deliveries BEGIN SELECT RAISE(ABORT, 'no'); END";
    store.connection.execute_batch(trigger).unwrap();
    let key = DeliveryKey { guid: "guid".to_owned(), hook_id: 1 };
    let delivery = Change::Delivery(key, KnownDelivery { at: 0, build: None, ask: None });
    store.save(&[Change::Build(build(1, "acme/app", 7, BuildState::Queued)), delivery]).unwrap_err();
    assert_eq!(store.load().unwrap(), Rows::default());
}

#[test]
fn an_id_is_never_given_twice() {
    let room = Room::new();
    let mut store = room.open();
    store.save(&[Change::Build(build(7, "acme/app", 7, BuildState::Queued))]).unwrap();
    store.connection.execute("DELETE FROM builds", []).unwrap();
    drop(store);
    assert_eq!(room.open().load().unwrap().last_build_id, 7);
}

#[test]
fn the_reader_filters() {
    let room = Room::new();
    let mut store = room.open();
    let some = [
        build(1, "acme/app", 7, BuildState::Success),
        build(2, "Acme/App", 8, BuildState::Failure),
        build(3, "acme/lib", 7, BuildState::WaitingForApproval),
        build(4, "acme/app", 7, BuildState::Queued),
    ];
    store.save(&some.map(Change::Build)).unwrap();
    let reader = Reader::open(&room.database()).unwrap();
    let ids = |filter: Filter| -> Vec<i64> { reader.builds(&filter).unwrap().iter().map(|b| b.id).collect() };
    let any = || Filter { limit: BUILDS_MAX, ..Filter::default() };
    let app = || Some("ACME/app".to_owned());
    assert_eq!(ids(any()), [4, 3, 2, 1]);
    assert_eq!(ids(Filter { limit: 2, ..any() }), [4, 3]);
    assert_eq!(ids(Filter { limit: 0, ..any() }), [0; 0]);
    assert_eq!(ids(Filter { before: Some(3), ..any() }), [2, 1]);
    assert_eq!(ids(Filter { repository: app(), ..any() }), [4, 2, 1]);
    assert_eq!(ids(Filter { repository: app(), pull: Some(7), ..any() }), [4, 1]);
    assert_eq!(ids(Filter { state: Some(BuildState::WaitingForApproval), ..any() }), [3]);
    assert_eq!(ids(Filter { repository: app(), pull: Some(8), state: Some(BuildState::Success), ..any() }), [0; 0]);
    assert_eq!(reader.build(9).unwrap(), None);
    let many: Vec<_> = (5..300).map(|id| Change::Build(build(id, "acme/app", 9, BuildState::Success))).collect();
    store.save(&many).unwrap();
    assert_eq!(ids(Filter { limit: usize::MAX, ..any() }).len(), BUILDS_MAX);
}

#[test]
fn a_database_of_a_newer_pilotlight_is_refused() {
    let room = Room::new();
    room.open().connection.pragma_update(None, "user_version", 9).unwrap();
    assert_eq!(
        room.error(),
        "the database DIR/pilotlight.db can't be opened: it was made by a newer pilotlight (schema 9, this one \
         knows 7): install that one again"
    );
}

#[test]
fn what_is_no_database_says_so() {
    let room = Room::new();
    for text in ["# pilotlight\n", "\0\0\0"] {
        fs::write(room.database(), text.repeat(999)).unwrap();
        assert_eq!(
            room.error(),
            "the database DIR/pilotlight.db can't be opened: file is not a database: Error code 26: file is not a database"
        );
    }
    let room = Room::new();
    fs::create_dir(room.database()).unwrap();
    let cure = "the database DIR/pilotlight.db can't be opened (pilotlight must own it and its directory): ";
    assert!(room.error().starts_with(cure), "{}", room.error());
    let room = Room::new();
    assert!(Reader::open(&room.database()).is_err(), "a reader makes no database");
    // An empty file is what a power cut leaves of a database that was just made.
    fs::write(room.database(), "").unwrap();
    assert_eq!(room.open().load().unwrap(), Rows::default());
}

/// Torn at any page or filled with zeros: an error or what was saved, never a panic and never something else.
#[test]
fn a_torn_database_says_so() {
    let room = Room::new();
    let changes: Vec<_> = (1..40).map(|id| Change::Build(build(id, "acme/app", 7, BuildState::Queued))).collect();
    room.open().save(&changes).unwrap();
    let (whole, rows) = (room.bytes(), room.open().load().unwrap());
    let mut refused = 0;
    for at in (0..whole.len()).step_by(2048).skip(1) {
        let mut zeros = whole.clone();
        zeros[at..].fill(0);
        for torn in [&whole[..at], &zeros] {
            let room = Room::new();
            fs::write(room.database(), torn).unwrap();
            match Store::open(&room.database()).and_then(|store| store.load()) {
                Ok(found) => assert_eq!(found, rows, "torn at {at}"),
                Err(error) => refused += usize::from(format!("{error:#}").starts_with("the database")),
            }
        }
    }
    assert!(refused > 10, "{refused} of them were found out");
}

/// A card writes sectors, and a page has eight: whatever is in one of them, the daemon has a database afterwards.
#[test]
fn whichever_sector_is_torn_there_is_a_database_afterwards() {
    const SECTOR_BYTES: usize = 512;
    let room = Room::new();
    let mut store = room.open();
    storm::commits(7).iter().for_each(|changes| store.save(changes).unwrap());
    save_builds(&mut store, (1000..1020).map(|id| told(id, 1000)).collect());
    save_builds(&mut store, (1020..1030).map(|id| build(id, "acme/app", 7, BuildState::Running)).collect());
    drop(store);
    let whole = room.bytes();
    let mut rng = fastrand::Rng::with_seed(7);
    let garbage: Vec<u8> = (0..SECTOR_BYTES).map(|_| rng.u8(..)).collect();
    let (mut at_loading, mut at_saving) = (0, 0);
    for at in (0..whole.len()).step_by(SECTOR_BYTES) {
        for sector in [&[0; SECTOR_BYTES][..], &garbage] {
            let room = Room::new();
            let mut torn = whole.clone();
            torn[at..at + SECTOR_BYTES].copy_from_slice(sector);
            fs::write(room.database(), torn).unwrap();
            let (mut store, rows) =
                Store::open_or_begin_anew(&room.database()).unwrap_or_else(|e| panic!("{at}: {e:#}"));
            at_loading += super::set_aside_of(&room.database()).len();
            let now = Now { mono: Duration::ZERO, wall: 1_775_000_000 };
            let (state, first) = State::load(rows, words::policy(), now, None);
            if let Err(error) = store.save(&first.changes) {
                assert!(is_torn(&error), "{at}: {error:#}");
                store.begin_anew(&room.database(), state.rows()).unwrap_or_else(|e| panic!("{at}: {e:#}"));
                at_saving += 1;
            }
            store.load().unwrap_or_else(|e| panic!("{at}: {e:#}"));
            assert!(super::set_aside_of(&room.database()).len() < 2, "{at}: set aside again");
        }
    }
    assert!(at_loading > 50 && at_saving > 3, "{at_loading} and {at_saving} of {} sectors", whole.len() / SECTOR_BYTES);
}

#[test]
fn what_was_torn_is_set_aside_once_however_often_the_new_one_has_to_be_tried() {
    let room = Room::new();
    let mut store = room.open();
    let mut rows = Rows::default();
    rows.apply(Change::Build(build(41, "acme/app", 7, BuildState::Queued)));
    // In the way of a new database alone.
    let journal = room.dir.path().join("pilotlight.db-journal");
    fs::create_dir(&journal).unwrap();
    (0..3).for_each(|_| drop(store.begin_anew(&room.database(), &rows).unwrap_err()));
    fs::remove_dir(&journal).unwrap();
    store.begin_anew(&room.database(), &rows).unwrap();
    assert_eq!(store.load().unwrap(), rows);
    assert_eq!(super::set_aside_of(&room.database()).len(), 1);
    // The next one that is torn is another one.
    store.begin_anew(&room.database(), &rows).unwrap();
    assert_eq!(super::set_aside_of(&room.database()).len(), 2);
}

/// Ended at `at`, and GitHub knows.
fn told(id: i64, at: i64) -> Build {
    let mut build = build(id, "acme/app", 7, BuildState::Success);
    build.finished_at = Some(at);
    build.checks[0].owns_status = false;
    build
}

fn count(store: &Store, table: &str) -> i64 {
    store.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn save_builds(store: &mut Store, builds: Vec<Build>) {
    store.save(&builds.into_iter().map(Change::Build).collect::<Vec<_>>()).unwrap();
}

#[test]
fn old_history_goes_but_for_the_newest_and_what_is_needed() {
    let room = Room::new();
    let mut store = room.open();
    let last = 11_000;
    let mut builds: Vec<_> = (1..=last).map(|id| told(id, 1000)).collect();
    builds[0].finished_at = Some(2000); // later than what is forgotten
    builds[1].state = BuildState::Queued; // unfinished
    builds[2].checks[0].owns_status = true; // GitHub has not heard its end
    save_builds(&mut store, builds);
    let pull =
        "INSERT INTO pulls VALUES ('acme/app', 7, '', 1, 0, '', NULL, '', '', 0, NULL, 4, NULL, NULL, '[]', '[]')";
    store.connection.execute(pull, []).unwrap();
    assert!(!store.forget(500, u64::MAX).unwrap(), "none is so old");
    store.forget(1001, u64::MAX).unwrap();
    assert_eq!(count(&store, "builds"), last - 249, "a few at a time; the first is in their way");
    (0..4).for_each(|_| _ = store.forget(1001, u64::MAX).unwrap());
    assert_eq!(count(&store, "builds"), 10_000 + 4, "the newest 10,000, and the four that are needed");
    let reader = Reader::open(&room.database()).unwrap();
    for (id, there) in
        [(1, true), (2, true), (3, true), (4, true), (5, false), (last - 10_000, false), (last - 9_999, true)]
    {
        assert_eq!(reader.build(id).unwrap().is_some(), there, "build {id}");
    }
    assert_eq!(store.load().unwrap().last_build_id, last);
}

#[test]
fn history_that_takes_too_much_goes_whatever_its_age_and_makes_room_for_more() {
    let room = Room::new();
    let mut store = room.open();
    save_builds(&mut store, (1..=3000).map(|id| told(id, 1000)).collect());
    let (full, file) = (store.bytes().unwrap(), || std::fs::metadata(room.database()).unwrap().len());
    assert!(!store.forget(0, full).unwrap(), "no byte too much");
    assert_eq!(count(&store, "builds"), 3000);
    let mut left = full;
    while left > full / 2 {
        assert!(store.forget(0, full / 2).unwrap(), "there is more to forget");
        assert!(store.bytes().unwrap() < left, "the same bytes again");
        left = store.bytes().unwrap();
    }
    assert!(!store.forget(0, full / 2).unwrap());
    // What was freed is used again.
    store.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let before = file();
    save_builds(&mut store, (3001..=4000).map(|id| told(id, 1000)).collect());
    store.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert_eq!(file(), before);
    while store.forget(0, 0).unwrap() {}
    assert_eq!(count(&store, "builds"), 1000, "the newest stay");
}

#[test]
fn pull_requests_closed_long_ago_are_forgotten_as_state_forgets_them() {
    let room = Room::new();
    let mut store = room.open();
    save_builds(&mut store, (1..=600).map(|id| told(id, 1000)).collect());
    // Of 600 pull requests every second one is closed, the first of them first.
    let pulls = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600) INSERT INTO pulls \
                 SELECT 'acme/app', i, '', i % 2, 0, '', NULL, '', '', 0, NULL, i, NULL, iif(i % 2, NULL, i), '[]', '[]' FROM n";
    store.connection.execute(pulls, []).unwrap();
    let before = store.load().unwrap();
    while store.forget(0, u64::MAX).unwrap() {}
    assert_eq!(count(&store, "pulls"), 300 + 256);
    assert_eq!(store.load().unwrap(), before);
}

#[test]
fn a_store_found_torn_begins_anew_with_what_is_known() {
    let room = Room::new();
    let mut store = room.open();
    let mut rows = Rows::default();
    rows.apply(Change::Build(build(41, "acme/app", 7, BuildState::Queued)));
    let key = DeliveryKey { guid: "guid".to_owned(), hook_id: 1 };
    rows.apply(Change::Delivery(key, KnownDelivery { at: 5, build: Some(41), ask: None }));
    let reader = Reader::open(&room.database()).unwrap();
    assert!(reader.is_current());
    store.begin_anew(&room.database(), &rows).unwrap();
    assert!(!reader.is_current());
    assert_eq!(store.load().unwrap(), rows);
    drop(store);
    assert_eq!(room.open().load().unwrap(), rows);
    assert!(room.dir.path().join("pilotlight.db.broken-1").is_file());
}

#[test]
fn of_what_was_set_aside_the_newest_stay() {
    let room = Room::new();
    let set_aside = || {
        fs::write(room.database(), "torn").unwrap();
        Store::open_or_begin_anew(&room.database()).unwrap();
        let newest = super::set_aside_of(&room.database()).swap_remove(0).1;
        newest.file_name().unwrap().to_str().unwrap().to_owned()
    };
    let broken = |number: u64| format!("pilotlight.db.broken-{number}");
    assert_eq!([(); 11].map(|()| set_aside()), std::array::from_fn(|n| broken(n as u64 + 1)));
    for name in ["pilotlight.db.broken-9-wal", "pilotlight.db.broken-x", "pilotlight.db.broken-"] {
        fs::write(room.dir.path().join(name), "").unwrap();
    }
    let removed = super::remove_set_aside(&room.database(), 2);
    assert!(removed.len() == 9 && removed.iter().all(|(_, removed)| removed.is_ok()), "{removed:?}");
    let names = fs::read_dir(room.dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<_> =
        names.filter_map(|name| name.strip_prefix("pilotlight.db.broken-").map(str::to_owned)).collect();
    left.sort();
    assert_eq!(left, ["", "10", "11", "x"]);
    assert_eq!(set_aside(), broken(12), "no number is given twice");
}
