use std::io::Write;
use std::net::TcpListener;

use super::super::tests::{Bench, Worker};
use super::*;

/// A repository `repo` with the submodule `lib`, whose own submodule is `deep`; both are bare beside it.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.sh("for name in deep lib; do git init -q -b main ../$name; done
        cd ../deep; echo deep >file; git add -A; git commit -qm deep; old=$(git rev-parse HEAD)
        git commit -q --allow-empty -m newer
        cd ../lib; printf '[submodule \"d\"]\\npath = d\\nurl = ../deep\\n' >.gitmodules; echo lib >file; git add -A
        git update-index --add --cacheinfo 160000,$old,d; git commit -qm lib");
    add(&bench, "lib", "../lib", "$(git -C ../lib rev-parse HEAD)");
    bench
}

/// A commit with a submodule of that address.
fn add(bench: &Bench, path: &str, url: &str, sha: &str) {
    bench.sh(&format!(
        "printf '[submodule \"{path}\"]\\npath = {path}\\nurl = {url}\\n' >.gitmodules; git add .gitmodules
        git update-index --add --cacheinfo 160000,{sha},{path}; git commit -qm {path}"
    ));
}

#[test]
fn submodules_and_theirs_are_there_and_new_each_time() {
    let bench = bench();
    let look = "cat lib/file lib/d/file; git -C lib/d log --format=%s; git status --porcelain --ignored";
    let poison = "echo bad >lib/file; echo bad >>lib/d/file; cd .git/modules/lib; rm -r objects/pack; echo bad >config; \
        mkdir hooks; printf '#!/bin/sh\\ntouch $HOME/pwned' >hooks/post-checkout; chmod +x hooks/*";
    for _ in 0..2 {
        let outcome = bench.build(&[look, poison]);
        assert_eq!(outcome.error, None, "{}", outcome.log);
        assert!(outcome.log.contains("Submodule path 'lib/d': checked out"), "{}", outcome.log);
        assert!(outcome.log.ends_with("lib\ndeep\ndeep\n"), "{}", outcome.log);
        assert!(!bench.path("room/home/pwned").exists());
    }
    let mut job = bench.job(&["ls -A lib"]);
    job.submodules = false;
    assert_eq!(Worker::start(&job).outcome().log, "");
    bench.sh("git rm -q --cached .gitmodules; git commit -qm forgotten");
    assert_eq!(bench.build(&["ls -A lib"]).log, "", "as git clone leaves it");
}

/// An address on this machine where nobody gets in without a name.
fn locked() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/secret.git", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = "HTTP/1.1 401 Who?\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.unwrap().write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn what_cannot_be_fetched_ends_the_build_and_says_why() {
    let credential = "it needs a credential, and builds have none (README, Submodules)";
    let known = "$(git -C ../lib rev-parse HEAD)";
    let here = "file:///nowhere";
    let table = [
        (here, locked(), known, credential),
        (here, "git@example.org:a/b.git".to_owned(), known, credential),
        (here, "ext::sh -c 'touch ../home/pwned'".to_owned(), known, "transport 'ext' not allowed"),
        ("https://example.org/a/b", "file:///etc".to_owned(), known, "transport 'file' not allowed"),
        (here, "/nowhere".to_owned(), known, "repository '/nowhere' does not exist"),
        (here, "../lib".to_owned(), "$(git rev-parse HEAD)", "remote error: upload-pack: not our ref"),
    ];
    for (clone_url, url, sha, words) in table {
        let bench = bench();
        add(&bench, "lib", &url.replace('\'', "\\047"), sha);
        let mut job = bench.job(&["true"]);
        if clone_url != here {
            job.clone_url = clone_url.to_owned();
        }
        let outcome = Worker::start(&job).outcome();
        let error = outcome.error.unwrap_or_default();
        assert!(error.starts_with(&format!("submodule lib can't be fetched: {words}")), "{error}\n{}", outcome.log);
        // So the mirror is not to blame.
        assert!(outcome.checked_out && outcome.ends.is_empty() && !bench.path("room/home/pwned").exists());
    }
}

#[test]
fn traps_in_gitmodules_run_nothing_and_lead_nowhere() {
    let table = [
        ("git config -f .gitmodules submodule.lib.update '!touch ../home/pwned'", false),
        ("git config -f .gitmodules submodule.lib.update none", true),
        (
            "git config -f .gitmodules submodule.../../x.path lib; git config -f .gitmodules submodule.../../x.url ../lib",
            true,
        ),
        ("git config -f .gitmodules --rename-section submodule.lib submodule.../../x", false),
        (
            "git rm -q --cached lib; ln -s ../home link; git config -f .gitmodules submodule.lib.path link/lib; git add link",
            true,
        ),
    ];
    for (trap, builds) in table {
        let bench = bench();
        bench.sh(&format!("{trap}; git add .gitmodules; git commit -qm trap"));
        let outcome = bench.build(&["true"]);
        assert_eq!(outcome.error.is_none(), builds, "{trap}: {outcome:?}");
        for path in ["room/home/pwned", "room/home/lib", "room/tree/x", "room/x"] {
            assert!(!bench.path(path).exists(), "{trap}: {path}");
        }
    }
}

#[test]
fn hosts_of_addresses() {
    for (url, expected) in [
        ("https://github.com/a/b.git", "github.com"),
        ("ssh://git@git.acme.example/a/b", "git.acme.example"),
        ("git@git.acme.example:a/b", "git.acme.example"),
        ("file:///srv/a.git", "github.com"),
    ] {
        assert_eq!(host(url), expected);
    }
}
