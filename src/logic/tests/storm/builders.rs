//! What builders and people say in a storm.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;

use crate::logic::build::CheckEnd;
use crate::logic::event::{BuildNews, Job};
use crate::logic::policy::{Approval, CheckSource, Follow, Isolation, Policy, Tested};
use crate::logic::tests::words;

/// A build in the hands of a builder.
pub struct Running {
    /// What it says of the head before a worker has it.
    reads: Option<BuildNews>,
    tested: Tested,
    started: bool,
    /// It was told to stop.
    pub stopped: bool,
    checks: VecDeque<usize>,
    now: Option<usize>,
}

impl Running {
    pub fn new(job: &Job) -> Running {
        let checks = job.checks.iter().map(|c| c.index).collect();
        Running { reads: of_head(job), tested: job.tested, started: false, stopped: false, checks, now: None }
    }

    /// The next word; when all is `calm`, a good one.
    pub fn next(&mut self, rng: &mut Rng, calm: bool) -> BuildNews {
        if !calm && rng.u8(..30) == 0 {
            return any(rng);
        }
        if self.stopped {
            return BuildNews::Finished { error: Some("stopped".to_owned()) };
        }
        if !self.started {
            return match rng.u8(..10) {
                0..2 if !calm => BuildNews::NotFetched { error: "no such ref".to_owned() },
                2 if !calm => BuildNews::NoWorker { error: "no unit".to_owned() },
                _ if self.reads.is_some() => self.reads.take().expect("just seen"),
                _ => {
                    self.started = true;
                    BuildNews::Started
                }
            };
        }
        if let Some(check) = self.now.take() {
            return BuildNews::CheckFinished { check, end: end(rng), took: Duration::from_secs(41), log_end: 2 };
        }
        if self.tested == Tested::Merge && rng.u8(..10) == 0 {
            return BuildNews::Conflict;
        }
        match self.checks.pop_front() {
            Some(check) => {
                self.now = Some(check);
                BuildNews::CheckStarted { check, log_start: 1 }
            }
            None => BuildNews::Finished { error: None },
        }
    }
}

/// What a head says of itself: always the same.
fn of_head(job: &Job) -> Option<BuildNews> {
    let number = job.sha.bytes().map(usize::from).sum::<usize>();
    if job.may_skip && number % 5 == 0 {
        return Some(BuildNews::Skipped { marker: "[skip ci]" });
    }
    let wrong = || BuildNews::Named { checks: Err("it is wrong".to_owned()) };
    let said = || FILES.get(number % 4).map_or_else(wrong, |contexts| words::checks_named(contexts));
    job.reads_checks.then(said)
}

/// Files of heads, by the contexts in them.
const FILES: [&str; 3] = ["", "lint,doc", "Doc"];

/// Any word at all.
pub fn any(rng: &mut Rng) -> BuildNews {
    let check = rng.usize(..4);
    match rng.u8(..9) {
        6 => BuildNews::Skipped { marker: "[skip ci]" },
        7 => words::checks_named(FILES[rng.usize(..FILES.len())]),
        8 => BuildNews::Conflict,
        0 => BuildNews::Started,
        1 => BuildNews::NotFetched { error: "no such ref".to_owned() },
        2 => BuildNews::NoWorker { error: "no unit".to_owned() },
        3 => BuildNews::CheckStarted { check, log_start: 1 },
        4 => BuildNews::CheckFinished { check, end: end(rng), took: Duration::ZERO, log_end: 2 },
        _ => BuildNews::Finished { error: rng.bool().then(|| "lost ".repeat(40)) },
    }
}

/// Whether the builder holds the build no more.
pub fn gives_back(news: &BuildNews) -> bool {
    use BuildNews::{Conflict, Finished, Named, NoWorker, NotFetched, Skipped};
    matches!(news, NotFetched { .. } | NoWorker { .. } | Skipped { .. } | Named { .. } | Conflict | Finished { .. })
}

/// Another policy. With `restless`, repositories and checks change too.
pub fn shuffle(policy: &mut Policy, rng: &mut Rng, restless: bool) {
    policy.workers = rng.usize(1..4);
    policy.isolation = if rng.u8(..4) == 0 { Isolation::None } else { Isolation::Systemd };
    policy.approval = match rng.u8(..6) {
        0 => Approval::None,
        1 => Approval::All,
        _ => Approval::Forks,
    };
    policy.follow = if rng.u8(..3) == 0 { Follow::Worst } else { Follow::Latest };
    policy.blink = rng.bool();
    policy.include_external = rng.bool();
    policy.lamp_repositories = if rng.u8(..4) == 0 { vec!["acme/app".to_owned()] } else { Vec::new() };
    if restless {
        let checks = ["lint,test", "test", "test,doc", "Lint"];
        let mut repository = |name| words::repository(name, checks[rng.usize(..checks.len())]);
        policy.repositories = vec![repository("acme/app"), repository("acme/lib")];
        policy.repositories.truncate(rng.usize(1..3));
        for repository in &mut policy.repositories {
            repository.check_source = if rng.bool() { CheckSource::Box } else { CheckSource::Repository };
        }
    }
    for repository in &mut policy.repositories {
        repository.skip_ci = rng.bool();
        repository.tested = if rng.bool() { Tested::Head } else { Tested::Merge };
    }
}

fn end(rng: &mut Rng) -> CheckEnd {
    match rng.u8(..8) {
        0 => CheckEnd::Exited(2),
        1 => CheckEnd::Signalled(11),
        2 => CheckEnd::TimedOut(Duration::from_secs(600)),
        3 => CheckEnd::Broken("it broke ".repeat(30)),
        _ => CheckEnd::Exited(0),
    }
}
