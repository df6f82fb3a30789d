use std::os::fd::AsFd;

use tempfile::TempDir;

use super::*;
use crate::builder::git::tests::{bare, failed, soon};
use crate::builder::tests::{Origin, git, job};

struct Bench {
    state: TempDir,
    origin: Origin,
    mirror: Mirror,
}

impl Bench {
    fn new() -> Bench {
        let state = TempDir::new().unwrap();
        let mirror = Mirror::new(state.path(), "acme/app");
        Bench { state, origin: Origin::new(), mirror }
    }

    /// Fetches pull request 7 at `sha`; the gist of what git says when that fails.
    fn fetch(&self, sha: &str) -> Result<(), String> {
        self.fetch_from(&self.origin.url(), sha)
    }

    fn fetch_from(&self, url: &str, sha: &str) -> Result<(), String> {
        match self.try_fetch(url, sha) {
            Ok(_) => {
                assert_eq!(self.git(&["cat-file", "-t", sha]).as_deref(), Some("commit"));
                Ok(())
            }
            failed_so => Err(gist(&failed(failed_so))),
        }
    }

    fn try_fetch(&self, url: &str, sha: &str) -> Result<Fetched, Failure> {
        let (cancel, _keep) = std::io::pipe().unwrap();
        let job = job(url.to_owned(), sha.to_owned());
        self.mirror.fetch(&bare(None, ""), &job, soon(cancel.as_fd(), 60_000))
    }

    fn git(&self, args: &[&str]) -> Option<String> {
        git(self.mirror.path(), args, "")
    }

    fn head(&self) -> Option<String> {
        self.git(&["rev-parse", "refs/pull/7/head"])
    }
}

#[test]
fn a_head_is_fetched_by_its_sha_and_keeps_a_ref() {
    let bench = Bench::new();
    let first = bench.origin.push(7, "one");
    bench.fetch(&first).unwrap();
    assert_eq!(bench.head(), Some(first.clone()));
    // Pushed over before it was fetched: the payload's sha counts, not what the ref says by now.
    let second = bench.origin.push(7, "two");
    bench.origin.push(7, "three");
    let fetched = bench.try_fetch(&bench.origin.url(), &second).unwrap();
    let said = fetched.said;
    assert!(said.contains("refs/pull/7/head") && !said.contains("warning"), "{said}");
    assert_eq!(bench.head(), Some(second));
    let config = fs::read_to_string(bench.mirror.path().join("config")).unwrap();
    assert!(!config.contains("remote") && !bench.mirror.path().join("FETCH_HEAD").exists(), "{config}");
    assert!(!bench.mirror.path().join("hooks").exists());
}

#[test]
fn what_is_there_is_asked_of_nobody() {
    let bench = Bench::new();
    let sha = bench.origin.push(7, "one");
    bench.fetch(&sha).unwrap();
    bench.fetch_from("file:///nowhere", &sha).unwrap();
    let error = bench.fetch_from("file:///nowhere", &"1".repeat(40)).unwrap_err();
    assert_eq!(error, "'/nowhere' does not appear to be a git repository");
}

#[test]
fn a_head_that_is_published_late() {
    let bench = Bench::new();
    bench.fetch(&bench.origin.push(7, "one")).unwrap();
    let sha = git(Origin::new().dir.path(), &["hash-object", "-t", "commit", "--stdin", "--literally"], "x").unwrap();
    let error = bench.fetch(&sha).unwrap_err();
    assert!(error.ends_with(&format!("upload-pack: not our ref {sha}")), "{error}");
    // The commit is there before its ref is.
    bench.fetch(&bench.origin.commit("late")).unwrap();
}

#[test]
fn a_broken_mirror_is_made_anew() {
    type Damage = fn(&Path);
    let table: [(&str, Damage); 7] = [
        ("HEAD is empty", |m| fs::write(m.join("HEAD"), "").unwrap()),
        ("HEAD is gone", |m| fs::remove_file(m.join("HEAD")).unwrap()),
        ("config is garbage", |m| fs::write(m.join("config"), "\0\0\0[").unwrap()),
        ("a ref is empty", |m| fs::write(m.join("refs/pull/7/head"), "").unwrap()),
        ("a ref names nothing", |m| fs::write(m.join("refs/pull/7/head"), "1".repeat(40)).unwrap()),
        ("objects are gone", |m| fs::remove_dir_all(m.join("objects")).unwrap()),
        ("it is a file", |m| {
            fs::remove_dir_all(m).unwrap();
            fs::write(m, "").unwrap();
        }),
    ];
    for (what, damage) in table {
        let bench = Bench::new();
        bench.fetch(&bench.origin.push(7, "one")).unwrap();
        damage(bench.mirror.path());
        assert_eq!(bench.fetch(&bench.origin.push(7, "two")), Ok(()), "{what}");
        assert!(bench.git(&["fsck"]).is_some(), "{what}");
    }
}

#[test]
fn an_object_lost_to_a_power_cut() {
    let bench = Bench::new();
    let first = bench.origin.push(7, "one");
    bench.fetch(&first).unwrap();
    let object = bench.mirror.path().join("objects").join(&first[..2]).join(&first[2..]);
    fs::remove_file(&object).unwrap();
    fs::write(&object, "").unwrap();
    bench.fetch(&bench.origin.push(7, "two")).unwrap();
    assert!(bench.git(&["fsck"]).is_some());
}

