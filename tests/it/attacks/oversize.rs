//! Requests that are too large, and lies about how large they are.

use std::io::Write;

use super::siege::{DOORS, Door, Siege};
use super::wave::{Wave, answers, open};

const MIB: usize = 1024 * 1024;

/// As `webhook.max_body` has it by default.
const BODY_BYTES_MAX: usize = 2 * MIB;

/// What is poured into a head that never ends.
const ENDLESS_BYTES: usize = 300 * MIB;

#[test]
fn endless_heads_and_enormous_bodies_are_refused_at_once() {
    let siege = Siege::start();
    for door in DOORS {
        let mut endless = open(&siege, door, b"GET / HTTP/1.1\r\nX: ");
        let block = vec![b'x'; MIB];
        // Refused after 16 KiB; what comes while the gate says good-bye is thrown away.
        let _ = (0..ENDLESS_BYTES / MIB).try_for_each(|_| endless.write_all(&block));
        siege.assert_holds(door);
        // The answer was written before the reset; whether it survived it is not in our hands.
        assert!(answers(&mut endless).iter().all(|status| *status == 431));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
        assert_eq!(answers(&mut open(&siege, door, many.as_bytes())), [431]);
        siege.assert_holds(door);
    }
    siege.assert_recovers();
}

#[test]
fn a_length_that_is_a_lie_allocates_nothing() {
    let siege = Siege::start();
    for door in DOORS {
        let line = if door == Door::Webhook { "POST /event_handler" } else { "GET /healthz" };
        for length in [BODY_BYTES_MAX as u64 + 1, 100_000_000_000_000, u64::MAX] {
            let head = format!(
                "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{"
            );
            // Some more than there are places: what is turned away is told so.
            let wave = Wave::new(&siege, door, 100, head.as_bytes());
            siege.assert_holds(door);
            let statuses = wave.answers();
            assert!(statuses.iter().all(|s| matches!(s, Some(413 | 503))), "{door:?} {length}: {statuses:?}");
            assert!(statuses.contains(&Some(413)), "{door:?} {length}: {statuses:?}");
        }
    }
    siege.assert_recovers();
}

#[test]
fn bodies_at_their_limit_are_bounded_in_their_sum() {
    let siege = Siege::start();
    let head = |bytes: usize| {
        let head = "POST /event_handler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        format!("{head}X-Hub-Signature-256: sha256={}\r\nContent-Length: {bytes}\r\n\r\n", "0".repeat(64))
    };
    // Refused for its signature, however much of it nobody wants to read.
    let body = vec![b'x'; BODY_BYTES_MAX];
    let whole = [head(body.len()).as_bytes(), &body].concat();
    assert_eq!(answers(&mut open(&siege, Door::Webhook, &whole)), [401]);
    // 64 of them, never finished, would be 128 MiB.
    let mut wave = Wave::new(&siege, Door::Webhook, 64, head(body.len()).as_bytes());
    wave.send(&body[1..]);
    siege.assert_holds(Door::Webhook);
    let peak = siege.assert_bounded();
    wave.reset();
    for _ in 0..3 {
        let mut wave = Wave::new(&siege, Door::Webhook, 64, head(body.len()).as_bytes());
        wave.send(&body);
        siege.assert_holds(Door::Webhook);
        let statuses = wave.answers();
        assert!(statuses.iter().all(|s| matches!(s, None | Some(401 | 408 | 503))), "{statuses:?}");
    }
    eprintln!("64 bodies of 2 MiB: {peak:?}");
    siege.assert_recovers();
}
