//! Catching up with GitHub: what no webhook told, and what GitHub shows against what it should show.
//!
//! Lists are asked for at a beat; an unchanged one costs nothing. What an answer leads to goes the same way as a
//! delivery, except that it never re-runs what has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::build::{Build, BuildState};
use super::event::{DeliveryKey, Effect, Found, LookUp, Now, PostOutcome, PullPayload, Shown, StatusState};
use super::outbox::SILENCE_MAX;
use super::policy::Policy;
use super::rows::{KnownDelivery, Pull, PullKey};
use super::state::{Row, State};

/// Between looks at the open pull requests: what a lost webhook may cost people. Without webhooks every look counts.
const LIST_BEAT: Duration = Duration::from_secs(60);
const LIST_BEAT_ALONE: Duration = Duration::from_secs(30);

/// Between tries while GitHub can't be asked: the network's return is noticed this late at most.
const RETRY: Duration = Duration::from_secs(15);

/// Between looks at what GitHub shows for each head, and at deliveries that failed: both differ only after trouble.
const DELIVERIES_BEAT: Duration = Duration::from_secs(600);

/// Heads that are built of a repository that was never listed, the last touched first; the others when they are
/// touched or asked for. A Pi should not spend its first day on old pull requests.
const FIRST_HEADS_MAX: usize = 10;

/// What is asked, and when. None of it survives a restart: then everything is asked anew.
#[derive(Clone, Debug, Default)]
pub struct CatchUp {
    /// One question at a time, behind the statuses.
    in_flight: Option<LookUp>,
    due: BTreeMap<LookUp, Duration>,
    /// When deliveries last spoke of pull requests, and when the list was asked for: it may be older than they are.
    touched: BTreeMap<PullKey, Duration>,
    asked_at: Duration,
    /// Repositories whose list has been seen.
    listed: BTreeSet<String>,
    /// Pull requests of a repository never listed before: built unless GitHub shows their end.
    undecided: BTreeSet<PullKey>,
    /// Since when GitHub can't be asked, and its last words.
    silent: Option<(Duration, String)>,
    /// What the token may not ask, with GitHub's words. What it may ask says nothing about what
    /// it may post.
    refused: BTreeMap<LookUp, String>,
}

impl CatchUp {
    /// Asks everything anew at `now`: at the start, after a reload.
    pub fn begin(&mut self, policy: &Policy, now: Duration) {
        self.due.clear();
        self.refused.retain(|what, _| policy.repository(what.repository()).is_some());
        for repository in policy.repositories.iter().map(|r| r.name.clone()) {
            self.due.insert(LookUp::Pulls { repository: repository.clone() }, now);
            if policy.webhooks {
                self.due.insert(LookUp::Deliveries { repository }, now);
            }
        }
    }

    /// A delivery spoke of this pull request.
    pub fn touch(&mut self, key: &PullKey, now: Duration) {
        self.touched.insert(key.clone(), now);
        self.undecided.remove(key);
    }

    /// GitHub was reached by other means.
    pub fn heard(&mut self) {
        self.silent = None;
    }

    /// Whether the last question found nobody.
    pub fn is_silent(&self) -> bool {
        self.silent.is_some()
    }

    pub fn wake_at(&self, now: Duration) -> Option<Duration> {
        let silence_ends = self.silent.as_ref().map(|(since, _)| *since + SILENCE_MAX).filter(|at| *at > now);
        let next = self.due.values().min().copied().filter(|_| self.in_flight.is_none());
        [silence_ends, next].into_iter().flatten().min()
    }

    /// Why the pull requests known here may not be all there are.
    pub fn trouble(&self, now: Duration) -> Option<String> {
        if let Some((what, error)) = self.refused.first_key_value() {
            return Some(format!("GitHub refuses the token for {}: {error}", what.repository()));
        }
        let (_, error) = self.silent.as_ref().filter(|(since, _)| now >= *since + SILENCE_MAX)?;
        Some(format!("GitHub can't be asked: {error}"))
    }

    fn is_newer(&self, key: &PullKey) -> bool {
        self.touched.get(key).is_some_and(|at| *at >= self.asked_at)
    }

