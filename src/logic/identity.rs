//! Which repository it is. Whoever renames an organisation or a repository gives the old name away: a stranger may register
//! it, and from then on GitHub answers for the stranger's repository under the name that is configured here. GitHub's
//! number of a repository stays when it is renamed or transferred, and no other gets it. So the number is remembered when
//! it is first heard, and what GitHub says of another one counts for nothing.
//!
//! What is asked by name tells what that name stands for today. Deliveries are signed with the team's secret: of two numbers
//! the one that they bear is the team's, unless the configuration says which it is. One that was late may bear the old
//! name, and does not say that all is well again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Answer, Effect, Found};
use super::policy::RepositoryPolicy;
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
        let Some((name, pinned)) = self.policy.repository(&said.name).map(|r| (r.name.clone(), r.id)) else {
            return Err(self.not_configured(said, now));
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
        let has_name = said.name.eq_ignore_ascii_case(name);
        let new = Repository::new(name, id, (said_id != id || !has_name).then(|| said.clone()));
        let is_ours = !new.is_another();
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
        let named = |r: &RepositoryPolicy| Some((r.name.clone(), Repository::new(&r.name, r.id?, None)));
        let named = self.policy.repositories.iter().filter_map(named);
        for (name, new) in named.collect::<Vec<_>>() {
            if self.rows.repository(&name).is_none_or(|known| known.id != new.id) {
                self.asks.forget(&name);
                self.catch_up.set_list_aside(&name);
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
            let new = known.instead.as_ref().filter(|_| !known.is_another())?;
            let configured = self.policy.repository(&known.name)?;
            Some(wording::renamed(&configured.name, &new.name))
        };
        self.rows.repositories.values().find_map(of)
    }

    /// What was renamed is asked for by its old name, which GitHub redirects.
    fn not_configured(&mut self, said: &Identity, now: Duration) -> Answer {
        let words = format!("{} is not configured here: nothing to build", said.name);
        let is_it = |name: &&String| said.id.is_some() && self.rows.repository(name).map(|r| r.id) == said.id;
        let Some(old) = self.policy.repositories.iter().map(|r| &r.name).find(is_it).cloned() else {
            return Answer::ok(words);
        };
        self.catch_up.want_list(&old, now);
        Answer::ok(format!("{words}. {}", wording::renamed(&old, &said.name)))
    }

    fn remember(&mut self, repository: Repository) {
        self.change(Row::Repository(repository.name.clone()));
        self.rows.repositories.insert(repository.name.clone(), repository);
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
        self.repository(name).is_some_and(Repository::is_another)
    }

    /// Whether it is not even the same one with another owner: nothing is to be said there.
    pub fn is_replaced(&self, name: &str) -> bool {
        self.repository(name).is_some_and(|known| known.instead.as_ref().is_some_and(|new| new.id != Some(known.id)))
    }

    fn repository(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(&name.to_ascii_lowercase())
    }

    /// The same in words, and the cure.
    fn why_another(&self, name: &str) -> Option<String> {
        let known = self.repository(name).filter(|known| known.is_another())?;
        let instead = known.instead.as_ref()?;
        Some(match instead.id {
            Some(id) if id != known.id => wording::another_repository(name, known.id, id),
            _ => wording::renamed(name, &instead.name),
        })
    }
}

impl Repository {
    /// Whether GitHub has another one under its name, or has it with somebody else: whoever is given a repository may
    /// write there, and is no part of the team.
    fn is_another(&self) -> bool {
        let owner = |name: &str| name.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let other = |new: &Identity| new.id != Some(self.id) || owner(&new.name) != owner(&self.name);
        self.instead.as_ref().is_some_and(other)
    }
}
