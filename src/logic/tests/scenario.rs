//! The scenario language. A line is a moment, and what happens then; without a moment it happens at once.
//! Below it, indented, stands what came of it, one line for each decision; `(61s)` is a deadline of our own.
//! To add a scenario write the lines alone and run `UPDATE_EXPECT=1 cargo test --lib logic`, then read.
//!
//! ```text
//! with workers=2 checks=lint,test        first line: a policy other than the usual
//! 0s pull acme/app#7 opened 1a2b         a delivery: fork, base=, at=, before=, hook=, state=closed
//! 5s redeliver 1                         the first delivery again; hook=2: from another hook
//! 6s event push                          any other event
//! 6s comment acme/app#7 by alice /test   a word under it: /test, /approve 1a2b000 (1a2b…: all of it), /cancel; alice and bob may
//! 7s started #1                          the builder's words; also `not fetched #1 why`, `no worker #1 why`
//! 8s skipped #1                          its message says [skip ci]; also `conflict #1`
//! 8s named #1 lint,test                  by the head's file; `named #1`: there is none; `named #1 wrong why`
//! 8s check #1/0 started                  then passed 41s, exit 2 41s, signal 11 41s, timeout 10m, broken why
//! 9s finished #1                         with words: why not every check ran
//! 9s passes #1                           all of that at once; also `fails #1`
//! 10s approve acme/app#7 1a2b            and rebuild acme/app#7, cancel #1 by alice
//! 11s posts fail 503 wait=90s            from now on; also posts refused, token refused, posts hang, posts work
//! 12s reload isolation=none              also stop, stop at once, crash, save fails, disk full, disk works
//! 13s show #1                            the build as it is saved
//! 14s listed acme/app #7:1a2b@3 #8:3c4d  GitHub's open pull requests from now on, touched at 3s and now
//! 14s listed acme/app id=99 #7:1a2b      the same, of another repository; also name=acme/web, and for deliveries
//! 15s shown 1a2b pilotlight success Done what it shows there, until the next post; nothing: `shown 1a2b`
//! 15s status 1a2b travis failure         the delivery of a status: at=, id=, of=acme/lib
//! 16s missed guid-9                      a delivery that it could not bring
//! 17s asks fail 503 wait=90s             from now on; also asks refused, unauthorized, hang, work, as posts do
//! 17s asks about lib hang                 the same for those whose line holds that word
//! 18s asks shown                         from now on each question is a line
//! 10m wait                               time passes
//! ```

mod github;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use expect_test::Expect;

use super::model;
use crate::logic::build::{BuildId, CheckEnd};
use crate::logic::event::{
    BuildEvent, BuildNews, Comment, Decision, Delivery, DeliveryKey, Effect, Event, Found, Hook, LookUp, Now, Post,
    PostOutcome, PullPayload, Shown, StatusPayload,
};
use crate::logic::identity::Identity;
use crate::logic::missed::Missed;
use crate::logic::panel::{Led, Panel};
use crate::logic::policy::Policy;
use crate::logic::rows::Rows;
use crate::logic::state::State;
use crate::logic::tests::words;

/// Every scenario begins in the spring of 2026.
const START: i64 = 1_775_000_000;

/// Plays the lines of `scenario` and compares what came of them.
pub fn check(scenario: Expect) {
    let lines = scenario.data().lines().filter(|l| !l.trim().is_empty());
    let indent = |l: &str| l.len() - l.trim_start().len();
    let margin = lines.clone().map(indent).min().unwrap_or(0);
    let script: Vec<_> = lines.filter(|l| indent(l) == margin && !l.trim_start().starts_with('(')).collect();
    scenario.assert_eq(&play(&script.join("\n")));
}

/// Beyond this a scenario is about numbers, and comparing all rows after each line takes its time.
const COMPARED_BUILDS_MAX: usize = 50;

/// What comes of `script`.
pub fn play(script: &str) -> String {
    let mut lines = script.lines().map(str::trim).filter(|l| !l.is_empty()).peekable();
    let mut policy = words::policy();
    if let Some(settings) = lines.peek().and_then(|l| l.strip_prefix("with ")) {
        words::settings(&mut policy, settings);
    }
    let mut world = World::new(policy);
    world.answer_questions();
    if let Some(settings) = lines.next_if(|l| l.starts_with("with ")) {
        world.out = format!("{settings}\n");
    }
    for line in lines {
        world.line(line);
    }
    world.out
}

