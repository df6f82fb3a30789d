use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, test_kill_process};
use tempfile::TempDir;

use super::*;
use crate::logic::build::CheckEnd;
use crate::logic::secret::Secret;

mod ends;
mod rooms;

/// Makes [`act_as_worker`] one.
const ACT: &str = "PILOTLIGHT_TEST_WORKER";
/// Long enough for whatever is not about time.
const AMPLE: Duration = Duration::from_secs(120);

/// No test: the worker itself, when [`Worker::start`] runs this binary again.
#[test]
fn act_as_worker() {
    if std::env::var_os(ACT).is_some() {
        main().unwrap();
    }
}

/// A repository and a room.
pub struct Bench {
    pub dir: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let bench = Bench { dir: TempDir::new().unwrap() };
        fs::create_dir(bench.path("repo")).unwrap();
        bench.sh("git init -q -b main . && echo one >file && echo plain >script && git add -A && git commit -qm one");
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a script in the repository; what it printed, without the end of the last line.
    pub fn sh(&self, script: &str) -> String {
        let mut command = Command::new("/bin/sh");
        command.args(["-ec", script]).current_dir(self.path("repo")).env("HOME", self.dir.path());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "t").env(format!("GIT_{who}_EMAIL"), "t@example.com");
        }
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{script}");
        String::from_utf8(output.stdout).unwrap().trim_end().into()
    }

    pub fn job(&self, scripts: &[&str]) -> WorkerJob {
        let check = |(index, run): (usize, &&str)| JobCheck {
            index,
            context: format!("pilotlight/{index}"),
            run: run.to_string(),
            timeout: AMPLE,
        };
        WorkerJob {
            shell: None,
            build: 7,
            repository: "acme/app".into(),
            pull: 3,
            sha: self.sh("git rev-parse HEAD"),
            base_sha: None,
            base_ref: "main".into(),
            head_ref: "topic".into(),
            clone_url: format!("file://{}", self.path("repo").display()),
            submodules: true,
            mirror: self.path("repo/.git"),
            room: self.path("room"),
            fresh: false,
            checks: scripts.iter().enumerate().map(check).collect(),
            silence: AMPLE,
            secrets: Vec::new(),
        }
    }

    pub fn build(&self, scripts: &[&str]) -> Outcome {
        Worker::start(&self.job(scripts)).outcome()
    }
}

/// A worker in a process of its own, and our end of its stream.
pub struct Worker {
    child: Child,
    stream: UnixStream,
    log: Vec<u8>,
}

/// All that a worker told.
#[derive(Debug)]
pub struct Outcome {
    pub log: String,
    pub ends: Vec<CheckEnd>,
    pub error: Option<String>,
    /// Bytes of output that were left out.
    pub cut: u64,
    pub checked_out: bool,
}

impl Worker {
    pub fn start(job: &WorkerJob) -> Worker {
        Worker::start_with(job, &path())
    }

    pub fn start_with(job: &WorkerJob, path: &OsString) -> Worker {
        let (stream, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["worker::tests::act_as_worker", "--exact", "--nocapture"]).env(ACT, "1").env("PATH", path);
        let child = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn().unwrap();
        Frame::Job(Box::new(job.clone())).write(&mut &stream).unwrap();
        Worker { child, stream, log: Vec::new() }
    }

    fn next(&mut self) -> Option<News> {
        loop {
            match Frame::read(&mut &self.stream).unwrap()? {
                Frame::Log(bytes) => self.log.extend(bytes),
                Frame::News(news) => return Some(news),
                Frame::Job(_) | Frame::Typed(_) => panic!("a worker gives no orders"),
            }
        }
    }

