//! What comes back from GitHub: answers that are late, lost, refused.

use std::time::Duration;

use super::{COPY_LAG_MAX, Net, Storm};
use crate::logic::event::{Event, Found, LookUp, Post, PostOutcome};
use crate::logic::outbox::SILENCE_MAX;

impl Storm {
    pub fn answer_post(&mut self) {
        let Some(post) = self.posts.pop_front() else { return };
        let outcome = self.outcome();
        match &outcome {
            PostOutcome::Unreachable { .. } => self.silent_since = self.silent_since.or(Some(self.now.mono)),
            PostOutcome::TokenRefused { .. } => _ = self.no_token.insert(post.repository.clone()),
            PostOutcome::Accepted | PostOutcome::Refused { .. } => _ = self.no_token.remove(&post.repository),
        }
        let status = (post.build, post.check);
        match &outcome {
            PostOutcome::Refused { .. } => _ = self.not_taken.insert(status),
            PostOutcome::Accepted => _ = self.not_taken.remove(&status),
            _ => {}
        }
        let unreachable = matches!(outcome, PostOutcome::Unreachable { .. });
        if !unreachable {
            self.silent_since = None;
        }
        // The answer may be lost while the post was taken.
        let taken = unreachable && self.net == Net::Works && self.rng.bool();
        if outcome == PostOutcome::Accepted || taken {
            self.show(&post);
        }
        self.event(Event::Posted { post, outcome });
    }

    /// What GitHub says of any call. It wants a pause at times.
    fn outcome(&mut self) -> PostOutcome {
        let error = "what GitHub says".to_owned();
        let lost = !self.calm && self.rng.u8(..20) == 0;
        match self.net {
            Net::Works if !lost => PostOutcome::Accepted,
            Net::Works | Net::Down => {
                let wait = (self.rng.u8(..4) == 0).then(|| Duration::from_secs(self.rng.u64(1..200)));
                self.pause = self.pause.max(self.now.mono + wait.unwrap_or_default());
                PostOutcome::Unreachable { error, wait }
            }
            Net::NoToken => PostOutcome::TokenRefused { error },
            Net::Picky => PostOutcome::Refused { error },
        }
    }

    /// First the answer is made, then it arrives: much can happen between.
    pub fn answer_question(&mut self) {
        let Some((what, found)) = self.question.take() else { return };
        let Some(found) = found else {
            let late = !self.calm && self.rng.u8(..4) == 0;
            let copy = self.copy.as_ref().filter(|(at, _)| late && *at + COPY_LAG_MAX >= self.now.mono);
            let found = copy.map_or(&self.hub, |(_, hub)| hub).find(&what);
            self.question = Some((what, Some(found)));
            return;
        };
        let found = match self.outcome() {
            PostOutcome::Accepted => Ok(self.same_or(&what, found)),
            outcome => Err(outcome),
        };
        if self.is_another_s(&what, &found) {
            // It counts for nothing, but GitHub is there.
            let since = self.unanswered.remove(&what);
            if since.is_some_and(|since| self.now.mono >= since + SILENCE_MAX) {
                self.unanswered.clear();
            }
        } else {
            self.remember_question(&what, &found);
        }
        if let Err(outcome) = &found {
            self.doubt(&what, outcome);
        }
        self.event(Event::LookedUp { what, found });
    }

    /// Whether the answer is about a stranger's repository of that name, or may be.
    fn is_another_s(&self, what: &LookUp, found: &Result<Found, PostOutcome>) -> bool {
        let (Ok(found), rows) = (found, self.state.rows()) else { return false };
        let Some(of) = found.of() else { return rows.is_another(what.repository()) };
        rows.repositories.get(&of.name).is_some_and(|r| Some(r.id) != of.id)
    }

    fn same_or(&mut self, what: &LookUp, found: Found) -> Found {
        if let LookUp::External { repository, sha } = what
            && !self.state.rows().is_another(repository)
        {
            self.heard.insert(format!("{repository}@{sha}"), self.now.mono);
        }
        let (LookUp::Pulls { repository }, Found::Pulls { of, .. }) = (what, &found) else { return found };
        self.heard.insert(repository.clone(), self.now.mono);
        let last = self.lists.insert(repository.clone(), found.clone());
        if last.as_ref() == Some(&found) { Found::Same(of.clone()) } else { found }
    }

    /// What the lamp must know of questions.
    fn remember_question(&mut self, what: &LookUp, found: &Result<Found, PostOutcome>) {
        let (LookUp::Pulls { repository }
        | LookUp::Deliveries { repository }
        | LookUp::Statuses { repository, .. }
        | LookUp::External { repository, .. }
        | LookUp::Word { repository, .. }
        | LookUp::Permission { repository, .. }) = what;
        if self.policy.repository(repository).is_none() {
            return;
        }
        match found {
            Err(PostOutcome::Unreachable { .. }) => {
                _ = self.unanswered.entry(what.clone()).or_insert(self.now.mono);
            }
            Err(PostOutcome::TokenRefused { .. }) => _ = self.unheard.insert(repository.clone()),
            Err(_) if matches!(what, LookUp::External { .. }) => {
                _ = self.unanswered.entry(what.clone()).or_insert(self.now.mono);
            }
            Err(_) => {
                self.unanswered.remove(what);
                if matches!(what, LookUp::Pulls { .. }) {
                    self.unheard.remove(repository);
                }
            }
            Ok(_) => {
                let since = self.unanswered.remove(what);
                if since.is_some_and(|since| self.now.mono >= since + SILENCE_MAX) {
                    self.unanswered.clear(); // all is asked again
                }
                if matches!(what, LookUp::Pulls { .. }) {
                    self.unheard.remove(repository);
                    self.hear(&repository.clone(), self.list_asked_at);
                }
            }
        }
    }

    /// Of this repository all is known that there was at `at`, or the way to us was open then.
    pub fn hear(&mut self, repository: &str, at: Duration) {
        if self.policy.repository(repository).is_some() {
            let known = self.known.entry(repository.to_owned()).or_default();
            *known = (*known).max(at);
        }
    }

    pub fn show(&mut self, post: &Post) {
        let key = (post.repository.clone(), post.sha.clone(), post.context.clone());
        self.hub.shown.insert(key, post.clone());
        if self.rng.u8(..4) == 0 {
            self.hub.speak(&mut self.rng, self.now.wall, Some(post));
        }
    }

    /// Another thread asks from now on, and knows no list; the pause is forgotten.
    pub fn forget_answers(&mut self) {
        self.lists.clear();
        self.unanswered.clear();
        self.pause = Duration::ZERO;
    }
}
