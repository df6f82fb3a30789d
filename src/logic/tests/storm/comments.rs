//! What people write under pull requests in a storm, and what must come of it.

use std::time::Duration;

use fastrand::Rng;

use super::Storm;
use super::hub::Hub;
use crate::logic::build::{Build, BuildState};
use crate::logic::event::{Change, Command, Comment, Decision, Effect, Hook, LookUp, PostOutcome, PullPayload, Word};
use crate::logic::policy::Isolation;
use crate::logic::rows::{Ask, Pull, PullKey};
use crate::logic::tests::words::TEAM;

/// A word may be dropped after this, unanswered by GitHub.
const DROPPED_AFTER: Duration = Duration::from_secs(3600);

/// How long an answer of GitHub's is believed.
const BELIEVED: Duration = Duration::from_secs(300);

impl Hub {
    /// Somebody writes something under a pull request.
    pub fn comment(&mut self, rng: &mut Rng, wall: i64, at: usize) {
        let any_head = self.any_head(rng);
        let (pull, heads) = self.pull(at);
        let head = match rng.u8(..8) {
            0 => any_head,
            1 => rng.choice(heads).cloned(),
            _ => Some(pull.head_sha.clone()),
        };
        let sha = head.map(|sha| if rng.bool() { sha[..7].to_owned() } else { sha });
        let word = match rng.u8(..8) {
            0 | 1 => Word::Test,
            2 => Word::Cancel,
            3 => Word::Approve(None),
            _ => Word::Approve(sha),
        };
        let by = *rng.choice(&["alice", "bob", "mallory"]).expect("three");
        self.write(wall, at, by, word);
    }

    /// Somebody writes this under a pull request.
    pub fn write(&mut self, wall: i64, at: usize, by: &str, word: Word) {
        let (pull, heads) = self.pull(at);
        // Nobody reads a head and writes about it in the second in which it is pushed.
        pull.updated_at = wall.max(pull.updated_at + 1);
        let (pull, heads) = (pull.clone(), heads.to_vec());
        let guid = self.guid();
        let of_team = TEAM.contains(&by);
        if let (Word::Approve(Some(sha)), true) = (&word, of_team) {
            let meant: Vec<_> = heads.into_iter().filter(|head| head.starts_with(sha)).collect();
            match &meant[..] {
                [head] => self.let_in.push((pull.repository.name.clone(), pull.number, head.clone())),
                _ if sha.len() == pull.head_sha.len() => {
                    self.let_in.push((pull.repository.name.clone(), pull.number, sha.clone()));
                }
                _ => self.digits.push((pull.repository.name.clone(), pull.number, sha.clone())),
            }
            if pull.open && pull.head_sha == *sha {
                self.named.insert(guid, (pull.repository.name.clone(), pull.number));
            }
        }
        let PullPayload { repository, number, .. } = pull;
        self.send(Hook::Comment(Comment { repository, number, by: by.to_owned(), word }));
    }
}

impl Storm {
    /// A person at the box, who takes what stands there, or names a head that there was.
    pub(super) fn approve_at_the_box(&mut self, (repository, pull): PullKey) -> Command {
        let key = (repository, pull);
        let known = self.state.rows().pulls.get(&key).map(|p| p.head_sha.clone());
        let named = self.rng.choice(self.hub.heads(&key).to_vec()).or(known.clone());
        let sha = match self.rng.u8(..3) {
            0 => named,
            1 => named.map(|sha| sha[..7].to_owned()),
            _ => None,
        };
        let (repository, pull) = key;
        let means = |sha: &String| (repository.clone(), pull, sha.clone());
        match &sha {
            Some(digits) if digits.len() == 7 => self.hub.digits.push(means(digits)),
            named => self.hub.let_in.extend(named.as_ref().or(known.as_ref()).map(means)),
        }
        Command::Approve { repository, pull, sha }
    }

    /// First digits that more heads share than are known here let in the one that is known, while it is alone.
    pub(super) fn let_in_by_digits(&mut self, decision: &Decision) {
        for change in &decision.changes {
            let Change::Pull(Pull { repository, number, heads, approved_sha: Some(head), .. }) = change else {
                continue;
            };
            let is_named = |(of, n, digits): &(String, u64, String)| {
                let begin_so = || heads.iter().filter(|head| head.starts_with(digits)).count();
                (of, n) == (repository, number) && head.starts_with(digits) && begin_so() == 1
            };
            if self.hub.digits.iter().any(is_named) {
                self.hub.let_in.push((repository.clone(), *number, head.clone()));
            }
        }
    }

