//! Where configuration and secrets go, and with which modes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use ring::rand::{SecureRandom, SystemRandom};

use super::super::secrets::{Kept, TOKEN, WEBHOOK};
use super::text;
use crate::config::{CREDSTORE, Config, DEFAULT_PATH, Secret, Surroundings};
use crate::logic::names::hex;

/// The service's directories, as its unit names them.
pub const STATE_DIR: &str = "/var/lib/pilotlight";
const CACHE_DIR: &str = "/var/cache/pilotlight";

/// The webhook's secret, in bytes of chance: as many as its HMAC has.
const SECRET_BYTES: usize = 32;

/// The configuration to be written, and what belongs to it.
pub struct Place {
    pub config: PathBuf,
    /// It is the one that the service reads: secrets are found by name, and units are started.
    pub is_service: bool,
}

impl Place {
    /// Of that configuration. The service's is root's alone.
    pub fn of(config: &Path) -> Result<Place> {
        let is_service = config == Path::new(DEFAULT_PATH);
        if is_service && !rustix::process::geteuid().is_root() {
            bail!("setting up the service writes below /etc and starts units: run it with sudo");
        }
        let config = std::path::absolute(config)?;
        Ok(Place { config, is_service })
    }

    /// Where a secret is kept: for the service where systemd finds it by name, else beside the configuration.
    pub fn secret(&self, name: &str) -> PathBuf {
        match self.is_service {
            true => Path::new(CREDSTORE).join(name),
            false => self.config.with_file_name(name),
        }
    }

    /// How a secret is kept here, if it is.
    pub fn kept(&self, name: &str) -> Option<Kept> {
        Kept::find(&self.config, name)
    }

    /// Why the daemon would not have one that is kept, and the cure.
    pub fn problem_with_secrets(&self) -> Option<String> {
        [TOKEN, WEBHOOK].into_iter().find_map(|name| self.kept(name)?.problem(name))
    }

    /// The file is that of a secret which is kept here, and not in it.
    pub fn is_kept_otherwise(&self, file: &Path) -> bool {
        let is_plain = |name| matches!(self.kept(name), None | Some(Kept::Plain(_)));
        [TOKEN, WEBHOOK].into_iter().any(|name| self.secret(name) == file && !is_plain(name))
    }

    /// What a new configuration begins as. Only the service has directories of its own below /var, and units.
    pub fn template(&self) -> String {
        if self.is_service {
            return text::TEMPLATE.to_owned();
        }
        let text = text::unset(text::TEMPLATE, "storage", &["state_dir", "cache_dir"]);
        text::set(&text, "builder", "isolation", "\"none\"")
    }

    /// What the text says, as whoever runs the daemon will read it.
    pub fn parse(&self, text: &str) -> Result<Config> {
        let mut surroundings = Surroundings::of_process();
        if self.is_service {
            (surroundings.state_dir, surroundings.cache_dir) = (Some(STATE_DIR.into()), Some(CACHE_DIR.into()));
        }
        Config::parse(text, &self.config.display().to_string(), &surroundings).map_err(|e| anyhow!(e.0))
    }

    /// The files of all secrets, whether they are there or not.
    pub fn secrets(&self, config: &Config) -> Vec<PathBuf> {
        let named = [(TOKEN, &config.github.token_file), (WEBHOOK, &config.webhook.secret_file)];
        let files = named.map(|(name, file)| file.clone().unwrap_or_else(|| self.secret(name)));
        let of_builds = config.policy.repositories.iter().flat_map(|r| &r.secrets).map(|secret| secret.file.clone());
        files.into_iter().chain(of_builds).collect()
    }

    /// Names the secrets' files in a configuration that no service finds them for.
    pub fn name_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (section, key, name) in [("github", "token_file", TOKEN), ("webhook", "secret_file", WEBHOOK)] {
            let named = text.lines().any(|line| line.trim_start().starts_with(key));
            if !self.is_service && !named {
                let path = self.secret(name).display().to_string();
                text = text::set(&text, section, key, &text::quoted(&path));
            }
        }
        text
    }

    /// Makes the secret that GitHub signs with, unless there is one: the webhook at GitHub knows it.
    pub fn make_webhook_secret(&self) -> Result<()> {
        if self.kept(WEBHOOK).is_some() {
            return Ok(());
        }
        let mut bytes = [0; SECRET_BYTES];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| anyhow!("this system gives no random numbers"))?;
        self.write_secret(WEBHOOK, &Secret::new(hex(&bytes)))
    }

    /// Only its owner may read it.
    pub fn write_secret(&self, name: &str, secret: &Secret) -> Result<()> {
        write_whole(&self.secret(name), &format!("{}\n", secret.expose()), 0o600, 0o700)
    }

    /// Everybody may read it: the daemon is another user.
    pub fn write_public(&self, path: &Path, text: &str) -> Result<()> {
        write_whole(path, text, 0o644, 0o755)
    }
}

/// All of it or nothing, also when the plug is pulled. A directory that is missing is made with the mode `around`.
pub fn write_whole(path: &Path, text: &str, mode: u32, around: u32) -> Result<()> {
    let what = || format!("{} can't be written", path.display());
    let directory = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(around).create(directory).with_context(what)?;
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(directory)?.sync_all()
    };
    write().with_context(what)
}
