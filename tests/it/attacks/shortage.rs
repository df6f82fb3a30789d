//! Nothing left to serve with: no descriptors, no threads.

use rustix::process::Resource;

use super::siege::{DOORS, Siege};
use super::wave::Wave;

/// Descriptors left to a daemon at rest before the attack.
const DESCRIPTORS_LEFT: usize = 20;

/// Threads and processes that the user may have: those of the daemon at rest, and a build's.
const THREADS_MAX: u64 = 26;

/// More than what is left serves, fewer than the kernel queues.
const CROWD: usize = 100;

/// Descriptors or threads that the daemon may have come to use besides.
const STRAY: u64 = 4;

/// A user of nobody else's, so that only its own threads count.
const UID: u32 = 64_123;

#[test]
fn without_descriptors_people_are_told_to_come_again() {
    let siege = Siege::start();
    siege.assert_both_answer();
    let at_rest = siege.vitals().descriptors;
    for door in DOORS {
        siege.limit(Resource::Nofile, (at_rest + DESCRIPTORS_LEFT) as u64);
        for first in [&b""[..], b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"] {
            let wave = Wave::new(&siege, door, CROWD, first);
            for _ in 0..3 {
                siege.assert_both_answer();
            }
            siege.assert_bounded();
            drop(wave);
        }
    }
    // Still with as few: they come back, and do for a build.
    siege.wait_until(|vitals| vitals.descriptors <= at_rest + STRAY as usize);
    siege.assert_recovers();
}

#[test]
fn without_threads_people_are_told_to_come_again() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can start the daemon as a user whose threads are counted");
        return;
    }
    let siege = Siege::as_user(UID, THREADS_MAX);
    // All of its own threads run once both doors have served.
    siege.assert_both_answer();
    let at_rest = siege.vitals().threads;
    for door in DOORS {
        for first in [&b""[..], b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"] {
            let wave = Wave::new(&siege, door, CROWD, first);
            for _ in 0..3 {
                siege.assert_both_answer();
            }
            siege.assert_bounded();
            drop(wave);
        }
    }
    siege.wait_until(|vitals| vitals.threads <= at_rest + STRAY);
    siege.assert_recovers();
}
