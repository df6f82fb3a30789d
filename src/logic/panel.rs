//! The lamp: which LEDs, and why. One pure function of the state, so that it can't disagree with the statuses.

use serde::{Deserialize, Serialize};

use super::build::{Build, BuildState};
use super::event::Now;
use super::policy::{Follow, Policy};
use super::rows::Pull;
use super::state::State;
use super::wording;

/// What one LED shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Led {
    #[default]
    Off,
    On,
    /// On and off, never faster than once a second.
    Blink,
}

/// What the lamp shows, and what it is about. Its JSON is `GET /api/v1/lights`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panel {
    pub red: Led,
    pub yellow: Led,
    pub green: Led,
    /// In words, for whoever looks at the page.
    pub reason: String,
    pub repository: Option<String>,
    pub pull: Option<u64>,
}

/// What the lamp shows for `state`: the contract's table. Not knowing wins over every result.
pub(super) fn panel(state: &State, now: Now) -> Panel {
    if let Some(trouble) = trouble(state, now) {
        return Panel { red: Led::On, yellow: Led::On, reason: format!("Can't tell: {trouble}"), ..Panel::default() };
    }
    let candidates = open_builds(state);
    let followed = match state.policy.follow {
        Follow::Latest => candidates.max_by_key(|b| b.id),
        Follow::Worst => candidates.max_by_key(|b| (severity(b.state), b.id)),
    };
    if let Some(build) = followed {
        return show(&state.policy, &build.repository, build.pull, build.state);
    }
    let with_result = |p: &&Pull| state.policy.repository(&p.repository).is_some() && p.last_result.is_some();
    let last = state.rows.pulls.values().filter(with_result).max_by_key(|p| p.closed_order);
    match last.and_then(|p| p.last_result.map(|result| (p, result))) {
        Some((pull, result)) => show(&state.policy, &pull.repository, pull.number, result),
        None => Panel { reason: wording::NO_PULL_YET.to_owned(), ..Panel::default() },
    }
}

/// Why pilotlight can't tell, if it can't.
fn trouble(state: &State, now: Now) -> Option<String> {
    let disk = state.disk.clone();
    let worker = || state.no_worker.as_ref().map(|why| format!("builds can't run: {why}"));
    disk.or_else(worker).or_else(|| state.outbox.trouble(now.mono)).or_else(|| state.catch_up.trouble(now.mono))
}

/// The newest build of each open pull request that does not wait for approval, and was not cancelled while it
/// did.
fn open_builds(state: &State) -> impl Iterator<Item = &Build> {
    let open = state.rows.pulls.values().filter(|p| p.open && state.policy.repository(&p.repository).is_some());
    let last = open.filter_map(|p| Some((p, state.rows.builds.get(&p.last_build?)?)));
    let counts = |(pull, build): &(&Pull, &Build)| match build.state {
        BuildState::WaitingForApproval => false,
        BuildState::Cancelled => pull.last_result == Some(BuildState::Cancelled),
        _ => true,
    };
    last.filter(counts).map(|(_, build)| build)
}

fn severity(state: BuildState) -> u8 {
    match state {
        BuildState::Failure => 5,
        BuildState::Error | BuildState::Cancelled => 4,
        BuildState::Running => 3,
        BuildState::Queued => 2,
        BuildState::Success => 1,
        BuildState::WaitingForApproval => 0,
    }
}

fn show(policy: &Policy, repository: &str, pull: u64, state: BuildState) -> Panel {
    let (off, on) = (Led::Off, Led::On);
    let blink = if policy.blink { Led::Blink } else { Led::On };
    let (red, yellow, green, words) = match state {
        BuildState::WaitingForApproval => (off, off, off, "waits for approval"),
        BuildState::Queued => (off, on, off, "is queued"),
        BuildState::Running => (off, blink, off, "is running"),
        BuildState::Success => (off, off, on, "passed"),
        BuildState::Failure => (on, off, off, "failed"),
        BuildState::Error => (on, on, off, "ended with an error"),
        BuildState::Cancelled => (on, on, off, "was cancelled"),
    };
    let reason = format!("{repository}#{pull} {words}");
    Panel { red, yellow, green, reason, repository: Some(repository.to_owned()), pull: Some(pull) }
}
