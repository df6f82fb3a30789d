//! Errors of a file as people read them: where, what, cure.

use super::file::Problem;
use crate::logic::wording::distance;

/// What toml and serde found, in our words.
pub fn problem(error: &toml::de::Error) -> Problem {
    let words = error.message().trim().replace('\n', ", ");
    let words = words.replace("unknown field", "unknown key").replace("missing field", "missing key");
    // Of values all are named, not the nearest: nobody who asks for more isolation should be offered none.
    let words = words.replace("unknown variant", "unknown value");
    let words = ["usize", "u64", "u8"]
        .iter()
        .fold(words, |w, kind| w.replace(&format!("expected {kind}"), "expected a number"));
    let words = match did_you_mean(&words) {
        Some(key) => {
            let what = words.split(", expected").next().unwrap_or(&words).to_owned();
            format!("{what}: did you mean `{key}`?")
        }
        None => words,
    };
    Problem { at: error.span(), words }
}

/// Line and column, both counted from 1, the column in characters.
pub fn place(problem: &Problem, text: &str) -> Option<(usize, usize)> {
    let before = text.get(..problem.at.as_ref()?.start)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some((line, column))
}

/// The known key nearest to the unknown one, out of serde's "unknown key `x`, expected one of `a`, `b`".
fn did_you_mean(words: &str) -> Option<&str> {
    let (unknown, known) = words.split_once(", expected")?;
    let unknown = unknown.strip_prefix("unknown key ")?.split('`').nth(1)?;
    let known = known.split('`').skip(1).step_by(2);
    known.min_by_key(|word| if word.starts_with(unknown) { 0 } else { distance(unknown, word) })
}
