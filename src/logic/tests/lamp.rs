//! The lamp's table, and whom it follows.

use expect_test::expect;

use super::scenario::check;

#[test]
fn the_table() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        2s finished #1
            lamp red+yellow: acme/app#7 ended with an error; post #1 pilotlight: error, Not run to its end: the worker left it out
        3s rebuild acme/app#7
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #2 pilotlight: success, Passed in 41s
        4s rebuild acme/app#7
            202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        4s fails #3
            lamp blinking yellow: acme/app#7 is running
            post #3 pilotlight: pending, Running
            lamp red: acme/app#7 failed; post #3 pilotlight: failure, Failed in 41s: exit code 1
        5s rebuild acme/app#7
            202 #4 Accepted as build 4; lamp yellow: acme/app#7 is queued; post #4 pilotlight: pending, Queued; start #4 pilotlight
        5s cancel #4 by alice
            stop #4; 200 #4 Cancelled build 4; lamp red+yellow: acme/app#7 was cancelled; post #4 pilotlight: error, Cancelled by alice
    "#]]);
}

#[test]
fn no_blinking_where_nobody_wants_it() {
    check(expect![[r#"
        with blink=off
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp yellow: acme/app#7 is running
    "#]]);
}

#[test]
fn the_newest_accepted_build_has_the_lamp() {
    check(expect![[r#"
        with workers=2 isolation=none
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        2s fails #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: failure, Failed in 41s: exit code 1
        3s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        4s rebuild acme/app#7
            202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
    "#]]);
}

#[test]
fn a_closed_one_gives_the_lamp_to_the_next_newest() {
    check(expect![[r#"
        with workers=3 isolation=none
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        2s fails #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: failure, Failed in 41s: exit code 1
        3s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        4s pull acme/app#9 opened 5e6f
            202 #3 Accepted as build 3; lamp yellow: acme/app#9 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        5s pull acme/app#9 closed 5e6f
            stop #3; 200 #3 Closed: cancelled build 3; lamp green: acme/app#8 passed; post #3 pilotlight: error, Cancelled: the pull request was closed
        6s pull acme/app#8 closed 3c4d
            200 Closed: nothing waited or ran; lamp red: acme/app#7 failed
        7s pull acme/app#7 closed 1a2b
            200 Closed: nothing waited or ran
        8s crash
            lamp red: acme/app#7 failed
    "#]]);
}

#[test]
fn closing_and_superseding_are_no_result() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s pull acme/app#7 synchronize 1a2c before=1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s pull acme/app#7 closed 1a2c
            stop #2; 200 #2 Closed: cancelled build 2; lamp green: acme/app#7 passed; post #2 pilotlight: error, Cancelled: the pull request was closed
        4s pull acme/app#8 opened 3c4d
            202 #3 Accepted as build 3; lamp yellow: acme/app#8 is queued; post #3 pilotlight: pending, Queued
        5s pull acme/app#8 closed 3c4d
            200 #3 Closed: cancelled build 3; lamp green: acme/app#7 passed; post #3 pilotlight: error, Cancelled: the pull request was closed
    "#]]);
}

#[test]
fn what_waits_for_approval_never_takes_the_lamp() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s fails #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp red: acme/app#7 failed; post #1 pilotlight: failure, Failed in 41s: exit code 1
        2s pull acme/app#8 opened 3c4d fork
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 3c4d000000000000000000000000000000000000 (or pilotlight approve acme/app#8 SHA)
        3s pull acme/app#7 closed 1a2b
            200 Closed: nothing waited or ran
        4s approve acme/app#8
            200 #2 Approved 3c4d000000000000000000000000000000000000 of acme/app#8 (Make it shine): build 2 is queued; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn the_worst_of_all_open_ones() {
    check(expect![[r#"
        with workers=4 isolation=none follow=worst
        0s pull acme/app#1 opened 1a
            202 #1 Accepted as build 1; lamp yellow: acme/app#1 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#2 opened 2a
            202 #2 Accepted as build 2; lamp yellow: acme/app#2 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        0s pull acme/app#3 opened 3a
            202 #3 Accepted as build 3; lamp yellow: acme/app#3 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#1 is running
            post #1 pilotlight: pending, Running
            lamp yellow: acme/app#3 is queued; post #1 pilotlight: success, Passed in 41s
        1s passes #2
            lamp blinking yellow: acme/app#2 is running
            post #2 pilotlight: pending, Running
            lamp yellow: acme/app#3 is queued; post #2 pilotlight: success, Passed in 41s
        2s started #3
            lamp blinking yellow: acme/app#3 is running
        3s finished #3 the worker was lost
            lamp red+yellow: acme/app#3 ended with an error; post #3 pilotlight: error, the worker was lost
        4s rebuild acme/app#1
            202 #4 Accepted as build 4; post #4 pilotlight: pending, Queued; start #4 pilotlight
        4s fails #4
            post #4 pilotlight: pending, Running
            lamp red: acme/app#1 failed; post #4 pilotlight: failure, Failed in 41s: exit code 1
        5s pull acme/app#1 closed 1a
            200 Closed: nothing waited or ran; lamp red+yellow: acme/app#3 ended with an error
        6s pull acme/app#3 closed 3a
            200 Closed: nothing waited or ran; lamp green: acme/app#2 passed
    "#]]);
}

#[test]
fn the_lamp_is_about_the_named_repositories_alone() {
    check(expect![[r#"
        with repositories=acme/app,acme/lib lamp=Acme/lib workers=2
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s fails #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: failure, Failed in 41s: exit code 1
        2s pull acme/lib#3 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/lib#3 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s passes #2
            lamp blinking yellow: acme/lib#3 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/lib#3 passed; post #2 pilotlight: success, Passed in 41s
        4s pull acme/lib#3 closed 3c4d
            200 Closed: nothing waited or ran
        5s token refused
        5s rebuild acme/app#7
            202 #3 Accepted as build 3; post #3 pilotlight: pending, Queued (not taken); start #3 pilotlight
        6s reload lamp=acme/app
            lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued (not taken)
            lamp red+yellow: Can't tell: GitHub refuses the token for acme/app: 401 Bad credentials
    "#]]);
}
