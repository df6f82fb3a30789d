//! What the kernel knows of a process: memory, threads, wake-ups, bytes written, time on a processor.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;

/// Between two looks at what tells nobody of its changes.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// As the kernel counts time of processes, in all user interfaces.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process by its id.
#[derive(Clone, Copy)]
pub struct Proc(pub u32);

impl Proc {
    pub fn own() -> Proc {
        Proc(std::process::id())
    }

    /// Resident now: anonymous, and of files (the program itself). MB, as 10^6 bytes.
    pub fn memory_mb(self) -> (f64, f64) {
        let text = self.read("smaps_rollup");
        let (all, anonymous) = (field(&text, "Rss:"), field(&text, "Anonymous:"));
        (kib_in_mb(anonymous), kib_in_mb(all - anonymous))
    }

    /// The most that was resident at any moment.
    pub fn peak_memory_mb(self) -> f64 {
        kib_in_mb(field(&self.read("status"), "VmHWM:"))
    }

    pub fn threads(self) -> f64 {
        field(&self.read("status"), "Threads:") as f64
    }

    /// How often its threads were put on a processor.
    pub fn wake_ups(self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).expect("a live process");
        let status = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
        status
            .map(|text| field(&text, "\nvoluntary_ctxt_switches:") + field(&text, "nonvoluntary_ctxt_switches:"))
            .sum()
    }

    /// What it and its children that have ended caused to be written to disk, less what was deleted before that.
    pub fn written_bytes(self) -> u64 {
        let text = self.read("io");
        field(&text, "\nwrite_bytes:").saturating_sub(field(&text, "cancelled_write_bytes:"))
    }

    /// Of it and its children that have ended.
    pub fn cpu_ms(self) -> f64 {
        let text = self.read("stat");
        let (_, rest) = text.rsplit_once(')').expect("proc(5)");
        let ticks: f64 = rest.split_ascii_whitespace().skip(11).take(4).filter_map(|n| n.parse::<f64>().ok()).sum();
        ticks * 1000.0 / TICKS_PER_SECOND
    }

    /// Waits until it has no children. Panics if they stay.
    #[track_caller]
    pub fn wait_alone(self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_alone() {
            assert!(Instant::now() < deadline, "process {} keeps its children", self.0);
            thread::sleep(LOOK_PAUSE);
        }
    }

    fn is_alone(self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).expect("a live process");
        let children = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        children.into_iter().all(|ids| ids.trim().is_empty())
    }

    fn read(self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.0);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// The number behind `name`.
fn field(text: &str, name: &str) -> u64 {
    let rest = text.split_once(name).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn kib_in_mb(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
