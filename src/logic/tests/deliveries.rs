//! What deliveries lead to, and how they are answered.

use expect_test::expect;

use super::scenario::check;

#[test]
fn a_pull_request_passes() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2s started #1
            lamp blinking yellow: acme/app#7 is running
        2s check #1/0 started
            post #1 pilotlight: pending, Running
        194s check #1/0 passed 3m12s
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 3m 12s
        194s finished #1
        200s show #1
            #1 success, attempt 1, base main; pilotlight Success: Passed in 3m 12s
    "#]]);
}

#[test]
fn what_builds_and_what_does_not() {
    check(expect![[r#"
        0s event ping
            200 Well, it worked!
        0s event push
            200 Understood push: nothing to build
        0s pull acme/other#1 opened 1a2b
            200 acme/other is not configured here: nothing to build
        0s pull acme/app#7 labeled 1a2b
            200 Understood pull_request labeled: nothing to build
        1s pull Acme/App#7 ready_for_review 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2s pull acme/app#7 edited 1a2b
            200 Understood pull_request edited: nothing to build
        3s pull acme/app#8 edited 3c4d state=closed base=main
            200 The pull request is closed: nothing to build
    "#]]);
}

#[test]
fn a_push_supersedes_what_waits_and_what_runs() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s started #1
        2s pull acme/app#7 synchronize 1a2c before=1a2b
            stop #1; 202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 1a2c000
        3s pull acme/app#8 synchronize 3c4e before=3c4d
            202 #4 Accepted as build 4; lamp yellow: acme/app#8 is queued; post #4 pilotlight: pending, Queued
            post #2 pilotlight: error, Superseded by 3c4e000
        4s finished #1
            start #3 pilotlight
        5s passes #3
            post #3 pilotlight: pending, Running
            post #3 pilotlight: success, Passed in 41s
            start #4 pilotlight
        6s passes #4
            lamp blinking yellow: acme/app#8 is running
            post #4 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #4 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn closing_cancels_and_reopening_builds() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        2s pull acme/app#7 closed 1a2b
            stop #1; 200 #1 Closed: cancelled build 1; lamp dark: No pull request yet; post #1 pilotlight: error, Cancelled: the pull request was closed
        3s finished #1 stopped
        4s pull acme/app#7 closed 1a2b
            200 Closed: nothing waited or ran
        5s pull acme/app#7 reopened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn a_redelivery_joins_what_has_not_ended() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s redeliver 1
            202 #1 Joined build 1, which has not ended yet
        2s started #1
            lamp blinking yellow: acme/app#7 is running
        3s redeliver 1
            202 #1 Joined build 1, which has not ended yet
    "#]]);
}

#[test]
fn a_redelivery_builds_again_what_has_ended() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s redeliver 1
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #2 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn a_redelivery_of_an_old_head_or_a_closed_pull_request_changes_nothing() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#7 synchronize 1a2c before=1a2b
            stop #1; 202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 1a2c000
        2s redeliver 1
            200 Older than what is known of this pull request: nothing changed
        3s pull acme/app#7 closed 1a2c
            200 #2 Closed: cancelled build 2; lamp dark: No pull request yet; post #2 pilotlight: error, Cancelled: the pull request was closed
        4s redeliver 2
            200 Older than what is known of this pull request: nothing changed
        5s redeliver 3
            200 Older than what is known of this pull request: nothing changed
    "#]]);
}

#[test]
fn a_redelivery_of_closed_in_the_second_of_reopened_changes_nothing() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#7 closed 1a2b at=5
            stop #1; 200 #1 Closed: cancelled build 1; lamp dark: No pull request yet; post #1 pilotlight: error, Cancelled: the pull request was closed
        2s pull acme/app#7 reopened 1a2b at=5
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
        3s redeliver 2
            200 Older than what is known of this pull request: nothing changed
    "#]]);
}

#[test]
fn a_second_hook_is_told_so_and_may_redeliver() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s redeliver 1 hook=2
            200 Already known from hook 1
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s redeliver 1 hook=2
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s redeliver 1
            202 #2 Joined build 2, which has not ended yet
    "#]]);
}

#[test]
fn late_payloads_change_nothing() {
    check(expect![[r#"
        0s pull acme/app#7 synchronize 1a2c before=1a2b at=9
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#7 opened 1a2b at=3
            200 Older than what is known of this pull request: nothing changed
        2s pull acme/app#7 closed 1a2c at=20
            stop #1; 200 #1 Closed: cancelled build 1; lamp dark: No pull request yet; post #1 pilotlight: error, Cancelled: the pull request was closed
        3s pull acme/app#7 reopened 1a2c at=15
            200 Older than what is known of this pull request: nothing changed
        4s pull acme/app#9 closed 5e6f at=30
            200 Closed: nothing waited or ran
        5s pull acme/app#9 opened 5e6f at=29
            200 Older than what is known of this pull request: nothing changed
    "#]]);
}

#[test]
fn late_payloads_of_the_same_second_change_nothing() {
    check(expect![[r#"
        0s pull acme/app#7 synchronize 1a2c before=1a2b at=9
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#7 opened 1a2b at=9
            200 Older than what is known of this pull request: nothing changed
        2s pull acme/app#7 ready_for_review 1a2b at=9
            200 Older than what is known of this pull request: nothing changed
        3s pull acme/app#8 closed 3c4d at=9
            200 Closed: nothing waited or ran
        4s pull acme/app#8 opened 3c4d at=9
            200 Older than what is known of this pull request: nothing changed
    "#]]);
}

#[test]
fn a_push_back_in_the_same_second_counts() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b at=1
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#7 synchronize 1a2c before=1a2b at=9
            stop #1; 202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 1a2c000
        2s pull acme/app#7 synchronize 1a2b before=1a2c at=9
            202 #3 Accepted as build 3; post #3 pilotlight: pending, Queued
            post #2 pilotlight: error, Superseded by 1a2b000
        3s redeliver 2
            200 Older than what is known of this pull request: nothing changed
    "#]]);
}

#[test]
fn a_new_base_is_built() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s pull acme/app#7 edited 1a2b base=next
            stop #1; 202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued
        2s show #1
            #1 cancelled (Superseded: the base is now next), attempt 0, base main; pilotlight Cancelled: Superseded: the base is now next [not its status]
        3s finished #1
            start #2 pilotlight
        3s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #2 pilotlight: success, Passed in 41s
        4s pull acme/app#7 edited 1a2b base=main
            202 #3 Accepted as build 3; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
    "#]]);
}

#[test]
fn a_new_base_changes_what_still_waits() {
    check(expect![[r#"
        0s pull acme/app#6 opened 0a0b
            202 #1 Accepted as build 1; lamp yellow: acme/app#6 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#7 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
        1s pull acme/app#7 edited 1a2b base=next
            202 #2 Joined build 2, which has not ended yet
        2s show #2
            #2 queued, attempt 0, base next; pilotlight Queued: Queued
    "#]]);
}

#[test]
fn a_name_in_other_case_is_the_same_repository_after_a_reload_too() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s reload repositories=Acme/App
        2s pull Acme/App#7 closed 1a2b
            stop #1; 200 #1 Closed: cancelled build 1; lamp dark: No pull request yet; post #1 pilotlight: error, Cancelled: the pull request was closed
    "#]]);
}
