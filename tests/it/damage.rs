//! What a power cut can leave behind: torn files and half-made directories. The next start says a clear word where
//! something is lost, and goes on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;

use crate::support::PATIENCE;
use crate::support::daemon::fresh_guid;
use crate::support::payload::pull;
use crate::support::scene::{APP, Scene, WAITS};

/// SQLite's, by default.
const PAGE_BYTES: usize = 4096;

/// A card writes these whole, and pages not.
pub const SECTOR_BYTES: usize = 512;

/// Passes where the tree is exactly the head.
const CLEAN: &str = "test -z \"$(git status --porcelain --ignored)\" && test \"$(cat README.md)\" = 'A repository to build.' \
    && test \"$(git rev-parse HEAD)\" = $PILOTLIGHT_SHA";

/// Does something bad to what is at a path.
type Damage = fn(&Path);

fn truncate(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

fn zero(path: &Path) {
    fs::write(path, vec![0; fs::metadata(path).unwrap().len() as usize]).unwrap();
}

fn garble(path: &Path) {
    let mut rng = fastrand::Rng::with_seed(7);
    let garbage: Vec<u8> = (0..fs::metadata(path).unwrap().len()).map(|_| rng.u8(..)).collect();
    fs::write(path, garbage).unwrap();
}

fn empty(path: &Path) {
    fs::write(path, "").unwrap();
}

#[track_caller]
fn is_sound(database: &Path) {
    let connection = Connection::open(database).unwrap();
    let word: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(word, "ok");
}

/// Builds a new pull request as if nothing had happened. Its build's number is none that was given before.
#[track_caller]
fn builds_on(scene: &Scene, number: u64, ids: &mut Vec<i64>) {
    let (sha, id) = scene.open(number);
    scene.shown(&sha, "test", "success");
    assert!(!ids.contains(&id), "build {id} is another build than before; so far {ids:?}");
    ids.push(id);
}

#[test]
fn a_torn_database_is_set_aside_and_a_new_one_begun() {
    let mut scene = Scene::new(&[("test", "echo ran")]);
    let database = scene.state_dir().join("pilotlight.db");
    let mut ids = Vec::new();
    builds_on(&scene, 1, &mut ids);
    let damages: [Damage; 4] = [truncate, zero, garble, truncate];
    for (number, damage) in (1..).zip(damages) {
        assert_eq!(scene.daemon.sigterm().code(), Some(0));
        damage(&database);
        let torn = fs::read(&database).unwrap();
        scene.power_cut();
        let aside = format!("{}.broken-{number}", database.display());
        let word = scene.daemon.wait_for_log("set aside");
        assert!(word.contains(&aside), "{word}");
        assert_eq!(fs::read(&aside).unwrap(), torn, "nothing of it is thrown away");
        builds_on(&scene, number + 1, &mut ids);
        assert!(fs::read_to_string(scene.state_dir().join("logs/1.log")).unwrap().contains("ran"));
    }
    // Nor are they kept for ever.
    scene.daemon.wait_for_log("pilotlight.db.broken-1, which is not needed");
    let broken = |number: u64| PathBuf::from(format!("{}.broken-{number}", database.display()));
    assert_eq!([1, 2, 3, 4].map(|number| broken(number).exists()), [false, true, true, true]);
    scene.daemon.sigterm();
    is_sound(&database);
}

#[test]
fn whichever_page_of_the_database_is_lost_it_goes_on() {
    let mut scene = Scene::new(&[("test", "true")]);
    let database = scene.state_dir().join("pilotlight.db");
    (1..=3).for_each(|number| drop(scene.shown(&scene.open(number).0, "test", "success")));
    scene.daemon.sigterm();
    let whole = fs::read(&database).unwrap();
    let mut set_aside = 0;
    for (number, page) in (4..).zip(0..whole.len() / PAGE_BYTES) {
        for beside in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{beside}", database.display()));
        }
        let mut torn = whole.clone();
        torn[page * PAGE_BYTES..][..PAGE_BYTES].fill(0);
        fs::write(&database, torn).unwrap();
        scene.power_cut();
        let sha = scene.commit(number, &[]);
        let (guid, delivery) = (fresh_guid(), pull("opened", APP, number, &sha, 0).json());
        let (mut status, answer) = scene.daemon.hook_as(&guid, 1, "pull_request", &delivery, false);
        if status == 503 {
            // Only writing found it out.
            scene.daemon.wait_for_log("saving works again");
            (status, _) = scene.daemon.hook_as(&guid, 1, "pull_request", &delivery, false);
        }
        assert_eq!(status, 202, "{answer}");
        scene.shown(&sha, "test", "success");
        let newest = scene.daemon.get_json("/api/v1/builds?limit=1");
        assert_eq!(newest["builds"][0]["sha"], sha.as_str(), "pages show the database that is used");
        assert_eq!(scene.daemon.sigterm().code(), Some(0));
        set_aside += usize::from(scene.daemon.log().contains("set aside"));
        is_sound(&database);
    }
    assert!(set_aside > 3, "{set_aside} of {} pages", whole.len() / PAGE_BYTES);
}

