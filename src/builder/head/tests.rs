use std::os::fd::AsFd;

use tempfile::TempDir;

use super::*;
use crate::builder::git::tests::{bare, soon};
use crate::builder::tests::{Origin, git, job};

struct Bench {
    _state: TempDir,
    origin: Origin,
    mirror: Mirror,
}

impl Bench {
    fn new() -> Bench {
        let state = TempDir::new().unwrap();
        let mirror = Mirror::new(state.path(), "acme/app");
        Bench { _state: state, origin: Origin::new(), mirror }
    }

    fn git(&self, args: &[&str], input: &str) -> String {
        git(self.origin.dir.path(), args, input).unwrap()
    }

    /// A commit of this tree (as `git mktree` reads it) with this message.
    fn commit(&self, entries: &str, message: &str) -> String {
        let tree = self.git(&["mktree", "--missing"], entries);
        self.git(&["commit-tree", &tree], message)
    }

    fn blob(&self, text: &str) -> String {
        self.git(&["hash-object", "-w", "--stdin"], text)
    }

    /// Fetches that head and reads it.
    fn read(&self, sha: &str, change: impl Fn(&mut Job)) -> Option<BuildNews> {
        let (cancel, _keep) = std::io::pipe().unwrap();
        let watch = || soon(cancel.as_fd(), 60_000);
        let mut job = job(self.origin.url(), sha.to_owned());
        change(&mut job);
        let git = bare(None, "");
        self.mirror.fetch(&git, &job, watch()).unwrap();
        let understand = |text: &str, stranger: bool| Err(format!("{text:?} {stranger}"));
        read(&git, &self.mirror, &job, understand, watch()).unwrap()
    }

    fn read_file(&self, entries: &str) -> Result<Vec<CheckPolicy>, String> {
        match self.read(&self.commit(entries, "Change [skip ci]"), |job| job.reads_checks = true) {
            Some(BuildNews::Named { checks }) => checks,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_asks_for_no_build() {
    let table = [
        ("Fix it [skip ci]", Some("[skip ci]")),
        ("Fix it\n\nIn the body: [CI Skip], in any case.\n", Some("[ci skip]")),
        ("[no ci] Fix it", Some("[no ci]")),
        ("Fix it\n\n[skip actions]", Some("[skip actions]")),
        ("Fix it\n\n[actions skip]\n\nSigned-off-by: Ada", Some("[actions skip]")),
        ("Fix it\n\nSigned-off-by: Ada\nskip-checks: true\n\n", Some("skip-checks: true")),
        ("Fix it\n\n\nSkip-Checks:true", Some("skip-checks: true")),
        ("Fix it\r\n\r\n\r\nskip-checks: true\r\n", Some("skip-checks: true")),
        ("Fix it\n\nskip-checks: true\n\nNo, do not.", None),
        ("Fix it\n\nskip-checks: false", None),
        ("Fix it\n\nno-skip-checks: true", None),
        ("Skip CI where nothing changed", None),
        ("[skip  ci] [skipci] (skip ci)", None),
        ("", None),
    ];
    for (message, expected) in table {
        let commit = format!("tree 1\nauthor [skip ci] <a@b> 1 +0000\ngpgsig x\n [no ci]\n \n y\n\n{message}");
        assert_eq!(marker(&commit), expected, "{message:?}");
    }
    assert_eq!(marker("tree 1\nauthor [skip ci]"), None);
}

#[test]
fn a_message_is_heard_where_that_is_allowed() {
    let bench = Bench::new();
    let skips = bench.commit("", "Fix it\n\n[skip ci]");
    let marker = "[skip ci]";
    assert_eq!(bench.read(&skips, |job| job.may_skip = true), Some(BuildNews::Skipped { marker }));
    assert_eq!(bench.read(&skips, |_| {}), None);
    assert_eq!(bench.read(&bench.commit("", "Fix it"), |job| job.may_skip = true), None);
    let hidden = bench.commit("", &format!("Fix it{}[skip ci]", " ".repeat(COMMIT_BYTES_MAX)));
    assert_eq!(bench.read(&hidden, |job| job.may_skip = true), None, "bounded");
    let both = |job: &mut Job| (job.may_skip, job.reads_checks) = (true, true);
    assert_eq!(bench.read(&skips, both), Some(BuildNews::Skipped { marker }), "before the file");
    // Latin 1, as some editors have it.
    let tree = bench.git(&["mktree"], "");
    let commit = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\nencoding latin1\n\n");
    let path = bench.origin.dir.path().join("raw");
    std::fs::write(&path, [commit.as_bytes(), b"Pr\xfcfen [skip ci]"].concat()).unwrap();
    let sha = bench.git(&["hash-object", "-t", "commit", "-w", "raw"], "");
    assert_eq!(bench.read(&sha, |job| job.may_skip = true), Some(BuildNews::Skipped { marker }));
}

#[test]
fn what_the_file_of_a_head_may_be() {
    let bench = Bench::new();
    let text = bench.blob("[[check]]\n");
    let heard = |text: &str| Err(format!("{text:?} false"));
    assert_eq!(bench.read_file(""), Ok(vec![]));
    assert_eq!(bench.read_file(&format!("100644 blob {text}\tpilotlight.toml\n")), Ok(vec![]));
    for mode in ["100644", "100755"] {
        assert_eq!(bench.read_file(&format!("{mode} blob {text}\t{FILE}\n")), heard("[[check]]\n"));
    }
    let no_file = format!("{FILE} is a symlink, a directory or a submodule: make it a file");
    let target = bench.blob("/etc/passwd");
    let directory = bench.git(&["mktree"], &format!("100644 blob {text}\t{FILE}\n"));
    let others = [("120000 blob", &target), ("040000 tree", &directory), ("160000 commit", &"1".repeat(40))];
    for (kind, id) in others {
        assert_eq!(bench.read_file(&format!("{kind} {id}\t{FILE}\n")), Err(no_file.clone()), "{kind}");
    }
    let largest = "#".repeat(FILE_BYTES_MAX);
    let of = |text: &str| bench.read_file(&format!("100644 blob {}\t{FILE}\n", bench.blob(text)));
    assert_eq!(of(&largest), heard(&largest));
    assert_eq!(of(&format!("{largest}#")), Err(format!("{FILE} has 65537 bytes: 65536 is the most")));
    assert_eq!(of(""), heard(""));
    std::fs::write(bench.origin.dir.path().join("raw"), b"\xff\xfe").unwrap();
    let raw = bench.git(&["hash-object", "-w", "raw"], "");
    assert_eq!(bench.read_file(&format!("100644 blob {raw}\t{FILE}\n")), Err(format!("{FILE} is not UTF-8")));
}

#[test]
fn whose_file_it_is_is_passed_on() {
    let bench = Bench::new();
    let sha = bench.commit(&format!("100644 blob {}\t{FILE}\n", bench.blob("x")), "");
    let checks = Err("\"x\" true".to_owned());
    let news = bench.read(&sha, |job| (job.reads_checks, job.stranger) = (true, true));
    assert_eq!(news, Some(BuildNews::Named { checks }));
}
