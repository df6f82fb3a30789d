//! What a webhook delivery leads to.

use super::build::{Build, BuildId, BuildState, Check};
use super::event::{Answer, Delivery, DeliveryKey, Hook, Now, PullAction, PullPayload, StatusPayload};
use super::queue::QUEUED_BUILDS_MAX;
use super::rows::{KnownDelivery, Pull, PullKey};
use super::state::{Row, State};
use super::{trust, wording};

impl State {
    /// Decides on one delivery; the answer goes out once that is saved.
    pub(super) fn delivery(&mut self, now: Now, delivery: Delivery) -> Answer {
        let payload = match delivery.hook {
            Hook::Ping => return Answer::ok("Well, it worked!"),
            Hook::Other { event } => return Answer::ok(format!("Understood {event}: nothing to build")),
            Hook::Comment(comment) => return self.comment(now, delivery.key, comment),
            Hook::Status(status) => return self.status(now, &status),
            Hook::Pull(payload) => *payload,
        };
        let repository = match self.of_delivery(&payload.repository, now.mono) {
            Ok(repository) => repository,
            Err(answer) => return answer,
        };
        if !payload.action.builds() && payload.action != PullAction::Closed {
            return Answer::ok(format!("Understood pull_request {}: nothing to build", payload.action.name()));
        }
        let again = self.rows.deliveries.contains_key(&delivery.key);
        let answer = match self.known_from_another_hook(&delivery.key) {
            Some(hook) if !again => Answer::ok(format!("Already known from hook {hook}")),
            _ => {
                let key = self.pull_key(&repository, payload.number);
                self.pull_payload(now, &key, payload, again)
            }
        };
        if answer.status < 500 {
            let known = KnownDelivery { at: now.wall, build: answer.build, ask: None };
            self.rows.deliveries.insert(delivery.key.clone(), known);
            self.change(Row::Delivery(delivery.key));
        }
        answer
    }

    /// A status that somebody made. It changes no build, and saying it twice is saying it once: its key is not kept.
    fn status(&mut self, now: Now, status: &StatusPayload) -> Answer {
        let repository = match self.of_delivery(&status.repository, now.mono) {
            Ok(repository) => repository,
            Err(answer) => return answer,
        };
        match self.take_external(&repository, &status.sha, std::slice::from_ref(&status.shown)) {
            true => Answer::ok("Remembered for the lamp"),
            false => Answer::ok("Understood status: nothing to build"),
        }
    }

    /// Builds the current head of a known pull request: joins what waits or runs, else starts anew. `asked` by a
    /// person, who wants it built whatever its message says.
    pub(super) fn build_head(&mut self, now: Now, key: &PullKey, asked: bool) -> Answer {
        let Some(pull) = self.rows.pulls.get(key).cloned() else {
            return Answer::new(404, format!("No pull request {}#{} is known", key.0, key.1));
        };
        let mut joined = None;
        for id in self.rows.unfinished(key) {
            let Some(build) = self.rows.builds.get_mut(&id) else { continue };
            let started = self.queue.active.contains_key(&id);
            if build.sha != pull.head_sha {
                self.cancel(now, id, &wording::superseded(&pull.head_sha), false);
            } else if started && build.base_ref != pull.base_ref {
                self.cancel(now, id, &wording::superseded_by_base(&pull.base_ref), false);
            } else {
                build.base_ref.clone_from(&pull.base_ref);
                build.asked |= asked;
                self.change(Row::Build(id));
                joined = Some(id);
            }
        }
        match joined {
            Some(id) => Answer::accepted(format!("Joined build {id}, which has not ended yet"), id),
            None => self.new_build(now, pull, asked),
        }
    }

    /// The key under which a pull request is known: its repository may have been spelled in other case then.
    pub(super) fn pull_key(&self, repository: &str, number: u64) -> PullKey {
        let key = (repository.to_owned(), number);
        if self.rows.pulls.contains_key(&key) {
            return key;
        }
        let same = |key: &&PullKey| key.1 == number && key.0.eq_ignore_ascii_case(repository);
        self.rows.pulls.keys().find(same).cloned().unwrap_or(key)
    }

