//! Words in comments: `/test`, `/approve SHA`, `/cancel`. Anybody may write them; they count when GitHub says that the
//! writer may write to the repository.
//!
//! Each is saved with its delivery as an [`Ask`], which stays open until it is done or refused, also over restarts. Which
//! asks can be settled is worked out anew after every event, so that it doesn't matter what comes first: the comment, the
//! push that it is about, or GitHub's answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::build::{BuildId, BuildState};
use super::catch_up::LAG_MAX;
use super::event::{Answer, Comment, DeliveryKey, Effect, LookUp, Now, Word};
use super::rows::{Ask, KnownDelivery, Pull, PullKey, Rows};
use super::state::{Row, State};
use super::{trust, wording};

/// Words that may be open at once. Each is settled within a second or two while GitHub answers; more come at once only
/// from those who mean harm, and take no place of those who could write when GitHub was asked last.
pub const ASKS_MAX: usize = 256;

/// The same of one person: one stranger must not keep everybody else's out.
pub const ASKS_OF_ONE_MAX: usize = 8;

/// A word is dropped when GitHub has not said for this long whose it is: whoever wrote it has gone on by then. Its rate
/// limits reset each hour.
const ASK_AGE_MAX: Duration = Duration::from_secs(3600);

/// First digits of a sha wait this long for a list of GitHub's that is newer than they are. Then whoever wrote them is
/// asked for all of them.
const DIGITS_AGE_MAX: Duration = Duration::from_secs(2 * LAG_MAX.as_secs());

/// How long GitHub's answer is believed: as long as it may take until somebody who has left the team is stopped.
const PERMISSION_AGE_MAX: Duration = Duration::from_secs(5 * 60);

/// People whom GitHub may be asked about at once. Then one more each [`NEXT_AFTER`], in the order of their words: whoever
/// writes in a crowd of strangers waits for seconds.
pub const CROWD_MAX: u32 = 100;

/// So that a crowd costs 1,200 of the 5,000 calls that GitHub grants in an hour.
pub const NEXT_AFTER: Duration = Duration::from_secs(3);

/// What is under way for people's words. None of it survives a restart: then all of it is asked anew.
#[derive(Clone, Debug, Default)]
pub struct Asks {
    /// By the numbers of their asks.
    open: BTreeMap<u64, Open>,
    /// What GitHub said of (repository, login), and until when that is believed.
    permissions: BTreeMap<(String, String), (bool, Duration)>,
    /// Those who could write when GitHub was asked last: they stand behind no crowd.
    writers: BTreeSet<(String, String)>,
    /// The questions about everybody else are paid for until then.
    paid_until: Duration,
}

#[derive(Clone, Debug)]
struct Open {
    key: DeliveryKey,
    came: Duration,
    /// How often the list was asked for because of it.
    looks: u8,
}

impl Asks {
    /// Those that `rows` still hold.
    pub fn load(rows: &Rows, now: Duration) -> Asks {
        let open = |(key, known): (&DeliveryKey, &KnownDelivery)| {
            let ask = known.ask.as_ref()?;
            Some((ask.number, Open { key: key.clone(), came: now, looks: 0 }))
        };
        Asks { open: rows.deliveries.iter().filter_map(open).collect(), ..Asks::default() }
    }

    /// GitHub has answered, or will not.
    pub fn learn(&mut self, repository: String, user: String, may: bool, now: Duration) {
        let who = (repository, user);
        if !self.writers.contains(&who) {
            self.paid_until = self.paid_until.max(now) + NEXT_AFTER;
        }
        match may {
            true => _ = self.writers.insert(who.clone()),
            false => _ = self.writers.remove(&who),
        }
        self.permissions.insert(who, (may, now + PERMISSION_AGE_MAX));
    }

    /// What GitHub said of people may not have been about this repository.
    pub fn forget(&mut self, repository: &str) {
        self.permissions.retain(|(of, _), _| of != repository);
        self.writers.retain(|(of, _)| of != repository);
    }

    /// When something may be settled though nothing happens.
    pub fn wake_at(&self, now: Duration) -> Option<Duration> {
        let looks = self.open.values().filter(|o| o.looks == 1).map(|o| o.came + LAG_MAX);
        let ends = self.open.values().flat_map(|o| [o.came + DIGITS_AGE_MAX, o.came + ASK_AGE_MAX]);
        let next =
            (!self.open.is_empty()).then(|| (self.paid_until + NEXT_AFTER).saturating_sub(CROWD_MAX * NEXT_AFTER));
        looks.chain(ends).chain(next).filter(|at| *at > now).min()
    }

    fn permission(&self, ask: &Ask) -> Option<bool> {
        self.permissions.get(&who(ask)).map(|(may, _)| *may)
    }

