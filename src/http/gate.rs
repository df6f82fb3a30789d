//! The gate: all that strangers can reach. Here it begins, is changed and ends; `porter` stands at
//! the doors, `connection` talks to whoever came in.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, getrlimit};

use super::front::{Back, Front};
use super::head::Rules;
use super::message::Door;
use super::porter::Porter;
use super::wire::Wire;

/// Connections at once through each TCP door: GitHub opens a few, an office has some dozens of browsers, and
/// a full one must not take the memory or the descriptors of a small box.
const TCP_CONNECTIONS_MAX: usize = 64;

/// Connections that have their answer and have yet to close: beyond these they keep their place, below they don't, so
/// that those who come one after the other are not taken for a crowd.
const PARTINGS_MAX: usize = 64;

/// Connections at once through the control socket: people at a shell.
const CONTROL_CONNECTIONS_MAX: usize = 16;

/// Descriptors that a connection takes: its own, and three between the gate and the front.
const DESCRIPTORS_PER_CONNECTION: usize = 4;

/// Descriptors that the rest of the daemon needs: the store, logs, git, workers, connections turned away.
const DESCRIPTORS_BESIDE: usize = 256;

/// How long a closing gate waits for answers that are on their way: longer than a parting takes.
const DRAIN: Duration = Duration::from_secs(5);

/// What the gate listens on, and where its front is.
pub struct GateConfig {
    pub webhook: Option<TcpListener>,
    pub dashboard: Option<TcpListener>,
    pub control: Option<UnixListener>,
    pub rules: WebhookRules,
    /// Where to put the socket between the gate and the front. The directory must be ours alone (0700).
    pub private_socket: PathBuf,
    pub limits: Limits,
}

/// What may come through the webhook door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRules {
    /// The only path that is served, with its `/`.
    pub path: String,
    /// The longest body, in bytes.
    pub body_bytes_max: usize,
}

/// Time and memory that a connection may take. Deadlines are total: no byte prolongs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the head. GitHub's comes in one packet.
    pub head: Duration,
    /// For the body. GitHub gives up after 10 s.
    pub body: Duration,
    /// For the first byte of the answer from within: a commit on a slow card takes a second or two.
    pub answer: Duration,
    /// For writing the answer: a long log over a weak wireless network.
    pub write: Duration,
    /// For the other end to close once it has its answer.
    pub linger: Duration,
    /// For all the bodies in memory at once, in bytes, as they are sent; buffers grow to twice that.
    pub body_bytes_sum_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            write: Duration::from_secs(60),
            linger: Duration::from_secs(2),
            body_bytes_sum_max: 32 * 1024 * 1024,
        }
    }
}

/// The open gate. Dropping it closes it and waits a moment for answers that are on their way.
pub struct Gate {
    shared: Arc<Shared>,
    porter: Option<JoinHandle<()>>,
}

impl Gate {
    /// Opens the gate: starts the thread `gate`. The [`Front`] is for the thread that takes the requests.
    ///
    /// # Errors
    /// When the private socket can't be made, or there are no descriptors or threads left.
    pub fn start(config: GateConfig) -> anyhow::Result<(Self, Front)> {
        warn_of_few_descriptors();
        let front = Front::new(&config.private_socket)?;
        let shared = Arc::new(Shared {
            limits: config.limits,
            closing: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).context("could not make an eventfd")?,
            front: front.back(),
            body_bytes: AtomicUsize::new(0),
            rules: Mutex::new(config.rules),
            inside: Mutex::new([0; 4]),
            left: Condvar::new(),
        });
        let doors: [(Door, Option<OwnedFd>); 3] = [
            (Door::Webhook, config.webhook.map(Into::into)),
            (Door::Dashboard, config.dashboard.map(Into::into)),
            (Door::Control, config.control.map(Into::into)),
        ];
        let doors = doors.into_iter().filter_map(|(door, listener)| Some((door, listener?)));
        let porter = Porter::new(shared.clone(), doors.collect()).context("could not take the listeners")?;
        let porter = thread::Builder::new().name("gate".into()).spawn(move || porter.run());
        let porter = Some(porter.context("could not start the thread `gate`")?);
        Ok((Self { shared, porter }, front))
    }

    /// From now on, requests for webhooks are held to these rules.
    pub fn reconfigure(&self, rules: WebhookRules) {
        *lock(&self.shared.rules) = rules;
    }

    /// Takes no further connection and no further request. Returns at once; answers to requests that were
    /// handed on still go out.
    pub fn close(&self) {
        // Once is enough: it stays readable. It fails only when its counter is full.
        let _ = rustix::io::write(&self.shared.closing, &1_u64.to_ne_bytes());
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
        if let Some(porter) = self.porter.take() {
            let _ = porter.join();
        }
        self.shared.wait_until_all_left(Instant::now() + DRAIN);
        self.shared.front.stop();
    }
}

/// What the porter and all connections know together.
pub(super) struct Shared {
    pub limits: Limits,
    /// An eventfd that becomes readable, for good, when the gate closes.
    pub closing: OwnedFd,
    pub front: Arc<Back>,
    /// Bytes of bodies in memory.
    pub body_bytes: AtomicUsize,
    rules: Mutex<WebhookRules>,
    /// Connections by door, and those that part.
    inside: Mutex<[usize; 4]>,
    left: Condvar,
}

impl Shared {
    pub fn rules(&self, door: Door) -> Rules {
        let webhook = lock(&self.rules);
        Rules::of(door, &webhook.path, webhook.body_bytes_max)
    }

    /// A place inside, or `None` when the door's are all taken.
    pub fn enter(self: &Arc<Self>, door: Door) -> Option<Place> {
        let max = if door == Door::Control { CONTROL_CONNECTIONS_MAX } else { TCP_CONNECTIONS_MAX };
        let inside = &mut lock(&self.inside)[door as usize];
        if *inside >= max {
            return None;
        }
        *inside += 1;
        Some(Place { shared: self.clone(), row: door as usize })
    }

    fn wait_until_all_left(&self, deadline: Instant) {
        let mut inside = lock(&self.inside);
        while inside.iter().sum::<usize>() > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            inside = self.left.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// One connection's place inside, given back on drop.
pub(super) struct Place {
    pub shared: Arc<Shared>,
    /// Where it is counted.
    row: usize,
}

impl Place {
    /// Takes leave of the other end, which may take its time, and lets the next one in meanwhile.
    pub fn part(mut self, wire: &Wire) {
        const PARTING: usize = 3;
        let mut inside = lock(&self.shared.inside);
        if inside[PARTING] < PARTINGS_MAX {
            inside[self.row] -= 1;
            inside[PARTING] += 1;
            self.row = PARTING;
        }
        drop(inside);
        wire.farewell(self.shared.limits.linger);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.shared.inside)[self.row] -= 1;
        self.shared.left.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn warn_of_few_descriptors() {
    let connections = 2 * TCP_CONNECTIONS_MAX + CONTROL_CONNECTIONS_MAX;
    let needed = (connections * DESCRIPTORS_PER_CONNECTION + DESCRIPTORS_BESIDE) as u64;
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < needed) {
        log::warn!(
            "only {allowed} open files are allowed, and a busy day needs {needed}: \
             raise LimitNOFILE= in the unit, or `ulimit -n`"
        );
    }
}
