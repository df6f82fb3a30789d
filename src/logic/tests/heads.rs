//! Words of approval: which head they are for, and which they can't be for.

use expect_test::expect;

use super::scenario::{check, play};
use crate::logic::{heads, wording};

#[test]
fn seven_digits_name_a_head_while_none_begins_alike() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        4s listed acme/app #7:1a2b3c4d@5
        5s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        6s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d fork
            stop #1; 202 #2 Build 2 waits for approval; lamp dark: No pull request yet; post #2 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 5e6f7a8
        9s listed acme/app #7:5e6f7a8b@9
        9s comment acme/app#7 by alice /approve 5e6f7a8
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there
            log: /approve 5e6f7a8 by alice on acme/app#7: Approved 5e6f7a8b00000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn a_push_between_reading_and_comment_is_not_approved() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 5e6f7a8
        2s listed acme/app #7:5e6f7a8b@2
        2s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        (32s)
            log: /approve 1a2b3c4 by alice on acme/app#7: it names no head that waits for approval; post #2 pilotlight: pending, Waiting for approval: 1a2b3c4 is not the head: comment /approve 5e6f7a8b00000000000000000000000000000000
        34s comment acme/app#7 by alice /approve 1a2b3c4d…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        35s comment acme/app#7 by alice /approve 5e6f7a8b…
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there; log: /approve 5e6f7a8 by alice on acme/app#7: Approved 5e6f7a8b00000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn a_push_after_the_word_waits_again() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s comment acme/app#7 by alice /approve 1a2b3c4d…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d fork
            stop #1; 202 #2 Build 2 waits for approval; lamp dark: No pull request yet; post #2 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 5e6f7a8
    "#]]);
}

/// Two commits can be made that begin alike; this one was pushed before the word came.
#[test]
fn digits_that_two_heads_share_approve_neither() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s pull acme/app#7 synchronize 1a2b3c4e before=1a2b3c4d
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4e00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 1a2b3c4
        2s listed acme/app #7:1a2b3c4e@2
        2s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: it names no head that waits for approval; post #2 pilotlight: pending, Waiting for approval: 1a2b3c4 may mean another head: comment /approve 1a2b3c4e00000000000000000000000000000000
        2s approve acme/app#7 1a2b3c4
            409 Another head of acme/app#7 may have been meant: look at the newest, then `pilotlight approve acme/app#7 1a2b3c4e00000000000000000000000000000000`
        3s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4e
            202 #3 Build 3 waits for approval; post #3 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #2 pilotlight: error, Superseded by 5e6f7a8
        4s pull acme/app#7 synchronize 1a2b3c4f before=5e6f7a8b
            202 #4 Build 4 waits for approval; post #4 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4f00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #3 pilotlight: error, Superseded by 1a2b3c4
        5s listed acme/app #7:1a2b3c4f@5
        5s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there; log: /approve 1a2b3c4 by alice on acme/app#7: it names no head that waits for approval; post #4 pilotlight: pending, Waiting for approval: 1a2b3c4 may mean another head: comment /approve 1a2b3c4f00000000000000000000000000000000
        6s comment acme/app#7 by alice /approve 1a2b3c4f…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there; log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4f00000000000000000000000000000000 of acme/app#7 (Make it shine): build 4 is queued; lamp yellow: acme/app#7 is queued; post #4 pilotlight: pending, Queued; start #4 pilotlight
    "#]]);
}

/// And this one before GitHub has said who wrote the word.
#[test]
fn a_push_that_begins_alike_and_overtakes_the_word_is_not_approved() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s asks hang
        1s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
        2s pull acme/app#7 synchronize 1a2b3c4e before=1a2b3c4d
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4e00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 1a2b3c4
        3s asks work
            log: /approve 1a2b3c4 by alice on acme/app#7: it names no head that waits for approval; post #2 pilotlight: pending, Waiting for approval: 1a2b3c4 may mean another head: comment /approve 1a2b3c4e00000000000000000000000000000000
    "#]]);
}

/// A slip of the pen, and somebody makes the commit that it names.
#[test]
fn digits_of_no_head_do_not_wait_for_one() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s comment acme/app#7 by alice /approve 5e6f7a8
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there
        2s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d
            202 #2 Build 2 waits for approval; log: /approve 5e6f7a8 by alice on acme/app#7: it names no head that waits for approval; post #2 pilotlight: pending, Waiting for approval: 5e6f7a8 may mean another head: comment /approve 5e6f7a8b00000000000000000000000000000000
            post #1 pilotlight: error, Superseded by 5e6f7a8
    "#]]);
}

