use tempfile::TempDir;

use super::super::tests::{Bench, Worker};
use super::*;

const DAY: i64 = 24 * 3600;

#[test]
fn the_unused_and_the_least_used_go() {
    let entry = |path: &str, bytes, days| Entry { path: path.into(), bytes, used_at: days * DAY };
    let all = || vec![entry("new", 50, 100), entry("old", 10, 69), entry("middle", 30, 90), entry("kept", 1, 70)];
    let table: [(u64, &[&str]); 6] = [
        (1000, &["old"]),
        (81, &["old"]),
        (80, &["old", "kept"]),
        (79, &["old", "kept", "middle"]),
        (49, &["old", "kept", "middle", "new"]),
        (0, &["old", "kept", "middle", "new"]),
    ];
    for (bytes_max, expected) in table {
        let gone: Vec<_> = surplus(all(), bytes_max, 100 * DAY).collect();
        assert_eq!(gone, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{bytes_max}");
    }
}

#[test]
fn an_entry_is_as_large_and_as_young_as_all_below_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("entry");
    fs::create_dir_all(path.join("deep")).unwrap();
    std::os::unix::fs::symlink("/", path.join("root")).unwrap();
    fs::write(path.join("deep/file"), vec![1; 100_000]).unwrap();
    let file = File::open(path.join("deep/file")).unwrap();
    let soon = SystemTime::now() + Duration::from_secs(1000);
    file.set_times(fs::FileTimes::new().set_accessed(soon).set_modified(SystemTime::UNIX_EPOCH)).unwrap();
    let found = measure(path);
    assert!((100_000..1_000_000).contains(&found.bytes), "{}", found.bytes);
    let soon = soon.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert_eq!(found.used_at, soon);
}

/// A file system of 64 MiB, if this user may mount one, and the bench's room on it.
struct Mounted(Bench);

impl Mounted {
    fn new() -> Option<Mounted> {
        let bench = Bench::new();
        bench.sh("mkdir ../room");
        let mut mount = std::process::Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(bench.path("room")).output().unwrap();
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr);
            let words = format!("NOT RUN: a small disk, as none can be mounted: {why}");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
        }
        mounted.status.success().then_some(Mounted(bench))
    }

    fn left(&self) -> String {
        self.0.sh("cd ../room; find . -mindepth 1 -maxdepth 2 | sort | tr '\\n' ' '")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.0.path("room")).status();
    }
}

#[test]
fn a_cache_that_is_too_large_loses_its_oldest_once_a_day() {
    let Some(mounted) = Mounted::new() else { return };
    // A tenth of the disk, which is the limit here, are 6.4 MiB.
    let fill = "cd ../cache; mkdir -p old/x ../home/.new; head -c 4M /dev/zero >old/x/y; chmod 555 old
        until touch t; [ $(stat -c %Z t) -gt $(stat -c %Z old) ]; do :; done; head -c 4M /dev/zero >../home/.new/z";
    let first = mounted.0.build(&[fill]);
    assert_eq!((first.error, &first.ends[0]), (None, &crate::logic::build::CheckEnd::Exited(0)));
    let left = mounted.left();
    assert!(!left.contains("./cache/old ") && !left.contains("./gone"), "{left}");
    assert!(left.contains("./cache/t ") && left.contains("./home/.new ") && left.contains("./tree/file "), "{left}");

    mounted.0.build(&[fill]);
    assert!(mounted.left().contains("./cache/old "), "the next look is tomorrow");
    mounted.0.build(&["touch -d '25 hours ago' ../looked"]);
    assert!(!mounted.left().contains("./cache/old "));
    mounted.0.build(&[fill, "touch -d '1000 hours' ../looked"]);
    assert!(!mounted.left().contains("./cache/old "), "nothing holds it off for ever");
}

#[test]
fn a_full_disk_empties_the_room() {
    let Some(mounted) = Mounted::new() else { return };
    let outcome = mounted.0.build(&["head -c 70M /dev/zero >../cache/all", "true"]);
    assert_eq!(outcome.ends.len(), 2);
    assert_eq!(mounted.left(), "./lock");
    let mut job = mounted.0.job(&["head -c 70M /dev/zero >../cache/all; echo full; exec sleep 1000"]);
    job.build = 8;
    let mut worker = Worker::start(&job);
    worker.line("full");
    worker.stop();
    assert_eq!(mounted.left(), "./lock", "also where the build was ended");
    assert_eq!(mounted.0.build(&["cat file"]).log, "one\n");
}

#[test]
fn a_stranger_finds_nothing_and_leaves_nothing() {
    let bench = Bench::new();
    let mut job = bench.job(&[
        "test -z \"$(ls -A ../home ../cache ../tmp | grep -v :)\" && ls -A .. | sort | tr '\\n' ' '",
        "cd ..; touch home/x cache/x tmp/x tree/x y; ln -s / z; mkdir -p gone/a; chmod 0 gone; ln lock other",
        "mkdir -p ../cache/a/b; chmod 0 ../cache/a ../cache; ln -f ../lock ../home/lock",
    ]);
    job.fresh = true;
    for _ in 0..3 {
        let outcome = Worker::start(&job).outcome();
        assert_eq!((outcome.error, outcome.ends.len()), (None, 3));
        assert_eq!(outcome.log, "built cache home index lock tmp tree ");
        assert_eq!(bench.sh("ls -A ../room"), "lock");
    }
}
