//! systemd's watchdog is fed while all of pilotlight lives: the main loop answers, no builder is stuck, and a request
//! of our own comes through the gate and back.

use std::env;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use super::Inbox;
use super::notify::Notify;
use crate::http::probe;

/// How often systemd wants to hear from us, if it does: `$WATCHDOG_USEC`, halved as sd_watchdog_enabled(3) advises.
pub fn interval() -> Option<Duration> {
    let microseconds: u64 = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let pid = env::var("WATCHDOG_PID").ok().and_then(|pid| pid.parse::<u32>().ok());
    let ours = pid.is_none_or(|pid| pid == std::process::id());
    (ours && microseconds > 0).then(|| Duration::from_micros(microseconds / 2))
}

/// The life of the thread `watchdog`, until the main thread has gone. Nobody waits for its end. `control` is the socket
/// of the door that is asked.
pub fn run(every: Duration, control: &Path, inbox: &Sender<Inbox>) {
    let notify = Notify::of_process();
    loop {
        let (alive, answer) = bounded(1);
        if inbox.send(Inbox::Alive(alive)).is_err() {
            return;
        }
        let main_lives = answer.recv_timeout(every).is_ok();
        if main_lives && probe(control, every) {
            notify.alive();
        }
        thread::sleep(every);
    }
}
