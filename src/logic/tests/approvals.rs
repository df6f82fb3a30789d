//! Whose code may run, and whose word lets it.

use expect_test::expect;

use super::scenario::check;

#[test]
fn a_fork_waits_for_a_word() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        5s approve acme/app#7
            200 #1 Approved 1a2b000000000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        6s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn a_fork_never_runs_without_isolation() {
    check(expect![[r#"
        with isolation=none
        0s pull acme/app#7 opened 1a2b fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: forks never run here (isolation = "none")
        1s approve acme/app#7
            409 acme/app#7 comes from a fork, and forks never run with isolation = "none": set isolation = "systemd" to build it
        2s rebuild acme/app#7
            202 #1 Joined build 1, which has not ended yet
        3s reload approval=none
        4s pull acme/app#8 opened 3c4d deleted-fork
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: forks never run here (isolation = "none")
    "#]]);
}

#[test]
fn an_approval_is_for_the_head_that_was_seen() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s approve acme/app#7 1a2b3c
            409 Another head of acme/app#7 may have been meant: look at the newest, then `pilotlight approve acme/app#7 1a2b3c4d00000000000000000000000000000000`
        2s approve acme/app#7 1a2b3c4e
            409 The head of acme/app#7 is 1a2b3c4, not that: look at it, then approve it
        3s approve acme/app#7 1A2B3C4D…
            200 #1 Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        4s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d fork
            stop #1; 202 #2 Build 2 waits for approval; lamp dark: No pull request yet; post #2 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 5e6f7a8
        5s approve acme/app#7 1a2b3c4d
            409 The head of acme/app#7 is 5e6f7a8, not that: look at it, then approve it
        6s approve acme/app#7 5e6f7a8b…
            200 #2 Approved 5e6f7a8b00000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn an_approved_head_is_built_again_without_asking() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s approve acme/app#7
            200 #1 Approved 1a2b000000000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        3s rebuild acme/app#7
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn nothing_to_approve() {
    check(expect![[r#"
        0s approve acme/other#1
            404 acme/other is not configured here
        0s approve acme/app#7
            404 No pull request acme/app#7 is known
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s approve acme/app#7
            409 Nothing of acme/app#7 waits for approval
        2s pull acme/app#7 closed 1a2b
            stop #1; 200 #1 Closed: cancelled build 1; lamp dark: No pull request yet; post #1 pilotlight: error, Cancelled: the pull request was closed
        3s approve acme/app#7
            409 acme/app#7 is closed
    "#]]);
}

#[test]
fn approval_none_asks_nobody() {
    check(expect![[r#"
        with approval=none
        0s pull acme/app#7 opened 1a2b fork
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
    "#]]);
}

#[test]
fn approval_all_asks_about_the_team_too() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s approve acme/app#7
            200 #1 Approved 1a2b000000000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
    "#]]);
}

#[test]
fn commands_on_what_is_not_there() {
    check(expect![[r#"
        0s rebuild acme/app#7
            404 No pull request acme/app#7 is known
        0s cancel #1 by alice
            404 No build 1 waits or runs
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s rebuild acme/app#7 3c4d
            409 The head of acme/app#7 is now 1a2b000: `rebuild acme/app#7` builds that one
        2s rebuild acme/app#7 1a2b
            202 #1 Joined build 1, which has not ended yet
        3s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        4s cancel #1 by alice
            409 Build 1 has ended: success
    "#]]);
}

#[test]
fn what_failed_before_a_person_cancels_is_a_failure() {
    check(expect![[r#"
        with checks=lint,test
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 lint: pending, Queued; start #1 lint, test
            post #1 test: pending, Queued
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        1s check #1/0 started
            post #1 lint: pending, Running
        2s check #1/0 exit 1 1s
            post #1 lint: failure, Failed in 1s: exit code 1
        3s cancel #1 by alice
            stop #1; 200 #1 Cancelled build 1; lamp red: acme/app#7 failed; post #1 test: error, Cancelled by alice
        4s show #1
            #1 failure (Cancelled by alice), attempt 1, base main; lint Failure: Failed in 1s: exit code 1; test Cancelled: Cancelled by alice
    "#]]);
}

#[test]
fn a_person_cancels() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        2s cancel #1 by alice
            stop #1; 200 #1 Cancelled build 1; lamp red+yellow: acme/app#7 was cancelled; post #1 pilotlight: error, Cancelled by alice
        3s finished #1
        4s show #1
            #1 cancelled (Cancelled by alice), attempt 1, base main; pilotlight Cancelled: Cancelled by alice
    "#]]);
}

#[test]
fn a_refused_stranger_is_no_news_for_the_lamp() {
    check(expect![[r#"
        0s pull acme/app#6 opened 0a0b
            202 #1 Accepted as build 1; lamp yellow: acme/app#6 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#6 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#6 passed; post #1 pilotlight: success, Passed in 41s
        2s pull acme/app#7 opened 1a2b fork
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        3s cancel #2 by alice
            200 #2 Cancelled build 2; post #2 pilotlight: error, Cancelled by alice
        4s pull acme/app#7 closed 1a2b fork
            200 Closed: nothing waited or ran
        5s pull acme/app#6 closed 0a0b
            200 Closed: nothing waited or ran
    "#]]);
}

#[test]
fn a_second_try_of_the_same_fork_is_told_what_it_waits_for() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s pull acme/app#7 closed 1a2b fork
            200 #1 Closed: cancelled build 1; post #1 pilotlight: error, Cancelled: the pull request was closed
        2s pull acme/app#8 opened 1a2b fork
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#8 SHA)
    "#]]);
}

#[test]
fn a_reload_fits_what_waits_to_the_new_trust() {
    check(expect![[r#"
        0s pull acme/app#6 opened 0a0b
            202 #1 Accepted as build 1; lamp yellow: acme/app#6 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#7 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
        2s reload approval=all
            lamp yellow: acme/app#6 is queued; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        3s reload approval=forks
            lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn what_comes_back_from_the_builder_is_fitted_too() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s reload approval=all
        2s not fetched #1 no such ref
            lamp dark: No pull request yet; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        3s approve acme/app#7
            200 #1 Approved 1a2b000000000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        4s reload repositories=acme/lib
            lamp dark: No pull request yet
        5s no worker #1 no unit
            post #1 pilotlight: error, Cancelled: the repository is no longer configured
    "#]]);
}

#[test]
fn strangers_get_no_secrets_even_when_approved() {
    check(expect![[r#"
        with secrets=NPM_TOKEN
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight knowing NPM_TOKEN
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s pull acme/app#8 opened 3c4d fork
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 3c4d000000000000000000000000000000000000 (or pilotlight approve acme/app#8 SHA)
        3s approve acme/app#8
            200 #2 Approved 3c4d000000000000000000000000000000000000 of acme/app#8 (Make it shine): build 2 is queued; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        4s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        5s pull acme/app#9 opened 5e6f deleted-fork
            202 #3 Build 3 waits for approval; post #3 pilotlight: pending, Waiting for approval: comment /approve 5e6f000000000000000000000000000000000000 (or pilotlight approve acme/app#9 SHA)
        6s approve acme/app#9
            200 #3 Approved 5e6f000000000000000000000000000000000000 of acme/app#9 (Make it shine): build 3 is queued; lamp yellow: acme/app#9 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        7s passes #3
            lamp blinking yellow: acme/app#9 is running
            post #3 pilotlight: pending, Running
            lamp green: acme/app#9 passed; post #3 pilotlight: success, Passed in 41s
        8s reload secrets=OTHER
        9s rebuild acme/app#7
            202 #4 Accepted as build 4; lamp yellow: acme/app#7 is queued; post #4 pilotlight: pending, Queued; start #4 pilotlight knowing OTHER
    "#]]);
}
