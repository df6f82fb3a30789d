//! Whether there is room on the card to build.

use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;

use super::Daemon;
use crate::config::Config;
use crate::logic::event::Event;
use crate::logic::space::floor;

/// With less than this many times the floor a build may soon find none.
const FLOORS_LOW: u64 = 5;

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
        if self.now().mono < self.space.look_at { None } else { self.look_at_space_now() }
    }

    /// The same, whatever the time.
    pub(super) fn look_at_space_now(&mut self) -> Option<Event> {
        let now = self.now().mono;
        self.space.look_at = now + BEAT;
        let short = shortage(&self.config);
        if short.is_some() == self.space.short.is_some() {
            return None;
        }
        match &short {
            Some(how) => {
                log::error!("{how}: no build starts until there is room");
                self.sweep_at = now;
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
    let room = Room::of(dir)?;
    room.is_short().then(|| {
        let left = if room.no_inodes { "no file".to_owned() } else { format!("{} MiB", room.free / 1024 / 1024) };
        let needed = floor(room.size) / 1024 / 1024;
        format!("the disk is full: {left} left for {}, {needed} MiB are needed", dir.display())
    })
}

/// What a file system has.
pub struct Room {
    /// In bytes.
    pub size: u64,
    /// In bytes, for a user who is not root.
    pub free: u64,
    no_inodes: bool,
}

impl Room {
    /// The file system on which `dir` is; none if it can't be asked.
    pub fn of(dir: &Path) -> Option<Room> {
        let space = statvfs(dir).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        let no_inodes = space.f_files > 0 && space.f_favail == 0;
        Some(Room { size: bytes(space.f_blocks), free: bytes(space.f_bavail), no_inodes })
    }

    /// There is little for builds.
    pub fn is_low(&self) -> bool {
        self.no_inodes || self.free < floor(self.size) * FLOORS_LOW
    }

    /// No build may start.
    pub fn is_short(&self) -> bool {
        self.no_inodes || self.free < floor(self.size)
    }
}
