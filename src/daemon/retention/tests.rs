use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{
    LOG_BYTES_MAX, LOG_BYTES_MAX_SHORT, LOGS_KEPT, LOGS_KEPT_SHORT, UNUSED_MAX, sweep_logs, sweep_mirrors, sweep_rooms,
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
        sweep_logs(dir.path(), short);
        assert_eq!(left(dir.path()), expected, "{count} logs of {bytes} bytes, {ago:?} old, short: {short}");
    }
}

#[test]
fn what_is_no_log_stays() {
    let dir = logs(0, 0, None);
    for name in ["notes.txt", "x.log", "7", ".log", "1.log.old"] {
        written(&dir.path().join(name), LOG_BYTES_MAX, Some(900 * DAY));
    }
    sweep_logs(dir.path(), true);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
    sweep_logs(&dir.path().join("not there"), true);
}

/// A room that was built in so long ago.
fn room(dir: &Path, name: &str, ago: Option<Duration>) {
    fs::create_dir_all(dir.join(name).join("tree/deep")).unwrap();
    written(&dir.join(name).join("index"), 10, ago);
    written(&dir.join(name).join("lock"), 0, Some(900 * DAY));
}

#[test]
fn rooms_that_nobody_built_in_for_long_go_unless_they_are_in_use() {
    let dir = tempfile::tempdir().unwrap();
    for (name, ago) in [("old", Some(31 * DAY)), ("busy", Some(31 * DAY)), ("used", Some(29 * DAY)), ("ahead", None)] {
        room(dir.path(), name, ago);
    }
    let lock = File::open(dir.path().join("busy/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    sweep_rooms(dir.path(), UNUSED_MAX);
    let there = |name: &str| dir.path().join(name).is_dir();
    assert_eq!(["old", "busy", "used", "ahead"].map(there), [false, true, true, true]);
    drop(lock);
    sweep_rooms(dir.path(), UNUSED_MAX);
    assert!(!there("busy"), "the next sweep takes it");
}

#[test]
fn a_room_that_nobody_may_write_goes_too() {
    let dir = tempfile::tempdir().unwrap();
    room(dir.path(), "old", Some(31 * DAY));
    let deep = dir.path().join("old/tree/deep");
    File::create(deep.join("module.go")).unwrap();
    fs::set_permissions(&deep, fs::Permissions::from_mode(0o555)).unwrap();
    sweep_rooms(dir.path(), UNUSED_MAX);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn mirrors_that_nobody_built_from_for_long_go_unless_they_are_in_use() {
    let dir = tempfile::tempdir().unwrap();
    for (name, ago) in [("old", 31 * DAY), ("busy", 31 * DAY), ("used", 29 * DAY)] {
        fs::create_dir_all(dir.path().join(format!("{name}.git/objects"))).unwrap();
        written(&dir.path().join(format!("{name}.lock")), 0, Some(ago));
    }
    let lock = File::open(dir.path().join("busy.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    sweep_mirrors(dir.path(), UNUSED_MAX);
    let there = |name: &str| dir.path().join(format!("{name}.git")).is_dir();
    assert_eq!(["old", "busy", "used"].map(there), [false, true, true]);
    assert!(!dir.path().join("old.git.gone").exists());
}
