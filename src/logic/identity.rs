//! Which repository it is. Whoever renames an organisation or a repository gives the old name away: a stranger may register
//! it, and from then on GitHub answers for the stranger's repository under the name that is configured here. GitHub's
//! number of a repository stays when it is renamed or transferred, and no other gets it. So the number is remembered when
//! it is first heard, and what is about another number counts for nothing.
//!
//! What is asked by name tells what that name stands for now. Deliveries are signed with the team's secret: of two numbers
//! the one that they bear is the team's, unless the configuration says which it is. One that was late may bear the old
//! name, and does not say that all is well again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Answer, Effect, Found};
use super::rows::{Repository, Rows};
use super::state::{Row, State};
use super::wording;

/// A repository as GitHub speaks of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `full_name`, as GitHub spells it: today's, which another repository may bear tomorrow.
    pub name: String,
    /// `id`: its own for good. `None` where it is not told.
    pub id: Option<u64>,
}

impl State {
    /// The repository that a delivery is about, as the configuration spells it; or the answer, when it is none of ours.
    pub(super) fn of_delivery(&mut self, said: &Identity, now: Duration) -> Result<String, Answer> {
        let configured = self.policy.repository(&said.name);
        let pinned = configured.and_then(|r| r.id);
        let Some(name) = configured.map(|r| r.name.clone()).or_else(|| self.called_before(said)) else {
            return Err(Answer::ok(format!("{} is not configured here: nothing to build", said.name)));
        };
        let is_another = self.rows.repository(&name).is_some_and(|known| said.id.is_some_and(|id| id != known.id));
        match (is_another, pinned, said.id) {
            (true, Some(_), _) => {
                self.recognise(&name, said);
                let why = self.rows.why_another(&name).unwrap_or_default();
                return Err(Answer::ok(format!("Nothing to build: {why}")));
            }
            (true, None, Some(id)) => {
                self.asks.forget(&name);
                self.catch_up.set_list_aside(&name);
                self.remember(Repository::new(&name, id, None));
                self.catch_up.want_list(&name, now);
            }
            // A late one does not say that all is well again.
            _ if self.rows.is_another(&name) => {}
            _ => _ = self.recognise(&name, said),
        }
        self.catch_up.hear(&name, now);
        Ok(name)
    }

    /// Takes in what GitHub has under the configured `name`. True when that is ours again and was not.
    pub(super) fn recognise(&mut self, name: &str, said: &Identity) -> bool {
        let Some(said_id) = said.id else { return false };
        let known = self.rows.repository(name);
        let was_another = self.rows.is_another(name);
        let id = known.map_or(said_id, |r| r.id);
        let is_ours = said_id == id;
        let has_name = said.name.eq_ignore_ascii_case(name);
        let new = Repository::new(name, id, (!is_ours || !has_name).then(|| said.clone()));
        if known != Some(&new) {
            self.remember(new);
        }
        if !is_ours && !was_another {
            // What GitHub said of people may have been about the other one.
            self.asks.forget(name);
            self.effects.extend(self.rows.why_another(name).map(Effect::Log));
        }
        is_ours && was_another
    }

    /// The configuration may say which number is meant.
    pub(super) fn take_ids(&mut self) {
        let named = self.policy.repositories.iter().filter_map(|r| Some(Repository::new(&r.name, r.id?, None)));
        for new in named.collect::<Vec<_>>() {
            if self.rows.repository(&new.name).is_none_or(|known| known.id != new.id) {
                self.remember(new);
            }
        }
    }

    /// Why nobody can tell: under a name that the lamp is about GitHub has another repository.
    pub(super) fn another_on_lamp(&self) -> Option<String> {
        let on_lamp = self.policy.repositories.iter().filter(|r| self.policy.on_lamp(&r.name));
        on_lamp.filter_map(|r| self.rows.why_another(&r.name)).next()
    }

    /// What a person should see to while GitHub still redirects.
    pub(super) fn renamed(&self) -> Option<String> {
        let of = |known: &Repository| {
            let new = known.instead.as_ref().filter(|new| new.id == Some(known.id))?;
            let configured = self.policy.repository(&known.name)?;
            Some(wording::renamed(&configured.name, &new.name))
        };
        self.rows.repositories.values().find_map(of)
    }

    fn remember(&mut self, repository: Repository) {
        self.change(Row::Repository(repository.name.clone()));
        self.rows.repositories.insert(repository.name.clone(), repository);
    }

    /// The configured name of what is called otherwise now.
    fn called_before(&self, said: &Identity) -> Option<String> {
        let is_it = |name: &&String| said.id.is_some() && self.rows.repository(name).map(|r| r.id) == said.id;
        self.policy.repositories.iter().map(|r| &r.name).find(is_it).cloned()
    }
}

impl Found {
    /// The repository that it is about, where that was asked by name.
    pub fn of(&self) -> Option<&Identity> {
        match self {
            Found::Same(of) | Found::Pulls { of, .. } | Found::Permission(Some(of)) => Some(of),
            _ => None,
        }
    }
}

impl Rows {
    /// Whether GitHub has another repository under this configured name: nothing of it may be built.
    pub fn is_another(&self, name: &str) -> bool {
        self.repository(name).is_some_and(|known| known.another().is_some())
    }

    fn repository(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(&name.to_ascii_lowercase())
    }

    /// The same in words, and the cure.
    fn why_another(&self, name: &str) -> Option<String> {
        let known = self.repository(name)?;
        Some(wording::another_repository(name, known.id, known.another()?))
    }
}

impl Repository {
    /// The number of the other one that GitHub has under its name.
    fn another(&self) -> Option<u64> {
        self.instead.as_ref()?.id.filter(|id| *id != self.id)
    }
}
