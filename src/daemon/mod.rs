//! The loop: wait, decide, save, act. The main thread owns State, the store's writer and the lamp.

mod act;
mod inbox;
mod notify;
mod opened;
mod reload;
mod retention;
pub mod space;
mod start;
mod watchdog;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::PipeWriter;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::builder::Order;
use crate::config::Config;
use crate::github::Call;
use crate::http::gate::Gate;
use crate::http::message::Request;
use crate::lights::Lights;
use crate::logic::build::BuildId;
use crate::logic::event::{Decision, Effect, Event, Now, ReplyId};
use crate::logic::panel::Panel;
use crate::logic::state::State;
use crate::store::{self, Store};

pub use inbox::{Inbox, Signal};
pub use retention::units::sweep as sweep_units;
pub use start::{Extras, builder_config, hold_signals, watch_signals};

/// Events taken in before one commit: a burst costs one write to the card, and nobody waits long for it.
const BATCH_EVENTS_MAX: usize = 64;

/// Between tries to save again, once saving has failed: a person makes room, or the card comes back.
const SAVE_RETRY: Duration = Duration::from_secs(5);

/// The running daemon.
pub struct Daemon {
    config: Config,
    config_path: Option<PathBuf>,
    started: Instant,
    state: State,
    store: Store,
    lights: Lights,
    /// Told of every change of the lamp, for `pilotlight demo`.
    watch: Option<Sender<Panel>>,
    inbox: Receiver<Inbox>,
    outbox: Sender<Inbox>,
    /// Who waits for an answer.
    replies: HashMap<ReplyId, Waiting>,
    last_reply: ReplyId,
    /// The builds that builders hold.
    runs: HashMap<BuildId, Run>,
    last_run: u64,
    orders: Sender<Order>,
    calls: Sender<Call>,
    hooks: inbox::SharedSecret,
    gate: Gate,
    /// What GitHub can't be asked for, each with why.
    look_up_errors: BTreeMap<String, String>,
    /// What was last said that a person should see to.
    noticed: Option<String>,
    notify: notify::Notify,
    threads: Vec<JoinHandle<()>>,
    /// Since when nothing could be saved; the next try.
    save_again_at: Option<Duration>,
    space: space::Space,
    /// Saving met a page of the database that can't be right.
    torn: bool,
    /// When old logs and trees are looked for next, and old history.
    sweep_at: Duration,
    forget_at: Duration,
    /// Removes them; one at a time.
    sweeper: Option<JoinHandle<()>>,
    ending: bool,
    /// Held while we live: one pilotlight for one state directory.
    _lock: File,
}

/// Who waits for an answer.
struct Waiting {
    request: Request,
    /// The GUID, if it is a delivery.
    delivery: Option<String>,
}

/// A build in the hands of a builder.
struct Run {
    /// One build can run again after a stop: words of an earlier run are not about this one.
    number: u64,
    /// Dropping it cancels.
    cancel: Option<PipeWriter>,
}

/// Where the daemon listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    pub webhook: Option<SocketAddr>,
    pub dashboard: Option<SocketAddr>,
}

impl Daemon {
    /// Runs until it is told to stop.
    pub fn run(mut self) {
        while !self.ending {
            let first = self.wait();
            let now = self.now();
            self.lights.tick(now.mono);
            match self.save_again_at {
                Some(at) => self.turn_away(first, at),
                None => self.turn(first),
            }
        }
        self.end();
    }

    /// The moment, as `logic` knows it.
    fn now(&self) -> Now {
        Now { mono: self.started.elapsed(), wall: wall(SystemTime::now()) }
    }

