//! A hundred open pull requests, and GitHub was away: how long until it shows the truth of each of them. GitHub takes 60
//! posts at once and then one a second: that is enough if each head needs one word, and if what is asked meanwhile waits.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::growth::fill;
use crate::support::config::{TOKEN, TestConfig};
use crate::support::daemon::Daemon;
use crate::support::github::{FakeGithub, StatusPost};
use crate::support::payload::pull;
use crate::support::relay::relay;
use crate::support::repo::Origin;
use crate::support::scene::APP;

/// Of the pull requests known from an earlier life these have another head now, these the one they had, and the rest
/// was closed; others were opened meanwhile. And GitHub has lost what it was told of some.
const KNOWN: u64 = 60;
const PUSHED: std::ops::RangeInclusive<u64> = 1..=40;
const SAME: std::ops::RangeInclusive<u64> = 41..=50;
const LOST: std::ops::RangeInclusive<u64> = 46..=50;
const OPENED: std::ops::RangeInclusive<u64> = 61..=110;

/// How far away GitHub is, one way: about as from Europe.
const FAR: Duration = Duration::from_millis(75);

/// The promise is a minute. A machine that has other things to do gets its time.
const LIMIT: Duration = Duration::from_secs(90);

/// Builds that take their time: all that is there to say is that they wait.
#[test]
fn a_hundred_open_pull_requests_are_right_soon_after_github_is_back() {
    github_is_back("exec sleep 600", "pending");
}

/// Builds that end while others are told of.
#[test]
fn a_hundred_builds_that_end_at_once_are_told_as_soon() {
    github_is_back("true", "success");
}

fn github_is_back(run: &str, state_in_the_end: &str) {
    // An address of its own: no client on 127.0.0.1 is given its port meanwhile.
    let address = format!("127.{}.{}.1:7480", fastrand::u8(1..), fastrand::u8(..));
    let origin = Origin::new();
    let config = TestConfig::new(&format!("http://{}", relay(&address, FAR)));
    let config = config.repository(APP, &origin.url(), &[("test", run)]).set("builder.workers", "2");
    let mut daemon = Daemon::start(&config);
    daemon.sigkill();
    let known = i64::try_from(KNOWN).unwrap();
    fill(&Connection::open(daemon.room.path("state/pilotlight.db")).unwrap(), known, known);
    let new: Vec<_> = PUSHED.chain(OPENED).map(|number| (number, origin.commit(&[]))).collect();
    new.iter().for_each(|(number, sha)| origin.publish_pull(*number, sha));
    daemon.restart(&config);
    daemon.wait_for_log("GitHub can't be asked for the pull requests of ");

    // As `fill` has it: the pull request after the build's number has that build's sha.
    let old = |number: u64| format!("{:040x}", number - 1);
    let heads: Vec<_> = new.into_iter().chain(SAME.map(|number| (number, old(number)))).collect();
    let github = FakeGithub::start_at(&address, TOKEN);
    github.reset();
    (1..=KNOWN + 1).filter(|number| !LOST.contains(number)).for_each(|number| github.remember(told(&old(number))));
    let remembered = github.posts().len();
    let listed = heads.iter().rev().map(|(number, sha)| pull("opened", APP, *number, sha, 0).json()).collect();
    github.list(APP, listed);
    let back = Instant::now();
    github.heal();
    let newest = |posts: &[StatusPost], sha: &str| posts.iter().rev().find(|p| p.accepted() && p.sha == sha).cloned();
    let is_right = |posts: &[StatusPost], number: &u64, sha: &str| {
        let state = if SAME.contains(number) { "success" } else { state_in_the_end };
        newest(posts, sha).is_some_and(|p| p.state == state)
    };
    let all_right = |posts: &[StatusPost]| heads.iter().all(|(number, sha)| is_right(posts, number, sha));
    let posts = github.wait_for(all_right, LIMIT);
    let (took, told) = (back.elapsed(), posts.len() - remembered);
    println!("{} open heads are right ({state_in_the_end}) after {took:.1?}, with {told} posts", heads.len());
    assert_eq!(heads.len(), 100);
    let gone = posts[remembered..].iter().find(|p| !heads.iter().any(|(_, sha)| *sha == p.sha));
    assert_eq!(gone, None, "there was nothing left to tell of it");
}

/// What GitHub was told of a build of `fill`.
fn told(sha: &str) -> StatusPost {
    let text = |text: &str| text.to_owned();
    StatusPost {
        repository: text(APP),
        sha: text(sha),
        state: text("success"),
        context: text("test"),
        description: text("Passed in 41s"),
        target_url: String::new(),
        authorization: true,
        answer: Some(201),
    }
}
