//! Catching up with GitHub: what no webhook told, and what GitHub shows against what it should show.
//!
//! Lists are asked for at a beat; an unchanged one costs nothing. What an answer leads to goes the same way as a
//! delivery, except that it never re-runs what has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::build::BuildId;
use super::event::{Effect, Found, LookUp, Now, Post, PostOutcome, PullPayload};
use super::outbox::{SILENCE_MAX, WAIT_MAX};
use super::policy::Policy;
use super::rows::{Pull, PullKey};
use super::state::State;
use super::wording;

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

/// A repository of which neither a delivery nor a list was heard for this long may have moved on: five lists in a row
/// were lost, or nobody may list them. Blips and pauses between many repositories stay below it.
pub const HEARD_MAX: Duration = Duration::from_secs(300);

/// What others say of a head is asked for at the lists' beat, and of many heads no faster than this, one after another: a
/// tenth of what a token may ask in an hour.
const HEAD_SPACING: Duration = Duration::from_secs(10);

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

impl State {
    /// Asks the next question that is due.
    pub(super) fn ask(&mut self, now: Now) {
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
    pub(super) fn looked_up(&mut self, now: Now, what: LookUp, found: Result<Found, PostOutcome>) {
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
    pub(super) fn look_again(&mut self, now: Now) {
        self.catch_up.begin(&self.policy, now.mono);
        self.look_at_heads(now);
    }

    fn look_at_heads(&mut self, now: Now) {
        let looks = self.rows.pulls.values().filter(|p| p.open).map(|p| (statuses(&p.key(), &p.head_sha), now.mono));
        self.catch_up.due.extend(looks);
    }

    /// GitHub was told something of this head, or may have been: what it shows is looked at after a while.
    pub(super) fn look_later(&mut self, now: Now, post: &Post, outcome: &PostOutcome) {
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
