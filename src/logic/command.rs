//! What people ask for at the box.

use super::build::{BuildId, BuildState};
use super::event::{Answer, Command, Now};
use super::rows::PullKey;
use super::state::{Row, State};
use super::{trust, wording};

impl State {
    /// Decides on a person's word; the answer goes out once that is saved.
    pub(super) fn command(&mut self, now: Now, command: Command) -> Answer {
        match command {
            Command::Rebuild { repository, pull, sha } => self.rebuild(now, &repository, pull, sha.as_deref()),
            Command::Approve { repository, pull, sha } => self.approve(&repository, pull, sha.as_deref()),
            Command::Cancel { build, by } => self.cancel_by(now, build, &by),
        }
    }

    fn rebuild(&mut self, now: Now, repository: &str, number: u64, sha: Option<&str>) -> Answer {
        let key = match self.open_pull(repository, number) {
            Ok(key) => key,
            Err(answer) => return answer,
        };
        let head = &self.rows.pulls[&key].head_sha;
        if sha.is_some_and(|sha| sha != head) {
            let (name, head) = (format!("{}#{number}", key.0), wording::short(head));
            return Answer::new(409, format!("The head of {name} is now {head}: `rebuild {name}` builds that one"));
        }
        let full = self.rows.pulls.get(&key).and_then(|pull| self.refuse_if_full(pull));
        full.unwrap_or_else(|| self.build_head(now, &key, true))
    }

    pub(super) fn approve(&mut self, repository: &str, number: u64, sha: Option<&str>) -> Answer {
        let key = match self.open_pull(repository, number) {
            Ok(key) => key,
            Err(answer) => return answer,
        };
        let name = format!("{}#{number}", key.0);
        let pull = &self.rows.pulls[&key];
        let Some(id) = pull.last_build.filter(|id| self.waits_for_approval(*id)) else {
            return Answer::new(409, format!("Nothing of {name} waits for approval"));
        };
        let (head, sha) = (pull.head_sha.clone(), sha.map(str::to_ascii_lowercase));
        if sha.as_ref().is_some_and(|sha| !head.starts_with(sha)) {
            let head = wording::short(&head);
            return Answer::new(409, format!("The head of {name} is {head}, not that: look at it, then approve it"));
        }
        if sha.is_some_and(|sha| !pull.is_named_by(&sha)) {
            let cure = format!("look at the newest, then `pilotlight approve {name} {head}`");
            return Answer::new(409, format!("Another head of {name} may have been meant: {cure}"));
        }
        if !trust::can_build(&self.policy, pull) {
            let why = "comes from a fork, and forks never run with isolation = \"none\"";
            return Answer::new(409, format!("{name} {why}: set isolation = \"systemd\" to build it"));
        }
        if let Some(pull) = self.rows.pulls.get_mut(&key) {
            pull.approved_sha = Some(head.clone());
        }
        let order = self.rows.next_accepted_order();
        let mut title = String::new();
        if let Some(build) = self.rows.builds.get_mut(&id) {
            build.queue(order);
            title.clone_from(&build.title);
        }
        self.change(Row::Pull(key));
        self.own_statuses(id, 0);
        let result = format!("Approved {head} of {name} ({title}): build {id} is queued");
        Answer { build: Some(id), ..Answer::ok(result) }
    }

    pub(super) fn cancel_by(&mut self, now: Now, id: BuildId, by: &str) -> Answer {
        match self.rows.builds.get(&id).map(|b| b.state) {
            None => Answer::new(404, format!("No build {id} waits or runs")),
            Some(state) if state.is_end() => Answer::new(409, format!("Build {id} has ended: {}", state.name())),
            Some(state) => {
                self.cancel(now, id, &wording::cancelled_by(by), state != BuildState::WaitingForApproval);
                Answer { build: Some(id), ..Answer::ok(format!("Cancelled build {id}")) }
            }
        }
    }

    /// The pull request, if it is known and open.
    fn open_pull(&self, repository: &str, number: u64) -> Result<PullKey, Answer> {
        let Some(configured) = self.policy.repository(repository) else {
            return Err(Answer::new(404, format!("{repository} is not configured here")));
        };
        let key = self.pull_key(&configured.name, number);
        match self.rows.pulls.get(&key) {
            None => Err(Answer::new(404, format!("No pull request {}#{number} is known", key.0))),
            Some(pull) if !pull.open => Err(Answer::new(409, format!("{}#{number} is closed", key.0))),
            Some(_) => Ok(key),
        }
    }

    fn waits_for_approval(&self, id: BuildId) -> bool {
        self.rows.builds.get(&id).is_some_and(|b| b.state == BuildState::WaitingForApproval)
    }
}
