//! Whose code may run here.

use super::policy::{Approval, Isolation, Policy};
use super::rows::Pull;

/// Whether the head of `pull` may be built without a further word.
pub fn may_build(policy: &Policy, pull: &Pull) -> bool {
    can_build(policy, pull) && (!asks(policy, pull) || pull.approved_sha.as_ref() == Some(&pull.head_sha))
}

/// Whether it could be built at all: a fork's code never runs in a child process of the daemon.
pub fn can_build(policy: &Policy, pull: &Pull) -> bool {
    !pull.fork || policy.isolation == Isolation::Systemd
}

fn asks(policy: &Policy, pull: &Pull) -> bool {
    match policy.approval {
        Approval::All => true,
        Approval::Forks => pull.fork,
        Approval::None => false,
    }
}
