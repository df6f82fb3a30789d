//! Asking GitHub, and what follows from its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::statuses;
use crate::logic::event::{Effect, Found, LookUp, Now, Post, PostOutcome};
use crate::logic::outbox::{SILENCE_MAX, WAIT_MAX};
use crate::logic::rows::Pull;
use crate::logic::state::State;

/// Between looks at the open pull requests: what a lost webhook may cost people. Without webhooks every look counts.
const LIST_BEAT: Duration = Duration::from_secs(60);
const LIST_BEAT_ALONE: Duration = Duration::from_secs(30);

/// Between tries while GitHub can't be asked: the network's return is noticed this late at most.
const RETRY: Duration = Duration::from_secs(5);

/// Between looks at deliveries that failed, and at what GitHub shows for each head: both differ only after trouble. Many
/// heads are looked at no faster than [`HEAD_SPACING`] says.
const DELIVERIES_BEAT: Duration = Duration::from_secs(600);
const STATUSES_BEAT: Duration = Duration::from_secs(300);

/// A post that nobody answered may still be on its way, and arrive after the next one. GitHub ends its own requests after
/// 10 s, whatever comes between after a minute.
const LATE_POST_MAX: Duration = Duration::from_secs(60);

/// What others say of a head is asked for at the lists' beat, and of many heads no faster than this, one after another: a
/// tenth of what a token may ask in an hour.
const HEAD_SPACING: Duration = Duration::from_secs(10);

impl State {
    /// Asks the next question that is due.
    pub(in crate::logic) fn ask(&mut self, now: Now) {
        self.catch_up.want(&self.watched(), |what| matches!(what, LookUp::External { .. }), now.mono);
        let hurried = self.outbox.is_hurried(&self.rows, now.mono);
        while let Some(what) = self.catch_up.next(hurried, now.mono) {
            self.catch_up.due.remove(&what);
            if !self.is_of_interest(&what) {
                self.catch_up.failing.remove(&what);
                continue;
            }
            if matches!(what, LookUp::Pulls { .. }) {
                self.catch_up.asked_at = now.mono;
            }
            self.catch_up.in_flight = Some(what.clone());
            self.catch_up.overtaken = false;
            self.effects.push(Effect::LookUp(what));
        }
    }

    /// The heads of which others' results are of interest.
    fn watched(&self) -> BTreeSet<LookUp> {
        if !self.policy.include_external {
            return BTreeSet::new();
        }
        let shown = |p: &&Pull| p.open && p.last_build.is_some() && self.policy.on_lamp(&p.repository);
        let head = |p: &Pull| LookUp::External { repository: p.repository.clone(), sha: p.head_sha.clone() };
        self.rows.pulls.values().filter(shown).map(head).collect()
    }

    /// Takes in what came of a question.
    pub(in crate::logic) fn looked_up(&mut self, now: Now, what: LookUp, found: Result<Found, PostOutcome>) {
        self.catch_up.in_flight = None;
        match found {
            Err(PostOutcome::Unreachable { wait: None, .. }) => {}
            Err(PostOutcome::Unreachable { wait: Some(wait), .. }) => {
                let until = now.mono + wait.min(WAIT_MAX);
                self.catch_up.pause(until);
                self.outbox.pause(until);
            }
            _ => self.catch_up.answered_at = now.mono,
        }
        if self.policy.repository(what.repository()).is_none() {
            return;
        }
        match found {
            Ok(found) => self.found(now, what, found),
            Err(PostOutcome::Unreachable { error, wait }) => self.not_answered(now, what, error, wait),
            Err(PostOutcome::TokenRefused { error }) => {
                let repository = what.repository().to_owned();
                let words = format!("GitHub refuses the token for {repository}: {error}");
                self.catch_up.refused.insert(repository, words);
                self.catch_up.pause(now.mono + LIST_BEAT);
                self.ask_again(what, now.mono + LIST_BEAT);
            }
            Err(PostOutcome::Refused { error }) => self.not_told(now, what, error),
            Err(PostOutcome::Accepted) => {}
        }
    }

