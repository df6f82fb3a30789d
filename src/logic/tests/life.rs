//! Power cuts, ordered stops, full disks, and days that pass.

use std::time::Duration;

use expect_test::expect;

use super::scenario::check;
use super::words;
use crate::logic::event::{Event, Now};
use crate::logic::rows::Rows;
use crate::logic::state::State;

#[test]
fn two_attempts_then_an_error() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        1s check #1/0 started
            post #1 pilotlight: pending, Running
        2s crash
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued again after an interruption; start #1 pilotlight
        3s started #1
            lamp blinking yellow: acme/app#7 is running; post #1 pilotlight: pending, Queued
        4s crash
            lamp red+yellow: acme/app#7 ended with an error; post #1 pilotlight: error, Interrupted twice while it ran: rebuild it to try again
        5s show #1
            #1 error (Interrupted twice while it ran: rebuild it to try again), attempt 2, base main; pilotlight Error: Interrupted twice while it ran: rebuild it to try again
        6s rebuild acme/app#7
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn what_waits_still_waits() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d fork
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 3c4d000000000000000000000000000000000000 (or pilotlight approve acme/app#8 SHA)
        1s crash
            lamp yellow: acme/app#7 is queued; start #1 pilotlight
        2s approve acme/app#8
            200 #2 Approved 3c4d000000000000000000000000000000000000 of acme/app#8 (Make it shine): build 2 is queued; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        3s crash
            lamp yellow: acme/app#8 is queued; start #1 pilotlight
    "#]]);
}

#[test]
fn a_crash_while_fetching_is_no_attempt() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s crash
            lamp yellow: acme/app#7 is queued; start #1 pilotlight
        2s not fetched #1 no such ref
            post #1 pilotlight: pending, Waiting for 1a2b000 to be fetched, trying again
        2s crash
            lamp yellow: acme/app#7 is queued; start #1 pilotlight
        3s started #1
            lamp blinking yellow: acme/app#7 is running; post #1 pilotlight: pending, Queued
        4s show #1
            #1 running, attempt 1, base main; pilotlight Queued: Queued
    "#]]);
}

#[test]
fn an_ordered_stop_waits_for_what_runs() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s started #1
        2s stop
        3s pull acme/app#9 opened 5e6f
            202 #3 Accepted as build 3; lamp yellow: acme/app#9 is queued; post #3 pilotlight: pending, Queued
        4s passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
            exit
        5s crash
            lamp yellow: acme/app#9 is queued; start #2 pilotlight
    "#]]);
}

#[test]
fn an_ordered_stop_interrupts_after_its_grace_and_that_does_not_count() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        2s stop
        (1m 2s)
            stop #1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued again after an interruption
            exit
        65s show #1
            #1 queued, attempt 0, base main; pilotlight Queued: Queued again after an interruption
        66s crash
            lamp yellow: acme/app#7 is queued; start #1 pilotlight
        67s started #1
            lamp blinking yellow: acme/app#7 is running; post #1 pilotlight: pending, Queued
        68s show #1
            #1 running, attempt 1, base main; pilotlight Queued: Queued
    "#]]);
}

#[test]
fn a_stop_at_once() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        1s stop
        2s stop at once
            stop #1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued again after an interruption; exit
            exit
    "#]]);
}

#[test]
fn a_stop_with_nothing_to_do() {
    check(expect![[r#"
        0s stop
            exit
    "#]]);
}

#[test]
fn what_was_not_saved_never_happened() {
    check(expect![[r#"
        0s save fails
        0s pull acme/app#7 opened 1a2b
            not saved
            lamp dark: No pull request yet
        1s redeliver 1
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
    "#]]);
}

#[test]
fn a_delivery_is_forgotten_after_eight_days() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        10h pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        11h passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        193h event push
            200 Understood push: nothing to build
        194h redeliver 1 hook=2
            202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        194h redeliver 2 hook=2
            200 Already known from hook 1
    "#]]);
}

#[test]
fn an_id_is_never_given_twice() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#7 synchronize 1a2c before=1a2b
            stop #1; 202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 1a2c000
        2s pull acme/app#7 closed 1a2c
            200 #2 Closed: cancelled build 2; lamp dark: No pull request yet; post #2 pilotlight: error, Cancelled: the pull request was closed
        3s crash
            lamp dark: No pull request yet
        4s pull acme/app#8 opened 3c4d
            202 #3 Accepted as build 3; lamp yellow: acme/app#8 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
    "#]]);
}

#[test]
fn a_token_is_spoken_of_two_weeks_before_its_end() {
    let day = 24 * 3600;
    let cases = [
        (15 * day, None),
        (14 * day, Some("expires in 14 days")),
        (2 * day, Some("expires in 2 days")),
        (2 * day - 1, Some("expires tomorrow")),
        (day - 1, Some("expires today")),
        (-1, Some("has expired")),
    ];
    for (left, expected) in cases {
        let now = Now { mono: Duration::ZERO, wall: 1_000_000 };
        let (mut state, _) = State::load(Rows::default(), words::policy(), now, None);
        let _ = state.handle(now, Event::TokenExpires(now.wall + left));
        let words = expected.map(|when| {
            format!("the GitHub token {when}: make a new one, and give it to `sudo pilotlight setup --token-file FILE`")
        });
        assert_eq!(state.notice(now), words, "{left}");
    }
}