    /// The next message, or `None` when a deadline came first.
    fn wait(&self) -> Option<Inbox> {
        let state = match self.save_again_at {
            Some(at) => Some(at),
            None => self.state.wake_at(self.now()),
        };
        let next = [state, self.lights.wake_at(), self.space.wake_at()].into_iter().flatten().min();
        let received = match next {
            Some(at) => self.inbox.recv_deadline(self.started + at),
            None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        received.ok()
    }

    /// Takes in what has come, commits it all at once, then acts.
    fn turn(&mut self, first: Option<Inbox>) {
        let mut decision = Decision::default();
        if let Some(event) = self.look_at_space() {
            self.decide(event, &mut decision);
        }
        self.sweep();
        let mut next = first;
        let mut count = 0;
        while let Some(message) = next {
            // A build may have filled the disk: that is known before the next one starts.
            if message.gives_back()
                && let Some(event) = self.look_at_space_now()
            {
                self.decide(event, &mut decision);
            }
            if let Some(event) = self.event(message) {
                self.decide(event, &mut decision);
            }
            count += 1;
            next = if count < BATCH_EVENTS_MAX { self.inbox.try_recv().ok() } else { None };
        }
        if count == 0 || self.state.wake_at(self.now()).is_some_and(|at| at <= self.now().mono) {
            self.decide(Event::Tick, &mut decision);
        }
        match self.store.save(&decision.changes) {
            Ok(()) => decision.effects.into_iter().for_each(|effect| self.act(effect)),
            Err(error) => self.save_failed(&error),
        }
        let now = self.now();
        self.notify.status(&self.state.summary(now));
        // Its words change daily, and so it is said daily.
        let notice = self.state.notice(now);
        if let Some(words) = notice.as_ref().filter(|_| notice != self.noticed) {
            log::warn!("{words}");
        }
        self.noticed = notice;
    }

    fn decide(&mut self, event: Event, decision: &mut Decision) {
        let next = self.state.handle(self.now(), event);
        decision.changes.extend(next.changes);
        decision.effects.extend(next.effects);
    }

    /// Nothing that was decided counts: whoever waits hears so, what runs is stopped, and State begins again
    /// from the store as soon as that can be written.
    fn save_failed(&mut self, error: &anyhow::Error) {
        log::error!("nothing can be saved, so nothing is accepted: {error:#}");
        for (_, waiting) in self.replies.drain() {
            waiting.request.answer(act::not_saved());
        }
        self.runs.clear();
        // A new State knows of no stop, and nothing runs any more.
        self.ending |= self.state.is_stopping();
        let now = self.now();
        self.torn |= store::is_torn(error);
        self.save_again_at = Some(if self.torn { now.mono } else { now.mono + SAVE_RETRY });
        let decision = self.state.handle(now, Event::NotSaved(format!("{error:#}")));
        let shows = decision.effects.into_iter().filter(|e| matches!(e, Effect::Show(_)));
        shows.for_each(|effect| self.act(effect));
    }

    /// While nothing can be saved: says so to whoever comes, and tries again when it is time.
    fn turn_away(&mut self, message: Option<Inbox>, save_again_at: Duration) {
        if let Some(message) = message
            && let Some(event) = self.event(message)
        {
            match event {
                Event::Delivery { reply, .. } | Event::Command { reply, .. } => {
                    if let Some(waiting) = self.replies.remove(&reply) {
                        waiting.request.answer(act::not_saved());
                    }
                }
                // The rows say all that a new State needs to know.
                Event::Stop { .. } => self.ending = true,
                _ => {}
            }
        }
        let now = self.now();
        if now.mono < save_again_at {
            return;
        }
        self.save_again_at = Some(now.mono + SAVE_RETRY);
        let _ = self.look_at_space_now(); // a new State is told anyway
        match self.begin_again(now) {
            Ok(decision) => {
                log::info!("saving works again");
                self.save_again_at = None;
                decision.effects.into_iter().for_each(|effect| self.act(effect));
            }
            Err(error) => {
                log::warn!("still nothing can be saved: {error:#}");
                self.torn |= store::is_torn(&error);
                self.sweep(); // nobody else may be there to make room
            }
        }
    }

    fn begin_again(&mut self, now: Now) -> anyhow::Result<Decision> {
        let database = self.config.database();
        if self.torn {
            // What was decided and not saved is in there too: whoever was answered 503 for it finds it done.
            self.store.begin_anew(&database, self.state.rows())?;
            self.torn = false;
        }
        if !self.store.is_open() {
            (self.store, _) = Store::open_or_begin_anew(&database)?;
        }
        let mut rows = self.store.load()?;
        start::no_number_twice(&mut rows, &self.config.state_dir);
        let (state, decision) = State::load(rows, self.config.policy.clone(), now, self.space.short.clone());
        self.store.probe()?;
        self.store.save_or_begin_anew(&decision.changes, &database, state.rows())?;
        self.state = state;
        // Lists that were answered meanwhile are not in it.
        let _ = self.calls.send(Call::Forget);
        Ok(decision)
    }
}

/// UTC, in whole seconds since 1970; a clock before that counts as 1970.
fn wall(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
