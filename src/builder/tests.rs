//! Whole builds against real git, with a shell script in the worker's place.

mod broken;
mod units;

use std::fs;
use std::io::{PipeWriter, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::logic::build::CheckEnd;
use crate::logic::event::JobCheck;
use crate::logic::policy::Tested;
use crate::logic::secret::SecretFile;
use crate::worker::protocol::{Frame, News};

/// A remote repository.
pub struct Origin {
    pub dir: TempDir,
}

impl Origin {
    pub fn new() -> Origin {
        let origin = Origin { dir: TempDir::new().unwrap() };
        origin.git(&["init", "--bare", "--quiet", "."], "");
        origin
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.dir.path().display())
    }

    /// A commit with one file of that text, known by its sha alone.
    pub fn commit(&self, text: &str) -> String {
        let blob = self.git(&["hash-object", "-w", "--stdin"], text);
        let tree = self.git(&["mktree"], &format!("100644 blob {blob}\tfile\n"));
        self.git(&["commit-tree", "-m", text, &tree], "")
    }

    /// Points `refs/pull/PULL/head` at a new commit.
    pub fn push(&self, pull: u64, text: &str) -> String {
        let sha = self.commit(text);
        self.git(&["update-ref", &format!("refs/pull/{pull}/head"), &sha], "");
        sha
    }

    fn git(&self, args: &[&str], input: &str) -> String {
        git(self.dir.path(), args, input).unwrap()
    }
}

