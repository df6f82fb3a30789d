//! A GitHub for storms: pull requests that live their own life, deliveries that come late, twice and out of
//! order, and the statuses that it shows.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::logic::build::BuildState;
use crate::logic::event::{
    Comment, Delivery, DeliveryKey, Found, Hook, LookUp, Post, PullAction, PullPayload, Shown, StatusPayload,
    StatusState, Word,
};
use crate::logic::missed::Missed;
use crate::logic::policy::Policy;
use crate::logic::rows::{PullKey, Rows};
use crate::logic::tests::words;

/// Pull requests in one storm: enough to get into each other's way.
const PULLS_MAX: usize = 6;

/// Pushes to one pull request within a second. Of more than this, coming in the wrong order, nobody could tell
/// the newest.
const PUSHES_A_SECOND_MAX: u32 = 2;

/// What GitHub knows.
#[derive(Clone, Default)]
pub struct Hub {
    pulls: Vec<HubPull>,
    /// Events that pilotlight has not answered for yet.
    pub inbox: Vec<Delivery>,
    /// Those that it has; a person may redeliver them, another hook may bring them again.
    pub sent: Vec<Delivery>,
    /// Deliveries that never arrive, as far as GitHub knows.
    pub lost: Vec<DeliveryKey>,
    /// The same of comments.
    lost_words: Vec<(Missed, Comment)>,
    /// By repository, sha and context.
    pub shown: BTreeMap<(String, String, String), Post>,
    /// What others say, by repository, sha and context in lower case.
    others: BTreeMap<(String, String, String), Shown>,
    counter: u64,
    clock: i64,
    /// Somebody makes one commit after the other that begins alike, and the team writes their first digits.
    tricky: bool,
    /// Heads that somebody of the team let in, by all that they can have looked at: repository, number and sha.
    pub let_in: Vec<(String, u64, String)>,
    /// First digits by which somebody of the team let in a head, where more than one begins so.
    pub digits: Vec<(String, u64, String)>,
    /// Under the name of acme/app a stranger has another repository, in which everybody may write.
    pub taken: bool,
    /// Words of the team, by their delivery's GUID, for what is still the head since they were written.
    pub named: BTreeMap<String, (String, u64)>,
}

#[derive(Clone)]
struct HubPull {
    payload: PullPayload,
    pushes: u32,
    /// All that were ever its head.
    heads: Vec<String>,
}

impl Hub {
    pub fn new(tricky: bool) -> Hub {
        Hub { tricky, ..Hub::default() }
    }