    /// GitHub was out of reach: whatever it was told then may not have arrived.
    pub(in crate::logic) fn look_again(&mut self, now: Now) {
        self.catch_up.begin(&self.policy, now.mono);
        self.look_at_heads(now);
    }

    fn look_at_heads(&mut self, now: Now) {
        let looks = self.rows.pulls.values().filter(|p| p.open).map(|p| (statuses(&p.key(), &p.head_sha), now.mono));
        self.catch_up.due.extend(looks);
    }

    /// GitHub was told something of this head, or may have been: what it shows is looked at after a while.
    pub(in crate::logic) fn look_later(&mut self, now: Now, post: &Post, outcome: &PostOutcome) {
        self.catch_up.told(post);
        let look = LookUp::Statuses { repository: post.repository.clone(), sha: post.sha.clone() };
        match outcome {
            PostOutcome::Unreachable { .. } => _ = self.catch_up.doubted.insert(look),
            PostOutcome::Accepted => {
                let late = self.catch_up.doubted.remove(&look).then_some(LATE_POST_MAX);
                let wait = late.or(self.beat(&look)).unwrap_or(STATUSES_BEAT);
                self.catch_up.look_by(look, now.mono + wait);
            }
            PostOutcome::TokenRefused { .. } | PostOutcome::Refused { .. } => {}
        }
    }

    fn found(&mut self, now: Now, what: LookUp, found: Found) {
        let failed_since = self.catch_up.failing.remove(&what).map(|f| f.since);
        if failed_since.is_some() {
            self.outbox.reached(now.mono);
        }
        if let Some(beat) = self.beat(&what) {
            self.catch_up.due.insert(what.clone(), now.mono + beat);
        }
        // A blip lost nothing: whatever failed is tried again by itself.
        if failed_since.is_some_and(|since| now.mono >= since + SILENCE_MAX) {
            let pause = self.catch_up.paused_until;
            self.look_again(now);
            self.catch_up.pause(pause);
        }
        if found.of().is_some_and(|of| self.recognise(what.repository(), of)) {
            self.look_at_heads(now);
        }
        if self.rows.is_another(what.repository()) {
            if let Found::Pulls { pulls, .. } = found {
                self.catch_up.lists.remove(what.repository());
                self.catch_up.others.insert(what.repository().to_owned(), pulls);
            }
            return;
        }
        match (what, found) {
            (LookUp::Pulls { repository }, found) => {
                self.catch_up.refused.remove(&repository);
                self.catch_up.listed_at.insert(repository.clone(), self.catch_up.asked_at);
                self.catch_up.hear(&repository, self.catch_up.asked_at);
                let last = |lists: &mut BTreeMap<_, Vec<_>>| lists.get_mut(&repository).map(std::mem::take);
                let other = self.catch_up.others.remove(&repository);
                let pulls = match found {
                    Found::Pulls { pulls, .. } => Some(pulls),
                    _ => last(&mut self.catch_up.lists).or(other),
                };
                if let Some(pulls) = pulls {
                    self.listed(now, repository, pulls);
                }
            }
            (what @ LookUp::Statuses { .. }, Found::Statuses(_)) if self.catch_up.overtaken => {
                self.catch_up.due.insert(what, now.mono);
            }
            (LookUp::Statuses { repository, sha }, Found::Statuses(shown)) => {
                self.decide_first(now, &repository, &sha, &shown);
                self.take_over(now, &repository, &sha, &shown);
                self.mend(&repository, &sha, &shown);
            }
            (LookUp::External { repository, sha }, Found::Statuses(shown)) => {
                self.take_external(&repository, &sha, &shown);
            }
            (LookUp::Deliveries { repository }, Found::Deliveries(pulls, comments)) => {
                self.missed(now, &repository, pulls, comments);
            }
            (LookUp::Word { repository, missed }, Found::Word(word)) => {
                self.missed_word(now, repository, missed, word);
            }
            (LookUp::Permission { repository, user }, Found::Permission(may)) => {
                self.asks.learn(repository, user, may.is_some(), now.mono);
            }
            _ => {}
        }
    }

