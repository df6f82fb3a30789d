//! The rooms of systemd's units. They belong to users of their own, so that root has to see to them: the daemon leaves its
//! word for pilotlight-sweep.path, whose service is `pilotlight sweep`. systemd itself removes them, and none that is in
//! use.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Limit, ROOMS_SHARE, Tree, entries, sweep_trees_with};
use crate::builder::instance;
use crate::config::Config;

/// Where the daemon leaves its word.
const ASKED: &str = "/run/pilotlight/sweep";
/// The words: it is time, or space is short.
const BEAT: &str = "beat";
const SHORT: &str = "short";

/// How long root may take before the daemon goes on: rooms are large, and cards slow.
const ANSWER_MAX: Duration = Duration::from_secs(10 * 60);
/// Between two looks for its answer: nobody waits for it but the sweep.
const ANSWER_POLL: Duration = Duration::from_secs(1);

/// Where systemd keeps them. The directory is root's own.
const ROOMS: &str = "/var/cache/private/pilotlight-build";

/// Asks root, and waits until it is done: mirrors are dearer than rooms, and go only when those were not enough.
pub fn ask(short: bool) {
    let word = Path::new(ASKED).join(if short { SHORT } else { BEAT });
    if let Err(error) = File::create(&word) {
        log::warn!("the rooms of builds stay: {} can't be written: {error}", word.display());
        return;
    }
    let asked = Instant::now();
    while word.exists() {
        if asked.elapsed() >= ANSWER_MAX {
            log::warn!("nobody sees to the rooms of builds: see `systemctl status pilotlight-sweep.path`");
            return;
        }
        thread::sleep(ANSWER_POLL);
    }
}

/// What root does. Beside those that were not used for long or are too much, the rooms of repositories go that the
/// configuration does not name: at once, or first when space is short.
pub fn sweep(config_path: &Path) {
    let configured = Config::read(config_path).map(|config| {
        let repositories = config.policy.repositories.iter();
        repositories.flat_map(|r| [false, true].map(|stranger| instance(&r.name, stranger))).collect()
    });
    // One that is broken just now names none.
    let configured = configured.inspect_err(|error| log::warn!("{error}")).ok();
    let dir = Path::new(ROOMS);
    let short = Path::new(ASKED).join(SHORT).exists();
    sweep_trees_with(rooms(dir, configured.as_ref()), Limit::of(dir, ROOMS_SHARE, short), clean);
}

pub(super) fn rooms(dir: &Path, configured: Option<&BTreeSet<String>>) -> Vec<Tree> {
    let room = |entry: fs::DirEntry| {
        let (found, name) = (entry.metadata().ok().filter(fs::Metadata::is_dir)?, entry.file_name());
        let needed = configured.is_none_or(|names| name.to_str().is_some_and(|name| names.contains(name)));
        // Each build changes something about its room, and no build can set the time of that.
        let used = UNIX_EPOCH + Duration::from_secs(found.ctime().max(0).cast_unsigned());
        let unused = SystemTime::now().duration_since(used).unwrap_or_default();
        let path = entry.path();
        let unused = if needed { unused } else { Duration::MAX };
        Some(Tree { lock: path.clone(), mark: path.clone(), path, unused })
    };
    entries(dir).filter_map(room).collect()
}

/// False if a build is in it.
fn clean(room: &Tree) -> bool {
    let name = room.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let unit = format!("pilotlight-build@{name}.service");
    let why = match Command::new("systemctl").args(["clean", "--what=cache", &unit]).output() {
        Ok(done) if done.status.success() => {
            log::info!("removed {}, which is not needed", room.path.display());
            return true;
        }
        Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        Err(error) => format!("systemctl can't be started: {error}"),
    };
    log::info!("{} stays: {why}", room.path.display());
    false
}
