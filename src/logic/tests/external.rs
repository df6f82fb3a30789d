//! What others say of the followed head.

use expect_test::expect;

use super::scenario::check;
use crate::logic::event::{Shown, StatusState};
use crate::logic::external::EXTERNAL_CONTEXTS_MAX;
use crate::logic::rows::Pull;

#[test]
fn it_is_joined_as_github_joins_statuses() {
    check(expect![[r#"
        with external=on
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s status 1a2b travis success
            200 Remembered for the lamp
        2s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        3s status 1a2b travis pending
            200 Remembered for the lamp; lamp yellow: acme/app#7 waits for travis
        4s status 1a2b jenkins failure
            200 Remembered for the lamp; lamp red: acme/app#7: jenkins failed
        5s status 1a2b jenkins success
            200 Remembered for the lamp; lamp yellow: acme/app#7 waits for travis
        6s status 1a2b travis error
            200 Remembered for the lamp; lamp red: acme/app#7: travis failed
        7s status 1a2b travis success
            200 Remembered for the lamp; lamp green: acme/app#7 passed
    "#]]);
}

#[test]
fn it_counts_while_ours_runs_and_never_hides_ours() {
    check(expect![[r#"
        with external=on
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s started #1
            lamp blinking yellow: acme/app#7 is running
        2s status 1a2b travis pending
            200 Remembered for the lamp
        3s status 1a2b travis failure
            200 Remembered for the lamp; lamp red: acme/app#7: travis failed
        4s status 1a2b travis success
            200 Remembered for the lamp; lamp blinking yellow: acme/app#7 is running
        5s finished #1 the worker was lost
            lamp red+yellow: acme/app#7 ended with an error; post #1 pilotlight: error, the worker was lost
        6s status 1a2b travis pending
            200 Remembered for the lamp
        7s status 1a2b travis error
            200 Remembered for the lamp; lamp red: acme/app#7: travis failed
        8s rebuild acme/app#7
            202 #2 Accepted as build 2; post #2 pilotlight: pending, Queued; start #2 pilotlight
        9s status 1a2b travis success
            200 Remembered for the lamp; lamp yellow: acme/app#7 is queued
        9s fails #2
            lamp blinking yellow: acme/app#7 is running
            post #2 pilotlight: pending, Running
            lamp red: acme/app#7 failed; post #2 pilotlight: failure, Failed in 41s: exit code 1
        10s status 1a2b travis error
            200 Remembered for the lamp
    "#]]);
}

#[test]
fn only_newer_words_are_believed() {
    check(expect![[r#"
        with external=on
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        9s status 1a2b travis failure at=5 id=50
            200 Remembered for the lamp; lamp red: acme/app#7: travis failed
        9s status 1a2b travis success at=4 id=51
            200 Understood status: nothing to build
        9s status 1a2b travis success at=5 id=49
            200 Understood status: nothing to build
        9s status 1a2b travis failure at=5 id=50
            200 Understood status: nothing to build
        9s status 1a2b Travis success at=5 id=52
            200 Remembered for the lamp; lamp green: acme/app#7 passed
    "#]]);
}

#[test]
fn what_is_not_about_the_followed_head_or_is_ours_changes_nothing() {
    check(expect![[r#"
        with external=on
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s status 1a2b Pilotlight failure
            200 Understood status: nothing to build
        2s status 3c4d travis failure
            200 Understood status: nothing to build
        2s status 1a2b travis failure of=acme/lib
            200 acme/lib is not configured here: nothing to build
        3s reload external=off
        3s status 1a2b travis failure
            200 Understood status: nothing to build
        4s reload checks=test
        4s reload external=on
        4s status 1a2b pilotlight failure
            200 Understood status: nothing to build
    "#]]);
}

#[test]
fn it_survives_a_restart_and_ends_with_its_head() {
    check(expect![[r#"
        with external=on
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s status 1a2b travis failure
            200 Remembered for the lamp; lamp red: acme/app#7: travis failed
        3s asks hang
        3s crash
            lamp red: acme/app#7: travis failed
        4s pull acme/app#7 synchronize 3c4d before=1a2b
            202 #2 Accepted as build 2; lamp yellow: acme/app#7 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        5s passes #2
            lamp blinking yellow: acme/app#7 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #2 pilotlight: success, Passed in 41s
        6s status 1a2b travis success
            200 Understood status: nothing to build
    "#]]);
}

#[test]
fn what_no_webhook_told_is_asked_for() {
    check(expect![[r#"
        with external=on
        0s asks shown
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight; others on 1a2b?
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s shown 1a2b travis failure
        (1m)
            list of acme/app?
            others on 1a2b?
            lamp red: acme/app#7: travis failed
        70s shown 1a2b travis success
        (2m)
            list of acme/app?
            others on 1a2b?
            lamp green: acme/app#7 passed
        130s pull acme/app#7 closed 1a2b
            200 Closed: nothing waited or ran
        (3m)
            list of acme/app?
        200s wait
    "#]]);
}

#[test]
fn of_a_closed_one_only_what_has_ended_counts() {
    check(expect![[r#"
        with external=on
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s status 1a2b travis pending
            200 Remembered for the lamp; lamp yellow: acme/app#7 waits for travis
        3s pull acme/app#7 closed 1a2b
            200 Closed: nothing waited or ran; lamp green: acme/app#7 passed
        4s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        5s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        6s status 3c4d travis failure
            200 Remembered for the lamp; lamp red: acme/app#8: travis failed
        7s pull acme/app#8 closed 3c4d
            200 Closed: nothing waited or ran
        8s status 3c4d travis success
            200 Understood status: nothing to build
    "#]]);
}

#[test]
fn the_worst_of_all_is_the_worst_of_others_too() {
    check(expect![[r#"
        with external=on follow=worst
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s pull acme/app#8 opened 3c4d
            202 #2 Accepted as build 2; lamp yellow: acme/app#8 is queued; post #2 pilotlight: pending, Queued; start #2 pilotlight
        3s passes #2
            lamp blinking yellow: acme/app#8 is running
            post #2 pilotlight: pending, Running
            lamp green: acme/app#8 passed; post #2 pilotlight: success, Passed in 41s
        4s status 1a2b travis pending
            200 Remembered for the lamp; lamp yellow: acme/app#7 waits for travis
        5s status 3c4d travis failure
            200 Remembered for the lamp; lamp red: acme/app#8: travis failed
        6s pull acme/app#8 closed 3c4d
            200 Closed: nothing waited or ran; lamp yellow: acme/app#7 waits for travis
    "#]]);
}

#[test]
fn what_github_does_not_show_is_not_guessed() {
    check(expect![[r#"
        with external=on
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        2s asks about others refused
        (2m)
            lamp red+yellow: Can't tell: GitHub can't be asked: 422
        5m asks about others work
        (5m 30s)
            lamp green: acme/app#7 passed
        6m wait
    "#]]);
}

#[test]
fn many_contexts_push_out_the_good_and_old_ones() {
    let mut pull = Pull::default();
    let shown = |context: String, state, id| Shown { context, state, description: String::new(), updated_at: 5, id };
    for id in 0..EXTERNAL_CONTEXTS_MAX as u64 {
        let state = if id == 1 { StatusState::Failure } else { StatusState::Success };
        assert!(pull.take_external(&shown(format!("c{id}"), state, id)));
    }
    for id in 1000..1003 {
        assert!(pull.take_external(&shown(format!("c{id}"), StatusState::Pending, id)));
    }
    let kept = |context: &str| pull.external.iter().any(|e| e.context == context);
    assert_eq!(pull.external.len(), EXTERNAL_CONTEXTS_MAX);
    assert_eq!(["c0", "c1", "c2", "c3", "c4", "c1002"].map(kept), [false, true, false, false, true, true]);
    assert!(pull.take_external(&shown("evil\u{202e}\n\u{1b}[2J".to_owned(), StatusState::Failure, 2000)));
    assert!(pull.external.iter().any(|e| e.context == "evil[2J"), "{:?}", pull.external);
}
