//! The payload: JSON, or a form with JSON in its field `payload`, cut down to what is decided on.
//! Its shape is described at <https://docs.github.com/webhooks/webhook-events-and-payloads>.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::{Refusal, malformed};
use crate::logic::event::{Comment, Hook, PullAction, PullPayload, Shown, StatusPayload, StatusState, Word};
use crate::logic::identity::Identity;
use crate::logic::names;
use crate::logic::time::seconds;
use crate::logic::wording::{DESCRIPTION_CHARS_MAX, plain};

/// What is kept of a title, in characters; GitHub allows as many.
const TITLE_CHARS_MAX: usize = 256;

/// The longest name of a branch, in bytes; GitHub's limit is below 256.
const REF_BYTES_MAX: usize = 1024;

/// What is kept of an action that we don't know, in characters.
const ACTION_CHARS_MAX: usize = 64;

/// What is kept of a status's context, in characters; GitHub's limit is 255.
const CONTEXT_CHARS_MAX: usize = 255;

/// What is told of an error in the JSON, in characters: the sender's own text may be in it.
const ERROR_CHARS_MAX: usize = 200;

/// Reads one page of `GET /repos/{owner}/{repo}/pulls`. What has `repository` as its name may be another one: each entry
/// tells. An entry that can't be understood is left out: the others are not to suffer for it.
pub(super) fn list(repository: &str, json: &str) -> Result<Vec<PullPayload>, Refusal> {
    let entries: Vec<serde_json::Value> = serde_json::from_str(json).map_err(|e| not_understood("list", &e))?;
    let payload = |entry| {
        let mut entry: Listed = serde_json::from_value(entry).ok()?;
        let asked = || Repository { full_name: repository.to_owned(), id: None };
        pull(PullEvent {
            repository: entry.pull_request.base.repo.take().unwrap_or_else(asked),
            action: "listed".to_owned(),
            number: entry.number,
            pull_request: entry.pull_request,
            before: None,
            changes: None,
        })
        .ok()
    };
    Ok(entries.into_iter().filter_map(payload).collect())
}

/// Reads the payload of `event`.
pub(super) fn read(event: &str, content_type: &str, body: &[u8]) -> Result<Hook, Refusal> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let json = if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        field_payload(body)?
    } else {
        Cow::Borrowed(body)
    };
    match event {
        "pull_request" => Ok(Hook::Pull(Box::new(pull(parse(&json)?)?))),
        "issue_comment" => comment(parse(&json)?),
        "status" => Ok(Hook::Status(Box::new(status(parse(&json)?)?))),
        "ping" => parse::<IgnoredAny>(&json).map(|_| Hook::Ping),
        _ => parse::<IgnoredAny>(&json).map(|_| Hook::Other { event: event.to_owned() }),
    }
}

fn field_payload(form: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    let found = form_urlencoded::parse(form).find(|(name, _)| name == "payload");
    match found {
        Some((_, Cow::Borrowed(text))) => Ok(Cow::Borrowed(text.as_bytes())),
        Some((_, Cow::Owned(text))) => Ok(Cow::Owned(text.into_bytes())),
        None => Err(malformed("the form has no field `payload`")),
    }
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Refusal> {
    // serde would also take an array for a struct.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed("the payload is not a JSON object"));
    }
    serde_json::from_slice(json).map_err(|e| not_understood("payload", &e))
}

fn not_understood(what: &str, error: &serde_json::Error) -> Refusal {
    malformed(format!("the {what} can't be understood: {}", plain(&error.to_string(), ERROR_CHARS_MAX)))
}

#[derive(Deserialize)]
struct PullEvent {
    action: String,
    number: u64,
    pull_request: PullRequest,
    repository: Repository,
    before: Option<String>,
    changes: Option<Changes>,
}

#[derive(Deserialize)]
struct Listed {
    number: u64,
    #[serde(flatten)]
    pull_request: PullRequest,
}

#[derive(Deserialize)]
struct StatusEvent {
    id: u64,
    sha: String,
    context: String,
    state: StatusState,
    description: Option<String>,
    updated_at: String,
    repository: Repository,
}

#[derive(Deserialize)]
struct PullRequest {
    title: String,
    state: String,
    updated_at: String,
    head: Side,
    base: Base,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    name: String,
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    id: Option<u64>,
}

