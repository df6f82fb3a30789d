//! The pages: plain HTML without scripts. Every word from outside goes through [`outside`].

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::answer::{self, Refusal};
use super::log::Log;
use super::{View, json};
use crate::http::message::Response;
use crate::logic::build::{Build, BuildState, Check, CheckState};
use crate::logic::panel::{Led, Panel};
use crate::logic::text;
use crate::logic::wording;

/// The end of the log that a build's page holds, in bytes: more than a person reads, little enough that a phone
/// shows it at once.
const LOG_PAGE_BYTES_MAX: u64 = 256 * 1024;

/// How soon a page asks again: soon while something waits or runs; else a list left open on a wall still
/// notices the next build.
const REFRESH_BUSY_SECONDS: u32 = 5;
const REFRESH_IDLE_SECONDS: u32 = 60;

/// Its hash is in [`answer::POLICY`].
pub const STYLE: &str = include_str!("style.css");

/// The newest builds, and the lamp above them.
pub fn list(view: &View, query: &str) -> Result<Response, Refusal> {
    let filter = json::filter(query)?;
    let builds = view.reader()?.builds(&filter)?;
    let standing = view.lights().ok();
    let older = builds.last().filter(|_| builds.len() == filter.limit).map(|build| build.id.to_string());
    let busy = builds.iter().any(|build| !build.state.is_end());
    let seconds = if busy { REFRESH_BUSY_SECONDS } else { REFRESH_IDLE_SECONDS };
    let refresh = Refresh::new(query, Some(seconds));
    let body = html! {
        h1 { "Builds" }
        (lamp(standing.as_ref().map(|s| &s.panel)))
        @if let Some(notice) = standing.and_then(|s| s.notice) {
            p.wait { "Mind: " (outside(&notice)) "." }
        }
        @if builds.is_empty() {
            p { "No build to show yet: open a pull request, or push to one." }
        } @else {
            (builds_table(&builds))
        }
        @if let Some(older) = older {
            p { a href=(query_with(query, "before", Some(&older))) { "Older builds" } }
        }
        (refresh.note())
    };
    Ok(refresh.respond("Builds", &body))
}

/// One build: what it is about, its checks, and the end of its log.
pub fn build(view: &View, build: &Build, query: &str) -> Result<Response, Refusal> {
    let refresh = Refresh::new(query, (!build.state.is_end()).then_some(REFRESH_BUSY_SECONDS));
    let title = format!("Build {}", build.id);
    let body = html! {
        p { a href="../" { "All builds" } }
        h1 { (title) ": " (outside(&build.title)) }
        (facts(build))
        h2 { "Checks" }
        (checks_table(build))
        h2 { "Log" }
        (log_part(view, build))
        (refresh.note())
    };
    Ok(refresh.respond(&title, &body))
}

/// A page that says why there is none.
pub fn refusal(status: u16, words: &str) -> Markup {
    page(&format!("Error {status}"), &html! { h1 { (status) } p { (outside(words)) } })
}

fn page(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · pilotlight" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body) }
            }
        }
    }
}

/// Text that is not ours: characters that would act are written out, and its direction stays its own.
fn outside(words: &str) -> Markup {
    html! { bdi { (text::visible(words)) } }
}

fn lamp(lights: Option<&Panel>) -> Markup {
    html! {
        section.lamp aria-label="The lamp" {
            @if let Some(panel) = lights {
                ul {
                    (led("red", panel.red))
                    (led("yellow", panel.yellow))
                    (led("green", panel.green))
                }
                p { (outside(&panel.reason)) }
            } @else {
                p { "The lamp did not answer in time: reload this page." }
            }
        }
    }
}

fn led(colour: &str, led: Led) -> Markup {
    html! {
        li class={ (colour) " " (led.word()) } {
            span.shape aria-hidden="true" { (led.shape()) }
            " " (colour) " " (led.word())
        }
    }
}

fn builds_table(builds: &[Build]) -> Markup {
    html! {
        table {
            caption { "Newest first. Times are UTC." }
            thead {
                tr {
                    th scope="col" { "Build" }
                    th scope="col" { "State" }
                    th scope="col" { "Pull request" }
                    th.roomy scope="col" { "Head" }
                    th.roomy scope="col" { "Queued" }
                    th.roomy scope="col" { "Took" }
                }
            }
            tbody {
                @for build in builds {
                    tr {
                        th scope="row" { a href={ "builds/" (build.id) } { (build.id) } }
                        td { (state(build.state)) }
                        td.words { (outside(&name(build))) " " (outside(&build.title)) }
                        td.words.roomy { code { (outside(wording::short(&build.sha))) } " " (outside(&build.head_ref)) }
                        td.roomy { (time(Some(build.queued_at))) }
                        td.roomy.took { (took(build)) }
                    }
                }
            }
        }
    }
}

fn facts(build: &Build) -> Markup {
    html! {
        dl {
            dt { "State" }
            dd {
                (state(build.state))
                @if let Some(reason) = &build.reason { " – " (outside(reason)) }
            }
            dt { "Pull request" } dd { (outside(&name(build))) }
            dt { "Head" } dd { code { (outside(&build.sha)) } }
            dt { "Branch" } dd { (outside(&build.head_ref)) " into " (outside(&build.base_ref)) }
            dt { "Attempt" } dd { (build.attempt) }
            dt { "Queued" } dd { (time(Some(build.queued_at))) }
            dt { "Started" } dd { (time(build.started_at)) }
            dt { "Finished" } dd { (time(build.finished_at)) }
            dt { "Took" } dd { (took(build)) }
        }
    }
}

