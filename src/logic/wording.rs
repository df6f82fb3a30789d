//! Every sentence that people outside read, in one place.

use std::time::Duration;

use super::build::{BuildId, CheckEnd, CheckState};
use super::names::SHA_DIGITS_MIN;
use super::text;

/// The longest description of a commit status, in characters; GitHub refuses more with 422.
pub const DESCRIPTION_CHARS_MAX: usize = 140;

pub const QUEUED: &str = "Queued";
pub const NO_SPACE: &str = "Queued: waiting for disk space on the box";
pub const RUNNING: &str = "Running";
pub const QUEUED_AGAIN: &str = "Queued again after an interruption";
pub const INTERRUPTED_TWICE: &str = "Interrupted twice while it ran: rebuild it to try again";
pub const CLOSED: &str = "Cancelled: the pull request was closed";
pub const NOT_CONFIGURED: &str = "Cancelled: the repository is no longer configured";
pub const CHECK_NOT_CONFIGURED: &str = "Skipped: this check is no longer configured";
pub const DISK_FULL: &str = "The disk is full: the build was ended";
pub const NEVER_RUNS: &str = "Waiting for approval: forks never run here (isolation = \"none\")";
pub const CHECK_NOT_NAMED: &str = "Skipped: .pilotlight.toml names other checks";
pub const NO_PULL_YET: &str = "No pull request yet";

/// The first digits of a sha, as GitHub shows it.
pub fn short(sha: &str) -> &str {
    sha.get(..SHA_DIGITS_MIN).unwrap_or(sha)
}

/// At most `chars_max` characters of `text`, without those that act instead of being seen: it is shown to people.
pub fn plain(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| !text::acts(*c)).take(chars_max).collect()
}

/// `text` as one line, in at most [`DESCRIPTION_CHARS_MAX`] characters.
pub fn description(text: &str) -> String {
    let mut line = text::one_line(text);
    if line.chars().count() > DESCRIPTION_CHARS_MAX {
        line = line.chars().take(DESCRIPTION_CHARS_MAX - 1).collect::<String>() + "…";
    }
    line
}

