//! One run of one head: a build and its checks, and how their states add up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::StatusState;
use super::policy::CheckPolicy;
use super::wording;

/// Integers that grow; the order of builds is the order of their ids.
pub type BuildId = i64;

/// One build: one run of all checks of one head sha. A re-run is another build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    pub id: BuildId,
    /// As the configuration spells it.
    pub repository: String,
    pub pull: u64,
    pub title: String,
    /// The head sha: what is checked out and what the statuses are about.
    pub sha: String,
    pub base_ref: String,
    pub head_ref: String,
    pub state: BuildState,
    /// Why it is in that state, where the state alone does not say.
    pub reason: Option<String>,
    /// How often it was started and not ended by our own ordered stop.
    pub attempt: u32,
    /// A person asked for this very build.
    pub asked: bool,
    /// Grows with every build that is let in, at once or by a person's word; none while it waits for one. Of two builds
    /// of one sha the higher speaks.
    pub accepted_order: Option<i64>,
    /// UTC seconds since 1970, like all times here.
    pub queued_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub checks: Vec<Check>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildState {
    WaitingForApproval,
    Queued,
    Running,
    Success,
    Failure,
    Error,
    Cancelled,
}

/// One check of a build, and what GitHub knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub context: String,
    pub state: CheckState,
    /// The status's description, fixed when the state was entered; at most 140 characters.
    pub description: String,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    /// Its part of the build's log, in bytes; no end while it runs.
    pub log_start: Option<u64>,
    pub log_end: Option<u64>,
    /// False once a newer build speaks for this sha and context.
    pub owns_status: bool,
    /// What GitHub was last told by this build.
    pub told: Option<(StatusState, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    Queued,
    Running,
    Success,
    Failure,
    Error,
    Cancelled,
    Skipped,
}

/// How the processes of a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckEnd {
    /// The exit code; 0 is a pass.
    Exited(i32),
    /// Killed by this signal, not by us.
    Signalled(i32),
    /// Ended by us after this long.
    TimedOut(Duration),
    /// Ended by us because it wrote nothing for this long.
    Silent(Duration),
    /// The kernel killed some of it for want of memory; the limit, in bytes, where one was set.
    OutOfMemory { limit_bytes: Option<u64> },
    /// It never ran, or its end could not be learned.
    Broken(String),
}

impl BuildState {
    /// Whether nothing will change it any more.
    pub fn is_end(self) -> bool {
        !matches!(self, BuildState::WaitingForApproval | BuildState::Queued | BuildState::Running)
    }

    /// The name in JSON, in the store and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            BuildState::WaitingForApproval => "waiting_for_approval",
            BuildState::Queued => "queued",
            BuildState::Running => "running",
            BuildState::Success => "success",
            BuildState::Failure => "failure",
            BuildState::Error => "error",
            BuildState::Cancelled => "cancelled",
        }
    }

    pub const ALL: [BuildState; 7] = [
        BuildState::WaitingForApproval,
        BuildState::Queued,
        BuildState::Running,
        BuildState::Success,
        BuildState::Failure,
        BuildState::Error,
        BuildState::Cancelled,
    ];

    /// The state of that [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl Check {
    /// A check that waits, described as `description`.
    pub fn waiting(context: &str, description: String) -> Self {
        Check {
            context: context.to_owned(),
            state: CheckState::Queued,
            description,
            started_at: None,
            finished_at: None,
            log_start: None,
            log_end: None,
            owns_status: true,
            told: None,
        }
    }

    /// It waits (again), described as `description`.
    pub fn reset(&mut self, description: &str) {
        let fresh = Check::waiting(&self.context, description.to_owned());
        *self = Check { owns_status: self.owns_status, told: self.told.take(), ..fresh };
    }

    /// What GitHub should show for it.
    pub fn outward(&self) -> (StatusState, &str) {
        let state = match self.state {
            CheckState::Queued | CheckState::Running => StatusState::Pending,
            CheckState::Success | CheckState::Skipped => StatusState::Success,
            CheckState::Failure => StatusState::Failure,
            CheckState::Error | CheckState::Cancelled => StatusState::Error,
        };
        (state, &self.description)
    }

    /// Whether GitHub shows the truth, or another build speaks for this sha and context.
    pub fn is_settled(&self) -> bool {
        !self.owns_status || self.told.as_ref().is_some_and(|(state, words)| (*state, words.as_str()) == self.outward())
    }

    pub fn is_end(&self) -> bool {
        !matches!(self.state, CheckState::Queued | CheckState::Running)
    }
}

impl Build {
    /// Whether GitHub shows the truth about every check.
    pub fn is_settled(&self) -> bool {
        self.checks.iter().all(Check::is_settled)
    }

    /// How the ends of its checks add up: failure before error before cancelled before success. With the
    /// description of the check that decided it, unless all is well.
    pub fn verdict(&self) -> (BuildState, Option<String>) {
        let order = [
            (CheckState::Failure, BuildState::Failure),
            (CheckState::Error, BuildState::Error),
            (CheckState::Cancelled, BuildState::Cancelled),
        ];
        for (of_check, of_build) in order {
            if let Some(check) = self.checks.iter().find(|c| c.state == of_check) {
                return (of_build, Some(check.description.clone()));
            }
        }
        (BuildState::Success, None)
    }

    /// Whether another build of its sha may speak in its place.
    pub fn has_nothing_to_say(&self) -> bool {
        matches!(self.state, BuildState::WaitingForApproval | BuildState::Cancelled)
    }

    /// Every check that is still wanted waits (again), described as `description`.
    pub fn reset_checks(&mut self, description: &str) {
        self.checks.iter_mut().filter(|c| c.state != CheckState::Skipped).for_each(|c| c.reset(description));
        self.started_at = None;
    }

    /// Ends what has not ended as `state`, described as `description`.
    pub fn end_checks(&mut self, wall: i64, state: CheckState, description: &str) {
        for check in self.checks.iter_mut().filter(|c| !c.is_end()) {
            check.state = state;
            check.description = description.to_owned();
            check.finished_at = Some(wall);
        }
    }
}

impl Build {
    /// It is let in: it may run as soon as there is a place.
    pub fn queue(&mut self, accepted_order: i64) {
        self.state = BuildState::Queued;
        self.accepted_order = Some(accepted_order);
        self.reason = None;
        self.reset_checks(wording::QUEUED);
    }

    /// It waits for a person's word, and `words` say which.
    pub fn wait_for_approval(&mut self, words: String) {
        self.state = BuildState::WaitingForApproval;
        self.accepted_order = None;
        self.reset_checks(&words);
        self.reason = Some(words);
    }

    /// Its waiting checks become those that are `wanted` now; `gone` says why others are skipped.
    pub fn fit_checks(&mut self, wall: i64, wanted: &[CheckPolicy], gone: &str) {
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let words = self.reason.clone().filter(|_| self.state == BuildState::WaitingForApproval);
        let words = words.unwrap_or_else(|| wording::QUEUED.to_owned());
        for check in &mut self.checks {
            let is_wanted = wanted.iter().any(|p| same(&p.context, &check.context));
            if is_wanted && check.state == CheckState::Skipped {
                check.reset(&words);
            } else if !is_wanted && !check.is_end() {
                check.state = CheckState::Skipped;
                check.description = gone.to_owned();
                check.finished_at = Some(wall);
            }
        }
        for wanted in wanted {
            if !self.checks.iter().any(|c| same(&c.context, &wanted.context)) {
                self.checks.push(Check::waiting(&wanted.context, words.clone()));
            }
        }
    }
}