    /// Something happens at GitHub, not before `wall`.
    pub fn live(&mut self, rng: &mut Rng, wall: i64) {
        self.counter += 1;
        if rng.u8(..20) == 0 && !self.tricky {
            let event = "push".to_owned();
            let hook = if rng.bool() { Hook::Ping } else { Hook::Other { event } };
            return self.send(hook);
        }
        if self.pulls.is_empty() || (self.pulls.len() < PULLS_MAX && rng.u8(..4) == 0) {
            return self.open(rng, wall);
        }
        if rng.u8(..5) == 0 && !self.tricky {
            return self.speak(rng, wall, None);
        }
        let at = rng.usize(..self.pulls.len());
        if rng.u8(..5) == 0 {
            return self.comment(rng, wall, at);
        }
        let heads: Vec<_> = self.pulls.iter().map(|p| p.payload.head_sha.clone()).collect();
        let ever: Vec<_> = self.pulls.iter().flat_map(|p| p.heads.clone()).collect();
        let pull = &mut self.pulls[at];
        let new_head = match rng.u8(..10) {
            0 | 1 => rng.choice(&heads).filter(|head| !pull.comes_back_alike(head)).cloned(),
            // Whoever makes commits can make two that begin alike.
            2 => rng.choice(&ever).map(|head| alike(head, self.counter)),
            3 => rng.choice(&pull.heads).map(|head| alike(head, self.counter)),
            4.. if self.tricky => Some(alike(&pull.payload.head_sha, self.counter)),
            _ => None,
        };
        let new_head = new_head.unwrap_or_else(|| words::sha(&format!("{:07x}", 0xa_0000 + self.counter)));
        let payload = &mut pull.payload;
        payload.before = None;
        payload.action = match (payload.open, rng.u8(..10)) {
            (false, 0..8) => PullAction::Reopened,
            (true, 0..5) => PullAction::Synchronize,
            (true, _) if self.tricky => PullAction::Synchronize,
            (true, 5) => PullAction::Edited { new_base: true },
            (true, 6) => PullAction::ReadyForReview,
            (true, 7..9) => PullAction::Closed,
            _ => PullAction::Other("labeled".to_owned()),
        };
        let push = payload.action == PullAction::Synchronize && new_head != payload.head_sha;
        let same_second = push && pull.pushes < PUSHES_A_SECOND_MAX && !heads.contains(&new_head);
        let soonest = payload.updated_at + i64::from(!same_second);
        pull.pushes = if push && payload.updated_at >= wall.max(soonest) { pull.pushes + 1 } else { u32::from(push) };
        payload.updated_at = wall.max(soonest);
        match payload.action {
            PullAction::Synchronize if push => {
                pull.heads.retain(|head| *head != new_head);
                pull.heads.push(new_head.clone());
                payload.before = Some(std::mem::replace(&mut payload.head_sha, new_head));
            }
            PullAction::Synchronize => payload.action = PullAction::ReadyForReview,
            PullAction::Edited { .. } => payload.base_ref = format!("base{}", rng.u8(..3)),
            PullAction::Closed => payload.open = false,
            PullAction::Reopened => payload.open = true,
            _ => {}
        }
        if !push {
            pull.pushes = PUSHES_A_SECOND_MAX;
        }
        let payload = pull.payload.clone();
        let digits = payload.head_sha[..7].to_owned();
        if push || !payload.open {
            self.named.retain(|_, named| *named != (payload.repository.name.clone(), payload.number));
        }
        self.send(Hook::Pull(Box::new(payload)));
        if push && (self.tricky || rng.bool()) {
            // What is written about it may overtake it.
            self.counter += 1;
            self.write(wall, at, "alice", Word::Approve(Some(digits)));
            let last = self.inbox.len() - 1;
            self.inbox.swap(last, last - rng.usize(..2));
        }
    }

    /// Somebody else, or we ourselves, made a status: GitHub tells everybody.
    pub fn speak(&mut self, rng: &mut Rng, wall: i64, post: Option<&Post>) {
        let Some(pull) = rng.choice(&self.pulls).map(|p| &p.payload) else { return };
        let (repository, sha) = match post {
            Some(post) => (post.repository.clone(), post.sha.clone()),
            None => (pull.repository.name.clone(), pull.head_sha.clone()),
        };
        self.counter += 1;
        self.clock = self.clock.max(wall);
        let states = [StatusState::Pending, StatusState::Success, StatusState::Failure, StatusState::Error];
        let by_others = ["travis", "jenkins", "Travis"];
        let shown = Shown {
            context: post.map_or(by_others[rng.usize(..3)], |p| &p.context).to_owned(),
            state: post.map_or(states[rng.usize(..4)], |p| p.state),
            description: String::new(),
            updated_at: self.clock,
            id: self.counter,
        };
        if post.is_none() {
            self.others.insert((repository.clone(), sha.clone(), shown.context.to_ascii_lowercase()), shown.clone());
        }
        let repository = words::named(&repository, &[]);
        self.send(Hook::Status(Box::new(StatusPayload { repository, sha, shown })));
    }

