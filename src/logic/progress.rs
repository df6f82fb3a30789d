//! How builds move on: handed to a builder, started, checked, ended, and told to GitHub.

use std::time::Duration;

use super::build::{Build, BuildId, BuildState, Check, CheckEnd, CheckState};
use super::event::{BuildEvent, BuildNews, Effect, Job, JobCheck, Now, Post, PostOutcome};
use super::outbox::WAIT_MAX;
use super::queue::{Active, FETCH_RETRIES, FETCH_RETRIES_MAX, Retry, WORKER_RETRY, hold_max};
use super::state::{Row, State};
use super::wording;

impl State {
    /// Hands a queued build to a free builder.
    pub(super) fn start(&mut self, now: Now, id: BuildId) {
        let Some(build) = self.rows.builds.get(&id) else { return };
        let Some(repository) = self.policy.repository(&build.repository) else { return };
        let stranger = self.rows.is_stranger(build);
        let checks = self.queue.checks(id, repository);
        let longest = repository.checks.iter().map(|c| c.timeout).max().unwrap_or_default();
        let wanted = |(index, check): (usize, &Check)| {
            let policy = checks?.iter().find(|p| p.context.eq_ignore_ascii_case(&check.context))?;
            let (context, run) = (policy.context.clone(), policy.run.clone());
            (!check.is_end()).then_some(JobCheck { index, context, run, timeout: policy.timeout.min(longest) })
        };
        let job = Job {
            may_skip: self.may_skip(build),
            reads_checks: checks.is_none(),
            checks: build.checks.iter().enumerate().filter_map(wanted).collect(),
            silence: self.policy.silence,
            ..Job::without_checks(build, repository, stranger)
        };
        let overdue_at = now.mono + hold_max(job.checks.iter().map(|c| c.timeout));
        self.queue.active.insert(id, Active { repository: build.repository.clone(), stranger, overdue_at });
        self.effects.push(Effect::StartBuild(Box::new(job)));
    }

    /// Takes in the builder's word. Words about a build that is not (or no longer) handed out change nothing.
    pub(super) fn progress(&mut self, now: Now, event: BuildEvent) {
        let id = event.build;
        if !self.queue.active.contains_key(&id) {
            return;
        }
        if event.news.gives_back() {
            self.queue.active.remove(&id);
        }
        let Some(build) = self.rows.builds.get(&id).filter(|b| !b.state.is_end()) else { return };
        let runs = build.state == BuildState::Running;
        match event.news {
            BuildNews::Started => self.started(now, id),
            BuildNews::NotFetched { error } | BuildNews::NoWorker { error } if runs => {
                self.finished(now, id, Some(&wording::not_run(&error)));
            }
            BuildNews::Skipped { .. } | BuildNews::Named { .. } if runs => self.finished(now, id, None),
            BuildNews::Skipped { marker } if self.may_skip(build) => {
                self.end_all(now, id, CheckState::Skipped, &wording::skipped(marker));
            }
            // A person has asked for it meanwhile, or the configuration no longer lets it skip.
            BuildNews::Skipped { .. } => self.fit_build(now, id),
            BuildNews::Named { checks: Err(error) } => {
                self.end_all(now, id, CheckState::Failure, &wording::description(&error));
            }
            BuildNews::Named { checks: Ok(checks) } => {
                self.queue.named.insert(id, checks);
                self.fit_build(now, id);
            }
            BuildNews::Conflict => {
                let words = wording::conflict(&build.base_ref);
                self.end_all(now, id, CheckState::Failure, &words);
            }
            BuildNews::NotFetched { error } => {
                self.not_fetched(now, id, &error);
                self.fit_build(now, id);
            }
            BuildNews::NoWorker { error } => {
                let unit = (build.repository.clone(), self.rows.is_stranger(build));
                self.no_worker.insert(unit, error);
                self.retry_after(id, now.mono + WORKER_RETRY);
                self.fit_build(now, id);
            }
            BuildNews::CheckStarted { check, log_start } => self.check_started(now, id, check, log_start),
            BuildNews::CheckFinished { check, end, took, log_end } => {
                self.check_finished(now, id, check, &end, took, log_end);
            }
            BuildNews::Finished { error } => self.finished(now, id, error.as_deref()),
        }
    }

    /// Takes in how a post went.
    pub(super) fn posted(&mut self, now: Now, post: &Post, outcome: &PostOutcome) {
        let given_up = self.outbox.posted(&self.rows, post, outcome, now.mono);
        self.look_later(now, post, outcome);
        if let PostOutcome::Unreachable { wait: Some(wait), .. } = outcome {
            self.catch_up.pause(now.mono + (*wait).min(WAIT_MAX));
        }
        let check = self.rows.builds.get_mut(&post.build).and_then(|b| b.checks.get_mut(post.check));
        let Some(check) = check else { return };
        if *outcome == PostOutcome::Accepted {
            check.told = Some((post.state, post.description.clone()));
        } else if given_up {
            // There is nothing left to say about this sha and context.
            check.owns_status = false;
        } else {
            return;
        }
        self.change(Row::Build(post.build));
    }