#[derive(Deserialize)]
struct CommentEvent {
    action: String,
    issue: Issue,
    comment: Written,
    repository: Repository,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    state: String,
    pull_request: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Written {
    body: Option<String>,
    /// `null` when the account was deleted.
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Changes {
    base: Option<IgnoredAny>,
}

fn pull(event: PullEvent) -> Result<PullPayload, Refusal> {
    let pull = event.pull_request;
    let action = action(&event.action, event.changes);
    let before = event.before.filter(|_| action == PullAction::Synchronize);
    Ok(PullPayload {
        action,
        repository: named(event.repository)?,
        number: pull_number(event.number)?,
        title: plain(&pull.title, TITLE_CHARS_MAX),
        head_sha: sha("pull_request.head.sha", &pull.head.sha)?,
        head_ref: branch("pull_request.head.ref", &pull.head.name)?,
        head_repository: pull
            .head
            .repo
            .map(|repository| full_name("pull_request.head.repo.full_name", repository))
            .transpose()?,
        base_ref: branch("pull_request.base.ref", &pull.base.name)?,
        open: pull.state == "open",
        updated_at: time("pull_request.updated_at", &pull.updated_at)?,
        before: before.map(|before| sha("before", &before)).transpose()?,
    })
}

/// Only what is newly written counts: who may edit a comment need not be who wrote it.
fn comment(event: CommentEvent) -> Result<Hook, Refusal> {
    let number = pull_number(event.issue.number)?;
    let repository = named(event.repository)?;
    let nothing = |why: &str| Ok(Hook::Other { event: format!("issue_comment {why}") });
    let Some(word) = event.comment.body.as_deref().and_then(word) else {
        return nothing("without /test, /approve or /cancel in its first line");
    };
    if event.action != "created" {
        return nothing(&plain(&event.action, ACTION_CHARS_MAX));
    }
    if event.issue.pull_request.is_none() || event.issue.state != "open" {
        return nothing("on what is no open pull request");
    }
    match event.comment.user.map(|user| user.login).filter(|login| names::is_login(login)) {
        Some(by) => Ok(Hook::Comment(Comment { repository, number, by, word })),
        None => nothing("by an app or by nobody"),
    }
}

fn word(body: &str) -> Option<Word> {
    let line = body.lines().map(str::trim).find(|line| !line.is_empty())?;
    match line.split_once(char::is_whitespace).unwrap_or((line, "")) {
        ("/test", "") => Some(Word::Test),
        ("/cancel", "") => Some(Word::Cancel),
        ("/approve", sha) => {
            let sha = Some(sha.trim_start()).filter(|sha| names::is_first_digits(sha));
            Some(Word::Approve(sha.map(str::to_ascii_lowercase)))
        }
        _ => None,
    }
}

fn status(event: StatusEvent) -> Result<StatusPayload, Refusal> {
    let shown = Shown {
        context: plain(&event.context, CONTEXT_CHARS_MAX),
        state: event.state,
        description: plain(&event.description.unwrap_or_default(), DESCRIPTION_CHARS_MAX),
        updated_at: time("updated_at", &event.updated_at)?,
        id: event.id,
    };
    Ok(StatusPayload { repository: named(event.repository)?, sha: sha("sha", &event.sha)?, shown })
}

fn action(action: &str, changes: Option<Changes>) -> PullAction {
    match action {
        "opened" => PullAction::Opened,
        "reopened" => PullAction::Reopened,
        "synchronize" => PullAction::Synchronize,
        "ready_for_review" => PullAction::ReadyForReview,
        "edited" => PullAction::Edited { new_base: changes.is_some_and(|changes| changes.base.is_some()) },
        "closed" => PullAction::Closed,
        other => PullAction::Other(plain(other, ACTION_CHARS_MAX)),
    }
}

fn pull_number(number: u64) -> Result<u64, Refusal> {
    let fits = number > 0 && i64::try_from(number).is_ok();
    fits.then_some(number).ok_or_else(|| malformed("number is not the number of a pull request"))
}

fn named(repository: Repository) -> Result<Identity, Refusal> {
    let id = repository.id;
    Ok(Identity { name: full_name("repository.full_name", repository)?, id })
}

fn full_name(field: &str, repository: Repository) -> Result<String, Refusal> {
    let good = Some(repository.full_name).filter(|name| names::is_full_name(name));
    good.ok_or_else(|| malformed(format!("{field} is not the name of a repository, like owner/name")))
}

fn sha(field: &str, text: &str) -> Result<String, Refusal> {
    let sha = names::is_sha(text).then(|| text.to_ascii_lowercase());
    sha.ok_or_else(|| malformed(format!("{field} is not a commit: 40 or 64 hex digits")))
}

fn time(field: &str, text: &str) -> Result<i64, Refusal> {
    seconds(text).ok_or_else(|| malformed(format!("{field} is not a time like 2026-01-01T00:00:00Z")))
}

fn branch(field: &str, text: &str) -> Result<String, Refusal> {
    if text.len() > REF_BYTES_MAX {
        return Err(malformed(format!("{field} is longer than {REF_BYTES_MAX} bytes")));
    }
    // Fetched by this name, so what merely hides stays in it.
    Ok(text.chars().filter(|c| !c.is_control()).collect())
}