struct World {
    state: State,
    policy: Policy,
    /// All that was ever saved.
    saved: Rows,
    /// Since the script began, and since the process did.
    at: Duration,
    booted: Duration,
    outcome: Option<PostOutcome>,
    in_flight: Option<Post>,
    /// Questions to GitHub, and how it treats them.
    asked: Vec<LookUp>,
    asks: Option<PostOutcome>,
    asks_about: BTreeMap<String, Option<PostOutcome>>,
    asks_shown: bool,
    /// What it would answer: its lists, and which of them this process has seen.
    lists: BTreeMap<String, (Identity, Vec<PullPayload>)>,
    lists_seen: BTreeSet<String>,
    statuses: BTreeMap<String, Vec<Shown>>,
    /// Statuses that others made.
    made: u64,
    missed: Vec<DeliveryKey>,
    missed_words: Vec<(Missed, Option<Comment>)>,
    save_fails: bool,
    exited: bool,
    deliveries: Vec<Delivery>,
    out: String,
}

impl World {
    fn new(policy: Policy) -> World {
        let now = Now { mono: Duration::ZERO, wall: START };
        let (state, decision) = State::load(Rows::default(), policy.clone(), now, None);
        let mut saved = Rows::default();
        decision.changes.into_iter().for_each(|change| saved.apply(change));
        let asked =
            decision.effects.into_iter().filter_map(|e| if let Effect::LookUp(what) = e { Some(what) } else { None });
        World {
            state,
            policy,
            saved,
            at: Duration::ZERO,
            booted: Duration::ZERO,
            outcome: Some(PostOutcome::Accepted),
            in_flight: None,
            asked: asked.collect(),
            asks: Some(PostOutcome::Accepted),
            asks_about: BTreeMap::new(),
            asks_shown: false,
            lists: BTreeMap::new(),
            lists_seen: BTreeSet::new(),
            statuses: BTreeMap::new(),
            made: 0,
            missed: Vec::new(),
            missed_words: Vec::new(),
            save_fails: false,
            exited: false,
            deliveries: Vec::new(),
            out: String::new(),
        }
    }

    fn now(&self) -> Now {
        Now { mono: self.at - self.booted, wall: START + self.at.as_secs().cast_signed() }
    }

