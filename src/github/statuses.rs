//! Commit statuses: `POST /repos/{owner}/{repo}/statuses/{sha}`, and what each answer means.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use ureq::http::{HeaderMap, header};

use super::client::{Answer, Ask, Client};
use crate::logic::event::{Post, PostOutcome};
use crate::logic::time;

/// The shortest wait when GitHub limits us without saying for how long: what its documentation asks for.
const LIMITED_WAIT_MIN: Duration = Duration::from_secs(60);
/// The longest wait that is believed. GitHub counts by the hour.
const LIMITED_WAIT_MAX: Duration = Duration::from_secs(3600);

/// In GitHub's answers to tokens with permissions of their own: what a call needs.
/// See <https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api#insufficient-permissions>.
const ACCEPTED: &str = "x-accepted-github-permissions";

/// What a call is for.
#[derive(Clone, Copy)]
pub(super) struct Purpose {
    /// What a token without the permission may not do: "post statuses on" a repository.
    pub act: &'static str,
    /// As the token's page at GitHub calls it.
    pub permission: &'static str,
}

/// All that a new token needs.
const PERMISSIONS: &str = "Commit statuses: write; Contents, Pull requests and Webhooks: read";

const POSTING: Purpose = Purpose { act: "post statuses on", permission: "Commit statuses: write" };

impl Client {
    /// Posts one commit status and waits for the answer, at most 20 s. Never retries.
    pub fn post_status(&self, post: &Post) -> PostOutcome {
        let token = match self.token_or_refusal() {
            Ok(token) => token,
            Err(refusal) => return refusal,
        };
        let path = format!("/repos/{}/statuses/{}", path_safe(&post.repository), path_safe(&post.sha));
        let body = json!({
            "state": post.state,
            "target_url": post.target_url,
            "description": post.description,
            "context": post.context,
        });
        match self.call(token, &path, Ask::Post(body.to_string().as_bytes())) {
            Ok(answer) => self.judge(&answer, POSTING, &post.repository),
            Err(error) => PostOutcome::Unreachable { error: self.clean(&error), wait: None },
        }
    }

    /// The token, or the outcome of a call that can't be made without one.
    pub(super) fn token_or_refusal(&self) -> Result<&str, PostOutcome> {
        self.token().ok_or_else(|| PostOutcome::TokenRefused {
            error: format!(
                "There is no GitHub token. Make one with {PERMISSIONS}, and name its file in github.token_file, \
                 or provide it as the credential github-token or in GITHUB_TOKEN"
            ),
        })
    }

    pub(super) fn judge(&self, answer: &Answer, purpose: Purpose, repository: &str) -> PostOutcome {
        let status = answer.status;
        let needs = || self.clean(&needs(&answer.headers, purpose));
        let said = match message(&answer.body) {
            Some(message) => format!("{status}: {}", self.clean(&message)),
            None => status.to_string(),
        };
        match status {
            // 201 is the documented one. TLS has shown that it is GitHub who says another, and to repeat the
            // post would not make it more of a success.
            200..300 => PostOutcome::Accepted,
            403 | 429 if is_limited(answer) => PostOutcome::Unreachable {
                error: format!("GitHub limits our requests ({said})"),
                wait: Some(limited_wait(&answer.headers)),
            },
            401 => PostOutcome::TokenRefused {
                error: format!(
                    "GitHub does not accept the token ({said}): it is wrong, expired or revoked. Make a new one \
                     with {PERMISSIONS}, store it in its place and restart pilotlight"
                ),
            },
            403 => PostOutcome::TokenRefused {
                error: format!("The token may not {} {repository} ({said}). Give it {}", purpose.act, needs()),
            },
            404 => PostOutcome::TokenRefused {
                error: format!(
                    "GitHub shows no repository {repository} to this token ({said}). Give it access to the \
                     repository with {}, or correct the name in the configuration",
                    needs()
                ),
            },
            // A proxy's, or a timeout's: both pass.
            407 | 408 => {
                PostOutcome::Unreachable { error: format!("The request did not get through ({said})"), wait: None }
            }
            400..500 => PostOutcome::Refused { error: format!("GitHub refuses this status ({said})") },
            _ => PostOutcome::Unreachable {
                error: format!("GitHub has a problem of its own ({said})"),
                wait: retry_after(&answer.headers),
            },
        }
    }
}