/// Runs git in `dir`, far from the machine's own configuration.
pub fn git(dir: &Path, args: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@example.org");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// Build 5 of pull request 7, with two checks.
pub fn job(clone_url: String, sha: String) -> Job {
    let check = |index, context: &str| JobCheck {
        index,
        context: context.to_owned(),
        run: "make test\nmake more".to_owned(),
        timeout: Duration::from_secs(60),
    };
    Job {
        build: 5,
        repository: "Acme/app.rs".to_owned(),
        clone_url,
        submodules: true,
        stranger: false,
        pull: 7,
        sha,
        base_ref: "main".to_owned(),
        head_ref: "topic".to_owned(),
        tested: Tested::Head,
        may_skip: false,
        reads_checks: false,
        checks: vec![check(0, "lint"), check(1, "test")],
        silence: Duration::from_secs(30),
        secrets: Vec::new(),
    }
}

struct Bench {
    dir: TempDir,
    origin: Origin,
    config: BuilderConfig,
}

impl Bench {
    fn new(isolation: Isolation) -> Bench {
        let dir = TempDir::new().unwrap();
        let below = |name| dir.path().join(name);
        let config = BuilderConfig {
            state_dir: below("state"),
            cache_dir: below("cache"),
            isolation,
            token: None,
            token_host: "github.com".to_owned(),
            understand: |_, _| Ok(Vec::new()),
            worker_exe: below("worker"),
            unit_sockets: dir.path().to_owned(),
            unit_rooms: below("units"),
        };
        Bench { dir, origin: Origin::new(), config }
    }

    /// A worker that is this shell script, once it has begun to read its job.
    fn worker(self, script: &str) -> Bench {
        let (text, dir) = (self.dir.path().join("script"), self.dir.path().display());
        fs::write(&text, format!("#!/bin/sh\ncd {dir}\nhead -c 5 >/dev/null\n{script}\n")).unwrap();
        // Copied by another process: what we had open for writing, a fork of another test could keep busy.
        let mut copy = Command::new("install");
        copy.args(["-m", "755"]).arg(&text).arg(&self.config.worker_exe);
        assert!(copy.status().unwrap().success());
        self
    }

    /// Runs one build in a builder's thread. Returns the news as they come, and what cancels it.
    fn build(&self, url: String) -> (mpsc::Receiver<BuildNews>, PipeWriter, thread::JoinHandle<()>) {
        let (cancel, keep) = std::io::pipe().unwrap();
        let (orders, inbox) = crossbeam_channel::bounded(1);
        let mut job = job(url, self.origin.push(7, "hello"));
        let file = self.dir.path().join("secret");
        job.secrets.extend(file.exists().then(|| SecretFile { name: "NPM_TOKEN".to_owned(), file }));
        let (news, seen) = mpsc::channel();
        let tell = Box::new(move |word| news.send(word).unwrap());
        orders.send(Order { job, cancel, tell }).unwrap();
        let config = self.config.clone();
        (seen, keep, thread::spawn(move || run(config, 2, inbox)))
    }

    /// All the news of one build that nobody cancels.
    fn news(&self) -> Vec<BuildNews> {
        let (seen, _keep, thread) = self.build(self.origin.url());
        let news = seen.iter().collect();
        thread.join().unwrap();
        news
    }

    /// As a power cut would: an object of its last head is empty.
    fn break_mirror(&self) {
        let mirror = self.config.state_dir.join("mirrors/acme__app_drs.git");
        let blob = git(&mirror, &["rev-parse", "refs/pull/7/head:file"], "").unwrap();
        let object = mirror.join("objects").join(&blob[..2]).join(&blob[2..]);
        fs::remove_file(&object).unwrap();
        fs::write(&object, "").unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(log_path(&self.config.state_dir, 5)).unwrap()
    }
}

fn over(error: &str) -> BuildNews {
    let error = Some(error.to_owned());
    BuildNews::Finished { error }
}

pub fn started(check: usize) -> Frame {
    Frame::News(News::CheckStarted { check })
}

pub fn ended(check: usize, end: CheckEnd) -> Frame {
    let took = Duration::MAX;
    Frame::News(News::CheckFinished { check, end, took })
}

pub fn passed(check: usize) -> Frame {
    ended(check, CheckEnd::Exited(0))
}

pub fn done(error: Option<&str>) -> Frame {
    let error = error.map(str::to_owned);
    Frame::News(News::Done { error })
}

pub fn said(words: &str) -> Frame {
    Frame::Log(words.into())
}

/// The shell's words for a frame.
fn say(frame: Frame) -> String {
    let mut bytes = Vec::new();
    frame.write(&mut bytes).unwrap();
    let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{octal}' >&0\n")
}

#[test]
fn a_child_does_a_build() {
    let course = [said("tree\n"), started(0), said("one\n"), passed(0), started(1), passed(1), done(None)];
    let script: String = course.map(say).concat();
    let bench = Bench::new(Isolation::None)
        .worker(&format!("env > env; cat /proc/$$/oom_score_adj > oom; echo $$ $1 > pid\n{script}"));
    let news = bench.news();
    let log = bench.log();
    let (before, one) = log.split_at(log.find("one\n").unwrap());
    assert!(before.starts_with("── fetch Acme/app.rs#7 at "), "{log}");
    assert!(before.ends_with("\ntree\n── lint: make test\n"), "{log}");
    assert_eq!(one, "one\n── test: make test\n");
    let words: Vec<_> = news.iter().map(|news| format!("{news:?}")).collect();
    let (at, all) = (before.len(), log.len());
    assert_eq!(words[..2], ["Started".to_owned(), format!("CheckStarted {{ check: 0, log_start: {at} }}")]);
    assert!(words[2].starts_with("CheckFinished { check: 0, end: Exited(0), took: "), "{words:?}");
    assert!(words[2].ends_with(&format!(", log_end: {} }}", at + 4)), "{words:?}");
    assert_eq!(words[3], format!("CheckStarted {{ check: 1, log_start: {all} }}"));
    assert!(words[4].ends_with(&format!(", log_end: {all} }}")), "{words:?}");
    assert_eq!(words[5..], ["Finished { error: None }"]);

    let read = |name| fs::read_to_string(bench.dir.path().join(name)).unwrap();
    let environment = read("env");
    let names = environment.lines().filter_map(|line| Some(line.split_once('=')?.0));
    // The last four are the shell's own.
    let strange = |name: &&str| !["LANG", "PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(name);
    assert_eq!(names.filter(strange).collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!(read("oom"), "500\n");
    let pid = read("pid");
    let (pid, word) = pid.trim().split_once(' ').unwrap();
    assert_eq!(word, "worker");
    assert!(!Path::new("/proc").join(pid).exists(), "the worker was reaped");
}

#[test]
fn a_child_that_dies_is_told_of() {
    let table = [
        ("kill -9 $$", "killed by signal 9: often a lack of memory"),
        ("exit 3", "exit code 3"),
        ("kill -TERM $$", "killed by signal 15"),
    ];
    for (script, how) in table {
        let bench = Bench::new(Isolation::None).worker(script);
        let error = over(&format!("the worker ended without a word ({how})"));
        assert_eq!(bench.news(), [BuildNews::Started, error], "{script}");
    }
}

#[test]
fn a_secret_is_handed_over_and_comes_back_as_stars() {
    let value = "tok-0123456789/x";
    let broken = CheckEnd::Broken(format!("no such file: {value}"));
    // As far as its end the log can't know whether a secret begins.
    let course =
        [said("got tok-0123"), said("456789/x and tok-01"), started(0), said("tok-0123456789%2fx"), ended(0, broken)];
    let last = done(Some(&format!("lost {value}")));
    let bench = Bench::new(Isolation::None);
    fs::write(bench.dir.path().join("secret"), format!("{value}\n")).unwrap();
    let script = course.into_iter().chain([last]).map(say).collect::<String>();
    let bench = bench.worker(&format!("dd of=job bs=65536 count=1 2>/dev/null\n{script}"));
    let news = bench.news();
    let words = |news: &BuildNews| match news {
        BuildNews::CheckFinished { end: CheckEnd::Broken(why), .. } => Some(why.clone()),
        BuildNews::Finished { error } => error.clone(),
        _ => None,
    };
    assert_eq!(news.iter().filter_map(words).collect::<Vec<_>>(), ["no such file: ***", "lost ***"]);
    let log = bench.log();
    let (_, after) = log.split_once("got ").unwrap();
    assert_eq!(after, "*** and tok-01\n── lint: make test\n***");
    let BuildNews::CheckFinished { log_end, .. } = news[2] else { panic!("not the end of a check") };
    assert_eq!(log_end, log.len() as u64, "offsets are those of what is shown");
    let job = fs::read_to_string(bench.dir.path().join("job")).unwrap();
    assert!(job.contains(&format!(r#""secrets":[["NPM_TOKEN","{value}"]]"#)));

    fs::write(bench.dir.path().join("secret"), "").unwrap();
    let [BuildNews::Finished { error: Some(error) }] = &bench.news()[..] else { panic!("it did not end") };
    assert!(error.starts_with("secret NPM_TOKEN: /") && error.ends_with("is empty: write the secret into it"));
}

#[test]
fn no_worker_and_how_to_get_one() {
    let bench = Bench::new(Isolation::None);
    let exe = bench.config.worker_exe.display();
    let error = format!("cannot start {exe} worker: No such file or directory (os error 2)");
    assert_eq!(bench.news(), [BuildNews::NoWorker { error }]);

    let bench = Bench::new(Isolation::Systemd);
    let dir = bench.dir.path().display();
    let error = format!(
        "no worker at {dir}/acme__app_drs.sock: run \
         `sudo systemctl enable --now pilotlight-build@acme__app_drs.socket`: No such file or directory (os error 2)"
    );
    let error = plain(&error);
    assert_eq!(bench.news(), [BuildNews::NoWorker { error }]);
}

#[test]
fn a_head_that_is_not_there_is_told_of() {
    let bench = Bench::new(Isolation::None);
    let (seen, _keep, thread) = bench.build("file:///nowhere".to_owned());
    let error = "'/nowhere' does not appear to be a git repository".to_owned();
    assert_eq!(seen.iter().collect::<Vec<_>>(), [BuildNews::NotFetched { error }]);
    thread.join().unwrap();
    let log = bench.log();
    assert!(log.contains("fatal: Could not read from remote repository."), "{log}");
}

#[test]
fn cancelling_ends_the_worker_and_the_build() {
    let bench = Bench::new(Isolation::None).worker("cat > all; echo over > over");
    let (seen, keep, thread) = bench.build(bench.origin.url());
    assert_eq!(seen.recv().unwrap(), BuildNews::Started);
    drop(keep);
    assert_eq!(seen.iter().collect::<Vec<_>>(), [BuildNews::Finished { error: None }]);
    thread.join().unwrap();
    assert!(bench.dir.path().join("over").exists(), "the worker could end by itself");
}

#[test]
fn a_process_that_stays_is_killed_with_its_group() {
    for drop_it in [false, true] {
        let mut command = Command::new("sh");
        let (mut output, theirs) = std::io::pipe().unwrap();
        command.args(["-c", "trap '' TERM; sleep 1000 & echo here; wait"]).stdout(theirs);
        let process = process::Process::spawn(&mut command).unwrap();
        drop(command);
        output.read_exact(&mut [0; 5]).unwrap();
        if drop_it {
            drop(process);
        } else {
            assert_eq!(process.stop(Duration::from_millis(50)).unwrap().signal(), Some(9));
        }
        assert_eq!(output.read(&mut [0]).unwrap(), 0, "the other one held its end of the pipe");
    }
}

#[test]
fn slugs() {
    let long = "a-company-with-a-name/and-a-repository-with-one";
    let table = [
        ("acme/app", "acme__app"),
        ("ACME/App", "acme__app"),
        ("acme/my.app", "acme__my_dapp"),
        ("acme_x/app", "acme_ux__app"),
        ("acme/..", "acme___d_d"),
        ("acme/.._d", "acme___d_d_ud"),
        ("../x/y", "_d_d__x__y"),
        ("a/\u{e9}", "a___xc3_xa9"),
        (long, "a-company-w_h"),
    ];
    for (name, expected) in table {
        let slug = slug(name);
        assert!(slug == expected || name == long && slug.starts_with(expected), "{name}: {slug}");
        assert!(slug.len() <= SLUG_BYTES_MAX, "{slug}");
    }
    assert_eq!(slug(long), slug(&long.to_uppercase()));
    assert_ne!(slug(long), slug(&format!("{long}s")));
    assert_ne!(slug("acme/my.app"), slug("acme/my_dapp"));
}

#[test]
fn words_from_outside_are_one_short_line() {
    assert_eq!(plain("  a\u{1b}[31m\nb\u{202e}c\t "), "a [31m bc");
    assert_eq!(plain(&"x".repeat(1000)).len(), REASON_CHARS_MAX);
}