    fn line(&mut self, line: &str) {
        let (moment, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (at, what) = match humantime::parse_duration(moment) {
            Ok(at) => (at, rest),
            Err(_) => (self.at, line),
        };
        self.pass_time(at);
        writeln!(self.out, "{line}").expect("a String takes all");
        let all: Vec<&str> = what.split_whitespace().collect();
        self.happens(&all);
    }

    /// Our own deadlines on the way to `at`.
    fn pass_time(&mut self, at: Duration) {
        assert!(at >= self.at, "the script goes back in time");
        while let Some(wake) =
            self.state.wake_at(self.now()).map(|w| w + self.booted).filter(|w| *w <= at && !self.exited)
        {
            assert!(wake > self.at, "woken for nothing at {wake:?}");
            self.at = wake;
            let before = self.out.len();
            self.event(Event::Tick);
            if self.out.len() > before {
                self.out.insert_str(before, &format!("({})\n", humantime::format_duration(wake)));
            }
        }
        self.at = at;
    }

    fn happens(&mut self, all: &[&str]) {
        match all {
            ["wait"] => {}
            ["pull", name, action, sha, settings @ ..] => {
                let at = START + self.at.as_secs().cast_signed();
                let number = self.deliveries.len() + 1;
                let delivery = words::pull(name, action, sha, settings, START, at, number);
                self.deliveries.push(delivery.clone());
                self.event(Event::Delivery { reply: 0, delivery });
            }
            ["redeliver", number, settings @ ..] => {
                let mut delivery = self.deliveries[number.parse::<usize>().expect("a number") - 1].clone();
                delivery.key.hook_id = words::setting(settings, "hook").map_or(1, |h| h.parse().expect("a number"));
                self.event(Event::Delivery { reply: 0, delivery });
            }
            ["comment", name, "by", by, word @ ..] => {
                let delivery = words::comment(name, by, word, self.deliveries.len() + 1);
                self.deliveries.push(delivery.clone());
                self.event(Event::Delivery { reply: 0, delivery });
            }
            ["event", "ping"] => self.other(Hook::Ping),
            ["event", name] => self.other(Hook::Other { event: (*name).to_owned() }),
            ["approve" | "rebuild" | "cancel", ..] => {
                let command = words::command(all);
                self.event(Event::Command { reply: 0, command });
            }
            ["posts" | "token", ..] => self.posts(all),
            ["listed", repository, settings @ ..] => {
                let at = self.now().wall;
                let pulls = settings.iter().filter(|word| word.starts_with('#'));
                let pulls = pulls.map(|word| words::listed(repository, word, settings, START, at)).collect();
                self.lists.insert((*repository).to_owned(), (words::named(repository, settings), pulls));
                self.lists_seen.remove(*repository);
            }
            ["shown", sha] => _ = self.statuses.remove(&words::sha(sha)),
            ["shown", sha, context, state, words @ ..] => {
                self.made += 1;
                let shown = words::shown(context, state, words, self.now().wall, self.made);
                self.statuses.insert(words::sha(sha), vec![shown]);
            }
            ["status", sha, context, state, settings @ ..] => {
                self.made += 1;
                let at = words::setting(settings, "at")
                    .map_or(self.now().wall, |at| START + at.parse::<i64>().expect("seconds"));
                let id = words::setting(settings, "id").map_or(self.made, |id| id.parse().expect("a number"));
                let shown = words::shown(context, state, &[], at, id);
                let repository = words::named(words::setting(settings, "of").unwrap_or("acme/app"), &[]);
                self.other(Hook::Status(Box::new(StatusPayload { repository, sha: words::sha(sha), shown })));
            }
            ["missed", "comment", name, "by", by, word @ ..] => {
                let delivery = words::comment(name, by, word, self.deliveries.len() + 1);
                self.deliveries.push(delivery.clone());
                let (at, id, key) = (self.now().wall, self.deliveries.len() as u64, delivery.key);
                let word = if let Hook::Comment(comment) = delivery.hook { Some(comment) } else { None };
                self.missed_words.push((Missed { at, id, key }, word));
            }
            ["missed", guid] => self.missed.push(DeliveryKey { guid: (*guid).to_owned(), hook_id: 1 }),
            ["asks", "shown"] => self.asks_shown = true,
            ["asks", "about", word, how @ ..] => {
                self.asks_about.insert((*word).to_owned(), words::outcome(&[&["posts"], how].concat()));
                self.answer_questions();
            }
            ["asks", how @ ..] => {
                self.asks = words::outcome(&[&["posts"], how].concat());
                self.answer_questions();
            }
            ["reload", settings @ ..] => {
                self.lists_seen.clear();
                words::settings(&mut self.policy, &settings.join(" "));
                self.event(Event::Reload(Box::new(self.policy.clone())));
            }
            ["stop"] => self.event(Event::Stop { at_once: false }),
            ["stop", "at", "once"] => self.event(Event::Stop { at_once: true }),
            ["crash"] => self.crash(),
            ["save", "fails"] => self.save_fails = true,
            ["disk", "full"] => self.event(Event::Space(Some("no space left".to_owned()))),
            ["disk", "works"] => self.event(Event::Space(None)),
            ["show", id] => self.show(words::id(id)),
            ["passes", id] => self.whole_build(words::id(id), &CheckEnd::Exited(0)),
            ["fails", id] => self.whole_build(words::id(id), &CheckEnd::Exited(1)),
            _ => {
                let (build, news) = words::news(all);
                self.event(Event::Build(BuildEvent { build, news }));
            }
        }
    }

    fn other(&mut self, hook: Hook) {
        let key = DeliveryKey { guid: "other".to_owned(), hook_id: 1 };
        self.event(Event::Delivery { reply: 0, delivery: Delivery { key, hook } });
    }

    fn posts(&mut self, all: &[&str]) {
        self.outcome = words::outcome(all);
        self.answer_post();
    }

    fn whole_build(&mut self, build: BuildId, end: &CheckEnd) {
        self.event(Event::Build(BuildEvent { build, news: BuildNews::Started }));
        for check in 0..self.saved.builds[&build].checks.len() {
            let took = Duration::from_secs(41);
            let finished = BuildNews::CheckFinished { check, end: end.clone(), took, log_end: 2 };
            for news in [BuildNews::CheckStarted { check, log_start: 1 }, finished] {
                self.event(Event::Build(BuildEvent { build, news }));
            }
        }
        self.event(Event::Build(BuildEvent { build, news: BuildNews::Finished { error: None } }));
    }

    fn event(&mut self, event: Event) {
        let now = self.now();
        let decision = self.state.handle(now, event);
        self.carry_out(decision);
    }

    /// First save, then act.
    fn carry_out(&mut self, decision: Decision) {
        if self.save_fails && !decision.changes.is_empty() {
            self.save_fails = false;
            self.say("not saved");
            return self.crash();
        }
        for change in decision.changes {
            self.saved.apply(change);
        }
        if self.saved.builds.len() <= COMPARED_BUILDS_MAX {
            assert_eq!(*self.state.rows(), model::select(&self.saved), "State holds what a restart would load");
        }
        let words: Vec<_> = decision.effects.into_iter().map(|effect| self.effect(effect)).collect();
        let words: Vec<_> = words.into_iter().filter(|w| !w.is_empty()).collect();
        if !words.is_empty() {
            self.say(&words.join("; "));
        }
        self.answer_post();
        self.answer_questions();
    }

    fn effect(&mut self, effect: Effect) -> String {
        match effect {
            Effect::Answer { answer, .. } => {
                let build = answer.build.map_or(String::new(), |id| format!("#{id} "));
                format!("{} {build}{}", answer.status, answer.result)
            }
            Effect::StartBuild(job) => {
                if job.reads_checks {
                    return format!("read #{}", job.build);
                }
                let checks: Vec<_> = job.checks.iter().map(|c| c.context.as_str()).collect();
                let secrets: String = job.secrets.iter().map(|s| format!(" knowing {}", s.name)).collect();
                format!("start #{} {}{secrets}", job.build, checks.join(", "))
            }
            Effect::CancelBuild(id) => format!("stop #{id}"),
            Effect::Post(post) => {
                assert_eq!(post.sha, self.saved.builds[&post.build].sha);
                assert_eq!(post.target_url, format!("http://box:8080/builds/{}", post.build));
                let state = format!("{:?}", post.state).to_lowercase();
                let line = format!("post #{} {}: {state}, {}", post.build, post.context, post.description);
                let taken = matches!(self.outcome, Some(PostOutcome::Accepted) | None);
                self.in_flight = Some(post);
                if taken { line } else { format!("{line} (not taken)") }
            }
            Effect::LookUp(what) => {
                let line = if self.asks_shown { words::look_up(&what) } else { String::new() };
                self.asked.push(what);
                line
            }
            Effect::Ended(_) => String::new(),
            Effect::Show(panel) => format!("lamp {}: {}", colours(&panel), panel.reason),
            Effect::Log(line) => format!("log: {line}"),
            Effect::Exit => {
                self.exited = true;
                "exit".to_owned()
            }
        }
    }

    fn crash(&mut self) {
        self.booted = self.at;
        self.exited = false;
        self.in_flight = None;
        self.asked.clear();
        self.lists_seen.clear();
        let (state, decision) = State::load(model::select(&self.saved), self.policy.clone(), self.now(), None);
        self.state = state;
        self.carry_out(decision);
    }

    fn show(&mut self, id: BuildId) {
        let build = &self.saved.builds[&id];
        let reason = build.reason.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        let mut line =
            format!("#{id} {}{reason}, attempt {}, base {}", build.state.name(), build.attempt, build.base_ref);
        for check in &build.checks {
            let owner = if check.owns_status { "" } else { " [not its status]" };
            write!(line, "; {} {:?}: {}{owner}", check.context, check.state, check.description)
                .expect("a String takes all");
        }
        self.say(&line);
    }

    fn say(&mut self, words: &str) {
        writeln!(self.out, "    {words}").expect("a String takes all");
    }
}

fn colours(panel: &Panel) -> String {
    let lights = [("red", panel.red), ("yellow", panel.yellow), ("green", panel.green)];
    let lit = lights.iter().filter(|(_, led)| *led != Led::Off).map(|(name, led)| match led {
        Led::Blink => format!("blinking {name}"),
        _ => (*name).to_owned(),
    });
    let lit: Vec<_> = lit.collect();
    if lit.is_empty() { "dark".to_owned() } else { lit.join("+") }
}
