//! Which head a person can have meant. Whoever makes commits can make two that begin alike within minutes: the first
//! digits of a sha name a head only while no other head of the pull request begins so.

use super::names::SHA_DIGITS_MIN;
use super::rows::Pull;
use super::state::{Row, State};

/// Heads remembered of one pull request: the pushes of a long review. With more of them only whole shas are believed.
pub const HEADS_MAX: usize = 64;

impl Pull {
    /// Whether `digits` mean this head, and no other that the pull request is known to have had. (Of a push whose delivery
    /// was lost the next one tells, as its `before`, or GitHub's list.)
    pub fn is_named_by(&self, digits: &str) -> bool {
        let head = &self.head_sha;
        let alone = || self.heads.iter().all(|other| other == head || !other.starts_with(digits));
        let is_known = self.heads.len() < HEADS_MAX && self.heads.contains(head);
        let may_do = digits.len() >= SHA_DIGITS_MIN && is_known;
        digits == head || (head.starts_with(digits) && may_do && alone())
    }

    /// It had this head at some time.
    pub(super) fn had(&mut self, head: &str) {
        if self.heads.len() < HEADS_MAX && !self.heads.iter().any(|known| known == head) {
            self.heads.push(head.to_owned());
        }
    }
}

impl State {
    /// Takes over what is known of a pull request now.
    pub(super) fn keep_pull(&mut self, pull: Pull) {
        let key = pull.key();
        self.rows.pulls.insert(key.clone(), pull);
        self.change(Row::Pull(key));
    }
}
