//! What State keeps of the store: enough to decide, bounded, and the same after every restart.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::build::{Build, BuildId, BuildState};
use super::event::{Change, DeliveryKey, Word};
use super::external::External;
use super::identity::Identity;

/// Closed pull requests remembered, to know late payloads as late and to keep the last result on the lamp.
/// GitHub redelivers for 3 days; an office closes fewer than this in that time.
pub const CLOSED_PULLS_MAX: usize = 256;

/// How long a delivery is remembered: longer than GitHub can redeliver it (Enterprise Server: 7 days).
pub const DELIVERY_AGE_MAX_SECONDS: i64 = 8 * 24 * 3600;

/// Deliveries remembered at most, so that a flood of signed webhooks can't fill the memory: a busy day has
/// hundreds. The oldest go first.
pub const DELIVERIES_MAX: usize = 20_000;

/// Repository (as configured) and number.
pub type PullKey = (String, u64);

/// What is known of one pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pull {
    pub repository: String,
    pub number: u64,
    pub title: String,
    pub open: bool,
    /// The head is in another repository.
    pub fork: bool,
    pub head_sha: String,
    /// The head before the last push, to tell two payloads of one second apart.
    pub previous_head: Option<String>,
    /// All heads that it is known to have had, at most [`HEADS_MAX`](super::heads::HEADS_MAX).
    pub heads: Vec<String>,
    pub head_ref: String,
    pub base_ref: String,
    /// GitHub's clock, UTC seconds since 1970.
    pub updated_at: i64,
    /// The one head that a person let in.
    pub approved_sha: Option<String>,
    pub last_build: Option<BuildId>,
    /// The last end that was a result: closing and superseding are none.
    pub last_result: Option<BuildState>,
    /// Grows with every closing; none while open.
    pub closed_order: Option<i64>,
    /// What others say of the head, if that is of interest.
    pub external: Vec<External>,
}

impl Pull {
    pub fn key(&self) -> PullKey {
        (self.repository.clone(), self.number)
    }
}

/// A configured repository: which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// As the configuration spells it, in lower case: GitHub's names are the same in any case.
    pub name: String,
    /// GitHub's number for the one that is meant.
    pub id: u64,
    /// What GitHub has under that name instead, as far as is known: another repository, or this one with a new name.
    pub instead: Option<Identity>,
}

impl Repository {
    pub fn new(name: &str, id: u64, instead: Option<Identity>) -> Self {
        Repository { name: name.to_ascii_lowercase(), id, instead }
    }
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDelivery {
    /// When it came, UTC seconds since 1970.
    pub at: i64,
    pub build: Option<BuildId>,
    /// What a comment asks for, until that is done or refused.
    pub ask: Option<Ask>,
}

/// A word from a comment that is still to be decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Grows: of two that are open the later one came later.
    pub number: u64,
    /// As the configuration spells it.
    pub repository: String,
    pub pull: u64,
    /// Who wrote it.
    pub by: String,
    pub word: Word,
    /// The newest build when it came: `/cancel` is not about later ones, nor are the first digits of a sha.
    pub newest: BuildId,
}

/// The rows in memory: open pull requests, unfinished builds, the last build of each pull request,
/// builds whose end GitHub has not heard yet, which repositories are meant, and deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub pulls: BTreeMap<PullKey, Pull>,
    pub builds: BTreeMap<BuildId, Build>,
    /// By name, in lower case.
    pub repositories: BTreeMap<String, Repository>,
    pub deliveries: BTreeMap<DeliveryKey, KnownDelivery>,
    /// The newest id ever given, also when that build is no longer kept.
    pub last_build_id: BuildId,
}

impl Rows {
    /// All of them, to be stored.
    pub fn all(&self) -> Vec<Change> {
        let pulls = self.pulls.values().cloned().map(Change::Pull);
        let builds = self.builds.values().cloned().map(Change::Build);
        let deliveries = self.deliveries.iter().map(|(key, known)| Change::Delivery(key.clone(), known.clone()));
        let repositories = self.repositories.values().cloned().map(Change::Repository);
        pulls.chain(builds).chain(repositories).chain(deliveries).collect()
    }

    /// The [`accepted_order`](Build::accepted_order) of a build that is let in now: above all that it can be compared with.
    pub fn next_accepted_order(&self) -> i64 {
        1 + self.builds.values().filter_map(|b| b.accepted_order).max().unwrap_or(0)
    }

    /// Takes over a stored row.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Build(build) => {
                self.last_build_id = self.last_build_id.max(build.id);
                self.builds.insert(build.id, build);
            }
            Change::Pull(pull) => {
                self.pulls.insert(pull.key(), pull);
            }
            Change::Repository(repository) => {
                self.repositories.insert(repository.name.clone(), repository);
            }
            Change::Delivery(key, known) => {
                self.deliveries.insert(key, known);
            }
            Change::ForgetDelivery(key) => {
                self.deliveries.remove(&key);
            }
        }
    }

    /// Drops from memory what no decision needs; the store keeps it as history.
    pub fn prune(&mut self) {
        let closed = self.pulls.values().filter(|p| p.closed_order.is_some()).count();
        if closed > CLOSED_PULLS_MAX {
            let mut orders: Vec<_> = self.pulls.values().filter_map(|p| p.closed_order).collect();
            orders.sort_unstable();
            let oldest_kept = orders[closed - CLOSED_PULLS_MAX];
            self.pulls.retain(|_, p| p.closed_order.is_none_or(|order| order >= oldest_kept));
        }
        let last: BTreeSet<BuildId> = self.pulls.values().filter_map(|p| p.last_build).collect();
        self.builds.retain(|id, b| !b.state.is_end() || !b.is_settled() || last.contains(id));
    }

    /// Deliveries that need no longer be remembered at `wall`. What is still to be decided on stays.
    pub fn old_deliveries(&self, wall: i64) -> Vec<DeliveryKey> {
        let done = || self.deliveries.iter().filter(|(_, d)| d.ask.is_none());
        let aged = done().filter(|(_, d)| wall - d.at > DELIVERY_AGE_MAX_SECONDS);
        let mut old: Vec<_> = aged.map(|(key, _)| key.clone()).collect();
        if old.is_empty() && self.deliveries.len() > DELIVERIES_MAX {
            let oldest = done().min_by_key(|(_, d)| d.at);
            old.extend(oldest.map(|(key, _)| key.clone()));
        }
        old
    }

    /// Whether its head is in another repository, as far as is known.
    pub fn is_stranger(&self, build: &Build) -> bool {
        self.pulls.get(&(build.repository.clone(), build.pull)).is_none_or(|pull| pull.fork)
    }

    pub fn of_pull(&self, pull: &PullKey) -> impl Iterator<Item = &Build> {
        self.builds.values().filter(|b| b.pull == pull.1 && b.repository == pull.0)
    }

    /// Whether it is the last one of an open pull request.
    pub fn is_of_open_head(&self, build: &Build) -> bool {
        let key = (build.repository.clone(), build.pull);
        self.pulls.get(&key).is_some_and(|pull| pull.open && pull.last_build == Some(build.id))
    }

    /// Whether an open pull request has this head.
    pub fn is_any_head(&self, repository: &str, sha: &str) -> bool {
        self.pulls.values().any(|p| p.open && p.head_sha == sha && p.repository.eq_ignore_ascii_case(repository))
    }

    /// The unfinished builds of a pull request, oldest first.
    pub fn unfinished(&self, pull: &PullKey) -> Vec<BuildId> {
        self.of_pull(pull).filter(|b| !b.state.is_end()).map(|b| b.id).collect()
    }
}
