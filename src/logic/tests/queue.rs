//! Waiting, starting, running and ending.

use expect_test::expect;

use super::scenario::{check, play};
use crate::logic::queue::QUEUED_BUILDS_MAX;

#[test]
fn all_checks_run_after_a_failure_too() {
    check(expect![[r#"
        with checks=lint,test
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 lint: pending, Queued; start #1 lint, test
            post #1 test: pending, Queued
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        1s check #1/0 started
            post #1 lint: pending, Running
        2s check #1/0 exit 2 41s
            post #1 lint: failure, Failed in 41s: exit code 2
        2s check #1/1 started
            post #1 test: pending, Running
        9s check #1/1 passed 7s
            lamp red: acme/app#7 failed; post #1 test: success, Passed in 7s
        9s finished #1
        10s show #1
            #1 failure (Failed in 41s: exit code 2), attempt 1, base main; lint Failure: Failed in 41s: exit code 2; test Success: Passed in 7s
    "#]]);
}

/// A signal from outside is a failure of the check, KILL most often the lack of memory.
#[test]
fn how_checks_end() {
    check(expect![[r#"
        with checks=a,b,c,d,e,f,g,h,i,j
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 a: pending, Queued; start #1 a, b, c, d, e, f, g, h, i, j
            post #1 b: pending, Queued
            post #1 c: pending, Queued
            post #1 d: pending, Queued
            post #1 e: pending, Queued
            post #1 f: pending, Queued
            post #1 g: pending, Queued
            post #1 h: pending, Queued
            post #1 i: pending, Queued
            post #1 j: pending, Queued
        1s posts hang
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        1s check #1/0 started
            post #1 a: pending, Running
        1s check #1/0 passed 3661s
        1s check #1/1 started
        1s check #1/1 exit 127 400ms
        1s check #1/2 started
        1s check #1/2 signal 11 5s
        1s check #1/3 started
        1s check #1/3 signal 9 5s
        1s check #1/4 started
        1s check #1/4 timeout 10m
        1s check #1/5 started
        1s check #1/5 broken the checkout failed
        1s check #1/6 started
        1s check #1/6 silent 15m
        1s check #1/7 started
        1s check #1/7 starved 41s
        1s check #1/8 started
        1s check #1/8 starved 41s 1536
        1s check #1/9 started
        1s check #1/9 starved 41s 640
            lamp red: acme/app#7 failed
        1s finished #1
        1s show #1
            #1 failure (Failed in 0s: exit code 127), attempt 1, base main; a Success: Passed in 1h 1m 1s; b Failure: Failed in 0s: exit code 127; c Failure: Failed in 5s: signal 11 (SEGV); d Error: Killed after 5s (signal 9, KILL); e Error: Timed out after 10m; f Error: Not run to its end: the checkout failed; g Error: No output for 15m: ended; h Error: Out of memory after 41s; i Error: Out of memory after 41s (limit 1.5 GiB); j Error: Out of memory after 41s (limit 640 MiB)
    "#]]);
}

#[test]
fn error_before_cancelled_before_success() {
    check(expect![[r#"
        with checks=a,b
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 a: pending, Queued; start #1 a, b
            post #1 b: pending, Queued
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        1s check #1/0 started
            post #1 a: pending, Running
        1s check #1/0 passed 1s
            post #1 a: success, Passed in 1s
        1s finished #1 the worker was lost
            lamp red+yellow: acme/app#7 ended with an error; post #1 b: error, the worker was lost
        2s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 a: pending, Queued; start #2 a, b
            post #2 b: pending, Queued
        2s started #2
            lamp blinking yellow: acme/app#8 is running
        2s check #2/0 started
            post #2 a: pending, Running
        2s check #2/0 passed 1s
            post #2 a: success, Passed in 1s
        3s cancel #2 by alice
            stop #2; 200 #2 Cancelled build 2; lamp red+yellow: acme/app#8 was cancelled; post #2 b: error, Cancelled by alice
    "#]]);
}

#[test]
fn one_at_a_time_in_order() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        0s pull acme/app#9 opened 5e6f
            202 #3 Accepted as build 3; lamp yellow: acme/app#9 is queued; post #3 pilotlight: pending, Queued
        1s passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
            start #2 pilotlight
        2s passes #2
            post #2 pilotlight: pending, Running
            post #2 pilotlight: success, Passed in 41s
            start #3 pilotlight
    "#]]);
}

#[test]
fn two_workers_but_one_unit_builds_one_at_a_time() {
    check(expect![[r#"
        with workers=2 repositories=acme/app,acme/lib
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        0s pull acme/lib#1 opened 5e6f
            202 #3 Accepted as build 3; lamp yellow: acme/lib#1 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        0s pull acme/lib#2 opened 7a8b
            202 #4 Accepted as build 4; lamp yellow: acme/lib#2 is queued; post #4 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn strangers_have_a_unit_of_their_own() {
    check(expect![[r#"
        with workers=2 approval=none
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d fork
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        0s pull acme/app#9 opened 5e6f fork
            202 #3 Accepted as build 3; lamp yellow: acme/app#9 is queued; post #3 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn two_workers_without_isolation() {
    check(expect![[r#"
        with workers=2 isolation=none
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        0s pull acme/app#9 opened 5e6f
            202 #3 Accepted as build 3; lamp yellow: acme/app#9 is queued; post #3 pilotlight: pending, Queued
        1s passes #2
            post #2 pilotlight: pending, Running
            post #2 pilotlight: success, Passed in 41s
            start #3 pilotlight
    "#]]);
}

#[test]
fn a_slot_is_taken_until_the_builder_gives_it_back() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        1s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        2s cancel #1 by alice
            stop #1; 200 #1 Cancelled build 1; post #1 pilotlight: error, Cancelled by alice
        30s finished #1
            start #2 pilotlight
    "#]]);
}

#[test]
fn stale_words_change_nothing() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s check #1/0 started
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        2s started #1
        2s check #1/9 started
        2s check #1/0 passed 1s
        3s check #1/0 started
            post #1 pilotlight: pending, Running
        3s check #1/0 exit 1 1s
            lamp red: acme/app#7 failed; post #1 pilotlight: failure, Failed in 1s: exit code 1
        3s check #1/0 passed 1s
        4s finished #1
        5s finished #1 again
        5s started #9
        6s not fetched #1 late
    "#]]);
}

#[test]
fn words_that_make_no_sense_end_the_build_too() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        2s not fetched #1 no such ref
            lamp red+yellow: acme/app#7 ended with an error; post #1 pilotlight: error, Not run to its end: no such ref
        2s redeliver 1
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s started #2
            lamp blinking yellow: acme/app#7 is running
        3s no worker #2 no unit
            lamp red+yellow: acme/app#7 ended with an error; post #2 pilotlight: error, Not run to its end: no unit
    "#]]);
}

#[test]
fn a_check_that_is_configured_no_more_is_skipped() {
    check(expect![[r#"
        with checks=lint,test
        0s pull acme/app#6 opened 0a0b
            202 #1 Accepted as build 1; lamp yellow: acme/app#6 is queued; post #1 lint: pending, Queued; start #1 lint, test
            post #1 test: pending, Queued
        0s pull acme/app#7 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 lint: pending, Queued
            post #2 test: pending, Queued
        1s reload checks=test,doc
            post #2 lint: success, Skipped: this check is no longer configured
            post #2 doc: pending, Queued
        2s passes #1
            post #1 lint: pending, Running
            post #1 lint: success, Passed in 41s
            post #1 test: pending, Running
            post #1 test: success, Passed in 41s
            start #2 test, doc
        3s started #2
            lamp blinking yellow: acme/app#7 is running
        4s show #2
            #2 running, attempt 1, base main; lint Skipped: Skipped: this check is no longer configured; test Queued: Queued; doc Queued: Queued
        5s check #2/1 started
            post #2 test: pending, Running
        5s check #2/1 passed 1s
            post #2 test: success, Passed in 1s
        5s check #2/2 started
            post #2 doc: pending, Running
        5s check #2/2 passed 1s
            lamp green: acme/app#7 passed; post #2 doc: success, Passed in 1s
        5s finished #2
    "#]]);
}

#[test]
fn a_skipped_check_may_come_back() {
    check(expect![[r#"
        with checks=lint,test approval=all
        0s pull acme/app#7 opened 1a2b
            202 #1 Build 1 waits for approval; post #1 lint: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 test: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s reload checks=test
            post #1 lint: success, Skipped: this check is no longer configured
        2s reload checks=lint,test
            post #1 lint: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
    "#]]);
}

#[test]
fn a_repository_that_is_configured_no_more_is_cancelled() {
    check(expect![[r#"
        0s pull acme/app#6 opened 0a0b
            202 #1 Accepted as build 1; lamp yellow: acme/app#6 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#7 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
        1s reload repositories=acme/lib
            lamp dark: No pull request yet; post #2 pilotlight: error, Cancelled: the repository is no longer configured
        2s passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
        3s pull acme/app#7 closed 1a2b
            200 acme/app is not configured here: nothing to build
        4s rebuild acme/app#7
            404 acme/app is not configured here
    "#]]);
}

#[test]
fn a_new_check_has_one_owner() {
    check(expect![[r#"
        0s pull acme/app#6 opened 0a0b
            202 #1 Accepted as build 1; lamp yellow: acme/app#6 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#7 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
        0s pull acme/app#8 opened 1a2b
            202 #3 Accepted as build 3; lamp yellow: acme/app#8 is queued; post #3 pilotlight: pending, Queued
        1s reload checks=pilotlight,lint
            post #3 lint: pending, Queued
        2s show #2
            #2 queued, attempt 0, base main; pilotlight Queued: Queued [not its status]; lint Queued: Queued [not its status]
        2s show #3
            #3 queued, attempt 0, base main; pilotlight Queued: Queued; lint Queued: Queued
    "#]]);
}

/// What strangers fill is not the team's queue, and a full one still takes the push that supersedes.
#[test]
fn a_full_queue_says_so_and_keeps_nothing_of_what_it_refused() {
    let open = |number: usize, fork: &str| format!("pull acme/app#{number} opened {number} {fork}\n");
    let strangers: String = (1..=QUEUED_BUILDS_MAX + 1).map(|n| open(n, "fork")).collect();
    let team: String = (2001..=2000 + QUEUED_BUILDS_MAX + 1).map(|n| open(n, "")).collect();
    let after = "2s passes #1001\n3s pull acme/app#2002 synchronize abc before=2002\n4s redeliver 2002\n";
    let came = play(&format!("{strangers}{team}{after}"));
    let answered = |code: &str| came.lines().filter(|l| l.contains(code)).count();
    assert_eq!((answered("202 #"), answered("503 The queue is full")), (2 * QUEUED_BUILDS_MAX + 2, 2));
    assert_eq!(
        (answered("202 #2001 Accepted"), answered("202 #2002 Accepted")),
        (1, 1),
        "the push, and the refused one"
    );
}
