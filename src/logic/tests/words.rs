//! The words of scenarios, and the pieces that storms share with them.

use std::time::Duration;

use crate::logic::build::{BuildId, CheckEnd};
use crate::logic::event::{
    BuildNews, Command, Comment, Delivery, DeliveryKey, Hook, LookUp, PostOutcome, PullAction, PullPayload, Shown,
    StatusState, Word,
};
use crate::logic::identity::Identity;
use crate::logic::policy::{
    Approval, CheckPolicy, CheckSource, Follow, Isolation, Network, Policy, RepositoryPolicy, Tested,
};
use crate::logic::secret::SecretFile;

/// One repository, one check, one worker, and the contract's defaults.
pub fn policy() -> Policy {
    Policy {
        repositories: vec![repository("acme/app", "pilotlight")],
        webhooks: true,
        workers: 1,
        isolation: Isolation::Systemd,
        approval: Approval::Forks,
        silence: Duration::from_secs(900),
        follow: Follow::Latest,
        lamp_repositories: Vec::new(),
        include_external: false,
        blink: true,
        dashboard_url: "http://box:8080".to_owned(),
    }
}

/// `checks`: contexts, with commas between.
pub fn repository(name: &str, checks: &str) -> RepositoryPolicy {
    let check = |context: &str| CheckPolicy {
        context: context.to_owned(),
        run: format!("make {context}"),
        timeout: Duration::from_secs(600),
    };
    let clone_url = format!("https://github.com/{name}.git");
    RepositoryPolicy {
        name: name.to_owned(),
        id: None,
        clone_url,
        network: Network::Internet,
        submodules: true,
        checks: checks.split(',').map(check).collect(),
        secrets: Vec::new(),
        check_source: CheckSource::Box,
        tested: Tested::Head,
        skip_ci: false,
    }
}

/// `workers=2 isolation=none`, …
pub fn settings(policy: &mut Policy, settings: &str) {
    for (key, value) in settings.split_whitespace().filter_map(|s| s.split_once('=')) {
        match (key, value) {
            ("workers", n) => policy.workers = n.parse().expect("a number"),
            ("isolation", "none") => policy.isolation = Isolation::None,
            ("isolation", "systemd") => policy.isolation = Isolation::Systemd,
            ("approval", "forks") => policy.approval = Approval::Forks,
            ("approval", "none") => policy.approval = Approval::None,
            ("approval", "all") => policy.approval = Approval::All,
            ("follow", "worst") => policy.follow = Follow::Worst,
            ("lamp", names) => policy.lamp_repositories = names.split(',').map(str::to_owned).collect(),
            ("external", on) => policy.include_external = on == "on",
            ("webhooks", "off") => policy.webhooks = false,
            ("blink", "off") => policy.blink = false,
            ("repositories", names) => {
                policy.repositories = names.split(',').map(|n| repository(n, "pilotlight")).collect();
            }
            ("source", source) => {
                let source = if source == "repository" { CheckSource::Repository } else { CheckSource::Box };
                policy.repositories.iter_mut().for_each(|r| r.check_source = source);
            }
            ("id", id) => policy.repositories[0].id = Some(id.parse().expect("a number")),
            ("skip", word) => policy.repositories.iter_mut().for_each(|r| r.skip_ci = word == "on"),
            ("checks", contexts) => {
                for r in &mut policy.repositories {
                    r.checks = repository(&r.name, contexts).checks;
                }
            }
            ("secrets", names) => {
                let secret = |n: &str| SecretFile { name: n.to_owned(), file: format!("/etc/{n}").into() };
                policy.repositories[0].secrets = names.split(',').map(secret).collect();
            }
            _ => panic!("no setting: {key}={value}"),
        }
    }
}

/// The value of `key` among words like `key=value`.
pub fn setting<'a>(all: &[&'a str], key: &str) -> Option<&'a str> {
    all.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The repository of that name, or what `id=99 name=acme/web` say that it is.
pub fn named(name: &str, all: &[&str]) -> Identity {
    let id = setting(all, "id").map(|id| id.parse().expect("a number"));
    let id = id.unwrap_or_else(|| name.bytes().map(|b| u64::from(b.to_ascii_lowercase())).sum());
    Identity { name: setting(all, "name").unwrap_or(name).to_owned(), id: Some(id) }
}

/// `1a2b` and 36 zeros.
pub fn sha(digits: &str) -> String {
    format!("{digits:0<40}")
}

/// `#1`.
pub fn id(word: &str) -> BuildId {
    word.trim_start_matches('#').parse().expect("a build like #1")
}

