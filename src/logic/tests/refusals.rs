//! Statuses and tokens that GitHub refuses.

use expect_test::expect;

use super::scenario::check;

#[test]
fn a_refused_token_is_tried_each_minute() {
    check(expect![[r#"
        0s token refused
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued (not taken); start #1 pilotlight
            lamp red+yellow: Can't tell: GitHub refuses the token for acme/app: 401 Bad credentials
        (1m)
            post #1 pilotlight: pending, Queued (not taken)
        65s posts work
        (2m)
            post #1 pilotlight: pending, Queued
            lamp yellow: acme/app#7 is queued
        2m wait
    "#]]);
}

#[test]
fn a_reload_tries_the_token_at_once() {
    check(expect![[r#"
        0s token refused
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued (not taken); start #1 pilotlight
            lamp red+yellow: Can't tell: GitHub refuses the token for acme/app: 401 Bad credentials
        5s posts work
        6s reload
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn a_refused_token_for_one_repository_holds_back_no_other() {
    check(expect![[r#"
        with repositories=acme/app,acme/lib isolation=none
        0s token refused
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued (not taken); start #1 pilotlight
            lamp red+yellow: Can't tell: GitHub refuses the token for acme/app: 401 Bad credentials
        1s posts work
        1s pull acme/lib#1 opened 3c4d
            202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn while_github_will_not_take_an_end_nobody_can_tell() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s posts refused
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running (not taken)
            lamp red+yellow: Can't tell: the status pilotlight of acme/app#7 is not taken: 422. A new commit may cure it
            post #1 pilotlight: success, Passed in 41s (not taken)
        (31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (1m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (3m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (7m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (15m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        20m wait
        21m posts work
        (30m 31s)
            post #1 pilotlight: success, Passed in 41s
            lamp green: acme/app#7 passed
        60m wait
    "#]]);
}

#[test]
fn what_github_will_not_take_is_told_until_the_head_moves_on() {
    check(expect![[r#"
        with repositories=acme/app,acme/lib
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/lib#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/lib#8 is queued; post #2 pilotlight: pending, Queued
        1s passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
            start #2 pilotlight
        1s passes #2
            lamp blinking yellow: acme/lib#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/lib#8 passed; post #2 pilotlight: success, Passed in 41s
        2s posts refused
        3s rebuild acme/app#7
            202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued (not taken); start #3 pilotlight
            lamp red+yellow: Can't tell: the status pilotlight of acme/app#7 is not taken: 422. A new commit may cure it
        4s reload lamp=acme/lib
            lamp green: acme/lib#8 passed; post #3 pilotlight: pending, Queued (not taken)
        5s reload lamp=acme/app,acme/lib
            lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued (not taken)
            lamp red+yellow: Can't tell: the status pilotlight of acme/app#7 is not taken: 422. A new commit may cure it
        6s posts work
        6s pull acme/app#7 synchronize 5e6f
            stop #3; 202 #4 Accepted as build 4; lamp yellow: acme/app#7 is queued; post #4 pilotlight: pending, Queued
            post #3 pilotlight: error, Superseded by 5e6f000
    "#]]);
}

#[test]
fn an_end_that_github_will_not_take_is_given_up_once_nobody_looks_for_it() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s posts refused
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running (not taken)
            lamp red+yellow: Can't tell: the status pilotlight of acme/app#7 is not taken: 422. A new commit may cure it
            post #1 pilotlight: success, Passed in 41s (not taken)
        2s pull acme/app#7 closed 1a2b
            200 Closed: nothing waited or ran; lamp green: acme/app#7 passed
        (31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (1m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (3m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (7m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        1h wait
        1h show #1
            #1 success, attempt 1, base main; pilotlight Success: Passed in 41s [not its status]
    "#]]);
}

#[test]
fn what_github_will_not_take_is_told_again_after_a_crash() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s posts refused
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running (not taken)
            lamp red+yellow: Can't tell: the status pilotlight of acme/app#7 is not taken: 422. A new commit may cure it
            post #1 pilotlight: success, Passed in 41s (not taken)
        (31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (1m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (3m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (7m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (15m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (30m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (45m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (1h 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (1h 15m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (1h 30m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (1h 45m 31s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        2h crash
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s (not taken)
            lamp red+yellow: Can't tell: the status pilotlight of acme/app#7 is not taken: 422. A new commit may cure it
        (2h 30s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (2h 1m 30s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (2h 3m 30s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (2h 7m 30s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (2h 15m 30s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (2h 30m 30s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (2h 45m 30s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        3h posts work
        3h wait
    "#]]);
}

#[test]
fn a_pending_status_that_github_will_not_take_is_tried_again() {
    check(expect![[r#"
        0s posts refused
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued (not taken); start #1 pilotlight
            lamp red+yellow: Can't tell: the status pilotlight of acme/app#7 is not taken: 422. A new commit may cure it
        (30s)
            post #1 pilotlight: pending, Queued (not taken)
        (1m 30s)
            post #1 pilotlight: pending, Queued (not taken)
        (3m 30s)
            post #1 pilotlight: pending, Queued (not taken)
        7m wait
        (7m 30s)
            post #1 pilotlight: pending, Queued (not taken)
        8m posts work
        (15m 30s)
            post #1 pilotlight: pending, Queued
            lamp yellow: acme/app#7 is queued
        16m wait
    "#]]);
}
