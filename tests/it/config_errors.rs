//! A configuration that is wrong: file, line, column, what it is and the cure, with exit code 2.

use std::fs;

use crate::support::config::{Room, TestConfig};
use crate::support::scene::APP;

fn room() -> Room {
    Room::new(&TestConfig::new("http://127.0.0.1:9").repository(APP, "file:///nowhere", &[]))
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_its_cure() {
    let room = room();
    let file = room.config_file().display().to_string();
    let repository = "[[repository]]\nname = \"acme/app\"\n";
    let secret = format!("[webhook]\nsecret_file = {:?}\n", room.path("webhook-secret"));
    let table: &[(&str, &str)] = &[
        ("[webhook]\nlissten = \"off\"\n", ":2:1: unknown key `lissten`: did you mean `listen`?"),
        ("[dashboard]\n  ur = \"x\"\n", ":2:3: unknown key `ur`: did you mean `url`?"),
        ("[build]\nworkers = 1\n", ":1:2: unknown key `build`: did you mean `builder`?"),
        (
            "[[repository]]\nname = \"acme/app\"\nclone_uri = \"x\"\n",
            ":3:1: unknown key `clone_uri`: did you mean `clone_url`?",
        ),
        (
            "[[repository]]\nname = \"acme/app\"\n[[repository.check]]\ncontext = \"a\"\nrum = \"b\"\n",
            ":5:1: unknown key `rum`: did you mean `run`?",
        ),
        ("[builder]\nworkers = 0\n", ":2:11: workers = 0 is out of range: between 1 and 16"),
        (
            "[builder]\ntimeout = \"soon\"\n",
            ":2:11: `soon` is no duration (expected number at 0): write it like \"90s\" or \"10m\"",
        ),
        ("[builder]\ntimeout = \"25h\"\n", ":2:11: `25h` is out of range: a timeout is between \"1s\" and \"24h\""),
        (
            "[webhook]\nlisten = \"here\"\n",
            ":2:10: `here` is no address: write \"off\", or an address and a port like \"127.0.0.1:4567\" or \"[::]:8080\"",
        ),
        ("[webhook]\nmax_body = \"2\"\n", ":2:12: `2` is out of range: between \"1 KiB\" and \"25 MiB\""),
        (
            "[github]\napi_url = \"ftp://x\"\n",
            ":2:11: `ftp://x` is no address: write it like \"https://api.github.com\"",
        ),
        ("[[repository]]\nname = \"acme\"\n", ":2:8: `acme` is no repository: write owner and name, like \"acme/app\""),
        (
            "[[repository]]\nname = \"a/b\"\nclone_url = \"--upload-pack=x\"\n",
            ":3:13: `--upload-pack=x` can't be cloned from: write it like \"https://github.com/acme/app.git\" (https, ssh and file work)",
        ),
        (
            "[[repository]]\nname = \"a/b\"\nclone_url = \"https://me:pw@github.com/a/b\"\n",
            ":3:13: a clone_url holds no user or password: the token goes into github.token_file",
        ),
        (
            "[[repository]]\nname = \"a/b\"\n[[repository]]\nname = \"A/B\"\n",
            ":4:8: A/B is configured twice: give it one [[repository]]",
        ),
        (
            "[[repository]]\nname = \"a/b\"\n[[repository.check]]\ncontext = \"T\"\nrun = \"x\"\n[[repository.check]]\ncontext = \"t\"\nrun = \"x\"\n",
            ":7:11: `t` and `T` are the same context to GitHub: rename one",
        ),
        (
            "[[repository]]\nname = \"a/b\"\n[[repository.check]]\ncontext = \"t\"\nrun = \" \"\n",
            ":5:7: run is empty: write the command, like run = \"make test\"",
        ),
        ("", ": there is no [[repository]]: add one with its name, like name = \"acme/app\""),
    ];
    for (text, words) in table {
        fs::write(room.config_file(), text).unwrap();
        for args in [&["run"][..], &["builds"], &["lamp", "off"]] {
            let said = room.cli(args);
            assert_eq!(
                (said.code, said.stderr),
                (Some(2), format!("pilotlight: {file}{words}")),
                "{args:?} with {text}"
            );
        }
    }
    // What is well but for its secret.
    fs::write(room.config_file(), repository).unwrap();
    let words = "there is no webhook secret: put the secret of the webhook page into a file and name it as \
        webhook.secret_file, or set PILOTLIGHT_WEBHOOK_SECRET";
    let said = room.cli(&["run"]);
    assert_eq!((said.code, said.stderr), (Some(2), format!("pilotlight: {words}")));
    fs::write(room.config_file(), secret + repository).unwrap();
    assert_eq!(room.cli(&["builds"]).code, Some(1), "all is well but that it does not run");
}

#[test]
fn broken_toml_is_named_with_its_place() {
    let room = room();
    fs::write(room.config_file(), "[webhook]\nlisten = \"unended\n").unwrap();
    let said = room.cli(&["run"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.starts_with(&format!("pilotlight: {}:2:", room.config_file().display())), "{}", said.stderr);
}

#[test]
fn a_file_that_is_missing_is_named_with_the_cure() {
    let room = room();
    fs::remove_file(room.config_file()).unwrap();
    let file = room.config_file().display().to_string();
    for args in [
        &["run"][..],
        &["status"],
        &["builds"],
        &["log", "1"],
        &["rebuild", "1"],
        &["approve", "a/b#1"],
        &["cancel", "1"],
        &["lamp", "off"],
    ] {
        let said = room.cli(args);
        let words = "can't be read (No such file or directory (os error 2)): make one from config/pilotlight.toml, or name it with --config";
        assert_eq!((said.code, said.stderr), (Some(2), format!("pilotlight: {file}: {words}")), "{args:?}");
    }
}

#[test]
fn a_secret_that_cant_be_read_is_named_and_not_shown() {
    let room = room();
    let secret = room.path("webhook-secret");
    let table = [
        (Some(""), "is empty"),
        (Some("hush hush\nhush\n"), "has more than one line: keep the secret alone in it"),
        (None, "can't be read (No such file or directory (os error 2))"),
    ];
    for (text, words) in table {
        match text {
            Some(text) => fs::write(&secret, text).unwrap(),
            None => fs::remove_file(&secret).unwrap(),
        }
        let said = room.cli(&["run"]);
        let words = format!("pilotlight: the secret {} {words}", secret.display());
        assert_eq!((said.code, said.stderr), (Some(2), words));
    }
}