    fn next(&mut self, now: Duration) -> Option<LookUp> {
        if self.in_flight.is_some() {
            return None;
        }
        let (what, _) = self.due.iter().filter(|(_, at)| **at <= now).min_by_key(|(_, at)| **at)?;
        let what = what.clone();
        self.due.remove(&what);
        self.in_flight = Some(what.clone());
        Some(what)
    }
}

impl State {
    /// Asks the next question that is due.
    pub(super) fn ask(&mut self, now: Now) {
        if let Some(what) = self.catch_up.next(now.mono) {
            if matches!(what, LookUp::Pulls { .. }) {
                self.catch_up.asked_at = now.mono;
            }
            self.effects.push(Effect::LookUp(what));
        }
    }

    /// Takes in what came of a question.
    pub(super) fn looked_up(&mut self, now: Now, what: LookUp, found: Result<Found, PostOutcome>) {
        self.catch_up.in_flight = None;
        let repository = what.repository();
        if self.policy.repository(repository).is_none() {
            return;
        }
        let again = match &found {
            Err(PostOutcome::Unreachable { error, wait }) => {
                self.catch_up.silent.get_or_insert((now.mono, String::new())).1.clone_from(error);
                Some(wait.unwrap_or(RETRY).max(RETRY))
            }
            Err(PostOutcome::TokenRefused { error }) => {
                self.catch_up.refused.insert(what.clone(), error.clone());
                Some(LIST_BEAT)
            }
            // GitHub will not answer this: there is nothing to learn from it.
            Err(_) | Ok(_) => what.beat(self.policy.webhooks),
        };
        if let Some(again) = again {
            self.catch_up.due.insert(what.clone(), now.mono + again);
        }
        let Ok(found) = found else { return };
        self.catch_up.refused.remove(&what);
        if self.catch_up.silent.take().is_some() {
            self.look_again(now);
        }
        match (what, found) {
            (LookUp::Pulls { repository }, Found::Pulls(pulls)) => self.listed(now, &repository, pulls),
            (LookUp::Statuses { repository, sha }, Found::Statuses(shown)) => {
                self.decide_first(now, &repository, &sha, &shown);
                self.mend(&repository, &sha, &shown);
            }
            (LookUp::Deliveries { repository }, Found::Deliveries(failed)) => self.missed(now, &repository, failed),
            _ => {}
        }
    }

    /// GitHub was out of reach: whatever it was told then may not have arrived.
    pub(super) fn look_again(&mut self, now: Now) {
        self.catch_up.begin(&self.policy, now.mono);
        let open = self.rows.pulls.values().filter(|p| p.open && p.last_build.is_some());
        for pull in open {
            let (repository, sha) = (pull.repository.clone(), pull.head_sha.clone());
            self.catch_up.due.insert(LookUp::Statuses { repository, sha }, now.mono);
        }
    }

    fn listed(&mut self, now: Now, repository: &str, pulls: Vec<PullPayload>) {
        let of_repository = |p: &&Pull| p.repository.eq_ignore_ascii_case(repository);
        // Those that deliveries told of since the start are not known from an earlier life.
        let of_old = |p: &Pull| of_repository(&p) && !self.catch_up.touched.contains_key(&p.key());
        let seen = !self.catch_up.listed.insert(repository.to_owned());
        let first_time = !seen && !self.rows.pulls.values().any(of_old);
        let listed: BTreeSet<PullKey> = pulls.iter().map(|p| self.pull_key(repository, p.number)).collect();
        let mut first = 0;
        for payload in pulls {
            let key = self.pull_key(repository, payload.number);
            if self.catch_up.is_newer(&key) {
                continue;
            }
            if first_time && !self.rows.pulls.contains_key(&key) {
                first += 1;
                self.note_first(now, key, payload, first <= FIRST_HEADS_MAX);
            } else {
                self.listed_pull(now, &key, payload);
            }
        }
        let missing = |p: &&Pull| p.open && of_repository(p) && !listed.contains(&p.key());
        let gone: Vec<_> = self.rows.pulls.values().filter(missing).cloned().collect();
        for pull in gone {
            if !self.catch_up.is_newer(&pull.key()) {
                self.close(now, pull);
            }
        }
    }

