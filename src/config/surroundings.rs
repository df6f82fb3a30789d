//! What the configuration takes from around it: environment, credentials, the box's name.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{ConfigError, Secret};

/// Where systemd finds a unit's `LoadCredential=` by name.
pub const CREDSTORE: &str = "/etc/credstore";

/// A secret's size at most, in bytes: tokens have about 100.
const SECRET_BYTES_MAX: u64 = 4096;

/// What the process finds around itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    pub credentials_dir: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub cache_dir: Option<PathBuf>,
    pub webhook_secret: Option<Secret>,
    pub github_token: Option<Secret>,
    pub hostname: String,
}

impl Surroundings {
    pub fn of_process() -> Self {
        let path = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        // systemd joins several with colons; the first is ours.
        let first_of =
            |name| Some(PathBuf::from(env::var(name).ok()?.split(':').next().filter(|dir| !dir.is_empty())?));
        let home = |below: &str| path("HOME").map(|home| home.join(below));
        let user_dir = |xdg, below| path(xdg).or_else(|| home(below)).map(|dir| dir.join("pilotlight"));
        let secret = |name| env::var(name).ok().filter(|v| !v.is_empty()).map(Secret::new);
        Surroundings {
            credentials_dir: path("CREDENTIALS_DIRECTORY"),
            state_dir: first_of("STATE_DIRECTORY").or_else(|| user_dir("XDG_STATE_HOME", ".local/state")),
            cache_dir: first_of("CACHE_DIRECTORY").or_else(|| user_dir("XDG_CACHE_HOME", ".cache")),
            webhook_secret: secret("PILOTLIGHT_WEBHOOK_SECRET"),
            github_token: secret("GITHUB_TOKEN"),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }

    /// The secret in `file`, else the credential of that name, else from the environment.
    pub fn secret(&self, file: Option<&Path>, credential: &str) -> Result<Option<Secret>, ConfigError> {
        if let Some(file) = file {
            return Secret::read(file).map(Some);
        }
        let credential_file = self.credentials_dir.as_ref().map(|dir| dir.join(credential));
        if let Some(file) = credential_file.filter(|file| file.exists()) {
            return Secret::read(&file).map(Some);
        }
        Ok(match credential {
            "webhook-secret" => self.webhook_secret.clone(),
            _ => self.github_token.clone(),
        })
    }
}

impl Secret {
    /// The secret that stands alone in a file.
    ///
    /// # Errors
    /// It can't be read, is empty, or has more than one line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read_bounded(path, SECRET_BYTES_MAX);
        let text = text.map_err(|error| ConfigError(format!("the secret {} {error}", path.display())))?;
        Secret::of_text(&text, path)
    }

    /// The same, of a text that was got from a file.
    ///
    /// # Errors
    /// It is empty, or has more than one line.
    pub fn of_text(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            return Err(ConfigError(format!("the secret {} is empty", path.display())));
        }
        if text.contains(|c: char| c.is_control()) {
            let words = format!("the secret {} has more than one line: keep the secret alone in it", path.display());
            return Err(ConfigError(words));
        }
        Ok(Secret::new(text))
    }
}

/// The text of a file of at most `bytes_max`.
pub fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text));
    let read = read.map_err(|error| format!("can't be read ({error})"))?;
    if read as u64 > bytes_max {
        return Err(format!("is larger than {bytes_max} bytes"));
    }
    Ok(text)
}
