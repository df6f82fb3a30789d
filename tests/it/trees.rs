//! What a build finds around it: exactly its head, in a tree that is used again, and no more environment than
//! the contract names.

use crate::support::payload::pull;
use crate::support::scene::{APP, Scene};

/// Shows the tree, then leaves it in a mess.
const MESS: &str = "echo head: $(git rev-parse HEAD); echo tree: $(stat -c %i .); echo status: $(git status --porcelain --ignored); \
    echo files: $(find . -path ./.git -prune -o -type f -print | sort); echo text: $(cat README.md); \
    echo dirt > untracked; mkdir -p target/deep; echo dirt > target/deep/ignored; echo changed >> README.md; \
    rm -f kept; git config core.pager dirt; git add --all; git update-index --assume-unchanged README.md; chmod -w target/deep";

#[track_caller]
fn line<'a>(log: &'a str, name: &str) -> &'a str {
    log.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name:?} in {log}")).trim()
}

#[test]
fn the_tree_is_used_again_and_is_exactly_the_head_each_time() {
    let scene = Scene::new(&[("test", MESS)]);
    let mut inodes = Vec::new();
    for number in 1..=3 {
        let text = format!("Text {number}\n");
        let sha = scene.commit(number, &[(".gitignore", "target\n"), ("README.md", &text), ("kept", "")]);
        let id = scene.accepted(pull("opened", APP, number, &sha, 0));
        scene.shown(&sha, "test", "success");
        let log = scene.log(id);
        assert_eq!(line(&log, "head:"), sha);
        assert_eq!(line(&log, "status:"), "", "{log}");
        assert_eq!(line(&log, "files:"), "./.gitignore ./README.md ./kept");
        assert_eq!(line(&log, "text:"), text.trim());
        inodes.push(line(&log, "tree:").to_owned());
    }
    inodes.dedup();
    assert_eq!(inodes.len(), 1, "one tree was used for all");
}

#[test]
fn what_is_checked_out_is_the_sha_of_the_status_whatever_the_branch_says() {
    let scene = Scene::new(&[("test", "echo built $(git rev-parse HEAD) of $PILOTLIGHT_SHA")]);
    let old = scene.commit(1, &[]);
    let new = scene.commit(1, &[]);
    // The branch has moved on before its first delivery arrives.
    scene.accepted(pull("opened", APP, 1, &old, 0));
    scene.shown(&old, "test", "success");
    assert!(scene.log(1).contains(&format!("\nbuilt {old} of {old}\n")), "{}", scene.log(1));
    scene.accepted(pull("synchronize", APP, 1, &new, 1));
    scene.shown(&new, "test", "success");
    assert!(scene.log(2).contains(&format!("\nbuilt {new} of {new}\n")), "{}", scene.log(2));
}

#[test]
fn the_environment_is_the_contracts_and_nothing_else() {
    let scene = Scene::new(&[("pilotlight/env", "tr '\\0' '\\n' < /proc/$$/environ; echo; echo cwd: $PWD")]);
    let sha = scene.commit(7, &[]);
    let odd = "feature/$(touch owned);`id`";
    let id = scene.accepted(pull("opened", APP, 7, &sha, 0).with("/pull_request/head/ref", odd));
    scene.shown(&sha, "pilotlight/env", "success");
    let log = scene.log(id);
    let mut found: Vec<_> = log.lines().filter_map(|line| line.split_once('=')).collect();
    found.sort_unstable();
    let value = |name: &str| found.iter().find(|(n, _)| *n == name).map(|(_, value)| *value).unwrap_or_default();
    let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
    let expected = "CI HOME LANG PATH PILOTLIGHT PILOTLIGHT_BASE_REF PILOTLIGHT_BUILD_ID PILOTLIGHT_CACHE_DIR \
        PILOTLIGHT_CONTEXT PILOTLIGHT_HEAD_REF PILOTLIGHT_PULL_REQUEST PILOTLIGHT_REPOSITORY PILOTLIGHT_SHA TMPDIR";
    assert_eq!(names.join(" "), expected);
    let table = [
        ("CI", "true"),
        ("PILOTLIGHT", "true"),
        ("PILOTLIGHT_BASE_REF", "main"),
        ("PILOTLIGHT_BUILD_ID", "1"),
        ("PILOTLIGHT_CONTEXT", "pilotlight/env"),
        ("PILOTLIGHT_HEAD_REF", odd),
        ("PILOTLIGHT_PULL_REQUEST", "7"),
        ("PILOTLIGHT_REPOSITORY", APP),
        ("PILOTLIGHT_SHA", sha.as_str()),
        ("PATH", &std::env::var("PATH").expect("a PATH")),
    ];
    for (name, expected) in table {
        assert_eq!(value(name), expected, "{name}");
    }
    let cache = scene.daemon.room.path("cache").display().to_string();
    for directory in ["HOME", "TMPDIR", "PILOTLIGHT_CACHE_DIR"] {
        assert!(value(directory).starts_with(&cache), "{directory}: {}", value(directory));
    }
    assert!(line(&log, "cwd:").starts_with(&cache), "{log}");
}