fn name(word: &str) -> (String, u64) {
    let (repository, number) = word.split_once('#').expect("a pull request like acme/app#7");
    (repository.to_owned(), number.parse().expect("a number"))
}

/// The delivery of a `pull` line; `at` is its `updated_at` if the line names none.
pub fn pull(pull: &str, action: &str, head: &str, all: &[&str], start: i64, at: i64, number: usize) -> Delivery {
    let (repository, number_of_pull) = name(pull);
    let action = match action {
        "opened" => PullAction::Opened,
        "reopened" => PullAction::Reopened,
        "synchronize" => PullAction::Synchronize,
        "ready_for_review" => PullAction::ReadyForReview,
        "edited" => PullAction::Edited { new_base: setting(all, "base").is_some() },
        "closed" => PullAction::Closed,
        other => PullAction::Other(other.to_owned()),
    };
    let repository = named(&repository, all);
    let from = Some(if all.contains(&"fork") { "mallory/app".to_owned() } else { repository.name.clone() });
    let payload = PullPayload {
        open: action != PullAction::Closed && setting(all, "state") != Some("closed"),
        action,
        repository,
        number: number_of_pull,
        title: "Make it shine".to_owned(),
        head_sha: sha(head),
        head_ref: "topic".to_owned(),
        head_repository: from.filter(|_| !all.contains(&"deleted-fork")),
        base_ref: setting(all, "base").unwrap_or("main").to_owned(),
        updated_at: setting(all, "at").map_or(at, |at| start + at.parse::<i64>().expect("seconds")),
        before: setting(all, "before").map(sha),
    };
    let hook_id = setting(all, "hook").map_or(1, |h| h.parse().expect("a number"));
    let key = DeliveryKey { guid: format!("guid-{number}"), hook_id };
    Delivery { key, hook: Hook::Pull(Box::new(payload)) }
}

/// Who may write to the repository.
pub const TEAM: [&str; 2] = ["alice", "bob"];

/// The delivery of a `comment` line. `/approve 1a2b…`: the whole sha.
pub fn comment(pull: &str, by: &str, word: &[&str], number: usize) -> Delivery {
    let (repository, number_of_pull) = name(pull);
    let repository = named(&repository, word);
    let word: Vec<_> = word.iter().copied().filter(|w| !w.contains('=')).collect();
    let word = match &word[..] {
        ["/test"] => Word::Test,
        ["/cancel"] => Word::Cancel,
        ["/approve", digits] => Word::Approve(Some(digits.strip_suffix('…').map_or((*digits).to_owned(), sha))),
        ["/approve"] => Word::Approve(None),
        _ => panic!("no such word: {word:?}"),
    };
    let key = DeliveryKey { guid: format!("guid-{number}"), hook_id: 1 };
    Delivery { key, hook: Hook::Comment(Comment { repository, number: number_of_pull, by: by.to_owned(), word }) }
}

/// One of a list: `#7:1a2b`, last touched at `at`; `#7:1a2b@3`: three seconds after the start.
pub fn listed(repository: &str, word: &str, all: &[&str], start: i64, at: i64) -> PullPayload {
    let (number, head) = word.split_once(':').expect("a pull request like #7:1a2b");
    let (head, at) = match head.split_once('@') {
        Some((head, seconds)) => (head, start + seconds.parse::<i64>().expect("seconds")),
        None => (head, at),
    };
    match pull(&format!("{repository}{number}"), "listed", head, all, start, at, 0).hook {
        Hook::Pull(payload) => *payload,
        _ => unreachable!("a pull line is about a pull request"),
    }
}

/// `pilotlight success Passed in 1s`, made at `at`.
pub fn shown(context: &str, state: &str, words: &[&str], at: i64, id: u64) -> Shown {
    let state = match state {
        "pending" => StatusState::Pending,
        "success" => StatusState::Success,
        "failure" => StatusState::Failure,
        "error" => StatusState::Error,
        _ => panic!("no such state: {state}"),
    };
    Shown { context: context.to_owned(), state, description: words.join(" "), updated_at: at, id }
}

/// `list of acme/app?`
pub fn look_up(what: &LookUp) -> String {
    match what {
        LookUp::Pulls { repository } => format!("list of {repository}?"),
        LookUp::Statuses { sha, .. } => format!("statuses of {}?", sha.trim_end_matches('0')),
        LookUp::External { sha, .. } => format!("others on {}?", sha.trim_end_matches('0')),
        LookUp::Deliveries { repository } => format!("deliveries of {repository}?"),
        LookUp::Word { missed, .. } => format!("word of {}?", missed.key.guid),
        LookUp::Permission { user, .. } => format!("may {user} write?"),
    }
}

