//! The process: it decides, saves, acts, and dies at any of them.

use std::time::Duration;

use super::builders::Running;
use super::{Net, Storm, model};
use crate::logic::event::{Answer, Decision, Effect, Event, Hook, LookUp, ReplyId};
use crate::logic::state::State;
use crate::logic::wording::DESCRIPTION_CHARS_MAX;

impl Storm {
    pub fn event(&mut self, event: Event) {
        self.say(&event);
        if let Event::Delivery { delivery, .. } = &event {
            match &delivery.hook {
                Hook::Pull(payload) => self.hear(&payload.repository.name, self.now.mono),
                Hook::Status(status) => self.hear(&status.repository.name, self.now.mono),
                Hook::Comment(comment) => self.hear(&comment.repository.name, self.now.mono),
                _ => {}
            }
        }
        let decision = self.state.handle(self.now, event);
        self.let_in_by_digits(&decision);
        decision.effects.iter().for_each(|effect| self.assert_may_start(effect));
        self.remember_list(&decision);
        self.assert_settled_rightly(&decision);
        self.held.push(decision);
        if self.calm || self.rng.u8(..5) > 0 {
            self.commit();
        }
    }

    /// Saves what was decided, then does it; or neither.
    pub fn commit(&mut self) {
        let held = std::mem::take(&mut self.held);
        let changes: Vec<_> = held.iter().flat_map(|d| d.changes.clone()).collect();
        if !self.calm && !changes.is_empty() && self.rng.u8(..60) == 0 {
            return self.restart("not saved");
        }
        for change in &changes {
            self.take_in(change.clone());
        }
        self.commits.push(changes);
        for effect in held.into_iter().flat_map(|d| d.effects) {
            self.say(&("so", &effect));
            self.effect(effect);
        }
        if self.exited {
            return self.restart("exit");
        }
        self.assert_invariants();
    }

    /// The process ends here, and another one begins with what is saved.
    pub fn restart(&mut self, why: &str) {
        self.say(&why);
        self.held.clear();
        while let Some(post) = self.posts.pop_front() {
            if self.net == Net::Works && self.rng.bool() {
                self.show(&post);
            }
        }
        self.builders.clear();
        self.question = None;
        self.forget_answers();
        self.unheard.clear();
        // GitHub heard no answer: a person redelivers, or nobody does.
        for delivery in std::mem::take(&mut self.asked).into_values() {
            match !self.calm && self.rng.u8(..4) == 0 {
                true => self.hub.lose(&mut self.rng, self.now.wall, delivery),
                false => self.hub.inbox.push(delivery),
            }
        }
        (self.disk, self.stopping, self.exited) = (false, false, false);
        self.no_worker.clear();
        (self.silent_since, self.now.mono, self.copy) = (None, Duration::ZERO, None);
        self.no_token.clear();
        self.not_taken.clear();
        let (state, decision) = State::load(model::select(&self.all), self.policy.clone(), self.now, None);
        self.state = state;
        self.known.clear();
        self.know_repositories();
        self.let_in_by_digits(&decision);
        self.remember_list(&decision);
        self.find_open_asks();
        self.assert_settled_rightly(&decision);
        self.held.push(decision);
        self.commit();
    }

    /// From now on each configured repository is known of as long as a quiet one may be.
    pub fn know_repositories(&mut self) {
        let names: Vec<_> = self.policy.repositories.iter().map(|r| r.name.clone()).collect();
        self.known.retain(|name, _| names.contains(name));
        names.into_iter().for_each(|name| _ = self.known.entry(name).or_insert(self.now.mono));
    }

    /// A list is as old as its question.
    pub fn remember_list(&mut self, decision: &Decision) {
        if decision.effects.iter().any(|e| matches!(e, Effect::LookUp(LookUp::Pulls { .. }))) {
            self.list_asked_at = self.now.mono;
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { reply, answer } => self.answered(reply, &answer),
            Effect::StartBuild(job) => {
                let twice = self.builders.insert(job.build, Running::new(&job));
                assert!(twice.is_none(), "build {} runs twice", job.build);
            }
            Effect::CancelBuild(id) => _ = self.builders.get_mut(&id).map(|running| running.stopped = true),
            Effect::Post(post) => {
                assert!(post.description.chars().count() <= DESCRIPTION_CHARS_MAX);
                let check = &self.all.builds[&post.build].checks[post.check];
                assert_eq!(
                    (&check.context, &check.told),
                    (&post.context, &None),
                    "what is under way is saved as unknown"
                );
                self.posts.push_back(post);
                assert_eq!(self.posts.len(), 1, "one at a time, so that no older word overtakes a newer");
            }
            Effect::LookUp(what) => {
                assert!(self.question.is_none(), "one question at a time");
                self.question = Some((what, None));
            }
            Effect::Show(_) | Effect::Log(_) => {}
            Effect::Ended(id) => assert!(self.ended.insert(id), "build {id} ends twice"),
            Effect::Exit => self.exited = true,
        }
    }

    fn answered(&mut self, reply: ReplyId, answer: &Answer) {
        assert!(answer.status != 202 || self.all.builds.contains_key(&answer.build.expect("202 names its build")));
        let Some(delivery) = self.asked.remove(&reply) else { return };
        if answer.status == 503 {
            self.hub.lose(&mut self.rng, self.now.wall, delivery);
        } else {
            self.hub.sent.push(delivery);
        }
    }
}
