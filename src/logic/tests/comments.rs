//! Words in comments: whose count, and what they do.

use expect_test::expect;

use super::scenario::check;
use crate::logic::wording;

#[test]
fn the_team_approves_in_a_comment() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        5s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4 of acme/app#7: build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        6s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn a_strangers_words_are_no_use() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        5s comment acme/app#7 by mallory /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by mallory: it counts if GitHub says that mallory may write there
            log: /approve 1a2b3c4 by mallory on acme/app#7: GitHub does not say that they may write there
        6s comment acme/app#7 by mallory /test
            200 Understood /test by mallory: it counts if GitHub says that mallory may write there; log: /test by mallory on acme/app#7: GitHub does not say that they may write there
        7s comment acme/app#7 by mallory /cancel
            200 Understood /cancel by mallory: it counts if GitHub says that mallory may write there; log: /cancel by mallory on acme/app#7: GitHub does not say that they may write there
    "#]]);
}

#[test]
fn what_github_says_of_a_person_is_believed_for_minutes() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        0s asks shown
        0s comment acme/app#7 by mallory /test
            200 Understood /test by mallory: it counts if GitHub says that mallory may write there; may mallory write?
            log: /test by mallory on acme/app#7: GitHub does not say that they may write there
        1s comment acme/app#7 by mallory /cancel
            200 Understood /cancel by mallory: it counts if GitHub says that mallory may write there; log: /cancel by mallory on acme/app#7: GitHub does not say that they may write there
        (1m)
            list of acme/app?
        (2m)
            list of acme/app?
        (3m)
            list of acme/app?
        (4m)
            list of acme/app?
        (5m)
            list of acme/app?
        301s comment acme/app#7 by mallory /cancel
            200 Understood /cancel by mallory: it counts if GitHub says that mallory may write there; may mallory write?
            log: /cancel by mallory on acme/app#7: GitHub does not say that they may write there
    "#]]);
}

#[test]
fn a_push_between_reading_and_comment_is_not_approved() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 5e6f7a8b0000)
            post #1 pilotlight: error, Superseded by 5e6f7a8
        1s listed acme/app #7:5e6f7a8b@1
        2s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        (32s)
            log: /approve 1a2b3c4 by alice on acme/app#7: it names no head that waits for approval; post #2 pilotlight: pending, Waiting for approval: 1a2b3c4 is not the head: comment /approve 5e6f7a8b00000000000000000000000000000000
        33s wait
        34s comment acme/app#7 by alice /approve 5e6f7a8
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there; log: /approve 5e6f7a8 by alice on acme/app#7: Approved 5e6f7a8 of acme/app#7: build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn a_push_after_the_word_waits_again() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4 of acme/app#7: build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d fork
            stop #1; 202 #2 Build 2 waits for approval; lamp dark: No pull request yet; post #2 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 5e6f7a8b0000)
            post #1 pilotlight: error, Superseded by 5e6f7a8
    "#]]);
}

/// Two commits can be made that begin alike.
#[test]
fn first_digits_are_of_the_head_that_was_there() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s asks hang
        1s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        2s pull acme/app#7 synchronize 1a2b3c4e before=1a2b3c4d
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4e00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4e0000)
            post #1 pilotlight: error, Superseded by 1a2b3c4
        2s listed acme/app #7:1a2b3c4e@2
        3s asks work
        (31s)
            log: /approve 1a2b3c4 by alice on acme/app#7: it names no head that waits for approval; post #2 pilotlight: pending, Waiting for approval: 1a2b3c4 is not the head: comment /approve 1a2b3c4e00000000000000000000000000000000
        40s show #2
            #2 waiting_for_approval (Waiting for approval: 1a2b3c4 is not the head: comment /approve 1a2b3c4e00000000000000000000000000000000), attempt 0, base main; pilotlight Queued: Waiting for approval: 1a2b3c4 is not the head: comment /approve 1a2b3c4e00000000000000000000000000000000
    "#]]);
}

#[test]
fn a_word_that_overtook_its_push_waits_for_it() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s comment acme/app#7 by alice /approve 5e6f7a8
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there
        2s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d fork
            202 #2 Build 2 waits for approval; log: /approve 5e6f7a8 by alice on acme/app#7: Approved 5e6f7a8 of acme/app#7: build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
            post #1 pilotlight: error, Superseded by 5e6f7a8
    "#]]);
}

#[test]
fn a_word_whose_push_never_came_finds_it_in_the_list() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s reload approval=all
        1s listed acme/app #7:5e6f7a8b@1
        1s comment acme/app#7 by alice /approve 5e6f7a8
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there
            stop #1; log: /approve 5e6f7a8 by alice on acme/app#7: Approved 5e6f7a8 of acme/app#7: build 2 is queued; post #2 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 5e6f7a8
        32s wait
    "#]]);
}

