//! The JSON of `/api/v1`: names and shapes that scripts rely on.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::answer::{self, Refusal};
use super::{Standing, View};
use crate::http::message::Response;
use crate::logic::build::{Build, BuildId, BuildState, Check, CheckState};
use crate::logic::names::is_full_name;
use crate::logic::panel::Panel;
use crate::store::reader::{BUILDS_MAX, Filter};

/// Builds in one answer when `limit` does not say: a page that a person scrolls through.
const BUILDS_DEFAULT: usize = 50;

/// 9999-12-31T23:59:59Z, the last moment that RFC 3339 can write.
const TIME_MAX: u64 = 253_402_300_799;

#[derive(Serialize)]
struct Builds<'a> {
    builds: Vec<BuildJson<'a>>,
}

#[derive(Serialize)]
struct BuildJson<'a> {
    id: BuildId,
    repository: &'a str,
    pull: u64,
    title: &'a str,
    sha: &'a str,
    state: BuildState,
    reason: Option<&'a str>,
    attempt: u32,
    queued_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    checks: Vec<CheckJson<'a>>,
}

#[derive(Serialize)]
struct CheckJson<'a> {
    context: &'a str,
    state: CheckState,
    description: &'a str,
    started_at: Option<String>,
    finished_at: Option<String>,
}

#[derive(Serialize)]
struct Status {
    summary: String,
    lights: Panel,
}

/// `GET /api/v1/builds`.
pub fn builds(view: &View, query: &str) -> Result<Response, Refusal> {
    let builds = view.reader()?.builds(&filter(query)?)?;
    Ok(answer::json(200, &Builds { builds: builds.iter().map(BuildJson::from).collect() }))
}

/// `GET /api/v1/builds/{id}`.
pub fn build(build: &Build) -> Response {
    answer::json(200, &BuildJson::from(build))
}

/// `GET /api/v1/status`.
pub fn status(view: &View) -> Result<Response, Refusal> {
    let Standing { panel: lights, summary, .. } = view.lights()?;
    Ok(answer::json(200, &Status { summary, lights }))
}

/// Which builds `query` asks for. An empty value is none, and parameters that are not ours are left alone:
/// tunnels and mail programs add some.
pub fn filter(query: &str) -> Result<Filter, Refusal> {
    let mut filter = Filter { limit: BUILDS_DEFAULT, ..Filter::default() };
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
        let fits = match &*name {
            "repository" => set(&mut filter.repository, is_full_name(&value).then(|| value.to_string())),
            "pull" => set(&mut filter.pull, value.parse().ok()),
            "state" => set(&mut filter.state, BuildState::from_name(&value)),
            "before" => set(&mut filter.before, value.parse().ok()),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=BUILDS_MAX).contains(limit));
                limit.map(|limit| filter.limit = limit)
            }
            _ => Some(()),
        };
        if fits.is_none() {
            return Err(Refusal::new(400, format!("`{name}` is {}, not `{value}`", what_fits(&name))));
        }
    }
    Ok(filter)
}

/// UTC as RFC 3339 has it, in whole seconds.
pub fn time(seconds: i64) -> String {
    let seconds = u64::try_from(seconds).unwrap_or(0).min(TIME_MAX);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) -> Option<()> {
    *slot = value;
    slot.as_ref().map(|_| ())
}

fn what_fits(name: &str) -> String {
    match name {
        "repository" => "owner and name, like acme/app".to_owned(),
        "pull" => "the number of a pull request, like 7".to_owned(),
        "state" => format!("one of {}", BuildState::ALL.map(BuildState::name).join(", ")),
        "before" => "the id of a build, like 42".to_owned(),
        _ => format!("a number from 1 to {BUILDS_MAX}"),
    }
}

impl<'a> From<&'a Build> for BuildJson<'a> {
    fn from(build: &'a Build) -> Self {
        BuildJson {
            id: build.id,
            repository: &build.repository,
            pull: build.pull,
            title: &build.title,
            sha: &build.sha,
            state: build.state,
            reason: build.reason.as_deref(),
            attempt: build.attempt,
            queued_at: time(build.queued_at),
            started_at: build.started_at.map(time),
            finished_at: build.finished_at.map(time),
            checks: build.checks.iter().map(CheckJson::from).collect(),
        }
    }
}

impl<'a> From<&'a Check> for CheckJson<'a> {
    fn from(check: &'a Check) -> Self {
        CheckJson {
            context: &check.context,
            state: check.state,
            description: &check.description,
            started_at: check.started_at.map(time),
            finished_at: check.finished_at.map(time),
        }
    }
}
