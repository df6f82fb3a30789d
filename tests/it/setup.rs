//! `pilotlight setup` and `backup`, as far as a person without root and systemd can take them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::check::{but, doctor, healthy};
use crate::support::config::TOKEN;
use crate::support::process::{Finished, run_to_end};
use crate::support::scene::{APP, Scene};

/// A directory in which nothing is set up yet, and the person's token.
struct Desk {
    dir: TempDir,
    github: String,
}

impl Desk {
    fn new(table: Vec<(&'static str, u16, Value)>) -> Desk {
        let desk = Desk { dir: TempDir::new().unwrap(), github: doctor(table) };
        fs::write(desk.path("token"), format!("{TOKEN}\n")).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilotlight"));
        command.args(args).arg("--config").arg(self.path("etc/pilotlight.toml")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.path("home"));
        command.stdin(Stdio::null());
        command
    }

    fn setup(&self, args: &[&str]) -> Finished {
        let token = self.path("token");
        let always = ["setup", "--token-file", token.to_str().unwrap(), "--api-url", &self.github];
        run_to_end(&mut self.command(&[&always, args].concat()))
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path("etc/pilotlight.toml")).unwrap()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn flags_answer_everything() {
    let desk = Desk::new(healthy());
    let done = desk.setup(&["--repository", APP, "--run", "make test", "--lamp", "none"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("The token may do what is needed on acme/app\n"), "{}", done.stdout);
    assert!(done.stdout.ends_with(&format!("pilotlight run --config {}", desk.path("etc/pilotlight.toml").display())));
    let (text, secret) = (desk.text(), fs::read_to_string(desk.path("etc/webhook-secret")).unwrap());
    assert!(
        text.contains("name = \"acme/app\"\n\n[[repository.check]]\ncontext = \"pilotlight\"\nrun = \"make test\"\n")
    );
    assert_eq!(secret.trim_end().len(), 64, "32 random bytes in hex");
    let modes = ["pilotlight.toml", "github-token", "webhook-secret"].map(|name| mode(&desk.path("etc").join(name)));
    assert_eq!(modes, [0o644, 0o600, 0o600]);
    assert!(!text.contains(TOKEN) && !done.stdout.contains(TOKEN));
    let checked = run_to_end(&mut desk.command(&["check", "--json", "--offline"]));
    let report: Value = serde_json::from_str(&checked.stdout).unwrap();
    let verdict = |about: &str| {
        let findings = report["findings"].as_array().unwrap();
        findings.iter().find(|f| f["about"] == about).map(|f| f["verdict"].clone())
    };
    for about in ["configuration", "GitHub token", "webhook secret"] {
        assert_eq!(verdict(about), Some(json!("good")), "{about}: {report}");
    }
}

#[test]
fn a_second_time_changes_nothing_and_a_second_repository_is_added() {
    let lib = [("/repos/acme/lib", "acme/lib"), ("/repos/acme/lib/branches", ""), ("/repos/acme/lib/pulls", "")];
    let mut table = healthy();
    table.extend(lib.map(|(path, _)| (path, 200, json!([]))));
    table.push(("/repos/acme/lib/statuses/0000000000000000000000000000000000000000", 422, json!({})));
    let desk = Desk::new(table);
    desk.setup(&["--repository", APP, "--run", "", "--lamp", "jamhat"]);
    let before = (desk.text(), fs::read(desk.path("etc/webhook-secret")).unwrap());
    assert!(before.0.contains("\npins = { red = 5, yellow = 12, green = 16 }\n"), "{}", before.0);
    let again = desk.setup(&["--repository", "Acme/App"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!((desk.text(), fs::read(desk.path("etc/webhook-secret")).unwrap()), before);
    let more = desk.setup(&["--repository", "acme/lib", "--run", "make"]);
    assert_eq!(more.code, Some(0), "{}", more.stderr);
    let added =
        "\n[[repository]]\nname = \"acme/lib\"\n\n[[repository.check]]\ncontext = \"pilotlight\"\nrun = \"make\"\n";
    assert_eq!(desk.text(), before.0.trim_end().to_owned() + "\n" + added);
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_written() {
    let statuses = "/repos/acme/app/statuses/0000000000000000000000000000000000000000";
    let good = ["--repository", APP, "--run", "make", "--lamp", "none"];
    let cases = [
        (
            but(statuses, 403, json!({})),
            good.to_vec(),
            "acme/app: Commit statuses: write: not granted: add the permission to the token",
        ),
        (but("/rate_limit", 401, json!({})), good.to_vec(), "GitHub does not accept the token"),
        (healthy(), vec!["--lamp", "none"], "there is no terminal to ask at: give --repository OWNER/REPO"),
        (healthy(), vec!["--repository", APP, "--lamp", "none"], "there is no terminal to ask at: give --run COMMAND"),
        (healthy(), vec!["--repository", APP, "--run", "make"], "there is no terminal to ask at: give --lamp LAMP"),
        (healthy(), [&good[..5], &["jamhut"]].concat(), "no board is called \"jamhut\"; the nearest are `jamhat`"),
    ];
    for (table, args, words) in cases {
        let desk = Desk::new(table);
        let done = desk.setup(&args);
        assert!(done.stderr.contains(words) && done.code == Some(1), "{words}: {}", done.stderr);
        assert!(!desk.path("etc").exists(), "{words}: nothing is written");
    }
}

/// At a terminal of `script`'s making, as a person sits there.
#[test]
fn a_person_answers_four_questions() {
    let desk = Desk::new(healthy());
    let setup = desk.command(&["setup", "--api-url", &desk.github]);
    let words = [setup.get_program()].into_iter().chain(setup.get_args());
    let line = words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("HOME", desk.path("home"));
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let answers = format!("{APP}\n{TOKEN}\nmake test\nnone\n");
    script.stdin.as_mut().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    for question in ["1. Which repository", "2. GitHub's token", "3. Which command", "4. "] {
        assert!(seen.contains(question), "{seen}");
    }
    let token = fs::read_to_string(desk.path("etc/github-token")).unwrap();
    assert_eq!((output.status.code(), token.trim_end()), (Some(0), TOKEN), "{seen}");
}

#[test]
fn a_backup_brings_back_the_history_on_a_blank_card() {
    let mut scene = Scene::new(&[("pilotlight/test", "true")]);
    let (sha, build) = scene.open(7);
    scene.shown(&sha, "pilotlight/test", "success");
    let room = &scene.daemon.room;
    let archive = room.path("../pilotlight-backup-of-a-test.tar.gz");
    let _ = fs::remove_file(&archive);
    let file = archive.to_str().unwrap();
    let done = room.cli(&["backup", file]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(mode(&archive), 0o600);
    let again = room.cli(&["backup", file]);
    assert!(again.stderr.contains("(it must not be there yet)") && again.code == Some(1), "{}", again.stderr);
    let over = room.cli(&["setup", "--restore", file]);
    assert!(over.stderr.contains("is there already: a backup is for a blank card"), "{}", over.stderr);

    scene.daemon.sigterm();
    let room = &scene.daemon.room;
    let before = fs::read_to_string(room.config_file()).unwrap();
    for gone in ["pilotlight.toml", "webhook-secret", "github-token"] {
        fs::remove_file(room.path(gone)).unwrap();
    }
    fs::remove_dir_all(room.path("state")).unwrap();
    let torn = room.path("torn.tar.gz");
    let whole = fs::read(&archive).unwrap();
    fs::write(&torn, &whole[..whole.len() - 100]).unwrap();
    fs::write(room.path("webhook-secret"), "another\n").unwrap();
    for (file, words) in [(torn.to_str().unwrap(), "is no backup of pilotlight's, or torn"), (file, "is there already")]
    {
        let refused = room.cli(&["setup", "--restore", file]);
        assert!(refused.stderr.contains(words) && refused.code == Some(1), "{}", refused.stderr);
        for gone in ["pilotlight.toml", "github-token", "state"] {
            assert!(!room.path(gone).exists(), "{gone}: nothing is written unless all can be");
        }
    }
    fs::remove_file(room.path("webhook-secret")).unwrap();
    let done = room.cli(&["setup", "--restore", file]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(fs::read_to_string(room.config_file()).unwrap(), before);
    assert_eq!(mode(&room.path("github-token")), 0o600);
    let again = room.cli(&["setup", "--restore", file]);
    assert_eq!(again.code, Some(0), "the same is in nobody's way: {}", again.stderr);
    scene.power_cut();
    assert_eq!(scene.daemon.wait_build(build, "success")["sha"], json!(sha));
    fs::remove_file(&archive).unwrap();
}
