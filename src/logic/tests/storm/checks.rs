//! What must hold after each step of a storm, and in the end.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Storm;
use crate::logic::build::{Build, BuildState};
use crate::logic::catch_up::HEARD_MAX;
use crate::logic::event::{Change, Effect, LookUp, StatusState};
use crate::logic::external::External;
use crate::logic::outbox::SILENCE_MAX;
use crate::logic::panel::{Led, Panel};
use crate::logic::policy::{Approval, Isolation};
use crate::logic::state::ATTEMPTS_MAX;
use crate::logic::tests::model;

impl Storm {
    pub(super) fn take_in(&mut self, change: Change) {
        if let Change::Build(build) = &change {
            let before = self.all.builds.get(&build.id);
            let waited = before.is_none_or(|b| b.state == BuildState::WaitingForApproval);
            if build.state == BuildState::WaitingForApproval {
                self.accepted.retain(|id| *id != build.id);
            } else if waited && (!build.state.is_end() || self.in_and_out.contains(&build.id)) {
                self.accepted.push(build.id);
                self.accepted_in.insert(build.id, self.commits.len());
            }
            if let Some(before) = before.filter(|b| b.state.is_end()) {
                assert_eq!(outside(before), outside(build), "a build ends once");
            }
            assert!(build.attempt <= ATTEMPTS_MAX);
            if build.reason.as_ref().is_some_and(|why| why.starts_with("Skipped: [")) {
                let stranger = self.all.pulls[&(build.repository.clone(), build.pull)].fork;
                assert!(!stranger && !build.asked, "build {} must not skip", build.id);
            }
        }
        if let Change::Pull(pull) = &change
            && let before = self.all.pulls.get(&pull.key())
            && before.is_none_or(|before| before.head_sha != pull.head_sha || (pull.open && !before.open))
        {
            // What others say of it was heard while it was closed, or for another pull request with that head, if at all.
            self.heard.remove(&format!("{}@{}", pull.repository, pull.head_sha));
        }
        self.take_in_word(&change);
        if let Change::Pull(pull) = &change
            && let Some(before) = self.all.pulls.get(&pull.key()).filter(|b| b.head_sha == pull.head_sha)
        {
            for old in &before.external {
                let new = pull.external.iter().find(|e| e.context.eq_ignore_ascii_case(&old.context));
                assert!(new.is_some_and(|new| new.id >= old.id), "an older word won over {old:?}");
            }
        }
        self.all.apply(change);
    }

    /// No build runs that may not: a fork only in a unit of its own, and only after a word where one is asked.
    pub(super) fn assert_may_start(&self, effect: &Effect) {
        let job = match effect {
            Effect::StartBuild(job) => job,
            Effect::Post(_) | Effect::LookUp(_) => {
                assert!(self.pause <= self.now.mono, "GitHub wants a pause, and gets {effect:?}");
                return assert!(!self.stopping || matches!(effect, Effect::Post(_)), "asked while it stops");
            }
            _ => return,
        };
        assert!(!job.sha.starts_with("bad"), "a stranger's repository is built");
        assert!(!self.state.rows().is_another(&job.repository), "nobody knows whose base it would be");
        let pull = &self.state.rows().pulls[&(job.repository.clone(), job.pull)];
        let asks = match self.policy.approval {
            Approval::All => true,
            Approval::Forks => pull.fork,
            Approval::None => false,
        };
        assert!(!pull.fork || self.policy.isolation == Isolation::Systemd, "a fork runs without isolation");
        let let_in = (job.repository.clone(), job.pull, job.sha.clone());
        assert!(!asks || self.hub.let_in.contains(&let_in), "nobody of the team let {} in", job.sha);
        assert_eq!(job.checks.is_empty(), job.reads_checks, "checks of build {}", job.build);
        assert_eq!(job.sha, pull.head_sha, "build {} is of the head", job.build);
        assert!(!job.may_skip || !pull.fork, "a stranger's head has no say");
        let (active, workers) = (&self.state.queue.active, self.policy.workers);
        assert!(active.len() <= workers, "{} builds, {workers} workers", active.len());
        assert_eq!(job.stranger, pull.fork, "whose unit build {} gets", job.build);
        let same = active.values().filter(|a| (&a.repository, a.stranger) == (&job.repository, job.stranger)).count();
        assert!(same == 1 || self.policy.isolation == Isolation::None, "a unit builds one at a time");
    }

    pub(super) fn assert_invariants(&self) {
        let rows = self.state.rows();
        assert_eq!(*rows, model::select(&self.all), "State holds what a restart would load");
        if !self.stopping {
            let active: Vec<_> = self.state.queue.active.keys().collect();
            assert_eq!(active, self.builders.keys().collect::<Vec<_>>(), "State knows what runs");
        }
        self.assert_lamp();
        let mut owners = BTreeSet::new();
        for build in rows.builds.values() {
            for check in build.checks.iter().filter(|c| c.owns_status) {
                let status = (&build.repository, &build.sha, check.context.to_ascii_lowercase());
                assert!(owners.insert(status.clone()), "two builds speak for {status:?}");
            }
        }
    }

