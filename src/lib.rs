//! pilotlight: hears of a pull request, runs its tests, tells GitHub, and lights a lamp.
//!
//! One binary, one small daemon, one loop that owns everything it knows: *decide in one place, act at the edges*.
//!
//! # The way of a delivery
//! ```text
//! tunnel ─▶ http gate ─▶ webhook: signature, payload ─▶ Event ─┐
//! git, worker ◀─ StartBuild ◀──┐                               ▼
//!    builder ── BuildEvent ──▶ daemon loop: State::handle(now, event) ─▶ Decision
//! GitHub API ◀── Post ─────────┤        │ save its changes first, one transaction (SQLite)
//!    github ─── Posted ──────▶ │        ▼ then its effects: answer, build, post
//! LEDs ◀── lights ◀── panel(&State, now)   dashboard reads the store, read-only
//! ```
//!
//! # The rooms, in reading order
//! [`logic`] decides and touches nothing. [`daemon`] is the loop around it. [`store`] is what survives a power cut.
//! [`http`] is the gate that faces strangers, [`webhook`] turns its bytes into deliveries, [`dashboard`] answers
//! people. [`builder`] fetches and follows a build, [`worker`] is the process that runs it. [`github`] posts
//! statuses, [`lights`] moves LEDs. [`config`] hands each room what it needs; [`cli`] is one file per command.
//!
//! Who may import whom: `cli → daemon → {store, webhook, dashboard, builder, github, lights} → logic`. The edges never
//! import each other; [`http`] serves [`webhook`] and [`dashboard`], which also reads the [`store`]; [`builder`] and
//! [`worker`] share only [`worker::protocol`]. `tests/it/house.rs` holds these arrows.
//!
//! # The threads
//! | thread | does |
//! | --- | --- |
//! | main | owns State, the store's writer and the lamp; decides; blocks on nothing but its inbox and its disk |
//! | gate | accepts on three doors; each connection inside has a short-lived thread of its own |
//! | hooks | takes whole requests from the gate's tiny_http (five threads), verifies deliveries, waits for nobody |
//! | dashboard | pages and JSON from a read-only connection; commands as events |
//! | builder | one for each slot: fetches, hands to a worker, follows it; a short-lived one starts the unit meanwhile |
//! | github | one call at a time |
//! | signals | SIGTERM, SIGINT, SIGHUP |
//!
//! A thread ends when nobody can send to it any more.
//!
//! # Invariants
//! **1. Saved before answered.** A delivery is answered 2xx only after its build is committed with
//! `synchronous=FULL`: [`daemon`] saves a decision's changes before it carries out its effects.
//!
//! **2. Every accepted build ends, once,** in success, failure, error or cancelled, and the newest status of its head
//! at GitHub says so, however often the box dies in between. Only identical repeats of a post are allowed.
//!
//! **3. Outward status is derived, never pushed by hand.** [`logic::outbox`] compares what each check should show with
//! what GitHub was last told; a difference makes a post, and a failed post retries the newest truth.
//!
//! **4. The lamp is derived too**, by [`logic::panel`], so it can't disagree with the posted status.
//!
//! **5. Stale words are ignored.** A word of a build that is no longer the running one, or a payload older than what is
//! known unless it redelivers the current head, changes nothing.
//!
//! **6. Every limit has a name, a unit and a reason.**
//!
//! **7. It sleeps.** With nothing to do no thread wakes; the next deadline is known ([`logic::state::State::wake_at`]).
//!
//! The storms in `logic/tests` assert them after every step.

pub mod builder;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod dashboard;
pub mod github;
pub mod http;
pub mod lights;
pub mod logic;
pub mod store;
pub mod webhook;
pub mod worker;