    pub(super) fn known_from_another_hook(&self, key: &DeliveryKey) -> Option<u64> {
        let first = DeliveryKey { guid: key.guid.clone(), hook_id: 0 };
        let same_event = self.rows.deliveries.range(first..).map(|(k, _)| k).take_while(|k| k.guid == key.guid);
        same_event.map(|k| k.hook_id).find(|hook| *hook != key.hook_id)
    }

    fn pull_payload(&mut self, now: Now, key: &PullKey, payload: PullPayload, again: bool) -> Answer {
        // Also one that is late or repeated tells what its heads were.
        if let Some(pull) = self.rows.pulls.get_mut(key) {
            payload.before.iter().chain([&payload.head_sha]).for_each(|head| pull.had(head));
            self.change(Row::Pull(key.clone()));
        }
        let known = self.rows.pulls.get(key);
        if again && payload.action.builds() && known.is_some_and(|pull| pull.open && pull.head_sha == payload.head_sha)
        {
            let full = known.and_then(|pull| self.refuse_if_full(pull));
            return full.unwrap_or_else(|| self.build_head(now, key, true));
        }
        let seen = |pull: &Pull| again && payload.updated_at <= pull.updated_at;
        if known.is_some_and(|pull| seen(pull) || payload.is_older_than(pull)) {
            return Answer::ok("Older than what is known of this pull request: nothing changed");
        }
        if payload.action == PullAction::Closed {
            let pull = payload.into_pull(key, known);
            self.catch_up.touch(key, now.mono);
            return self.close(now, pull);
        }
        if !payload.open {
            return Answer::ok("The pull request is closed: nothing to build");
        }
        // Not taken: as if it had never come, so that a redelivery finds nothing known.
        let pull = payload.clone().into_pull(key, known);
        if let Some(full) = self.refuse_if_full(&pull) {
            return full;
        }
        self.catch_up.touch(key, now.mono);
        self.take_in(now, key, payload)
    }

    /// Builds the head that `payload` tells of.
    pub(super) fn take_in(&mut self, now: Now, key: &PullKey, payload: PullPayload) -> Answer {
        let pull = payload.into_pull(key, self.rows.pulls.get(key));
        self.keep_pull(pull);
        self.build_head(now, key, false)
    }

    /// Ends what waits or runs of a pull request that was closed.
    pub(super) fn close(&mut self, now: Now, pull: Pull) -> Answer {
        let key = &pull.key();
        let order = 1 + self.rows.pulls.values().filter_map(|p| p.closed_order).max().unwrap_or(0);
        let known = self.rows.pulls.get(key).and_then(|p| p.closed_order);
        self.keep_pull(Pull { open: false, closed_order: known.or(Some(order)), ..pull });
        let unfinished = self.rows.unfinished(key);
        for id in &unfinished {
            self.cancel(now, *id, wording::CLOSED, false);
        }
        match unfinished.last() {
            Some(id) => Answer { build: Some(*id), ..Answer::ok(format!("Closed: cancelled build {id}")) },
            None => Answer::ok("Closed: nothing waited or ran"),
        }
    }

    /// The answer when no further build may wait. What a stranger's pull requests fill is not the team's queue.
    pub(super) fn refuse_if_full(&self, pull: &Pull) -> Option<Answer> {
        let state = match trust::may_build(&self.policy, pull) {
            true => BuildState::Queued,
            false => BuildState::WaitingForApproval,
        };
        let others = |b: &&Build| b.state == state && (b.pull != pull.number || b.repository != pull.repository);
        let full = self.rows.builds.values().filter(others).count() >= QUEUED_BUILDS_MAX;
        full.then(|| Answer::new(503, "The queue is full: redeliver when it has moved on"))
    }

