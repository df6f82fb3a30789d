//! Connections that take their time, come in crowds, or are torn down.

use std::thread;
use std::time::{Duration, Instant};

use super::siege::{DOORS, Door, Siege, raise_descriptors};
use super::wave::{Wave, open, open_deaf, set_reset};

/// Connections of a crowd at one door.
const CROWD: usize = 1000;

/// Descriptors that the tests beside this one need.
const DESCRIPTORS_BESIDE: u64 = 200;

/// Descriptors that the daemon may have come to use besides: far fewer than there are places.
const DESCRIPTORS_STRAY: usize = 8;

/// Between two bytes of a slow sender.
const DRIP_PAUSE: Duration = Duration::from_millis(100);

/// The gate's deadlines for head and body are 5 s and 10 s; a busy machine may add to them.
const HEAD_SLOW: Duration = Duration::from_secs(4);
const BODY_SLOW: Duration = Duration::from_secs(9);
const BODY_ENDED: Duration = Duration::from_secs(20);

const POST: &str = "POST /event_handler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

#[test]
fn slow_heads_and_bodies_are_ended_and_stop_nobody() {
    let siege = Siege::start();
    let started = Instant::now();
    let begun = format!("{POST}Content-Length: 2000\r\n\r\n{}", "x".repeat(1500));
    let mut dripping: Vec<(Door, Wave)> =
        DOORS.map(|door| (door, Wave::new(&siege, door, 15, b"GET /"))).into_iter().collect();
    let idle = DOORS.map(|door| Wave::new(&siege, door, 15, b""));
    let stalled = Wave::new(&siege, Door::Webhook, 10, begun.as_bytes());
    let mut bodies = Wave::new(&siege, Door::Webhook, 10, begun.as_bytes());
    // 50 connections leave room: everybody else is served, by both doors, all the while.
    while started.elapsed() < HEAD_SLOW {
        dripping.iter_mut().for_each(|(_, wave)| wave.send(b"x"));
        bodies.send(b"x");
        DOORS.into_iter().for_each(|door| siege.assert_serves(door));
        thread::sleep(DRIP_PAUSE);
    }
    siege.assert_bounded();
    for wave in dripping.into_iter().map(|(_, wave)| wave).chain(idle) {
        assert_eq!(wave.answers(), [Some(408); 15], "after {:?}", started.elapsed());
    }
    assert!(started.elapsed() < BODY_SLOW, "heads took {:?}", started.elapsed());
    while started.elapsed() < BODY_SLOW {
        bodies.send(b"x");
        DOORS.into_iter().for_each(|door| siege.assert_serves(door));
        thread::sleep(DRIP_PAUSE);
    }
    for wave in [stalled, bodies] {
        assert_eq!(wave.answers(), [Some(408); 10], "after {:?}", started.elapsed());
    }
    assert!(started.elapsed() < BODY_ENDED, "bodies took {:?}", started.elapsed());
    siege.assert_recovers();
}

/// The gate's, for a whole head.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

#[test]
fn a_thousand_idle_connections_leave_the_other_door_open() {
    let allowed = raise_descriptors().saturating_sub(DESCRIPTORS_BESIDE);
    let crowd = CROWD.min(usize::try_from(allowed).unwrap_or(CROWD));
    if crowd < CROWD {
        eprintln!("only {crowd} idle connections instead of {CROWD}: this process may open no more files");
    }
    let siege = Siege::start();
    siege.assert_both_answer();
    let at_rest = siege.vitals().descriptors;
    for door in DOORS {
        for first in [&b""[..], b"POST /event_handler HTTP/1.1\r\nHost:"] {
            let began = Instant::now();
            let wave = Wave::new(&siege, door, crowd, first);
            siege.assert_holds(door);
            let answer = siege.assert_answers(door);
            // On a machine so busy that the first of the crowd have been shown out by now, there may be a place again.
            let all_inside = began.elapsed() < HEAD_DEADLINE;
            assert!(answer == 503 || !all_inside, "{crowd} connections take all places, and {answer} is answered");
            burst(&siege, door.other());
            // One half says good-bye, the other does not.
            wave.0.iter().step_by(2).for_each(set_reset);
            drop(wave);
            siege.wait_until(|vitals| vitals.descriptors <= at_rest + DESCRIPTORS_STRAY);
        }
    }
    siege.assert_recovers();
}

/// Of 12 at once tiny_http alone answers 4.
fn burst(siege: &Siege, door: Door) {
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| siege.assert_serves(door));
        }
    });
}

#[test]
fn resets_at_any_moment_end_nothing() {
    let siege = Siege::start();
    let head = format!("{POST}Content-Length: 20\r\n\r\n");
    let whole = format!("{head}{}", "x".repeat(20));
    for door in DOORS {
        // Before it is accepted, within the head, within the body, and while the answer is on its way.
        for first in ["", "POST /event_ha", &head[..], &whole, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"] {
            for _ in 0..100 {
                set_reset(&open(&siege, door, first.as_bytes()));
            }
            Wave::new(&siege, door, 50, first.as_bytes()).reset();
        }
        siege.assert_serves(door.other());
        siege.assert_bounded();
    }
    siege.assert_recovers();
}

#[test]
fn readers_who_never_read_take_their_places_and_no_more() {
    // More than the buffers on the way hold.
    let siege = Siege::with_check("head -c 4000000 /dev/zero | tr '\\0' x");
    let build = siege.deliver();
    let get = format!("GET /api/v1/builds/{build}/log HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    for round in 0..6 {
        let deaf: Vec<_> = (0..80).map(|_| open_deaf(&siege, Door::Dashboard, get.as_bytes())).collect();
        siege.assert_holds(Door::Dashboard);
        if round == 0 {
            assert_eq!(siege.assert_answers(Door::Dashboard), 503, "80 readers take all places");
        }
        if round % 2 == 0 {
            deaf.iter().for_each(set_reset);
        }
    }
    siege.assert_recovers();
}
