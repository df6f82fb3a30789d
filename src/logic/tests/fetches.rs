//! Heads that can't be fetched, or not yet.

use expect_test::expect;

use super::scenario::check;

/// The slot is free meanwhile.
#[test]
fn a_head_that_is_late_is_fetched_again() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s not fetched #1 no such ref
            post #1 pilotlight: pending, Waiting for 1a2b000 to be fetched, trying again
        1s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        9s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
            start #1 pilotlight
        10s not fetched #1 no such ref
        (12s)
            start #1 pilotlight
        12s started #1
            post #1 pilotlight: pending, Queued
        12s check #1/0 started
            post #1 pilotlight: pending, Running
    "#]]);
}

/// Each try may take minutes.
#[test]
fn a_head_that_can_not_be_fetched_for_long_is_given_up_sooner() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        4m not fetched #1 not within 4m
            post #1 pilotlight: pending, Waiting for 1a2b000 to be fetched, trying again
        (4m 1s)
            start #1 pilotlight
        8m1s not fetched #1 not within 4m
        (8m 3s)
            start #1 pilotlight
        12m3s not fetched #1 not within 4m
            lamp red+yellow: acme/app#7 ended with an error; post #1 pilotlight: error, Fetch failed: not within 4m
    "#]]);
}

#[test]
fn a_head_that_never_comes_ends_in_error() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s not fetched #1 no such ref
            post #1 pilotlight: pending, Waiting for 1a2b000 to be fetched, trying again
        (1s)
            start #1 pilotlight
        1s not fetched #1 no such ref
        (3s)
            start #1 pilotlight
        3s not fetched #1 no such ref
        (7s)
            start #1 pilotlight
        7s not fetched #1 no such ref
        (15s)
            start #1 pilotlight
        15s not fetched #1 no such ref
        (30s)
            start #1 pilotlight
        30s not fetched #1 no such ref
        (1m)
            start #1 pilotlight
        1m not fetched #1 no such ref
            lamp red+yellow: acme/app#7 ended with an error; post #1 pilotlight: error, Fetch failed: no such ref
        2m show #1
            #1 error (Fetch failed: no such ref), attempt 0, base main; pilotlight Error: Fetch failed: no such ref
    "#]]);
}

#[test]
fn a_new_push_ends_the_waiting_for_a_fetch() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s not fetched #1 no such ref
            post #1 pilotlight: pending, Waiting for 1a2b000 to be fetched, trying again
        0s pull acme/app#7 synchronize 1a2c before=1a2b
            202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued; start #2 pilotlight
            post #1 pilotlight: error, Superseded by 1a2c000
        2s not fetched #1 no such ref
    "#]]);
}
