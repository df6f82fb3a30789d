//! Errors of the file as people read them: file, line, column, what, cure.

use std::ops::Range;

use super::ConfigError;
use super::file::Problem;
use crate::logic::wording::distance;

/// What toml and serde found.
pub fn of_toml(error: &toml::de::Error, text: &str, file: &str) -> ConfigError {
    let words = error.message().trim().replace('\n', ", ");
    let words = words.replace("unknown field", "unknown key").replace("missing field", "missing key");
    // Of values all are named, not the nearest: nobody who asks for more isolation should be offered none.
    let words = words.replace("unknown variant", "unknown value");
    let words = words.replace("expected usize", "expected a number").replace("expected u8", "expected a number");
    let words = match did_you_mean(&words) {
        Some(key) => {
            let what = words.split(", expected").next().unwrap_or(&words).to_owned();
            format!("{what}: did you mean `{key}`?")
        }
        None => words,
    };
    ConfigError(format!("{}: {words}", place(error.span(), text, file)))
}

/// What [`super::file::check`] found.
pub fn of_problem(problem: &Problem, text: &str, file: &str) -> ConfigError {
    ConfigError(format!("{}: {}", place(problem.at.clone(), text, file), problem.words))
}

/// `file:line:column`, both counted from 1, the column in characters.
fn place(span: Option<Range<usize>>, text: &str, file: &str) -> String {
    let Some(before) = span.and_then(|s| text.get(..s.start)) else { return file.to_owned() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{file}:{line}:{column}")
}

/// The known key nearest to the unknown one, out of serde's "unknown key `x`, expected one of `a`, `b`".
fn did_you_mean(words: &str) -> Option<&str> {
    let (unknown, known) = words.split_once(", expected")?;
    let unknown = unknown.strip_prefix("unknown key ")?.split('`').nth(1)?;
    let known = known.split('`').skip(1).step_by(2);
    known.min_by_key(|word| if word.starts_with(unknown) { 0 } else { distance(unknown, word) })
}
