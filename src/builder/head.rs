//! What the head itself says before it is built: that it wants no build, and by which checks it wants to be built.
//!
//! A stranger may have written it: it is read out of the mirror, as the bytes that git has, and never checked out.

use super::git::{Failure, Git, Watch};
use super::mirror::Mirror;
use crate::logic::event::{BuildNews, Job};
use crate::logic::policy::CheckPolicy;

/// What is read of a commit, in bytes. Nobody writes a message of that length; what stands behind it is not seen.
const COMMIT_BYTES_MAX: usize = 64 * 1024;

/// The largest file of checks, in bytes: twenty checks are a hundredth of it.
const FILE_BYTES_MAX: usize = 64 * 1024;

const FILE: &str = ".pilotlight.toml";

/// GitHub's own words for it (its documentation, "Skipping workflow runs"), in any case.
const MARKERS: [&str; 5] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];

/// The trailer that means the same, as the last line, with or without the space.
const TRAILER: &str = "skip-checks: true";

/// Understands the text of a file of checks, a stranger's or not; or says what is wrong in it.
pub type Understand = fn(&str, bool) -> Result<Vec<CheckPolicy>, String>;

/// What it says, if the daemon has to decide on that before anything is run.
pub fn read(
    git: &Git,
    mirror: &Mirror,
    job: &Job,
    understand: Understand,
    watch: Watch<'_>,
) -> Result<Option<BuildNews>, Failure> {
    if job.may_skip {
        let commit = mirror.read(git, &["cat-file", "commit", &job.sha], COMMIT_BYTES_MAX, watch)?;
        if let Some(marker) = marker(&String::from_utf8_lossy(&commit)) {
            return Ok(Some(BuildNews::Skipped { marker }));
        }
    }
    if !job.reads_checks {
        return Ok(None);
    }
    let checks = match file(git, mirror, &job.sha, watch)? {
        Ok(Some(text)) => understand(&text, job.stranger),
        Ok(None) => Ok(Vec::new()),
        Err(words) => Err(words),
    };
    Ok(Some(BuildNews::Named { checks }))
}

/// The words by which a raw commit asks for no build.
fn marker(commit: &str) -> Option<&'static str> {
    let (_, message) = commit.split_once("\n\n")?;
    let message = message.to_ascii_lowercase();
    let last = message.trim_end().lines().last().unwrap_or_default();
    let is_trailer = last.split_once(':').is_some_and(|(key, value)| (key, value.trim()) == ("skip-checks", "true"));
    MARKERS.into_iter().find(|marker| message.contains(marker)).or(is_trailer.then_some(TRAILER))
}

/// The text of the head's file, if it has one; or why that can't be had.
fn file(git: &Git, mirror: &Mirror, sha: &str, watch: Watch<'_>) -> Result<Result<Option<String>, String>, Failure> {
    let list = ["ls-tree", "--full-tree", "--long", sha, "--", FILE];
    let entry = mirror.read(git, &list, COMMIT_BYTES_MAX, watch)?;
    let entry = String::from_utf8_lossy(&entry);
    let words: Vec<_> = entry.split_whitespace().collect();
    let (id, bytes) = match words[..] {
        [] => return Ok(Ok(None)),
        ["100644" | "100755", _, id, bytes, _] => (id, bytes),
        _ => return Ok(Err(format!("{FILE} is a symlink, a directory or a submodule: make it a file"))),
    };
    if bytes.parse::<usize>().map_or(true, |bytes| bytes > FILE_BYTES_MAX) {
        return Ok(Err(format!("{FILE} has {bytes} bytes: {FILE_BYTES_MAX} is the most")));
    }
    let content = mirror.read(git, &["cat-file", "blob", id], FILE_BYTES_MAX, watch)?;
    Ok(String::from_utf8(content).map(Some).map_err(|_| format!("{FILE} is not UTF-8")))
}

#[cfg(test)]
mod tests;
