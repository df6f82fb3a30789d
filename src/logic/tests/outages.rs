//! GitHub away, pausing or refusing: what is asked, what is told, and when it is asked again.

use expect_test::expect;

use super::scenario::check;

#[test]
fn after_an_outage_everything_is_looked_at_again() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        50s listed acme/app #7:1a2b@0
        61s asks fail no-route
        62s asks shown
        (2m)
            list of acme/app?
        (2m 5s)
            list of acme/app?
        (2m 10s)
            list of acme/app?
        (2m 15s)
            list of acme/app?
        (2m 20s)
            list of acme/app?
        (2m 25s)
            list of acme/app?
        (2m 30s)
            list of acme/app?
        (2m 35s)
            list of acme/app?
        (2m 40s)
            list of acme/app?
        (2m 45s)
            list of acme/app?
        (2m 50s)
            list of acme/app?
        (2m 55s)
            list of acme/app?
        (3m)
            lamp red+yellow: Can't tell: GitHub can't be asked: no-route; list of acme/app?
        3m shown 1a2b
        (3m 5s)
            list of acme/app?
        (3m 10s)
            list of acme/app?
        (3m 15s)
            list of acme/app?
        (3m 20s)
            list of acme/app?
        200s asks work
        (3m 25s)
            list of acme/app?
            lamp green: acme/app#7 passed; list of acme/app?
            deliveries of acme/app?
            statuses of 1a2b?
            post #1 pilotlight: success, Passed in 41s
        (4m 25s)
            list of acme/app?
        (5m 25s)
            list of acme/app?
        6m wait
    "#]]);
}

#[test]
fn a_question_that_always_fails_neither_hurries_the_others_nor_is_hurried() {
    check(expect![[r#"
        with repositories=acme/app,acme/lib
        10s asks about lib fail 502
        60s asks shown
        (1m 5s)
            list of acme/lib?
        (1m 10s)
            list of acme/lib?
        (1m 15s)
            list of acme/lib?
        (1m 20s)
            list of acme/lib?
        (1m 25s)
            list of acme/lib?
        (1m 30s)
            list of acme/lib?
        (1m 35s)
            list of acme/lib?
        (1m 40s)
            list of acme/lib?
        (1m 45s)
            list of acme/lib?
        (1m 50s)
            list of acme/lib?
        (1m 55s)
            list of acme/lib?
        (2m)
            lamp red+yellow: Can't tell: GitHub can't be asked: 502; list of acme/app?
            list of acme/lib?
        (2m 5s)
            list of acme/lib?
        (2m 10s)
            list of acme/lib?
        (2m 15s)
            list of acme/lib?
        (2m 20s)
            list of acme/lib?
        (2m 25s)
            list of acme/lib?
        (2m 30s)
            list of acme/lib?
        (2m 35s)
            list of acme/lib?
        (2m 40s)
            list of acme/lib?
        (2m 45s)
            list of acme/lib?
        (2m 50s)
            list of acme/lib?
        (2m 55s)
            list of acme/lib?
        (3m)
            list of acme/app?
            list of acme/lib?
        3m wait
        181s asks about lib work
        (3m 5s)
            list of acme/lib?
            lamp dark: No pull request yet; list of acme/app?
            list of acme/lib?
            deliveries of acme/app?
            deliveries of acme/lib?
        (4m 5s)
            list of acme/app?
            list of acme/lib?
        5m wait
    "#]]);
}

#[test]
fn alone_a_list_that_is_refused_is_trouble() {
    check(expect![[r#"
        with webhooks=off
        29s asks refused
        (30s)
            lamp red+yellow: Can't tell: GitHub won't list the pull requests of acme/app: 422
        31s asks work
        (1m)
            lamp dark: No pull request yet
        61s wait
    "#]]);
}

#[test]
fn silence_over_a_minute_cant_tell_and_heals_by_itself() {
    check(expect![[r#"
        0s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; post #1 pilotlight: pending, Queued; start #1 pilotlight
        1s passes #1
            lamp blinking yellow: acme/app#7 is running
            post #1 pilotlight: pending, Running
            lamp green: acme/app#7 passed; post #1 pilotlight: success, Passed in 41s
        59s asks fail DNS
        (2m)
            lamp red+yellow: Can't tell: GitHub can't be asked: DNS
        124s asks work
        (2m 5s)
            lamp green: acme/app#7 passed
        3m wait
    "#]]);
}

#[test]
fn a_pause_that_github_asks_for_holds_for_questions_and_posts() {
    check(expect![[r#"
        with repositories=acme/app,acme/lib
        asks shown
        59s asks fail 429 wait=100s
        (1m)
            list of acme/app?
        60s asks work
        61s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; lamp yellow: acme/app#7 is queued; start #1 pilotlight
        (2m)
            lamp red+yellow: Can't tell: GitHub can't be asked: 429
        159s wait
        (2m 40s)
            post #1 pilotlight: pending, Queued; list of acme/lib?
            list of acme/app?
            lamp yellow: acme/app#7 is queued; list of acme/app?
            list of acme/lib?
            deliveries of acme/app?
            deliveries of acme/lib?
            statuses of 1a2b?
        160s wait
        170s posts fail 429 wait=200s
        171s started #1
            lamp blinking yellow: acme/app#7 is running
        171s check #1/0 started
            post #1 pilotlight: pending, Running (not taken)
        (3m 51s)
            lamp red+yellow: Can't tell: GitHub can't be reached: 429
        6m wait
        (6m 11s)
            post #1 pilotlight: pending, Running (not taken); list of acme/app?
        372s posts work
        8m wait
    "#]]);
}

#[test]
fn a_token_that_is_refused_pauses_and_a_new_one_heals() {
    check(expect![[r#"
        with repositories=acme/app,acme/lib
        asks shown
        59s asks unauthorized
        (1m)
            list of acme/app?
            lamp red+yellow: Can't tell: GitHub refuses the token for acme/app: 401 Bad credentials
        61s pull acme/app#7 opened 1a2b
            202 #1 Accepted as build 1; post #1 pilotlight: pending, Queued; start #1 pilotlight
        (2m)
            list of acme/lib?
        130s asks work
        131s reload
            list of acme/app?
            lamp red+yellow: Can't tell: GitHub refuses the token for acme/lib: 401 Bad credentials; list of acme/lib?
            lamp yellow: acme/app#7 is queued; deliveries of acme/app?
            deliveries of acme/lib?
            statuses of 1a2b?
    "#]]);
}
