//! Catching up with GitHub: what no webhook told, and what GitHub shows against what it should show.
//!
//! Lists are asked for at a beat; an unchanged one costs nothing. What an answer leads to goes the same way as a
//! delivery, except that it never re-runs what has ended.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::build::BuildId;
use super::event::{LookUp, Post, PullPayload};
use super::outbox::SILENCE_MAX;
use super::policy::Policy;
use super::rows::PullKey;
use super::wording;

/// A repository of which neither a delivery nor a list was heard for this long may have moved on: five lists in a row
/// were lost, or nobody may list them. Blips and pauses between many repositories stay below it.
pub const HEARD_MAX: Duration = Duration::from_secs(300);

/// Heads that are built of a repository that was never listed, the last touched first; the others when they are
/// touched or asked for, or show a word of ours that was forgotten. A Pi should not spend its first day on old pull requests.
pub(super) const FIRST_HEADS_MAX: usize = 10;

/// Pull requests on one page. Each may bring 65,536 characters of description beside its 20 KB, and a page must be
/// within what is read of an answer.
pub const PAGE_PULLS: usize = 50;

/// How far GitHub's lists may be behind its deliveries: they are read from copies.
pub const LAG_MAX: Duration = Duration::from_secs(30);

/// What is asked, and when. None of it survives a restart: then everything is asked anew.
#[derive(Clone, Debug, Default)]
pub struct CatchUp {
    /// One question at a time, behind the statuses.
    in_flight: Option<LookUp>,
    /// A status of the head that is asked about was posted meanwhile: the answer may be older.
    overtaken: bool,
    pub(super) due: BTreeMap<LookUp, Duration>,
    /// Nothing is asked before: GitHub is away or wants a pause, and would say the same of every question.
    paused_until: Duration,
    /// When deliveries last spoke of pull requests, and when the list was asked for: it may be older than they are.
    pub(super) touched: BTreeMap<PullKey, Duration>,
    asked_at: Duration,
    /// The last list of each repository. What stays the same there may have been gone here, by a late delivery.
    pub(super) lists: BTreeMap<String, Vec<PullPayload>>,
    /// Where the last list was of another repository than the one that is meant: that may turn out to be the team's.
    others: BTreeMap<String, Vec<PullPayload>>,
    /// When the last list of each repository was asked for, and the last one that GitHub would not give.
    listed_at: BTreeMap<String, Duration>,
    pub(super) unlisted: BTreeMap<String, Duration>,
    /// Heads of which a post was not answered: it may arrive after its successor.
    doubted: BTreeSet<LookUp>,
    /// How often GitHub showed something else of a check than it was told.
    pub(super) mends: BTreeMap<(BuildId, usize), u32>,
    /// Pull requests of which the first list told: built unless GitHub shows their end, and not known before.
    pub(super) undecided: BTreeMap<PullKey, PullPayload>,
    /// Questions that GitHub does not answer.
    failing: BTreeMap<LookUp, Failing>,
    /// When GitHub last answered, whatever it was.
    answered_at: Duration,
    /// When a repository was last heard of, by a delivery or a list: until then its heads are known as they were.
    heard: BTreeMap<String, Duration>,
    /// What the token may not ask, by repository, in words. What it may ask says nothing about what it may post.
    refused: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
struct Failing {
    since: Duration,
    /// GitHub's last words.
    error: String,
    /// Others were answered meanwhile, and must not wait for it.
    alone: bool,
}

impl CatchUp {
    /// Asks everything anew at `now`: at the start, after a reload or an outage.
    fn begin(&mut self, policy: &Policy, now: Duration) {
        self.due.clear();
        self.failing.clear();
        self.doubted.clear();
        self.paused_until = now;
        self.refused.retain(|repository, _| policy.repository(repository).is_some());
        self.undecided.retain(|(repository, _), _| policy.repository(repository).is_some());
        self.heard.retain(|repository, _| policy.repositories.iter().any(|r| r.name == *repository));
        for repository in policy.repositories.iter().map(|r| r.name.clone()) {
            self.due.insert(LookUp::Pulls { repository: repository.clone() }, now);
            self.heard.entry(repository.clone()).or_insert(now);
            if policy.webhooks {
                self.due.insert(LookUp::Deliveries { repository }, now);
            }
        }
        let looks = self.undecided.iter().map(|(key, payload)| statuses(key, &payload.head_sha));
        self.due.extend(looks.map(|look| (look, now)));
    }

    /// A delivery told something new of this pull request.
    pub fn touch(&mut self, key: &PullKey, now: Duration) {
        self.touched.insert(key.clone(), now);
        self.undecided.remove(key);
    }

    /// Of the heads of this repository, spelled as configured, all is known that there was at `at`, or the way is open on
    /// which it comes.
    pub fn hear(&mut self, repository: &str, at: Duration) {
        let heard = self.heard.entry(repository.to_owned()).or_default();
        *heard = (*heard).max(at);
    }

    /// GitHub wants a pause.
    pub fn pause(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
    }

    /// The repository's list should be looked at soon.
    pub fn want_list(&mut self, repository: &str, now: Duration) {
        self.look_by(LookUp::Pulls { repository: repository.to_owned() }, now);
    }

    /// This is asked at `latest`.
    pub(super) fn look_by(&mut self, what: LookUp, latest: Duration) {
        self.due.entry(what).and_modify(|at| *at = latest.min(*at)).or_insert(latest);
    }

