//! What GitHub answers in a scenario.

use super::*;

impl World {
    pub(super) fn answer_post(&mut self) {
        let Some(outcome) = self.outcome.clone() else { return };
        let Some(post) = self.in_flight.take() else { return };
        if outcome == PostOutcome::Accepted {
            let at = self.now().wall;
            let shown = self.statuses.entry(post.sha.clone()).or_default();
            shown.retain(|s| !s.context.eq_ignore_ascii_case(&post.context));
            let (context, description) = (post.context.clone(), post.description.clone());
            shown.push(Shown { context, state: post.state, description, updated_at: at, id: 0 });
        }
        self.event(Event::Posted { post, outcome });
    }

    pub(super) fn answer_questions(&mut self) {
        while let Some(what) = self.asked.pop() {
            let line = words::look_up(&what);
            let about = self.asks_about.iter().find(|(word, _)| line.contains(*word)).map(|(_, how)| how);
            let Some(outcome) = about.unwrap_or(&self.asks).clone() else { return self.asked.push(what) };
            let found = if outcome == PostOutcome::Accepted { Ok(self.find(&what)) } else { Err(outcome) };
            self.event(Event::LookedUp { what, found });
        }
    }

    fn find(&mut self, what: &LookUp) -> Found {
        match what {
            LookUp::Pulls { repository } => match self.lists.get(repository) {
                None => Found::Same(Identity { name: repository.clone(), id: None }),
                Some((of, pulls)) if self.lists_seen.insert(repository.clone()) => {
                    Found::Pulls { of: of.clone(), pulls: pulls.clone() }
                }
                Some((of, _)) => Found::Same(of.clone()),
            },
            LookUp::Statuses { sha, .. } | LookUp::External { sha, .. } => {
                Found::Statuses(self.statuses.get(sha).cloned().unwrap_or_default())
            }
            LookUp::Deliveries { .. } => Found::Deliveries(
                self.missed.clone(),
                self.missed_words.iter().map(|(missed, _)| missed.clone()).collect(),
            ),
            LookUp::Word { missed, .. } => {
                Found::Word(self.missed_words.iter().find(|(of, _)| of == missed).and_then(|(_, word)| word.clone()))
            }
            LookUp::Permission { user, repository } => {
                let now = self.lists.get(repository).map(|(of, _)| of.clone());
                let of = now.unwrap_or_else(|| words::named(repository, &[]));
                Found::Permission(words::TEAM.contains(&user.as_str()).then_some(of))
            }
        }
    }
}
