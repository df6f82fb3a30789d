//! Names change hands: what GitHub has under a configured name may be somebody else's repository.

use expect_test::expect;

use super::scenario::check;

#[test]
fn a_stranger_s_repository_under_the_old_name_is_not_built() {
    check(expect![[r#"
        with approval=none webhooks=off
        0s listed acme/app #7:1a2b
        (30s)
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        30s wait
        31s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        40s listed acme/app id=99 #7:bad1 #8:bad2
        (1m)
            log: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours; lamp red+yellow: Can't tell: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours
        61s wait
        70s rebuild acme/app#7
            202 #2 Accepted as build 2
        80s crash
            lamp red+yellow: Can't tell: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours
        2m listed acme/app id=99 #8:bad3
        5m wait
        5m listed acme/app #7:1a2b@0 #9:3c4d
        (5m 20s)
            lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
            lamp yellow: acme/app#9 is queued; post #3 pilotlight: pending, Queued
        6m wait
    "#]]);
}

#[test]
fn a_stranger_s_empty_list_closes_nothing_and_what_runs_goes_on() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        0s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued
        1s started #1
        50s listed acme/app id=99
        (1m)
            log: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours; lamp red+yellow: Can't tell: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours
        61s passes #1
        5m pull acme/app#9 opened 5e6f
            202 #3 Accepted as build 3
        6m listed acme/app #9:5e6f@300 #8:3c4d@0 #7:1a2b@0
        (7m)
            lamp yellow: acme/app#9 is queued; post #1 pilotlight: success, Passed in 41s; start #2 pilotlight
            post #3 pilotlight: pending, Queued
        7m wait
    "#]]);
}

#[test]
fn a_late_delivery_does_not_say_that_all_is_well() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        50s listed acme/app id=99 #7:bad1
        (1m)
            log: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours; lamp red+yellow: Can't tell: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours
        61s pull acme/app#7 synchronize 3c4d
            202 #2 Accepted as build 2
        62s show #2
            #2 queued, attempt 0, base main; pilotlight Queued: Queued
        9m wait
    "#]]);
}

#[test]
fn what_was_renamed_is_built_on_by_its_list() {
    check(expect![[r#"
        asks shown
        0s listed acme/app #7:1a2b
        (1m)
            list of acme/app?
            statuses of 1a2b?
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1m wait
        61s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        70s listed acme/app name=acme/web id=774 #7:3c4d
        71s pull acme/web#7 synchronize 3c4d id=774
            200 acme/web is not configured here: nothing to build. GitHub's acme/app is called acme/web now: write the new name in the configuration; list of acme/app?
            lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        80s listed acme/web id=774 #7:3c4d
        80s reload repositories=acme/web
            lamp dark: No pull request yet; list of acme/web?
            deliveries of acme/web?
            statuses of 3c4d?
            statuses of 3c4d?
            lamp yellow: acme/web#7 is queued; post #3 pilotlight: pending, Queued
        90s passes #2
            post #2 pilotlight: pending, Running
            post #2 pilotlight: success, Passed in 41s
            start #3 pilotlight
    "#]]);
}

#[test]
fn what_was_given_to_somebody_else_is_not_built() {
    check(expect![[r#"
        0s listed acme/app #7:1a2b
        (1m)
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1m wait
        61s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        70s listed acme/app name=mallory/app id=774 #7:3c4d
        71s pull mallory/app#7 synchronize 3c4d id=774
            200 mallory/app is not configured here: nothing to build. GitHub's acme/app is called mallory/app now: write the new name in the configuration
            log: GitHub's acme/app is called mallory/app now: write the new name in the configuration; lamp red+yellow: Can't tell: GitHub's acme/app is called mallory/app now: write the new name in the configuration
        2m pull acme/app#8 opened 5e6f
            202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued
    "#]]);
}

#[test]
fn a_name_that_is_old_already_is_no_hindrance() {
    check(expect![[r#"
        0s listed acme/app name=acme/web #7:1a2b
        (1m)
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1m wait
        1m pull acme/web#7 opened 1a2b id=774
            200 acme/web is not configured here: nothing to build. GitHub's acme/app is called acme/web now: write the new name in the configuration
        1m pull acme/other#7 opened 1a2b
            200 acme/other is not configured here: nothing to build
    "#]]);
}

#[test]
fn a_repository_that_was_made_anew_is_taken_when_the_team_s_hook_or_the_configuration_says_so() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        10s listed acme/app id=99 #1:5e6f
        (1m)
            log: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours; lamp red+yellow: Can't tell: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours
        1m wait
        61s pull acme/app#1 opened 5e6f id=99
            202 #2 Accepted as build 2; lamp yellow: acme/app#1 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        90s reload id=99
        91s passes #2
            lamp blinking yellow: acme/app#1 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#1 passed; post #2 pilotlight: success, Passed in 41s
        2m pull acme/app#8 opened bad1
            log: GitHub's acme/app is repository 774, not 99: has a stranger taken the name? Write the new name of yours in the configuration, or id = 774 below this one if that is yours; 200 Nothing to build: GitHub's acme/app is repository 774, not 99: has a stranger taken the name? Write the new name of yours in the configuration, or id = 774 below this one if that is yours; lamp red+yellow: Can't tell: GitHub's acme/app is repository 774, not 99: has a stranger taken the name? Write the new name of yours in the configuration, or id = 774 below this one if that is yours
    "#]]);
}

#[test]
fn the_configured_number_holds_from_the_first_list_on() {
    check(expect![[r#"
        with id=5
        0s listed acme/app #7:1a2b
        (1m)
            log: GitHub's acme/app is repository 774, not 5: has a stranger taken the name? Write the new name of yours in the configuration, or id = 774 below this one if that is yours; lamp red+yellow: Can't tell: GitHub's acme/app is repository 774, not 5: has a stranger taken the name? Write the new name of yours in the configuration, or id = 774 below this one if that is yours
        1m wait
        70s listed acme/app id=5 #7:1a2b
        (2m)
            lamp dark: No pull request yet
            lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        2m wait
    "#]]);
}

#[test]
fn words_under_another_repository_are_not_obeyed() {
    check(expect![[r#"
        with id=774
        0s pull acme/app#7 opened 1a2b fork
            202 #1 Build 1 waits for approval; post #1 pilotlight: pending, Waiting for approval: comment /approve 1a2b000000000000000000000000000000000000 (or pilotlight approve acme/app#7 SHA)
        10s comment acme/app#7 by alice /approve 1a2b id=99
            log: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours; 200 Nothing to build: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours; lamp red+yellow: Can't tell: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours
        20s listed acme/app #7:1a2b@0
        (1m)
            lamp dark: No pull request yet
        1m wait
        70s asks about alice hang
        70s comment acme/app#7 by alice /approve 1a2b000
            200 Understood /approve 1a2b000 by alice: it counts if GitHub says that alice may write there
        80s listed acme/app id=99 #7:1a2b
        2m wait
        2m asks about alice work
            log: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours; log: /approve 1a2b000 by alice on acme/app#7: GitHub has another repository under that name now; lamp red+yellow: Can't tell: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours
        2m listed acme/app #7:1a2b@0
        (3m)
            lamp dark: No pull request yet
        4m wait
        4m comment acme/app#7 by alice /approve 1a2b…
            200 Understood /approve 1a2b000 by alice: it counts if GitHub says that alice may write there
            log: /approve 1a2b000 by alice on acme/app#7: Approved 1a2b000000000000000000000000000000000000 of acme/app#7 (Make it shine): build 1 is queued; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
    "#]]);
}

#[test]
fn a_status_of_another_repository_is_not_believed() {
    check(expect![[r#"
        with external=on
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        50s listed acme/app id=99 #7:1a2b
        50s shown 1a2b travis failure
        (1m)
            log: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours; lamp red+yellow: Can't tell: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours
        1m wait
        2m listed acme/app #7:1a2b@0
        2m shown 1a2b
        (3m)
            lamp green: acme/app#7 passed
            post #1 pilotlight: success, Passed in 41s
        4m wait
    "#]]);
}

#[test]
fn what_turns_out_to_be_the_team_s_is_built_from_its_list_that_stays_the_same() {
    check(expect![[r#"
        with workers=2 isolation=none
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        10s listed acme/app id=99 #1:5e6f #2:7a8b
        (1m)
            log: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours; lamp red+yellow: Can't tell: GitHub's acme/app is repository 99, not 774: has a stranger taken the name? Write the new name of yours in the configuration, or id = 99 below this one if that is yours
        1m wait
        61s pull acme/app#1 opened 5e6f id=99
            202 #2 Accepted as build 2; lamp yellow: acme/app#1 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
            lamp yellow: acme/app#2 is queued; post #3 pilotlight: pending, Queued; start #3 pilotlight
        3m wait
    "#]]);
}
