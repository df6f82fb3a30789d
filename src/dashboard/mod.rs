//! What the dashboard's door and the control door answer: pages and JSON from the store, read-only.
//!
//! [`respond`] is the whole of it as a function; [`run`] is the thread around it. What only the main thread
//! may decide (commands) or knows (the lamp) is asked of it.

mod answer;
mod command;
mod host;
mod json;
mod log;
mod pages;
mod passwd;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use ::log::{info, warn};
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::http::message::{Body, Door, Request, Response};
use crate::logic::build::Build;
use crate::logic::event::Command;
use crate::logic::panel::{LampWord, Panel};
use crate::store::reader::Reader;
use answer::Refusal;

/// How long the main thread is waited for: it answers in milliseconds unless its card is stuck, and a person
/// waits no longer for a page.
const LIGHTS_WAIT: Duration = Duration::from_secs(2);

/// Where commands are given, on the control door alone.
const COMMANDS: &str = "/api/v1/commands";

/// What the thread `dashboard` needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct DashboardConfig {
    pub database: PathBuf,
    /// The log of build 7 is `7.log` in it.
    pub logs_dir: PathBuf,
    /// The box's own name.
    pub hostname: String,
    /// The host of `dashboard.url`, where one is set.
    pub url_host: Option<String>,
}

/// What only the main thread can answer.
pub enum Ask {
    /// The lamp, and what is under way in one line.
    Lights(Sender<Standing>),
    /// To be decided, saved, and then answered.
    Command(Request, Command),
    /// To be shown by the LEDs and answered.
    Lamp(Request, LampWord),
}

/// How things stand, as only the main thread knows.
#[derive(Clone)]
pub struct Standing {
    pub panel: Panel,
    /// What is under way in one line.
    pub summary: String,
    /// What a person should see to.
    pub notice: Option<String>,
}

/// What there is to look at.
pub struct View<'a> {
    pub config: &'a DashboardConfig,
    /// `None` while the database can't be opened.
    pub reader: Option<&'a Reader>,
    /// Unless the main thread takes too long.
    pub lights: &'a dyn Fn() -> Option<Standing>,
}

/// A request, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub door: Door,
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub host: Option<&'a str>,
    pub range: Option<&'a str>,
    pub body: &'a [u8],
    pub peer_uid: Option<u32>,
}

/// What becomes of a request. The response to a HEAD is that to a GET; the gate leaves its body out.
pub enum Reply {
    Answer(Response),
    Command(Command),
    Lamp(LampWord),
}

/// The body of the thread `dashboard`: ends when `requests` is disconnected.
pub fn run(config: &DashboardConfig, requests: &Receiver<Request>, ask: impl Fn(Ask)) {
    let lights = || {
        let (sender, receiver) = bounded(1);
        ask(Ask::Lights(sender));
        receiver.recv_timeout(LIGHTS_WAIT).ok()
    };
    let mut reader: Option<Reader> = None;
    for request in requests {
        reader = reader.filter(Reader::is_current);
        if reader.is_none() {
            reader = Reader::open(&config.database).inspect_err(|error| warn!("{error:#}")).ok();
        }
        let view = View { config, reader: reader.as_ref(), lights: &lights };
        let reply = respond(&view, &Asked::from(&request));
        match reply {
            Reply::Answer(response) => request.answer(response),
            Reply::Command(command) => {
                info!("a command came from user {:?}: {command:?}", request.peer_uid);
                ask(Ask::Command(request, command));
            }
            Reply::Lamp(show) => ask(Ask::Lamp(request, show)),
        }
    }
}

/// What `asked` leads to.
pub fn respond(view: &View, asked: &Asked) -> Reply {
    let allowed = match asked.door {
        Door::Control => Ok(()),
        Door::Dashboard => host::check(view.config, asked.host),
        Door::Webhook => Err(Refusal::not_found()),
    };
    allowed.and_then(|()| route(view, asked)).unwrap_or_else(|refusal| Reply::Answer(refusal.response(asked.path)))
}

fn route(view: &View, asked: &Asked) -> Result<Reply, Refusal> {
    let commands = asked.door == Door::Control && asked.path == COMMANDS;
    match asked.method {
        "POST" if commands => return command::read(view, asked),
        "GET" | "HEAD" if !commands => {}
        method => {
            let allowed = if commands { "POST" } else { "GET, HEAD" };
            let words = format!("{method} does nothing here: what works is {allowed}");
            return Err(Refusal::new(405, words).with("Allow", allowed));
        }
    }
    let response = match asked.path {
        "/" => pages::list(view, asked.query)?,
        "/healthz" => answer::plain(200, Body::Bytes(b"ok".to_vec())),
        "/api/v1/builds" => json::builds(view, asked.query)?,
        "/api/v1/lights" => answer::json(200, &view.lights()?.panel),
        "/api/v1/status" => json::status(view)?,
        path => about_a_build(view, asked, path)?,
    };
    Ok(Reply::Answer(response))
}

fn about_a_build(view: &View, asked: &Asked, path: &str) -> Result<Response, Refusal> {
    if let Some(id) = path.strip_prefix("/builds/") {
        return pages::build(view, &view.build(id)?, asked.query);
    }
    let rest = path.strip_prefix("/api/v1/builds/").ok_or_else(Refusal::not_found)?;
    match rest.strip_suffix("/log") {
        Some(id) => log::response(view, &view.build(id)?, asked),
        None => Ok(json::build(&view.build(rest)?)),
    }
}

impl View<'_> {
    fn reader(&self) -> Result<&Reader, Refusal> {
        self.reader.ok_or_else(|| Refusal::unavailable("The database can't be read: `pilotlight check` says why"))
    }

    /// The build whose id is written as `id`.
    fn build(&self, id: &str) -> Result<Build, Refusal> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Refusal::not_found());
        }
        let found = id.parse().ok().map(|id| self.reader()?.build(id).map_err(Refusal::from)).transpose()?.flatten();
        found.ok_or_else(|| Refusal::new(404, format!("There is no build {id}")))
    }

    fn lights(&self) -> Result<Standing, Refusal> {
        (self.lights)().ok_or_else(|| {
            let words = format!("The lamp did not answer within {} s: try again", LIGHTS_WAIT.as_secs());
            Refusal::unavailable(&words)
        })
    }
}

impl<'a> From<&'a Request> for Asked<'a> {
    fn from(request: &'a Request) -> Self {
        // No answer of ours has a validator, so no If-Range can match: then the whole is sent (RFC 9110, 13.1.5).
        let range = request.header("Range").filter(|_| request.header("If-Range").is_none());
        Asked {
            door: request.door,
            method: &request.method,
            path: &request.path,
            query: &request.query,
            host: request.host.as_deref(),
            range,
            body: &request.body,
            peer_uid: request.peer_uid,
        }
    }
}
