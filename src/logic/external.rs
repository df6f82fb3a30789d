//! Others' results: what they say of a head, joined with ours as GitHub joins statuses. Failure when any failed, pending
//! while any is pending, else success.

use serde::{Deserialize, Serialize};

use super::build::{Build, BuildState};
use super::event::{Shown, StatusState};
use super::rows::Pull;
use super::state::{Row, State};
use super::wording;

/// Contexts remembered of one head: as many as GitHub's combined status has on a page, far more than people look at.
pub const EXTERNAL_CONTEXTS_MAX: usize = 100;

/// What is kept of a context's name, in characters: GitHub's pages cut far shorter ones.
const CONTEXT_CHARS_MAX: usize = 255;

/// The newest status of a context that is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    pub context: String,
    pub state: StatusState,
    /// When it was made, by GitHub's clock, UTC seconds since 1970; and its id, which tells two of one second apart.
    /// Webhooks come late and out of order: only what is newer is believed.
    pub updated_at: i64,
    pub id: u64,
}

impl Pull {
    /// Takes in what GitHub shows of one context of its head. False when that was known, or something newer.
    pub(super) fn take_external(&mut self, shown: &Shown) -> bool {
        let new = External {
            context: wording::plain(&shown.context, CONTEXT_CHARS_MAX),
            state: shown.state,
            updated_at: shown.updated_at,
            id: shown.id,
        };
        match self.external.iter_mut().find(|e| e.context.eq_ignore_ascii_case(&new.context)) {
            Some(known) if (known.updated_at, known.id) >= (new.updated_at, new.id) => return false,
            Some(known) => *known = new,
            None => self.external.push(new),
        }
        self.external.sort_by(|a, b| a.context.cmp(&b.context));
        if self.external.len() > EXTERNAL_CONTEXTS_MAX {
            // What is good and old says the least.
            let least =
                self.external.iter().enumerate().min_by_key(|(_, e)| (severity(e.as_build()), e.updated_at, e.id));
            least.map(|(at, _)| at).map(|at| self.external.remove(at));
        }
        true
    }
}

impl External {
    /// What a build would be that ended so; what is pending waits.
    fn as_build(&self) -> BuildState {
        match self.state {
            StatusState::Failure | StatusState::Error => BuildState::Failure,
            StatusState::Pending => BuildState::Queued,
            StatusState::Success => BuildState::Success,
        }
    }
}

impl State {
    /// Takes in statuses of the head `sha`; true when an open pull request's lamp may have changed.
    pub(super) fn take_external(&mut self, repository: &str, sha: &str, shown: &[Shown]) -> bool {
        if !self.policy.include_external {
            return false;
        }
        let of_head = |p: &&Pull| p.open && p.head_sha == sha && p.repository.eq_ignore_ascii_case(repository);
        let mut changed = Vec::new();
        for pull in self.rows.pulls.values().filter(of_head) {
            let mut new = pull.clone();
            let others = shown.iter().filter(|s| !self.is_ours(pull, &s.context));
            if others.filter(|status| new.take_external(status)).count() > 0 {
                changed.push(new);
            }
        }
        let any = !changed.is_empty();
        for pull in changed {
            self.change(Row::Pull(pull.key()));
            self.rows.pulls.insert(pull.key(), pull);
        }
        any
    }

    /// Our own result and others', joined; with the other's status where that decides. Of a closed pull request
    /// nobody tells how the pending ones end: there they don't count.
    pub(super) fn joined<'a>(&self, pull: &'a Pull, ours: BuildState) -> (BuildState, Option<&'a External>) {
        // The last result may be of an earlier head.
        let last = pull.last_build.and_then(|id| self.rows.builds.get(&id));
        let is_of_head = last.is_some_and(|b| b.sha == pull.head_sha && b.state == ours);
        let counts = |e: &&External| {
            (self.policy.include_external && is_of_head)
                && (pull.open || e.state != StatusState::Pending)
                && !self.is_ours(pull, &e.context)
        };
        let worst = pull.external.iter().filter(counts).min_by_key(|e| std::cmp::Reverse(severity(e.as_build())));
        match worst.filter(|e| severity(e.as_build()) > severity(ours)) {
            Some(external) => (external.as_build(), Some(external)),
            None => (ours, None),
        }
    }

    /// Whether a context is one of our own checks, of now or of when the head was built.
    pub(super) fn is_ours(&self, pull: &Pull, context: &str) -> bool {
        let same = |ours: &str| ours.eq_ignore_ascii_case(context);
        let built = |b: &Build| b.checks.iter().any(|c| same(&c.context));
        self.policy.repository(&pull.repository).is_some_and(|r| r.checks.iter().any(|c| same(&c.context)))
            || pull.last_build.and_then(|id| self.rows.builds.get(&id)).is_some_and(built)
    }
}

/// Which of several results is shown: the highest.
pub(super) fn severity(state: BuildState) -> u8 {
    match state {
        BuildState::Failure => 5,
        BuildState::Error | BuildState::Cancelled => 4,
        BuildState::Running => 3,
        BuildState::Queued => 2,
        BuildState::Success => 1,
        BuildState::WaitingForApproval => 0,
    }
}
