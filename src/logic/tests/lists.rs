//! Lists of open pull requests against what is known.

use expect_test::expect;

use super::scenario::check;

#[test]
fn a_new_head_in_the_list_supersedes() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        50s listed acme/app #7:3c4d
        (1m)
            stop #1; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 3c4d000
        60s wait
        61s finished #1 stopped
            start #2 pilotlight
        62s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #2 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn what_was_closed_while_nobody_heard_is_cancelled() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s started #1
        50s listed acme/app #8:3c4d@0
        (1m)
            stop #1; post #1 pilotlight: error, Cancelled: the pull request was closed
        60s wait
        61s finished #1 stopped
            start #2 pilotlight
        62s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        110s listed acme/app
        120s wait
    "#]]);
}

#[test]
fn what_was_reopened_is_built_unless_it_has_ended() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
            start #2 pilotlight
        2s pull acme/app#7 closed 1a2b
            200 Closed: nothing waited or ran
        2s pull acme/app#8 closed 3c4d
            stop #2; 200 #2 Closed: cancelled build 2; lamp green: acme/app#7 passed; post #2 pilotlight: error, Cancelled: the pull request was closed
        50s listed acme/app #7:1a2b #8:3c4d
        (1m)
            lamp yellow: acme/app#8 is queued; post #3 pilotlight: pending, Queued
        60s finished #2 stopped
            start #3 pilotlight
        110s passes #3
            lamp blinking yellow: acme/app#8 is running
            post #3 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #3 pilotlight: success, Passed in 41s
        2m wait
        3m wait
    "#]]);
}

#[test]
fn a_list_older_than_a_delivery_changes_nothing() {
    check(expect![[r#"
        listed acme/app #7:1a2b #9:5e6f
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#9 opened 5e6f
            202 #2 Accepted as build 2; lamp yellow: acme/app#9 is queued; post #2 pilotlight: pending, Queued
        59s asks hang
        60s wait
        61s pull acme/app#7 synchronize 3c4d
            stop #1; 202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 3c4d000
        61s pull acme/app#8 opened 7a8b
            202 #4 Accepted as build 4; lamp yellow: acme/app#8 is queued; post #4 pilotlight: pending, Queued
        61s pull acme/app#9 closed 5e6f
            200 #2 Closed: cancelled build 2; post #2 pilotlight: error, Cancelled: the pull request was closed
        62s asks work
        70s listed acme/app #7:3c4d@61 #8:7a8b@61
        5m wait
    "#]]);
}

#[test]
fn a_list_that_a_copy_of_github_answers_too_early_cancels_nothing() {
    check(expect![[r#"
        listed acme/app
        59s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        60s wait
        61s started #1
            lamp blinking yellow: acme/app#7 is running
        (2m)
            stop #1; lamp dark: No pull request yet; post #1 pilotlight: error, Cancelled: the pull request was closed
        2m wait
    "#]]);
}

#[test]
fn a_list_that_stays_the_same_still_counts_against_a_late_delivery() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        50s listed acme/app #7:5e6f
        (1m)
            stop #1; post #2 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 5e6f000
        60s wait
        61s pull acme/app#7 synchronize 3c4d at=50 before=1a2b
            202 #3 Accepted as build 3; post #3 pilotlight: pending, Queued
            post #2 pilotlight: error, Superseded by 3c4d000
        (2m)
            post #4 pilotlight: pending, Queued
            post #3 pilotlight: error, Superseded by 5e6f000
        2m wait
        3m wait
    "#]]);
}