    fn new_build(&mut self, now: Now, mut pull: Pull, asked: bool) -> Answer {
        let Some(repository) = self.policy.repository(&pull.repository) else {
            return Answer::new(404, format!("{} is not configured here", pull.repository));
        };
        let id = self.rows.last_build_id + 1;
        let queued = |c: &super::policy::CheckPolicy| Check::waiting(&c.context, wording::QUEUED.to_owned());
        let mut build = Build {
            id,
            repository: pull.repository.clone(),
            pull: pull.number,
            title: pull.title.clone(),
            sha: pull.head_sha.clone(),
            base_ref: pull.base_ref.clone(),
            head_ref: pull.head_ref.clone(),
            state: BuildState::Queued,
            reason: None,
            attempt: 0,
            asked,
            accepted_order: Some(self.rows.next_accepted_order()),
            queued_at: now.wall,
            started_at: None,
            finished_at: None,
            checks: repository.checks.iter().map(queued).collect(),
        };
        let may_build = trust::may_build(&self.policy, &pull);
        if !may_build {
            build.wait_for_approval(trust::words(&self.policy, &pull));
        }
        self.rows.last_build_id = id;
        self.rows.builds.insert(id, build);
        self.change(Row::Build(id));
        self.own_statuses(id, 0);
        pull.last_build = Some(id);
        self.change(Row::Pull(pull.key()));
        self.rows.pulls.insert(pull.key(), pull);
        match may_build {
            true => Answer::accepted(format!("Accepted as build {id}"), id),
            false => Answer::accepted(format!("Build {id} waits for approval"), id),
        }
    }

    /// Of two builds of one sha the one that was accepted last speaks, about its checks from `first` on. One that waits
    /// for approval takes the word only where nobody has a result to lose, so that a stranger can't take a status away by
    /// opening a pull request.
    pub(super) fn own_statuses(&mut self, id: BuildId, first: usize) {
        let Some(mut build) = self.rows.builds.remove(&id) else { return };
        // Whoever kept it from speaking may be history by now, and what it told before may not be what GitHub shows.
        for mine in build.checks[first..].iter_mut().filter(|c| !c.owns_status) {
            (mine.owns_status, mine.told) = (true, None);
        }
        let mut disowned = Vec::new();
        let same_sha = |b: &&mut Build| b.sha == build.sha && b.repository.eq_ignore_ascii_case(&build.repository);
        for other in self.rows.builds.values_mut().filter(same_sha) {
            let yields = other.accepted_order < build.accepted_order;
            let yields = yields || other.has_nothing_to_say() || other.pull == build.pull;
            for mine in &mut build.checks[first..] {
                let same = |c: &&mut Check| c.owns_status && c.context.eq_ignore_ascii_case(&mine.context);
                let Some(theirs) = other.checks.iter_mut().find(same) else { continue };
                mine.owns_status = yields;
                theirs.owns_status = !yields;
                // They have spoken since: what was told before says nothing about what GitHub shows now.
                mine.told = mine.told.take().filter(|_| !yields);
                disowned.extend(yields.then_some(other.id));
            }
        }
        self.rows.builds.insert(id, build);
        disowned.into_iter().for_each(|other| self.change(Row::Build(other)));
        self.change(Row::Build(id));
    }

    /// Wherever something changed: of all builds of a sha that have something to say, the one that was let in last speaks, of
    /// an open head before others. Who was cancelled, waits again, was closed or has moved on gives the word away.
    pub(super) fn pass_words_on(&mut self) {
        self.changed_builds().into_iter().for_each(|id| self.pass_word_on(id));
    }

