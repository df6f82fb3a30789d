//! Of several pull requests with one head, whose build speaks.

use expect_test::expect;

use super::scenario::check;

#[test]
fn of_two_pull_requests_with_one_sha_the_newest_accepted_speaks() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s passes #1
            start #2 pilotlight
        2s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn a_stranger_with_the_teams_sha_takes_no_status_away() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s pull acme/app#8 opened 1a2b fork
            202 #2 Build 2 waits for approval
        3s show #2
            #2 waiting_for_approval (Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#8 SHA)), attempt 0, base main; pilotlight Queued: Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#8 SHA) [not its status]
        4s approve acme/app#8
            200 #2 Approved 1a2b000000000000000000000000000000000000 of acme/app#8 (Make it shine): build 2 is queued; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        5s fails #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp red: acme/app#8 failed; post #2 pilotlight: failure, Failed in 41s: exit code 1
    "#]]);
}

/// Build 2 told "Queued", then build 3 spoke about the same sha.
#[test]
fn who_gets_the_word_back_says_its_own_again() {
    check(expect![[r#"
        0s pull acme/app#6 opened 0a0b
            202 #1 Accepted as build 1; lamp yellow: acme/app#6 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#7 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
        0s pull acme/app#8 opened 1a2b
            202 #3 Accepted as build 3; lamp yellow: acme/app#8 is queued; post #3 pilotlight: pending, Queued
        1s reload approval=all
            lamp yellow: acme/app#6 is queued; post #3 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#8 SHA)
        2s approve acme/app#7
            200 #2 Approved 1a2b000000000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn who_waits_again_gives_the_word_back() {
    check(expect![[r#"
        with workers=2 isolation=none approval=none
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s reload isolation=systemd workers=1
        3s pull acme/app#6 opened 0a0b
            202 #2 Accepted as build 2; lamp yellow: acme/app#6 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s pull acme/app#8 opened 1a2b fork
            202 #3 Accepted as build 3; lamp yellow: acme/app#8 is queued; post #3 pilotlight: pending, Queued
        4s reload approval=forks
            lamp yellow: acme/app#6 is queued; post #1 pilotlight: success, Passed in 41s
    "#]]);
}

/// Build 3 has the higher id, and build 2 was let in after it.
#[test]
fn who_waits_again_gives_the_word_to_the_one_let_in_last() {
    check(expect![[r#"
        0s pull acme/app#5 opened 0a0b
            202 #1 Accepted as build 1; lamp yellow: acme/app#5 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#6 opened 1a2b fork
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#6 SHA)
        1s pull acme/app#7 opened 1a2b
            202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued
        2s approve acme/app#6
            200 #2 Approved 1a2b000000000000000000000000000000000000 of acme/app#6 (Make it shine): build 2 is queued; lamp yellow: acme/app#6 is queued; post #2 pilotlight: pending, Queued
        3s reload approval=none
        4s pull acme/app#8 opened 1a2b fork
            202 #4 Accepted as build 4; lamp yellow: acme/app#8 is queued; post #4 pilotlight: pending, Queued
        5s reload approval=forks
            lamp yellow: acme/app#6 is queued; post #2 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn who_is_closed_or_moves_on_gives_the_word_to_another_with_that_head() {
    check(expect![[r#"
        0s pull acme/app#5 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#5 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#6 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#6 is queued; post #2 pilotlight: pending, Queued
        2s pull acme/app#6 closed 1a2b
            200 #2 Closed: cancelled build 2; lamp yellow: acme/app#5 is queued; post #1 pilotlight: pending, Queued
        3s passes #1
            lamp blinking yellow: acme/app#5 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#5 passed; post #1 pilotlight: success, Passed in 41s
        4s pull acme/app#7 opened 1a2b
            202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        5s pull acme/app#7 synchronize 3c4d before=1a2b
            stop #3; 202 #4 Accepted as build 4; post #1 pilotlight: success, Passed in 41s
            post #4 pilotlight: pending, Queued
        6s fails #4
    "#]]);
}

/// The newest result of the sha is that of a pull request which has moved on since.
#[test]
fn nor_does_a_stranger_take_the_result_of_an_older_pull_request_away() {
    check(expect![[r#"
        0s pull acme/app#5 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#5 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#5 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#5 passed; post #1 pilotlight: success, Passed in 41s
        2s pull acme/app#6 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#6 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s passes #2
            lamp blinking yellow: acme/app#6 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#6 passed; post #2 pilotlight: success, Passed in 41s
        4s pull acme/app#6 synchronize 3c4d before=1a2b
            202 #3 Accepted as build 3; lamp yellow: acme/app#6 is queued; post #1 pilotlight: success, Passed in 41s; start #3 pilotlight
            post #3 pilotlight: pending, Queued
        5s pull acme/app#7 opened 1a2b fork
            202 #4 Build 4 waits for approval
    "#]]);
}
