//! What no webhook told: the daemon asks GitHub, at the start, at a beat, and when GitHub is back.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::config::{TOKEN, TestConfig};
use crate::support::daemon::{Daemon, fresh_guid};
use crate::support::github::{Asked, FakeGithub};
use crate::support::payload::{comment, pull};
use crate::support::repo::Origin;
use crate::support::scene::{APP, Scene, WAITS};

/// An open pull request as a list shows it.
fn open(number: u64, sha: &str, second: u64) -> Value {
    pull("opened", APP, number, sha, second).json()
}

fn lists(asked: &[Asked]) -> Vec<Option<u16>> {
    asked.iter().filter(|a| a.path.contains("/pulls?")).map(|a| a.answer).collect()
}

/// GitHub, a repository, and a configuration that no daemon has yet.
fn before_the_start(checks: &[(&str, &str)]) -> (FakeGithub, Origin, TestConfig) {
    let (github, origin) = (FakeGithub::start(TOKEN), Origin::new());
    let config = TestConfig::new(&github.url()).repository(APP, &origin.url(), checks);
    (github, origin, config)
}

fn publish(origin: &Origin, numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, String)> {
    let one = |number| {
        let sha = origin.commit(&[]);
        origin.publish_pull(number, &sha);
        (number, sha)
    };
    numbers.map(one).collect()
}

#[test]
fn what_is_open_at_the_first_start_is_built_once() {
    let (github, origin, config) = before_the_start(&[("test", "true")]);
    let heads = publish(&origin, 1..=3);
    github.list(APP, heads.iter().rev().map(|(number, sha)| open(*number, sha, *number)).collect());
    let mut daemon = Daemon::start(&config);
    for (_, sha) in &heads {
        github.wait_for_state(sha, "test", "success", PATIENCE);
    }
    // Another start, and another list: nothing is built again.
    daemon.sigterm();
    let asked = github.wait_for_asked(|_| true, PATIENCE).len();
    daemon.restart(&config);
    let statuses = |asked: &[Asked]| asked.iter().filter(|a| a.path.contains("/commits/")).count();
    github.wait_for_asked(|all| statuses(&all[asked..]) == 3, PATIENCE);
    github.wait_for_asked(|all| all[asked..].iter().any(|a| a.path.ends_with("/deliveries?per_page=100")), PATIENCE);
    assert_eq!(daemon.get_json("/api/v1/builds")["builds"].as_array().map(Vec::len), Some(3));
    let ends = github.posts().iter().filter(|p| p.state == "success").count();
    assert_eq!(ends, 3, "what GitHub shows is right already: {:#?}", github.posts());
}

#[test]
fn what_happened_while_the_daemon_was_away_is_made_good_at_its_start() {
    let mut scene = Scene::new(&[("test", WAITS)]);
    let (old, closed) = (scene.open(1).0, scene.open(2).0);
    scene.cues.hear(&old);
    scene.shown(&closed, "test", "pending");
    scene.daemon.sigkill();

    let (pushed, opened) = (scene.commit(1, &[]), scene.commit(3, &[]));
    scene.github.list(APP, vec![open(3, &opened, 20), open(1, &pushed, 10)]);
    scene.daemon.restart(&scene.config);
    let superseded = format!("Superseded by {}", &pushed[..7]);
    assert_eq!(scene.shown(&old, "test", "error").description, superseded);
    assert_eq!(scene.shown(&closed, "test", "error").description, "Cancelled: the pull request was closed");
    for sha in [&pushed, &opened] {
        scene.cues.hear(sha);
        scene.cues.go();
        scene.shown(sha, "test", "success");
    }
}

#[test]
fn without_webhooks_polling_alone_builds_and_an_unchanged_list_costs_nothing() {
    let (github, origin, config) = before_the_start(&[("test", "true")]);
    let heads = publish(&origin, 1..=1);
    github.list(APP, vec![open(1, &heads[0].1, 0)]);
    let daemon = Daemon::start(&config.set("webhook.listen", "\"off\""));
    daemon.wait_for_log("listening for no webhooks");
    github.wait_for_state(&heads[0].1, "test", "success", PATIENCE);
    assert_eq!(daemon.hooks_address(), "");
    // The beat is half a minute.
    let asked = github.wait_for_asked(|asked| lists(asked).len() == 2, 2 * PATIENCE);
    assert_eq!(lists(&asked), [Some(200), Some(304)]);
    assert!(asked.iter().all(|a| !a.path.contains("/hooks")), "there is no hook: {asked:#?}");
}

