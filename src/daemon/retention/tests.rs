use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{
    Busy, LOG_BYTES_MAX, LOG_BYTES_MAX_SHORT, LOGS_KEPT, LOGS_KEPT_SHORT, Limit, bytes_below, mirrors, rooms,
    sweep_logs, sweep_trees, sweep_trees_with, units,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A file of that size, without using it up, that was written so long ago; `None` is a year from now.
fn written(path: &Path, bytes: u64, ago: Option<Duration>) {
    let file = File::create(path).unwrap();
    file.set_len(bytes).unwrap();
    let now = SystemTime::now();
    file.set_modified(ago.map_or(now + 365 * DAY, |ago| now - ago)).unwrap();
}

/// Logs 1 to `count`, all alike.
fn logs(count: u64, bytes: u64, ago: Option<Duration>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    (1..=count).for_each(|n| written(&dir.path().join(format!("{n}.log")), bytes, ago));
    dir
}

/// The smallest number and how many there are.
fn left(dir: &Path) -> (u64, usize) {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let names = fs::read_dir(dir).unwrap().flatten().map(name);
    let numbers: Vec<u64> = names.filter_map(|name| name.strip_suffix(".log")?.parse().ok()).collect();
    (numbers.iter().copied().min().unwrap_or(0), numbers.len())
}

#[test]
fn old_logs_go_but_for_the_newest() {
    let month_old = Some(31 * DAY);
    let kept = LOGS_KEPT as u64;
    let table = [
        // count, bytes of each, age, short → smallest number left, how many
        (kept + 20, 10, month_old, false, (21, LOGS_KEPT)),
        (kept + 20, 10, Some(29 * DAY), false, (1, LOGS_KEPT + 20)),
        // Years old by a clock that jumped: never all of them.
        (30, 10, Some(3650 * DAY), false, (1, 30)),
        // Written by a clock that was ahead: they have no age yet.
        (kept + 20, 10, None, false, (1, LOGS_KEPT + 20)),
        // Short of space age does not matter.
        (30, 10, Some(DAY), true, (21, LOGS_KEPT_SHORT)),
        (30, 10, None, true, (21, LOGS_KEPT_SHORT)),
        // Neither limit is passed by one byte, and the newest stays whatever it has.
        (5, LOG_BYTES_MAX / 4, Some(DAY), false, (2, 4)),
        (5, LOG_BYTES_MAX / 4 + 1, Some(DAY), false, (3, 3)),
        (5, LOG_BYTES_MAX_SHORT / 2, Some(DAY), true, (4, 2)),
        (3, LOG_BYTES_MAX * 2, Some(DAY), false, (3, 1)),
        (0, 0, None, true, (0, 0)),
    ];
    for (count, bytes, ago, short, expected) in table {
        let dir = logs(count, bytes, ago);
        sweep_logs(dir.path(), short, &Busy::default());
        assert_eq!(left(dir.path()), expected, "{count} logs of {bytes} bytes, {ago:?} old, short: {short}");
    }
}

#[test]
fn what_is_no_log_stays() {
    let dir = logs(0, 0, None);
    for name in ["notes.txt", "x.log", "7", ".log", "1.log.old"] {
        written(&dir.path().join(name), LOG_BYTES_MAX, Some(900 * DAY));
    }
    sweep_logs(dir.path(), true, &Busy::default());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
    sweep_logs(&dir.path().join("not there"), true, &Busy::default());
}

#[test]
fn a_log_that_is_being_written_stays_however_old_its_number_is() {
    let dir = logs(20, LOG_BYTES_MAX_SHORT, Some(DAY));
    let busy = Busy { builds: [3, 20].into(), ..Busy::default() };
    sweep_logs(dir.path(), true, &busy);
    assert_eq!(left(dir.path()), (3, 2));
    sweep_logs(dir.path(), true, &Busy::default());
    assert_eq!(left(dir.path()), (20, 1), "it goes when it is written");
}

const KIB: u64 = 1024;

/// More than any test has.
const MUCH: Limit = Limit::Bytes(u64::MAX);

/// A room with so much in its tree that was built in so long ago.
fn room(dir: &Path, name: &str, bytes: u64, ago: Option<Duration>) {
    let deep = dir.join(name).join("tree/deep");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), vec![1; bytes as usize]).unwrap();
    written(&dir.join(name).join("index"), 10, ago);
    written(&dir.join(name).join("lock"), 0, Some(900 * DAY));
}

