//! Child processes that are waited for with a limit, and what they say line by line.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::PATIENCE;

/// A command of the command line that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A running child whose stdout and stderr are gathered. Killed with its value.
pub struct Process {
    child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Process {
    #[track_caller]
    pub fn start(command: &mut Command) -> Process {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("starting {command:?}: {e}"));
        let stdout = Lines::gather(child.stdout.take().expect("piped"));
        let stderr = Lines::gather(child.stderr.take().expect("piped"));
        Process { child, stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("our own child, not yet waited for");
    }

    /// Waits for the end; `None` when it has not come within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        if let Some(status) = self.child.try_wait().expect("our own child") {
            return Some(status);
        }
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).expect("our own child");
        let limit = Timespec::try_from(limit).expect("a short time");
        let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)).expect("poll on a pidfd") > 0;
        ended.then(|| self.child.wait().expect("our own child"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end. Panics with what it said if that takes too long.
#[track_caller]
pub fn run_to_end(command: &mut Command) -> Finished {
    let mut process = Process::start(command);
    let Some(status) = process.wait(PATIENCE) else {
        let (stdout, stderr) = (process.stdout.text(), process.stderr.text());
        panic!("{command:?} does not end; it said {stdout:?} and {stderr:?}");
    };
    let (stdout, stderr) = (process.stdout.wait_for_end(), process.stderr.wait_for_end());
    Finished { code: status.code(), stdout, stderr }
}

/// What comes out of a pipe, line by line.
#[derive(Clone)]
pub struct Lines(Arc<(Mutex<Gathered>, Condvar)>);

#[derive(Default)]
struct Gathered {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    pub fn gather(pipe: impl Read + Send + 'static) -> Lines {
        let gathered = Lines(Arc::default());
        let mine = gathered.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                mine.change(|g| g.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            mine.change(|g| g.ended = true);
        });
        gathered
    }

    fn change(&self, change: impl FnOnce(&mut Gathered)) {
        change(&mut self.0.0.lock().expect("no gathering thread panics"));
        self.0.1.notify_all();
    }

    pub fn text(&self) -> String {
        self.0.0.lock().expect("no gathering thread panics").lines.join("\n")
    }

    /// How many lines have come.
    pub fn count(&self) -> usize {
        self.0.0.lock().expect("no gathering thread panics").lines.len()
    }

    /// Waits for a line that holds `part` and returns it; panics with all lines after `limit` or at their end.
    #[track_caller]
    pub fn wait_for(&self, part: &str, limit: Duration) -> String {
        self.wait_for_after(0, part, limit)
    }

    /// The same, past the first `seen` lines.
    #[track_caller]
    pub fn wait_for_after(&self, seen: usize, part: &str, limit: Duration) -> String {
        let found = |g: &Gathered| g.lines.iter().skip(seen).find(|line| line.contains(part)).cloned();
        let lock = self.0.0.lock().expect("no gathering thread panics");
        let wait = self.0.1.wait_timeout_while(lock, limit, |g| found(g).is_none() && !g.ended);
        let (gathered, _) = wait.expect("no gathering thread panics");
        let line = found(&gathered);
        // A panic must not poison what the gathering thread still uses.
        drop(gathered);
        line.unwrap_or_else(|| panic!("no line with {part:?} among:\n{}", self.text()))
    }

    /// Whether a line that holds `part` comes within `limit`.
    pub fn hears(&self, part: &str, limit: Duration) -> bool {
        let found = |g: &Gathered| g.lines.iter().any(|line| line.contains(part));
        let lock = self.0.0.lock().expect("no gathering thread panics");
        let wait = self.0.1.wait_timeout_while(lock, limit, |g| !found(g) && !g.ended);
        found(&wait.expect("no gathering thread panics").0)
    }

    /// All of it, once the other side has closed the pipe, and at the latest after [`PATIENCE`].
    pub fn wait_for_end(&self) -> String {
        let lock = self.0.0.lock().expect("no gathering thread panics");
        let wait = self.0.1.wait_timeout_while(lock, PATIENCE, |g| !g.ended);
        drop(wait.expect("no gathering thread panics"));
        self.text()
    }
}
