//! `.pilotlight.toml`: the checks that a head names for itself. It says what is run and nothing else: who may build,
//! with which secrets, in which network and for how long at most is the box's word alone.

use std::time::Duration;

use serde::Deserialize;

use super::file::{self, CheckTable, Problem};
use super::{fields, message};
use crate::logic::policy::CheckPolicy;

/// Each check is a status and a run on a small machine, and GitHub takes 80 statuses a minute.
const CHECKS_MAX: usize = 20;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Head {
    check: Vec<CheckTable>,
}

/// The checks in `text`, if any. Those of a `stranger` keep to our own contexts: another service's status on that head
/// is not theirs to write. A check that names no timeout has the longest there is.
///
/// # Errors
/// What is wrong, with its line and column.
pub fn checks_of_head(text: &str, stranger: bool) -> Result<Vec<CheckPolicy>, String> {
    parse(text, stranger).map_err(|problem| match message::place(&problem, text) {
        Some((line, column)) => format!(".pilotlight.toml line {line}, column {column}: {}", problem.words),
        None => format!(".pilotlight.toml: {}", problem.words),
    })
}

fn parse(text: &str, stranger: bool) -> Result<Vec<CheckPolicy>, Problem> {
    let head: Head = toml::from_str(text).map_err(|error| message::problem(&error))?;
    if let Some(check) = head.check.get(CHECKS_MAX) {
        let words = format!("{} checks: {CHECKS_MAX} is the most", head.check.len());
        return Err(Problem { at: Some(check.context.span()), words });
    }
    let is_ours = |c: &&CheckTable| !stranger || fields::is_our_context(c.context.get_ref());
    if let Some(check) = head.check.iter().find(|c| !is_ours(c)) {
        let words = "a fork's contexts begin with `pilotlight/`: rename this one".to_owned();
        return Err(Problem { at: Some(check.context.span()), words });
    }
    file::checks(head.check, Duration::MAX)
}
