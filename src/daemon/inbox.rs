//! What reaches the main thread, and from whom.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use log::Level;

use super::{Daemon, Waiting, act};
use crate::config::Secret;
use crate::dashboard::{Ask, Standing};
use crate::github::Heard;
use crate::http::message::{Door, Request, Response};
use crate::lights::{Colour, DriverKind, LampShow, NO_LAMP};
use crate::logic::event::{Answer, BuildEvent, Delivery, Event, Found, LookUp, Post, PostOutcome, ReplyId};
use crate::logic::panel::LampWord;
use crate::webhook;

/// A message to the main thread.
pub enum Inbox {
    Delivery(Delivery, Request),
    Ask(Ask),
    /// From a builder, about the run of that number.
    Build {
        run: u64,
        event: BuildEvent,
    },
    Heard(Heard),
    Signal(Signal),
    /// From the watchdog: answered while the loop turns and no builder is stuck.
    Alive(Sender<()>),
}

impl Inbox {
    /// A builder is free again.
    pub fn gives_back(&self) -> bool {
        matches!(self, Inbox::Build { event, .. } if event.news.gives_back())
    }

    /// Whoever waits for an answer to it.
    pub fn into_request(self) -> Option<Request> {
        match self {
            Inbox::Delivery(_, request) | Inbox::Ask(Ask::Command(request, _) | Ask::Lamp(request, _)) => Some(request),
            _ => None,
        }
    }
}

/// What the operating system, or the demo, wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: end in order.
    Stop,
    /// SIGINT, or a second SIGTERM: a person waits.
    StopAtOnce,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The webhook's secret: the thread `hooks` reads it for each delivery, a reload changes it.
pub type SharedSecret = Arc<RwLock<Option<Secret>>>;

/// Between log lines about refused deliveries: a stranger at the public address must not fill the journal.
const REFUSALS_LOGGED_EVERY: Duration = Duration::from_secs(60);

/// The thread `hooks`: verifies deliveries, passes everything on and waits for nobody.
pub struct Receptionist {
    pub secret: SharedSecret,
    pub inbox: Sender<Inbox>,
    pub dashboard: Sender<Request>,
    pub refusal_logged: Option<Instant>,
}

impl Receptionist {
    pub fn receive(&mut self, mut request: Request) {
        if request.door != Door::Webhook {
            // Refused only while the dashboard's thread ends; the request then answers for itself.
            let _ = self.dashboard.send(request);
            return;
        }
        let secret = self.secret.read().unwrap_or_else(PoisonError::into_inner).clone();
        // A reload took it away with the listener, which stays until the next start.
        let Some(secret) = secret else { return request.answer(act::not_saved()) };
        match webhook::read(secret.expose().as_bytes(), &webhook::Parts::from(&request)) {
            Ok(delivery) => {
                // It waits for its commit, and a crowd of them need not keep what has been read.
                request.body = Vec::new();
                // Refused only while we end; GitHub then shows the delivery as failed.
                let _ = self.inbox.send(Inbox::Delivery(delivery, request));
            }
            Err(refusal) => {
                self.log_refusal(&refusal.message);
                let answer = Answer { status: refusal.status, result: refusal.message, build: None };
                request.answer(Response::json(answer.status, &answer));
            }
        }
    }

    fn log_refusal(&mut self, message: &str) {
        if self.refusal_logged.is_none_or(|at| at.elapsed() >= REFUSALS_LOGGED_EVERY) {
            self.refusal_logged = Some(Instant::now());
            log::warn!("a delivery was refused (more within a minute are not logged): {message}");
        }
    }
}

impl Daemon {
    /// Turns a message into an event, unless it could be dealt with here.
    pub(super) fn event(&mut self, message: Inbox) -> Option<Event> {
        match message {
            Inbox::Delivery(delivery, request) => {
                let key = &delivery.key;
                log::debug!(delivery = key.guid.as_str(), hook = key.hook_id; "a delivery arrived");
                let guid = key.guid.clone();
                Some(Event::Delivery { reply: self.keep(request, Some(guid)), delivery })
            }
            Inbox::Ask(ask) => self.asked(ask),
            Inbox::Build { run, event } => self.built(run, event),
            Inbox::Heard(Heard::Posted(post, outcome)) => {
                self.log_post(&post, &outcome);
                Some(Event::Posted { post, outcome })
            }
            Inbox::Heard(Heard::LookedUp(what, found)) => {
                self.log_look_up(&what, &found);
                Some(Event::LookedUp { what, found })
            }
            Inbox::Heard(Heard::TokenExpires(at)) => Some(Event::TokenExpires(at)),
            Inbox::Signal(signal) => self.signalled(signal),
            Inbox::Alive(reply) => {
                // While nothing can be saved no builder has anything, whatever State says.
                if self.save_again_at.is_none() && self.state.is_stuck(self.now()) {
                    log::error!(
                        "a builder holds its build longer than all its deadlines: systemd will restart pilotlight"
                    );
                } else {
                    let _ = reply.try_send(());
                }
                None
            }
        }
    }