    /// These are the people or heads about which GitHub is to be asked, and no others of their kind.
    pub fn want(&mut self, wanted: &BTreeSet<LookUp>, is_of_kind: fn(&LookUp) -> bool, now: Duration) {
        let stays = |what: &LookUp| !is_of_kind(what) || wanted.contains(what);
        self.due.retain(|what, _| stays(what));
        self.failing.retain(|what, _| stays(what));
        for what in wanted.iter().filter(|what| self.in_flight.as_ref() != Some(*what)) {
            self.due.entry(what.clone()).or_insert(now);
        }
    }

    /// The last list was of another repository than the one that is meant from now on.
    pub fn set_list_aside(&mut self, repository: &str) {
        if let Some((repository, list)) = self.lists.remove_entry(repository) {
            self.others.insert(repository, list);
        }
    }

    /// GitHub was told something of this head.
    pub fn told(&mut self, post: &Post) {
        let is_about = |what: &LookUp| *what == statuses(&(post.repository.clone(), 0), &post.sha);
        self.overtaken |= self.in_flight.as_ref().is_some_and(is_about);
    }

    /// The repository's last list, and when it was asked for.
    pub fn last_list(&self, repository: &str) -> Option<(Duration, &[PullPayload])> {
        Some((*self.listed_at.get(repository)?, self.lists.get(repository)?))
    }

    /// Whether nothing was answered since a question was not.
    pub fn is_silent(&self) -> bool {
        self.failing.values().any(|f| f.since >= self.answered_at)
    }

    /// When something is due. `hurried`: as in [`next`](Self::next).
    pub fn wake_at(&self, policy: &Policy, hurried: bool, now: Duration) -> Option<Duration> {
        let silences = self.failing.values().map(|f| f.since + SILENCE_MAX);
        let heard = self.heard.iter().filter(|(repository, _)| policy.on_lamp(repository));
        let silences = silences.chain(heard.map(|(_, at)| *at + HEARD_MAX)).filter(|at| *at > now);
        let waits = self.due.iter().filter(|(what, _)| self.in_flight.is_none() && !(hurried && what.may_wait()));
        silences.chain(waits.map(|(_, at)| self.paused_until.max(*at)).min()).min()
    }

    /// Why the pull requests known here may not be all there are, of those that the lamp is about.
    pub fn trouble(&self, policy: &Policy, now: Duration) -> Option<String> {
        if let Some((_, words)) = self.refused.iter().find(|(repository, _)| policy.on_lamp(repository)) {
            return Some(words.clone());
        }
        // Statuses of ours, deliveries and people's rights are asked as well, but the lamp does not hang on them.
        let tells = |what: &LookUp| matches!(what, LookUp::Pulls { .. } | LookUp::External { .. });
        let of_lamp = |what: &LookUp| tells(what) && policy.on_lamp(what.repository());
        if let Some((_, long)) = self.failing.iter().find(|(what, f)| of_lamp(what) && now >= f.since + SILENCE_MAX) {
            return Some(format!("GitHub can't be asked: {}", long.error));
        }
        let is_unheard =
            |(repository, at): &(&String, &Duration)| policy.on_lamp(repository) && now >= **at + HEARD_MAX;
        self.heard.iter().find(is_unheard).map(|(repository, _)| wording::unheard(repository, HEARD_MAX))
    }

    /// Whether a delivery spoke of it after the list was made, or may have.
    pub(super) fn is_fresh(&self, key: &PullKey) -> bool {
        self.touched.get(key).is_some_and(|at| *at + LAG_MAX >= self.asked_at)
    }

    fn fail(&mut self, what: &LookUp, error: String, now: Duration) {
        let failing = self.failing.entry(what.clone()).or_insert(Failing { since: now, ..Failing::default() });
        failing.alone |= failing.since < self.answered_at;
        failing.error = error;
    }

    /// Of all that is due: first what people wait for and what tells of everything else, then the heads, of which there may
    /// be a thousand, and of them first those that may have to be built. What fails alone takes its turn with them, and in
    /// silence all take turns. While posts are `hurried` only the first.
    fn next(&self, hurried: bool, now: Duration) -> Option<LookUp> {
        if self.in_flight.is_some() || self.paused_until > now {
            return None;
        }
        let undecided: BTreeSet<&str> = self.undecided.values().map(|p| p.head_sha.as_str()).collect();
        let silent = self.is_silent();
        let rank = |what: &LookUp| match what {
            what if silent || self.failing.get(what).is_some_and(|f| f.alone) => 3,
            LookUp::Pulls { .. } | LookUp::Permission { .. } => 0,
            LookUp::Deliveries { .. } | LookUp::Word { .. } => 1,
            LookUp::Statuses { sha, .. } if undecided.contains(sha.as_str()) => 2,
            LookUp::Statuses { .. } | LookUp::External { .. } => 3,
        };
        let due = self.due.iter().filter(|(what, at)| **at <= now && !(hurried && what.may_wait()));
        due.min_by_key(|(what, at)| (rank(what), **at)).map(|(what, _)| what.clone())
    }
}

pub(super) fn statuses(key: &PullKey, sha: &str) -> LookUp {
    LookUp::Statuses { repository: key.0.clone(), sha: sha.to_owned() }
}

impl LookUp {
    /// Whether a hundred statuses may be told first.
    fn may_wait(&self) -> bool {
        !matches!(self, LookUp::Pulls { .. } | LookUp::Permission { .. })
    }

    pub(super) fn repository(&self) -> &str {
        match self {
            LookUp::Pulls { repository } | LookUp::Deliveries { repository } => repository,
            LookUp::Statuses { repository, .. } | LookUp::External { repository, .. } => repository,
            LookUp::Word { repository, .. } | LookUp::Permission { repository, .. } => repository,
        }
    }
}
