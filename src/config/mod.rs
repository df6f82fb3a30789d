//! TOML → a checked [`Config`]. Every message carries its place and its cure.

mod fields;
mod file;
mod head;
mod message;
mod surroundings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::lights::LightsConfig;
use crate::logic::policy::Policy;

pub use crate::logic::secret::Secret;
pub use head::checks_of_head;
pub use surroundings::{CREDSTORE, Surroundings};

/// Where the configuration is looked for when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/pilotlight/pilotlight.toml";

/// Where the daemon listens for commands, in its state directory.
pub const CONTROL_SOCKET: &str = "control.sock";

/// The configuration's size at most, in bytes: hundreds of repositories fit in far less.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub webhook: Webhook,
    pub github: Github,
    pub dashboard: Dashboard,
    pub lights: LightsConfig,
    /// The daemon begins with a colour test.
    pub self_test: bool,
    pub state_dir: PathBuf,
    pub cache_dir: PathBuf,
    /// The part that decides. Its `dashboard_url` is empty until the daemon knows its port.
    pub policy: Policy,
}

/// `[webhook]`, each value checked as it is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// `None`: no webhooks are received.
    #[serde(deserialize_with = "fields::listen")]
    pub listen: Option<SocketAddr>,
    #[serde(deserialize_with = "fields::url_path")]
    pub path: String,
    pub secret_file: Option<PathBuf>,
    /// Read by [`Config::with_secrets`].
    #[serde(skip)]
    pub secret: Option<Secret>,
    #[serde(rename = "max_body", deserialize_with = "fields::body_bytes")]
    pub max_body_bytes: u64,
}

/// `[github]`, each value checked as it is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Github {
    /// No slash at its end.
    #[serde(deserialize_with = "fields::http_url")]
    pub api_url: String,
    pub token_file: Option<PathBuf>,
    /// Read by [`Config::with_secrets`].
    #[serde(skip)]
    pub token: Option<Secret>,
}

/// `[dashboard]`, each value checked as it is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dashboard {
    /// `None`: no dashboard.
    #[serde(deserialize_with = "fields::listen")]
    pub listen: Option<SocketAddr>,
    /// What every `target_url` starts with; `None`: made from the box's name and the port.
    #[serde(deserialize_with = "fields::some_http_url")]
    pub url: Option<String>,
    /// The box's own name.
    #[serde(skip)]
    pub hostname: String,
}

impl Default for Webhook {
    fn default() -> Self {
        let listen = Some(SocketAddr::from(([127, 0, 0, 1], 4567)));
        let (path, max_body_bytes) = ("/event_handler".to_owned(), 2 * 1024 * 1024);
        Webhook { listen, path, secret_file: None, secret: None, max_body_bytes }
    }
}

impl Default for Github {
    fn default() -> Self {
        Github { api_url: "https://api.github.com".to_owned(), token_file: None, token: None }
    }
}

impl Default for Dashboard {
    fn default() -> Self {
        let listen = Some(SocketAddr::from(([0, 0, 0, 0], 8080)));
        Dashboard { listen, url: None, hostname: String::new() }
    }
}

/// What is wrong, where, and the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks the file at `path`. The secrets stay where they are: most commands need none, and may be
    /// given by somebody who can't read them.
    ///
    /// # Errors
    /// The file can't be read, or something in it is wrong; the message says where and the cure.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = surroundings::read_bounded(path, FILE_BYTES_MAX).map_err(|error| {
            let cure = "make one from config/pilotlight.toml, or name it with --config";
            ConfigError(format!("{}: {error}: {cure}", path.display()))
        })?;
        Config::parse(&text, &path.display().to_string(), &Surroundings::of_process())
    }

    /// Checks `text`, called `file` in messages.
    pub fn parse(text: &str, file: &str, surroundings: &Surroundings) -> Result<Config, ConfigError> {
        let parsed = file::parse(text).map_err(|error| message::problem(&error));
        let checked = parsed.and_then(|parsed| file::check(parsed, surroundings));
        checked.map_err(|problem| match message::place(&problem, text) {
            Some((line, column)) => ConfigError(format!("{file}:{line}:{column}: {}", problem.words)),
            None => ConfigError(format!("{file}: {}", problem.words)),
        })
    }

    /// Reads the secrets, for the daemon.
    ///
    /// # Errors
    /// One can't be read, or webhooks are listened for without a secret.
    pub fn with_secrets(mut self, surroundings: &Surroundings) -> Result<Config, ConfigError> {
        let secret = surroundings.secret(self.webhook.secret_file.as_deref(), "webhook-secret")?;
        if self.webhook.listen.is_some() && secret.is_none() {
            let cure = "put the secret of the webhook page into a file and name it as webhook.secret_file, or set \
                        PILOTLIGHT_WEBHOOK_SECRET";
            return Err(ConfigError(format!("there is no webhook secret: {cure}")));
        }
        let token = surroundings.secret(self.github.token_file.as_deref(), "github-token")?;
        (self.webhook.secret, self.github.token) = (secret, token);
        Ok(self)
    }

    pub fn database(&self) -> PathBuf {
        self.state_dir.join("pilotlight.db")
    }

    pub fn control_socket(&self) -> PathBuf {
        self.state_dir.join(CONTROL_SOCKET)
    }
}

impl Github {
    /// The host that serves git beside this API, and may have the token for it: `github.com` beside `api.github.com`,
    /// else the API's own.
    pub fn clone_host(&self) -> String {
        let authority = authority(&self.api_url);
        authority.strip_prefix("api.").unwrap_or(authority).to_owned()
    }
}

impl Dashboard {
    /// What every `target_url` starts with, when the dashboard is bound to `port`.
    pub fn url(&self, port: u16) -> String {
        // mDNS announces the first part alone.
        let name = self.hostname.split('.').next().unwrap_or_default();
        self.url.clone().unwrap_or_else(|| format!("http://{name}.local:{port}"))
    }

    /// The host of `url`, where one is set.
    pub fn url_host(&self) -> Option<String> {
        let authority = authority(self.url.as_ref()?);
        let port = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
        Some(authority[..port.unwrap_or(authority.len())].to_owned())
    }
}

/// Host and port of a URL.
fn authority(url: &str) -> &str {
    url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}
