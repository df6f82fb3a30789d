//! Deliveries of our hook that did not arrive, as GitHub lists them. Each is handled once, also when it is redelivered.
//!
//! What those of pull requests would have said the list of pull requests says. Words in comments stand nowhere else, so each
//! delivery is asked for. A word that comes so late is about what was there when it was written.

use super::build::BuildId;
use super::event::{Comment, DeliveryKey, LookUp, Now, Word};
use super::rows::{KnownDelivery, PullKey};
use super::state::{Row, State};

/// Words are taken in this late at most: a night without power and the morning after. Whoever wrote them has gone on by
/// then.
const WORD_AGE_MAX_SECONDS: i64 = 24 * 3600;

/// A delivery of a comment that failed. Ordered by when it was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missed {
    /// UTC seconds since 1970, by GitHub's clock.
    pub at: i64,
    /// GitHub's number for this attempt.
    pub id: u64,
    pub key: DeliveryKey,
}

impl State {
    /// Takes in what failed: the list says all that `pulls` would have said.
    pub(super) fn missed(&mut self, now: Now, repository: &str, pulls: Vec<DeliveryKey>, comments: Vec<Missed>) {
        let new: Vec<_> = pulls.into_iter().filter(|key| !self.rows.deliveries.contains_key(key)).collect();
        if !new.is_empty() {
            self.catch_up.want_list(repository, now.mono);
        }
        new.into_iter().for_each(|key| self.handled(now, key));
        for missed in comments {
            if now.wall.saturating_sub(missed.at) > WORD_AGE_MAX_SECONDS {
                self.handled(now, missed.key);
            } else if !self.rows.deliveries.contains_key(&missed.key) {
                let what = LookUp::Word { repository: repository.to_owned(), missed };
                self.catch_up.due.entry(what).or_insert(now.mono);
            }
        }
    }

    /// Takes in what a comment said whose delivery failed.
    pub(super) fn missed_word(&mut self, now: Now, repository: String, missed: Missed, comment: Option<Comment>) {
        let Missed { at, key, .. } = missed;
        let known = self.rows.repositories.get(&repository.to_ascii_lowercase());
        let is_ours = |c: &Comment| {
            let named = c.repository.name.eq_ignore_ascii_case(&repository);
            named && known.is_some_and(|known| c.repository.id == Some(known.id))
        };
        let Some(comment) = comment.filter(is_ours) else { return self.handled(now, key) };
        let newest = match comment.word {
            Word::Cancel => self.newest_at(&self.pull_key(&repository, comment.number), at),
            // First digits may mean a head that nobody here has heard of.
            Word::Test | Word::Approve(_) => 0,
        };
        let answer = self.word(now, key.clone(), repository, comment, newest);
        // Where there is no room for it the next look finds it again.
        if answer.status < 500 {
            self.handled(now, key);
        }
    }

    /// It is not asked for again.
    pub(super) fn handled(&mut self, now: Now, key: DeliveryKey) {
        if !self.rows.deliveries.contains_key(&key) {
            self.rows.deliveries.insert(key.clone(), KnownDelivery { at: now.wall, build: None, ask: None });
            self.change(Row::Delivery(key));
        }
    }

    /// The newest build that waited or ran at `at` already, and still does. This box's clock alone would not tell: without
    /// power it stands still. So nothing may have happened there since, by GitHub's clock.
    fn newest_at(&self, key: &PullKey, at: i64) -> BuildId {
        let is_as_it_was = self.rows.pulls.get(key).is_some_and(|pull| pull.updated_at <= at);
        let was_there = |id: &BuildId| is_as_it_was && self.rows.builds.get(id).is_some_and(|b| b.queued_at <= at);
        self.rows.unfinished(key).into_iter().rfind(was_there).unwrap_or(0)
    }
}
