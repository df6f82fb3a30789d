//! Storms: random days with crashes, outages, full disks, reloads and words out of place. After each step the
//! invariants are asserted, and in the end that all is told as it is.

mod builders;
mod checks;
mod hub;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

use builders::Running;
use fastrand::Rng;
use hub::Hub;

use super::{model, words};
use crate::logic::build::{BuildId, BuildState};
use crate::logic::event::{
    Answer, Change, Command, Decision, Delivery, Effect, Event, Found, LookUp, Now, Post, PostOutcome, ReplyId,
};
use crate::logic::policy::Policy;
use crate::logic::rows::Rows;
use crate::logic::state::State;
use crate::logic::wording::DESCRIPTION_CHARS_MAX;

/// Storms of one `cargo test`; `PILOTLIGHT_STORM_SEEDS=50000` or `=17..18` for others.
const SEEDS: Range<u64> = 0..1200;

/// Steps of one storm, before it calms down.
const STEPS: usize = 150;

/// Steps until all must be calm.
const CALM_STEPS_MAX: usize = 20_000;

/// Lines of the log that a failing storm prints.
const LOG_LINES_MAX: usize = 40;

const START: i64 = 1_775_000_000;

#[test]
fn storms() {
    let seeds = match std::env::var("PILOTLIGHT_STORM_SEEDS") {
        Ok(text) => match text.split_once("..") {
            Some((from, to)) => from.parse().expect("a number")..to.parse().expect("a number"),
            None => 0..text.parse().expect("PILOTLIGHT_STORM_SEEDS is a number or a range like 17..18"),
        },
        Err(_) => SEEDS,
    };
    for seed in seeds {
        // Writing the log takes most of the time: only a storm that failed is written up, in its second run.
        if std::panic::catch_unwind(|| Storm::new(seed, false).run()).is_err() {
            Storm::new(seed, true).run();
        }
    }
}

/// A storm's commits, for tests of the store.
pub fn commits(seed: u64) -> Vec<Vec<Change>> {
    let mut storm = Storm::new(seed, false);
    storm.run();
    std::mem::take(&mut storm.commits)
}

/// How GitHub answers at the moment.
#[derive(Clone, Copy, PartialEq)]
enum Net {
    Works,
    Down,
    NoToken,
    Picky,
}

struct Storm {
    seed: u64,
    rng: Rng,
    policy: Policy,
    state: State,
    /// All that was ever saved, and in which steps.
    all: Rows,
    commits: Vec<Vec<Change>>,
    /// Decided, and waiting for the commit they share.
    held: Vec<Decision>,
    now: Now,
    hub: Hub,
    asked: BTreeMap<ReplyId, Delivery>,
    net: Net,
    posts: VecDeque<Post>,
    /// Questions to GitHub, which has nothing new to tell.
    looked_up: VecDeque<LookUp>,
    builders: BTreeMap<BuildId, Running>,
    /// In the order of their acceptance, the newest last.
    accepted: Vec<BuildId>,
    disk: bool,
    no_worker: bool,
    silent_since: Option<Duration>,
    no_token: BTreeSet<String>,
    stopping: bool,
    exited: bool,
    /// Repositories and checks come and go; the simple beliefs about owners and heads don't hold then.
    restless: bool,
    calm: bool,
    logs: bool,
    log: VecDeque<String>,
}