/// Where the last sector of the first page of what SQLite calls `name` begins: its first rows are there.
pub fn rows_of(database: &Path, name: &str) -> usize {
    let connection = Connection::open(database).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let page = "SELECT rootpage FROM sqlite_master WHERE name = ?";
    let page: u32 = connection.query_row(page, [name], |row| row.get(0)).unwrap();
    page as usize * PAGE_BYTES - SECTOR_BYTES
}

#[test]
fn whatever_holds_a_torn_sector_after_a_cut_in_mid_build_it_goes_on() {
    let mut scene = Scene::new(&[("test", WAITS)]);
    let database = scene.state_dir().join("pilotlight.db");
    let (running, _) = scene.open(1);
    scene.cues.hear(&running);
    scene.daemon.sigkill();
    let places = ["builds", "pulls", "deliveries", "builds_state"].map(|name| rows_of(&database, name));
    let whole = fs::read(&database).unwrap();
    let garbage: [u8; SECTOR_BYTES] = std::array::from_fn(|i| (i * 37 % 251) as u8 | 0x80);
    let each = places.into_iter().flat_map(|at| [(at, [0; SECTOR_BYTES]), (at, garbage)]);
    for (number, (at, sector)) in (2..).zip(each) {
        for beside in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{beside}", database.display()));
        }
        let mut torn = whole.clone();
        torn[at..][..SECTOR_BYTES].copy_from_slice(&sector);
        fs::write(&database, torn).unwrap();
        scene.power_cut();
        let (sha, _) = scene.open(number);
        // What ran comes first, where it is still known.
        (0..2).for_each(|_| scene.cues.go());
        scene.shown(&sha, "test", "success");
        assert_eq!(scene.daemon.sigterm().code(), Some(0));
        // In the other two rows may be missed that only an index would find.
        if at == places[0] || at == places[3] {
            assert!(scene.daemon.log().contains("set aside as "));
            is_sound(&database);
        }
        if at == places[3] {
            scene.shown(&running, "test", "success"); // only writing met it: what could be read goes on
        }
    }
}

#[test]
fn a_torn_journal_of_the_database_costs_what_was_in_it_at_most() {
    let mut scene = Scene::new(&[("test", "true")]);
    let database = scene.state_dir().join("pilotlight.db");
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", database.display()));
    let mut ids = Vec::new();
    builds_on(&scene, 1, &mut ids);
    let damages: [(&str, Damage); 8] = [
        ("-wal", truncate),
        ("-wal", zero),
        ("-wal", garble),
        ("-wal", empty),
        ("-shm", truncate),
        ("-shm", zero),
        ("-shm", garble),
        ("-wal", |wal| drop(fs::remove_file(wal))),
    ];
    for (number, (suffix, damage)) in (2..).zip(damages) {
        scene.daemon.sigkill();
        damage(&beside(suffix));
        scene.power_cut();
        builds_on(&scene, number, &mut ids);
    }
    scene.daemon.sigterm();
    is_sound(&database);
}

