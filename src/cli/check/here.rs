//! What can be seen on this box.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Access, access};

use super::super::secrets::{Kept, TOKEN, WEBHOOK};
use super::super::setup::place::STATE_DIR;
use super::super::{control, network};
use super::Finding;
use crate::builder::{UNIT_SOCKETS, instances, read_secret, socket_unit};
use crate::config::Config;
use crate::daemon::space::Room;
use crate::lights;
use crate::logic::policy::{Isolation, Tested};
use crate::logic::secret::SecretFile;

/// When this was written: a clock that shows less has not been set. 2026-01-01, UTC.
const CLOCK_MIN: Duration = Duration::from_secs(1_767_225_600);

/// The oldest git that speaks protocol version 2 by itself, which fetching a head by its sha needs.
const GIT_MIN: (u32, u32) = (2, 26);

/// The oldest git that merges without a tree: `git merge-tree --write-tree`.
const GIT_MIN_TO_MERGE: (u32, u32) = (2, 38);

pub fn findings(config: &Config, config_path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let secrets = [
        ("webhook secret", config.webhook.secret_file.as_ref(), WEBHOOK),
        ("GitHub token", config.github.token_file.as_ref(), TOKEN),
    ];
    for (about, named, credential) in secrets {
        let kept = named.cloned().map(Kept::Plain).or_else(|| Kept::find(config_path, credential));
        findings.extend(kept.map(|kept| secret(about, &kept, credential)));
    }
    for repository in &config.policy.repositories {
        findings.extend(repository.secrets.iter().map(|secret| build_secret(config, &repository.name, secret)));
    }
    findings.push(directory("state", &config.state_dir));
    findings.push(directory("cache", &config.cache_dir));
    findings.push(clock());
    findings.push(Finding::of("git", git(config)));
    findings.push(Finding::of("lamp", lights::probe(&config.lights)));
    findings.extend(isolation(config));
    findings.push(match control::is_stopped(&config.state_dir) {
        true => Finding::doubtful("daemon", "is not running here: `systemctl start pilotlight` or `pilotlight run`"),
        false => Finding::good("daemon", "runs"),
    });
    findings
}

fn secret(about: &str, kept: &Kept, credential: &str) -> Finding {
    if let Some(problem) = kept.problem(credential) {
        return Finding::bad(about, problem);
    }
    match kept {
        Kept::Plain(file) => mode(about, file),
        Kept::Encrypted(file) => Finding::good(about, format!("{} is encrypted", file.display())),
        Kept::Elsewhere(file) => Finding::good(about, format!("a drop-in of the unit's brings {}", file.display())),
    }
}

fn mode(about: &str, file: &Path) -> Finding {
    let shown = file.display();
    match fs::metadata(file).map(|m| m.permissions().mode() & 0o777) {
        Err(error) => Finding::bad(about, format!("{shown} can't be looked at: {error}")),
        Ok(mode) if mode & 0o077 != 0 => {
            Finding::bad(about, format!("{shown} can be read by others (mode {mode:o}): `chmod 600 {shown}`"))
        }
        Ok(mode) => Finding::good(about, format!("{shown} has mode {mode:o}")),
    }
}

/// A secret for builds: that it can be read, and that nobody else can.
fn build_secret(config: &Config, repository: &str, secret: &SecretFile) -> Finding {
    let (about, file) = (format!("{repository}: secret {}", secret.name), &secret.file);
    if let Err(error) = read_secret(secret) {
        return Finding::bad(about, error);
    }
    // systemd's own: an access list for the daemon shows up as rights of the group.
    if file.starts_with("/run/credentials") {
        return Finding::good(about, format!("{} is a credential", file.display()));
    }
    let owner = |path: &Path| fs::metadata(path).ok().map(|found| found.uid());
    match (owner(&config.state_dir), owner(file)) {
        (Some(daemon), Some(other)) if daemon != other => {
            let shown = file.display();
            Finding::bad(
                about,
                format!("{shown} is not the daemon's: `chown --reference={} {shown}`", config.state_dir.display()),
            )
        }
        _ => mode(&about, file),
    }
}

