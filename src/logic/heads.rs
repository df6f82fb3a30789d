//! Which head a person can have meant. Whoever makes commits can make two that begin alike within minutes: the first
//! digits of a sha name a head only while no other head of the pull request can have been looked at.

use super::rows::Pull;

/// Heads remembered of one pull request: the pushes of a long review. With more of them only whole shas are believed.
pub const HEADS_MAX: usize = 64;

impl Pull {
    /// Whether `digits` can mean no other head than this one. Its whole sha can't; fewer can't if all heads since the
    /// opening are known, and no other begins so. (A push and another one back, neither of them ever heard of, leave no
    /// trace.)
    pub fn is_named_by(&self, digits: &str) -> bool {
        let can_mean = |head: &String| head.starts_with(digits);
        let all_known = self.heads.last() == Some(&self.head_sha);
        can_mean(&self.head_sha)
            && (digits.len() == self.head_sha.len()
                || (all_known && self.heads.iter().all(|head| *head == self.head_sha || !can_mean(head))))
    }

    /// A push to it, which may be told late or twice. One that does not follow the last tells that others are missing.
    pub(super) fn follow(&mut self, before: &str, head: &str) {
        if self.heads.windows(2).any(|pair| pair == [before, head]) {
            return;
        }
        match self.heads.last() {
            Some(last) if last == before && self.heads.len() < HEADS_MAX => self.heads.push(head.to_owned()),
            _ => self.heads.clear(),
        }
    }
}