    /// The lamp is the contract's, the JSON is the lamp, both agree with what GitHub should show, and green is never old.
    fn assert_lamp(&self) {
        let panel = self.state.panel(self.now);
        let accepted = self.accepted.iter().copied().collect();
        let lamp = ([panel.red, panel.yellow, panel.green], panel.repository.clone().zip(panel.pull));
        let told = model::lamp(&self.all, &accepted, &self.policy, self.is_troubled(&panel));
        assert_eq!(lamp, told, "the lamp ({})", panel.reason);
        let json = serde_json::to_value(&panel).expect("a panel is JSON");
        assert_eq!(json["green"] == "on", panel.green == Led::On);
        if panel.green == Led::On {
            let on_lamp = self.known.iter().filter(|(repository, _)| self.policy.on_lamp(repository));
            let old: Vec<_> = on_lamp.filter(|(_, at)| self.now.mono >= **at + HEARD_MAX).collect();
            assert!(old.is_empty(), "green, and nothing was heard since {old:?}");
        }
        self.assert_outward(&panel);
    }

    /// What GitHub should show of the followed head, joined by its rule, says the same as the lamp.
    fn assert_outward(&self, panel: &Panel) {
        let Some(key) = panel.repository.clone().zip(panel.pull) else { return };
        let pull = &self.all.pulls[&key];
        let Some(build) = pull.last_build.map(|id| &self.all.builds[&id]).filter(|_| pull.open) else { return };
        // What was withdrawn or waits for approval shows an earlier result, and of one sha a newer build may speak.
        let is_shown = build.state != BuildState::Cancelled || pull.last_result == Some(BuildState::Cancelled);
        let is_shown = is_shown && build.state != BuildState::WaitingForApproval && build.sha == pull.head_sha;
        if !is_shown || build.checks.iter().any(|c| !c.owns_status) {
            return;
        }
        let ours = build.checks.iter().map(|c| c.outward().0);
        let others = pull.external.iter().filter(|e| !model::is_ours(&self.all, &self.policy, pull, &e.context));
        let others = others.map(|e| e.state).filter(|_| self.policy.include_external);
        let all: Vec<_> = ours.chain(others).collect();
        let failed = all.iter().any(|s| matches!(s, StatusState::Failure | StatusState::Error));
        let pending = all.contains(&StatusState::Pending);
        let is_open = matches!(build.state, BuildState::Queued | BuildState::Running);
        assert!(!is_open || panel.green == Led::Off, "green while it runs: {panel:?}");
        assert_eq!(panel.green == Led::On, !failed && !pending, "{all:?} and {panel:?}");
        assert!(panel.red == Led::Off || failed, "{all:?} and {panel:?}");
        assert!(panel.red == Led::On || panel.green == Led::On || pending, "{all:?} and {panel:?}");
    }

    /// Whether nobody can tell, as far as is known here.
    fn is_troubled(&self, panel: &Panel) -> bool {
        let on_lamp = |repository: &String| self.policy.on_lamp(repository);
        let silent = |since: &Duration| self.now.mono >= *since + SILENCE_MAX;
        let posts = self.silent_since.iter().any(silent);
        let asked = |what: &LookUp| match what {
            LookUp::Pulls { repository } | LookUp::External { repository, .. } => on_lamp(repository),
            LookUp::Statuses { .. } | LookUp::Deliveries { .. } => false,
            LookUp::Word { .. } | LookUp::Permission { .. } => false,
        };
        let asks = self.unanswered.iter().filter(|(what, at)| silent(at) && asked(what));
        let refused = self.no_token.iter().chain(&self.unheard).any(on_lamp);
        let listed = |what: &LookUp| matches!(what, LookUp::Pulls { .. });
        let lists = asks.clone().any(|(what, _)| listed(what));
        // What a head shows is asked no more when it has moved on.
        let may_tell = asks.count() == 0 || !panel.reason.contains("GitHub can't be asked");
        let unheard = self.known.iter().any(|(repository, at)| on_lamp(repository) && self.now.mono >= *at + HEARD_MAX);
        let waits = |b: &&Build| b.state == BuildState::Queued && on_lamp(&b.repository);
        let unit = |b: &Build| (b.repository.clone(), self.all.is_stranger(b));
        let queued = self.all.builds.values().filter(waits).any(|b| self.no_worker.contains(&unit(b)));
        let builds = queued || self.state.is_stuck(self.now);
        let another = self.all.repositories.keys().any(|name| self.all.is_another(name) && on_lamp(name));
        let not_taken = self.not_taken.iter().any(|(id, check)| {
            let (build, check) = (&self.all.builds[id], &self.all.builds[id].checks[*check]);
            let heads = self.all.pulls.values().filter(|p| p.open && p.repository == build.repository);
            let is_shown = on_lamp(&build.repository) && { heads }.any(|p| p.head_sha == build.sha);
            is_shown && check.owns_status && !check.is_settled()
        });
        self.disk || not_taken || another || builds || posts || refused || lists || unheard || !may_tell
    }