fn directory(name: &str, dir: &Path) -> Finding {
    let about = format!("{name} directory");
    let shown = dir.display();
    let existing: PathBuf = dir.ancestors().find(|d| d.exists()).unwrap_or(Path::new("/")).to_owned();
    if access(&existing, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let cure = "if the daemon is another user, ask as that one or as root; else choose another in [storage]";
        return Finding::doubtful(about, format!("{shown} can't be written by this user: {cure}"));
    }
    let Some(room) = Room::of(&existing) else {
        return Finding::doubtful(about, format!("the space of {shown} can't be asked"));
    };
    let words = format!("{shown}, {} MiB free", room.free / 1024 / 1024);
    let cure = "make room, or choose another in [storage]";
    if room.is_short() {
        return Finding::bad(about, format!("{words}, so no build starts: {cure}"));
    }
    if room.is_low() {
        return Finding::doubtful(about, format!("{words}, little for builds: {cure}"));
    }
    Finding::good(about, words)
}

fn clock() -> Finding {
    let now = SystemTime::now();
    let shown = humantime::format_rfc3339_seconds(now);
    match now.duration_since(UNIX_EPOCH).is_ok_and(|since| since >= CLOCK_MIN) {
        true => Finding::good("clock", format!("{shown}")),
        false => Finding::bad("clock", format!("shows {shown}: enable the network time: `timedatectl set-ntp true`")),
    }
}

fn git(config: &Config) -> Result<String, String> {
    let merges = config.policy.repositories.iter().any(|r| r.tested == Tested::Merge);
    let oldest = if merges { GIT_MIN_TO_MERGE } else { GIT_MIN };
    let cure = "install it: `apt install git`";
    let output =
        Command::new("git").arg("--version").output().map_err(|e| format!("can't be started ({e}): {cure}"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let version = said.split(' ').nth(2).unwrap_or_default();
    let mut numbers = version.split('.').map_while(|n| n.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= oldest => Ok(version.to_owned()),
        (Some(_), Some(_)) => Err(format!("{version} is too old: {}.{} or newer is needed", oldest.0, oldest.1)),
        _ => Err(format!("does not say its version ({said}): {cure}")),
    }
}

fn isolation(config: &Config) -> Vec<Finding> {
    if config.policy.isolation == Isolation::None {
        let words = "none: builds run as the daemon's user, and pull requests from forks never run";
        return vec![Finding::doubtful("isolation", words)];
    }
    let mut findings: Vec<_> =
        config.policy.repositories.iter().map(|r| Finding::of("isolation", units(&r.name))).collect();
    if config.state_dir != Path::new(STATE_DIR) {
        let words = format!("the units look for mirrors in {STATE_DIR}, and storage.state_dir is another");
        let cure = "say so in drop-ins of pilotlight.service and pilotlight-build@.service, or set it to that";
        findings.push(Finding::doubtful("isolation", format!("{words}: {cure}")));
    }
    findings.push(Finding::of("network of builds", network::probe()));
    findings.extend(network::name_server_problem().map(|words| Finding::doubtful("names in builds", words)));
    findings.push(memory_limit());
    findings
}

/// The two sockets of a repository.
fn units(repository: &str) -> Result<String, String> {
    let instances = instances(repository);
    let is_missing = |name: &&String| !Path::new(UNIT_SOCKETS).join(format!("{name}.sock")).exists();
    let missing: Vec<_> = instances.iter().filter(is_missing).map(|name| socket_unit(name)).collect();
    match missing[..] {
        [] => Ok(format!("a unit for {repository}, and another for its strangers")),
        [..] => {
            let cure = format!("`sudo systemctl enable --now {}`", missing.join(" "));
            Err(format!("there is no unit for {repository}, so that its builds wait: {cure}"))
        }
    }
}

/// Raspberry Pi OS switches the memory controller off, and then a unit's `MemoryMax=` is nothing.
fn memory_limit() -> Finding {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    let has_memory = controllers.split_ascii_whitespace().any(|name| name == "memory");
    if has_memory || Path::new("/sys/fs/cgroup/memory").is_dir() {
        return Finding::good("memory of builds", "limited, so that a build can't take all of it");
    }
    let cure = "add cgroup_enable=memory to the line in /boot/firmware/cmdline.txt and reboot";
    Finding::doubtful("memory of builds", format!("this kernel does not limit it: {cure}"))
}
