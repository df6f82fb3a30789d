//! Submodules, as far as anybody can fetch them.
//!
//! Their addresses come from the head, which may be a stranger's: with a credential they would fetch whatever that one
//! may read. So there is none here. Apart from that git gets nowhere and runs nothing that a check could not as well.
//!
//! They are fetched anew for each build: what an earlier build could reach (`.git/modules`, the directories themselves)
//! is gone before the checkout, and git compares every object that arrives with its sha.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::processes::{Limits, Processes, Sink};
use super::protocol::WorkerJob;
use super::room::Room;
use super::tree;
use crate::logic::build::CheckEnd;

/// How long all of them may take: as long as the daemon's own fetch.
const FETCH_DEADLINE: Duration = Duration::from_secs(600);
/// What is kept of git's words, in bytes: why one can't be fetched stands among the last of them.
const SAID_BYTES_MAX: usize = 64 * 1024;

/// A transfer slower than 1,000 bytes a second for a minute counts as dead; nothing of git's own runs from a template
/// or a hook.
const SETTINGS: [&str; 5] = [
    "protocol.version=2",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "core.hooksPath=/dev/null",
    "advice.detachedHead=false",
];

/// What git says where somebody would have to show who they are.
const LOCKED: [&str; 4] =
    ["could not read Username", "could not read Password", "Authentication failed", "transport 'ssh' not allowed"];

/// Fetches the submodules of the checkout in `room.tree`, and theirs. What git says goes to `log`.
///
/// # Errors
/// `Stopped`; which submodule can't be fetched, and why.
pub fn fetch(room: &Room, job: &WorkerJob, processes: &mut Processes, log: &mut Sink) -> Result<()> {
    if !job.submodules || !fs::symlink_metadata(room.tree.join(".gitmodules")).is_ok_and(|found| found.is_file()) {
        return Ok(());
    }
    let index = fs::read(&room.index).context("git wrote no index")?;
    let begun = Instant::now();
    for path in tree::submodules(&index, job.sha.len() / 2).context("the index that git wrote can't be read")? {
        let mut said = Vec::new();
        let mut sink = |bytes: &[u8]| {
            said.extend_from_slice(bytes);
            said.drain(..said.len().saturating_sub(SAID_BYTES_MAX));
            log(bytes)
        };
        let left = FETCH_DEADLINE.saturating_sub(begun.elapsed());
        let limits = Limits { time: left, silence: left };
        let (end, _) = processes.run(command(room, &job.clone_url, &path), limits, &mut sink)?;
        if end != CheckEnd::Exited(0) {
            bail!("submodule {} can't be fetched: {}", path.display(), why(&end, &String::from_utf8_lossy(&said)));
        }
    }
    Ok(())
}

fn command(room: &Room, clone_url: &str, path: &Path) -> Command {
    let mut command = Command::new("git");
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    // People clone by ssh; anybody can fetch the same by https.
    let host = host(clone_url);
    for ssh in [format!("git@{host}:"), format!("ssh://git@{host}/")] {
        command.arg("-c").arg(format!("url.https://{host}/.insteadOf={ssh}"));
    }
    command.args(["submodule", "update", "--init", "--recursive", "--depth=1", "--"]).arg(path);
    // Of this box itself only for a repository that is on it.
    let protocols = if clone_url.starts_with("file://") { "https:http:file" } else { "https:http" };
    tree::with_own_settings(&mut command).current_dir(&room.tree);
    command.envs([
        ("GIT_ALLOW_PROTOCOL", protocols),
        ("GIT_TEMPLATE_DIR", ""),
        ("GIT_ASKPASS", ""),
        ("GIT_LITERAL_PATHSPECS", "1"),
    ]);
    command
}

/// The host of `https://HOST/…`, `ssh://git@HOST/…` or `git@HOST:…`; github.com for a file.
fn host(clone_url: &str) -> &str {
    let rest = clone_url.split_once("://").map_or(clone_url, |(_, rest)| rest);
    let authority = rest.split(['/', ':']).next().unwrap_or_default();
    match authority.rsplit('@').next().unwrap_or_default() {
        "" => "github.com",
        host => host,
    }
}

fn why(end: &CheckEnd, said: &str) -> String {
    if LOCKED.iter().any(|words| said.contains(words)) {
        return "it needs a credential, and builds have none (README, Submodules)".to_owned();
    }
    if matches!(end, CheckEnd::TimedOut(_) | CheckEnd::Silent(_)) {
        return format!("all of them took longer than {} minutes", FETCH_DEADLINE.as_secs() / 60);
    }
    // What follows the first is git's way back.
    let first = said.lines().find_map(|line| line.strip_prefix("fatal: ").or(line.strip_prefix("error: ")));
    first.or(said.lines().last()).unwrap_or("git gave no reason").to_owned()
}

#[cfg(test)]
mod tests;
