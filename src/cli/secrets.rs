//! Where a person's commands find the service's secrets, whichever way systemd gives them to the daemon.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::output_of;
use crate::config::{CREDSTORE, Config, ConfigError, DEFAULT_PATH, Secret, Surroundings};

/// The names of the daemon's own.
pub const TOKEN: &str = "github-token";
pub const WEBHOOK: &str = "webhook-secret";

/// Where systemd finds a unit's `LoadCredentialEncrypted=` by name.
const ENCRYPTED: &str = "/etc/credstore.encrypted";

/// What the daemon was given when it was started, in the clear: there while it runs, and for root and itself alone.
const OF_THE_DAEMON: &str = "/run/credentials/pilotlight.service";

/// How a secret is kept.
pub enum Kept {
    Plain(PathBuf),
    /// By `systemd-creds encrypt`.
    Encrypted(PathBuf),
    /// By an administrator, as a drop-in says.
    Elsewhere(PathBuf),
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
        let running = || there(OF_THE_DAEMON).map(Kept::Elsewhere);
        // systemd has one way for a name: that of the drop-in.
        match drop_in(&unit(), name) {
            Some(DropIn::File(file)) => running().or(Some(Kept::Elsewhere(file))),
            Some(DropIn::EncryptedFile(file)) => Some(Kept::Encrypted(file)),
            Some(DropIn::Otherwise) => encrypted().or_else(running).or_else(plain),
            None => plain().or_else(encrypted),
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
        drop_in(&unit(), name)
            .is_none()
            .then(|| format!("{} is there, but systemd does not look for it: {cure}", file.display()))
    }

    /// Reads it. One that was encrypted for another box is an error.
    pub fn read(&self, name: &str) -> Result<Secret, ConfigError> {
        let file = match self {
            Kept::Plain(file) | Kept::Elsewhere(file) => return Secret::read(file),
            Kept::Encrypted(file) => file,
        };
        let mut command = Command::new("systemd-creds");
        command.args(["decrypt", &format!("--name={name}")]).arg(file).arg("-");
        let text = output_of(&mut command).map_err(|error| {
            ConfigError(format!("the secret {} can't be decrypted on this box: {error:#}", file.display()))
        })?;
        Secret::of_text(&text, file)
    }
}

/// Another way to a secret than the unit's own `LoadCredential=NAME`, see systemd.exec(5).
#[derive(Debug, PartialEq)]
enum DropIn {
    File(PathBuf),
    EncryptedFile(PathBuf),
    /// By its name, or with the secret in the drop-in.
    Otherwise,
}

/// What the drop-ins of `unit` say last about a secret.
fn drop_in(unit: &str, name: &str) -> Option<DropIn> {
    let way = |line: &str| {
        let (key, value) = line.trim().split_once('=')?;
        let rest = value.strip_prefix(name)?;
        let file = rest.strip_prefix(':').filter(|file| file.starts_with('/')).map(PathBuf::from);
        match (key, file) {
            _ if !rest.is_empty() && !rest.starts_with(':') => None,
            ("LoadCredential", None) if rest.is_empty() => None,
            ("LoadCredential", Some(file)) => Some(DropIn::File(file)),
            ("LoadCredentialEncrypted", Some(file)) => Some(DropIn::EncryptedFile(file)),
            ("LoadCredential" | "LoadCredentialEncrypted" | "SetCredential" | "SetCredentialEncrypted", _) => {
                Some(DropIn::Otherwise)
            }
            _ => None,
        }
    };
    unit.lines().filter_map(way).next_back()
}

/// The daemon's unit with its drop-ins; nothing where there is none.
fn unit() -> String {
    let output = Command::new("systemctl").args(["cat", "pilotlight.service"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// `config`, which is that of `path`, with the secrets that its daemon has, as far as a person's shell can know.
///
/// # Errors
/// A secret that it does not name a file for is there and can't be read, or one is missing.
pub fn with_secrets(config: Config, path: &Path) -> Result<Config, ConfigError> {
    let mut around = Surroundings::of_process();
    if around.credentials_dir.is_none() {
        let read = |named: &Option<PathBuf>, name| {
            let kept = if named.is_none() { Kept::find(path, name) } else { None };
            kept.map(|kept| kept.read(name)).transpose()
        };
        around.github_token = read(&config.github.token_file, TOKEN)?.or(around.github_token);
        around.webhook_secret = read(&config.webhook.secret_file, WEBHOOK)?.or(around.webhook_secret);
    }
    config.with_secrets(&around)
}

#[cfg(test)]
mod tests;
