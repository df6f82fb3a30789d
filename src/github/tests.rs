mod lookups;
mod standin;

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;

use self::standin::StandIn;
use super::client::{Limits, SAID_CHARS_MAX, certificate_cure};
use super::{Call, Client, Heard, Hook, Lists, run};
use crate::logic::event::{Comment, Found, LookUp, Post, PostOutcome, PullAction, PullPayload, StatusState};
use crate::logic::identity::Identity;
use crate::logic::secret::Secret;

const TOKEN: &str = "github_pat_secret";
const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
/// Long enough for a busy machine, short enough for a test that waits for it.
const SHORT: Limits = Limits { call: Duration::from_millis(300), connect: Duration::from_millis(300) };
const LONG: Limits = Limits { call: Duration::from_secs(20), connect: Duration::from_secs(10) };
const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{\"id\": 123}";

fn answer(status: &str, headers: &str, body: &str) -> String {
    let headers: String = headers.lines().map(|h| format!("{}\r\n", h.trim())).collect();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn post() -> Post {
    Post {
        build: 7,
        check: 0,
        repository: "acme/app".into(),
        sha: SHA.into(),
        context: "pilotlight/test".into(),
        state: StatusState::Success,
        description: "Passed in 3m 12s".into(),
        target_url: "http://box.local:8080/builds/7".into(),
    }
}

/// An outcome on one line.
fn words(outcome: PostOutcome) -> String {
    match outcome {
        PostOutcome::Accepted => "accepted".into(),
        PostOutcome::Unreachable { error, wait: None } => format!("unreachable: {error}"),
        PostOutcome::Unreachable { error, wait: Some(wait) } => format!("wait {wait:?}: {error}"),
        PostOutcome::TokenRefused { error } => format!("token: {error}"),
        PostOutcome::Refused { error } => format!("refused: {error}"),
    }
}

/// What one answer makes of a post.
fn outcome_of(raw: String) -> String {
    words(StandIn::start(vec![raw]).client(LONG).post_status(&post()))
}

/// `status | headers | body => outcome`. 784111777 is the `Date` in them.
const ANSWERS: &str = r#"
200 OK | | {} => accepted
202 Accepted | | => accepted
403 Forbidden | Retry-After: 17 | {} => wait 17s: GitHub limits our requests (403)
403 Forbidden | Retry-After: soon | {} => wait 60s: GitHub limits our requests (403)
403 Forbidden | Retry-After: 0 | {} => wait 1s: GitHub limits our requests (403)
403 Forbidden | Retry-After: -5 | {} => wait 1s: GitHub limits our requests (403)
403 Forbidden | Retry-After: 9999999999999 | {} => wait 3600s: GitHub limits our requests (403)
403 Forbidden | DATE; x-ratelimit-remaining: 0; x-ratelimit-reset: 784111877 | {} => wait 101s: GitHub limits our requests (403)
403 Forbidden | DATE; x-ratelimit-remaining: 0; x-ratelimit-reset: 784111677 | {} => wait 1s: GitHub limits our requests (403)
403 Forbidden | DATE; x-ratelimit-remaining: 0; x-ratelimit-reset: 9223372036854775807 | {} => wait 3600s: GitHub limits our requests (403)
403 Forbidden | DATE; x-ratelimit-remaining: 0; x-ratelimit-reset: -9223372036854775808 | {} => wait 1s: GitHub limits our requests (403)
403 Forbidden | x-ratelimit-remaining: 0 | {} => wait 60s: GitHub limits our requests (403)
403 Forbidden | x-ratelimit-remaining: 0; x-ratelimit-reset: 5 | {} => wait 60s: GitHub limits our requests (403)
403 Forbidden | x-ratelimit-remaining: 0; x-ratelimit-reset: 99999999999 | {} => wait 3600s: GitHub limits our requests (403)
403 Forbidden | DATE; x-ratelimit-remaining: 4999; x-ratelimit-reset: 784111877 | {"message": "You have exceeded a secondary rate limit."} => wait 60s: GitHub limits our requests (403: You have exceeded a secondary rate limit.)
429 Too Many Requests | | <html>slow down</html> => wait 60s: GitHub limits our requests (429)
401 Unauthorized | | {"message": "Bad credentials"} => token: GitHub does not accept the token (401: Bad credentials): it is wrong, expired or revoked. Make a new one with Commit statuses: write; Contents, Pull requests and Webhooks: read, store it in its place and restart pilotlight
403 Forbidden | x-ratelimit-remaining: 4999 | {"message": "Resource not accessible by personal access token"} => token: The token may not post statuses on acme/app (403: Resource not accessible by personal access token). Give it the permission "Commit statuses: write"
403 Forbidden | x-accepted-github-permissions: statuses=write | {} => token: The token may not post statuses on acme/app (403). Give it the permission "Commit statuses: write"
403 Forbidden | x-accepted-github-permissions: contents=read,checks=write;administration=read | {} => token: The token may not post statuses on acme/app (403). Give it the permission "Contents: read" and "Checks: write", or "Administration: read"
403 Forbidden | x-accepted-github-permissions: ,=; | {} => token: The token may not post statuses on acme/app (403). Give it the permission "Commit statuses: write"
404 Not Found | | {"message": "Not Found"} => token: GitHub shows no repository acme/app to this token (404: Not Found). Give it access to the repository with the permission "Commit statuses: write", or correct the name in the configuration
422 No | | {"message": "Validation Failed", "errors": [{"code": "custom", "message": "description is too long"}]} => refused: GitHub refuses this status (422: Validation Failed: description is too long)
422 No | | {"message": "Validation Failed", "errors": ["No commit found for SHA"]} => refused: GitHub refuses this status (422: Validation Failed: No commit found for SHA)
422 No | | {"message": "two\r\nlines\u0000and \u001b[31m github_pat_secret"} => refused: GitHub refuses this status (422: two lines and [31m [token])
410 Gone | | [] => refused: GitHub refuses this status (410)
407 Proxy | | => unreachable: The request did not get through (407)
408 Timeout | | => unreachable: The request did not get through (408)
500 Oh | | => unreachable: GitHub has a problem of its own (500)
503 Busy | Retry-After: 30 | {"message": "Unicorn"} => wait 30s: GitHub has a problem of its own (503: Unicorn)
304 Not Modified | | => unreachable: GitHub has a problem of its own (304)
"#;

#[test]
fn each_answer_has_its_outcome() {
    for line in ANSWERS.trim().lines() {
        let (given, expected) = line.split_once("=> ").unwrap();
        let parts: Vec<&str> = given.splitn(3, '|').map(str::trim).collect();
        let headers = parts[1].replace("DATE", "Date: Sun, 06 Nov 1994 08:49:37 GMT").replace("; ", "\n");
        assert_eq!(outcome_of(answer(parts[0], &headers, parts[2])), expected, "{line}");
    }
}

#[test]
fn a_status_is_posted_as_github_documents_it() {
    let github = StandIn::start(vec![CREATED.into()]);
    assert_eq!(github.client(LONG).post_status(&post()), PostOutcome::Accepted);
    let seen = github.seen.try_recv().unwrap();
    let head = seen.head.to_ascii_lowercase();
    let first = format!("post /repos/acme/app/statuses/{SHA} http/1.1\r\n");
    let agent = format!("\r\nuser-agent: pilotlight/{}\r\n", env!("CARGO_PKG_VERSION"));
    for part in [
        first.as_str(),
        agent.as_str(),
        "\r\nauthorization: bearer github_pat_secret\r\n",
        "\r\naccept: application/vnd.github+json\r\n",
        "\r\nx-github-api-version: 2022-11-28\r\n",
        "\r\ncontent-type: application/json\r\n",
    ] {
        assert!(head.contains(part), "{part:?} is not in {head:?}");
    }
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    let expected = serde_json::json!({
        "state": "success",
        "target_url": "http://box.local:8080/builds/7",
        "description": "Passed in 3m 12s",
        "context": "pilotlight/test",
    });
    assert_eq!(body, expected);
}

#[test]
fn one_connection_serves_many_posts() {
    let failed = answer("422 No", "", r#"{"message": "no"}"#);
    let github = StandIn::start(vec![CREATED.into(), failed, CREATED.into()]);
    let client = github.client(LONG);
    for _ in 0..3 {
        client.post_status(&post());
    }
    let connections: Vec<usize> = github.seen.try_iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 1, 1]);
}

#[test]
fn a_connection_that_github_closed_is_made_anew() {
    let closing = CREATED.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let github = StandIn::start(vec![closing, CREATED.into()]);
    let client = github.client(LONG);
    assert_eq!(client.post_status(&post()), PostOutcome::Accepted);
    assert_eq!(client.post_status(&post()), PostOutcome::Accepted);
    assert_eq!(github.seen.try_iter().map(|seen| seen.connection).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_renamed_repository_is_followed_on_the_same_host() {
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let away = answer(status, "Location: /repositories/42/statuses/abc?x=1", "moved");
        let github = StandIn::start(vec![away, CREATED.into()]);
        assert_eq!(github.client(LONG).post_status(&post()), PostOutcome::Accepted, "{status}");
        let first = github.seen.try_recv().unwrap();
        let second = github.seen.try_recv().unwrap();
        assert!(second.head.starts_with("POST /repositories/42/statuses/abc?x=1 "), "{}", second.head);
        assert!(second.head.contains(TOKEN));
        assert_eq!(first.body, second.body);
    }
}

#[test]
fn the_token_goes_to_no_other_host() {
    let other = StandIn::start(vec![CREATED.into()]);
    let away = answer("307 Temporary Redirect", &format!("Location: {}/x", other.url), "");
    let github = StandIn::start(vec![away]);
    let expected = format!(
        "unreachable: {} redirects to \"{}/x\", and the token must not go there. Check github.api_url",
        github.url, other.url
    );
    assert_eq!(words(github.client(LONG).post_status(&post())), expected);
    assert!(other.seen.try_recv().is_err(), "the other host was called");

    let api = Client::new("https://api.github.com", None).unwrap().api;
    let same = |location: &str| api.on_same_host(location);
    assert_eq!(same("https://API.github.com/r/1").unwrap(), "https://api.github.com/r/1");
    for elsewhere in [
        "",
        "http://api.github.com/r/1",
        "https://evil.example/r/1",
        "https://api.github.com@evil.example/",
        "https://me:pw@api.github.com/",
        "https://api.github.com:8443/",
        "https://api.github.com.evil.example/",
        "//evil.example/r/1",
        "r/1",
        "javascript:alert(1)",
    ] {
        assert_eq!(same(elsewhere), None, "{elsewhere}");
    }
}

#[test]
fn redirects_end() {
    let away = answer("307 Temporary Redirect", "Location: /again", "");
    let github = StandIn::start(vec![away; 4]);
    let expected = format!("unreachable: {} redirects more than 3 times", github.url);
    assert_eq!(words(github.client(LONG).post_status(&post())), expected);
    assert_eq!(github.seen.try_iter().count(), 4);
}

#[test]
fn a_silent_github_is_given_up() {
    let github = StandIn::start(vec![String::new()]);
    let expected = format!("unreachable: No answer from {} within 300ms", github.url);
    assert_eq!(words(github.client(SHORT).post_status(&post())), expected);
}

#[test]
fn a_body_that_never_ends_does_not_change_the_answer() {
    let half = "HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n{\"id\":".to_owned();
    let started = Instant::now();
    let github = StandIn::start(vec![half, String::new()]);
    assert_eq!(github.client(SHORT).post_status(&post()), PostOutcome::Accepted);
    assert!(started.elapsed() >= SHORT.call, "the body was not waited for");
}

#[test]
fn a_huge_body_is_read_in_part() {
    let message = "x".repeat(70_000);
    let huge = answer("422 No", "Connection: close", &format!("{{\"message\": \"{message}\"}}"));
    // Cut off it is no JSON, so nothing of it is quoted.
    assert_eq!(outcome_of(huge), "refused: GitHub refuses this status (422)");
    let long = answer("422 No", "", &format!("{{\"message\": \"{}\"}}", "é".repeat(1000)));
    let expected = format!("refused: GitHub refuses this status (422: {}…)", "é".repeat(SAID_CHARS_MAX));
    assert_eq!(outcome_of(long), expected);
}

#[test]
fn what_is_no_http_is_no_answer() {
    let head = format!("HTTP/1.1 201 Created\r\nX: {}\r\n\r\n", "y".repeat(200_000));
    for garbage in ["\0\u{1}garbage\r\n\r\n", "HTTP/9.9 201 Created\r\n\r\n", "hello", "201\r\n\r\n", &head] {
        let github = StandIn::start(vec![garbage.to_owned()]);
        let outcome = github.client(LONG).post_status(&post());
        let PostOutcome::Unreachable { error, wait: None } = outcome else { panic!("{garbage:.20?}: {outcome:?}") };
        assert!(error.starts_with(&format!("No answer from {}: ", github.url)), "{error}");
        assert!(error.chars().count() <= SAID_CHARS_MAX + 1 && !error.contains(TOKEN), "{error}");
    }
}

#[test]
fn nobody_listens() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::new(&format!("http://{closed}"), Some(&Secret::new(TOKEN))).unwrap();
    let expected = format!("unreachable: No answer from http://{closed}: io: Connection refused (os error 111)");
    assert_eq!(words(client.post_status(&post())), expected);
}

#[test]
fn without_a_token_no_call_is_made() {
    let github = StandIn::start(vec![CREATED.into()]);
    let client = Client::new(&github.url, None).unwrap();
    let expected = "token: There is no GitHub token. Make one with Commit statuses: write; Contents, Pull requests and \
                    Webhooks: read, and name its file in github.token_file, or provide it as the credential github-token or in GITHUB_TOKEN";
    assert_eq!(words(client.post_status(&post())), expected);
    assert!(github.seen.try_recv().is_err());
}

#[test]
fn odd_names_stay_in_their_place_and_a_prefix_is_kept() {
    let github = StandIn::start(vec![CREATED.into()]);
    let client = Client::new(&format!("{}/api/v3/", github.url), Some(&Secret::new(TOKEN))).unwrap();
    let odd = Post { repository: "a b/c?d#e+f%2e\r\n".into(), ..post() };
    assert_eq!(client.post_status(&odd), PostOutcome::Accepted);
    let head = github.seen.try_recv().unwrap().head;
    let expected = format!("POST /api/v3/repos/a%20b/c%3Fd%23e%2Bf%252e%0D%0A/statuses/{SHA} HTTP/1.1\r\n");
    assert!(head.starts_with(&expected), "{head}");
}

#[test]
fn a_wrong_configuration_says_what_to_write() {
    let address = "github.api_url must be an address such as https://api.github.com, not ";
    let token = "The GitHub token is empty or holds a space, a line break or another character that no token has. \
                 Store it again, alone, in the file that github.token_file names";
    let user = "github.api_url must not hold a user name or a password: use github.token_file";
    let table = [
        ("", "t", format!("{address}\"\"")),
        ("api.github.com", "t", format!("{address}\"api.github.com\"")),
        ("ftp://api.github.com", "t", format!("{address}\"ftp://api.github.com\"")),
        ("https://api.github.com/?a=b", "t", format!("{address}\"https://api.github.com/?a=b\"")),
        ("https://me:secret@api.github.com", "t", user.into()),
        ("https://api.github.com", "", token.into()),
        ("https://api.github.com", "secret\n", token.into()),
        ("https://api.github.com", "secrét", token.into()),
    ];
    for (api_url, token, expected) in table {
        let error = Client::new(api_url, Some(&Secret::new(token))).err().expect("it is wrong");
        assert_eq!(error.to_string(), expected, "{api_url}");
        assert!(!format!("{error:?}").contains("secr"), "{error:?}");
    }
}

#[test]
fn a_wrong_clock_is_named() {
    assert!(certificate_cure("io: invalid peer certificate: certificate expired: …").contains("clock"));
    assert!(certificate_cure("io: invalid peer certificate: certificate not valid yet: …").contains("clock"));
    assert!(certificate_cure("io: invalid peer certificate: UnknownIssuer").contains("update-ca-certificates"));
    assert_eq!(certificate_cure("io: connection reset"), "");
}

#[test]
fn the_thread_posts_in_order_and_ends_with_its_sender() {
    let github = StandIn::start(vec![CREATED.into(), answer("410 Gone", "", ""), CREATED.into()]);
    let client = github.client(LONG);
    let (posts, inbox) = unbounded();
    let (told, outcomes) = unbounded();
    let thread = thread::spawn(move || {
        run(
            client,
            inbox,
            "/event_handler",
            |_, _| Ok(Vec::new()),
            |_| None,
            move |heard| {
                let Heard::Posted(post, outcome) = heard else { panic!("nothing was asked") };
                told.send((post.build, outcome)).expect("the test listens");
            },
        )
    });
    for build in 1..=3 {
        posts.send(Call::Post(Post { build, ..post() })).unwrap();
    }
    drop(posts);
    thread.join().unwrap();
    let outcomes: Vec<String> = outcomes.iter().map(|(build, outcome)| format!("{build} {}", words(outcome))).collect();
    assert_eq!(outcomes, ["1 accepted", "2 refused: GitHub refuses this status (410)", "3 accepted"]);
}
