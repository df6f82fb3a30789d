//! Where a person's commands find the service's secrets, whichever way systemd gives them to the daemon.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::{CREDSTORE, ConfigError, DEFAULT_PATH, Secret, Surroundings};

/// The names of the daemon's own.
pub const TOKEN: &str = "github-token";
pub const WEBHOOK: &str = "webhook-secret";

/// Where systemd finds a unit's `LoadCredentialEncrypted=` by name.
const ENCRYPTED: &str = "/etc/credstore.encrypted";

/// What the daemon was given when it was started, in the clear: there while it runs, and for root and itself alone.
const OF_THE_DAEMON: &str = "/run/credentials/pilotlight.service";

/// How a unit is told of a secret, see systemd.exec(5).
const CREDENTIAL_KEYS: [&str; 4] =
    ["LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted"];

/// How a secret is kept.
pub enum Kept {
    Plain(PathBuf),
    /// By `systemd-creds encrypt`.
    Encrypted(PathBuf),
    /// In a way that only a drop-in knows.
    Running(PathBuf),
}

impl Kept {
    /// The secret of that name, if it is kept where the daemon that `config_path` is for finds it.
    pub fn find(config_path: &Path, name: &str) -> Option<Kept> {
        let there = |directory: &str| Some(Path::new(directory).join(name)).filter(|file| file.exists());
        if config_path != Path::new(DEFAULT_PATH) {
            return Some(config_path.with_file_name(name)).filter(|file| file.exists()).map(Kept::Plain);
        }
        let plain = || there(CREDSTORE).map(Kept::Plain);
        let encrypted = || there(ENCRYPTED).map(Kept::Encrypted);
        // systemd has one way for a name: that of the drop-in.
        match has_drop_in(name) {
            true => encrypted().or_else(|| there(OF_THE_DAEMON).map(Kept::Running)).or_else(plain),
            false => plain().or_else(encrypted),
        }
    }

    /// For a secret that is not `setup`'s to write.
    pub fn how_to_change(&self, name: &str) -> String {
        match self {
            Kept::Encrypted(file) => {
                format!("`systemd-creds encrypt --name={name} FILE {}`, then the same again", file.display())
            }
            _ => "a drop-in of pilotlight.service brings it, change that".to_owned(),
        }
    }

    /// Why the daemon does not have it, and the cure.
    pub fn problem(&self, name: &str) -> Option<String> {
        let Kept::Encrypted(file) = self else { return None };
        let cure = format!("`systemctl edit pilotlight`, and there [Service] and LoadCredentialEncrypted={name}");
        (!has_drop_in(name)).then(|| format!("{} is there, but systemd does not look for it: {cure}", file.display()))
    }

    /// # Errors
    /// It can't be read, is none, or was encrypted for another box.
    pub fn read(&self, name: &str) -> Result<Secret, ConfigError> {
        let file = match self {
            Kept::Plain(file) | Kept::Running(file) => return Secret::read(file),
            Kept::Encrypted(file) => file,
        };
        let wrong =
            |why: &str| ConfigError(format!("the secret {} can't be decrypted on this box: {why}", file.display()));
        let mut command = Command::new("systemd-creds");
        let output = command.args(["decrypt", &format!("--name={name}")]).arg(file).arg("-").output();
        let output = output.map_err(|error| wrong(&format!("systemd-creds can't be started ({error})")))?;
        if !output.status.success() {
            return Err(wrong(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default()));
        }
        let text = String::from_utf8(output.stdout).map_err(|_| wrong("it is no text"))?;
        Secret::of_text(&text, file)
    }
}

/// Whether the unit is told of another way to this secret than its own `LoadCredential=NAME`.
fn has_drop_in(name: &str) -> bool {
    let output = Command::new("systemctl").args(["cat", "pilotlight.service"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let is_way = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let rest = value.strip_prefix(name)?;
        let is_own = key == "LoadCredential" && rest.is_empty();
        Some(CREDENTIAL_KEYS.contains(&key) && !is_own && (rest.is_empty() || rest.starts_with(':')))
    };
    text.lines().any(|line| is_way(line.trim()) == Some(true))
}

/// What the daemon finds around itself, as far as a person's shell can know.
///
/// # Errors
/// A secret is there and can't be read.
pub fn surroundings(config_path: &Path) -> Result<Surroundings, ConfigError> {
    let mut around = Surroundings::of_process();
    if around.credentials_dir.is_none() {
        let read = |name| Kept::find(config_path, name).map(|kept| kept.read(name)).transpose();
        around.github_token = read(TOKEN)?.or(around.github_token);
        around.webhook_secret = read(WEBHOOK)?.or(around.webhook_secret);
    }
    Ok(around)
}
