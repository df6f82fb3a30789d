//! What a head says of itself: that it wants no build, and its checks. And that it can't be merged.

use expect_test::expect;

use super::scenario::check;

#[test]
fn a_head_that_says_so_is_not_built() {
    check(expect![[r#"
        with skip=on checks=lint,test
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 lint: pending, Queued; start #1 lint, test
            post #1 test: pending, Queued
        1s skipped #1
            lamp green: acme/app#7 passed; post #1 lint: success, Skipped: [skip ci]
            post #1 test: success, Skipped: [skip ci]
        1s show #1
            #1 success (Skipped: [skip ci]), attempt 0, base main; lint Skipped: Skipped: [skip ci]; test Skipped: Skipped: [skip ci]
    "#]]);
}

#[test]
fn a_stranger_has_no_say_in_it() {
    check(expect![[r#"
        with skip=on
        0s pull acme/app#7 opened 1a2b fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s approve acme/app#7 1a2b0000
            200 #1 Approved 1a2b000000000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2s skipped #1
            start #1 pilotlight
        3s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn nor_a_head_where_the_box_does_not_let_it() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s skipped #1
            start #1 pilotlight
        2s reload skip=on
        3s skipped #1
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Skipped: [skip ci]
    "#]]);
}

#[test]
fn a_person_has_it_built_all_the_same() {
    check(expect![[r#"
        with skip=on
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s skipped #1
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Skipped: [skip ci]
        2s rebuild acme/app#7
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        2s crash
            lamp yellow: acme/app#7 is queued; start #2 pilotlight
        3s skipped #2
            start #2 pilotlight
        4s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #2 pilotlight: success, Passed in 41s
        5s pull acme/app#7 synchronize 3c4d
            202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        6s redeliver 2
            202 #3 Joined build 3, which has not ended yet
        7s skipped #3
            start #3 pilotlight
        8s passes #3
            lamp blinking yellow: acme/app#7 is running
            post #3 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #3 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn the_head_names_its_checks() {
    check(expect![[r#"
        with source=repository
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        1s named #1 lint,test
            post #1 pilotlight: success, Skipped: .pilotlight.toml names other checks; start #1 lint, test
            post #1 lint: pending, Queued
            post #1 test: pending, Queued
        2s started #1
            lamp blinking yellow: acme/app#7 is running
        3s check #1/1 started
            post #1 lint: pending, Running
        4s check #1/1 passed 1s
            post #1 lint: success, Passed in 1s
        5s check #1/2 started
            post #1 test: pending, Running
        6s check #1/2 exit 2 1s
            lamp red: acme/app#7 failed; post #1 test: failure, Failed in 1s: exit code 2
        7s finished #1
        7s show #1
            #1 failure (Failed in 1s: exit code 2), attempt 1, base main; pilotlight Skipped: Skipped: .pilotlight.toml names other checks; lint Success: Passed in 1s; test Failure: Failed in 1s: exit code 2
    "#]]);
}

#[test]
fn without_a_file_the_usual_check_runs() {
    check(expect![[r#"
        with source=repository
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        1s named #1
            start #1 pilotlight
        2s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn the_usual_context_may_be_among_those_named() {
    check(expect![[r#"
        with source=repository
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        1s named #1 test,Pilotlight
            post #1 test: pending, Queued; start #1 Pilotlight, test
        2s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
            post #1 test: pending, Running
            lamp green: acme/app#7 passed; post #1 test: success, Passed in 41s
        2s show #1
            #1 success, attempt 1, base main; pilotlight Success: Passed in 41s; test Success: Passed in 41s
    "#]]);
}

#[test]
fn a_wrong_file_is_a_failure() {
    check(expect![[r#"
        with source=repository
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        1s named #1 wrong .pilotlight.toml line 3, column 1: unknown key `rum`: did you mean `run`?
            lamp red: acme/app#7 failed; post #1 pilotlight: failure, .pilotlight.toml line 3, column 1: unknown key `rum`: did you mean `run`?
        1s show #1
            #1 failure (.pilotlight.toml line 3, column 1: unknown key `rum`: did you mean `run`?), attempt 0, base main; pilotlight Failure: .pilotlight.toml line 3, column 1: unknown key `rum`: did you mean `run`?
        2s pull acme/app#7 synchronize 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; read #2
        3s named #2 test
            post #2 pilotlight: success, Skipped: .pilotlight.toml names other checks; start #2 test
            post #2 test: pending, Queued
        4s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 test: pending, Running
            lamp green: acme/app#7 passed; post #2 test: success, Passed in 41s
    "#]]);
}

#[test]
fn an_interrupted_build_is_read_again() {
    check(expect![[r#"
        with source=repository
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        1s named #1 lint,test
            post #1 pilotlight: success, Skipped: .pilotlight.toml names other checks; start #1 lint, test
            post #1 lint: pending, Queued
            post #1 test: pending, Queued
        2s started #1
            lamp blinking yellow: acme/app#7 is running
        3s check #1/1 started
            post #1 lint: pending, Running
        4s crash
            lamp yellow: acme/app#7 is queued; post #1 lint: pending, Queued again after an interruption; read #1
            post #1 test: pending, Queued again after an interruption
        5s named #1 lint,test
            start #1 lint, test
        6s passes #1
            lamp blinking yellow: acme/app#7 is running; post #1 lint: pending, Queued
            post #1 test: pending, Queued
            post #1 lint: pending, Running
            post #1 lint: success, Passed in 41s
            post #1 test: pending, Running
            lamp green: acme/app#7 passed; post #1 test: success, Passed in 41s
        6s show #1
            #1 success, attempt 2, base main; pilotlight Skipped: Skipped: .pilotlight.toml names other checks; lint Success: Passed in 41s; test Success: Passed in 41s
    "#]]);
}

#[test]
fn a_stop_between_reading_and_building_loses_nothing() {
    check(expect![[r#"
        with source=repository
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        1s named #1 lint
            post #1 pilotlight: success, Skipped: .pilotlight.toml names other checks; start #1 lint
            post #1 lint: pending, Queued
        2s no worker #1 no unit
            lamp red+yellow: Can't tell: builds can't run: no unit
        3s reload source=repository
            lamp yellow: acme/app#7 is queued
        (12s)
            read #1
        15s named #1 lint
            start #1 lint
        16s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 lint: pending, Running
            lamp green: acme/app#7 passed; post #1 lint: success, Passed in 41s
    "#]]);
}

#[test]
fn a_push_while_it_is_read() {
    check(expect![[r#"
        with source=repository
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        1s pull acme/app#7 synchronize 3c4d
            stop #1; 202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 3c4d000
        2s named #1 lint
            read #2
        3s finished #1
        4s named #2 lint
            post #2 pilotlight: success, Skipped: .pilotlight.toml names other checks; start #2 lint
            post #2 lint: pending, Queued
        5s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 lint: pending, Running
            lamp green: acme/app#7 passed; post #2 lint: success, Passed in 41s
    "#]]);
}

#[test]
fn the_box_takes_the_checks_back_and_gives_them_away_again() {
    check(expect![[r#"
        with source=repository
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s reload checks=lint source=box
            post #2 pilotlight: success, Skipped: this check is no longer configured
            post #2 lint: pending, Queued
        2s named #1 test
            post #1 pilotlight: success, Skipped: this check is no longer configured; start #1 lint
            post #1 lint: pending, Queued
        3s passes #1
            post #1 lint: pending, Running
            post #1 lint: success, Passed in 41s
            start #2 lint
        4s reload source=repository
        5s named #2 test
            post #2 lint: success, Skipped: .pilotlight.toml names other checks; start #2 test
            post #2 test: pending, Queued
        6s started #2
            lamp blinking yellow: acme/app#8 is running
        6s check #2/2 started
            post #2 test: pending, Running
        6s check #2/2 passed 1s
            lamp green: acme/app#8 passed; post #2 test: success, Passed in 1s
        6s show #2
            #2 success, attempt 1, base main; pilotlight Skipped: Skipped: this check is no longer configured; lint Skipped: Skipped: .pilotlight.toml names other checks; test Success: Passed in 1s
    "#]]);
}

#[test]
fn one_head_of_two_pull_requests_has_one_speaker_for_each_context() {
    check(expect![[r#"
        with source=repository workers=2
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        1s named #1 lint
            post #1 pilotlight: success, Skipped: .pilotlight.toml names other checks; start #1 lint
            post #1 lint: pending, Queued
        2s started #1
            lamp blinking yellow: acme/app#7 is running
        3s pull acme/app#8 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        4s named #2 lint
        5s check #1/1 started
            post #1 lint: pending, Running
        5s check #1/1 exit 1 1s
            post #1 lint: failure, Failed in 1s: exit code 1
        6s passes #2
        6s show #1
            #1 failure (Failed in 1s: exit code 1), attempt 1, base main; pilotlight Skipped: Skipped: .pilotlight.toml names other checks [not its status]; lint Failure: Failed in 1s: exit code 1
        6s show #2
            #2 queued, attempt 0, base main; pilotlight Queued: Queued
    "#]]);
}

#[test]
fn what_github_shows_is_mended_for_contexts_of_the_head_too() {
    check(expect![[r#"
        with source=repository
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; read #1
        1s named #1 lint
            post #1 pilotlight: success, Skipped: .pilotlight.toml names other checks; start #1 lint
            post #1 lint: pending, Queued
        2s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 lint: pending, Running
            lamp green: acme/app#7 passed; post #1 lint: success, Passed in 41s
        3s shown 1a2b lint pending Running
        4s crash
            lamp green: acme/app#7 passed
            post #1 pilotlight: success, Skipped: .pilotlight.toml names other checks
            post #1 lint: success, Passed in 41s
        5s wait
    "#]]);
}

#[test]
fn a_conflict_is_a_failure_and_says_what_to_do() {
    check(expect![[r#"
        with checks=lint,test
        0s pull acme/app#7 opened 1a2b base=stable
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 lint: pending, Queued; start #1 lint, test
            post #1 test: pending, Queued
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        2s conflict #1
            lamp red: acme/app#7 failed; post #1 lint: failure, Conflict with stable: merge or rebase it
            post #1 test: failure, Conflict with stable: merge or rebase it
        2s show #1
            #1 failure (Conflict with stable: merge or rebase it), attempt 1, base stable; lint Failure: Conflict with stable: merge or rebase it; test Failure: Conflict with stable: merge or rebase it
        3s rebuild acme/app#7
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 lint: pending, Queued; start #2 lint, test
            post #2 test: pending, Queued
        4s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 lint: pending, Running
            post #2 lint: success, Passed in 41s
            post #2 test: pending, Running
            lamp green: acme/app#7 passed; post #2 test: success, Passed in 41s
    "#]]);
}

#[test]
fn words_out_of_place_end_a_running_build() {
    check(expect![[r#"
        with source=repository skip=on checks=test
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 test: pending, Queued; read #1
        1s reload source=box
        2s started #1
            lamp blinking yellow: acme/app#7 is running
        3s named #1 lint
            lamp red+yellow: acme/app#7 ended with an error; post #1 test: error, Not run to its end: the worker left it out
        3s show #1
            #1 error (Not run to its end: the worker left it out), attempt 1, base main; test Error: Not run to its end: the worker left it out
        4s rebuild acme/app#7
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 test: pending, Queued; start #2 test
        5s started #2
            lamp blinking yellow: acme/app#7 is running
        6s skipped #2
            lamp red+yellow: acme/app#7 ended with an error; post #2 test: error, Not run to its end: the worker left it out
        6s show #2
            #2 error (Not run to its end: the worker left it out), attempt 1, base main; test Error: Not run to its end: the worker left it out
    "#]]);
}
