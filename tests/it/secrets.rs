//! Where secrets come from, and that they are seen nowhere else.

use std::fs;
use std::path::Path;

use crate::support::PATIENCE;
use crate::support::config::{Room, SECRET, TOKEN, TestConfig};
use crate::support::daemon::{address_in, encode, sign};
use crate::support::github::FakeGithub;
use crate::support::http::request;
use crate::support::payload::pull;
use crate::support::process::Process;
use crate::support::repo::Origin;
use crate::support::scene::{APP, Scene};

/// What must not be found anywhere.
const HIDDEN: [&str; 4] = [SECRET, TOKEN, "decoy-token", "decoy-secret"];

/// All names and bytes of the files below `dir` in one.
fn gather(dir: &Path, bytes: &mut Vec<u8>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.expect("an entry").path();
        bytes.extend(path.as_os_str().as_encoded_bytes());
        let Ok(metadata) = path.symlink_metadata() else { continue };
        match metadata.is_dir() {
            true => gather(&path, bytes),
            false if metadata.is_file() => bytes.extend(fs::read(&path).unwrap_or_default()),
            false => {}
        }
    }
}

#[track_caller]
fn assert_hidden(place: &str, bytes: &[u8]) {
    for secret in HIDDEN {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret:?} is in {place}");
    }
}

/// A configuration without the files of the secrets.
fn forget_secret_files(room: &Room) {
    let text = fs::read_to_string(room.config_file()).unwrap();
    let kept: String = text.lines().filter(|l| !l.contains("_file = ")).map(|l| format!("{l}\n")).collect();
    fs::write(room.config_file(), kept).unwrap();
}

/// Delivers a pull request to a daemon that was started with these variables, and waits for its success.
#[track_caller]
fn one_build(room: &Room, github: &FakeGithub, origin: &Origin, variables: &[(&str, &str)]) -> (Process, String) {
    let mut command = room.command(&["run"]);
    command.envs(variables.iter().copied());
    let daemon = Process::start(&mut command);
    let hooks = "listening for webhooks on http://";
    let address = address_in(&daemon.stderr.wait_for(hooks, PATIENCE), hooks);
    let pages = "dashboard on http://";
    let dashboard = address_in(&daemon.stderr.wait_for(pages, PATIENCE), pages);
    let sha = origin.commit(&[]);
    origin.publish_pull(1, &sha);
    let (content_type, body) = encode(&pull("opened", APP, 1, &sha, 0).json(), true);
    let headers = [
        ("Content-Type", content_type),
        ("X-GitHub-Event", "pull_request"),
        ("X-GitHub-Delivery", "1-2-3"),
        ("X-Hub-Signature-256", &*sign(SECRET, &body)),
    ];
    assert_eq!(request(&address, "POST", "/event_handler", &headers, &body).status, 202);
    github.wait_for_state(&sha, "test", "success", PATIENCE);
    (daemon, dashboard)
}

#[test]
fn secrets_stay_out_of_builds_logs_pages_and_files() {
    let (github, origin) = (FakeGithub::start(TOKEN), Origin::new());
    let config = TestConfig::new(&github.url()).repository(
        APP,
        &origin.url(),
        &[("test", "env; git config -l; ps axww -o args")],
    );
    let room = Room::new(&config);
    let decoys = [("GITHUB_TOKEN", "decoy-token"), ("PILOTLIGHT_WEBHOOK_SECRET", "decoy-secret")];
    github.fail_next(1, 502, &[]);
    let (daemon, dashboard) = one_build(&room, &github, &origin, &decoys);

    for path in
        ["/", "/builds/1", "/api/v1/builds", "/api/v1/builds/1", "/api/v1/builds/1/log", "/api/v1/status", "/nowhere"]
    {
        assert_hidden(path, &request(&dashboard, "GET", path, &[], b"").body);
    }
    let log = request(&dashboard, "GET", "/api/v1/builds/1/log", &[], b"");
    assert!(log.text().contains("PILOTLIGHT_SHA="), "the log is there: {}", log.text());
    assert_hidden("the log", (daemon.stderr.text() + &daemon.stdout.text()).as_bytes());
    for name in ["state", "cache"] {
        let mut bytes = Vec::new();
        gather(&room.path(name), &mut bytes);
        assert!(bytes.windows(APP.len()).any(|w| w == b"acme/app") || name == "cache");
        assert_hidden(name, &bytes);
    }
}

