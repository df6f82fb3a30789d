use std::fs;

use super::super::tests::{Bench, Worker};
use crate::logic::build::CheckEnd;

/// What a tree looks like, to the eye and to git.
const LOOK: &str = "find . -path ./.git -prune -o -printf '%p %y %l\\n' | LC_ALL=C sort
    find . -path ./.git -prune -o -type f -printf '%m ' -exec cat {} +
    stat -c '%n %a' ../home ../cache ../tmp
    git rev-parse HEAD; git status --porcelain --ignored; git ls-files -v; git for-each-ref
    find .git -type f | LC_ALL=C sort; cat .git/config";

/// What a build could leave behind. `$V` is a directory outside of the room.
const POISONS: &[&str] = &[
    "true",
    "echo bad >file; touch untracked; mkdir -p deep/er; touch deep/er/x",
    "git update-index --assume-unchanged file; echo bad >file",
    "git update-index --skip-worktree file; echo bad >file",
    "git update-index --split-index; echo bad >file; git add file; git update-index --split-index",
    "git sparse-checkout set --cone deep; git sparse-checkout set --no-cone /script",
    "git sparse-checkout set --sparse-index deep",
    "echo 'touch $HOME/pwned' >$HOME/x; chmod +x $HOME/x; git config core.fsmonitor $HOME/x; git update-index --fsmonitor; echo bad >file",
    "git update-index --fsmonitor-valid file; git config core.fsmonitor true; echo bad >file",
    "git update-index --force-write-index --untracked-cache; git status; touch untracked",
    "cp -p file ../home/ref; echo bad >file; touch -r ../home/ref file",
    "git rm -q --cached file; git commit -qm x; git checkout -qb other; git tag v1; git stash",
    "git read-tree --empty; echo bad >file",
    "printf '#!/bin/sh\\ntouch $HOME/pwned' >.git/hooks/post-checkout; chmod +x .git/hooks/*; cp .git/hooks/* .git/hooks/post-index-change",
    "git config core.hooksPath $HOME; cp .git/config $HOME/.gitconfig; printf '#!/bin/sh\\ntouch $HOME/pwned' >$HOME/post-checkout; chmod +x $HOME/*",
    "git config filter.x.smudge 'touch $HOME/pwned; tr a-z A-Z'; echo '* filter=x' >.git/info/attributes; cp .git/config ~/.gitconfig",
    "mkdir -p ~/.config/git; echo '* text eol=crlf' >~/.config/git/attributes; echo '*' >~/.config/git/ignore",
    "echo left >left; echo left >.git/info/exclude; git config core.excludesFile /dev/null",
    "git config core.worktree $V; git config core.bare true",
    "git config extensions.worktreeConfig true; git config --worktree core.sparseCheckout true; echo x >.git/info/sparse-checkout",
    "git config include.path $V/kept; git config alias.checkout '!touch $HOME/pwned'",
    "touch .git/index.lock .git/HEAD.lock .git/config.lock ../index.lock",
    "git replace -f $(git rev-parse HEAD:file) $(echo bad | git hash-object -w --stdin); rm file",
    "echo bad >bad; b=$(git hash-object -w bad); for f in file script; do o=$(git rev-parse HEAD:$f); mkdir -p .git/objects/${o%??????????????????????????????????????}; cp .git/objects/${b%??????????????????????????????????????}/${b#??} .git/objects/${o%??????????????????????????????????????}/${o#??}; done; rm file",
    "git rev-parse HEAD >.git/shallow; echo $V >.git/commondir",
    "rm -rf .git",
    "rm -rf .git; echo \"gitdir: $V\" >.git",
    "rm -rf $V/git; mv .git $V/git; ln -s $V/git .git; git config core.fsmonitor 'touch $HOME/pwned'",
    "rm -rf .git; mkfifo .git",
    "echo junk >.git/HEAD; echo junk >.git/config; echo junk >.git/index; rm -r .git/refs",
    "mkdir -p .git/rebase-merge .git/worktrees/x .git/modules/y; echo x >.git/MERGE_HEAD; chmod 0 .git/worktrees",
    "git init -q nested; touch nested/x; git init -q --bare bare",
    "echo bad >sub/stale; git -C sub init -q; rm -rf deep/sub2; ln -s $V deep/sub2",
    "rm -r sub; touch sub; rm -rf deep",
    "chmod 0 deep; chmod 555 .",
    "until touch ~/t; [ $(stat -c %Z ~/t) -gt $(stat -c %Z script) ]; do :; done; chmod 777 script; chmod 0 file",
    "mkdir -p u/v; touch u/v/w; chmod 0 u/v u; mkdir -p deep/x/y; chmod 0 deep/x/y",
    "rm file; mkdir -p file/x; rm -rf deep; touch deep",
    "rm file; ln -s $V/kept file; rm -rf deep; ln -s $V deep",
    "rm file; mkfifo file; mkfifo pipe; ln -s / slash; ln -s . loop",
    "touch \"$(printf 'new\\nline')\" -- --help ' ' '*'; ln $V/kept linked",
    "n=$(printf 'deep/%.0s' $(seq 100)); for i in $(seq 11); do mkdir -p $n && cd -P $n || exit 1; done",
    "cd ../tmp; n=$(printf 'd%.0s/' $(seq 100)); for i in $(seq 11); do mkdir -p $n && cd -P $n || exit 1; done; chmod 0 .",
    "cd ..; rm -rf $V/tree; mv tree $V/tree; ln -s $V/tree tree",
    "cd ..; rm -rf tree; touch tree",
    "cd ..; chmod 0 tree tmp cache home; rm -rf tmp; chmod 0 .",
    "cd ..; rm -rf tmp home cache; ln -s $V tmp; ln -s $V home; mkfifo cache",
    "cd ..; rm lock; ln -s $V/kept lock",
    "cd ..; rm lock; mkdir -p lock/x",
    "cd ..; rm lock; mkfifo lock",
    "cd ..; echo junk >index",
    "cd ..; : >index; touch index.lock",
    "cd ..; rm index; mkdir index",
    "cd ..; mv index $V/index; ln -s $V/index index",
];

