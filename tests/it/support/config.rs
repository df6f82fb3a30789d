//! A configuration for one test, and the room it stands in.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::{Finished, run_to_end};

/// The webhook's secret in every test.
pub const SECRET: &str = "It's a Secret to Everybody";
/// The token that every test's stand-in accepts.
pub const TOKEN: &str = "github_pat_of_the_tests";

/// A configuration in the making: loopback, free ports, no LEDs, no isolation, and no repository yet.
pub struct TestConfig {
    /// Dotted key → value in TOML.
    settings: BTreeMap<String, String>,
    repositories: String,
    /// What `pilotlight run` finds in its environment beside the usual.
    pub environment: Vec<(String, String)>,
}

impl TestConfig {
    pub fn new(github_url: &str) -> TestConfig {
        let config = TestConfig { settings: BTreeMap::new(), repositories: String::new(), environment: Vec::new() };
        config
            .set("webhook.listen", "\"127.0.0.1:0\"")
            .set("dashboard.listen", "\"127.0.0.1:0\"")
            .set("dashboard.url", "\"http://box.example:8080\"")
            .set("github.api_url", &format!("{github_url:?}"))
            .set("lights.driver", "\"none\"")
            .set("builder.isolation", "\"none\"")
    }

    /// Sets a key, such as `builder.workers`, to a value as TOML writes it: strings with their quotes.
    pub fn set(mut self, key: &str, toml: &str) -> TestConfig {
        self.settings.insert(key.to_owned(), toml.to_owned());
        self
    }

    /// Adds a repository with its checks (context, command); none means the one that is the default.
    pub fn repository(mut self, name: &str, clone_url: &str, checks: &[(&str, &str)]) -> TestConfig {
        self.repositories += &format!("\n[[repository]]\nname = {name:?}\nclone_url = {clone_url:?}\n");
        for (context, run) in checks {
            self.repositories += &format!("\n[[repository.check]]\ncontext = {context:?}\nrun = {run:?}\n");
        }
        self
    }

    /// Sets a variable of the daemon's environment.
    pub fn env(mut self, name: &str, value: &str) -> TestConfig {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// More lines for the repository or check that was added last.
    pub fn line(mut self, toml: &str) -> TestConfig {
        self.repositories += &format!("{toml}\n");
        self
    }

    /// Whether this listener (`webhook` or `dashboard`) is on.
    pub fn listens(&self, section: &str) -> bool {
        self.settings.get(&format!("{section}.listen")).is_some_and(|value| value != "\"off\"")
    }

    /// The file's text. Dotted keys stand first, so that no section is opened twice.
    pub fn toml(&self) -> String {
        let settings: String = self.settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        settings + &self.repositories
    }
}

/// A directory with a configuration, its secrets and all that pilotlight keeps; gone with its value.
pub struct Room {
    dir: TempDir,
}

impl Room {
    pub fn new(config: &TestConfig) -> Room {
        let room = Room { dir: TempDir::new().expect("a temporary directory") };
        write_private(&room.path("webhook-secret"), SECRET);
        write_private(&room.path("github-token"), TOKEN);
        fs::create_dir(room.path("home")).unwrap();
        room.write_config(config);
        room
    }

    /// Writes the configuration anew, for a restart or a reload. What it does not say itself is added: where
    /// the secrets, the state and the cache are.
    pub fn write_config(&self, config: &TestConfig) {
        let mut text = String::new();
        for (key, file) in [
            ("webhook.secret_file", "webhook-secret"),
            ("github.token_file", "github-token"),
            ("storage.state_dir", "state"),
            ("storage.cache_dir", "cache"),
        ] {
            if !config.settings.contains_key(key) {
                text += &format!("{key} = {:?}\n", self.path(file));
            }
        }
        fs::write(self.config_file(), text + &config.toml()).unwrap();
    }

    /// Below the room: `state`, `cache`, `home`, `pilotlight.toml`, `webhook-secret`, `github-token`.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config_file(&self) -> PathBuf {
        self.path("pilotlight.toml")
    }

    /// The binary with these arguments and nothing of this test's environment but `PATH`.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilotlight"));
        command.args(args).arg("--config").arg(self.config_file()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path("home")).env("LANG", "C.UTF-8").env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs a command of the command line to its end. Panics if it does not end.
    #[track_caller]
    pub fn cli(&self, args: &[&str]) -> Finished {
        run_to_end(&mut self.command(args))
    }
}

fn write_private(path: &Path, text: &str) {
    // Editors leave a line break at the end, and so do we.
    fs::write(path, format!("{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