#[test]
fn approval_needs_the_head() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s comment acme/app#7 by mallory /approve
            200 Understood /approve by mallory: it counts if GitHub says that mallory may write there
            log: /approve by mallory on acme/app#7: GitHub does not say that they may write there
        2s comment acme/app#7 by alice /approve
            200 Understood /approve by alice: it counts if GitHub says that alice may write there
            log: /approve by alice on acme/app#7: it names no head that waits for approval; post #1 pilotlight: pending, Waiting for approval: name the head in the comment: /approve 1a2b3c4d00000000000000000000000000000000
        3s show #1
            #1 waiting_for_approval (Waiting for approval: name the head in the comment: /approve 1a2b3c4d00000000000000000000000000000000), attempt 0, base main; pilotlight Queued: Waiting for approval: name the head in the comment: /approve 1a2b3c4d00000000000000000000000000000000
        4s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there; log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4 of acme/app#7: build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        5s comment acme/app#7 by alice /approve
            200 Understood /approve by alice: it counts if GitHub says that alice may write there; log: /approve by alice on acme/app#7: it names no head that waits for approval
    "#]]);
}

#[test]
fn nobody_lets_a_fork_in_without_isolation() {
    check(expect![[r#"
        with isolation=none
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: forks never run here (isolation = "none")
        1s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: acme/app#7 comes from a fork, and forks never run with isolation = "none": set isolation = "systemd" to build it
        2s comment acme/app#7 by alice /approve
            200 Understood /approve by alice: it counts if GitHub says that alice may write there; log: /approve by alice on acme/app#7: it names no head that waits for approval
        3s comment acme/app#7 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there; log: /test by alice on acme/app#7: Joined build 1, which has not ended yet
    "#]]);
}

#[test]
fn test_builds_again() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s comment acme/app#7 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there
            log: /test by alice on acme/app#7: Joined build 1, which has not ended yet
        2s fails #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp red: acme/app#7 failed; post #1 pilotlight: failure, Failed in 41s: exit code 1
        3s comment acme/app#7 by bob /test
            200 Understood /test by bob: it counts if GitHub says that bob may write there
            log: /test by bob on acme/app#7: Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn test_is_no_approval() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b00000000)
        1s comment acme/app#7 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there
            log: /test by alice on acme/app#7: Joined build 1, which has not ended yet
    "#]]);
}

#[test]
fn cancel_says_who() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        2s comment acme/app#7 by bob /cancel
            200 Understood /cancel by bob: it counts if GitHub says that bob may write there
            stop #1; log: /cancel by bob on acme/app#7: Cancelled build 1; lamp red+yellow: acme/app#7 was cancelled; post #1 pilotlight: error, Cancelled by bob
        3s comment acme/app#7 by bob /cancel
            200 Understood /cancel by bob: it counts if GitHub says that bob may write there; log: /cancel by bob on acme/app#7: nothing waits or runs
        4s comment acme/app#8 by bob /cancel
            200 Understood /cancel by bob: it counts if GitHub says that bob may write there; log: /cancel by bob on acme/app#8: nothing waits or runs
    "#]]);
}

#[test]
fn what_was_cancelled_can_be_approved() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s comment acme/app#7 by bob /cancel
            200 Understood /cancel by bob: it counts if GitHub says that bob may write there
            log: /cancel by bob on acme/app#7: Cancelled build 1; post #1 pilotlight: error, Cancelled by bob
        2s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4 of acme/app#7: build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn test_of_a_pull_request_that_is_not_known_yet() {
    check(expect![[r#"
        0s listed acme/app #7:1a2b@0
        0s comment acme/app#7 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there
            log: /test by alice on acme/app#7: Joined build 1, which has not ended yet; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
    "#]]);
}

#[test]
fn test_of_one_that_was_not_among_the_first() {
    check(expect![[r#"
        0s listed acme/app #1:01@9 #2:02@8 #3:03@7 #4:04@6 #5:05@5 #6:06@4 #7:07@3 #8:08@2 #9:09@1 #10:10@1 #11:11@0
        0s reload workers=1
            lamp yellow: acme/app#1 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
            lamp yellow: acme/app#2 is queued; post #2 pilotlight: pending, Queued
            lamp yellow: acme/app#3 is queued; post #3 pilotlight: pending, Queued
            lamp yellow: acme/app#4 is queued; post #4 pilotlight: pending, Queued
            lamp yellow: acme/app#5 is queued; post #5 pilotlight: pending, Queued
            lamp yellow: acme/app#6 is queued; post #6 pilotlight: pending, Queued
            lamp yellow: acme/app#7 is queued; post #7 pilotlight: pending, Queued
            lamp yellow: acme/app#8 is queued; post #8 pilotlight: pending, Queued
            lamp yellow: acme/app#9 is queued; post #9 pilotlight: pending, Queued
            lamp yellow: acme/app#10 is queued; post #10 pilotlight: pending, Queued
        1s comment acme/app#11 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there
            log: /test by alice on acme/app#11: Accepted as build 11; lamp yellow: acme/app#11 is queued; post #11 pilotlight: pending, Queued
        2s show #11
            #11 queued, attempt 0, base main; pilotlight Queued: Queued
    "#]]);
}

#[test]
fn words_on_what_is_not_there() {
    check(expect![[r#"
        0s listed acme/app
        0s comment acme/other#7 by alice /test
            200 acme/other is not configured here: nothing to build
        0s comment acme/app#7 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there
        0s pull acme/app#8 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#8 1a2b3c4d0000)
        1s pull acme/app#8 closed 1a2b3c4d fork
            200 #1 Closed: cancelled build 1; post #1 pilotlight: error, Cancelled: the pull request was closed
        2s comment acme/app#8 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        (30s)
            log: /test by alice on acme/app#7: no such pull request is open
        (32s)
            log: /approve 1a2b3c4 by alice on acme/app#8: it names no head that waits for approval
        40s wait
    "#]]);
}

#[test]
fn a_comment_counts_once() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s comment acme/app#7 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there
            log: /test by alice on acme/app#7: Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #2 pilotlight: success, Passed in 41s
        4s redeliver 2
            200 Already known: a comment counts once
        5s redeliver 2 hook=2
            200 Already known from hook 1
        6s crash
            lamp green: acme/app#7 passed
        7s redeliver 2
            200 Already known: a comment counts once
    "#]]);
}

#[test]
fn a_word_outlives_crash_and_outage() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s asks hang
        1s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        2s crash
            lamp dark: No pull request yet
        3s asks fail 503
        30s redeliver 2
            200 Already known: a comment counts once
        50s asks work
        (53s)
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4 of acme/app#7: build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        70s wait
    "#]]);
}

#[test]
fn a_word_that_is_not_saved_is_not_answered() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s save fails
        1s comment acme/app#7 by alice /approve 1a2b3c4
            not saved
            lamp dark: No pull request yet
        2s redeliver 2
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4 of acme/app#7: build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
    "#]]);
}

#[test]
fn nobody_waits_for_ever_for_githubs_answer() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s asks about alice fail 503
        1s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        (1h 1s)
            log: /approve 1a2b3c4 by alice on acme/app#7: dropped, GitHub could not be asked
        2h wait
    "#]]);
}

#[test]
fn no_answer_means_no() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s asks about alice refused
        1s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: GitHub does not say that they may write there
    "#]]);
}

#[test]
fn a_late_cancel_is_not_about_the_next_head() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s asks hang
        1s comment acme/app#7 by alice /cancel
            200 Understood /cancel by alice: it counts if GitHub says that alice may write there
        2s pull acme/app#7 synchronize 3c4d before=1a2b
            stop #1; 202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued
            post #1 pilotlight: error, Superseded by 3c4d000
        3s asks work
            log: /cancel by alice on acme/app#7: nothing waits or runs
    "#]]);
}

#[test]
fn words_are_done_in_their_order() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s asks hang
        1s comment acme/app#7 by alice /cancel
            200 Understood /cancel by alice: it counts if GitHub says that alice may write there
        2s comment acme/app#7 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there
        3s comment acme/app#7 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there
        4s asks work
            stop #1; log: /cancel by alice on acme/app#7: Cancelled build 1; log: /test by alice on acme/app#7: Accepted as build 2; post #2 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn a_repository_that_is_no_longer_configured_has_no_words() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 1a2b3c4d0000)
        1s asks hang
        1s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        2s reload repositories=acme/lib
            log: /approve 1a2b3c4 by alice on acme/app#7: the repository is no longer configured; post #1 pilotlight: error, Cancelled: the repository is no longer configured
    "#]]);
}

#[test]
fn without_webhooks_the_words_are_those_for_the_box() {
    check(expect![[r#"
        with webhooks=off approval=all
        0s listed acme/app #7:1a2b@0
        (30s)
            post #1 pilotlight: pending, Waiting for approval: pilotlight approve acme/app#7 1a2b00000000
        31s wait
    "#]]);
}

/// GitHub refuses longer descriptions; its longest names are 39 and 100 characters, its longest sha 64 digits.
#[test]
fn the_words_to_use_fit_with_the_longest_names() {
    let (long, sha) = (format!("{}/{}", "o".repeat(39), "n".repeat(100)), "1a2b3c4d".repeat(8));
    let words = |name: &str, comments| wording::waiting_for_approval(name, 12345, &sha, comments);
    assert_eq!(words(&long, true), format!("Waiting for approval: comment /approve {sha}"));
    assert_eq!(words(&long, false), "Waiting for approval: pilotlight approve OWNER/REPO#12345 1a2b3c4d1a2b");
    assert_eq!(words("a/b", false), "Waiting for approval: pilotlight approve a/b#12345 1a2b3c4d1a2b");
    for text in [wording::approval_of_another(&sha, &sha), wording::approval_of_nothing(&sha), words("a/b", true)] {
        assert!(text.contains(&format!("/approve {sha}")) && text.chars().count() <= 140, "{text}");
    }
}