    /// Waits for a whole line in the log that begins with `start`; the rest of it.
    pub fn line(&mut self, start: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.log);
            let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
            if let Some(line) = whole.lines().find_map(|line| line.strip_prefix(start)) {
                return line.to_string();
            }
            match Frame::read(&mut &self.stream).unwrap().expect("the worker ended early") {
                Frame::Log(bytes) => self.log.extend(bytes),
                Frame::News(news) => {
                    assert!(matches!(news, News::CheckedOut | News::CheckStarted { .. }), "{news:?} before {start}");
                }
                Frame::Job(_) | Frame::Typed(_) => panic!("a worker gives no orders"),
            }
        }
    }

    pub fn outcome(mut self) -> Outcome {
        let (mut ends, mut started, mut cut, mut checked_out) = (Vec::new(), 0, 0, false);
        let error = loop {
            match self.next().expect("no last word") {
                News::CheckedOut => checked_out = true,
                News::CheckStarted { check } => {
                    assert!(checked_out);
                    assert_eq!((check, ends.len()), (started, started));
                    started += 1;
                }
                News::CheckFinished { check, end, .. } => {
                    assert_eq!(check + 1, started);
                    ends.push(end);
                }
                News::Cut { bytes } => cut += bytes,
                News::UnitEnded { .. } => panic!("a worker tells of its unit"),
                News::Done { error } => break error,
                News::Conflict => break Some("conflict".to_owned()),
            }
        };
        assert_eq!(self.next(), None);
        assert!(self.child.wait().unwrap().success());
        Outcome { log: String::from_utf8_lossy(&self.log).into(), ends, error, cut, checked_out }
    }

    /// Ends the stream and waits until the worker has gone in peace.
    pub fn stop(mut self) {
        drop(self.stream);
        assert!(self.child.wait().unwrap().success());
    }
}

fn pids(text: &str) -> Vec<Pid> {
    text.split_whitespace().map(|word| Pid::from_raw(word.parse().unwrap()).unwrap()).collect()
}

fn assert_gone(pids: &[Pid]) {
    assert!(!pids.is_empty());
    for pid in pids {
        assert!(test_kill_process(*pid).is_err(), "{pid:?} is left");
    }
}

#[test]
fn checks_end_as_their_shell_does_and_all_run() {
    let table = [
        ("true", CheckEnd::Exited(0)),
        ("exit 3", CheckEnd::Exited(3)),
        ("./missing", CheckEnd::Exited(127)),
        ("./script", CheckEnd::Exited(126)),
        ("kill -9 $$", CheckEnd::Signalled(9)),
        ("kill -PIPE $$", CheckEnd::Signalled(13)),
        ("read line", CheckEnd::Exited(1)), // no input
        ("cd .. && rm -rf tree", CheckEnd::Exited(0)),
        ("true", CheckEnd::Broken("it could not be started: No such file or directory (os error 2)".into())),
    ];
    let outcome = Bench::new().build(&table.clone().map(|row| row.0));
    assert_eq!(outcome.ends, table.map(|row| row.1));
    assert_eq!(outcome.error, None);
}

#[test]
fn both_outputs_are_one_in_order() {
    let outcome = Bench::new().build(&["for i in $(seq 500); do echo o$i; echo e$i >&2; done; printf end"]);
    let lines: String = (1..=500).map(|i| format!("o{i}\ne{i}\n")).collect();
    assert_eq!(outcome.log, lines + "end");
}

#[test]
fn the_environment_is_the_contract_and_nothing_else() {
    let bench = Bench::new();
    let look = "echo; ls -A $TMPDIR; echo $TOKEN; tr '\\0' '\\n' </proc/$PPID/environ | grep -c TOKEN";
    let mut job = bench.job(&["touch $TMPDIR/left; cat /proc/$$/environ", look]);
    job.secrets = vec![("TOKEN".into(), Secret::new("two\nlines")), ("HOME".into(), Secret::new("/lost"))];
    let outcome = Worker::start(&job).outcome();
    let (environment, left) = outcome.log.split_once("\0\n").unwrap();
    let room = bench.path("room");
    let mut expected = [
        "CI=true".into(),
        "PILOTLIGHT=true".into(),
        "PILOTLIGHT_BUILD_ID=7".into(),
        "PILOTLIGHT_REPOSITORY=acme/app".into(),
        "PILOTLIGHT_PULL_REQUEST=3".into(),
        format!("PILOTLIGHT_SHA={}", bench.sh("git rev-parse HEAD")),
        "PILOTLIGHT_BASE_REF=main".into(),
        "PILOTLIGHT_HEAD_REF=topic".into(),
        "PILOTLIGHT_CONTEXT=pilotlight/0".into(),
        format!("PILOTLIGHT_CACHE_DIR={}/cache", room.display()),
        format!("HOME={}/home", room.display()),
        format!("PATH={}", path().display()),
        "LANG=C.UTF-8".into(),
        "TOKEN=two\nlines".into(), // and no HOME of a secret's
        format!("TMPDIR={}/tmp", room.display()),
    ];
    let mut given: Vec<_> = environment.split_terminator('\0').collect();
    given.sort_unstable();
    expected.sort_unstable();
    assert_eq!(given, expected);
    assert_eq!(left, "left\ntwo lines\n0\n", "the worker itself has nothing of it");
    assert_eq!(bench.build(&["ls -A $TMPDIR"]).log, "");
}

