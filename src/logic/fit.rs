//! A new configuration: what waits is brought in line with it.

use super::build::{BuildId, BuildState};
use super::event::Now;
use super::policy::CheckSource;
use super::state::State;
use super::{trust, wording};

impl State {
    /// Brings what waits in line with the configuration: its repositories, its checks, its trust.
    pub(super) fn fit_to_policy(&mut self, now: Now) {
        self.take_ids();
        let waits = |b: &&super::build::Build| !b.state.is_end() && !self.queue.active.contains_key(&b.id);
        let waiting: Vec<_> = self.rows.builds.values().filter(waits).map(|b| b.id).collect();
        for id in waiting {
            self.fit_build(now, id);
        }
    }

    /// The same for one build that no builder holds.
    pub(super) fn fit_build(&mut self, now: Now, id: BuildId) {
        let order = self.rows.next_accepted_order();
        let Some(build) = self.rows.builds.get_mut(&id).filter(|b| !b.state.is_end()) else {
            return;
        };
        let key = (build.repository.clone(), build.pull);
        let Some(repository) = self.policy.repository(&build.repository) else {
            return self.cancel(now, id, wording::NOT_CONFIGURED, false);
        };
        let before = build.clone();
        if let Some(wanted) = self.queue.checks(id, repository) {
            let gone = match repository.check_source {
                CheckSource::Box => wording::CHECK_NOT_CONFIGURED,
                CheckSource::Repository => wording::CHECK_NOT_NAMED,
            };
            build.fit_checks(now.wall, wanted, gone);
        }
        if let Some(pull) = self.rows.pulls.get(&key) {
            match (build.state, trust::may_build(&self.policy, pull)) {
                (BuildState::WaitingForApproval, true) => build.queue(order),
                (_, false) => build.wait_for_approval(trust::words(&self.policy, pull)),
                _ => {}
            }
        }
        if *build == before {
            return;
        }
        let let_in = (before.state, build.state) == (BuildState::WaitingForApproval, BuildState::Queued);
        self.own_statuses(id, if let_in { 0 } else { before.checks.len() });
    }
}