    /// What others say of a head.
    pub fn others_on<'a>(&'a self, repository: &'a str, sha: &'a str) -> impl Iterator<Item = Shown> + 'a {
        let of_head = move |(r, s, _): &(String, String, String)| r == repository && s == sha;
        self.others.iter().filter(move |(key, _)| of_head(key)).map(|(_, shown)| shown.clone())
    }

    /// What GitHub would answer now.
    pub fn find(&self, what: &LookUp) -> Found {
        if self.taken && what.repository() == "acme/app" {
            return self.find_taken(what);
        }
        match what {
            LookUp::Pulls { repository } => {
                let listed = |p: &HubPull| PullPayload {
                    action: PullAction::Other("listed".to_owned()),
                    before: None,
                    ..p.payload.clone()
                };
                let open = self.pulls.iter().filter(|p| p.payload.open && p.payload.repository.name == *repository);
                let mut pulls: Vec<_> = open.map(listed).collect();
                pulls.sort_by_key(|p| std::cmp::Reverse(p.updated_at));
                Found::Pulls { of: words::named(repository, &[]), pulls }
            }
            LookUp::Statuses { repository, sha } | LookUp::External { repository, sha } => {
                let of_head = self.shown.iter().filter(|((r, s, _), _)| r == repository && s == sha);
                let shown = |((_, _, context), post): (&(_, _, String), &Post)| Shown {
                    context: context.clone(),
                    state: post.state,
                    description: post.description.clone(),
                    updated_at: 0,
                    id: 0,
                };
                Found::Statuses(of_head.map(shown).chain(self.others_on(repository, sha)).collect())
            }
            LookUp::Deliveries { repository } => {
                let of_repository = self.lost_words.iter().filter(|(_, word)| word.repository.name == *repository);
                Found::Deliveries(self.lost.clone(), of_repository.map(|(missed, _)| missed.clone()).collect())
            }
            LookUp::Word { missed, .. } => {
                Found::Word(self.lost_words.iter().find(|(of, _)| of == missed).map(|(_, word)| word.clone()))
            }
            LookUp::Permission { user, .. } => {
                let may = words::TEAM.contains(&user.as_str());
                Found::Permission(may.then(|| words::named(what.repository(), &[])))
            }
        }
    }

    /// The same of the stranger's repository.
    fn find_taken(&self, what: &LookUp) -> Found {
        let of = words::named("acme/app", &["id=99"]);
        let listed = |p: &HubPull| PullPayload {
            repository: of.clone(),
            head_sha: words::sha(&format!("bad{}", p.payload.number)),
            head_repository: Some(of.name.clone()),
            updated_at: p.payload.updated_at + 1,
            ..p.payload.clone()
        };
        match what {
            LookUp::Pulls { .. } => {
                let pulls = self.pulls.iter().filter(|p| p.payload.number % 2 == self.counter % 2);
                Found::Pulls { pulls: pulls.map(listed).collect(), of }
            }
            LookUp::Statuses { .. } | LookUp::External { .. } => Found::Statuses(Vec::new()),
            LookUp::Deliveries { .. } => Found::Deliveries(Vec::new(), Vec::new()),
            LookUp::Word { .. } => Found::Word(None),
            LookUp::Permission { .. } => Found::Permission(Some(of)),
        }
    }

    /// The hook can't bring it. Often GitHub itself does not know that.
    pub fn lose(&mut self, rng: &mut Rng, wall: i64, delivery: Delivery) {
        match delivery.hook {
            _ if rng.bool() => {}
            Hook::Comment(word) => {
                self.counter += 1;
                self.lost_words.push((Missed { at: wall, id: self.counter, key: delivery.key }, word));
            }
            _ => self.lost.push(delivery.key),
        }
    }

    /// That all has been heard of: each open head as it is, and nothing else is open.
    pub fn assert_known(&self, rows: &Rows, policy: &Policy) {
        let configured = |p: &&PullPayload| policy.repository(&p.repository.name).is_some();
        for payload in self.pulls.iter().map(|p| &p.payload).filter(configured) {
            let PullPayload { repository, number, head_sha, open, base_ref, .. } = payload;
            let repository = &repository.name;
            let known = rows.pulls.get(&(repository.clone(), *number));
            if !open {
                assert!(known.is_none_or(|p| !p.open), "{repository}#{number} is closed");
                continue;
            }
            let known = known.unwrap_or_else(|| panic!("{repository}#{number} is not known"));
            assert_eq!((&known.head_sha, known.open), (head_sha, true), "{repository}#{number} as it is at GitHub");
            assert_eq!(known.base_ref, *base_ref, "the base of {repository}#{number}");
        }
    }

    /// That GitHub shows an end for every check of every open head, or that it waits for a person.
    pub fn assert_shown(&self, rows: &Rows, policy: &Policy, given_up: &dyn Fn(&str, &str) -> bool) {
        for payload in self.pulls.iter().map(|p| &p.payload).filter(|p| p.open) {
            let Some(repository) = policy.repository(&payload.repository.name) else { continue };
            for check in &repository.checks {
                let key = (payload.repository.name.clone(), payload.head_sha.clone(), check.context.clone());
                let waits = rows
                    .builds
                    .values()
                    .any(|b| b.sha == payload.head_sha && b.state == BuildState::WaitingForApproval);
                let state = self.shown.get(&key).map(|p| p.state);
                let right = state.is_some_and(|s| s != StatusState::Pending) || (waits && state.is_some());
                assert!(right || given_up(&payload.head_sha, &check.context), "GitHub shows {state:?} for {key:?}");
            }
        }
    }

    fn open(&mut self, rng: &mut Rng, wall: i64) {
        let repository = if rng.u8(..3) == 0 { "acme/lib" } else { "acme/app" };
        let shared =
            self.pulls.iter().map(|p| &p.payload).find(|p| p.repository.name == repository && rng.u8(..3) == 0);
        let fork = rng.bool();
        let payload = PullPayload {
            action: PullAction::Opened,
            repository: words::named(repository, &[]),
            number: self.pulls.len() as u64 + 1,
            title: "Make it shine".to_owned(),
            head_sha: shared
                .map_or_else(|| words::sha(&format!("{:07x}", 0xf_0000 + self.counter)), |p| p.head_sha.clone()),
            head_ref: "topic".to_owned(),
            head_repository: Some(if fork { "mallory/app" } else { repository }.to_owned()),
            base_ref: "main".to_owned(),
            open: true,
            updated_at: wall,
            before: None,
        };
        self.pulls.push(HubPull { payload: payload.clone(), pushes: 0, heads: vec![payload.head_sha.clone()] });
        self.send(Hook::Pull(Box::new(payload)));
    }

    /// A pull request, and all that were ever its head.
    pub fn pull(&mut self, at: usize) -> (&mut PullPayload, &[String]) {
        let pull = &mut self.pulls[at];
        (&mut pull.payload, &pull.heads)
    }

    /// All that were ever the head of this one.
    pub fn heads(&self, (repository, number): &PullKey) -> &[String] {
        let is_it = |p: &&HubPull| (&p.payload.repository.name, p.payload.number) == (repository, *number);
        self.pulls.iter().find(is_it).map_or(&[], |pull| &pull.heads)
    }

    /// Any head that there ever was.
    pub fn any_head(&self, rng: &mut Rng) -> Option<String> {
        rng.choice(&self.pulls).and_then(|pull| rng.choice(&pull.heads)).cloned()
    }

    pub fn guid(&self) -> String {
        format!("guid-{}", self.counter)
    }

    pub fn send(&mut self, hook: Hook) {
        let key = DeliveryKey { guid: self.guid(), hook_id: 1 };
        self.inbox.push(Delivery { key, hook });
    }
}

/// Another commit that begins as this one.
fn alike(head: &str, counter: u64) -> String {
    words::sha(&format!("{}{counter:05x}", &head[..7]))
}

impl HubPull {
    /// A push and another one back, both unheard of, leave no trace: whoever looked between them can't be protected
    /// from what begins alike.
    fn comes_back_alike(&self, head: &String) -> bool {
        let alike = |other: &String| other != head && other[..7] == head[..7];
        self.heads.contains(head) && self.heads.iter().any(alike)
    }
}