    /// Words of an earlier run are not about this one.
    fn built(&mut self, run: u64, event: BuildEvent) -> Option<Event> {
        let current = self.runs.get(&event.build).is_some_and(|r| r.number == run);
        if current && event.news.gives_back() {
            self.runs.remove(&event.build);
        }
        current.then_some(Event::Build(event))
    }

    fn signalled(&mut self, signal: Signal) -> Option<Event> {
        let words = match signal {
            Signal::Reload => return self.reload(),
            Signal::Stop => "stopping: no build starts, those that run may end; a second signal interrupts them",
            Signal::StopAtOnce => "stopping at once: what runs is interrupted and runs again after the next start",
        };
        self.notify.stopping();
        log::info!("{words}");
        Some(Event::Stop { at_once: signal == Signal::StopAtOnce })
    }

    /// The same trouble with the same question is told once.
    fn log_look_up(&mut self, what: &LookUp, found: &Result<Found, PostOutcome>) {
        let about = match what {
            LookUp::Pulls { repository } => format!("the pull requests of {repository}"),
            LookUp::Statuses { repository, .. } | LookUp::External { repository, .. } => {
                format!("the statuses of {repository}")
            }
            LookUp::Deliveries { repository } => format!("the webhook of {repository}"),
            LookUp::Word { repository, .. } => format!("a missed comment in {repository}"),
            LookUp::Permission { repository, .. } => format!("who may write to {repository}"),
        };
        let error = match found {
            Ok(_) | Err(PostOutcome::Accepted) => {
                if self.look_up_errors.remove(&about).is_some() {
                    log::info!("GitHub can be asked again for {about}");
                }
                return;
            }
            Err(PostOutcome::Unreachable { error, .. }) => format!("for {about}, trying again: {error}"),
            Err(PostOutcome::TokenRefused { error } | PostOutcome::Refused { error }) => match what {
                LookUp::Permission { .. } => format!("for {about}, so no comment counts: {error}"),
                _ => format!("for {about}, so what webhooks miss can't be made up for: {error}"),
            },
        };
        if self.look_up_errors.get(&about) != Some(&error) {
            log::warn!("GitHub can't be asked {error}");
            self.look_up_errors.insert(about, error);
        }
    }

    fn asked(&mut self, ask: Ask) -> Option<Event> {
        match ask {
            Ask::Lights(reply) => {
                let now = self.now();
                // Whoever asked may have gone.
                let (panel, summary, notice) = (self.state.panel(now), self.state.summary(now), self.state.notice(now));
                let _ = reply.try_send(Standing { panel, summary, notice });
                None
            }
            Ask::Command(request, command) => Some(Event::Command { reply: self.keep(request, None), command }),
            Ask::Lamp(request, show) => {
                let answer = self.play(show);
                request.answer(Response::json(answer.status, &answer));
                None
            }
        }
    }

    fn play(&mut self, word: LampWord) -> Answer {
        let show = match word {
            LampWord::Test => LampShow::Test,
            LampWord::Red => LampShow::Steady(Some(Colour::Red)),
            LampWord::Yellow => LampShow::Steady(Some(Colour::Yellow)),
            LampWord::Green => LampShow::Steady(Some(Colour::Green)),
            LampWord::Off => LampShow::Steady(None),
        };
        if self.config.lights.driver == DriverKind::None {
            return Answer { status: 409, result: format!("There is {NO_LAMP}"), build: None };
        }
        if let Some(problem) = self.lights.problem() {
            return Answer { status: 409, result: format!("The lamp stays dark: {problem}"), build: None };
        }
        self.lights.play(self.now().mono, show);
        let word = format!("{word:?}").to_lowercase();
        let result = format!("The lamp shows {word} for a moment, then the truth again");
        Answer { status: 200, result, build: None }
    }

    fn keep(&mut self, request: Request, delivery: Option<String>) -> ReplyId {
        self.last_reply += 1;
        self.replies.insert(self.last_reply, Waiting { request, delivery });
        self.last_reply
    }

    fn log_post(&self, post: &Post, outcome: &PostOutcome) {
        let (context, state) = (&post.context, format!("{:?}", post.state).to_lowercase());
        let (level, words) = match outcome {
            PostOutcome::Accepted => {
                (Level::Debug, format!("told GitHub: {context} is {state} ({})", post.description))
            }
            PostOutcome::Unreachable { error, .. } => {
                (Level::Warn, format!("GitHub can't be told that {context} is {state}, trying again: {error}"))
            }
            PostOutcome::TokenRefused { error } | PostOutcome::Refused { error } => {
                (Level::Error, format!("GitHub refuses to hear that {context} is {state}: {error}"))
            }
        };
        self.log_of(level, Some(post.build), None, &words);
    }
}