#[test]
fn a_database_that_is_gone_or_empty_is_begun_anew() {
    let mut scene = Scene::new(&[("test", "true")]);
    let database = scene.state_dir().join("pilotlight.db");
    let mut ids = Vec::new();
    builds_on(&scene, 1, &mut ids);
    let damages: [Damage; 2] = [empty, |database| drop(fs::remove_file(database))];
    for (number, damage) in (2..).zip(damages) {
        scene.daemon.sigterm();
        damage(&database);
        scene.power_cut();
        builds_on(&scene, number, &mut ids);
    }
}

#[test]
fn a_torn_log_is_shown_as_far_as_it_goes() {
    let mut scene = Scene::new(&[("first", "seq 1000 2000"), ("second", "seq 2001 3000")]);
    let (sha, id) = scene.open(1);
    scene.shown(&sha, "second", "success");
    scene.daemon.wait_build(id, "success");
    let whole = scene.log(id);
    let file = scene.state_dir().join(format!("logs/{id}.log"));
    scene.daemon.sigkill();
    truncate(&file);
    scene.power_cut();
    let half = scene.log(id);
    assert!(whole.starts_with(&half) && half.len() == whole.len() / 2);
    for check in ["first", "second"] {
        let part = scene.daemon.get_text(&format!("/api/v1/builds/{id}/log?check={check}"), &[]);
        assert_eq!(part.status, 200);
        assert!(whole.contains(part.text()), "{}", part.text());
    }
    let range = scene.daemon.get_text(&format!("/api/v1/builds/{id}/log"), &[("Range", "bytes=100-")]);
    assert_eq!((range.status, range.text()), (206, &half[100..]));
    assert_eq!(scene.daemon.get_text(&format!("/builds/{id}"), &[]).status, 200);
    fs::remove_file(&file).unwrap();
    assert_eq!(scene.daemon.get_text(&format!("/api/v1/builds/{id}/log"), &[]).status, 404);
    assert_eq!(scene.daemon.get_text(&format!("/builds/{id}"), &[]).status, 200);
}

fn each_file(dir: &Path, change: &dyn Fn(&Path)) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => each_file(&entry.path(), change),
            false => change(&entry.path()),
        }
    }
}

fn writable(path: &Path) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
}

#[track_caller]
fn repack(mirror: &Path) {
    let mut git = Command::new("git");
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").arg("--git-dir").arg(mirror).args(["gc", "--quiet", "--prune=now"]);
    assert!(git.status().expect("git runs").success());
}

fn packs(mirror: &Path, extension: &str, change: Damage) {
    repack(mirror);
    let mut found = 0;
    for entry in fs::read_dir(mirror.join("objects/pack")).unwrap().flatten() {
        if entry.path().extension().is_some_and(|e| e == extension) {
            writable(&entry.path());
            change(&entry.path());
            found += 1;
        }
    }
    assert!(found > 0, "no pack to tear");
}

/// What was not on the card when the power went, each with whether the mirror must be made anew.
const MIRRORS: [(&str, bool, Damage); 15] = [
    ("gone, half of a new one", false, |m| fs::rename(m, m.with_extension("new")).unwrap()),
    ("an empty directory", true, |m| {
        fs::remove_dir_all(m).unwrap();
        fs::create_dir(m).unwrap();
    }),
    ("a file", false, |m| {
        fs::remove_dir_all(m).unwrap();
        fs::write(m, "").unwrap();
    }),
    ("no HEAD", true, |m| fs::remove_file(m.join("HEAD")).unwrap()),
    ("an empty HEAD", true, |m| empty(&m.join("HEAD"))),
    ("no config", false, |m| fs::remove_file(m.join("config")).unwrap()),
    ("an empty config", false, |m| empty(&m.join("config"))),
    ("a torn config", true, |m| fs::write(m.join("config"), "[core\n\tbare").unwrap()),
    ("no refs", true, |m| fs::remove_dir_all(m.join("refs")).unwrap()),
    ("no objects", true, |m| fs::remove_dir_all(m.join("objects")).unwrap()),
    ("empty objects", true, |m| {
        each_file(&m.join("objects"), &|object| {
            writable(object);
            empty(object);
        });
    }),
    ("torn packs", true, |m| packs(m, "pack", truncate)),
    ("garbled packs", true, |m| packs(m, "pack", garble)),
    ("empty indices", true, |m| packs(m, "idx", empty)),
    ("locks", false, |m| {
        let locks =
            ["HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock", "objects/maintenance.lock", "gc.pid"];
        locks.iter().for_each(|lock| empty(&m.join(lock)));
        fs::create_dir_all(m.join("refs/pull/1")).unwrap();
        empty(&m.join("refs/pull/1/head.lock"));
    }),
];

