//! What people do at the box in a storm: commands, another configuration, a full disk.

use super::{Storm, builders};
use crate::logic::event::{Command, Event};

impl Storm {
    pub(super) fn command(&mut self) {
        let Some(key) = self.rng.choice(self.all.pulls.keys()).cloned() else { return };
        let command = match self.rng.u8(..4) {
            0 => Command::Rebuild { repository: key.0, pull: key.1, sha: None },
            1 => Command::Cancel { build: self.rng.i64(0..self.all.last_build_id + 1), by: "alice".to_owned() },
            _ => self.approve_at_the_box(key),
        };
        self.event(Event::Command { reply: 0, command });
    }

    pub(super) fn reload(&mut self) {
        builders::shuffle(&mut self.policy, &mut self.rng, self.restless);
        self.silent_since = None;
        self.no_worker.clear();
        self.no_token.clear();
        self.not_taken.clear();
        self.forget_answers();
        let policy = &self.policy;
        self.unheard.retain(|repository| policy.repository(repository).is_some());
        self.know_repositories();
        self.event(Event::Reload(Box::new(self.policy.clone())));
    }

    pub(super) fn fill_disk(&mut self) {
        self.disk = self.rng.bool();
        self.event(Event::Space(self.disk.then(|| "no space left".to_owned())));
    }
}
