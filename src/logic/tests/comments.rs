//! Words in comments: whose count, and what they do.

use expect_test::expect;

use super::scenario::{check, play};
use crate::logic::comments::{ASKS_MAX, CROWD_MAX};

#[test]
fn the_team_approves_in_a_comment() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        5s comment acme/app#7 by alice /approve 1a2b3c4d…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
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
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        5s comment acme/app#7 by mallory /approve 1a2b3c4d…
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
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
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
            statuses of 1a2b3c4d?
        301s comment acme/app#7 by mallory /cancel
            200 Understood /cancel by mallory: it counts if GitHub says that mallory may write there; may mallory write?
            log: /cancel by mallory on acme/app#7: GitHub does not say that they may write there
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
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
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
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#8 SHA)
        1s pull acme/app#8 closed 1a2b3c4d fork
            200 #1 Closed: cancelled build 1; post #1 pilotlight: error, Cancelled: the pull request was closed
        2s comment acme/app#8 by alice /approve 1a2b3c4d…
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
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s asks hang
        1s comment acme/app#7 by alice /approve 1a2b3c4d…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        2s crash
            lamp dark: No pull request yet
        3s asks fail 503
        30s redeliver 2
            200 Already known: a comment counts once
        50s asks work
        (53s)
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        70s wait
    "#]]);
}

#[test]
fn a_word_that_is_not_saved_is_not_answered() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s save fails
        1s comment acme/app#7 by alice /approve 1a2b3c4d…
            not saved
            lamp dark: No pull request yet
        2s redeliver 2
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
    "#]]);
}

#[test]
fn nobody_waits_for_ever_for_githubs_answer() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s asks about alice fail 503
        1s comment acme/app#7 by alice /approve 1a2b3c4d…
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
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s asks about alice refused
        1s comment acme/app#7 by alice /approve 1a2b3c4d…
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
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s asks hang
        1s comment acme/app#7 by alice /approve 1a2b3c4d…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        2s reload repositories=acme/lib
            log: /approve 1a2b3c4 by alice on acme/app#7: the repository is no longer configured; post #1 pilotlight: error, Cancelled: the repository is no longer configured
    "#]]);
}

/// A hundred strangers and more, each of whom writes before somebody of the team does.
#[test]
fn a_crowd_of_strangers_takes_seconds_and_no_place_of_who_was_there_before() {
    let say = |who: &str| format!("comment acme/app#7 by {who} /test\n");
    let crowd = |from: usize, to: usize| (from..to).map(|n| say(&format!("stranger{n}"))).collect::<String>();
    let asked = |said: &str, who: &str| said.matches(&format!("may {who} write?")).count();
    let head = "0s listed acme/app\n0s pull acme/app#7 opened 1a2b\n1s asks shown\n";

    let said = play(&format!("{head}{}{}\n1s wait", crowd(0, CROWD_MAX as usize + 10), say("alice")));
    assert_eq!((asked(&said, "stranger99"), asked(&said, "stranger100")), (1, 0), "a hundred at once");
    let said = play(&format!("{head}{}{}\n33s wait", crowd(0, CROWD_MAX as usize + 9), say("alice")));
    let order: Vec<_> = said.split(" write?").filter_map(|text| text.rsplit(' ').next()).collect();
    assert_eq!(order[108..110], ["stranger108", "alice"], "in the order of their words");
    assert!(said.contains("(31s)\n    may alice write?\n    log: /test by alice on acme/app#7: Joined"), "{said}");

    let full = "asks hang\n".to_owned() + &crowd(200, 200 + ASKS_MAX) + &say("bob") + &say("alice");
    let said = play(&format!("{head}{}{}{full}1s asks work", say("alice"), crowd(0, CROWD_MAX as usize - 1)));
    let answers: Vec<_> = said.split(" /test\n").skip(CROWD_MAX as usize + ASKS_MAX).take(3).collect();
    assert!(answers[1].contains("503 Too many comments wait"), "{answers:?}");
    assert!(answers[2].contains("log: /test by alice on acme/app#7: Joined build 1"), "{answers:?}");
    let quarter: String = (0..450).map(|n| format!("{}s {}", 2 * n + 1, say(&format!("stranger{n}")))).collect();
    let said = play(&format!("{head}{quarter}"));
    assert!((350..=100 + 300).contains(&said.matches(" write?").count()), "a quarter of an hour of strangers");
}

#[test]
fn nobody_lets_a_fork_in_without_isolation() {
    check(expect![[r#"
        with isolation=none
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: forks never run here (isolation = "none")
        1s comment acme/app#7 by alice /approve 1a2b3c4d…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: acme/app#7 comes from a fork, and forks never run with isolation = "none": set isolation = "systemd" to build it
        2s comment acme/app#7 by alice /approve
            200 Understood /approve by alice: it counts if GitHub says that alice may write there; log: /approve by alice on acme/app#7: it names no head that waits for approval
        3s comment acme/app#7 by alice /test
            200 Understood /test by alice: it counts if GitHub says that alice may write there; log: /test by alice on acme/app#7: Joined build 1, which has not ended yet
    "#]]);
}
