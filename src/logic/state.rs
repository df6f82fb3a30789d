//! `State::handle`: one event in, one decision out. Everything the daemon knows is here, and nothing else
//! decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::build::{BuildId, BuildState, Check, CheckState};
use super::catch_up::CatchUp;
use super::comments::Asks;
use super::event::{Answer, Change, Decision, DeliveryKey, Effect, Event, Now, ReplyId};
use super::outbox::Outbox;
use super::panel::{Panel, panel};
use super::policy::Policy;
use super::queue::Queue;
use super::rows::{PullKey, Rows};
use super::wording;

/// What running builds are given to end in order; systemd gives us 90 s.
pub const STOP_GRACE: Duration = Duration::from_secs(60);

/// What the last statuses are given to reach GitHub at the end; the rows remember those that do not.
pub const FLUSH_GRACE: Duration = Duration::from_secs(5);

/// Starts of one build before its interruptions end it: code that takes the box down with it must not do so
/// for ever.
pub const ATTEMPTS_MAX: u32 = 2;

/// How long before its end the token is spoken of: two weeks, since the person who may renew it has holidays.
pub const TOKEN_NOTICE_SECONDS: i64 = 14 * 24 * 3600;

/// Between looks for deliveries too old to be remembered: they are kept for days.
const FORGET_BEAT: Duration = Duration::from_secs(3600);

/// What the daemon knows: the rows it has saved, and what dies with the process.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) rows: Rows,
    pub(super) policy: Policy,
    pub(super) queue: Queue,
    pub(super) outbox: Outbox,
    pub(super) catch_up: CatchUp,
    pub(super) asks: Asks,
    /// Why no worker could be reached, last time, for each unit: a repository's, and its strangers'.
    pub(super) no_worker: BTreeMap<(String, bool), String>,
    /// Why nothing can be saved, or no build may start.
    pub(super) disk: Option<String>,
    /// When GitHub's token expires, UTC seconds since 1970.
    token_expires: Option<i64>,
    stopping: Option<Stopping>,
    shown: Option<Panel>,
    forget_at: Duration,
    changed: BTreeSet<Row>,
    pub(super) effects: Vec<Effect>,
}

/// The end has begun.
#[derive(Clone, Copy, Debug)]
struct Stopping {
    /// When those that still run are interrupted.
    interrupt_at: Duration,
    /// When the last statuses are given up; set once nothing runs.
    exit_at: Option<Duration>,
}

/// Names a row that this event changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Row {
    Pull(PullKey),
    Build(BuildId),
    Repository(String),
    Delivery(DeliveryKey),
    Forgotten(DeliveryKey),
}

impl State {
    /// Begins with what the store holds. Builds that ran when the process ended wait again, or end if it was
    /// not the first time. On a box that is `short` of disk space none starts.
    pub fn load(mut rows: Rows, policy: Policy, now: Now, short: Option<String>) -> (State, Decision) {
        rows.prune();
        let mut state = State {
            asks: Asks::load(&rows, now.mono),
            rows,
            policy,
            queue: Queue::default(),
            outbox: Outbox::default(),
            catch_up: CatchUp::default(),
            no_worker: BTreeMap::new(),
            disk: short,
            token_expires: None,
            stopping: None,
            shown: None,
            forget_at: now.mono,
            changed: BTreeSet::new(),
            effects: Vec::new(),
        };
        state.take_up_interrupted(now);
        state.fit_to_policy(now);
        state.say_why_builds_wait();
        state.look_again(now);
        let decision = state.decide(now);
        (state, decision)
    }

    /// Decides what follows from `event`. The changes must be saved before the effects are carried out; if
    /// that fails, this State is to be dropped and loaded again.
    pub fn handle(&mut self, now: Now, event: Event) -> Decision {
        match event {
            Event::Delivery { reply, delivery } => {
                let answer = self.delivery(now, delivery);
                self.answer(reply, answer);
            }
            Event::Command { reply, command } => {
                let answer = self.command(now, command);
                self.answer(reply, answer);
            }
            Event::Build(event) => self.progress(now, event),
            Event::Posted { post, outcome } => self.posted(now, &post, &outcome),
            Event::LookedUp { what, found } => self.looked_up(now, what, found),
            Event::TokenExpires(at) => self.token_expires = Some(at),
            Event::Tick => {
                if self.stopping.is_some_and(|s| s.interrupt_at <= now.mono) {
                    self.interrupt();
                }
            }
            Event::Reload(policy) => {
                self.policy = *policy;
                self.outbox.forget_troubles();
                self.token_expires = None;
                self.no_worker.clear();
                self.queue.named.clear();
                self.fit_to_policy(now);
                self.look_again(now);
            }
            Event::Stop { at_once } => {
                let grace = now.mono + STOP_GRACE;
                self.stopping.get_or_insert(Stopping { interrupt_at: grace, exit_at: None });
                if at_once {
                    self.interrupt();
                    self.stopping = Some(Stopping { interrupt_at: now.mono, exit_at: Some(now.mono) });
                }
            }
            Event::NotSaved(why) => {
                self.disk = Some(format!("nothing can be saved: {why}"));
                return self.decide(now);
            }
            Event::Space(short) => {
                self.disk = short;
                self.say_why_builds_wait();
            }
        }
        if self.disk.is_some() {
            self.say_why_builds_wait();
        }
        self.decide(now)
    }