#[test]
fn secrets_come_from_the_environment_and_from_credentials() {
    let (github, origin) = (FakeGithub::start(TOKEN), Origin::new());
    let config = TestConfig::new(&github.url()).repository(APP, &origin.url(), &[("test", "true")]);

    let room = Room::new(&config);
    forget_secret_files(&room);
    one_build(&room, &github, &origin, &[("GITHUB_TOKEN", TOKEN), ("PILOTLIGHT_WEBHOOK_SECRET", SECRET)]);

    let room = Room::new(&config);
    forget_secret_files(&room);
    // The room's own files have the names of the credentials.
    let credentials = room.path("").display().to_string();
    let decoys = [("GITHUB_TOKEN", "decoy-token"), ("PILOTLIGHT_WEBHOOK_SECRET", "decoy-secret")];
    one_build(&room, &github, &origin, &[&decoys[..], &[("CREDENTIALS_DIRECTORY", &credentials)]].concat());
}

/// A secret that builds may know: they get it, and nobody sees it.
#[test]
fn a_builds_secret_reaches_its_checks_and_no_eye() {
    let (old, new) = ("tok-0123456789+/x", "another one, of\ntwo long lines");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("npm-token");
    fs::write(&file, format!("{old}\n")).unwrap();
    let table = format!("[[repository.secret]]\nname = \"NPM_TOKEN\"\nfile = {file:?}");
    let run = "test -n \"$NPM_TOKEN\"; set -- $(printf %s \"$NPM_TOKEN\" | sha256sum); \
        echo got $1 in $PILOTLIGHT_BUILD_ID > @say; env; printf %s \"$NPM_TOKEN\" | base64; \
        printf %s \"$NPM_TOKEN\" | head -c 9; sleep 0.1; printf %s \"$NPM_TOKEN\" | tail -c +10; echo ' was it'";
    let scene = Scene::with(&[("test", run)], |config| config.line(&table));
    for (number, value, seen) in [(1, old, "NPM_TOKEN=***\n"), (2, new, "NPM_TOKEN=***\n")] {
        fs::write(&file, format!("{value}\n")).unwrap();
        let (sha, id) = scene.open(number);
        scene.shown(&sha, "test", "success");
        let got = scene.cues.hear(&format!(" in {id}"));
        assert!(
            got == format!("got {} in {id}", sha256(value)),
            "the check of build {id} gets what is in the file now"
        );
        let log = scene.log(id);
        assert!(log.contains(seen) && log.contains("\n*** was it\n"), "the log is masked");
        for path in
            ["/", &format!("/builds/{id}"), &format!("/api/v1/builds/{id}"), &format!("/api/v1/builds/{id}/log")]
        {
            let page = scene.daemon.get_text(path, &[]);
            assert!(!page.body.windows(value.len()).any(|w| w == value.as_bytes()), "{path} shows it");
        }
    }
    let mut kept = Vec::new();
    gather(&scene.state_dir(), &mut kept);
    for hidden in [old, "dG9rLTAxMjM0NTY3ODkrL3", new, "another one, of", "two long lines"] {
        assert!(!kept.windows(hidden.len()).any(|w| w == hidden.as_bytes()), "the state directory holds it");
    }

    fs::remove_file(&file).unwrap();
    let (sha, id) = scene.open(3);
    let words = scene.shown(&sha, "test", "error").description;
    assert!(words.starts_with(&format!("secret NPM_TOKEN: {} can't be read", file.display())), "{words}");
    scene.daemon.wait_build(id, "error");
}

fn sha256(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
