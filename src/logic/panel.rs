//! The lamp: which LEDs, and why. One pure function of the state, so that it can't disagree with the statuses.

use serde::{Deserialize, Serialize};

use super::build::{Build, BuildState};
use super::event::Now;
use super::external::severity;
use super::policy::Follow;
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

impl Led {
    /// How it is drawn wherever the lamp is: who sees no colours sees this, its place and its name.
    pub fn shape(self) -> char {
        match self {
            Led::Off => '○',
            Led::On => '●',
            Led::Blink => '◉',
        }
    }

    /// What it does, in a word.
    pub fn word(self) -> &'static str {
        match self {
            Led::Off => "off",
            Led::On => "on",
            Led::Blink => "blinking",
        }
    }
}

/// What a person has the lamp show for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LampWord {
    Test,
    Red,
    Yellow,
    Green,
    Off,
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

/// What the lamp shows while nobody knows how things stand.
pub fn cant_tell(trouble: &str) -> Panel {
    Panel { red: Led::On, yellow: Led::On, reason: format!("Can't tell: {trouble}"), ..Panel::default() }
}

/// What the lamp shows for `state`: the contract's table. Not knowing wins over every result.
pub(super) fn panel(state: &State, now: Now) -> Panel {
    if let Some(trouble) = trouble(state, now) {
        return cant_tell(&trouble);
    }
    let candidates = open_builds(state);
    let followed = match state.policy.follow {
        Follow::Latest => candidates.max_by_key(|(_, b)| b.accepted_order),
        Follow::Worst => candidates.max_by_key(|(p, b)| (severity(state.joined(p, b.state).0), b.accepted_order)),
    };
    if let Some((pull, build)) = followed {
        return show(state, pull, build.state);
    }
    let with_result = |p: &&Pull| state.policy.on_lamp(&p.repository) && p.last_result.is_some();
    let last = state.rows.pulls.values().filter(with_result).max_by_key(|p| p.closed_order);
    match last.and_then(|p| p.last_result.map(|result| (p, result))) {
        Some((pull, result)) => show(state, pull, result),
        None => Panel { reason: wording::NO_PULL_YET.to_owned(), ..Panel::default() },
    }
}

/// Why pilotlight can't tell, if it can't.
fn trouble(state: &State, now: Now) -> Option<String> {
    let disk = state.disk.clone();
    let why = |b: &Build| state.no_worker.get(&(b.repository.clone(), state.rows.is_stranger(b)));
    let waits = |b: &&Build| b.state == BuildState::Queued && state.policy.on_lamp(&b.repository);
    let worker = || {
        let why = state.rows.builds.values().filter(waits).find_map(why)?;
        Some(format!("builds can't run: {why}"))
    };
    let stuck = || state.stuck(now).map(wording::stuck);
    let posts = || state.outbox.trouble(&state.rows, &state.policy, now.mono);
    let asks = || state.catch_up.trouble(&state.policy, now.mono);
    disk.or_else(|| state.another_on_lamp()).or_else(worker).or_else(stuck).or_else(posts).or_else(asks)
}

/// The newest build of each open pull request that does not wait for approval, and was not cancelled while it
/// did.
fn open_builds(state: &State) -> impl Iterator<Item = (&Pull, &Build)> {
    let open = state.rows.pulls.values().filter(|p| p.open && state.policy.on_lamp(&p.repository));
    let last = open.filter_map(|p| Some((p, state.rows.builds.get(&p.last_build?)?)));
    let counts = |(pull, build): &(&Pull, &Build)| match build.state {
        BuildState::WaitingForApproval => false,
        BuildState::Cancelled => pull.last_result == Some(BuildState::Cancelled),
        _ => true,
    };
    last.filter(counts)
}

fn show(state: &State, pull: &Pull, ours: BuildState) -> Panel {
    let (off, on) = (Led::Off, Led::On);
    let blink = if state.policy.blink { Led::Blink } else { Led::On };
    let (joined, external) = state.joined(pull, ours);
    let (red, yellow, green, words) = match joined {
        BuildState::WaitingForApproval => (off, off, off, "waits for approval"),
        BuildState::Queued => (off, on, off, "is queued"),
        BuildState::Running => (off, blink, off, "is running"),
        BuildState::Success => (off, off, on, "passed"),
        BuildState::Failure => (on, off, off, "failed"),
        BuildState::Error => (on, on, off, "ended with an error"),
        BuildState::Cancelled => (on, on, off, "was cancelled"),
    };
    let (repository, number) = (&pull.repository, pull.number);
    let reason = match external {
        Some(e) if joined == BuildState::Queued => format!("{repository}#{number} waits for {}", e.context),
        Some(e) => format!("{repository}#{number}: {} failed", e.context),
        None => format!("{repository}#{number} {words}"),
    };
    Panel { red, yellow, green, reason, repository: Some(repository.clone()), pull: Some(number) }
}