    /// When [`Event::Tick`] is due, if nothing else happens before.
    pub fn wake_at(&self, now: Now) -> Option<Duration> {
        let starts = if self.may_start() { self.queue.wake_at(&self.rows, &self.policy) } else { None };
        let posts = self.outbox.wake_at(&self.rows, now.mono);
        let hurried = self.outbox.is_hurried(&self.rows, now.mono);
        let questions = self.catch_up.wake_at(&self.policy, hurried, now.mono);
        let asks = [questions, self.asks.wake_at(now.mono)].into_iter().flatten().min();
        let asks = asks.filter(|_| self.stopping.is_none());
        let stuck = self.queue.active.values().map(|a| a.overdue_at).filter(|at| *at > now.mono).min();
        let stop = self.stopping.map(|s| s.exit_at.unwrap_or(s.interrupt_at));
        [starts, posts, asks, stuck, stop].into_iter().flatten().min()
    }

    /// What the lamp shows now.
    pub fn panel(&self, now: Now) -> Panel {
        panel(self, now)
    }

    /// The rows as saved, for whoever checks.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Whether a builder holds a build longer than all its deadlines: something is broken that a restart may mend.
    pub fn is_stuck(&self, now: Now) -> bool {
        self.stuck(now).is_some()
    }

    /// The build that a builder should have given back long ago.
    pub(super) fn stuck(&self, now: Now) -> Option<BuildId> {
        self.queue.active.iter().find(|(_, a)| a.overdue_at <= now.mono).map(|(id, _)| *id)
    }

    /// What a person should see to before it becomes trouble.
    pub fn notice(&self, now: Now) -> Option<String> {
        let left = self.token_expires.map(|at| at.saturating_sub(now.wall));
        let token = left.filter(|left| *left <= TOKEN_NOTICE_SECONDS).map(wording::token_expires);
        self.renamed().or(token)
    }

    /// What is under way, in one line for people.
    pub fn summary(&self, now: Now) -> String {
        let count = |state| self.rows.builds.values().filter(|b| b.state == state).count();
        let (running, queued) = (count(BuildState::Running), count(BuildState::Queued));
        let waiting = count(BuildState::WaitingForApproval);
        let lamp = self.panel(now).reason;
        let notice = self.notice(now).map(|notice| format!("; {notice}")).unwrap_or_default();
        format!("{running} running, {queued} queued, {waiting} waiting for approval; lamp: {lamp}{notice}")
    }

    pub(super) fn change(&mut self, row: Row) {
        self.changed.insert(row);
    }

    /// The builds that changed, or whose pull request did.
    pub(super) fn changed_builds(&self) -> BTreeSet<BuildId> {
        let of_row = |row: &Row| match row {
            Row::Build(id) => vec![*id],
            Row::Pull(key) => self.rows.of_pull(key).map(|b| b.id).collect(),
            _ => vec![],
        };
        self.changed.iter().flat_map(of_row).collect()
    }

    /// Ends a build before its time. `is_result` when the lamp should show it.
    pub(super) fn cancel(&mut self, now: Now, id: BuildId, why: &str, is_result: bool) {
        let Some(build) = self.rows.builds.get_mut(&id).filter(|b| !b.state.is_end()) else { return };
        build.end_checks(now.wall, CheckState::Cancelled, why);
        let (state, _) = build.verdict();
        self.end(now, id, state, Some(why.to_owned()), is_result);
        if self.queue.active.contains_key(&id) {
            self.effects.push(Effect::CancelBuild(id));
        }
    }

    /// The one place where a build ends.
    pub(super) fn end(&mut self, now: Now, id: BuildId, state: BuildState, reason: Option<String>, is_result: bool) {
        let Some(build) = self.rows.builds.get_mut(&id) else { return };
        build.state = state;
        build.reason = reason;
        build.finished_at = Some(now.wall);
        let key = (build.repository.clone(), build.pull);
        self.queue.retries.remove(&id);
        self.queue.named.remove(&id);
        self.change(Row::Build(id));
        self.effects.push(Effect::Ended(id));
        if let Some(pull) = self.rows.pulls.get_mut(&key).filter(|p| is_result && p.last_build == Some(id)) {
            pull.last_result = Some(state);
            self.change(Row::Pull(key));
        }
    }

