//! `pilotlight shell ID`: a person in the place of a build's checks. What is shown is the pull request's: as harmless
//! as that.

use std::io::{ErrorKind, IsTerminal, Read, Write, stdin, stdout};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::termios::{self, OptionalActions, Termios};

use crate::builder::{UNIT_STUCK, open_shell};
use crate::config::Config;
use crate::daemon::builder_config;
use crate::logic::event::{Job, JobCheck};
use crate::logic::policy::Isolation;
use crate::store::reader::Reader;
use crate::worker::protocol::{Frame, News, Terminal};

/// What a terminal sends for the end of what is typed.
const CTRL_D: u8 = 4;
/// Sizes of a terminal that does not tell its own.
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

pub fn run(config: &Config, id: i64) -> Result<()> {
    let job = job(config, id)?;
    if config.policy.isolation == Isolation::None {
        let owner = std::fs::metadata(&config.state_dir)?.uid();
        let us = rustix::process::geteuid().as_raw();
        ensure!(
            owner == us,
            "with isolation = \"none\" the shell is the daemon's user: run it as that one (uid {owner})"
        );
    }
    let size = termios::tcgetwinsize(stdout()).ok().filter(|size| size.ws_row > 0);
    let (rows, columns) = size.map_or((ROWS, COLUMNS), |size| (size.ws_row, size.ws_col));
    let kind = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
    let worker = open_shell(&builder_config(config), &job, Terminal { rows, columns, kind })?;
    eprintln!("The tree of build {id}, for ten minutes or until `exit`; builds of {} wait meanwhile", job.repository);
    let end = show(&worker.stream);
    worker.dismiss(Duration::ZERO, Path::new(UNIT_STUCK));
    end
}

fn job(config: &Config, id: i64) -> Result<Job> {
    let reader = Reader::open(&config.database()).context("this needs the daemon's state: try it with sudo")?;
    let build = reader.build(id)?.with_context(|| format!("there is no build {id}"))?;
    let policy = &config.policy;
    let name = &build.repository;
    let repository = policy.repository(name).with_context(|| format!("{name} is no longer configured"))?;
    let stranger = reader.is_stranger(name, build.pull)?;
    ensure!(!stranger || policy.isolation == Isolation::Systemd, "forks never run with isolation = \"none\"");
    let failed = build.checks.iter().position(|c| c.outward().0 != crate::logic::event::StatusState::Success);
    let index = failed.unwrap_or_default();
    let context = build.checks.get(index).context("the build has no checks")?.context.clone();
    let check = JobCheck { index, context, run: String::new(), timeout: Duration::ZERO };
    Ok(Job { checks: vec![check], ..Job::without_checks(&build, repository, stranger) })
}

/// Passes on what is typed, until nothing more can be.
fn type_on(mut worker: &UnixStream) {
    let mut chunk = [0; 4096];
    loop {
        let bytes = match stdin().read(&mut chunk) {
            Ok(0) | Err(_) => vec![CTRL_D],
            Ok(count) => chunk[..count].to_vec(),
        };
        let last = bytes == [CTRL_D] && !stdin().is_terminal();
        if Frame::Typed(bytes).write(&mut worker).is_err() || last {
            return;
        }
    }
}

/// Shows what the shell says, until it ends. What is typed is passed on once it is there.
fn show(mut worker: &UnixStream) -> Result<()> {
    let mut _raw = None;
    loop {
        let frame = match Frame::read(&mut worker) {
            // It left before it had read all that was typed.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            frame => frame?,
        };
        match frame {
            Some(Frame::News(News::CheckedOut)) => {}
            Some(Frame::News(News::CheckStarted { .. })) => {
                let typed = worker.try_clone()?;
                _raw = Some(Raw::set());
                thread::spawn(move || type_on(&typed));
            }
            Some(Frame::Log(bytes)) => {
                stdout().write_all(&bytes)?;
                stdout().flush()?;
            }
            Some(Frame::News(News::Done { error: Some(error) })) => bail!("{error}"),
            Some(Frame::News(_)) | None => return Ok(()),
            Some(_) => bail!("the worker broke the rules"),
        }
    }
}

/// The terminal passes on every key, until this is dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn set() -> Raw {
        let before = termios::tcgetattr(stdin()).ok();
        if let Some(mut raw) = before.clone() {
            raw.make_raw();
            let _ = termios::tcsetattr(stdin(), OptionalActions::Now, &raw);
        }
        Raw(before)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}
