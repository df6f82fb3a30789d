//! Runs git with an environment of our making, under a deadline and with an ear for "stop".
//!
//! The token reaches git through one environment variable that only the credential helper named beside it reads.
//! git asks that helper for the one host it is bound to, also after a redirect; it stands in no argument, no URL
//! and no file.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::plain;
use super::process::{Process, end_in_words, ready};

/// What is kept of git's words, in bytes: the reason of a failure is at their end and seldom longer than a page.
const SAID_BYTES_MAX: usize = 64 * 1024;

/// How long git may take to remove its lock files once it is told to stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A transfer slower than 1,000 bytes a second for this long counts as dead.
const STALL_SECONDS: &str = "60";

/// What git inherits from us: the way to its helpers, to a proxy and its authorities, and to an ssh key.
const INHERITED: [&str; 12] = [
    "PATH",
    "SSH_AUTH_SOCK",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "GIT_SSL_CAINFO",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Answers `get` alone: git also calls it to store and to erase. `printf` is the shell's own, so that the token is
/// in no argument list.
const HELPER: &str =
    r#"!f() { test "$1" = get && printf 'username=x-access-token\npassword=%s\n' "$PILOTLIGHT_FETCH_TOKEN"; }; f"#;

/// What git adds to every failure of a transport, after the line that matters.
const VAGUE: [&str; 3] = [
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
];

/// The means to run git, for one thread.
pub struct Git {
    inherited: Vec<(&'static str, OsString)>,
    token: Option<String>,
    token_host: String,
}

/// When to give up.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Hangs up when the build is cancelled.
    pub cancel: BorrowedFd<'a>,
    pub deadline: Instant,
}

/// How the words of a git begin that a signal ended, or that said nothing.
pub const ENDED: &str = "git ended: ";

/// Why git did not do it.
#[derive(Debug)]
pub enum Failure {
    Cancelled,
    /// With all of its words but the token; their sense is in [`gist`].
    Failed(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Failed(error.to_string())
    }
}

impl Git {
    /// `token` goes to `token_host` (`host` or `host:port`) alone.
    pub fn new(token: Option<String>, token_host: String) -> Git {
        let inherited = INHERITED.iter().filter_map(|name| Some((*name, env::var_os(name)?))).collect();
        Git { inherited, token, token_host }
    }

    /// Runs `git ARGS` to its end; `url` is the remote it talks to, if any. Returns its words.
    pub fn run(&self, args: &[&OsStr], url: Option<&str>, watch: Watch<'_>) -> Result<String, Failure> {
        let mut command = self.command(url);
        command.args(args).stdout(Stdio::null());
        self.attend(command, 0, watch).map(|(said, _)| said)
    }

    /// Runs `git ARGS` for what it prints. Returns that, no more than `bytes_max` of it.
    pub fn read(&self, args: &[&OsStr], bytes_max: usize, watch: Watch<'_>) -> Result<Vec<u8>, Failure> {
        let mut command = self.command(None);
        command.args(args).stdout(Stdio::piped());
        self.attend(command, bytes_max, watch).map(|(_, printed)| printed)
    }

    /// Follows git to its end, or until it has printed enough. Returns its words, and what it printed.
    fn attend(&self, mut command: Command, bytes_max: usize, watch: Watch<'_>) -> Result<(String, Vec<u8>), Failure> {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command)
            .map_err(|error| Failure::Failed(format!("cannot start git: {error}. Install git.")))?;
        let (mut stdout, mut stderr) = process.take_outputs();
        let (mut printed, mut said) = (Vec::new(), Vec::new());
        loop {
            let (out, err) = (stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd));
            let fds = [Some(watch.cancel), Some(process.ended()), out, err];
            let [cancelled, ended, prints, spoke] = ready(fds, watch.deadline)?;
            if cancelled {
                process.stop(STOP_GRACE)?;
                return Err(Failure::Cancelled);
            }
            if Instant::now() >= watch.deadline {
                process.stop(STOP_GRACE)?;
                return Err(Failure::Failed(self.redact(&said) + "\nfatal: git took too long and was stopped"));
            }
            // All it said counts before its end does; who inherited its stderr may keep that open for ever.
            if spoke {
                stderr = stderr.and_then(|pipe| hear(pipe, &mut said));
                said.drain(..said.len().saturating_sub(SAID_BYTES_MAX));
            }
            if prints {
                stdout = stdout.and_then(|pipe| hear(pipe, &mut printed));
                if printed.len() > bytes_max {
                    printed.truncate(bytes_max);
                    process.stop(STOP_GRACE)?;
                    return Ok((self.redact(&said), printed));
                }
            }
            if ended && !spoke && !prints {
                let said = self.outcome(process.wait(Duration::ZERO)?, &said)?;
                return Ok((said, printed));
            }
        }
    }

    fn outcome(&self, status: ExitStatus, said: &[u8]) -> Result<String, Failure> {
        let said = self.redact(said);
        let end = || format!("{ENDED}{}", end_in_words(status));
        match status.code() {
            Some(0) => Ok(said),
            Some(_) if !said.trim().is_empty() => Err(Failure::Failed(said)),
            Some(_) => Err(Failure::Failed(end())),
            None => Err(Failure::Failed(format!("{said}\n{}", end()).trim_start().to_owned())),
        }
    }

    /// git in its clean environment, as `url` needs it.
    pub fn command(&self, url: Option<&str>) -> Command {
        let mut command = Command::new("git");
        command.env_clear().envs(self.inherited.iter().cloned()).envs([
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C.UTF-8"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", ""),
            ("GIT_ALLOW_PROTOCOL", "file:http:https:ssh:git"),
            ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15"),
        ]);
        let mut settings = vec![
            ("protocol.version".to_owned(), "2"),
            ("core.hooksPath".to_owned(), "/dev/null"),
            ("advice.fetchShowForcedUpdates".to_owned(), "false"),
            ("http.lowSpeedLimit".to_owned(), "1000"),
            ("http.lowSpeedTime".to_owned(), STALL_SECONDS),
        ];
        if let (Some(token), Some(origin)) = (&self.token, url.and_then(|url| self.token_origin(url))) {
            settings.push(("credential.helper".to_owned(), ""));
            settings.push((format!("credential.{origin}.helper"), HELPER));
            command.env("PILOTLIGHT_FETCH_TOKEN", token);
        }
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (n, (key, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{n}"), key).env(format!("GIT_CONFIG_VALUE_{n}"), value);
        }
        command
    }

    /// `scheme://host` of `url` if the token may go there: over TLS to the token's host, over plain HTTP only when
    /// that is this very machine.
    fn token_origin(&self, url: &str) -> Option<String> {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
        let safe = match scheme {
            "https" => true,
            "http" => ["127.0.0.1", "[::1]", "localhost"].contains(&name),
            _ => false,
        };
        // A host with a user name before it does not match here: that URL brings its own credentials.
        (safe && host == self.token_host.to_ascii_lowercase()).then(|| format!("{scheme}://{host}"))
    }

    fn redact(&self, said: &[u8]) -> String {
        let said = String::from_utf8_lossy(said);
        match &self.token {
            Some(token) if !token.is_empty() => said.replace(token, "***"),
            _ => said.into_owned(),
        }
    }
}

/// Adds what there is to read to `heard`. Gives the pipe back unless it has ended.
fn hear<R: Read>(mut pipe: R, heard: &mut Vec<u8>) -> Option<R> {
    let mut chunk = [0; 8192];
    match pipe.read(&mut chunk) {
        Ok(0) => return None,
        Ok(n) => heard.extend_from_slice(&chunk[..n]),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(_) => return None,
    }
    Some(pipe)
}

/// The one line of git's words that tells why it failed, for people.
pub fn gist(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("notice: "));
    let line = lines().rfind(|line| !VAGUE.contains(line)).or_else(|| lines().next()).unwrap_or("git gave no reason");
    let line = ["fatal: ", "error: "].iter().find_map(|prefix| line.strip_prefix(prefix)).unwrap_or(line);
    plain(line)
}

#[cfg(test)]
pub mod tests;