    /// Of these people, in their order, those whom GitHub may be asked about now.
    fn next(&self, mut people: Vec<(String, String)>, now: Duration) -> BTreeSet<LookUp> {
        let free = (now + CROWD_MAX * NEXT_AFTER).saturating_sub(self.paid_until.max(now));
        let mut left = free.as_secs() / NEXT_AFTER.as_secs();
        let mut seen = BTreeSet::new();
        people.retain(|who| seen.insert(who.clone()));
        people.retain(|who| {
            let is_writer = self.writers.contains(who);
            let has_place = is_writer || left > 0;
            left = left.saturating_sub(u64::from(!is_writer));
            has_place
        });
        people.into_iter().map(|(repository, user)| LookUp::Permission { repository, user }).collect()
    }
}

impl State {
    /// Takes in what a comment asks for; the answer goes out once that is saved. Whether it counts shows later.
    pub(super) fn comment(&mut self, now: Now, key: DeliveryKey, comment: Comment) -> Answer {
        match self.of_delivery(&comment.repository, now.mono) {
            Ok(repository) => self.word(now, key, repository, comment, self.rows.last_build_id),
            Err(answer) => answer,
        }
    }

    /// The same of a word that is not about builds after `newest`.
    pub(super) fn word(
        &mut self,
        now: Now,
        key: DeliveryKey,
        repository: String,
        comment: Comment,
        newest: BuildId,
    ) -> Answer {
        if self.rows.deliveries.contains_key(&key) {
            return Answer::ok("Already known: a comment counts once");
        }
        if let Some(hook) = self.known_from_another_hook(&key) {
            return Answer::ok(format!("Already known from hook {hook}"));
        }
        let Comment { number: pull, by, word, .. } = comment;
        let all = || self.asks.open.values().filter_map(|o| self.rows.deliveries.get(&o.key)?.ask.as_ref());
        let of_pull = |ask: &&Ask| ask.pull == pull && ask.repository == repository;
        let said_already = all().rfind(of_pull).is_some_and(|last| {
            // After another build it is about something else.
            (&last.by, &last.word, last.newest) == (&by, &word, newest)
        });
        let is_writer = self.asks.writers.contains(&(repository.clone(), by.clone()));
        let is_full = !is_writer && all().count() >= ASKS_MAX;
        if !said_already && (is_full || all().filter(|a| a.by == by).count() >= ASKS_OF_ONE_MAX) {
            return Answer::new(503, "Too many comments wait for GitHub's answer: redeliver when it has come");
        }
        let answer =
            Answer::ok(format!("Understood {word} by {by}: it counts if GitHub says that {by} may write there"));
        let number = 1 + self.asks.open.last_key_value().map_or(0, |(number, _)| *number);
        let ask = Ask { number, repository, pull, by, word, newest };
        if !said_already {
            self.asks.open.insert(number, Open { key: key.clone(), came: now.mono, looks: 0 });
        }
        let ask = Some(ask).filter(|_| !said_already);
        self.rows.deliveries.insert(key.clone(), KnownDelivery { at: now.wall, build: None, ask });
        self.change(Row::Delivery(key));
        answer
    }

    /// Does what open asks ask for, as far as that can be decided now.
    pub(super) fn settle_asks(&mut self, now: Now) {
        self.asks.permissions.retain(|_, (_, until)| *until > now.mono);
        let mut unknown = Vec::new();
        for (number, open) in self.asks.open.clone() {
            let Some(ask) = self.rows.deliveries.get(&open.key).and_then(|known| known.ask.clone()) else { continue };
            match self.settle(now, &open, &ask) {
                Some(end) => self.close_ask(number, &ask, &end),
                None if self.asks.permission(&ask).is_none() => unknown.push(who(&ask)),
                None => {}
            }
        }
        let wanted = self.asks.next(unknown, now.mono);
        self.catch_up.want(&wanted, |what| matches!(what, LookUp::Permission { .. }), now.mono);
    }

    /// What came of it, or `None` while that can't be known.
    fn settle(&mut self, now: Now, open: &Open, ask: &Ask) -> Option<String> {
        if self.policy.repository(&ask.repository).is_none() {
            return Some("the repository is no longer configured".to_owned());
        }
        if self.rows.is_another(&ask.repository) {
            return Some("GitHub has another repository under that name now".to_owned());
        }
        let end = match self.asks.permission(ask) {
            Some(true) => self.obey(now, open, ask),
            Some(false) => Some("GitHub does not say that they may write there".to_owned()),
            None => None,
        };
        let too_old = || (open.came + ASK_AGE_MAX <= now.mono).then(|| "dropped, GitHub could not be asked".to_owned());
        end.or_else(too_old)
    }

    fn close_ask(&mut self, number: u64, ask: &Ask, end: &str) {
        let Some(open) = self.asks.open.remove(&number) else { return };
        if let Some(known) = self.rows.deliveries.get_mut(&open.key) {
            known.ask = None;
        }
        self.change(Row::Delivery(open.key));
        let Ask { repository, pull, by, word, .. } = ask;
        self.effects.push(Effect::Log(format!("{word} by {by} on {repository}#{pull}: {end}")));
    }