#[test]
fn a_list_of_more_than_one_page_is_read_to_its_end_and_costs_nothing_unchanged() {
    let (github, _origin, config) = before_the_start(&[("test", "true")]);
    let sha = |number: u64| format!("{number:040x}");
    let listed: Vec<_> = (1..=120).rev().map(|number| open(number, &sha(number), number)).collect();
    github.list(APP, listed);
    // It asks for a list of its own, which is the same.
    github.fail_delivery(&fresh_guid());
    let daemon = Daemon::start(&config);
    github.wait_for(|posts| posts.iter().any(|p| p.sha == sha(120)), PATIENCE);
    let asked = github.wait_for_asked(|asked| lists(asked).len() == 6, PATIENCE);
    assert_eq!(lists(&asked), [[Some(200); 3], [Some(304); 3]].concat());
    daemon.wait_for_log("starting build");
    let built = daemon.get_json("/api/v1/builds")["builds"].as_array().map(Vec::len);
    assert!(built.is_some_and(|n| n <= 10), "the first time the newest ten alone: {built:?}");
    // One that was not among them is known and can be asked for.
    let rebuilt = daemon.cli(&["rebuild", "acme/app#1"]);
    assert_eq!(rebuilt.code, Some(0), "{}{}", rebuilt.stdout, rebuilt.stderr);
}

#[test]
fn a_failed_delivery_is_handled_once() {
    let (github, origin, config) = before_the_start(&[("test", "true")]);
    let heads = publish(&origin, 1..=1);
    github.list(APP, vec![open(1, &heads[0].1, 0)]);
    let guid = fresh_guid();
    github.fail_delivery(&guid);
    let mut daemon = Daemon::start(&config);
    github.wait_for_state(&heads[0].1, "test", "success", PATIENCE);
    // It asks for a list of its own, which is the same.
    let asked = github.wait_for_asked(|asked| lists(asked).len() == 2, PATIENCE);
    assert_eq!(lists(&asked), [Some(200), Some(304)]);
    daemon.restart(&config);
    let deliveries = |asked: &[Asked]| asked.iter().filter(|a| a.path.contains("/deliveries")).count();
    let asked = github.wait_for_asked(|asked| deliveries(asked) == 2, PATIENCE);
    assert_eq!(lists(&asked).len(), 3, "{asked:#?}");
    // Another hook of the same event brings nothing new.
    let again = daemon.hook_as(&guid, 2, "pull_request", &open(1, &heads[0].1, 0), false);
    assert_eq!((again.0, &again.1["result"]), (200, &"Already known from hook 1".into()));
}

#[test]
fn a_word_in_a_comment_whose_delivery_failed_counts_once() {
    let (github, origin, config) = before_the_start(&[("test", "true")]);
    let (sha, guid) = (publish(&origin, 1..=1)[0].1.clone(), fresh_guid());
    github.list(APP, vec![open(1, &sha, 0)]);
    github.permit("alice", "write");
    let word = comment(APP, 1, "alice", &format!("/approve {sha}"));
    github.fail_comment(&fresh_guid(), &comment(APP, 1, "mallory", &format!("/approve {sha}")));
    github.fail_comment(&fresh_guid(), &comment(APP, 1, "alice", "Well done!"));
    github.fail_comment(&guid, &word);
    let config = config.set("builder.approval", "\"all\"");
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_log("by mallory on acme/app#1: GitHub does not say");
    github.wait_for_state(&sha, "test", "success", PATIENCE);
    // Nor is it asked for again, nor taken again when GitHub redelivers it.
    let asked = github.wait_for_asked(|_| true, PATIENCE).len();
    daemon.restart(&config);
    github.wait_for_asked(|all| all[asked..].iter().any(|a| a.path.ends_with("/deliveries?per_page=100")), PATIENCE);
    let again = daemon.hook_as(&guid, 1, "issue_comment", &word, true);
    assert_eq!((again.0, &again.1["result"]), (200, &"Already known: a comment counts once".into()));
    let words = |asked: &[Asked]| asked.iter().filter(|a| a.path.contains("/deliveries/")).count();
    assert_eq!(words(&github.wait_for_asked(|_| true, PATIENCE)), 3);
}

/// Whatever GitHub says, builds go on, and when it is itself again it hears the newest truth, not all that was to be told
/// meanwhile.
#[track_caller]
fn heals(trouble: impl Fn(&FakeGithub)) {
    let scene = Scene::new(&[("test", WAITS)]);
    let sha = scene.commit(1, &[]);
    scene.github.list(APP, vec![open(1, &sha, 0)]);
    scene.github.wait_for_asked(|asked| !asked.is_empty(), PATIENCE);
    let before = scene.github.wait_for_asked(|_| true, PATIENCE).len();
    trouble(&scene.github);
    scene.daemon.signal(Signal::HUP);
    scene.github.wait_for_asked(|asked| asked.len() > before, PATIENCE);
    let id = scene.accepted(pull("opened", APP, 1, &sha, 0));
    scene.cues.hear(&sha);
    scene.cues.go();
    scene.daemon.wait_build(id, "success");

    scene.github.heal();
    scene.daemon.signal(Signal::HUP);
    let end = scene.shown(&sha, "test", "success");
    assert!(end.target_url.ends_with(&format!("/builds/{id}")), "{end:?}");
    let told = |p: &&crate::support::github::StatusPost| p.accepted() && p.state != "success";
    let old = scene.github.posts().iter().filter(told).count();
    let good = |asked: &[Asked]| lists(asked).last().is_some_and(|answer| matches!(answer, Some(200 | 304)));
    scene.github.wait_for_asked(good, PATIENCE);
    // One call at a time: one that was under way is heard, or waits behind a question that got no answer.
    assert!(old <= 1, "{:#?}", scene.github.posts());
}

