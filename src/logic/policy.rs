//! The part of the configuration that decides. It comes from the box alone, never from a branch.

use std::time::Duration;

use serde::Deserialize;

use super::secret::SecretFile;

/// What `State` needs to know of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub repositories: Vec<RepositoryPolicy>,
    /// Webhooks are received; otherwise polling is all there is.
    pub webhooks: bool,
    /// Builds that may run at once, at least 1.
    pub workers: usize,
    pub isolation: Isolation,
    pub approval: Approval,
    /// A check that writes nothing for this long is ended.
    pub silence: Duration,
    pub follow: Follow,
    /// The repositories that the lamp is about; none named: all.
    pub lamp_repositories: Vec<String>,
    /// What others say of a head counts for the lamp, too.
    pub include_external: bool,
    /// A running build blinks; otherwise its yellow is steady.
    pub blink: bool,
    /// What every `target_url` starts with, no slash at its end.
    pub dashboard_url: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPolicy {
    /// `owner/name`, as the configuration spells it.
    pub name: String,
    /// GitHub's number for it, where the configuration says it.
    pub id: Option<u64>,
    pub clone_url: String,
    pub network: Network,
    /// Whether submodules are fetched before the checks.
    pub submodules: bool,
    /// At least one; contexts differ in more than case. None of the head's takes longer than the longest of these.
    pub checks: Vec<CheckPolicy>,
    /// For the builds of heads in the repository itself.
    pub secrets: Vec<SecretFile>,
    pub check_source: CheckSource,
    pub tested: Tested,
    /// A head whose message says so is not built.
    pub skip_ci: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckPolicy {
    pub context: String,
    pub run: String,
    /// Already the shorter of the check's and the builder's.
    pub timeout: Duration,
}

/// Who names the checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckSource {
    /// The box's configuration.
    #[default]
    Box,
    /// The head's `.pilotlight.toml`. Until that is read, and where it names none, the box's stand in its place.
    Repository,
}

/// What is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tested {
    #[default]
    Head,
    /// What merging the head into its base would give.
    Merge,
}

/// Where a stranger's code runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A systemd unit for each repository.
    #[default]
    Systemd,
    /// A child process: forks never run.
    None,
}

/// What a repository's builds may reach under [`Isolation::Systemd`], beside their own loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The internet, and not the office.
    #[default]
    Internet,
    /// Nothing.
    None,
    /// The office too. Strangers' builds reach the internet at most.
    Lan,
}

/// Which pull requests wait for a word from the team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    #[default]
    Forks,
    None,
    All,
}

/// Which pull request the lamp is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Follow {
    /// The open one with the newest accepted build.
    #[default]
    Latest,
    /// The worst of all open ones.
    Worst,
}

impl Policy {
    /// The repository of that name; GitHub's names are the same in any case.
    pub fn repository(&self, name: &str) -> Option<&RepositoryPolicy> {
        self.repositories.iter().find(|r| r.name.eq_ignore_ascii_case(name))
    }

    /// Whether the lamp is about the repository of that name.
    pub fn on_lamp(&self, name: &str) -> bool {
        let limits = &self.lamp_repositories;
        self.repository(name).is_some() && (limits.is_empty() || limits.iter().any(|l| l.eq_ignore_ascii_case(name)))
    }
}
