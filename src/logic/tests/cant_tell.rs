//! When pilotlight can't tell, and that it tells again by itself.

use expect_test::expect;

use super::scenario::check;

#[test]
fn a_silent_api_is_told_after_a_minute() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s posts fail 503
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running (not taken)
            lamp green: acme/app#7 passed
        (2s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (4s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (8s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (16s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (32s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (1m 1s)
            lamp red+yellow: Can't tell: GitHub can't be reached: 503
        (1m 4s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        2m posts work
        (2m 4s)
            post #1 pilotlight: success, Passed in 41s
            lamp green: acme/app#7 passed
        3m wait
    "#]]);
}

#[test]
fn a_refused_token_is_told_at_once() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s token refused
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running (not taken)
            lamp red+yellow: Can't tell: GitHub refuses the token for acme/app: 401 Bad credentials
        2s posts work
        (1m 1s)
            post #1 pilotlight: success, Passed in 41s
            lamp green: acme/app#7 passed
        61s wait
    "#]]);
}

#[test]
fn a_full_disk_is_told_at_once_and_nothing_starts() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s disk full
            lamp red+yellow: Can't tell: no space left; post #2 pilotlight: pending, Queued: waiting for disk space on the box
        2s passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
        3s disk works
            lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn what_waited_for_space_says_so_no_more_after_a_start_with_room() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s disk full
            lamp red+yellow: Can't tell: no space left; post #2 pilotlight: pending, Queued: waiting for disk space on the box
        2s crash
            lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #1 pilotlight
    "#]]);
}

#[test]
fn whatever_comes_to_wait_while_the_disk_is_full_says_so_at_once() {
    check(expect![[r#"
        with workers=3 repositories=acme/app,acme/lib,acme/web
        0s pull acme/app#7 opened 1a2b fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        0s pull acme/lib#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/lib#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        0s pull acme/web#9 opened 5e6f
            202 #3 Accepted as build 3; lamp yellow: acme/web#9 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        1s disk full
            lamp red+yellow: Can't tell: no space left
        2s approve acme/app#7 1a2b000
            200 #1 Approved 1a2b000000000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; post #1 pilotlight: pending, Queued: waiting for disk space on the box
        3s pull acme/app#4 opened 7a8b
            202 #4 Accepted as build 4; post #4 pilotlight: pending, Queued: waiting for disk space on the box
        4s not fetched #2 Could not resolve host
            post #2 pilotlight: pending, Queued: waiting for disk space on the box
        5s no worker #3 not installed
            post #3 pilotlight: pending, Queued: waiting for disk space on the box
        6s pull acme/app#5 opened 9c0d fork
            202 #5 Build 5 waits for approval; post #5 pilotlight: pending, Waiting for approval: comment /approve 9c0d000000000000000000000000000000000000 (or pilotlight approve acme/app#5 SHA)
        7s reload approval=none
            post #5 pilotlight: pending, Queued: waiting for disk space on the box
        8s rebuild acme/lib#8
            202 #2 Joined build 2, which has not ended yet
        9s disk works
            lamp yellow: acme/app#5 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight; start #2 pilotlight; start #4 pilotlight
            post #2 pilotlight: pending, Queued
            post #3 pilotlight: pending, Queued
            post #4 pilotlight: pending, Queued
            post #5 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn no_worker_is_told_and_looked_for() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s no worker #1 pilotlight-worker@acme is not installed
            lamp red+yellow: Can't tell: builds can't run: pilotlight-worker@acme is not installed
        (11s)
            start #1 pilotlight
        12s no worker #1 pilotlight-worker@acme is not installed
        (22s)
            start #1 pilotlight
        22s started #1
            lamp blinking yellow: acme/app#7 is running
    "#]]);
}

#[test]
fn without_a_worker_nobody_can_tell_while_something_waits_for_one() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s no worker #1 not installed
            lamp red+yellow: Can't tell: builds can't run: not installed
        2s pull acme/app#7 closed 1a2b
            200 #1 Closed: cancelled build 1; lamp dark: No pull request yet; post #1 pilotlight: error, Cancelled: the pull request was closed
        3s reload isolation=none
    "#]]);
}

#[test]
fn what_nobody_hears_of_is_not_known_any_more() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s asks refused
        4m pull acme/app#7 labeled 1a2b
            200 Understood pull_request labeled: nothing to build
        (9m)
            lamp red+yellow: Can't tell: nothing was heard of acme/app for 5m: no webhook came, and its pull requests can't be listed
        10m pull acme/app#7 labeled 1a2b
            200 Understood pull_request labeled: nothing to build; lamp green: acme/app#7 passed
        11m asks work
        20m asks hang
        (25m)
            lamp red+yellow: Can't tell: nothing was heard of acme/app for 5m: no webhook came, and its pull requests can't be listed
        30m asks work
        (31m)
            lamp green: acme/app#7 passed
        32m wait
    "#]]);
}

#[test]
fn quiet_repositories_that_are_not_on_the_lamp_may_be() {
    check(expect![[r#"
        with repositories=acme/app,acme/lib lamp=acme/app
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s asks about lib refused
        20m reload lamp=acme/app,acme/lib
            lamp red+yellow: Can't tell: nothing was heard of acme/lib for 5m: no webhook came, and its pull requests can't be listed
        20m asks about lib work
        (21m)
            lamp green: acme/app#7 passed
        22m wait
    "#]]);
}

#[test]
fn an_expired_token_is_told_at_once() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s asks unauthorized
        (1m)
            lamp red+yellow: Can't tell: GitHub refuses the token for acme/app: 401 Bad credentials
        3m asks work
        (4m)
            lamp green: acme/app#7 passed
        10m wait
    "#]]);
}

#[test]
fn a_token_that_is_taken_again_is_told_by_any_answer() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s asks unauthorized
        (1m)
            lamp red+yellow: Can't tell: GitHub refuses the token for acme/app: 401 Bad credentials
        3m asks refused
        (4m)
            lamp green: acme/app#7 passed
        (5m)
            lamp red+yellow: Can't tell: nothing was heard of acme/app for 5m: no webhook came, and its pull requests can't be listed
        5m wait
    "#]]);
}

#[test]
fn a_builder_that_is_stuck_is_told() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        (1h 56m)
            lamp red+yellow: Can't tell: build 1 is held for longer than all its deadlines
        2h wait
        2h finished #1 the worker was lost
            lamp red+yellow: acme/app#7 ended with an error; post #1 pilotlight: error, the worker was lost
    "#]]);
}
