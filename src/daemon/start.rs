//! How the daemon starts, and how it ends.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Sender, unbounded};
use rustix::fs::{FlockOperation, fcntl_lock};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::inbox::{Inbox, Receptionist, Signal};
use super::{Addresses, Daemon, act, notify, space, watchdog};
use crate::builder::{self, BuilderConfig, Order};
use crate::config::{self, Config};
use crate::dashboard::{self, DashboardConfig};
use crate::github::{self, Call, Client, GithubConfig};
use crate::http::gate::{Gate, GateConfig, Limits, WebhookRules};
use crate::http::message::Door;
use crate::lights::{LampShow, Lights};
use crate::logic::build::BuildId;
use crate::logic::event::Now;
use crate::logic::panel::Panel;
use crate::logic::rows::Rows;
use crate::logic::state::State;
use crate::store::Store;
use crate::webhook;

/// How long the end waits for threads: a worker's kill grace and a call to GitHub that is under way.
const JOIN_MAX: Duration = Duration::from_secs(15);

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
    pub fn start(config: Config, extras: Extras) -> Result<(Daemon, Addresses, Sender<Inbox>)> {
        let started = Instant::now();
        make_directory(&config.state_dir)?;
        make_directory(&config.cache_dir)?;
        let lock = lock(&config.state_dir)?;
        let (mut store, mut rows, _) = Store::open_or_begin_anew(&config.database())?;
        no_number_twice(&mut rows, &config.state_dir);
        let webhook = config.webhook.listen.map(|a| listen(a, "webhook.listen")).transpose()?;
        let dashboard = config.dashboard.listen.map(|a| listen(a, "dashboard.listen")).transpose()?;
        let address = |l: &Option<TcpListener>| l.as_ref().and_then(|l| l.local_addr().ok());
        let addresses = Addresses { webhook: address(&webhook), dashboard: address(&dashboard) };
        let dashboard_url = config.dashboard.url(addresses.dashboard.map_or(8080, |a| a.port()));

        let now = Now { mono: Duration::ZERO, wall: super::wall(SystemTime::now()) };
        let space = space::Space::look(&config);
        let (state, first) = State::load_on(rows, config.policy(&dashboard_url), now, space.short.clone());
        store.save(&first.changes).context("the state can't be saved")?;

        let (outbox, inbox) = unbounded();
        let (gate, front) = Gate::start(GateConfig {
            webhook,
            dashboard,
            control: Some(listen_for_commands(&config.control_socket())?),
            rules: rules(&config),
            private_socket: config.state_dir.join("http.sock"),
            limits: Limits::default(),
        })?;
        let (orders, calls, mut threads) = workers_of(&config, &outbox)?;
        let hooks = Arc::new(RwLock::new(config.webhook.secret.clone()));
        let (pages, requests) = unbounded();
        let mut receptionist =
            Receptionist { secret: hooks.clone(), inbox: outbox.clone(), dashboard: pages, refusal_logged: None };
        threads.push(spawn("hooks", move || front.serve(|request| receptionist.receive(request)))?);
        let (settings, to_main) = (dashboard_config(&config), outbox.clone());
        threads.push(spawn("dashboard", move || {
            dashboard::run(&settings, &requests, |ask| {
                // Refused only while we end; the request then answers for itself.
                let _ = to_main.send(Inbox::Ask(ask));
            });
        })?);

        let mut daemon = Daemon {
            lights: Lights::open(&config.lights).remembered_in(&config.state_dir),
            config,
            config_path: extras.config_path,
            dashboard_url,
            started,
            state,
            store,
            watch: extras.watch,
            inbox,
            outbox: outbox.clone(),
            replies: Default::default(),
            noticed: None,
            last_reply: 0,
            runs: Default::default(),
            last_run: 0,
            orders,
            calls,
            hooks,
            gate,
            look_up_errors: Default::default(),
            notify: notify::Notify::of_process(),
            threads,
            save_again_at: None,
            space,
            torn: false,
            sweep_at: Duration::ZERO,
            forget_at: Duration::ZERO,
            sweeper: None,
            ending: false,
            _lock: lock,
        };
        if daemon.config.self_test {
            daemon.lights.play(daemon.now().mono, LampShow::Test);
        }
        first.effects.into_iter().for_each(|effect| daemon.act(effect));
        daemon.watch_over()?;
        daemon.announce(addresses);
        Ok((daemon, addresses, outbox))
    }

    /// Starts the watchdog's thread, if systemd wants to be told that we live.
    fn watch_over(&mut self) -> Result<()> {
        let door = self.gate.address(Door::Control).cloned();
        if let Some((every, door)) = watchdog::interval().zip(door) {
            let inbox = self.outbox.clone();
            spawn("watchdog", move || watchdog::run(every, &door, &inbox))?;
        }
        Ok(())
    }

    fn announce(&mut self, addresses: Addresses) {
        let path = &self.config.webhook.path;
        match addresses.webhook {
            Some(address) => log::info!("listening for webhooks on http://{address}{path}"),
            None => log::info!("listening for no webhooks (webhook.listen = \"off\")"),
        }
        if let Some(address) = addresses.dashboard {
            log::info!("dashboard on http://{address}, linked to as {}", self.dashboard_url);
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

/// From now on SIGTERM, SIGINT and SIGHUP wait for [`watch_signals`]: none ends the process on its own.
///
/// # Errors
/// The system has no room for it.
pub fn hold_signals() -> Result<Signals> {
    Signals::new([SIGTERM, SIGINT, SIGHUP]).context("signals can't be received")
}

/// Sends signals on as messages, for the life of the process.
///
/// # Errors
/// The thread can't be had.
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
    let token = config.github.token.as_ref().map(|token| token.expose().to_owned());
    let client = Client::new(&GithubConfig { api_url: config.github.api_url.clone(), token: token.clone() })?;
    let (calls, to_call) = unbounded();
    let (to_main, hook_path) = (outbox.clone(), config.webhook.path.clone());
    let mut threads = vec![spawn("github", move || {
        // Pull requests have one shape in deliveries and in lists.
        let understand =
            |repository: &str, page: &str| webhook::list(repository, page).map_err(|refusal| refusal.message);
        github::run(client, to_call, &hook_path, understand, |heard| {
            // Refused only while we end; told twice is told the same.
            let _ = to_main.send(Inbox::Heard(heard));
        });
    })?];
    let (orders, to_build) = unbounded();
    for slot in 0..config.builder.workers {
        let settings = builder_config(config);
        let to_build = to_build.clone();
        threads.push(spawn("builder", move || builder::run(settings, slot, to_build))?);
    }
    Ok((orders, calls, threads))
}

fn dashboard_config(config: &Config) -> DashboardConfig {
    DashboardConfig {
        database: config.database(),
        logs_dir: config.state_dir.join("logs"),
        hostname: config.dashboard.hostname.clone(),
        url_host: config.dashboard.url_host(),
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
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

fn listen(address: SocketAddr, key: &str) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow::anyhow!("{address} is in use by another program: choose another {key}"),
        _ => anyhow::anyhow!("{address} can't be listened on ({error}): choose another {key}"),
    })
}

/// The control socket, for the daemon's user and root alone.
fn listen_for_commands(path: &Path) -> Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            bail!("{} is in the way: {error}", path.display());
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(|| format!("{} can't be listened on", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What builders need to know of `config`.
pub fn builder_config(config: &Config) -> BuilderConfig {
    BuilderConfig {
        state_dir: config.state_dir.clone(),
        cache_dir: config.cache_dir.clone(),
        isolation: config.builder.isolation,
        token: config.github.token.as_ref().map(|token| token.expose().to_owned()),
        token_host: config.clone_host(),
        understand: config::checks_of_head,
        worker_exe: "/proc/self/exe".into(),
        unit_sockets: builder::UNIT_SOCKETS.into(),
        unit_rooms: builder::UNIT_ROOMS.into(),
    }
}