pub fn command(all: &[&str]) -> Command {
    match all {
        ["cancel", build, "by", by] => Command::Cancel { build: id(build), by: (*by).to_owned() },
        ["rebuild", pull, rest @ ..] => {
            let (repository, pull) = name(pull);
            Command::Rebuild { repository, pull, sha: rest.first().map(|s| sha(s)) }
        }
        ["approve", pull, rest @ ..] => {
            let (repository, pull) = name(pull);
            let sha = rest.first().map(|digits| digits.strip_suffix('…').map_or((*digits).to_owned(), sha));
            Command::Approve { repository, pull, sha }
        }
        _ => panic!("no command: {all:?}"),
    }
}

/// How posts go from now on; `None` while they hang.
pub fn outcome(all: &[&str]) -> Option<PostOutcome> {
    match all {
        ["posts", "work"] => Some(PostOutcome::Accepted),
        ["posts", "hang"] => None,
        ["posts", "refused"] => Some(PostOutcome::Refused { error: "422".to_owned() }),
        ["posts", "unauthorized"] | ["token", "refused"] => {
            Some(PostOutcome::TokenRefused { error: "401 Bad credentials".to_owned() })
        }
        ["posts", "fail", error, rest @ ..] => {
            let wait = setting(rest, "wait").map(|w| humantime::parse_duration(w).expect("a duration"));
            Some(PostOutcome::Unreachable { error: (*error).to_owned(), wait })
        }
        _ => panic!("no such outcome: {all:?}"),
    }
}

/// The builder's words.
pub fn news(all: &[&str]) -> (BuildId, BuildNews) {
    match all {
        ["started", build] => (id(build), BuildNews::Started),
        ["not", "fetched", build, why @ ..] => (id(build), BuildNews::NotFetched { error: why.join(" ") }),
        ["no", "worker", build, why @ ..] => (id(build), BuildNews::NoWorker { error: why.join(" ") }),
        ["skipped", build] => (id(build), BuildNews::Skipped { marker: "[skip ci]" }),
        ["named", build, "wrong", why @ ..] => (id(build), BuildNews::Named { checks: Err(why.join(" ")) }),
        ["named", build] => (id(build), checks_named("")),
        ["named", build, contexts] => (id(build), checks_named(contexts)),
        ["conflict", build] => (id(build), BuildNews::Conflict),
        ["finished", build] => (id(build), BuildNews::Finished { error: None }),
        ["finished", build, why @ ..] => (id(build), BuildNews::Finished { error: Some(why.join(" ")) }),
        ["check", check, rest @ ..] => {
            let (build, check) = check.split_once('/').expect("a check like #1/0");
            let check = check.parse().expect("a number");
            (id(build), check_news(check, rest))
        }
        _ => panic!("no such line: {all:?}"),
    }
}

/// The head names these contexts, with commas between, or none.
pub fn checks_named(contexts: &str) -> BuildNews {
    let checks = if contexts.is_empty() { Vec::new() } else { repository("acme/app", contexts).checks };
    BuildNews::Named { checks: Ok(checks) }
}

fn check_news(check: usize, all: &[&str]) -> BuildNews {
    let seconds = |word: &str| humantime::parse_duration(word).expect("a duration");
    let number = |word: &str| word.parse().expect("a number");
    let (end, took) = match all {
        ["started"] => return BuildNews::CheckStarted { check, log_start: 1 },
        ["passed", took] => (CheckEnd::Exited(0), seconds(took)),
        ["exit", code, took] => (CheckEnd::Exited(number(code)), seconds(took)),
        ["signal", signal, took] => (CheckEnd::Signalled(number(signal)), seconds(took)),
        ["timeout", limit] => (CheckEnd::TimedOut(seconds(limit)), seconds(limit)),
        ["silent", limit] => (CheckEnd::Silent(seconds(limit)), seconds(limit)),
        ["starved", took] => (CheckEnd::OutOfMemory { limit_bytes: None }, seconds(took)),
        ["starved", took, mib] => {
            let limit_bytes = Some(number(mib) as u64 * 1024 * 1024);
            (CheckEnd::OutOfMemory { limit_bytes }, seconds(took))
        }
        ["broken", why @ ..] => (CheckEnd::Broken(why.join(" ")), Duration::ZERO),
        _ => panic!("no such end: {all:?}"),
    };
    BuildNews::CheckFinished { check, end, took, log_end: 2 }
}