    /// In the end: nothing waits but for a person, and GitHub shows the truth.
    pub(super) fn assert_all_told(&mut self) {
        for build in self.all.builds.values() {
            assert!(build.state.is_end() || build.state == BuildState::WaitingForApproval, "{build:?} has not ended");
            assert!(build.is_settled(), "{build:?} is not told");
        }
        self.hub.assert_known(&self.all, &self.policy);
        if !self.restless {
            let owned = |sha: &str, context: &str| {
                let mut checks = self.all.builds.values().filter(|b| b.sha == sha).flat_map(|b| &b.checks);
                checks.any(|c| c.context == context && c.owns_status)
            };
            self.hub.assert_shown(&self.all, &self.policy, &|sha, context| !owned(sha, context));
        }
        for pull in self.watched() {
            let known = |e: &External| (e.context.to_ascii_lowercase(), e.state, e.id);
            // Contexts of ours from before a reload are others' now.
            let was_ours = |e: &&External| ["lint", "test", "doc"].contains(&e.context.to_ascii_lowercase().as_str());
            let known: BTreeSet<_> = pull.external.iter().filter(|e| !was_ours(e)).map(known).collect();
            let others = self.hub.others_on(&pull.repository, &pull.head_sha);
            let others: BTreeSet<_> = others.map(|s| (s.context.to_ascii_lowercase(), s.state, s.id)).collect();
            assert_eq!(known, others, "what others say of {:?}", pull.key());
        }
        for pull in self.all.pulls.values().filter(|p| p.open) {
            let Some(build) = pull.last_build.map(|id| &self.all.builds[&id]) else { continue };
            self.assert_spoken_for(build);
            for check in build.checks.iter().filter(|c| c.owns_status) {
                let key = (build.repository.clone(), build.sha.clone(), check.context.clone());
                let shown = self.hub.shown.get(&key).map(|p| (p.build, p.state, p.description.as_str()));
                let (state, words) = check.outward();
                assert_eq!(shown, Some((build.id, state, words)), "what GitHub shows for {key:?}");
                assert!(state != StatusState::Pending || build.state == BuildState::WaitingForApproval);
                self.assert_newest(build, &check.context);
            }
        }
    }

    /// Of an open head's checks the head's build speaks, or one of another open pull request that was let in later.
    fn assert_spoken_for(&self, build: &Build) {
        if build.has_nothing_to_say() || self.restless {
            return;
        }
        for check in build.checks.iter().filter(|c| !c.owns_status) {
            let speaks = |b: &&Build| {
                (&b.repository, &b.sha) == (&build.repository, &build.sha)
                    && b.checks.iter().any(|c| c.context == check.context && c.owns_status)
            };
            let may = |b: &&Build| self.all.is_of_open_head(b) && !b.has_nothing_to_say();
            let speaker = self.all.builds.values().filter(speaks).find(may);
            let is_later = speaker.is_some_and(|b| b.accepted_order > build.accepted_order);
            assert!(is_later, "{speaker:?} speaks for {build:?}");
        }
    }

    /// Of all builds of one sha the newest accepted speaks, unless it was cancelled or its pull request has
    /// moved on.
    fn assert_newest(&self, speaker: &Build, context: &str) {
        let same_sha = |b: &Build| b.sha == speaker.sha && b.repository == speaker.repository;
        let rival = |b: &&Build| same_sha(b) && b.checks.iter().any(|c| c.context == context);
        let newest = self.accepted.iter().rev().map(|id| &self.all.builds[id]).find(rival);
        let Some(newest) = newest.filter(|b| b.id != speaker.id && !self.restless) else { return };
        let moved_on = !self.all.is_of_open_head(newest);
        // Two words can be obeyed at once, and a commit does not tell which was the first.
        let at_once = self.accepted_in.get(&speaker.id) == self.accepted_in.get(&newest.id);
        let yields = newest.state == BuildState::Cancelled || moved_on || at_once;
        assert!(yields, "build {} speaks, but {} was accepted later", speaker.id, newest.id);
    }
}

/// What people see of a build that has ended.
fn outside(build: &Build) -> impl PartialEq + std::fmt::Debug {
    let checks: Vec<_> = build.checks.iter().map(|c| (c.context.clone(), c.state, c.description.clone())).collect();
    (build.state, build.reason.clone(), build.attempt, build.finished_at, checks)
}
