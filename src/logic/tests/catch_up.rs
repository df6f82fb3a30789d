//! Catching up with GitHub: what no webhook told, and what it shows against what it should show.

use expect_test::expect;

use super::scenario::{check, play};

#[test]
fn nothing_that_has_ended_is_run_again() {
    check(expect![[r#"
        asks shown
        listed acme/app #7:1a2b@0
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s fails #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp red: acme/app#7 failed; post #1 pilotlight: failure, Failed in 41s: exit code 1
        (1m)
            list of acme/app?
        60s crash
            lamp red: acme/app#7 failed; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
        61s reload
            list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
        70s listed acme/app #7:1a2b
        (2m 1s)
            list of acme/app?
        3m wait
    "#]]);
}

#[test]
fn what_github_shows_and_we_would_not_is_told_again_once() {
    check(expect![[r#"
        asks shown
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s shown 1a2b pilotlight pending Running
        3s crash
            lamp green: acme/app#7 passed; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
            post #1 pilotlight: success, Passed in 41s
        4s shown 1a2b
        5s crash
            lamp green: acme/app#7 passed; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
            post #1 pilotlight: success, Passed in 41s
        6s crash
            lamp green: acme/app#7 passed; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
    "#]]);
}

#[test]
fn a_description_that_github_changes_is_not_told_for_ever() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s shown 1a2b pilotlight success Passed
        3s crash
            lamp green: acme/app#7 passed
            post #1 pilotlight: success, Passed in 41s
        4s shown 1a2b pilotlight success Passed
        (5m 3s)
            post #1 pilotlight: success, Passed in 41s
        10m wait
    "#]]);
}

#[test]
fn failed_deliveries_ask_for_one_list_and_are_handled_once() {
    check(expect![[r#"
        0s listed acme/app
        61s missed guid-x
        61s missed guid-y
        561s asks shown
        599s listed acme/app #7:1a2b
        (10m)
            list of acme/app?
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight; deliveries of acme/app?
            list of acme/app?
        600s wait
        610s crash
            lamp yellow: acme/app#7 is queued; start #1 pilotlight; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
        611s wait
    "#]]);
}

/// One of them is redelivered before its list is read, one is of somebody who may not write, one is about another
/// repository that had the name.
#[test]
fn words_that_were_missed_count_once() {
    check(expect![[r#"
        0s listed acme/app #7:1a2b
        1s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2s missed comment acme/app#7 by mallory /cancel
        3s missed comment acme/app#7 by bob /test
        4s missed comment acme/app#7 by alice /cancel
        4s missed comment acme/app#7 by alice /cancel id=99
        599s asks shown
        599s redeliver 3
            200 Understood /test by bob: it counts if GitHub says that bob may write there; may bob write?
            log: /test by bob on acme/app#7: Joined build 1, which has not ended yet
        (10m)
            list of acme/app?
            deliveries of acme/app?
            word of guid-2?
            may mallory write?
            log: /cancel by mallory on acme/app#7: GitHub does not say that they may write there; word of guid-4?
            may alice write?
            stop #1; log: /cancel by alice on acme/app#7: Cancelled build 1; lamp red+yellow: acme/app#7 was cancelled; post #1 pilotlight: error, Cancelled by alice; word of guid-5?
        (10m 1s)
            statuses of 1a2b?
        601s redeliver 4
            200 Already known: a comment counts once
        602s crash
            lamp red+yellow: acme/app#7 was cancelled; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
    "#]]);
}

/// This box's clock stood still, without power, while somebody wrote and pushed.
#[test]
fn a_word_that_was_missed_is_not_about_later_builds() {
    check(expect![[r#"
        with approval=all
        0s listed acme/app #7:1a2b
        1s pull acme/app#7 opened 1a2b
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        2s missed comment acme/app#7 by alice /cancel
        3s missed comment acme/app#7 by alice /approve 1a2b000
        300s listed acme/app #7:1a2b@290
        (10m)
            log: /cancel by alice on acme/app#7: nothing waits or runs
            log: /approve 1a2b000 by alice on acme/app#7: it names no head that waits for approval; post #1 pilotlight: pending, Waiting for approval: 1a2b000 may mean another head: comment /approve 1a2b000000000000000000000000000000000000
        601s wait
        602s missed comment acme/app#7 by alice /approve 1a2b…
        (20m)
            log: /approve 1a2b000 by alice on acme/app#7: Approved 1a2b000000000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        21m wait
    "#]]);
}

#[test]
fn a_word_that_was_missed_for_a_day_is_old() {
    check(expect![[r#"
        0s listed acme/app #7:1a2b
        asks fail away
        10s missed comment acme/app#7 by alice /test
        (2m)
            lamp red+yellow: Can't tell: GitHub can't be asked: away
        25h asks shown
        25h asks work
        (1day 1h 5s)
            deliveries of acme/app?
            lamp red+yellow: Can't tell: nothing was heard of acme/app for 5m: no webhook came, and its pull requests can't be listed; list of acme/app?
            lamp dark: No pull request yet; deliveries of acme/app?
            statuses of 1a2b?
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        25h30s wait
    "#]]);
}

#[test]
fn alone_it_polls_each_half_minute() {
    check(expect![[r#"
        with webhooks=off
        asks shown
        10s listed acme/app #7:1a2b
        (30s)
            list of acme/app?
            statuses of 1a2b?
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        (1m)
            list of acme/app?
        (1m 30s)
            list of acme/app?
        95s wait
    "#]]);
}

#[test]
fn nothing_is_asked_while_it_stops() {
    check(expect![[r#"
        asks shown
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        50s stop
        100s asks fail late
        109s wait
    "#]]);
}

#[test]
fn the_queue_s_limit_does_not_lose_listed_heads() {
    let list: String = (1..=1010).map(|n| format!(" #{n}:{n:04x}")).collect();
    let lines =
        ["0s listed acme/app", &format!("61s listed acme/app{list}"), "2m wait", "2m pull acme/app#2000 opened ffff"];
    let played = play(&[&lines[..], &["2m show #1010"]].concat().join("\n"));
    assert!(played.contains("    503 The queue is full: redeliver when it has moved on\n"), "the queue is not full");
    assert!(
        played.ends_with("    #1010 queued, attempt 0, base main; pilotlight Queued: Queued\n"),
        "the last is lost"
    );
}

/// It may show what was there before the post, and that may be what the build ends with, too.
#[test]
fn an_answer_that_a_post_overtook_is_asked_for_again() {
    check(expect![[r#"
        asks shown
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s asks about statuses hang
        1s reload
            list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
        2s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        3s asks about statuses work
            statuses of 1a2b?
    "#]]);
}

#[test]
fn a_list_and_people_wait_for_no_head() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
            start #2 pilotlight
        2s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        3s listed acme/app #7:1a2b@0 #8:3c4d@0
        4s asks shown
        4s asks about 1a2b hang
        5s crash
            lamp green: acme/app#8 passed; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
        66s comment acme/app#7 by alice /cancel
            200 Understood /cancel by alice: it counts if GitHub says that alice may write there
        67s asks about 1a2b work
            list of acme/app?
            may alice write?
            log: /cancel by alice on acme/app#7: nothing waits or runs; statuses of 3c4d?
    "#]]);
}

#[test]
fn heads_do_not_wait_for_a_list_that_always_fails() {
    check(expect![[r#"
        with repositories=acme/app,acme/lib
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
            start #2 pilotlight
        2s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        3s listed acme/app #7:1a2b@0 #8:3c4d@0
        4s shown 3c4d
        4s asks shown
        4s asks about lib fail 502
        5s crash
            lamp green: acme/app#8 passed; list of acme/app?
            list of acme/lib?
        (10s)
            statuses of 1a2b?
            list of acme/lib?
        (15s)
            deliveries of acme/app?
            deliveries of acme/lib?
        (20s)
            statuses of 3c4d?
            post #2 pilotlight: success, Passed in 41s; deliveries of acme/lib?
        (25s)
            list of acme/lib?
        (30s)
            deliveries of acme/lib?
        30s wait
    "#]]);
}

#[test]
fn what_was_a_head_when_github_went_away_is_asked_about_no_more() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
            start #2 pilotlight
        2s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        3s listed acme/app #7:5e6f
        4s asks shown
        5s crash
            lamp green: acme/app#8 passed; list of acme/app?
            lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight; deliveries of acme/app?
    "#]]);
}

#[test]
fn what_others_write_over_our_status_is_mended_at_a_beat() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s shown 1a2b pilotlight pending Running
        (5m)
            post #1 pilotlight: success, Passed in 41s
        15m wait
    "#]]);
}

/// GitHub may take it after the next one, as late as that.
#[test]
fn after_a_post_that_nobody_answered_the_head_is_looked_at_soon() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s posts fail timeout
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running (not taken)
            lamp green: acme/app#7 passed
        (2s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        2s posts work
        (4s)
            post #1 pilotlight: success, Passed in 41s
        4s shown 1a2b pilotlight pending Running
        (1m 4s)
            post #1 pilotlight: success, Passed in 41s
        70s wait
    "#]]);
}

#[test]
fn who_always_speaks_over_us_is_not_answered_for_ever() {
    let lines: String = (1..=20).map(|n| format!("{}m shown 1a2b pilotlight pending Mine\n", n * 6)).collect();
    let came = play(&format!("0s pull acme/app#7 opened 1a2b\n1s passes #1\n{lines}"));
    assert_eq!(came.matches("success, Passed").count(), 11, "{came}");
}