    /// A pull request of a repository that was never listed before is known from now on, and built if it is among
    /// the newest and GitHub does not show its end already.
    fn note_first(&mut self, now: Now, key: PullKey, payload: PullPayload, wanted: bool) {
        let look = LookUp::Statuses { repository: key.0.clone(), sha: payload.head_sha.clone() };
        self.rows.pulls.insert(key.clone(), payload.into_pull(&key, None));
        self.change(Row::Pull(key.clone()));
        if wanted {
            self.catch_up.undecided.insert(key);
            self.catch_up.due.insert(look, now.mono);
        }
    }

    fn listed_pull(&mut self, now: Now, key: &PullKey, payload: PullPayload) {
        let Some(known) = self.rows.pulls.get(key) else {
            self.take_in(now, key, payload);
            return;
        };
        if payload.updated_at < known.updated_at {
            return;
        }
        let last = known.last_build.and_then(|id| self.rows.builds.get(&id));
        let has_result = last.is_some_and(|b| b.sha == payload.head_sha && b.state != BuildState::Cancelled);
        if payload.head_sha == known.head_sha && (known.open || has_result) {
            let pull = payload.into_pull(key, Some(known));
            if pull != *known {
                self.rows.pulls.insert(key.clone(), pull);
                self.change(Row::Pull(key.clone()));
            }
        } else {
            self.take_in(now, key, payload);
        }
    }

    /// Of the first heads, those are built for which GitHub shows no end of every check of ours.
    fn decide_first(&mut self, now: Now, repository: &str, sha: &str, shown: &[Shown]) {
        let Some(policy) = self.policy.repository(repository) else { return };
        let ended = |context: &str| {
            shown.iter().any(|s| s.context.eq_ignore_ascii_case(context) && s.state != StatusState::Pending)
        };
        let all_ended = policy.checks.iter().all(|c| ended(&c.context));
        let is_asked = |key: &&PullKey| self.rows.pulls.get(*key).is_some_and(|p| p.head_sha == sha);
        let decided: Vec<_> = self.catch_up.undecided.iter().filter(is_asked).cloned().collect();
        for key in decided {
            self.catch_up.undecided.remove(&key);
            if !all_ended {
                self.build_head(now, &key);
            }
        }
    }

    /// Where GitHub shows something else than it was told, it has not heard it.
    fn mend(&mut self, repository: &str, sha: &str, shown: &[Shown]) {
        let of_head = |b: &&mut Build| b.sha == sha && b.repository.eq_ignore_ascii_case(repository);
        let mut mended = Vec::new();
        for build in self.rows.builds.values_mut().filter(of_head) {
            for check in build.checks.iter_mut().filter(|c| c.owns_status && c.is_settled()) {
                let there = shown.iter().find(|s| s.context.eq_ignore_ascii_case(&check.context));
                let told = there.map(|s| (s.state, s.description.clone()));
                if told != check.told {
                    check.told = told;
                    mended.push(build.id);
                }
            }
        }
        mended.into_iter().for_each(|id| self.change(Row::Build(id)));
    }

    /// Deliveries that did not arrive: the list says all that they would have said. Each is handled once.
    fn missed(&mut self, now: Now, repository: &str, failed: Vec<DeliveryKey>) {
        let new: Vec<_> = failed.into_iter().filter(|key| !self.rows.deliveries.contains_key(key)).collect();
        if !new.is_empty() {
            self.catch_up.due.insert(LookUp::Pulls { repository: repository.to_owned() }, now.mono);
        }
        for key in new {
            self.rows.deliveries.insert(key.clone(), KnownDelivery { at: now.wall, build: None });
            self.change(Row::Delivery(key));
        }
    }
}

impl LookUp {
    fn repository(&self) -> &str {
        match self {
            LookUp::Pulls { repository } | LookUp::Statuses { repository, .. } | LookUp::Deliveries { repository } => {
                repository
            }
        }
    }

    /// When to ask again, if at all.
    fn beat(&self, webhooks: bool) -> Option<Duration> {
        match self {
            LookUp::Pulls { .. } => Some(if webhooks { LIST_BEAT } else { LIST_BEAT_ALONE }),
            LookUp::Deliveries { .. } => Some(DELIVERIES_BEAT),
            LookUp::Statuses { .. } => None,
        }
    }
}
