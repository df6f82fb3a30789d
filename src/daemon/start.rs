//! How the daemon starts, and how it ends.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use rustix::fs::{FlockOperation, fcntl_lock};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::inbox::{Inbox, Signal};
use super::opened::Opened;
use super::{Addresses, Daemon, act};
use crate::builder::{self, BuilderConfig, Order};
use crate::config::{self, Config};
use crate::github::{self, Call, Client};
use crate::http::gate::WebhookRules;
use crate::lights::{LampShow, Lights};
use crate::logic::build::BuildId;
use crate::logic::panel::{Panel, cant_tell};
use crate::logic::rows::Rows;
use crate::webhook;

/// How long the end waits for threads: a worker's kill grace and a call to GitHub that is under way.
const JOIN_MAX: Duration = Duration::from_secs(15);

/// How long a start may leave the lamp dark before that is a riddle. A Pi 3 with a good card needs less.
const DARK_MAX: Duration = Duration::from_millis(500);

/// What a caller may add to the configuration.
#[derive(Default)]
pub struct Extras {
    /// Where it came from, for a reload.
    pub config_path: Option<PathBuf>,
    /// Told of every change of the lamp.
    pub watch: Option<Sender<Panel>>,
}

impl Daemon {
    /// Opens everything and starts the threads; [`Daemon::run`] is the rest. Messages can be sent through the
    /// returned sender.
    ///
    /// # Errors
    /// A directory, the database, an address or a thread can't be had; or another pilotlight runs here.
    pub fn start(mut config: Config, extras: Extras) -> Result<(Daemon, Addresses, Sender<Inbox>)> {
        let started = Instant::now();
        make_directory(&config.state_dir)?;
        make_directory(&config.cache_dir)?;
        let lock = lock(&config.state_dir)?;
        // First of all: whatever the lamp showed in an earlier life is dark from here on.
        let mut lights = Lights::open(&config.lights).remembered_in(&config.state_dir);
        let opened = with_lamp(&mut lights, started, config.self_test, || Opened::open(&mut config))?;
        let (addresses, outbox) = (opened.addresses, opened.outbox.clone());
        let mut daemon = opened.into_daemon(config, extras, started, lights, lock);
        daemon.announce(addresses);
        Ok((daemon, addresses, outbox))
    }

    fn announce(&mut self, addresses: Addresses) {
        let path = &self.config.webhook.path;
        match addresses.webhook {
            Some(address) => log::info!("listening for webhooks on http://{address}{path}"),
            None => log::info!("listening for no webhooks (webhook.listen = \"off\")"),
        }
        if let Some(address) = addresses.dashboard {
            log::info!("dashboard on http://{address}, linked to as {}", self.config.policy.dashboard_url);
        }
        self.notify.ready();
    }

    /// The front closes first, then whoever is at work; the lamp goes dark last.
    pub(super) fn end(mut self) {
        self.gate.close();
        self.runs.clear();
        let waiting = self.inbox.try_iter().filter_map(Inbox::into_request);
        self.replies
            .drain()
            .map(|(_, waiting)| waiting.request)
            .chain(waiting)
            .for_each(|r| r.answer(act::not_saved()));
        let Daemon { orders, calls, threads, mut lights, gate, .. } = self;
        // Its end is the end of the thread `hooks`, and that of the dashboard's.
        drop(gate);
        drop((orders, calls));
        let deadline = Instant::now() + JOIN_MAX;
        for thread in threads {
            while !thread.is_finished() && Instant::now() < deadline {
                thread::park_timeout(Duration::from_millis(5));
            }
        }
        lights.off();
        log::info!("pilotlight has stopped");
    }
}

/// Does `work` beside the lamp, since a card may need long for it after a power cut. A start that takes no time shows
/// nothing but the truth; a longer one that it can't tell yet. The colour test comes meanwhile, by choice. What fails
/// at once, and may be tried again every few seconds, shows no colour.
fn with_lamp<T: Send>(
    lights: &mut Lights,
    started: Instant,
    self_test: bool,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let test = |lights: &mut Lights| {
        if self_test {
            lights.play(started.elapsed(), LampShow::Test);
        }
    };
    thread::scope(|scope| {
        let (busy, ends) = bounded::<()>(0);
        let worker = thread::Builder::new().name("opening".to_owned()).spawn_scoped(scope, move || {
            let _until_the_end = busy;
            work()
        })?;
        let (mut dark, mut next) = (true, Some(DARK_MAX));
        while still_busy(&ends, next.map(|at| started + at)) {
            if std::mem::take(&mut dark) {
                test(lights);
                lights.show(started.elapsed(), &cant_tell("pilotlight is starting"));
            }
            lights.tick(started.elapsed());
            next = lights.wake_at();
        }
        let done = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        match &done {
            Ok(_) if dark => test(lights),
            Ok(_) => {}
            Err(_) => lights.off(),
        }
        done
    })
}

