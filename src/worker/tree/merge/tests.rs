use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::worker::protocol::WorkerJob;
use crate::worker::tests::{Bench, Outcome, Worker};

const SHOW: &str = "git log -1 --format='%P %an %at %s'; git rev-parse HEAD; ls | tr '\\n' ' '; git status --porcelain";

/// A base and a head that both began at "one", and what each script did to it since.
struct Branches {
    bench: Bench,
    head: String,
    base: String,
}

impl Branches {
    fn new(base: &str, head: &str) -> Branches {
        let bench = Bench::new();
        bench.sh("echo begin | tee a b; git add -A; git commit -qm begin");
        let commit = |branch: &str, script: &str| {
            bench.sh(&format!(
                "git checkout -q -b {branch} main; {script}\ngit add -A; git commit -qam {branch} || true"
            ));
            bench.sh("git rev-parse HEAD")
        };
        let (head, base) = (commit("topic", head), commit("base", base));
        Branches { bench, head, base }
    }

    fn job(&self, scripts: &[&str]) -> WorkerJob {
        let (sha, base_sha) = (self.head.clone(), Some(self.base.clone()));
        WorkerJob { sha, base_sha, ..self.bench.job(scripts) }
    }

    fn build(&self, scripts: &[&str]) -> Outcome {
        Worker::start(&self.job(scripts)).outcome()
    }
}

#[test]
fn a_merge_is_built_and_is_always_the_same() {
    let branches = Branches::new("echo base >a; echo new >of-base", "echo head >b; echo new >of-head");
    let scripts = [SHOW, "cat a b; echo $PILOTLIGHT_SHA; echo left >a; touch left"];
    let first = branches.build(&scripts);
    let Branches { head, base, .. } = &branches;
    let commit = first.log.lines().nth(2).unwrap_or_else(|| panic!("{}", first.log)).to_owned();
    let expected = format!(
        "Merged into main at {base}: HEAD is {commit}.\n{base} {head} pilotlight 946684800 Merge {head} into main\n\
         {commit}\na b file of-base of-head script base\nhead\n{head}\n"
    );
    assert_eq!((first.log.as_str(), &first.error), (expected.as_str(), &None));
    assert_eq!(branches.build(&scripts).log, expected, "in a tree that is used again");
    fs::remove_dir_all(branches.bench.path("room")).unwrap();
    assert_eq!(branches.build(&scripts).log, expected, "in a new one");
    let mut alone = branches.job(&["git rev-parse HEAD; git status --porcelain --ignored"]);
    alone.base_sha = None;
    assert_eq!(Worker::start(&alone).outcome().log, format!("{head}\n"), "the next build is of its head");
}

#[test]
fn a_conflict_names_its_files_and_runs_nothing() {
    let branches = Branches::new("echo base >a; git rm -q b", "echo head >a; echo head >b");
    for _ in 0..2 {
        let outcome = branches.build(&["echo ran"]);
        assert_eq!((outcome.error.as_deref(), outcome.ends.len()), (Some("conflict"), 0));
        let start = "These files are in conflict with main:\na\nb\n\n";
        assert!(outcome.log.starts_with(start), "{}", outcome.log);
        assert!(outcome.log.contains("CONFLICT (content): Merge conflict in a\n"), "{}", outcome.log);
        assert!(!outcome.log.contains("making it anew") && !outcome.log.contains("ran"), "{}", outcome.log);
    }
}

#[test]
fn what_needs_no_merge_is_built_as_it_is() {
    let table = [("true", "echo head >a"), ("echo base >a", "true"), ("true", "true")];
    for (base, head) in table {
        let branches = Branches::new(base, head);
        assert_eq!(branches.build(&["git rev-parse HEAD"]).log, format!("{}\n", branches.head));
    }
}

/// What would merge everything is in the tree that a stranger left, in both branches, in the repository's config.
#[test]
fn nobody_has_a_say_in_the_merge() {
    let attributes = "echo '* merge=union' >.gitattributes";
    let branches = Branches::new(&format!("echo base >a; {attributes}"), &format!("echo head >a; {attributes}"));
    let poison = "echo '* merge=union' | tee .gitattributes .git/info/attributes; \
                  git config merge.default union; git config merge.union.driver 'touch $HOME/pwned'; \
                  mkdir -p ~/.config/git; cp .gitattributes ~/.config/git/attributes; cp .git/config ~/.gitconfig; \
                  cp .gitattributes $TMPDIR/; git read-tree --empty";
    let mut poisoning = branches.job(&[poison]);
    poisoning.base_sha = None;
    assert_eq!(Worker::start(&poisoning).outcome().error, None);
    assert_eq!(branches.build(&["cat a"]).error.as_deref(), Some("conflict"));
    assert!(!branches.bench.path("room/home/pwned").exists());
}

#[test]
fn what_can_never_be_merged_is_said() {
    let branches = Branches::new("true", "true");
    let mut job = branches.job(&["true"]);
    let other = branches.bench.sh("git checkout -q --orphan other; git commit -qm other; git rev-parse HEAD");
    job.base_sha = Some(other);
    let outcome = Worker::start(&job).outcome();
    let why = "there is nothing to merge: the head and main have no history in common";
    assert_eq!((outcome.error.as_deref(), outcome.log.as_str()), (Some(why), ""));
    job.base_sha = Some("HEAD".to_owned());
    assert_eq!(Worker::start(&job).outcome().error.as_deref(), Some("“HEAD” is not the full sha of a commit"));
}

/// Before 2.38, `git merge-tree` knew no `--write-tree`.
#[test]
fn an_old_git_is_told_of() {
    let branches = Branches::new("echo base >a", "echo head >b");
    let (bin, path) = (branches.bench.path("bin"), std::env::var("PATH").unwrap());
    fs::create_dir(&bin).unwrap();
    let old = format!(
        "#!/bin/sh\nPATH={path}\ncase \"$*\" in *merge-tree*) \
         echo 'usage: git merge-tree <base-tree> <branch1> <branch2>' >&2; exit 129;; esac\nexec git \"$@\"\n"
    );
    fs::write(bin.join("git.new"), old).unwrap();
    fs::set_permissions(bin.join("git.new"), fs::Permissions::from_mode(0o755)).unwrap();
    // By another process: what we had open for writing, a fork of another test could keep busy.
    branches.bench.sh("cp ../bin/git.new ../bin/git");
    let path = format!("{}:{path}", bin.display()).into();
    let outcome = Worker::start_with(&branches.job(&["true"]), &path).outcome();
    let why = "test = \"merge\" needs git 2.38 or newer on the box: update git, or write test = \"head\"";
    assert_eq!(outcome.error.as_deref(), Some(why), "{}", outcome.log);
}
