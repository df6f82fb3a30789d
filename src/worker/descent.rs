//! Who descends from this process, and one signal to all of them.

use std::collections::{HashMap, HashSet};
use std::fs;

use rustix::process::{Pid, Signal, getpgrp, getpid, kill_process_group};

/// Sends `signal` to the process group of every descendant, those of parents first.
///
/// By group, because the kernel signals a group as a whole: no fork in it slips through. A descendant is
/// never in our own group or session, as each child begins with `setsid`, so a group seen here holds
/// descendants alone. What is forked elsewhere during the look at `/proc` needs another round.
pub fn signal_all(signal: Signal) {
    let mut groups = HashSet::from([getpgrp()]);
    for process in descendants() {
        if groups.insert(process.group) {
            // An error means that the group has just gone, or that it became another user's (sudo); the
            // caller sees by what is left.
            let _ = kill_process_group(process.group, signal);
        }
    }
}

struct Process {
    pid: Pid,
    group: Pid,
}

/// All descendants that can be seen now, parents before their children.
fn descendants() -> Vec<Process> {
    let mut children: HashMap<Pid, Vec<Process>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let Ok(stat) = fs::read(entry.path().join("stat")) else {
            continue;
        };
        let Some((parent, group)) = parent_and_group(&stat) else {
            continue;
        };
        children.entry(parent).or_default().push(Process { pid, group });
    }
    let mut found = children.remove(&getpid()).unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        found.extend(children.remove(&process.pid).unwrap_or_default());
        next += 1;
    }
    found
}

/// From `/proc/PID/stat`: `pid (name) state ppid pgrp …`; the name may hold anything (proc_pid_stat(5)).
fn parent_and_group(stat: &[u8]) -> Option<(Pid, Pid)> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let text = std::str::from_utf8(&stat[after_name..]).ok()?;
    let mut numbers = text.split_ascii_whitespace().skip(1).map(|field| field.parse().ok().and_then(Pid::from_raw));
    Some((numbers.next()??, numbers.next()??))
}
