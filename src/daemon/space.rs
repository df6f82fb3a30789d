//! Whether there is room on the card to build.

use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;

use super::Daemon;
use crate::config::Config;
use crate::logic::event::Event;

/// Free bytes that no build may eat into: the database, logs and pilotlight's own needs for days. On a small file
/// system a twentieth of it.
const FLOOR_BYTES: u64 = 200 * 1024 * 1024;
const FLOOR_SHARE: u64 = 20;

/// Between looks: often enough to stop before the next build, and to see soon that a person made room.
const BEAT: Duration = Duration::from_secs(10);

/// What was seen last.
pub struct Space {
    /// How the box is short of space.
    pub short: Option<String>,
    look_at: Duration,
}

impl Space {
    /// The first look, before any build may start.
    pub fn look(config: &Config) -> Space {
        let short = shortage(config);
        if let Some(how) = &short {
            log::error!("{how}: no build starts until there is room");
        }
        Space { short, look_at: BEAT }
    }

    /// While space is short, when to look again; else whatever happens next looks.
    pub fn wake_at(&self) -> Option<Duration> {
        self.short.is_some().then_some(self.look_at)
    }
}

impl Daemon {
    /// Looks, if it is time; tells what has changed.
    pub(super) fn look_at_space(&mut self) -> Option<Event> {
        let now = self.now().mono;
        if now < self.space.look_at {
            return None;
        }
        self.space.look_at = now + BEAT;
        let short = shortage(&self.config);
        if short.is_some() == self.space.short.is_some() {
            return None;
        }
        match &short {
            Some(how) => {
                log::error!("{how}: no build starts until there is room");
                self.sweep(true);
            }
            None => log::info!("there is room on the disk again"),
        }
        self.space.short.clone_from(&short);
        Some(Event::Space(short))
    }
}

/// How a directory of ours is short of space, if one is.
fn shortage(config: &Config) -> Option<String> {
    [&config.state_dir, &config.cache_dir].into_iter().find_map(|dir| shortage_of(dir))
}

fn shortage_of(dir: &Path) -> Option<String> {
    let space = statvfs(dir).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    let (free, size) = (bytes(space.f_bavail), bytes(space.f_blocks));
    let floor = FLOOR_BYTES.min(size / FLOOR_SHARE);
    let no_inodes = space.f_files > 0 && space.f_favail == 0;
    (free < floor || no_inodes).then(|| {
        let left = if no_inodes { "no file".to_owned() } else { format!("{} MiB", free / 1024 / 1024) };
        format!("the disk is full: {left} left for {}, {} MiB are needed", dir.display(), floor / 1024 / 1024)
    })
}