/// Somebody read the second head, of which nothing is known here yet, and means that one.
#[test]
fn digits_of_a_head_whose_push_was_lost_approve_neither() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        9s listed acme/app #7:1a2b3c4e@9
        9s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: it names no head that waits for approval; post #2 pilotlight: pending, Waiting for approval: 1a2b3c4 may mean another head: comment /approve 1a2b3c4e00000000000000000000000000000000
            post #1 pilotlight: error, Superseded by 1a2b3c4
        10s comment acme/app#7 by alice /approve 1a2b3c4e…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there; log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4e00000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn where_github_lists_nothing_what_is_known_here_counts() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        0s asks about list refused
        1s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2m comment acme/app#7 by alice /approve 1a2b3c4d…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there; log: /approve 1a2b3c4 by alice on acme/app#7: Nothing of acme/app#7 waits for approval
    "#]]);
}

/// A list can be faster than the delivery of a push, which then still tells what was before it.
#[test]
fn a_push_that_was_listed_first_is_no_missed_one() {
    check(expect![[r#"
        with approval=all
        0s listed acme/app #7:1a2b3c4d@0
        0s reload approval=all
            post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s pull acme/app#7 opened 1a2b3c4d at=0
            202 #1 Joined build 1, which has not ended yet
        50s listed acme/app #7:5e6f7a8b@50
        (1m)
            post #2 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 5e6f7a8
        61s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d at=50
            202 #2 Joined build 2, which has not ended yet
        62s listed acme/app #7:5e6f7a8b@62
        62s comment acme/app#7 by alice /approve 5e6f7a8
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there
            log: /approve 5e6f7a8 by alice on acme/app#7: Approved 5e6f7a8b00000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn heads_are_known_over_a_crash() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s pull acme/app#7 synchronize 1a2b3c4e before=1a2b3c4d
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4e00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 1a2b3c4
        2s pull acme/app#8 opened 5e6f7a8b
            202 #3 Build 3 waits for approval; post #3 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#8 SHA)
        3s listed acme/app #7:1a2b3c4e@5 #8:5e6f7a8b@5
        3s crash
            lamp dark: No pull request yet
        4s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: it names no head that waits for approval; post #2 pilotlight: pending, Waiting for approval: 1a2b3c4 may mean another head: comment /approve 1a2b3c4e00000000000000000000000000000000
        5s comment acme/app#8 by alice /approve 5e6f7a8
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there
            log: /approve 5e6f7a8 by alice on acme/app#8: Approved 5e6f7a8b00000000000000000000000000000000 of acme/app#8 (Make it shine): build 3 is queued; lamp yellow: acme/app#8 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
    "#]]);
}

#[test]
fn of_more_heads_than_are_remembered_only_whole_shas_name_one() {
    let mut script = "with approval=all\n0s pull acme/app#7 opened 10000000\n".to_owned();
    let pushes = heads::HEADS_MAX - 2;
    for n in 1..=pushes {
        let (before, head) = (n + 9_999_999, n + 10_000_000);
        script += &format!("{n}s pull acme/app#7 synchronize {head} before={before}\n");
    }
    let words = |script: &str, head: usize| {
        let word = format!("80s comment acme/app#7 by alice /approve {head}\n300s wait");
        play(&format!("{script}80s listed acme/app #7:{head}@80\n{word}"))
    };
    let last = pushes + 10_000_000;
    assert!(words(&script, last).contains("Approved"));
    script += &format!("79s pull acme/app#7 synchronize {} before={last}\n", last + 1);
    let said = words(&script, last + 1);
    assert!(!said.contains("Approved") && said.contains("1000006 may mean another head"), "{said}");
}

#[test]
fn a_word_that_overtook_its_push_waits_for_it() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s comment acme/app#7 by alice /approve 5e6f7a8b…
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there
        2s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4d fork
            202 #2 Build 2 waits for approval; log: /approve 5e6f7a8 by alice on acme/app#7: Approved 5e6f7a8b00000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
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
            stop #1; log: /approve 5e6f7a8 by alice on acme/app#7: it names no head that waits for approval; lamp dark: No pull request yet; post #2 pilotlight: pending, Waiting for approval: 5e6f7a8 may mean another head: comment /approve 5e6f7a8b00000000000000000000000000000000
            post #1 pilotlight: error, Superseded by 5e6f7a8
        2s comment acme/app#7 by alice /approve 5e6f7a8b…
            200 Understood /approve 5e6f7a8 by alice: it counts if GitHub says that alice may write there; log: /approve 5e6f7a8 by alice on acme/app#7: Approved 5e6f7a8b00000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
        32s wait
    "#]]);
}

/// Whoever approves at the box without a sha takes what stands there, and is told what that was.
#[test]
fn digits_at_the_box_name_a_head_while_none_begins_alike() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 1a2b3c4d
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s approve acme/app#7 1a2b3c
            409 Another head of acme/app#7 may have been meant: look at the newest, then `pilotlight approve acme/app#7 1a2b3c4d00000000000000000000000000000000`
        1s approve acme/app#7 1a2b3c4
            200 #1 Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2s pull acme/app#7 synchronize 1a2b3c4e before=1a2b3c4d
            stop #1; 202 #2 Build 2 waits for approval; lamp dark: No pull request yet; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4e00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 1a2b3c4
        3s approve acme/app#7 1a2b3c4
            409 Another head of acme/app#7 may have been meant: look at the newest, then `pilotlight approve acme/app#7 1a2b3c4e00000000000000000000000000000000`
        3s approve acme/app#7 1a2b3c4e
            200 #2 Approved 1a2b3c4e00000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued
        4s pull acme/app#7 synchronize 5e6f7a8b before=1a2b3c4e
            202 #3 Build 3 waits for approval; lamp dark: No pull request yet; post #3 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #2 pilotlight: error, Superseded by 5e6f7a8
        5s approve acme/app#7
            200 #3 Approved 5e6f7a8b00000000000000000000000000000000 of acme/app#7 (Make it shine): build 3 is queued; lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued
    "#]]);
}

/// The next push tells of it.
#[test]
fn a_head_whose_push_was_lost_is_remembered_all_the_same() {
    check(expect![[r#"
        with approval=all
        0s pull acme/app#7 opened 5e6f7a8b
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 5e6f7a8b00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s pull acme/app#7 synchronize 1a2b3c4e before=1a2b3c4d
            202 #2 Build 2 waits for approval; post #2 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4e00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
            post #1 pilotlight: error, Superseded by 1a2b3c4
        2s listed acme/app #7:1a2b3c4e@2
        2s comment acme/app#7 by alice /approve 1a2b3c4
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: it names no head that waits for approval; post #2 pilotlight: pending, Waiting for approval: 1a2b3c4 may mean another head: comment /approve 1a2b3c4e00000000000000000000000000000000
    "#]]);
}

#[test]
fn approval_needs_the_head() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s comment acme/app#7 by mallory /approve
            200 Understood /approve by mallory: it counts if GitHub says that mallory may write there
            log: /approve by mallory on acme/app#7: GitHub does not say that they may write there
        2s comment acme/app#7 by alice /approve
            200 Understood /approve by alice: it counts if GitHub says that alice may write there
            log: /approve by alice on acme/app#7: it names no head that waits for approval; post #1 pilotlight: pending, Waiting for approval: name the head in the comment: /approve 1a2b3c4d00000000000000000000000000000000
        3s show #1
            #1 waiting_for_approval (Waiting for approval: name the head in the comment: /approve 1a2b3c4d00000000000000000000000000000000), attempt 0, base main; pilotlight Queued: Waiting for approval: name the head in the comment: /approve 1a2b3c4d00000000000000000000000000000000
        4s comment acme/app#7 by alice /approve 1a2b3c4d…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there; log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        5s comment acme/app#7 by alice /approve
            200 Understood /approve by alice: it counts if GitHub says that alice may write there; log: /approve by alice on acme/app#7: it names no head that waits for approval
    "#]]);
}

#[test]
fn what_was_cancelled_can_be_approved() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b3c4d fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b3c4d00000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        1s comment acme/app#7 by bob /cancel
            200 Understood /cancel by bob: it counts if GitHub says that bob may write there
            log: /cancel by bob on acme/app#7: Cancelled build 1; post #1 pilotlight: error, Cancelled by bob
        2s comment acme/app#7 by alice /approve 1a2b3c4d…
            200 Understood /approve 1a2b3c4 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b3c4 by alice on acme/app#7: Approved 1a2b3c4d00000000000000000000000000000000 of acme/app#7 (Make it shine): build 2 is queued; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
    "#]]);
}

#[test]
fn without_webhooks_the_words_are_those_for_the_box() {
    check(expect![[r#"
        with webhooks=off approval=all
        0s listed acme/app #7:1a2b@0
        (30s)
            post #1 pilotlight: pending, Waiting for approval: pilotlight approve acme/app#7 1a2b000000000000000000000000000000000000
        31s wait
    "#]]);
}

/// GitHub refuses longer descriptions; its longest names are 39 and 100 characters, its longest sha 64 digits.
#[test]
fn the_words_to_use_fit_with_the_longest_names() {
    let (long, sha) = (format!("{}/{}", "o".repeat(39), "n".repeat(100)), "1a2b3c4d".repeat(8));
    let words = |name: &str, comments| wording::waiting_for_approval(name, 12345, &sha, comments);
    assert_eq!(words(&long, true), format!("Waiting for approval: comment /approve {sha}"));
    assert_eq!(words(&long, false), format!("Waiting for approval: pilotlight approve OWNER/REPO#12345 {sha}"));
    assert_eq!(words("a/b", false), format!("Waiting for approval: pilotlight approve a/b#12345 {sha}"));
    let others = [wording::approval_of_another, wording::approval_of_digits].map(|words| words(&sha, &sha));
    for text in others.into_iter().chain([wording::approval_of_nothing(&sha), words("a/b", true)]) {
        assert!(text.contains(&format!("/approve {sha}")) && text.chars().count() <= 140, "{text}");
    }
}