/// Two commits with a submodule, so that going from one to the other has something to do.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.sh(
        "mkdir -p deep/dir; echo a >deep/dir/a; chmod +x script; ln -s file link; echo ignored >.gitignore; git add -A
        git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub --cacheinfo 160000,$(git rev-parse HEAD),deep/sub2
        git commit -qm two; echo three >other; git rm -q link; git add other; git commit -qm three
        mkdir ../outside; echo kept >../outside/kept",
    );
    bench
}

#[test]
fn a_poisoned_tree_comes_out_as_a_new_one() {
    let bench = bench();
    let look = bench.job(&[LOOK]);
    let fresh = Worker::start(&look).outcome();
    assert!(fresh.log.contains("./other f \n") && fresh.log.contains("\nH other\n"), "{}", fresh.log);
    assert!(fresh.log.contains("./sub d \n") && !fresh.log.contains("./link"), "{}", fresh.log);
    for poison in POISONS {
        let script = format!("V={}; export V; {poison}", bench.path("outside").display());
        for at in ["HEAD", "HEAD~1"] {
            let mut poisoning = bench.job(&[&script]);
            poisoning.sha = bench.sh(&format!("git rev-parse {at}"));
            let poisoned = Worker::start(&poisoning).outcome();
            assert_eq!(poisoned.error, None, "{poison}");
            let _ = fs::remove_file(bench.path("room/home/pwned")); // by the build's own git
            let mut reused = Worker::start(&look).outcome();
            assert_eq!((&reused.error, &reused.ends), (&None, &fresh.ends), "{poison}: {}", reused.log);
            if let Some(("", rest)) = reused.log.split_once("The tree could not be used again") {
                reused.log = rest[rest.find("making it anew.\n").unwrap() + 16..].into();
            }
            assert!(reused.log.ends_with(&fresh.log), "{poison}\n{}\nnot\n{}", reused.log, fresh.log);
            assert!(!bench.path("room/home/pwned").exists(), "{poison}");
            assert_eq!(fs::read_to_string(bench.path("outside/kept")).unwrap(), "kept\n", "{poison}");
            let _ = fs::remove_dir_all(bench.path("room/home"));
        }
    }
}

#[test]
fn a_reused_tree_keeps_unchanged_files() {
    let bench = bench();
    let inodes = "stat -c '%n %i %Y %Z' file deep/dir/a";
    let first = bench.build(&[inodes, "touch untracked"]);
    bench.sh("echo four >other; git commit -qam four");
    let second = bench.build(&[inodes, "cat other; test ! -e untracked"]);
    assert_eq!(second.log, first.log + "four\n");
    assert_eq!(second.ends, [CheckEnd::Exited(0), CheckEnd::Exited(0)]);
}

#[test]
fn the_mirror_is_never_written_to() {
    let bench = bench();
    let state = "find .git -printf '%p %T@ %C@\\n' | sort";
    let before = bench.sh(state);
    bench
        .build(&["echo x >file; git add file; git -c user.name=t -c user.email=t@example.com commit -qm x; git gc -q"]);
    bench.build(&["git checkout -q -b other; git tag x; git repack -adq; git prune"]);
    assert_eq!(bench.sh(state), before);
}

#[test]
fn git_in_a_check_sees_the_commit() {
    let bench = bench();
    let outcome = bench.build(&["git log --format=%s | tr '\\n' ' '; git status --porcelain; git diff-files --quiet"]);
    assert_eq!((outcome.log.as_str(), &outcome.ends[..]), ("three two one ", &[CheckEnd::Exited(0)][..]));
}

#[test]
fn filters_of_the_head_run_nothing_and_what_is_in_lfs_stays_a_pointer() {
    let bench = Bench::new();
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345", "1a".repeat(32));
    bench.sh(&format!(
        "echo '*.bin filter=lfs diff=lfs merge=lfs -text' >.gitattributes; echo '* filter=evil' >>.gitattributes
        printf '[filter \"evil\"]\\nsmudge = touch ../home/pwned\\n' >.gitconfig; printf '%s\\n' '{pointer}' >big.bin
        printf '[lfs]\\nurl = http://127.0.0.1:9/\\n' >.lfsconfig; git add -A; git commit -qm lfs"
    ));
    let outcome = bench.build(&["cat big.bin; git status --porcelain; git remote get-url origin"]);
    let origin = format!("file://{}", bench.path("repo").display());
    assert!(
        outcome.log.starts_with("Note: .gitattributes names Git LFS. Its files are not fetched"),
        "{}",
        outcome.log
    );
    assert!(outcome.log.ends_with(&format!("(README, Git LFS).\n{pointer}\n{origin}\n")), "{}", outcome.log);
    assert_eq!((outcome.error, &outcome.ends[..]), (None, &[CheckEnd::Exited(0)][..]));
    assert!(!bench.path("room/home/pwned").exists());
}
