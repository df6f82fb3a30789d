//! What a start opens: the database, the doors, the threads.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, Sender, unbounded};

use super::inbox::{Inbox, Receptionist, SharedSecret};
use super::start::{Extras, no_number_twice, rules, spawn, workers_of};
use super::{Addresses, Daemon, notify, space, watchdog};
use crate::builder::Order;
use crate::config::Config;
use crate::dashboard::{self, DashboardConfig};
use crate::github::Call;
use crate::http::front::Front;
use crate::http::gate::{Gate, GateConfig, Limits};
use crate::lights::Lights;
use crate::logic::event::{Decision, Effect, Now};
use crate::logic::rows::Rows;
use crate::logic::state::State;
use crate::store::{self, Store};

/// All that may take long, or fail.
pub struct Opened {
    pub addresses: Addresses,
    pub outbox: Sender<Inbox>,
    inbox: Receiver<Inbox>,
    kept: Kept,
    gate: Gate,
    hooks: SharedSecret,
    orders: Sender<Order>,
    calls: Sender<Call>,
    threads: Vec<JoinHandle<()>>,
}

/// What the rows say, and what follows from them first.
struct Kept {
    store: Store,
    state: State,
    space: space::Space,
    first: Vec<Effect>,
    /// Why the rows are not known yet.
    not_saved: Option<anyhow::Error>,
}

impl Opened {
    /// From here on `config` knows what every `target_url` starts with.
    ///
    /// # Errors
    /// The database, an address or a thread can't be had.
    pub fn open(config: &mut Config) -> Result<Opened> {
        let webhook = config.webhook.listen.map(|a| listen(a, "webhook.listen")).transpose()?;
        let dashboard = config.dashboard.listen.map(|a| listen(a, "dashboard.listen")).transpose()?;
        let address = |l: &Option<TcpListener>| l.as_ref().and_then(|l| l.local_addr().ok());
        let addresses = Addresses { webhook: address(&webhook), dashboard: address(&dashboard) };
        config.policy.dashboard_url = config.dashboard.url(addresses.dashboard.map_or(8080, |a| a.port()));
        let kept = Kept::load(config)?;

        let (outbox, inbox) = unbounded();
        let (gate, front) = Gate::start(GateConfig {
            webhook,
            dashboard,
            control: Some(listen_for_commands(&config.control_socket())?),
            rules: rules(config),
            private_socket: config.state_dir.join("http.sock"),
            limits: Limits::default(),
        })?;
        let (orders, calls, mut threads) = workers_of(config, &outbox)?;
        let hooks = Arc::new(RwLock::new(config.webhook.secret.clone()));
        threads.extend(serve(config, front, &hooks, &outbox)?);
        watch_over(config, &outbox)?;
        Ok(Opened { addresses, outbox, inbox, kept, gate, hooks, orders, calls, threads })
    }

    /// The daemon, which has done what was to be done first.
    pub fn into_daemon(self, config: Config, extras: Extras, started: Instant, lights: Lights, lock: File) -> Daemon {
        let Kept { store, state, space, first, not_saved } = self.kept;
        let mut daemon = Daemon {
            config,
            config_path: extras.config_path,
            started,
            state,
            store,
            lights,
            watch: extras.watch,
            inbox: self.inbox,
            outbox: self.outbox,
            replies: Default::default(),
            last_reply: 0,
            runs: Default::default(),
            last_run: 0,
            orders: self.orders,
            calls: self.calls,
            hooks: self.hooks,
            gate: self.gate,
            look_up_errors: Default::default(),
            noticed: None,
            notify: notify::Notify::of_process(),
            threads: self.threads,
            save_again_at: None,
            space,
            torn: false,
            sweep_at: Duration::ZERO,
            forget_at: Duration::ZERO,
            sweeper: None,
            ending: false,
            _lock: lock,
        };
        first.into_iter().for_each(|effect| daemon.act(effect));
        if let Some(error) = not_saved {
            daemon.save_failed(&error);
        }
        daemon
    }
}

impl Kept {
    /// A card that is full, or can't be read or written just now, is waited for with open doors: only a daemon that
    /// lives makes room.
    fn load(config: &Config) -> Result<Kept> {
        let now = Now { mono: Duration::ZERO, wall: super::wall(SystemTime::now()) };
        let space = space::Space::look(config);
        let load = |rows| State::load(rows, config.policy.clone(), now, space.short.clone());
        match Kept::open(config, load) {
            Ok((store, state, first)) => Ok(Kept { store, state, space, first: first.effects, not_saved: None }),
            Err(error) if space.short.is_some() || store::is_of_card(&error) => {
                let (state, _) = load(Rows::default());
                Ok(Kept { store: Store::closed()?, state, space, first: Vec::new(), not_saved: Some(error) })
            }
            Err(error) => Err(error),
        }
    }

    fn open(config: &Config, load: impl Fn(Rows) -> (State, Decision)) -> Result<(Store, State, Decision)> {
        let database = config.database();
        let (mut store, mut rows) = Store::open_or_begin_anew(&database)?;
        no_number_twice(&mut rows, &config.state_dir);
        let (state, first) = load(rows);
        store.save_or_begin_anew(&first.changes, &database, state.rows()).context("the state can't be saved")?;
        Ok((store, state, first))
    }
}

/// The threads that answer what comes through the gate.
fn serve(config: &Config, front: Front, hooks: &SharedSecret, outbox: &Sender<Inbox>) -> Result<[JoinHandle<()>; 2]> {
    let (pages, requests) = unbounded();
    let mut receptionist =
        Receptionist { secret: hooks.clone(), inbox: outbox.clone(), dashboard: pages, refusal_logged: None };
    let (settings, to_main) = (dashboard_config(config), outbox.clone());
    Ok([
        spawn("hooks", move || front.serve(|request| receptionist.receive(request)))?,
        spawn("dashboard", move || {
            dashboard::run(&settings, &requests, |ask| {
                // Refused only while we end; the request then answers for itself.
                let _ = to_main.send(Inbox::Ask(ask));
            });
        })?,
    ])
}

/// Starts the watchdog's thread, if systemd wants to be told that we live.
fn watch_over(config: &Config, outbox: &Sender<Inbox>) -> Result<()> {
    if let Some(every) = watchdog::interval() {
        let (control, inbox) = (config.control_socket(), outbox.clone());
        spawn("watchdog", move || watchdog::run(every, &control, &inbox))?;
    }
    Ok(())
}

fn dashboard_config(config: &Config) -> DashboardConfig {
    DashboardConfig {
        database: config.database(),
        logs_dir: config.state_dir.join("logs"),
        hostname: config.dashboard.hostname.clone(),
        url_host: config.dashboard.url_host(),
    }
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