/// The mirror of a repository that was fetched into so long ago.
fn mirror(dir: &Path, slug: &str, bytes: u64, ago: Duration) {
    fs::create_dir_all(dir.join(format!("{slug}.git/objects"))).unwrap();
    fs::write(dir.join(format!("{slug}.git/objects/pack")), vec![1; bytes as usize]).unwrap();
    written(&dir.join(format!("{slug}.lock")), 0, Some(ago));
}

fn hold(lock: &Path) -> File {
    let lock = File::open(lock).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    lock
}

/// Given back for all who have it: a child that another test is just starting has it too, until it runs something else.
fn release(lock: &File) {
    rustix::fs::flock(lock, rustix::fs::FlockOperation::Unlock).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn rooms_that_nobody_built_in_for_long_go_unless_they_are_in_use() {
    let dir = tempfile::tempdir().unwrap();
    for (name, ago) in [("old", Some(31 * DAY)), ("busy", Some(31 * DAY)), ("used", Some(29 * DAY)), ("ahead", None)] {
        room(dir.path(), name, 10, ago);
    }
    let lock = hold(&dir.path().join("busy/lock"));
    sweep_trees(rooms(dir.path()), MUCH);
    assert_eq!(names(dir.path()), ["ahead", "busy", "used"]);
    release(&lock);
    sweep_trees(rooms(dir.path()), MUCH);
    assert_eq!(names(dir.path()), ["ahead", "used"], "the next sweep takes it");
}

#[test]
fn rooms_that_take_too_much_go_the_least_recently_used_first() {
    let table: [(u64, &[&str]); 5] = [
        (u64::MAX, &["a", "b", "busy", "c"]),
        (4 * 400, &["a", "b", "busy", "c"]),
        (3 * 400, &["a", "b", "busy"]),
        (2 * 400, &["a", "busy"]),
        (0, &["busy"]),
    ];
    for (kib, expected) in table {
        let dir = tempfile::tempdir().unwrap();
        for (name, days) in [("a", 1), ("b", 2), ("c", 3), ("busy", 4)] {
            room(dir.path(), name, 300 * KIB, Some(days * DAY));
        }
        let _lock = hold(&dir.path().join("busy/lock"));
        sweep_trees(rooms(dir.path()), Limit::Bytes(kib.saturating_mul(KIB)));
        assert_eq!(names(dir.path()), expected, "{kib} KiB");
    }
}

#[test]
fn short_of_space_they_go_until_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    for (name, days) in [("a", 1), ("b", 2), ("c", 3), ("busy", 4)] {
        room(dir.path(), name, 10, Some(days * DAY));
    }
    let lock = hold(&dir.path().join("busy/lock"));
    let path = dir.path().to_owned();
    sweep_trees(rooms(dir.path()), Limit::While(Box::new(move || path.join("b").exists())));
    assert_eq!(names(dir.path()), ["a", "busy"]);
    sweep_trees(rooms(dir.path()), Limit::While(Box::new(|| true)));
    assert_eq!(names(dir.path()), ["busy"]);
    release(&lock);
    sweep_trees(rooms(dir.path()), Limit::While(Box::new(|| true)));
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_room_that_nobody_may_write_goes_too_and_one_that_was_on_its_way_out() {
    let dir = tempfile::tempdir().unwrap();
    room(dir.path(), "old", 10, Some(31 * DAY));
    room(dir.path(), "other.gone", 10, Some(DAY));
    let deep = dir.path().join("old/tree/deep");
    fs::set_permissions(&deep, fs::Permissions::from_mode(0o555)).unwrap();
    sweep_trees(rooms(dir.path()), MUCH);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn what_a_build_put_in_the_place_of_its_lock_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["none", "pipe", "link", "directory"] {
        room(dir.path(), name, 10, Some(31 * DAY));
        fs::remove_file(dir.path().join(name).join("lock")).unwrap();
    }
    let lock = |name: &str| dir.path().join(name).join("lock");
    let mode = rustix::fs::Mode::from(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, lock("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    std::os::unix::fs::symlink("/dev/zero", lock("link")).unwrap();
    fs::create_dir(lock("directory")).unwrap();
    sweep_trees(rooms(dir.path()), MUCH);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn mirrors_go_by_age_and_bytes_unless_somebody_fetches_or_builds() {
    let busy = || Busy { repositories: ["built".to_owned()].into(), ..Busy::default() };
    let dir = tempfile::tempdir().unwrap();
    for (slug, days) in [("old", 31), ("built", 33), ("fetched", 32), ("used", 29), ("new", 1)] {
        mirror(dir.path(), slug, 300 * KIB, days * DAY);
    }
    let _lock = hold(&dir.path().join("fetched.lock"));
    let there = || {
        let mut names = names(dir.path());
        names.retain(|name| name.contains(".git"));
        names
    };
    sweep_trees(mirrors(dir.path(), &busy()), MUCH);
    assert_eq!(there(), ["built.git", "fetched.git", "new.git", "used.git"]);
    sweep_trees(mirrors(dir.path(), &busy()), Limit::Bytes(800 * KIB));
    assert_eq!(there(), ["built.git", "fetched.git", "new.git"]);
}

#[test]
fn what_is_used_after_the_sweep_looked_stays() {
    let dir = tempfile::tempdir().unwrap();
    mirror(dir.path(), "old", 10, 31 * DAY);
    let found = mirrors(dir.path(), &Busy::default());
    written(&dir.path().join("old.lock"), 0, Some(Duration::ZERO));
    sweep_trees(found, MUCH);
    assert!(dir.path().join("old.git").is_dir());
}

#[test]
fn sizes_are_those_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    room(dir.path(), "one", 300 * KIB, None);
    fs::hard_link(dir.path().join("one/tree/deep/file"), dir.path().join("one/again")).unwrap();
    written(&dir.path().join("one/sparse"), LOG_BYTES_MAX, None);
    let bytes = bytes_below(&dir.path().join("one"));
    assert!((300 * KIB..400 * KIB).contains(&bytes), "{bytes}");
    assert_eq!(bytes_below(&dir.path().join("not there")), 0);
}

#[test]
fn rooms_of_units_go_by_the_configuration_and_by_a_time_that_no_build_can_set() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["acme__app", "acme__gone"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        let made = File::open(dir.path().join(name)).unwrap();
        made.set_modified(SystemTime::now() - 900 * DAY).unwrap();
    }
    written(&dir.path().join("file"), 10, Some(900 * DAY));
    std::os::unix::fs::symlink("acme__app", dir.path().join("link")).unwrap();
    let goes = |configured: Option<&[&str]>, limit| {
        let configured = configured.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let gone = std::cell::RefCell::new(Vec::new());
        sweep_trees_with(units::rooms(dir.path(), configured.as_ref()), limit, |tree| {
            gone.borrow_mut().push(tree.path.file_name().unwrap().to_str().unwrap().to_owned());
            true
        });
        gone.into_inner()
    };
    assert_eq!(goes(Some(&["acme__app", "acme__app_s"]), MUCH), ["acme__gone"]);
    assert_eq!(goes(None, MUCH), [""; 0], "a broken configuration");
    let short = || Limit::While(Box::new(|| true));
    assert_eq!(goes(Some(&["acme__app"]), short()), ["acme__gone", "acme__app"]);
    assert_eq!(goes(Some(&["acme__gone"]), short()), ["acme__app", "acme__gone"]);
}