    /// No word acts twice.
    pub(super) fn take_in_word(&mut self, change: &Change) {
        match change {
            Change::Delivery(key, known) => {
                let was_open = self.all.deliveries.get(key).is_some_and(|before| before.ask.is_some());
                if was_open && known.ask.is_none() {
                    assert!(self.settled.insert(key.guid.clone()), "{key:?} is settled twice");
                }
                assert!(known.ask.is_none() || !self.settled.contains(&key.guid), "{key:?} is open again");
            }
            Change::ForgetDelivery(key) => _ = self.settled.remove(&key.guid),
            _ => {}
        }
    }

    /// What a new process finds.
    pub(super) fn find_open_asks(&mut self) {
        let asks = self.all.deliveries.iter().filter_map(|(key, known)| Some((key, known.ask.as_ref()?)));
        self.open_asks = asks.map(|(key, ask)| (key.clone(), (ask.clone(), Duration::ZERO))).collect();
        self.doubted.clear();
    }

    /// That nobody knows whether this person may write.
    pub(super) fn doubt(&mut self, what: &LookUp, outcome: &PostOutcome) {
        if let (LookUp::Permission { .. }, PostOutcome::Refused { .. }) = (what, outcome) {
            self.doubted.insert(what.clone(), self.now.mono);
        }
    }

    /// No word is lost: what was settled just now was done, or there is a reason.
    pub(super) fn assert_settled_rightly(&mut self, decision: &Decision) {
        let mut settled = Vec::new();
        for change in &decision.changes {
            if let Change::Build(build) = change {
                self.note_in_and_out(build);
            }
            if let Change::ForgetDelivery(key) = change
                && let Some(ask) = self.open_asks.remove(key)
            {
                let is_settled = decision.effects.iter().any(|e| matches!(e, Effect::Log(_)));
                assert!(is_settled, "{ask:?} is forgotten before it is settled");
            }
            let Change::Delivery(key, known) = change else { continue };
            match &known.ask {
                Some(ask) => _ = self.open_asks.entry(key.clone()).or_insert((ask.clone(), self.now.mono)),
                None => settled.extend(self.open_asks.remove(key).map(|(ask, came)| (key.guid.clone(), ask, came))),
            }
        }
        // Of several one may undo what the other did.
        let [(guid, ask, came)] = &settled[..] else { return };
        let person = LookUp::Permission { repository: ask.repository.clone(), user: ask.by.clone() };
        let doubted = self.doubted.get(&person).is_some_and(|at| self.now.mono < *at + BELIEVED);
        let dropped = self.now.mono >= *came + DROPPED_AFTER;
        let configured = self.policy.repository(&ask.repository).is_some();
        let configured = configured && !self.state.rows().is_another(&ask.repository);
        if TEAM.contains(&ask.by.as_str()) && configured && !doubted && !dropped {
            self.assert_done(guid, ask);
        }
    }

    /// Let in by one word and cancelled by the next, at once: the result shows that it was in.
    fn note_in_and_out(&mut self, build: &Build) {
        let pull = self.state.rows().pulls.get(&(build.repository.clone(), build.pull));
        let result = pull.filter(|p| p.last_build == Some(build.id)).and_then(|p| p.last_result);
        if (build.state, result) == (BuildState::Cancelled, Some(BuildState::Cancelled)) {
            self.in_and_out.insert(build.id);
        }
    }

    fn assert_done(&self, guid: &str, ask: &Ask) {
        let rows = self.state.rows();
        let key = (ask.repository.clone(), ask.pull);
        let unfinished: Vec<_> = rows.unfinished(&key).iter().map(|id| &rows.builds[id]).collect();
        let pull = rows.pulls.get(&key).filter(|p| p.open);
        let is_meant = |sha: &str| match &ask.word {
            Word::Approve(Some(meant)) => sha.starts_with(meant.as_str()),
            _ => true,
        };
        match (&ask.word, pull.filter(|p| is_meant(&p.head_sha))) {
            (Word::Approve(None), _) => {}
            (Word::Cancel, _) => assert!(unfinished.iter().all(|b| b.id > ask.newest), "{ask:?} ended nothing"),
            (Word::Test, Some(pull)) => {
                assert!(unfinished.iter().any(|b| b.sha == pull.head_sha), "{ask:?} built nothing");
            }
            (Word::Approve(Some(digits)), Some(pull)) => {
                let never = pull.fork && self.policy.isolation == Isolation::None;
                let waits = unfinished.iter().any(|b| b.state == BuildState::WaitingForApproval);
                assert!(never || !waits || *digits != pull.head_sha, "{ask:?} let nothing in");
            }
            (_, None) => {
                assert!(!self.hub.named.contains_key(guid), "{ask:?} names what is the head since it was written");
            }
        }
    }
}