#[test]
fn an_api_with_a_problem_of_its_own_heals() {
    heals(|github| github.fail_with(503, &[]));
}

#[test]
fn an_api_that_wants_a_pause_heals() {
    heals(|github| github.fail_with(429, &[("Retry-After", "3000")]));
}

#[test]
fn an_api_whose_allowance_is_used_up_heals() {
    let reset = "4102444800"; // in the year 2100
    heals(|github| github.fail_with(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)]));
}

#[test]
fn an_api_that_resets_heals() {
    heals(FakeGithub::reset);
}

#[test]
fn an_api_that_never_answers_heals() {
    heals(FakeGithub::stall);
}

#[test]
fn an_api_that_breaks_off_heals() {
    heals(|github| github.say(200, &[("X-Half", "")], &format!("[{}]", "1,".repeat(1000))));
}

#[test]
fn an_api_that_says_yes_to_everything_and_forgets_heals() {
    heals(|github| github.say(200, &[("ETag", "\"the same\"")], "[]"));
}

#[test]
fn an_api_that_always_says_the_same_as_before_heals() {
    heals(|github| github.say(304, &[("ETag", "\"never seen\"")], ""));
}

#[test]
fn an_api_whose_pages_never_end_heals() {
    let next = "<https://api.github.com/more?page=2>; rel=\"next\"";
    heals(|github| github.say(200, &[("Link", next), ("ETag", "\u{fffd}\t\"")], "[]"));
}

/// What an answer that is no list may do: it counts as none.
#[track_caller]
fn lies(body: &str, words: &str) {
    let scene = Scene::new(&[("test", "true")]);
    let sha = scene.commit(1, &[]);
    scene.github.list(APP, vec![open(1, &sha, 0)]);
    scene.daemon.signal(Signal::HUP);
    scene.shown(&sha, "test", "success");
    scene.github.say(200, &[], body);
    scene.daemon.signal(Signal::HUP);
    let line = scene.daemon.wait_for_log("GitHub can't be asked for the pull requests of ");
    assert!(line.contains(words) && line.len() < 600, "{line}");
    scene.github.heal();
    scene.daemon.signal(Signal::HUP);
    scene.daemon.wait_for_log("GitHub can be asked again");
    let build = scene.daemon.get_json("/api/v1/builds/1");
    assert_eq!(build["state"], "success");
    let (next, _) = scene.open(2);
    scene.shown(&next, "test", "success");
}

#[test]
fn garbage_is_no_list() {
    lies("<html>Unicorn!</html>", "");
}

#[test]
fn another_kind_of_json_is_no_list() {
    lies("{\"message\": \"Hello\"}", "");
}

#[test]
fn pull_requests_without_heads_are_no_list() {
    lies("[{\"number\": 1, \"state\": \"open\"}]", "");
}

#[test]
fn a_huge_body_is_no_list() {
    let huge = format!("[{}1]", "1,".repeat(8 * 1024 * 1024));
    lies(&huge, "");
}

#[test]
fn a_token_that_is_refused_is_trouble_until_it_is_replaced() {
    let (github, origin) = (FakeGithub::start("github_pat_new"), Origin::new());
    let config = TestConfig::new(&github.url()).repository(APP, &origin.url(), &[("test", "true")]);
    let heads = publish(&origin, 1..=1);
    github.list(APP, vec![open(1, &heads[0].1, 0)]);
    let daemon = Daemon::start(&config);
    daemon.wait_for_log("the lamp: Can't tell: GitHub refuses the token for acme/app: ");
    std::fs::write(daemon.room.path("github-token"), "github_pat_new\n").unwrap();
    daemon.signal(Signal::HUP);
    github.wait_for_state(&heads[0].1, "test", "success", PATIENCE);
    daemon.wait_for_log("the lamp: acme/app#1 passed");
}

#[test]
fn no_tls_and_no_address_are_outages_with_clear_words() {
    let (github, origin) = (FakeGithub::start(TOKEN), Origin::new());
    let https = github.url().replace("http://", "https://");
    for (url, words) in [
        (https.as_str(), "No answer from https://127.0.0.1"),
        (
            "http://does-not-exist.invalid",
            "No address found for http://does-not-exist.invalid: check this box's network and DNS",
        ),
    ] {
        let config = TestConfig::new(url).repository(APP, &origin.url(), &[("test", "true")]);
        let mut daemon = Daemon::start(&config);
        let line = daemon.wait_for_log("GitHub can't be asked for the pull requests of ");
        assert!(line.contains(words), "{line}");
        let sha = origin.commit(&[]);
        origin.publish_pull(1, &sha);
        assert_eq!(daemon.hook("pull_request", &open(1, &sha, 0), false).0, 202);
        daemon.wait_build(1, "success");

        daemon.restart(&TestConfig::new(&github.url()).repository(APP, &origin.url(), &[("test", "true")]));
        github.wait_for_state(&sha, "test", "success", PATIENCE);
    }
}