#[test]
fn a_check_starts_with_clean_signals_and_no_descriptors_of_ours() {
    let outcome = Bench::new().build(&[
        "while read name mask; do case $name in SigBlk:|SigIgn:) echo $mask;; esac; done </proc/$$/status",
        "exec ls /proc/self/fd", // the last is that of the list itself
        "readlink /proc/$$/fd/0",
        "read pid name state parent group session rest </proc/self/stat; echo $((group - session))",
        "stat -c %a .. ../home ../cache ../tmp | sort -u",
    ]);
    let ours = fs::read_to_string("/proc/self/status").unwrap();
    let ours = ours.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let standard = |mask: &str| u64::from_str_radix(mask.trim(), 16).unwrap() & 0x7fff_ffff; // without libc's own
    // SIGPIPE is ignored by every Rust process; SIGHUP, SIGINT and SIGTERM the worker takes for itself, whatever
    // whoever started these tests ignores.
    let not_passed_on = 1 << 12 | 1 << 0 | 1 << 1 | 1 << 14;
    let mut lines = outcome.log.splitn(3, '\n');
    assert_eq!(standard(lines.next().unwrap()), 0);
    assert_eq!(standard(lines.next().unwrap()), standard(ours) & !not_passed_on);
    assert_eq!(lines.next().unwrap(), "0\n1\n2\n3\n/dev/null\n0\n700\n");
}

#[test]
fn a_job_that_makes_no_sense_is_refused() {
    let bench = Bench::new();
    let (gone, sha) = ("0123456789".repeat(4), bench.sh("git rev-parse HEAD"));
    let nowhere = bench.path("nowhere");
    let no_mirror = format!("the mirror {} is not a git repository", nowhere.display());
    let mirror = bench.path("repo/.git");
    let table: [(&str, &Path, &str); 5] = [
        ("main", &mirror, "“main” is not the full sha of a commit"),
        ("--upload-pack=x", &mirror, "“--upload-pack=x” is not the full sha of a commit"),
        (&sha.to_uppercase(), &mirror, &format!("“{}” is not the full sha of a commit", sha.to_uppercase())),
        (&gone, &mirror, &format!("git checkout: fatal: unable to read tree ({gone})")),
        (&sha, &nowhere, &no_mirror),
    ];
    for (sha, mirror, message) in table {
        let mut job = bench.job(&["true"]);
        (job.sha, job.mirror) = (sha.into(), mirror.into());
        let outcome = Worker::start(&job).outcome();
        assert_eq!((outcome.error.as_deref(), outcome.ends.len()), (Some(message), 0));
        assert!(!outcome.checked_out);
    }
}

#[test]
fn no_job_no_build() {
    for (bytes, fine) in [(&b""[..], true), (b"\x01\0\0\0\x02{}", false), (b"\x02\0\0\0\0", false)] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["worker::tests::act_as_worker", "--exact"]).env(ACT, "1").stdout(Stdio::null());
        let (mut stream, theirs) = UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut stream, bytes).unwrap();
        let mut child = command.stdin(OwnedFd::from(theirs)).stderr(Stdio::null()).spawn().unwrap();
        drop(command);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        // It greets, and that is all.
        assert_eq!((child.wait().unwrap().success(), &said[..]), (fine, &b"\x02\0\0\0\0"[..]), "{bytes:?}");
    }
}

#[test]
fn how_the_unit_ended_is_told_to_whoever_asks() {
    let dir = TempDir::new().unwrap();
    for (result, told) in [("success", false), ("oom-kill", true)] {
        let path = dir.path().join(result);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let daemon = UnixStream::connect(&path).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["worker::tests::act_as_the_unit_s_end", "--exact"]).env(ACT, "1");
        command.env("SERVICE_RESULT", result).env("EXIT_STATUS", "KILL").stdout(Stdio::null());
        let status = command.stdin(OwnedFd::from(listener)).status().unwrap();
        drop(command);
        assert!(status.success());
        let word = Frame::News(News::UnitEnded { result: result.into(), status: "KILL".into() });
        // Without a word the socket is closed with its process.
        assert_eq!(Frame::read(&mut &daemon).ok().flatten(), told.then_some(word));
    }
}

/// No test: the unit's end, for the one above.
#[test]
fn act_as_the_unit_s_end() {
    if std::env::var_os(ACT).is_some() {
        tell_how_it_ended().unwrap();
    }
}