impl Storm {
    fn new(seed: u64, logs: bool) -> Storm {
        let mut rng = Rng::with_seed(seed);
        let now = Now { mono: Duration::ZERO, wall: START };
        let mut policy = words::policy();
        policy.repositories = vec![words::repository("acme/app", "lint,test"), words::repository("acme/lib", "test")];
        builders::shuffle(&mut policy, &mut rng, false);
        let (state, _) = State::load(Rows::default(), policy.clone(), now);
        Storm {
            seed,
            restless: rng.u8(..4) == 0,
            rng,
            policy,
            state,
            all: Rows::default(),
            commits: Vec::new(),
            held: Vec::new(),
            now,
            hub: Hub::default(),
            asked: BTreeMap::new(),
            net: Net::Works,
            posts: VecDeque::new(),
            looked_up: VecDeque::new(),
            builders: BTreeMap::new(),
            accepted: Vec::new(),
            disk: false,
            no_worker: false,
            silent_since: None,
            no_token: BTreeSet::new(),
            stopping: false,
            exited: false,
            calm: false,
            logs,
            log: VecDeque::new(),
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.calm_down();
        self.assert_all_told();
    }

    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..20 => self.hub.live(&mut self.rng, self.now.wall),
            20..42 => self.deliver(),
            42..46 => self.deliver_again(),
            46..68 => self.build(),
            68..84 => self.answer_post(),
            84..91 => self.pass_time(),
            91..94 => self.command(),
            94 => {
                self.net =
                    *self.rng.choice(&[Net::Works, Net::Works, Net::Down, Net::NoToken, Net::Picky]).expect("four")
            }
            95 => self.reload(),
            96 => self.stale_word(),
            97 => self.fill_disk(),
            98 => {
                let at_once = self.rng.bool();
                self.stopping = true;
                self.event(Event::Stop { at_once });
            }
            _ => self.restart("crash"),
        }
    }

    /// The outage is over, nobody pushes, and everybody ends what they do.
    fn calm_down(&mut self) {
        (self.calm, self.net) = (true, Net::Works);
        self.restart("calm");
        for _ in 0..CALM_STEPS_MAX {
            if !self.hub.inbox.is_empty() {
                self.deliver();
            } else if !self.builders.is_empty() {
                self.build();
            } else if !self.posts.is_empty() || !self.looked_up.is_empty() {
                self.answer_post();
            } else if self.all.builds.values().all(|b| b.is_settled() && b.state != BuildState::Queued) {
                return;
            } else if let Some(wake) = self.state.wake_at(self.now) {
                self.tick(wake);
            }
        }
        panic!("it never comes to rest");
    }

    fn deliver(&mut self) {
        if self.hub.inbox.is_empty() {
            return;
        }
        let at = if self.rng.u8(..3) == 0 { self.rng.usize(..self.hub.inbox.len()) } else { 0 };
        let delivery = self.hub.inbox.remove(at);
        let reply = self.asked.last_key_value().map_or(1, |(id, _)| id + 1);
        self.asked.insert(reply, delivery.clone());
        self.event(Event::Delivery { reply, delivery });
    }

    fn deliver_again(&mut self) {
        let Some(mut delivery) = self.rng.choice(&self.hub.sent).cloned() else { return };
        delivery.key.hook_id = self.rng.u64(1..3);
        self.event(Event::Delivery { reply: 0, delivery });
    }

    fn build(&mut self) {
        let ids: Vec<_> = self.builders.keys().copied().collect();
        let Some(id) = self.rng.choice(ids) else { return };
        let Some(running) = self.builders.get_mut(&id) else { return };
        let news = running.next(&mut self.rng, self.calm);
        self.word(id, news);
    }

    fn stale_word(&mut self) {
        let id = self.rng.i64(0..self.all.last_build_id + 2);
        let news = builders::any(&mut self.rng);
        // Nobody can speak of a build whose start is not saved yet.
        if self.builders.contains_key(&id) || !self.state.queue.active.contains_key(&id) {
            self.word(id, news);
        }
    }

    fn word(&mut self, build: BuildId, news: crate::logic::event::BuildNews) {
        use crate::logic::event::{BuildEvent, BuildNews};
        let heard = self.state.queue.active.contains_key(&build);
        let heard = heard && self.state.rows().builds.get(&build).is_some_and(|b| !b.state.is_end());
        let queued = heard && self.state.rows().builds[&build].state == BuildState::Queued;
        match &news {
            BuildNews::Started if heard => self.no_worker = false,
            BuildNews::NoWorker { .. } if queued => self.no_worker = true,
            _ => {}
        }
        if builders::gives_back(&news) {
            self.builders.remove(&build);
        }
        self.event(Event::Build(BuildEvent { build, news }));
    }

    fn answer_post(&mut self) {
        if let Some(what) = self.looked_up.pop_front() {
            return self.event(Event::LookedUp { what, found: Ok(Found::Same) });
        }
        let Some(post) = self.posts.pop_front() else { return };
        let error = "what GitHub says".to_owned();
        let lost = !self.calm && self.rng.u8(..20) == 0;
        let outcome = match self.net {
            Net::Works if !lost => PostOutcome::Accepted,
            Net::Works | Net::Down => {
                let wait = (self.rng.u8(..4) == 0).then(|| Duration::from_secs(self.rng.u64(..200)));
                PostOutcome::Unreachable { error, wait }
            }
            Net::NoToken => PostOutcome::TokenRefused { error },
            Net::Picky => PostOutcome::Refused { error },
        };
        match &outcome {
            PostOutcome::Unreachable { .. } => self.silent_since = self.silent_since.or(Some(self.now.mono)),
            PostOutcome::TokenRefused { .. } => _ = self.no_token.insert(post.repository.clone()),
            PostOutcome::Accepted | PostOutcome::Refused { .. } => _ = self.no_token.remove(&post.repository),
        }
        let unreachable = matches!(outcome, PostOutcome::Unreachable { .. });
        if !unreachable {
            self.silent_since = None;
        }
        if outcome == PostOutcome::Accepted || (lost && unreachable) {
            self.show(&post);
        }
        self.event(Event::Posted { post, outcome });
    }

    fn show(&mut self, post: &Post) {
        let key = (post.repository.clone(), post.sha.clone(), post.context.clone());
        self.hub.shown.insert(key, post.clone());
    }

    fn pass_time(&mut self) {
        let seconds = if self.rng.u8(..5) == 0 { self.rng.u64(..400) } else { self.rng.u64(..10) };
        let until = self.now.mono + Duration::from_secs(seconds);
        while let Some(wake) = self.state.wake_at(self.now).filter(|w| *w <= until) {
            if self.tick(wake) {
                return;
            }
        }
        self.now.wall += (until - self.now.mono).as_secs().cast_signed();
        self.now.mono = until;
        if self.rng.u8(..50) == 0 {
            self.now.wall += self.rng.i64(-100_000_000..100_000_000);
        }
    }

    /// True when the process began anew.
    fn tick(&mut self, wake: Duration) -> bool {
        // Decisions that are held may leave something due: their own commit decides again.
        assert!(wake > self.now.mono || !self.held.is_empty(), "woken for nothing at {wake:?}");
        let wake = wake.max(self.now.mono);
        self.now = Now { mono: wake, wall: self.now.wall + (wake - self.now.mono).as_secs().cast_signed() };
        let before = self.now.mono;
        self.event(Event::Tick);
        self.now.mono < before || self.now.mono == Duration::ZERO
    }

    fn command(&mut self) {
        let Some(key) = self.rng.choice(self.all.pulls.keys()).cloned() else { return };
        let (repository, pull) = key;
        let command = match self.rng.u8(..4) {
            0 => Command::Rebuild { repository, pull, sha: None },
            1 => Command::Cancel { build: self.rng.i64(0..self.all.last_build_id + 1), by: "alice".to_owned() },
            _ => Command::Approve { repository, pull, sha: None },
        };
        self.event(Event::Command { reply: 0, command });
    }

    fn reload(&mut self) {
        builders::shuffle(&mut self.policy, &mut self.rng, self.restless);
        (self.silent_since, self.no_worker) = (None, false);
        self.no_token.clear();
        self.event(Event::Reload(Box::new(self.policy.clone())));
    }

    fn fill_disk(&mut self) {
        self.disk = self.rng.bool();
        self.event(Event::Space(self.disk.then(|| "no space left".to_owned())));
    }

    fn event(&mut self, event: Event) {
        self.say(&event);
        let decision = self.state.handle(self.now, event);
        decision.effects.iter().for_each(|effect| self.assert_may_start(effect));
        self.held.push(decision);
        if self.calm || self.rng.u8(..5) > 0 {
            self.commit();
        }
    }

    /// Saves what was decided, then does it; or neither.
    fn commit(&mut self) {
        let held = std::mem::take(&mut self.held);
        let changes: Vec<_> = held.iter().flat_map(|d| d.changes.clone()).collect();
        if !self.calm && !changes.is_empty() && self.rng.u8(..60) == 0 {
            return self.restart("not saved");
        }
        for change in &changes {
            self.take_in(change.clone());
        }
        self.commits.push(changes);
        for effect in held.into_iter().flat_map(|d| d.effects) {
            self.say(&("so", &effect));
            self.effect(effect);
        }
        if self.exited {
            return self.restart("exit");
        }
        self.assert_invariants();
    }

    /// The process ends here, and another one begins with what is saved.
    fn restart(&mut self, why: &str) {
        self.say(&why);
        self.held.clear();
        while let Some(post) = self.posts.pop_front() {
            if self.net == Net::Works && self.rng.bool() {
                self.show(&post);
            }
        }
        self.builders.clear();
        self.looked_up.clear();
        self.hub.inbox.extend(std::mem::take(&mut self.asked).into_values());
        (self.disk, self.no_worker, self.stopping, self.exited) = (false, false, false, false);
        (self.silent_since, self.now.mono) = (None, Duration::ZERO);
        self.no_token.clear();
        let (state, decision) = State::load(model::select(&self.all), self.policy.clone(), self.now);
        self.state = state;
        self.held.push(decision);
        self.commit();
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { reply, answer } => self.answered(reply, &answer),
            Effect::StartBuild(job) => {
                let twice = self.builders.insert(job.build, Running::new(&job));
                assert!(twice.is_none(), "build {} runs twice", job.build);
            }
            Effect::CancelBuild(id) => _ = self.builders.get_mut(&id).map(|running| running.stopped = true),
            Effect::Post(post) => {
                assert!(post.description.chars().count() <= DESCRIPTION_CHARS_MAX);
                let check = &self.all.builds[&post.build].checks[post.check];
                assert_eq!(
                    (&check.context, &check.told),
                    (&post.context, &None),
                    "what is under way is saved as unknown"
                );
                self.posts.push_back(post);
                assert_eq!(self.posts.len(), 1, "one at a time, so that no older word overtakes a newer");
            }
            Effect::LookUp(what) => self.looked_up.push_back(what),
            Effect::Show(_) => {}
            Effect::Exit => self.exited = true,
        }
    }

    fn answered(&mut self, reply: ReplyId, answer: &Answer) {
        assert!(answer.status != 202 || self.all.builds.contains_key(&answer.build.expect("202 names its build")));
        let Some(delivery) = self.asked.remove(&reply) else { return };
        if answer.status == 503 {
            self.hub.inbox.push(delivery);
        } else {
            self.hub.sent.push(delivery);
        }
    }

    fn say(&mut self, what: &dyn std::fmt::Debug) {
        if self.logs {
            self.log.push_back(format!("{:?} {what:?}", self.now.mono));
            if self.log.len() > LOG_LINES_MAX {
                self.log.pop_front();
            }
        }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        if std::thread::panicking() && self.logs {
            let (seed, next) = (self.seed, self.seed + 1);
            let log: Vec<_> = self.log.iter().map(String::as_str).collect();
            eprintln!("{}\nagain: PILOTLIGHT_STORM_SEEDS={seed}..{next} cargo test --lib storms", log.join("\n"));
        }
    }
}