#[test]
fn a_half_made_mirror_is_made_anew() {
    let mut scene = Scene::new(&[("test", CLEAN)]);
    let mirror = scene.state_dir().join("mirrors/acme__app.git");
    builds_on(&scene, 1, &mut Vec::new());
    for (what, anew, damage) in MIRRORS {
        scene.daemon.sigkill();
        damage(&mirror);
        scene.power_cut();
        let sha = scene.commit(1, &[]);
        let id = scene.accepted(pull("synchronize", APP, 1, &sha, 1));
        let end = scene.github.wait_for(|posts| posts.iter().any(|p| p.sha == sha && p.state != "pending"), PATIENCE);
        assert_eq!(end.last().unwrap().state, "success", "{what}: {}\n{}", scene.log(id), scene.daemon.log());
        let said = scene.daemon.log().contains("is broken and is made anew");
        assert_eq!(said, anew, "{what}: {}", scene.daemon.log());
    }
}

#[test]
fn refs_that_a_power_cut_emptied_do_no_harm() {
    let mut scene = Scene::new(&[("test", CLEAN)]);
    let mirror = scene.state_dir().join("mirrors/acme__app.git");
    let mut ids = Vec::new();
    for (number, damage) in (1..).zip([empty as Damage, zero, garble, truncate]) {
        builds_on(&scene, number, &mut ids);
        scene.daemon.sigkill();
        damage(&mirror.join(format!("refs/pull/{number}/head")));
        scene.power_cut();
        // The same pull request, and another one.
        let sha = scene.commit(number, &[]);
        ids.push(scene.accepted(pull("synchronize", APP, number, &sha, 1)));
        scene.shown(&sha, "test", "success");
        builds_on(&scene, number + 10, &mut ids);
    }
}

const TREES: [(&str, Damage); 14] = [
    ("no tree", |room| fs::remove_dir_all(room.join("tree")).unwrap()),
    ("a file for a tree", |room| {
        fs::remove_dir_all(room.join("tree")).unwrap();
        empty(&room.join("tree"));
    }),
    ("no .git", |room| fs::remove_dir_all(room.join("tree/.git")).unwrap()),
    ("an empty HEAD", |room| empty(&room.join("tree/.git/HEAD"))),
    ("a garbled config", |room| garble(&room.join("tree/.git/config"))),
    ("locks of git", |room| {
        for lock in ["tree/.git/index.lock", "tree/.git/HEAD.lock", "tree/.git/config.lock", "index.lock"] {
            empty(&room.join(lock));
        }
    }),
    ("no index", |room| fs::remove_file(room.join("index")).unwrap()),
    ("an empty index", |room| empty(&room.join("index"))),
    ("a zeroed index", |room| zero(&room.join("index"))),
    ("a garbled index", |room| garble(&room.join("index"))),
    ("a torn index", |room| truncate(&room.join("index"))),
    ("no alternates", |room| empty(&room.join("tree/.git/objects/info/alternates"))),
    ("torn files", |room| truncate(&room.join("tree/README.md"))),
    ("no room", |room| fs::remove_dir_all(room).unwrap()),
];

#[test]
fn a_half_made_tree_is_made_whole() {
    let mut scene = Scene::new(&[("test", CLEAN)]);
    let room = scene.daemon.room.path("cache/rooms/acme__app-0");
    builds_on(&scene, 1, &mut Vec::new());
    for (what, damage) in TREES {
        scene.daemon.sigkill();
        damage(&room);
        scene.power_cut();
        let sha = scene.commit(1, &[]);
        let id = scene.accepted(pull("synchronize", APP, 1, &sha, 1));
        let posts = scene.github.wait_for(|posts| posts.iter().any(|p| p.sha == sha && p.state != "pending"), PATIENCE);
        assert_eq!(posts.last().unwrap().state, "success", "{what}: {}\n{}", scene.log(id), scene.daemon.log());
    }
}