    fn pass_word_on(&mut self, id: BuildId) {
        let Some(build) = self.rows.builds.get(&id) else { return };
        let (repository, sha) = (build.repository.clone(), build.sha.clone());
        let same_sha = |b: &Build| b.sha == sha && b.repository.eq_ignore_ascii_case(&repository);
        let speaks = |b: &&Build| same_sha(b) && !b.has_nothing_to_say();
        let heirs = self.rows.builds.values().filter(speaks);
        let Some(heir) = heirs.max_by_key(|b| (self.rows.is_of_open_head(b), b.accepted_order)) else { return };
        if self.rows.is_of_open_head(heir) && heir.checks.iter().all(|c| c.owns_status) {
            return;
        }
        // Of an open head nothing is given up, and whoever kept it from speaking may be history by now.
        let (id, speaks_of_all) = (heir.id, self.rows.is_of_open_head(heir));
        let Some(mut heir) = self.rows.builds.remove(&id) else { return };
        let mut changed = Vec::new();
        for other in self.rows.builds.values_mut().filter(|b| same_sha(b)) {
            for check in &mut heir.checks {
                let same = |c: &&mut Check| c.owns_status && c.context.eq_ignore_ascii_case(&check.context);
                let Some(theirs) = other.checks.iter_mut().find(same) else { continue };
                theirs.owns_status = false;
                (check.owns_status, check.told) = (true, None);
                changed.extend([other.id, heir.id]);
            }
        }
        for check in heir.checks.iter_mut().filter(|c| speaks_of_all && !c.owns_status) {
            (check.owns_status, check.told) = (true, None);
            changed.push(heir.id);
        }
        self.rows.builds.insert(heir.id, heir);
        changed.into_iter().for_each(|id| self.change(Row::Build(id)));
    }
}

impl PullAction {
    /// Whether it asks for a build.
    fn builds(&self) -> bool {
        match self {
            PullAction::Opened | PullAction::Reopened | PullAction::Synchronize | PullAction::ReadyForReview => true,
            PullAction::Edited { new_base } => *new_base,
            PullAction::Closed | PullAction::Other(_) => false,
        }
    }

    fn name(&self) -> &str {
        match self {
            PullAction::Opened => "opened",
            PullAction::Reopened => "reopened",
            PullAction::Synchronize => "synchronize",
            PullAction::ReadyForReview => "ready_for_review",
            PullAction::Edited { .. } => "edited",
            PullAction::Closed => "closed",
            PullAction::Other(name) => name,
        }
    }
}

impl PullPayload {
    /// Deliveries come out of order, and GitHub's clock counts whole seconds: in the same second a first
    /// `opened` and the head before the last push are the older ones.
    fn is_older_than(&self, known: &Pull) -> bool {
        if self.updated_at != known.updated_at {
            return self.updated_at < known.updated_at;
        }
        let another_head = self.head_sha != known.head_sha;
        let opened_late = self.action == PullAction::Opened && (another_head || !known.open);
        let pushed_back = self.before.as_ref() == Some(&known.head_sha);
        opened_late || (another_head && !pushed_back && known.previous_head.as_ref() == Some(&self.head_sha))
    }

    pub(super) fn into_pull(self, key: &PullKey, known: Option<&Pull>) -> Pull {
        let same_head = known.filter(|p| p.head_sha == self.head_sha);
        let external = same_head.map(|p| p.external.clone()).unwrap_or_default();
        let fork = self.head_repository.as_ref().is_none_or(|head| !head.eq_ignore_ascii_case(&self.repository.name));
        let heads: Vec<_> = self.before.iter().chain([&self.head_sha]).cloned().collect();
        let mut pull = Pull {
            repository: key.0.clone(),
            number: key.1,
            title: self.title,
            open: true,
            fork,
            head_sha: self.head_sha,
            previous_head: self.before.or_else(|| known.and_then(|p| p.previous_head.clone())),
            heads: known.map(|p| p.heads.clone()).unwrap_or_default(),
            head_ref: self.head_ref,
            base_ref: self.base_ref,
            updated_at: self.updated_at,
            approved_sha: known.and_then(|p| p.approved_sha.clone()),
            last_build: known.and_then(|p| p.last_build),
            last_result: known.and_then(|p| p.last_result),
            closed_order: None,
            external,
        };
        heads.iter().for_each(|head| pull.had(head));
        pull
    }
}

impl Answer {
    pub(super) fn new(status: u16, result: impl Into<String>) -> Self {
        Answer { status, result: result.into(), build: None }
    }

    pub(super) fn ok(result: impl Into<String>) -> Self {
        Answer::new(200, result)
    }

    pub(super) fn accepted(result: impl Into<String>, build: BuildId) -> Self {
        Answer { status: 202, result: result.into(), build: Some(build) }
    }
}