/// `3m 12s`: whole seconds, the largest units first, none that is zero.
pub fn duration(d: Duration) -> String {
    let seconds = d.as_secs() + u64::from(d.subsec_millis() >= 500);
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let words: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

/// A person must say yes; with the words to use, as many as fit. With the head that was looked at: another may be pushed
/// before the word is given, and whoever makes the commits can make two that begin alike. `comments`: it can be given at
/// GitHub.
pub fn waiting_for_approval(repository: &str, pull: u64, sha: &str, comments: bool) -> String {
    let here = format!("pilotlight approve {repository}#{pull}");
    let ways = match comments {
        true => [format!("comment /approve {sha} (or {here} SHA)"), format!("comment /approve {sha}")],
        false => [format!("{here} {sha}"), format!("pilotlight approve OWNER/REPO#{pull} {sha}")],
    };
    let fits = |words: &String| words.chars().count() <= DESCRIPTION_CHARS_MAX;
    let [long, short] = ways.map(|way| format!("Waiting for approval: {way}"));
    if fits(&long) { long } else { short }
}

/// A word of approval without the head it is for.
pub fn approval_of_nothing(head: &str) -> String {
    description(&format!("Waiting for approval: name the head in the comment: /approve {head}"))
}

/// A word of approval for `sha`, which is not the head.
pub fn approval_of_another(sha: &str, head: &str) -> String {
    description(&format!("Waiting for approval: {} is not the head: comment /approve {head}", short(sha)))
}

/// A word of approval for `digits`, which other heads than this one may begin with.
pub fn approval_of_digits(digits: &str, head: &str) -> String {
    description(&format!("Waiting for approval: {} may mean another head: comment /approve {head}", short(digits)))
}

/// The head is not there yet, or the way to it is down.
pub fn waiting_for_fetch(sha: &str) -> String {
    format!("Waiting for {} to be fetched, trying again", short(sha))
}

pub fn fetch_failed(error: &str) -> String {
    description(&format!("Fetch failed: {error}"))
}

pub fn not_run(error: &str) -> String {
    description(&format!("Not run to its end: {error}"))
}

/// `marker` is what the head's message says.
pub fn skipped(marker: &str) -> String {
    format!("Skipped: {marker}")
}

pub fn conflict(base_ref: &str) -> String {
    description(&format!("Conflict with {base_ref}: merge or rebase it"))
}

pub fn superseded(sha: &str) -> String {
    format!("Superseded by {}", short(sha))
}

pub fn superseded_by_base(base_ref: &str) -> String {
    description(&format!("Superseded: the base is now {base_ref}"))
}

/// `left`: seconds until then.
pub fn token_expires(left: i64) -> String {
    let cure = "make a new one, and give it to `sudo pilotlight setup --token-file FILE`";
    let when = match left / (24 * 3600) {
        _ if left < 0 => "has expired".to_owned(),
        0 => "expires today".to_owned(),
        1 => "expires tomorrow".to_owned(),
        days => format!("expires in {days} days"),
    };
    format!("the GitHub token {when}: {cure}")
}

pub fn cancelled_by(who: &str) -> String {
    description(&format!("Cancelled by {who}"))
}

/// The state and the words for how a check ended after `took`.
pub fn check_ended(end: &CheckEnd, took: Duration) -> (CheckState, String) {
    let took = duration(took);
    match end {
        CheckEnd::Exited(0) => (CheckState::Success, format!("Passed in {took}")),
        CheckEnd::Exited(code) => (CheckState::Failure, format!("Failed in {took}: exit code {code}")),
        CheckEnd::Signalled(9) => (CheckState::Error, format!("Killed after {took} (signal 9, KILL)")),
        CheckEnd::Signalled(n) => (CheckState::Failure, format!("Failed in {took}: signal {n}{}", signal_name(*n))),
        CheckEnd::OutOfMemory { limit_bytes } => {
            (CheckState::Error, format!("Out of memory after {took}{}", limit_bytes.map(limit).unwrap_or_default()))
        }
        CheckEnd::Silent(limit) => (CheckState::Error, format!("No output for {}: ended", duration(*limit))),
        CheckEnd::TimedOut(limit) => (CheckState::Error, format!("Timed out after {}", duration(*limit))),
        CheckEnd::Broken(error) => (CheckState::Error, not_run(error)),
    }
}

/// Why a build's unit was ended, by systemd's `$SERVICE_RESULT` and `$EXIT_STATUS`.
pub fn unit_ended(result: &str, status: &str) -> String {
    match result {
        "oom-kill" => "Out of memory: the build was ended".to_owned(),
        "timeout" => "Timed out: the build was ended by systemd".to_owned(),
        "signal" | "core-dump" => format!("Killed: the build's worker met signal {status}"),
        "exit-code" => format!("The build's worker failed: exit code {status}"),
        other => format!("The build was ended by systemd: {other}"),
    }
}

/// ` (limit 1.5 GiB)`, in the largest unit of which it is one.
fn limit(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    let gib = bytes as f64 / (1024 * MIB) as f64;
    if gib < 1.0 { format!(" (limit {} MiB)", bytes / MIB) } else { format!(" (limit {gib:.1} GiB)") }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (HUP)",
        2 => " (INT)",
        4 => " (ILL)",
        6 => " (ABRT)",
        7 => " (BUS)",
        8 => " (FPE)",
        11 => " (SEGV)",
        13 => " (PIPE)",
        14 => " (ALRM)",
        15 => " (TERM)",
        24 => " (XCPU)",
        25 => " (XFSZ)",
        31 => " (SYS)",
        _ => "",
    }
}

pub fn not_taken(repository: &str, pull: u64, context: &str, error: &str) -> String {
    format!("the status {context} of {repository}#{pull} is not taken: {error}. A new commit may cure it")
}

/// Nobody can know whether what was heard last is still so.
pub fn unheard(repository: &str, silence: Duration) -> String {
    let silence = duration(silence);
    format!("nothing was heard of {repository} for {silence}: no webhook came, and its pull requests can't be listed")
}

/// `id` is the one that is meant; `instead` is what GitHub has there.
pub fn another_repository(name: &str, id: u64, instead: u64) -> String {
    format!(
        "GitHub's {name} is repository {instead}, not {id}: has a stranger taken the name? Write the new name of \
         yours in the configuration, or id = {instead} below this one if that is yours"
    )
}

pub fn renamed(name: &str, new: &str) -> String {
    format!("GitHub's {name} is called {new} now: write the new name in the configuration")
}

pub fn stuck(build: BuildId) -> String {
    format!("build {build} is held for longer than all its deadlines")
}

/// How many single letters must change to make `a` of `b` (Levenshtein): to find the word that was meant.
pub fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[row.len() - 1]
}