    /// Until the answer is here nobody knows what GitHub shows, not even after a power cut.
    pub(super) fn untell(&mut self, post: &Post) {
        let check = self.rows.builds.get_mut(&post.build).and_then(|b| b.checks.get_mut(post.check));
        if check.and_then(|c| c.told.take()).is_some() {
            self.change(Row::Build(post.build));
        }
    }

    fn started(&mut self, now: Now, id: BuildId) {
        if let Some(build) = self.rows.builds.get(&id) {
            self.no_worker.remove(&(build.repository.clone(), self.rows.is_stranger(build)));
        }
        self.queue.retries.remove(&id);
        let Some(build) = self.rows.builds.get_mut(&id).filter(|b| b.state == BuildState::Queued) else { return };
        build.reset_checks(wording::QUEUED);
        build.state = BuildState::Running;
        build.reason = None;
        build.attempt += 1;
        build.started_at = Some(now.wall);
        self.change(Row::Build(id));
    }

    fn not_fetched(&mut self, now: Now, id: BuildId, error: &str) {
        let failed = self.queue.retries.get(&id).filter(|r| r.fetches > 0);
        let (fetches, since) = failed.map_or((0, now.mono), |r| (r.fetches, r.since));
        let next = FETCH_RETRIES.get(fetches).filter(|_| now.mono < since + FETCH_RETRIES_MAX);
        let last = FETCH_RETRIES.last().filter(|_| self.outbox.is_silent() || self.catch_up.is_silent());
        // While GitHub itself is out of reach the head may well be there: nobody should have to ask again later.
        let Some(delay) = next.or(last) else {
            return self.finished(now, id, Some(&wording::fetch_failed(error)));
        };
        self.queue.retries.insert(id, Retry { fetches: fetches + 1, since, not_before: now.mono + *delay });
        let Some(build) = self.rows.builds.get_mut(&id) else { return };
        let words = wording::waiting_for_fetch(&build.sha);
        for check in build.checks.iter_mut().filter(|c| c.state == CheckState::Queued) {
            check.description.clone_from(&words);
        }
        build.reason = Some(words);
        self.change(Row::Build(id));
    }

    fn retry_after(&mut self, id: BuildId, not_before: Duration) {
        self.queue.retries.entry(id).or_default().not_before = not_before;
    }

    fn check_started(&mut self, now: Now, id: BuildId, index: usize, log_start: u64) {
        let Some(check) = self.check(id, index).filter(|c| c.state == CheckState::Queued) else { return };
        check.state = CheckState::Running;
        check.description = wording::RUNNING.to_owned();
        check.started_at = Some(now.wall);
        check.log_start = Some(log_start);
        self.change(Row::Build(id));
    }

    fn check_finished(&mut self, now: Now, id: BuildId, index: usize, end: &CheckEnd, took: Duration, log_end: u64) {
        let Some(check) = self.check(id, index).filter(|c| c.state == CheckState::Running) else { return };
        (check.state, check.description) = wording::check_ended(end, took);
        check.finished_at = Some(now.wall);
        check.log_end = Some(log_end);
        self.change(Row::Build(id));
        // The result is known now; the slot is free once the builder has cleaned up.
        if let Some(build) = self.rows.builds.get(&id).filter(|b| b.checks.iter().all(Check::is_end)) {
            let (state, reason) = build.verdict();
            self.end(now, id, state, reason, true);
        }
    }

    /// The builder is done with it: what has not ended by now ends with `error`.
    fn finished(&mut self, now: Now, id: BuildId, error: Option<&str>) {
        let words = error.map_or_else(|| wording::not_run("the worker left it out"), wording::description);
        self.end_all(now, id, CheckState::Error, &words);
    }

    /// Ends the build, and what of it has not ended yet as `state`, for the reason in `words`.
    fn end_all(&mut self, now: Now, id: BuildId, state: CheckState, words: &str) {
        let Some(build) = self.rows.builds.get_mut(&id) else { return };
        build.end_checks(now.wall, state, words);
        let (state, reason) = build.verdict();
        self.end(now, id, state, reason.or_else(|| Some(words.to_owned())), true);
    }

    /// Whether its head may say that it wants no build: not a stranger's, and not against a person's word.
    fn may_skip(&self, build: &Build) -> bool {
        let allowed = self.policy.repository(&build.repository).is_some_and(|r| r.skip_ci);
        allowed && !build.asked && !self.rows.is_stranger(build)
    }

    fn check(&mut self, id: BuildId, index: usize) -> Option<&mut Check> {
        self.rows.builds.get_mut(&id).filter(|b| b.state == BuildState::Running)?.checks.get_mut(index)
    }
}
