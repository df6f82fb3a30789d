//! Whether the kernel killed something of a check for want of memory.
//!
//! Seldom the shell that we started: a compiler dies, `make` sees it and exits with 2. So it is told by the kernel's
//! own count of such kills, which is read before and after.

use std::fs;
use std::path::{Path, PathBuf};

use crate::logic::build::CheckEnd;

/// The count of one cgroup, or of the whole box where there is no memory controller (Raspberry Pi OS as it comes).
pub struct Memory {
    counts: PathBuf,
    /// Of the cgroup.
    directory: Option<PathBuf>,
    kills: u64,
}

/// Names of files: those with the counts, and with the limit in bytes.
struct Controller {
    counts: &'static str,
    limit: &'static str,
}

/// The kernel's admin guide, cgroup-v2.rst: kills of the cgroup and of those below it.
const V2: Controller = Controller { counts: "memory.events", limit: "memory.max" };
/// The kernel's admin guide, cgroup-v1/memory.rst: kills of the cgroup itself, since Linux 4.13.
const V1: Controller = Controller { counts: "memory.oom_control", limit: "memory.limit_in_bytes" };
/// Every kill, since Linux 4.13.
const OF_THE_BOX: &str = "/proc/vmstat";
/// What v1 shows as a limit where none is set lies above this; no machine has so much, in bytes.
const LIMIT_BYTES_MAX: u64 = 1 << 60;

impl Memory {
    /// The count as it is now.
    pub fn look() -> Memory {
        let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let found = cgroup.lines().filter_map(|line| directory(Path::new("/sys/fs/cgroup"), line));
        let found = found.map(|(at, controller)| Memory::of(at.join(controller.counts), Some(at)));
        let here = found.into_iter().find(|memory| kills(&memory.counts).is_some());
        here.unwrap_or_else(|| Memory::of(OF_THE_BOX.into(), None))
    }

    fn of(counts: PathBuf, directory: Option<PathBuf>) -> Memory {
        let kills = kills(&counts).unwrap_or_default();
        Memory { counts, directory, kills }
    }

    /// What `end`, of a check that ran since the look and left no process, really was. It was a lack of memory if it
    /// was no pass, the count rose, and the victim must have been of the check. That is clear where the cgroup holds
    /// nobody else but the daemon that started us, both alive; else if the check itself fell to SIGKILL, or its shell
    /// says so of its last command (128 + 9).
    pub fn judge(&self, end: CheckEnd) -> CheckEnd {
        let killed = matches!(end, CheckEnd::Signalled(9) | CheckEnd::Exited(137));
        let failed = killed || matches!(end, CheckEnd::Exited(1..) | CheckEnd::Signalled(_));
        let rose = || kills(&self.counts).is_some_and(|kills| kills > self.kills);
        if failed && rose() && (killed || self.is_ours_alone()) {
            return CheckEnd::OutOfMemory { limit_bytes: self.limit_bytes() };
        }
        end
    }

    fn is_ours_alone(&self) -> bool {
        let processes = self.directory.as_ref().and_then(|at| fs::read_to_string(at.join("cgroup.procs")).ok());
        let ours = [std::process::id().to_string(), std::os::unix::process::parent_id().to_string()];
        processes.is_some_and(|all| all.lines().all(|process| ours.iter().any(|our| our == process)))
    }

    fn limit_bytes(&self) -> Option<u64> {
        let directory = self.directory.as_ref()?;
        let read = |controller: Controller| fs::read_to_string(directory.join(controller.limit)).ok();
        let limit = [V2, V1].into_iter().find_map(read)?.trim().parse().ok()?;
        (limit < LIMIT_BYTES_MAX).then_some(limit)
    }
}

/// Where a line of /proc/self/cgroup (cgroups(7)) puts us, if it is about memory.
fn directory(root: &Path, line: &str) -> Option<(PathBuf, Controller)> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
    match controllers {
        "" => Some((root.join(path), V2)),
        v1 if v1.split(',').any(|name| name == "memory") => Some((root.join("memory").join(path), V1)),
        _ => None,
    }
}

fn kills(counts: &Path) -> Option<u64> {
    let text = fs::read_to_string(counts).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}