    fn answer(&mut self, reply: ReplyId, answer: Answer) {
        self.effects.push(Effect::Answer { reply, answer });
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    fn may_start(&self) -> bool {
        self.stopping.is_none() && self.disk.is_none()
    }

    /// What follows from the rows as they are now: starts, posts, the lamp, the end.
    fn decide(&mut self, now: Now) -> Decision {
        self.settle_asks(now);
        self.pass_words_on();
        let panel = self.panel(now);
        if self.shown.as_ref() != Some(&panel) {
            self.shown = Some(panel.clone());
            self.effects.push(Effect::Show(panel));
        }
        let coming = self.catch_up.undecided.len();
        if let Some(post) = self.outbox.next(&self.rows, coming, &self.policy.dashboard_url, now.mono) {
            self.untell(&post);
            self.effects.push(Effect::Post(post));
        }
        while self.may_start()
            && let Some(id) = self.queue.next(&self.rows, &self.policy, now.mono).map(|b| b.id)
        {
            self.start(now, id);
        }
        if self.stopping.is_none() {
            self.ask(now);
        }
        self.exit_when_done(now);
        self.forget_deliveries(now);
        let changes = std::mem::take(&mut self.changed).into_iter().filter_map(|row| self.row(row)).collect();
        self.rows.prune();
        Decision { changes, effects: std::mem::take(&mut self.effects) }
    }

    /// Once nothing runs, the last statuses still go out, if GitHub is there to hear them.
    fn exit_when_done(&mut self, now: Now) {
        let Some(stopping) = self.stopping.as_mut().filter(|_| self.queue.active.is_empty()) else { return };
        let exit_at = *stopping.exit_at.get_or_insert(now.mono + FLUSH_GRACE);
        if exit_at <= now.mono || self.outbox.is_quiet(&self.rows) {
            self.effects.push(Effect::Exit);
        }
    }

    fn row(&self, row: Row) -> Option<Change> {
        match row {
            Row::Pull(key) => self.rows.pulls.get(&key).cloned().map(Change::Pull),
            Row::Build(id) => self.rows.builds.get(&id).cloned().map(Change::Build),
            Row::Repository(name) => self.rows.repositories.get(&name).cloned().map(Change::Repository),
            Row::Delivery(key) => self.rows.deliveries.get(&key).cloned().map(|known| Change::Delivery(key, known)),
            Row::Forgotten(key) => Some(Change::ForgetDelivery(key)),
        }
    }

    fn forget_deliveries(&mut self, now: Now) {
        if now.mono < self.forget_at && self.rows.deliveries.len() <= super::rows::DELIVERIES_MAX {
            return;
        }
        self.forget_at = now.mono + FORGET_BEAT;
        for key in self.rows.old_deliveries(now.wall) {
            self.rows.deliveries.remove(&key);
            self.changed.remove(&Row::Delivery(key.clone()));
            self.change(Row::Forgotten(key));
        }
    }

    fn take_up_interrupted(&mut self, now: Now) {
        let ran: Vec<_> = self.rows.builds.values().filter(|b| b.state == BuildState::Running).map(|b| b.id).collect();
        for id in ran {
            let Some(build) = self.rows.builds.get_mut(&id) else { continue };
            if build.attempt < ATTEMPTS_MAX {
                build.state = BuildState::Queued;
                build.reset_checks(wording::QUEUED_AGAIN);
                self.change(Row::Build(id));
            } else {
                build.end_checks(now.wall, CheckState::Error, wording::INTERRUPTED_TWICE);
                let (state, reason) = build.verdict();
                self.end(now, id, state, reason, true);
            }
        }
    }

    /// Our own ordered stop: what runs waits again, and the run does not count.
    fn interrupt(&mut self) {
        for id in std::mem::take(&mut self.queue.active).into_keys() {
            self.effects.push(Effect::CancelBuild(id));
            if let Some(build) = self.rows.builds.get_mut(&id).filter(|b| b.state == BuildState::Running) {
                build.state = BuildState::Queued;
                build.attempt = build.attempt.saturating_sub(1);
                build.reset_checks(wording::QUEUED_AGAIN);
                self.change(Row::Build(id));
            }
        }
    }

    /// A queued build tells whether it waits for a place or for disk space.
    fn say_why_builds_wait(&mut self) {
        let (is_short, words) = match self.disk {
            Some(_) => (true, wording::NO_SPACE),
            None => (false, wording::QUEUED),
        };
        let is_wrong = |check: &Check| (check.description == wording::NO_SPACE) != is_short;
        let waits =
            |b: &&mut super::build::Build| b.state == BuildState::Queued && !self.queue.active.contains_key(&b.id);
        let mut changed = Vec::new();
        for build in self.rows.builds.values_mut().filter(waits) {
            for check in build.checks.iter_mut().filter(|c| c.state == CheckState::Queued && is_wrong(c)) {
                words.clone_into(&mut check.description);
                changed.push(build.id);
            }
        }
        changed.into_iter().for_each(|id| self.change(Row::Build(id)));
    }
}
