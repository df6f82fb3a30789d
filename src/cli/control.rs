//! Talking to the running daemon through its control socket, which speaks HTTP.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::{Failure, show};
use crate::config::{CONTROL_SOCKET, Config};
use crate::logic::names::is_full_name;

/// How long an answer may take: a commit to a slow card, behind a burst.
const ANSWER_MAX: Duration = Duration::from_secs(35);

/// The daemon's answer.
pub struct Reply {
    pub status: u16,
    /// Of a 416: how many bytes there are.
    pub length: Option<u64>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The body, or what the daemon said is wrong.
    pub fn ok(self) -> Result<Vec<u8>> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let result =
            serde_json::from_slice::<Value>(&self.body).ok().and_then(|v| Some(v["result"].as_str()?.to_owned()));
        Err(anyhow!(result.unwrap_or_else(|| format!("the daemon answered {}", self.status))))
    }
}

pub fn rebuild(config: &Config, what: &str, wait: bool) -> Result<(), Failure> {
    let command = match what.parse::<i64>() {
        Ok(id) => json!({ "command": "rebuild", "build": id }),
        Err(_) => {
            let (repository, pull) = pull_name(what)?;
            json!({ "command": "rebuild", "repository": repository, "pull": pull })
        }
    };
    let answer = command_and_print(config, &command)?;
    match answer["build"].as_i64().filter(|_| wait) {
        Some(build) => show::wait(config, build),
        None => Ok(()),
    }
}

pub fn approve(config: &Config, pull: &str, sha: Option<String>) -> Result<(), Failure> {
    let (repository, pull) = pull_name(pull)?;
    let mut command = json!({ "command": "approve", "repository": repository, "pull": pull });
    if let Some(sha) = sha {
        command["sha"] = sha.into();
    }
    command_and_print(config, &command)?;
    Ok(())
}

pub fn cancel(config: &Config, id: i64) -> Result<(), Failure> {
    command_and_print(config, &json!({ "command": "cancel", "build": id }))?;
    Ok(())
}

/// Sends a command and prints what the daemon says. Returns its whole answer.
pub fn command_and_print(config: &Config, command: &Value) -> Result<Value> {
    let answer = value_of(&post(config, command)?.ok()?)?;
    println!("{}", answer["result"].as_str().unwrap_or_default());
    Ok(answer)
}

fn post(config: &Config, command: &Value) -> Result<Reply> {
    let body = command.to_string();
    let head = format!(
        "POST /api/v1/commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    exchange(config, &(head + &body))
}

/// Asks for `path`; with `range`, for its bytes from there on.
pub fn get(config: &Config, path: &str, range: Option<u64>) -> Result<Reply> {
    let range = range.map(|from| format!("Range: bytes={from}-\r\n")).unwrap_or_default();
    exchange(config, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{range}\r\n"))
}

/// Asks for what is JSON at `path`.
pub fn get_json(config: &Config, path: &str) -> Result<Value> {
    value_of(&get(config, path, None)?.ok()?)
}

/// The daemon's answer, read.
pub fn value_of(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).context("the daemon's answer can't be read")
}

/// Whether nobody listens at the control socket in this state directory.
pub fn is_stopped(state_dir: &Path) -> bool {
    UnixStream::connect(state_dir.join(CONTROL_SOCKET))
        .is_err_and(|e| matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused))
}

fn exchange(config: &Config, request: &str) -> Result<Reply> {
    let path = config.control_socket();
    let mut stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            anyhow!("pilotlight is not running here: start it with `systemctl start pilotlight` or `pilotlight run`")
        }
        ErrorKind::PermissionDenied => anyhow!("{} is not for this user: try it with sudo", path.display()),
        _ => anyhow!("{} can't be reached: {error}", path.display()),
    })?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    stream.write_all(request.as_bytes()).context("the daemon does not listen")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("the daemon does not answer")?;
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(body)) = head.parse(&answer) else { bail!("the daemon's answer is torn") };
    let range = head.headers.iter().find(|h| h.name.eq_ignore_ascii_case("Content-Range"));
    let length = range.and_then(|h| std::str::from_utf8(h.value).ok()?.strip_prefix("bytes */")?.parse().ok());
    Ok(Reply { status: head.code.unwrap_or_default(), length, body: answer.split_off(body) })
}

/// `OWNER/REPO#N`.
fn pull_name(text: &str) -> Result<(&str, u64), Failure> {
    let parts = text.split_once('#').and_then(|(repository, n)| Some((repository, n.parse::<u64>().ok()?)));
    let parts = parts.filter(|(name, _)| is_full_name(name));
    parts.ok_or_else(|| Failure::Wrong(format!("`{text}` is no pull request: write it like acme/app#7")))
}