    /// Does what somebody of the team asks for. `None` while the head that it is about is not known here.
    fn obey(&mut self, now: Now, open: &Open, ask: &Ask) -> Option<String> {
        let key = self.pull_key(&ask.repository, ask.pull);
        let is_meant = |head: &str| match &ask.word {
            Word::Approve(Some(sha)) => head.starts_with(sha.as_str()),
            _ => true,
        };
        let meant = self.rows.pulls.get(&key).filter(|p| p.open && is_meant(&p.head_sha)).cloned();
        match (&ask.word, meant) {
            (Word::Cancel, _) => Some(self.cancel_older(now, &key, ask)),
            (Word::Approve(None), _) => Some(self.explain(&key, wording::approval_of_nothing)),
            (Word::Test, Some(pull)) => self.test(now, &pull),
            (Word::Approve(Some(sha)), Some(pull)) => self.approve_head(now, open, ask, &pull, sha),
            (_, None) if self.is_listed(now, open, ask, is_meant) != Some(false) => None,
            (Word::Approve(Some(sha)), None) => {
                Some(self.explain(&key, |head| wording::approval_of_another(sha, head)))
            }
            (Word::Test, None) => Some("no such pull request is open".to_owned()),
        }
    }

    fn test(&mut self, now: Now, pull: &Pull) -> Option<String> {
        match self.refuse_if_full(pull) {
            Some(_) => None,
            None => Some(self.build_head(now, &pull.key(), true).result),
        }
    }

    /// Fewer digits than all are believed when this head was there before the word came, and whoever wrote it can have
    /// looked at no other that begins so.
    fn approve_head(&mut self, now: Now, open: &Open, ask: &Ask, pull: &Pull, digits: &str) -> Option<String> {
        let (key, head) = (pull.key(), pull.head_sha.as_str());
        let too_old = (open.came + DIGITS_AGE_MAX <= now.mono).then_some(false);
        let was_there = pull.last_build.is_some_and(|id| id <= ask.newest);
        let is_certain = match pull.is_named_by(digits) {
            true if digits == head => true,
            true if was_there => self.is_listed(now, open, ask, |listed| listed == head).or(too_old)?,
            _ => false,
        };
        if !is_certain {
            return Some(self.explain(&key, |head| wording::approval_of_digits(digits, head)));
        }
        if !trust::may_build(&self.policy, pull) && self.rows.unfinished(&key).is_empty() {
            // Not built when it was first listed, or cancelled since: now somebody has looked at it.
            self.test(now, pull)?;
        }
        Some(self.approve(&pull.repository, pull.number, Some(head)).result)
    }

    fn cancel_older(&mut self, now: Now, key: &PullKey, ask: &Ask) -> String {
        let mut ids = self.rows.unfinished(key);
        ids.retain(|id| *id <= ask.newest);
        let ends: Vec<_> = ids.into_iter().map(|id| self.cancel_by(now, id, &ask.by).result).collect();
        if ends.is_empty() { "nothing waits or runs".to_owned() } else { ends.join(", ") }
    }

    /// Whether GitHub lists a head that is meant, in a list that was asked for after the comment came. One that shows none
    /// may be older all the same, for a while; where GitHub will not list anything it is taken for granted. `None`: that
    /// is not known yet, and it is asked for.
    fn is_listed(&mut self, now: Now, open: &Open, ask: &Ask, is_meant: impl Fn(&str) -> bool) -> Option<bool> {
        let sure = open.came + LAG_MAX;
        if self.catch_up.unlisted.get(&ask.repository).is_some_and(|at| *at >= open.came) {
            return Some(true);
        }
        if let Some((asked_at, list)) = self.catch_up.last_list(&ask.repository).filter(|(at, _)| *at >= open.came) {
            let is_shown = list.iter().any(|p| p.number == ask.pull && is_meant(&p.head_sha));
            if is_shown || asked_at >= sure {
                return Some(is_shown);
            }
        }
        let open = self.asks.open.get_mut(&ask.number)?;
        if open.looks == 0 || (open.looks == 1 && now.mono >= sure) {
            open.looks += 1;
            self.catch_up.want_list(&ask.repository, now.mono);
        }
        None
    }

    /// Who comments sees the status alone: there it says why a word was of no use.
    fn explain(&mut self, key: &PullKey, words: impl FnOnce(&str) -> String) -> String {
        let no_use = "it names no head that waits for approval".to_owned();
        let Some(pull) = self.rows.pulls.get(key).filter(|p| trust::can_build(&self.policy, p)) else { return no_use };
        let last = pull.last_build.and_then(|id| self.rows.builds.get_mut(&id));
        let Some(build) = last.filter(|b| b.state == BuildState::WaitingForApproval) else { return no_use };
        build.wait_for_approval(words(&build.sha));
        let id = build.id;
        self.change(Row::Build(id));
        no_use
    }
}

/// Repository and login of who wrote it.
fn who(ask: &Ask) -> (String, String) {
    (ask.repository.clone(), ask.by.clone())
}

impl std::fmt::Display for Word {
    /// As it is written.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Word::Test => f.write_str("/test"),
            Word::Approve(None) => f.write_str("/approve"),
            Word::Approve(Some(sha)) => write!(f, "/approve {}", wording::short(sha)),
            Word::Cancel => f.write_str("/cancel"),
        }
    }
}
