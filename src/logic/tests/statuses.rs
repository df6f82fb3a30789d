//! What GitHub is told, when, and what happens while it does not listen.

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::expect;

use super::scenario::{check, play};

#[test]
fn the_newest_truth_alone_is_told_after_an_outage() {
    check(expect![[r#"
        0s posts fail 503
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued (not taken); start #1 pilotlight
        (1s)
            post #1 pilotlight: pending, Queued (not taken)
        2s passes #1
            lamp blinking yellow: acme/app#7 is running
            lamp green: acme/app#7 passed
        (3s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        3s wait
        (7s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        (15s)
            post #1 pilotlight: success, Passed in 41s (not taken)
        20s posts work
        (31s)
            post #1 pilotlight: success, Passed in 41s
        40s wait
    "#]]);
}

#[test]
fn retries_back_off_to_a_minute() {
    check(expect![[r#"
        0s posts fail 503
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued (not taken); start #1 pilotlight
        (1s)
            post #1 pilotlight: pending, Queued (not taken)
        (3s)
            post #1 pilotlight: pending, Queued (not taken)
        (7s)
            post #1 pilotlight: pending, Queued (not taken)
        (15s)
            post #1 pilotlight: pending, Queued (not taken)
        (31s)
            post #1 pilotlight: pending, Queued (not taken)
        (1m)
            lamp red+yellow: Can't tell: GitHub can't be reached: 503
        (1m 3s)
            post #1 pilotlight: pending, Queued (not taken)
        (2m 3s)
            post #1 pilotlight: pending, Queued (not taken)
        (3m 3s)
            post #1 pilotlight: pending, Queued (not taken)
        4m wait
    "#]]);
}

#[test]
fn github_says_when() {
    check(expect![[r#"
        0s posts fail 403 wait=15m
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued (not taken); start #1 pilotlight
        1s posts work
        (1m)
            lamp red+yellow: Can't tell: GitHub can't be reached: 403
        14m59s wait
        (15m)
            post #1 pilotlight: pending, Queued
            lamp red+yellow: Can't tell: nothing was heard of acme/app for 5m: no webhook came, and its pull requests can't be listed
            lamp yellow: acme/app#7 is queued
        15m wait
    "#]]);
}

#[test]
fn a_limit_that_holds_on_is_asked_after_less_and_less() {
    check(expect![[r#"
        0s posts fail 429 wait=1m
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued (not taken); start #1 pilotlight
        (1m)
            lamp red+yellow: Can't tell: GitHub can't be reached: 429; post #1 pilotlight: pending, Queued (not taken)
        (3m)
            post #1 pilotlight: pending, Queued (not taken)
        (7m)
            post #1 pilotlight: pending, Queued (not taken)
        8m wait
        8m posts work
        (15m)
            post #1 pilotlight: pending, Queued
            lamp yellow: acme/app#7 is queued
        20m wait
    "#]]);
}

#[test]
fn github_can_not_ask_for_a_day() {
    check(expect![[r#"
        0s posts fail 403 wait=24h
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued (not taken); start #1 pilotlight
        1s posts work
        (1m)
            lamp red+yellow: Can't tell: GitHub can't be reached: 403
        64m wait
        (1h 5m)
            post #1 pilotlight: pending, Queued
            lamp red+yellow: Can't tell: nothing was heard of acme/app for 5m: no webhook came, and its pull requests can't be listed
            lamp yellow: acme/app#7 is queued
        65m wait
    "#]]);
}

#[test]
fn ends_go_before_starts() {
    check(expect![[r#"
        with workers=3 isolation=none
        0s posts hang
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; start #2 pilotlight
        0s pull acme/app#9 opened 5e6f
            202 #3 Accepted as build 3; lamp yellow: acme/app#9 is queued; start #3 pilotlight
        1s passes #3
            lamp blinking yellow: acme/app#9 is running
            lamp green: acme/app#9 passed
        2s posts work
            post #3 pilotlight: success, Passed in 41s
            post #2 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn what_was_under_way_at_a_crash_is_told_again() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s posts hang
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        1s check #1/0 started
            post #1 pilotlight: pending, Running
        2s posts work
        2s posts hang
        2s check #1/0 passed 1s
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 1s
        2s finished #1
        3s crash
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 1s
        4s posts work
    "#]]);
}

/// GitHub may show what it never answered for.
#[test]
fn a_word_that_may_have_arrived_is_told_again() {
    check(expect![[r#"
        0s pull acme/app#6 opened 0a0b
            202 #1 Accepted as build 1; lamp yellow: acme/app#6 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#7 opened 1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
        1s posts fail timeout
        2s reload approval=all
            lamp yellow: acme/app#6 is queued; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA) (not taken)
        (3s)
            post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA) (not taken)
        3s posts work
        3s reload approval=forks
            lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
    "#]]);
}

/// GitHub allows 80 a minute.
#[test]
fn after_sixty_posts_in_a_minute_they_go_one_a_second() {
    let checks: Vec<_> = (0..63).map(|n| format!("c{n}")).collect();
    let came = play(&format!("with checks={}\n0s pull acme/app#7 opened 1a2b\n1m wait", checks.join(",")));
    let paced: Vec<_> = came.lines().skip_while(|l| !l.contains("c59:")).map(str::trim).collect();
    let post = |n: u8| format!("post #1 c{n}: pending, Queued");
    let expected = [&post(59), "(13s 800ms)", &post(60), "(14s 800ms)", &post(61), "(15s 800ms)", &post(62), "1m wait"];
    assert_eq!(paced, expected);
}

/// Three heads have more to say than GitHub takes at once, and the first build ends soon: its checks need one word each.
#[test]
fn in_a_crowd_an_end_is_the_first_word() {
    let checks: Vec<_> = (0..30).map(|n| format!("c{n}")).collect();
    let pulls = ["7 opened 1a2b", "8 opened 3c4d", "9 opened 5e6f"].map(|pull| format!("0s pull acme/app#{pull}"));
    let away = format!("0s posts fail timeout\n{}\n0s posts work", pulls.join("\n"));
    let came = play(&format!("with checks={}\n{away}\n2s passes #1\n2m wait", checks.join(",")));
    let words = |start: &str| came.matches(start).count();
    assert_eq!(
        (words("post #1 c"), words(": success, Passed in")),
        (31, 30),
        "one was tried when GitHub was away: {came}"
    );
    assert_eq!((words("post #2 c"), words("post #3 c")), (30, 30), "they wait");
}

/// However fast builds end: those at the end of the queue are told of before it is too late.
#[test]
fn in_a_crowd_each_head_is_told_of_within_a_minute() {
    let opened: String = (1..=100).map(|n| format!("0s pull acme/app#{n} opened {n:04x}\n")).collect();
    for each in [1, 300, 700, 1000, 3000] {
        let ends: String = (1..=100).map(|n| format!("{}ms passes #{n}\n", each * n)).collect();
        let came = play(&format!("with checks=c\n0s posts fail timeout\n{opened}0s posts work\n{ends}8m wait"));
        let (mut at, mut told) = (Duration::ZERO, BTreeMap::new());
        for line in came.lines() {
            let time = line.trim_start_matches('(').split([')', 'p', 'w']).next().unwrap_or_default().trim();
            at = humantime::parse_duration(time).unwrap_or(at);
            for (i, word) in line.match_indices("post #") {
                let build = line[i + word.len()..].split(' ').next();
                told.entry(build.map(str::to_owned)).or_insert(at);
            }
        }
        let last = told.values().max().copied().unwrap_or_default();
        assert!(told.len() == 100 && last < Duration::from_secs(60), "a build each {each} ms, {last:?}: {came}");
    }
}
