//! The first list of a repository, and what was forgotten.

use expect_test::expect;

use super::scenario::check;

#[test]
fn the_first_time_the_newest_heads_without_an_end_are_built() {
    check(expect![[r#"
        shown 1a2b pilotlight success Passed in 1s
        shown 3c4d pilotlight pending Queued
        listed acme/app #7:1a2b #8:3c4d #9:5e6f
        (1m)
            lamp yellow: acme/app#8 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
            lamp yellow: acme/app#9 is queued; post #2 pilotlight: pending, Queued
        60s wait
        2m passes #1
            post #1 pilotlight: pending, Running
            post #1 pilotlight: success, Passed in 41s
            start #2 pilotlight
        2m passes #2
            lamp blinking yellow: acme/app#9 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#9 passed; post #2 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn the_first_time_only_ten_are_built_and_the_others_when_touched_or_asked_for() {
    check(expect![[r#"
        with workers=20 isolation=none
        listed acme/app #12:c0@12 #11:b0@11 #10:a0@10 #9:90@9 #8:80@8 #7:70@7 #6:60@6 #5:50@5 #4:40@4 #3:30@3 #2:20@2 #1:10@1
        (1m)
            lamp yellow: acme/app#3 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
            lamp yellow: acme/app#4 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
            lamp yellow: acme/app#5 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
            lamp yellow: acme/app#6 is queued; post #4 pilotlight: pending, Queued; start #4 pilotlight
            lamp yellow: acme/app#7 is queued; post #5 pilotlight: pending, Queued; start #5 pilotlight
            lamp yellow: acme/app#8 is queued; post #6 pilotlight: pending, Queued; start #6 pilotlight
            lamp yellow: acme/app#9 is queued; post #7 pilotlight: pending, Queued; start #7 pilotlight
            lamp yellow: acme/app#10 is queued; post #8 pilotlight: pending, Queued; start #8 pilotlight
            lamp yellow: acme/app#11 is queued; post #9 pilotlight: pending, Queued; start #9 pilotlight
            lamp yellow: acme/app#12 is queued; post #10 pilotlight: pending, Queued; start #10 pilotlight
        60s wait
        70s listed acme/app #2:21 #12:c0@12 #11:b0@11 #10:a0@10 #9:90@9 #8:80@8 #7:70@7 #6:60@6 #5:50@5 #4:40@4 #3:30@3 #1:10@1
        (2m)
            lamp yellow: acme/app#2 is queued; post #11 pilotlight: pending, Queued; start #11 pilotlight
        2m wait
        3m rebuild acme/app#1
            202 #12 Accepted as build 12; lamp yellow: acme/app#1 is queued; post #12 pilotlight: pending, Queued; start #12 pilotlight
    "#]]);
}

#[test]
fn a_crash_between_the_first_list_and_its_statuses_loses_no_head() {
    check(expect![[r#"
        with workers=3 isolation=none
        listed acme/app #7:1a2b #8:3c4d
        shown 3c4d pilotlight failure Failed in 1s: exit code 1
        asks about 1a2b hang
        60s wait
        61s asks shown
        61s crash
            lamp dark: No pull request yet; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
        62s asks about 1a2b work
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight; statuses of 3c4d?
    "#]]);
}

#[test]
fn a_blip_during_the_first_look_loses_no_head() {
    check(expect![[r#"
        with workers=3 isolation=none
        listed acme/app #7:1a2b #8:3c4d #9:5e6f
        asks about 1a2b fail 502
        60s wait
        61s asks shown
        62s reload
            list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
        (1m 7s)
            statuses of 3c4d?
            lamp yellow: acme/app#8 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight; statuses of 5e6f?
            lamp yellow: acme/app#9 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight; statuses of 1a2b?
        (1m 12s)
            statuses of 1a2b?
        (1m 17s)
            statuses of 1a2b?
        (1m 22s)
            statuses of 1a2b?
        (1m 27s)
            statuses of 1a2b?
        (1m 32s)
            statuses of 1a2b?
        (1m 37s)
            statuses of 1a2b?
        (1m 42s)
            statuses of 1a2b?
        (1m 47s)
            statuses of 1a2b?
        (1m 52s)
            statuses of 1a2b?
        (1m 57s)
            statuses of 1a2b?
        (2m 2s)
            list of acme/app?
            statuses of 1a2b?
        (2m 7s)
            statuses of 1a2b?
        (2m 12s)
            statuses of 1a2b?
        (2m 17s)
            statuses of 1a2b?
        (2m 22s)
            statuses of 1a2b?
        (2m 27s)
            statuses of 1a2b?
        (2m 32s)
            statuses of 1a2b?
        (2m 37s)
            statuses of 1a2b?
        160s asks about 1a2b work
        (2m 42s)
            statuses of 1a2b?
            lamp yellow: acme/app#7 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
            statuses of 3c4d?
            statuses of 5e6f?
        170s wait
    "#]]);
}

#[test]
fn without_the_right_to_see_statuses_the_first_heads_are_built() {
    check(expect![[r#"
        listed acme/app #7:1a2b
        asks about statuses refused
        (1m)
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        60s wait
    "#]]);
}

#[test]
fn after_a_lost_database_every_head_that_shows_a_word_of_ours_is_ended() {
    check(expect![[r#"
        with workers=20 isolation=none
        shown 10 pilotlight pending Running
        shown 20 travis pending Running
        listed acme/app #12:c0@12 #11:b0@11 #10:a0@10 #9:90@9 #8:80@8 #7:70@7 #6:60@6 #5:50@5 #4:40@4 #3:30@3 #2:20@2 #1:10@1
        (1m)
            lamp yellow: acme/app#3 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
            lamp yellow: acme/app#4 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
            lamp yellow: acme/app#5 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
            lamp yellow: acme/app#6 is queued; post #4 pilotlight: pending, Queued; start #4 pilotlight
            lamp yellow: acme/app#7 is queued; post #5 pilotlight: pending, Queued; start #5 pilotlight
            lamp yellow: acme/app#8 is queued; post #6 pilotlight: pending, Queued; start #6 pilotlight
            lamp yellow: acme/app#9 is queued; post #7 pilotlight: pending, Queued; start #7 pilotlight
            lamp yellow: acme/app#10 is queued; post #8 pilotlight: pending, Queued; start #8 pilotlight
            lamp yellow: acme/app#11 is queued; post #9 pilotlight: pending, Queued; start #9 pilotlight
            lamp yellow: acme/app#12 is queued; post #10 pilotlight: pending, Queued; start #10 pilotlight
            lamp yellow: acme/app#1 is queued; post #11 pilotlight: pending, Queued; start #11 pilotlight
        60s wait
        61s passes #11
            lamp blinking yellow: acme/app#1 is running
            post #11 pilotlight: pending, Running
            lamp green: acme/app#1 passed; post #11 pilotlight: success, Passed in 41s
        70s asks shown
        70s crash
            lamp green: acme/app#1 passed; start #1 pilotlight; start #2 pilotlight; start #3 pilotlight; start #4 pilotlight; start #5 pilotlight; start #6 pilotlight; start #7 pilotlight; start #8 pilotlight; start #9 pilotlight; start #10 pilotlight; list of acme/app?
            deliveries of acme/app?
            statuses of 1?
            statuses of 2?
            statuses of 3?
            statuses of 4?
            statuses of 5?
            statuses of 6?
            statuses of 7?
            statuses of 8?
            statuses of 9?
            statuses of a?
            statuses of b?
            statuses of c?
    "#]]);
}

#[test]
fn a_crash_before_a_forgotten_head_is_asked_about_loses_it_not() {
    check(expect![[r#"
        with workers=20 isolation=none
        shown 10 pilotlight pending Running
        listed acme/app #12:c0@12 #11:b0@11 #10:a0@10 #9:90@9 #8:80@8 #7:70@7 #6:60@6 #5:50@5 #4:40@4 #3:30@3 #2:20@2 #1:10@1
        asks about 1? hang
        (1m)
            lamp yellow: acme/app#3 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
            lamp yellow: acme/app#4 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
            lamp yellow: acme/app#5 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
            lamp yellow: acme/app#6 is queued; post #4 pilotlight: pending, Queued; start #4 pilotlight
            lamp yellow: acme/app#7 is queued; post #5 pilotlight: pending, Queued; start #5 pilotlight
            lamp yellow: acme/app#8 is queued; post #6 pilotlight: pending, Queued; start #6 pilotlight
            lamp yellow: acme/app#9 is queued; post #7 pilotlight: pending, Queued; start #7 pilotlight
            lamp yellow: acme/app#10 is queued; post #8 pilotlight: pending, Queued; start #8 pilotlight
            lamp yellow: acme/app#11 is queued; post #9 pilotlight: pending, Queued; start #9 pilotlight
            lamp yellow: acme/app#12 is queued; post #10 pilotlight: pending, Queued; start #10 pilotlight
        60s wait
        61s crash
            lamp yellow: acme/app#12 is queued; start #1 pilotlight; start #2 pilotlight; start #3 pilotlight; start #4 pilotlight; start #5 pilotlight; start #6 pilotlight; start #7 pilotlight; start #8 pilotlight; start #9 pilotlight; start #10 pilotlight
        62s asks about 1? work
            lamp yellow: acme/app#1 is queued; post #11 pilotlight: pending, Queued; start #11 pilotlight
        63s passes #11
            lamp blinking yellow: acme/app#1 is running
            post #11 pilotlight: pending, Running
            lamp green: acme/app#1 passed; post #11 pilotlight: success, Passed in 41s
    "#]]);
}

#[test]
fn a_forgotten_head_that_another_pull_request_speaks_for_is_not_built_twice() {
    check(expect![[r#"
        with workers=20 isolation=none
        listed acme/app #12:c0@12 #11:b0@11 #10:a0@10 #9:90@9 #8:80@8 #7:70@7 #6:60@6 #5:50@5 #4:40@4 #3:30@3 #2:c0@2
        (1m)
            lamp yellow: acme/app#3 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
            lamp yellow: acme/app#4 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
            lamp yellow: acme/app#5 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
            lamp yellow: acme/app#6 is queued; post #4 pilotlight: pending, Queued; start #4 pilotlight
            lamp yellow: acme/app#7 is queued; post #5 pilotlight: pending, Queued; start #5 pilotlight
            lamp yellow: acme/app#8 is queued; post #6 pilotlight: pending, Queued; start #6 pilotlight
            lamp yellow: acme/app#9 is queued; post #7 pilotlight: pending, Queued; start #7 pilotlight
            lamp yellow: acme/app#10 is queued; post #8 pilotlight: pending, Queued; start #8 pilotlight
            lamp yellow: acme/app#11 is queued; post #9 pilotlight: pending, Queued; start #9 pilotlight
            lamp yellow: acme/app#12 is queued; post #10 pilotlight: pending, Queued; start #10 pilotlight
        60s wait
        61s crash
            lamp yellow: acme/app#12 is queued; start #1 pilotlight; start #2 pilotlight; start #3 pilotlight; start #4 pilotlight; start #5 pilotlight; start #6 pilotlight; start #7 pilotlight; start #8 pilotlight; start #9 pilotlight; start #10 pilotlight
    "#]]);
}
