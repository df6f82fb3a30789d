//! Carries out what was decided and saved.

use std::io::pipe;

use log::Level;

use super::{Daemon, Inbox, Run, Waiting};
use crate::builder::Order;
use crate::github::Call;
use crate::http::message::Response;
use crate::logic::build::BuildId;
use crate::logic::event::{Answer, BuildEvent, BuildNews, Effect, Job};

/// When to come again after a 503, in seconds: a queue moves on in minutes, a full card is emptied by a person.
const RETRY_AFTER_SECONDS: u32 = 60;

impl Daemon {
    pub(super) fn act(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { reply, answer } => {
                if let Some(Waiting { request, delivery }) = self.replies.remove(&reply) {
                    let words = format!("{}: {}", answer.status, answer.result);
                    self.log_of(Level::Info, answer.build, delivery.as_deref(), &words);
                    request.answer(response(&answer));
                }
            }
            Effect::StartBuild(job) => self.start_build(*job),
            Effect::CancelBuild(id) => {
                // Dropping the pipe is the order; the run's last word still comes.
                if let Some(run) = self.runs.get_mut(&id) {
                    run.cancel = None;
                }
            }
            Effect::Ended(id) => {
                let end = self.state.rows().builds.get(&id).map(|b| (b.state.name(), b.reason.clone()));
                let (state, reason) = end.unwrap_or_default();
                let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                self.log_of(Level::Info, Some(id), None, &format!("build {id} ended: {state}{reason}"));
            }
            Effect::Post(post) => {
                // Refused only while we end; the rows remember what GitHub has not heard.
                let _ = self.calls.send(Call::Post(post));
            }
            Effect::LookUp(what) => {
                let _ = self.calls.send(Call::LookUp(what));
            }
            Effect::Show(panel) => {
                log::info!("the lamp: {}", panel.reason);
                if let Some(watch) = &self.watch {
                    let _ = watch.send(panel.clone());
                }
                self.lights.show(self.now().mono, &panel);
            }
            Effect::Log(line) => log::info!("{line}"),
            Effect::Exit => self.ending = true,
        }
    }

    /// Logs a line of a build's story, which the journal finds by its fields.
    pub(super) fn log_of(&self, level: Level, build: Option<BuildId>, delivery: Option<&str>, words: &str) {
        let of = build.and_then(|id| self.state.rows().builds.get(&id));
        match (of, delivery) {
            (Some(b), Some(guid)) => log::log!(level, build = b.id, repository = b.repository.as_str(), pull = b.pull,
                sha = b.sha.as_str(), delivery = guid; "{words}"),
            (Some(b), None) => log::log!(level, build = b.id, repository = b.repository.as_str(), pull = b.pull,
                sha = b.sha.as_str(); "{words}"),
            (None, Some(guid)) => log::log!(level, delivery = guid; "{words}"),
            (None, None) => log::log!(level, "{words}"),
        }
    }

    fn start_build(&mut self, job: Job) {
        self.last_run += 1;
        let (run, build) = (self.last_run, job.build);
        let inbox = self.outbox.clone();
        let tell = move |news: BuildNews| {
            // Nobody listens only while we end; the rows know that it ran.
            let _ = inbox.send(Inbox::Build { run, event: BuildEvent { build, news } });
        };
        let (cancel, cancels) = match pipe() {
            Ok(ends) => ends,
            Err(error) => return tell(BuildNews::NoWorker { error: format!("no pipe could be made: {error}") }),
        };
        let what = if job.reads_checks { "reading the checks of" } else { "starting" };
        let words = format!("{what} build {build} of {}#{}", job.repository, job.pull);
        self.log_of(Level::Info, Some(build), None, &words);
        self.runs.insert(build, Run { number: run, cancel: Some(cancels) });
        // Refused only when no builder is left, which is while we end.
        let _ = self.orders.send(Order { job, cancel, tell: Box::new(tell) });
    }
}

/// The answer to a delivery or a command that could not be saved.
pub fn not_saved() -> Response {
    response(&Answer { status: 503, result: "It could not be saved: try again when it can".to_owned(), build: None })
}

fn response(answer: &Answer) -> Response {
    let mut response = Response::json(answer.status, answer);
    if answer.status == 503 {
        response.headers.push(("Retry-After", RETRY_AFTER_SECONDS.to_string()));
    }
    response
}