/// The permissions that a call needs: GitHub's own word where its answer has one, such as `contents=read,checks=read;
/// administration=read`, where either set will do.
fn needs(headers: &HeaderMap, purpose: Purpose) -> String {
    let told = headers.get(ACCEPTED).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let one = |word: &str| {
        let (name, level) = word.trim().split_once('=')?;
        // As they are called on the token's page.
        let mut name = match name {
            "statuses" => "commit statuses".to_owned(),
            "repository_hooks" => "webhooks".to_owned(),
            other => other.replace('_', " "),
        };
        name.get_mut(..1)?.make_ascii_uppercase();
        Some(format!("\"{name}: {level}\""))
    };
    let set = |words: &str| words.split(',').map(one).collect::<Option<Vec<_>>>().map(|all| all.join(" and "));
    let sets = told.split(';').map(set).collect::<Option<Vec<_>>>().map(|all| all.join(", or "));
    format!("the permission {}", sets.unwrap_or_else(|| format!("\"{}\"", purpose.permission)))
}

/// Each segment percent-encoded, slashes kept.
pub(super) fn path_safe(text: &str) -> String {
    let encode = |segment: &str| form_urlencoded::byte_serialize(segment.as_bytes()).collect::<String>();
    // Only a space comes out as a plus; a plus is already `%2B`.
    text.split('/').map(encode).collect::<Vec<_>>().join("/").replace('+', "%20")
}

/// GitHub's own words: `message`, and the first of `errors`, which says what is wrong with which field.
fn message(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let message = body["message"].as_str()?;
    match body["errors"][0]["message"].as_str().or(body["errors"][0].as_str()) {
        Some(detail) => Some(format!("{message}: {detail}")),
        None => Some(message.to_owned()),
    }
}

/// A 403 is a limit or a missing permission: `retry-after`, an empty allowance or GitHub's words tell.
fn is_limited(answer: &Answer) -> bool {
    let words = answer.body.to_ascii_lowercase();
    answer.status == 429
        || answer.headers.contains_key(header::RETRY_AFTER)
        || number(&answer.headers, "x-ratelimit-remaining") == Some(0)
        || words.contains("rate limit")
        || words.contains("abuse detection")
}

/// GitHub's order: `retry-after`, else until the allowance is renewed, else a minute at least.
fn limited_wait(headers: &HeaderMap) -> Duration {
    if let Some(wait) = retry_after(headers) {
        return wait;
    }
    let reset = number(headers, "x-ratelimit-reset").filter(|_| number(headers, "x-ratelimit-remaining") == Some(0));
    let Some(reset) = reset else { return LIMITED_WAIT_MIN };
    match headers.get(header::DATE).and_then(|d| http_date(d.to_str().ok()?)) {
        // One second more: both times are cut to whole ones.
        Some(date) => seconds(reset.saturating_sub(date).saturating_add(1)),
        // This box's clock may be years off, so it only makes the wait longer.
        None => seconds(reset.saturating_sub(unix_now()).saturating_add(1)).max(LIMITED_WAIT_MIN),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?;
    Some(value.to_str().ok().and_then(|v| v.trim().parse().ok()).map_or(LIMITED_WAIT_MIN, seconds))
}

/// At least one second, at most [`LIMITED_WAIT_MAX`].
fn seconds(wait: i64) -> Duration {
    Duration::from_secs(wait.max(1).unsigned_abs()).min(LIMITED_WAIT_MAX)
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` as UTC seconds since 1970: the one form that servers send.
pub(super) fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.strip_suffix(" GMT")?.split(' ');
    let (day, month, year, at) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    time::seconds(&format!("{year}-{month:02}-{day}T{at}Z"))
}

pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