fn checks_table(build: &Build) -> Markup {
    html! {
        table {
            caption { "The name of a check leads to its part of the log. Times are UTC." }
            thead {
                tr {
                    th scope="col" { "Check" }
                    th scope="col" { "State" }
                    th scope="col" { "Description" }
                    th.roomy scope="col" { "Started" }
                    th.roomy scope="col" { "Finished" }
                }
            }
            tbody {
                @for check in &build.checks {
                    tr {
                        th.words scope="row" { (check_name(build, check)) }
                        td { (check_state(check.state)) }
                        td.words { (outside(&check.description)) }
                        td.roomy { (time(check.started_at)) }
                        td.roomy { (time(check.finished_at)) }
                    }
                }
            }
        }
    }
}

fn check_name(build: &Build, check: &Check) -> Markup {
    let name = outside(&check.context);
    if check.log_start.is_none() {
        return name;
    }
    let query = query_with("", "check", Some(&check.context));
    html! { a href={ "../api/v1/builds/" (build.id) "/log" (query) } { (name) } }
}

fn log_part(view: &View, build: &Build) -> Markup {
    let tail = Log::open(&view.config.logs_dir, build, None).and_then(|log| log.tail(LOG_PAGE_BYTES_MAX));
    let (bytes, is_all) = match tail {
        Ok(tail) => tail,
        Err(refusal) => return html! { p { (outside(refusal.words())) } },
    };
    if bytes.is_empty() {
        return html! { p { "Nothing was written so far." } };
    }
    // The first line of a part is seldom whole; it is left out unless it is all there is.
    let first_line = bytes.iter().position(|b| *b == b'\n').filter(|newline| !is_all && newline + 1 < bytes.len());
    let shown = first_line.map_or(&bytes[..], |newline| &bytes[newline + 1..]);
    html! {
        p {
            @if !is_all { "This is the end of it. " }
            a href={ "../api/v1/builds/" (build.id) "/log" } { "The whole log as it was written" }
        }
        pre { code dir="ltr" { (text::log(shown)) } }
    }
}

fn state(state: BuildState) -> Markup {
    let (class, shape, words) = match state {
        BuildState::WaitingForApproval => ("wait", "?", "waiting for approval"),
        BuildState::Queued => ("wait", "…", "queued"),
        BuildState::Running => ("wait", "▶", "running"),
        BuildState::Success => ("good", "✓", "success"),
        BuildState::Failure => ("bad", "✗", "failure"),
        BuildState::Error => ("bad", "!", "error"),
        BuildState::Cancelled => ("none", "–", "cancelled"),
    };
    html! { span class={ "state " (class) } { span.shape aria-hidden="true" { (shape) } " " (words) } }
}

fn check_state(check: CheckState) -> Markup {
    match check {
        CheckState::Queued => state(BuildState::Queued),
        CheckState::Running => state(BuildState::Running),
        CheckState::Success => state(BuildState::Success),
        CheckState::Failure => state(BuildState::Failure),
        CheckState::Error => state(BuildState::Error),
        CheckState::Cancelled => state(BuildState::Cancelled),
        CheckState::Skipped => html! { span.state.none { span.shape aria-hidden="true" { "»" } " skipped" } },
    }
}

fn name(build: &Build) -> String {
    format!("{}#{}", build.repository, build.pull)
}

fn time(seconds: Option<i64>) -> Markup {
    let Some(written) = seconds.map(json::time) else {
        return html! { "–" };
    };
    html! { time datetime=(written) { (written.trim_end_matches('Z').replace('T', " ")) } }
}

fn took(build: &Build) -> String {
    let seconds =
        build.started_at.zip(build.finished_at).and_then(|(from, to)| u64::try_from(to.saturating_sub(from)).ok());
    seconds.map_or_else(|| "–".to_owned(), |seconds| wording::duration(Duration::from_secs(seconds)))
}

/// Whether a page asks again by itself, and how to change that: whoever has it read aloud must be able to stop
/// it (WCAG 2.2.1).
struct Refresh {
    /// `None`: nothing will change.
    seconds: Option<u32>,
    is_off: bool,
    toggle: String,
}

impl Refresh {
    fn new(query: &str, seconds: Option<u32>) -> Self {
        let is_off = form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "refresh" && value == "off");
        Refresh { seconds, is_off, toggle: query_with(query, "refresh", (!is_off).then_some("off")) }
    }

    fn note(&self) -> Markup {
        html! {
            @if let Some(seconds) = self.seconds {
                p.quiet {
                    @if self.is_off {
                        "This page does not refresh. " a href=(self.toggle) { "Refresh by itself" }
                    } @else {
                        "This page refreshes every " (seconds) " seconds. " a href=(self.toggle) { "Stop that" }
                    }
                }
            }
        }
    }

    fn respond(&self, title: &str, body: &Markup) -> Response {
        let mut response = answer::html(200, page(title, body));
        // As a header, since no reader can stop a `meta` refresh, and this one ends with the link beside it.
        let header = self.seconds.filter(|_| !self.is_off).map(|seconds| ("Refresh", seconds.to_string()));
        response.headers.extend(header);
        response
    }
}

/// `query` with `name` set to `value`, or without it; as a link begins with it.
fn query_with(query: &str, name: &str, value: Option<&str>) -> String {
    let mut out = form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
    out.extend_pairs(form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known != name));
    if let Some(value) = value {
        out.append_pair(name, value);
    }
    out.finish()
}
