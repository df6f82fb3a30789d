//! Which head a person can have meant. Whoever makes commits can make two that begin alike within minutes: the first
//! digits of a sha name a head only while no other head of the pull request can have been looked at.

use std::time::Duration;

use super::event::Now;
use super::rows::Pull;
use super::state::{Row, State};

/// Heads remembered of one pull request: the pushes of a long review. With more of them only whole shas are believed.
pub const HEADS_MAX: usize = 64;

/// How long a head is new that has taken another's place: as long as somebody may still be looking at the other.
pub const NEW_FOR: Duration = Duration::from_secs(10 * 60);

impl Pull {
    /// Whether `digits` can mean no other head than this one. Its whole sha can't; fewer can't if all heads since the
    /// opening are known, and no other begins so. (A push and another one back, neither of them ever heard of, leave no
    /// trace.)
    pub fn is_named_by(&self, digits: &str) -> bool {
        let head = &self.head_sha;
        let only = || self.heads.iter().all(|other| other == head || !other.starts_with(digits));
        digits == head || (head.starts_with(digits) && self.heads.last() == Some(head) && only())
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

impl State {
    /// Takes over what is known of a pull request now.
    pub(super) fn keep_pull(&mut self, now: Now, pull: Pull) {
        let key = pull.key();
        self.asks.new_heads.retain(|_, until| *until > now.mono);
        if self.rows.pulls.get(&key).is_none_or(|known| known.head_sha != pull.head_sha) {
            self.asks.new_heads.insert(key.clone(), now.mono + NEW_FOR);
        }
        self.rows.pulls.insert(key.clone(), pull);
        self.change(Row::Pull(key));
    }

    /// Whether somebody may still be looking at the head before this one, and mean that.
    pub(super) fn is_new_head(&self, now: Now, pull: &Pull) -> bool {
        let is_first = pull.heads == [pull.head_sha.as_str()];
        !is_first && self.asks.new_heads.get(&pull.key()).is_some_and(|until| *until > now.mono)
    }
}