    /// GitHub is away, or wants a pause.
    fn not_answered(&mut self, now: Now, what: LookUp, error: String, wait: Option<Duration>) {
        let again = now.mono + wait.unwrap_or(RETRY).clamp(RETRY, WAIT_MAX);
        self.catch_up.pause(again);
        self.catch_up.fail(&what, error, now.mono);
        self.ask_again(what, again);
    }

    /// GitHub will not answer this. Without webhooks a person must know that nothing will ever come.
    fn not_told(&mut self, now: Now, what: LookUp, error: String) {
        if matches!(what, LookUp::External { .. }) {
            // Nobody knows what others say: the lamp must not guess.
            self.catch_up.fail(&what, error, now.mono);
            return self.ask_again(what, now.mono + LIST_BEAT_ALONE);
        }
        self.catch_up.failing.remove(&what);
        if let LookUp::Pulls { repository } = &what {
            self.catch_up.unlisted.insert(repository.clone(), self.catch_up.asked_at);
        }
        match what {
            LookUp::Pulls { ref repository } if !self.policy.webhooks => {
                let words = format!("GitHub won't list the pull requests of {repository}: {error}");
                self.catch_up.refused.insert(repository.clone(), words);
            }
            // The token is taken again, as far as it goes.
            LookUp::Pulls { ref repository } => _ = self.catch_up.refused.remove(repository),
            LookUp::Statuses { ref repository, ref sha } => self.decide_first(now, repository, sha, &[]),
            LookUp::Word { ref missed, .. } => self.handled(now, missed.key.clone()),
            // 404: nobody's collaborator. And no answer means no.
            LookUp::Permission { ref repository, ref user } => {
                self.asks.learn(repository.clone(), user.clone(), false, now.mono);
            }
            _ => {}
        }
        if let Some(beat) = self.beat(&what) {
            self.catch_up.due.insert(what, now.mono + beat);
        }
    }

    /// When to ask again, if at all.
    fn beat(&self, what: &LookUp) -> Option<Duration> {
        match what {
            LookUp::Pulls { .. } => Some(if self.policy.webhooks { LIST_BEAT } else { LIST_BEAT_ALONE }),
            LookUp::Deliveries { .. } => Some(DELIVERIES_BEAT),
            LookUp::External { .. } => {
                let heads = u32::try_from(self.watched().len()).unwrap_or(u32::MAX);
                Some(LIST_BEAT.max(HEAD_SPACING.saturating_mul(heads)))
            }
            LookUp::Statuses { .. } => {
                let heads = self.rows.pulls.values().filter(|p| p.open).count();
                let heads = u32::try_from(heads).unwrap_or(u32::MAX);
                Some(STATUSES_BEAT.max(HEAD_SPACING.saturating_mul(heads)))
            }
            LookUp::Word { .. } | LookUp::Permission { .. } => None,
        }
    }

    fn ask_again(&mut self, what: LookUp, at: Duration) {
        if self.is_of_interest(&what) {
            self.catch_up.due.insert(what, at);
        } else {
            self.catch_up.failing.remove(&what);
        }
    }

    /// Nobody needs to know any more what a head shows that has moved on.
    fn is_of_interest(&self, what: &LookUp) -> bool {
        match what {
            LookUp::Statuses { sha, .. } | LookUp::External { sha, .. } => {
                let mut undecided = self.catch_up.undecided.values();
                let mut open = self.rows.pulls.values().filter(|p| p.open);
                undecided.any(|p| p.head_sha == *sha) || open.any(|p| p.head_sha == *sha)
            }
            _ => true,
        }
    }
}
