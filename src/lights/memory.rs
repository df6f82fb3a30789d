//! Which lamp a daemon holds, in a small file: one that dies leaves it lit, and by then the configuration may name
//! other pins, or be broken.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{LightsConfig, pins};

/// What a lamp that may be lit is called in the state directory.
const FILE: &str = "lamp.json";

/// The lamp that may be lit.
#[derive(Debug)]
pub struct Memory(PathBuf);

impl Memory {
    pub fn in_directory(state_dir: &Path) -> Memory {
        Memory(state_dir.join(FILE))
    }

    /// The lamp that a daemon took and nobody has put out since. A file that can't be one is none.
    pub fn lamp(&self) -> Option<LightsConfig> {
        let lamp: LightsConfig = serde_json::from_str(&fs::read_to_string(&self.0).ok()?).ok()?;
        pins::check(lamp.pins).ok().map(|()| lamp)
    }

    /// Written only when it changes: cards wear. A power cut may lose it, and makes every lamp dark.
    pub fn keep(&self, lamp: &LightsConfig) {
        if self.lamp().as_ref() == Some(lamp) {
            return;
        }
        let beside = self.0.with_extension("new");
        let write = || -> io::Result<()> {
            fs::write(&beside, serde_json::to_vec(lamp)?)?;
            fs::rename(&beside, &self.0)
        };
        if let Err(error) = write() {
            log::warn!("{} can't be written ({error}): a crash may leave the lamp lit", self.0.display());
        }
    }

    /// It is dark.
    pub fn forget(&self) {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                log::warn!("{} can't be removed: {error}", self.0.display());
            }
            _ => {}
        }
    }
}
