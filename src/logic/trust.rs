//! Whose code may run here.

use super::policy::{Approval, Isolation, Policy};
use super::rows::Pull;
use super::wording;

/// Whether the head of `pull` may be built without a further word.
pub fn may_build(policy: &Policy, pull: &Pull) -> bool {
    can_build(policy, pull) && (!asks(policy, pull) || pull.approved_sha.as_ref() == Some(&pull.head_sha))
}

/// Whether it could be built at all: a fork's code never runs in a child process of the daemon.
pub fn can_build(policy: &Policy, pull: &Pull) -> bool {
    !pull.fork || policy.isolation == Isolation::Systemd
}

/// What a head that may not be built is waiting for.
pub fn words(policy: &Policy, pull: &Pull) -> String {
    match can_build(policy, pull) {
        true => wording::waiting_for_approval(&pull.repository, pull.number, &pull.head_sha, policy.webhooks),
        false => wording::NEVER_RUNS.to_owned(),
    }
}

fn asks(policy: &Policy, pull: &Pull) -> bool {
    match policy.approval {
        Approval::All => true,
        Approval::Forks => pull.fork,
        Approval::None => false,
    }
}