#[test]
fn a_sound_mirror_survives_a_remote_that_fails() {
    let bench = Bench::new();
    bench.fetch(&bench.origin.push(7, "one")).unwrap();
    let marker = bench.mirror.path().join("marker");
    fs::write(&marker, "").unwrap();
    let late = bench.origin.push(7, "two");
    // It is the remote's object that is damaged, in words that might be about ours.
    let object = bench.origin.dir.path().join("objects").join(&late[..2]).join(&late[2..]);
    fs::remove_file(&object).unwrap();
    fs::write(&object, "").unwrap();
    let said = failed(bench.try_fetch(&bench.origin.url(), &late));
    assert!(hints_at_damage(&said), "{said}");
    assert!(marker.exists());
    // It was read, and is not read again for such words; but for long.
    fs::remove_dir_all(bench.mirror.path().join("objects")).unwrap();
    let (cancel, _keep) = std::io::pipe().unwrap();
    let mend = |mirror: &Mirror| mirror.mend(&bare(None, ""), soon(cancel.as_fd(), 60_000)).unwrap();
    assert!(!mend(&bench.mirror) && marker.exists());
    bench.mirror.sound_at.set(Instant::now().checked_sub(SOUND_MAX));
    assert!(mend(&bench.mirror) && !marker.exists());
}

#[test]
fn what_a_power_cut_left_is_cleared_away() {
    let bench = Bench::new();
    bench.fetch(&bench.origin.push(7, "one")).unwrap();
    fs::write(bench.mirror.path().join("refs/pull/7/head.lock"), "").unwrap();
    bench.fetch(&bench.origin.push(7, "two")).unwrap();

    let bench = Bench::new();
    let unfinished = bench.mirror.path().with_extension("new");
    fs::create_dir_all(unfinished.join("objects")).unwrap();
    fs::write(unfinished.join("config"), "[").unwrap();
    bench.fetch(&bench.origin.push(7, "one")).unwrap();
    assert!(!unfinished.exists());
}

#[test]
fn one_fetch_at_a_time() {
    let bench = Bench::new();
    let sha = bench.origin.push(7, "one");
    bench.fetch(&sha).unwrap();
    let other = File::open(bench.state.path().join("mirrors/acme__app.lock")).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    let job = job(bench.origin.url(), sha);
    let (cancel, keep) = std::io::pipe().unwrap();
    let said = failed(bench.mirror.fetch(&bare(None, ""), &job, soon(cancel.as_fd(), 120)));
    assert_eq!(said, "another fetch of this repository does not end");
    drop(keep);
    let done = bench.mirror.fetch(&bare(None, ""), &job, soon(cancel.as_fd(), 60_000));
    assert!(matches!(done, Err(Failure::Cancelled)), "{done:?}");
}

#[test]
fn upkeep_comes_when_much_has_piled_up() {
    let bench = Bench::new();
    let sha = bench.origin.push(7, "one");
    bench.fetch(&sha).unwrap();
    assert!(bench.mirror.tidy(&bare(None, "")).is_none());
    bench.git(&["repack", "-d"]).unwrap();
    let packs = bench.mirror.path().join("objects/pack");
    let pack = fs::read_dir(&packs).unwrap().map(|entry| entry.unwrap().path());
    for file in pack.collect::<Vec<_>>() {
        let kind = file.extension().unwrap().to_str().unwrap();
        for n in 0..=PACKS_MAX {
            fs::copy(&file, packs.join(format!("pack-{n:040}.{kind}"))).unwrap();
        }
    }
    bench.mirror.tidy(&bare(None, "")).unwrap().join().unwrap();
    assert_eq!(files(&packs, Some("pack")), 1);
    assert_eq!(bench.head(), Some(sha));
    assert!(bench.mirror.tidy(&bare(None, "")).is_none());
}

#[test]
fn the_tip_of_the_base_comes_beside_the_head() {
    let bench = Bench::new();
    let main = |text: &str| {
        let sha = bench.origin.commit(text);
        git(bench.origin.dir.path(), &["update-ref", "refs/heads/main", &sha], "").unwrap();
        sha
    };
    let head = bench.origin.push(7, "head");
    let fetch = |base_ref: &str| {
        let (cancel, _keep) = std::io::pipe().unwrap();
        let job = Job { base_ref: base_ref.to_owned(), tested: Tested::Merge, ..job(bench.origin.url(), head.clone()) };
        let fetched = bench.mirror.fetch(&bare(None, ""), &job, soon(cancel.as_fd(), 60_000));
        fetched.map(|fetched| fetched.base_sha)
    };
    let gist_of = |base_ref: &str| gist(&failed(fetch(base_ref)));
    assert_eq!(gist_of("main"), "couldn't find remote ref refs/heads/main");
    for text in ["one", "two"] {
        let tip = main(text);
        let lock = bench.mirror.path().join("refs/pull/7/base.lock");
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        fs::write(lock, "").unwrap();
        assert_eq!(fetch("main").unwrap(), Some(tip.clone()), "it moves while the head stays");
        assert_eq!((bench.head(), bench.git(&["rev-parse", "refs/pull/7/base"])), (Some(head.clone()), Some(tip)));
    }
    for odd in ["main:refs/pull/9/head", "*", "no such"] {
        assert!(fetch(odd).is_err(), "{odd}");
    }
    assert_eq!(gist_of("main:refs/pull/9/head"), "main:refs/pull/9/head is no name of a branch");
    assert_eq!(bench.git(&["rev-parse", "--verify", "refs/pull/9/head"]), None);
}