/// Waits for the end, until `deadline` at the latest; without one, however long it takes.
fn still_busy(ends: &Receiver<()>, deadline: Option<Instant>) -> bool {
    match deadline {
        Some(at) => ends.recv_deadline(at) == Err(RecvTimeoutError::Timeout),
        None => ends.recv().is_ok(),
    }
}

/// From now on SIGTERM, SIGINT and SIGHUP wait for [`watch_signals`]: none ends the process on its own.
pub fn hold_signals() -> Result<Signals> {
    Signals::new([SIGTERM, SIGINT, SIGHUP]).context("signals can't be received")
}

/// Sends signals on as messages, for the life of the process.
pub fn watch_signals(mut signals: Signals, outbox: Sender<Inbox>) -> Result<()> {
    spawn("signals", move || {
        let mut stopping = false;
        for signal in signals.forever() {
            let word = match signal {
                SIGHUP => Signal::Reload,
                SIGTERM if !stopping => Signal::Stop,
                _ => Signal::StopAtOnce,
            };
            stopping |= signal != SIGHUP;
            if outbox.send(Inbox::Signal(word)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// What the webhook door lets in.
pub fn rules(config: &Config) -> WebhookRules {
    let body_bytes_max = usize::try_from(config.webhook.max_body_bytes).unwrap_or(usize::MAX);
    WebhookRules { path: config.webhook.path.clone(), body_bytes_max }
}

type Workers = (Sender<Order>, Sender<Call>, Vec<JoinHandle<()>>);

/// The threads that work outside: builders and github.
pub fn workers_of(config: &Config, outbox: &Sender<Inbox>) -> Result<Workers> {
    let client = Client::new(&config.github.api_url, config.github.token.as_ref())?;
    let (calls, to_call) = unbounded();
    let (to_main, hook_path) = (outbox.clone(), config.webhook.path.clone());
    let mut threads = vec![spawn("github", move || {
        // Pull requests have one shape in deliveries and in lists.
        let understand =
            |repository: &str, page: &str| webhook::list(repository, page).map_err(|refusal| refusal.message);
        github::run(client, to_call, &hook_path, understand, webhook::comment, |heard| {
            // Refused only while we end; told twice is told the same.
            let _ = to_main.send(Inbox::Heard(heard));
        });
    })?];
    let (orders, to_build) = unbounded();
    for slot in 0..config.policy.workers {
        let settings = builder_config(config);
        let to_build = to_build.clone();
        threads.push(spawn("builder", move || builder::run(settings, slot, to_build))?);
    }
    Ok((orders, calls, threads))
}

pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let guarded = move || {
        let _guard = EndWithUs;
        body();
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(guarded)
        .with_context(|| format!("the thread {name} can't start"))
}

/// A thread that ends by a defect would be missed by nobody, and its work with it: the whole process ends, and systemd
/// starts it anew. The rows lose nothing by it.
struct EndWithUs;

impl Drop for EndWithUs {
    fn drop(&mut self) {
        if thread::panicking() {
            let name = thread::current().name().unwrap_or_default().to_owned();
            log::error!("the thread {name} met a defect in pilotlight: the process ends, to be started anew");
            std::process::exit(1);
        }
    }
}

/// A database that was lost begins anew, but the old builds' pages and logs are still linked to.
pub fn no_number_twice(rows: &mut Rows, state_dir: &Path) {
    rows.last_build_id = rows.last_build_id.max(newest_log(state_dir));
}

/// The largest number of a build that left a log.
fn newest_log(state_dir: &Path) -> BuildId {
    let names = fs::read_dir(state_dir.join("logs")).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.strip_suffix(".log")?.parse().ok()).max().unwrap_or_default()
}

/// A directory that is ours alone.
fn make_directory(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("the directory {} can't be made", path.display()))
}

/// One pilotlight for one state directory: two would answer for each other.
fn lock(state_dir: &Path) -> Result<File> {
    let path = state_dir.join("lock");
    let file = File::create(&path).with_context(|| format!("{} can't be made", path.display()))?;
    // Of this process alone. One of flock(2) would outlive a killed daemon in a child that was just being started.
    if fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("another pilotlight runs with {}: stop it first", state_dir.display());
    }
    Ok(file)
}

/// What builders need to know of `config`.
pub fn builder_config(config: &Config) -> BuilderConfig {
    BuilderConfig {
        state_dir: config.state_dir.clone(),
        cache_dir: config.cache_dir.clone(),
        isolation: config.policy.isolation,
        token: config.github.token.as_ref().map(|token| token.expose().to_owned()),
        token_host: config.github.clone_host(),
        understand: config::checks_of_head,
        worker_exe: "/proc/self/exe".into(),
        unit_sockets: builder::UNIT_SOCKETS.into(),
        unit_rooms: builder::UNIT_ROOMS.into(),
    }
}
