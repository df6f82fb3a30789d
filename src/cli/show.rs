//! `pilotlight status`, `builds` and `log`: what the daemon knows, for people.

use std::io::{IsTerminal, Write, stdout};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::Failure;
use super::control::{get, get_json, value_of};
use crate::config::Config;
use crate::lights::terminal::{Look, harmless};
use crate::logic::text;

/// Between looks for more of a log that is followed.
const FOLLOW_BEAT: Duration = Duration::from_millis(300);

pub fn status(config: &Config) -> Result<()> {
    let status = get_json(config, "/api/v1/status")?;
    println!("{}", harmless(status["summary"].as_str().unwrap_or_default()));
    Ok(())
}

pub fn builds(config: &Config, json: bool) -> Result<()> {
    let body = get(config, "/api/v1/builds", None)?.ok()?;
    if json {
        return Ok(print(&[&body, b"\n".as_slice()].concat())?);
    }
    let answer = value_of(&body)?;
    let mut table = format!("{:>6}  {:<20}  {:<24}  {:<7}  {:<20}  TITLE\n", "BUILD", "STATE", "PULL", "SHA", "QUEUED");
    for build in answer["builds"].as_array().into_iter().flatten() {
        let text = |key: &str| harmless(build[key].as_str().unwrap_or_default());
        let pull = format!("{}#{}", text("repository"), build["pull"]);
        let sha: String = text("sha").chars().take(7).collect();
        let (state, queued, title) = (text("state"), text("queued_at"), text("title"));
        let state = painted(&format!("{state:<20}"), &state);
        table += &format!("{:>6}  {state}  {pull:<24}  {sha}  {queued:<20}  {title}\n", build["id"].to_string());
    }
    Ok(print(table.as_bytes())?)
}

/// `text` in the colour that the lamp has for the state `state`, where stdout wants colours.
fn painted(text: &str, state: &str) -> String {
    let colour = match state {
        "success" => "32",
        "failure" => "31",
        "error" | "cancelled" => "35",
        _ => "33",
    };
    if Look::of_stdout().colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

pub fn log(config: &Config, id: i64, follow: bool) -> Result<()> {
    let path = format!("/api/v1/builds/{id}/log");
    let mut seen = 0;
    loop {
        // Asked before the log, so that what was written until the end is still read.
        let ended = has_ended(config, id)?;
        let reply = get(config, &path, (seen > 0).then_some(seen))?;
        if reply.length.is_some_and(|length| length < seen) {
            // The build runs again, after an interruption or another try to fetch: its log begins anew.
            print(b"\n-- started again --\n")?;
            seen = 0;
            continue;
        }
        let more = if reply.status == 416 { Vec::new() } else { reply.ok()? };
        seen += more.len() as u64;
        show_log(&more)?;
        if ended || !follow {
            return Ok(());
        }
        if more.is_empty() {
            thread::sleep(FOLLOW_BEAT);
        }
    }
}

/// Says how a build and its checks move on, a line for each change, until it ends. Exit code 1 unless it passed.
pub fn wait(config: &Config, id: i64) -> Result<(), Failure> {
    let mut said: Vec<String> = Vec::new();
    loop {
        let build = build(config, id)?;
        let text = |of: &Value, key: &str| harmless(of[key].as_str().unwrap_or_default());
        let of_check = |c: &Value| format!("{}: {}", text(c, "context"), text(c, "description"));
        let now: Vec<_> = build["checks"].as_array().into_iter().flatten().map(of_check).collect();
        now.iter().filter(|line| !said.contains(line)).for_each(|line| println!("{line}"));
        said = now;
        if !build["finished_at"].is_null() {
            let state = text(&build, "state");
            println!("build {id}: {}", painted(&state, &state));
            return if state == "success" { Ok(()) } else { Err(Failure::Said(1)) };
        }
        thread::sleep(FOLLOW_BEAT);
    }
}

fn has_ended(config: &Config, id: i64) -> Result<bool> {
    Ok(!build(config, id)?["finished_at"].is_null())
}

fn build(config: &Config, id: i64) -> Result<Value> {
    get_json(config, &format!("/api/v1/builds/{id}"))
}

/// As it is into a file or a pipe, as colours and bytes may be wanted there; plain on a terminal, which would obey it.
fn show_log(bytes: &[u8]) -> Result<()> {
    let plain = stdout().is_terminal().then(|| text::log(bytes));
    Ok(print(plain.as_ref().map_or(bytes, |text| text.as_bytes()))?)
}

/// Prints; a reader that has gone away (`| head`) is no error.
fn print(bytes: &[u8]) -> std::io::Result<()> {
    match stdout().write_all(bytes).and_then(|()| stdout().flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
