//! What the tests believe beside `State`: which stored rows it should hold, and what the lamp should show,
//! worked out slowly from the whole history.

use std::collections::BTreeSet;

use crate::logic::build::{Build, BuildId, BuildState};
use crate::logic::event::StatusState;
use crate::logic::panel::Led;
use crate::logic::policy::{Follow, Policy};
use crate::logic::rows::{CLOSED_PULLS_MAX, Pull, Rows};

/// What a store that holds `all` loads: the same choice as the SQL of `store::rows::load`.
pub fn select(all: &Rows) -> Rows {
    let mut closed: Vec<_> = all.pulls.values().filter_map(|p| p.closed_order).collect();
    closed.sort_unstable_by(|a, b| b.cmp(a));
    closed.truncate(CLOSED_PULLS_MAX);
    let mut rows = Rows {
        repositories: all.repositories.clone(),
        deliveries: all.deliveries.clone(),
        last_build_id: all.last_build_id,
        ..Rows::default()
    };
    for (key, pull) in &all.pulls {
        if pull.closed_order.is_none_or(|order| closed.contains(&order)) {
            rows.pulls.insert(key.clone(), pull.clone());
        }
    }
    let last: BTreeSet<_> = rows.pulls.values().filter_map(|p| p.last_build).collect();
    for (id, build) in &all.builds {
        if !build.state.is_end() || !build.is_settled() || last.contains(id) {
            rows.builds.insert(*id, build.clone());
        }
    }
    rows
}

/// Red, yellow and green, and the pull request that they are about.
pub type Lamp = ([Led; 3], Option<(String, u64)>);

/// The contract's table, read off the whole history. `troubled`: pilotlight can't tell. `accepted`: builds
/// that were ever let in.
pub fn lamp(all: &Rows, accepted: &BTreeSet<BuildId>, policy: &Policy, troubled: bool) -> Lamp {
    if troubled {
        return ([Led::On, Led::On, Led::Off], None);
    }
    let configured = || all.pulls.values().filter(|p| policy.on_lamp(&p.repository));
    let result = |p: &Pull| builds_of(all, p).rev().find(|b| accepted.contains(&b.id) && is_result(b)).map(|b| b.state);
    let mut shown: Option<(u8, Option<i64>, &Pull, BuildState)> = None;
    for pull in configured().filter(|p| p.open) {
        let Some(newest) = builds_of(all, pull).next_back() else {
            continue;
        };
        let withdrawn = newest.state == BuildState::Cancelled && result(pull) != Some(BuildState::Cancelled);
        if newest.state == BuildState::WaitingForApproval || withdrawn {
            continue;
        }
        let state = with_others(all, policy, pull, newest.state);
        let rank = if policy.follow == Follow::Worst { rank(state) } else { 0 };
        if shown.is_none_or(|(r, order, ..)| (r, order) < (rank, newest.accepted_order)) {
            shown = Some((rank, newest.accepted_order, pull, state));
        }
    }
    if let Some((_, _, pull, state)) = shown {
        return (leds(state, policy.blink), Some(pull.key()));
    }
    let with_result = configured().filter_map(|p| Some((p, result(p)?)));
    match with_result.max_by_key(|(p, _)| p.closed_order) {
        Some((pull, state)) => (leds(with_others(all, policy, pull, state), policy.blink), Some(pull.key())),
        None => ([Led::Off; 3], None),
    }
}

/// Our result, and others' by GitHub's rule: what failed wins, then what is pending. Closed ones wait for nobody.
fn with_others(all: &Rows, policy: &Policy, pull: &Pull, ours: BuildState) -> BuildState {
    let others = pull.external.iter().filter(|e| !is_ours(all, policy, pull, &e.context)).map(|e| e.state);
    let newest = builds_of(all, pull).next_back();
    let of_head = newest.is_some_and(|b| b.sha == pull.head_sha && b.state == ours);
    let others: Vec<_> = others.filter(|_| policy.include_external && of_head).collect();
    if ours == BuildState::Failure || others.iter().any(|s| matches!(s, StatusState::Failure | StatusState::Error)) {
        BuildState::Failure
    } else if ours == BuildState::Success && pull.open && others.contains(&StatusState::Pending) {
        BuildState::Queued
    } else {
        ours
    }
}

/// Whether pilotlight itself speaks in that context.
pub fn is_ours(all: &Rows, policy: &Policy, pull: &Pull, context: &str) -> bool {
    let configured = policy.repositories.iter().filter(|r| r.name == pull.repository).flat_map(|r| &r.checks);
    let built = pull.last_build.map(|id| &all.builds[&id]).into_iter().flat_map(|b| &b.checks);
    let ours = configured.map(|c| &c.context).chain(built.map(|c| &c.context));
    ours.into_iter().any(|ours| ours.eq_ignore_ascii_case(context))
}

fn builds_of<'a>(all: &'a Rows, pull: &Pull) -> impl DoubleEndedIterator<Item = &'a Build> {
    let key = pull.key();
    all.builds.values().filter(move |b| (&b.repository, b.pull) == (&key.0, key.1))
}

/// Closing and superseding are no result; a person's word is.
fn is_result(build: &Build) -> bool {
    let no_result = |why: &String| why.starts_with("Superseded") || why.starts_with("Cancelled: ");
    build.state.is_end() && !build.reason.as_ref().is_some_and(no_result)
}

fn rank(state: BuildState) -> u8 {
    let order = [BuildState::Success, BuildState::Queued, BuildState::Running, BuildState::Error, BuildState::Failure];
    let state = if state == BuildState::Cancelled { BuildState::Error } else { state };
    order.iter().position(|s| *s == state).map_or(0, |at| at as u8)
}

fn leds(state: BuildState, blink: bool) -> [Led; 3] {
    let (off, on) = (Led::Off, Led::On);
    match state {
        BuildState::Queued => [off, on, off],
        BuildState::Running if blink => [off, Led::Blink, off],
        BuildState::Running => [off, on, off],
        BuildState::Success => [off, off, on],
        BuildState::Failure => [on, off, off],
        BuildState::Error | BuildState::Cancelled => [on, on, off],
        BuildState::WaitingForApproval => [off, off, off],
    }
}
