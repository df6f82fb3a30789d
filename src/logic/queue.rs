//! Which waiting build starts next. The channel to the builders is not the queue: what waits, waits in the rows.

use std::collections::BTreeMap;
use std::time::Duration;

use super::build::{Build, BuildId, BuildState};
use super::event::BuildNews;
use super::policy::{CheckPolicy, CheckSource, Isolation, Policy, RepositoryPolicy};
use super::rows::Rows;

/// Builds that may wait; GitHub is told 503 beyond it and keeps the delivery for Redeliver. Far above what an
/// office has open, low enough that the rows stay small.
pub const QUEUED_BUILDS_MAX: usize = 1000;

/// After a head could not be fetched: it is published seconds late at times, and networks blink. Then the
/// build ends.
pub const FETCH_RETRIES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

/// Between looks for a worker that is not there: a person sets it up, and it should start soon after.
pub const WORKER_RETRY: Duration = Duration::from_secs(10);

/// What a builder may take beside its checks' timeouts before it counts as stuck: fetching and cleaning a large tree,
/// twice when the mirror had to be mended, kill graces. The builder's own bounds add up to an hour and a half, and half
/// a minute for each check.
const BESIDE_CHECKS: Duration = Duration::from_secs(105 * 60);
const BESIDE_EACH_CHECK: Duration = Duration::from_secs(60);

/// How long a builder may hold a build with these timeouts.
pub fn hold_max(timeouts: impl Iterator<Item = Duration>) -> Duration {
    timeouts.fold(BESIDE_CHECKS, |sum, timeout| sum + timeout + BESIDE_EACH_CHECK)
}

/// A head that could not be fetched for so long is given up before the last of these: each try may take minutes.
pub const FETCH_RETRIES_MAX: Duration = Duration::from_secs(300);

/// The builds that builders hold, and those that wait for a moment to be tried again.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// Handed to a builder and not yet given back; some may have ended for us already.
    pub active: BTreeMap<BuildId, Active>,
    pub retries: BTreeMap<BuildId, Retry>,
    /// The checks that heads name, once they were read; none: those of the configuration.
    pub named: BTreeMap<BuildId, Vec<CheckPolicy>>,
}

/// A build in a builder's hands.
#[derive(Clone, Debug)]
pub struct Active {
    pub repository: String,
    pub stranger: bool,
    /// When the builder should have given it back long ago.
    pub overdue_at: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Retry {
    /// How often it could not be fetched, and since when.
    pub fetches: usize,
    pub since: Duration,
    pub not_before: Duration,
}

impl BuildNews {
    /// Whether the builder holds the build no longer.
    pub fn gives_back(&self) -> bool {
        !matches!(self, BuildNews::Started | BuildNews::CheckStarted { .. } | BuildNews::CheckFinished { .. })
    }
}

impl Active {
    fn is_unit_of(&self, build: &Build, stranger: bool) -> bool {
        self.stranger == stranger && self.repository.eq_ignore_ascii_case(&build.repository)
    }
}

impl Queue {
    /// The checks of this build of `repository`; `None` until its head was read for them.
    pub fn checks<'a>(&'a self, id: BuildId, repository: &'a RepositoryPolicy) -> Option<&'a [CheckPolicy]> {
        if repository.check_source == CheckSource::Box {
            return Some(&repository.checks);
        }
        self.named.get(&id).map(|named| if named.is_empty() { &repository.checks } else { named }.as_slice())
    }

    /// The oldest build that may start now.
    pub fn next<'a>(&self, rows: &'a Rows, policy: &Policy, now: Duration) -> Option<&'a Build> {
        if self.active.len() >= policy.workers {
            return None;
        }
        self.ready(rows, policy).find(|b| self.retries.get(&b.id).is_none_or(|r| r.not_before <= now))
    }

    /// When a build that waits for its moment may start.
    pub fn wake_at(&self, rows: &Rows, policy: &Policy) -> Option<Duration> {
        if self.active.len() >= policy.workers {
            return None;
        }
        self.ready(rows, policy).filter_map(|b| self.retries.get(&b.id)).map(|r| r.not_before).min()
    }

    /// Queued, no builder holds it, and its unit is free: each repository has one, and another for its strangers,
    /// that build one at a time.
    fn ready<'a>(&self, rows: &'a Rows, policy: &Policy) -> impl Iterator<Item = &'a Build> {
        let one_each = policy.isolation == Isolation::Systemd;
        rows.builds.values().filter(move |b| {
            b.state == BuildState::Queued
                && policy.repository(&b.repository).is_some()
                && !rows.is_another(&b.repository)
                && !self.active.contains_key(&b.id)
                && !(one_each && self.active.values().any(|busy| busy.is_unit_of(b, rows.is_stranger(b))))
        })
    }
}
