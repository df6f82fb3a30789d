//! The tunnel that brings GitHub's webhooks here: which one is open, and what its public address is.
//!
//! Each is asked as its makers document it: ngrok's agent API, cloudflared's metrics server, tailscale's command.

use std::io::Read;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// How long a program of this box may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// What is read of its answer, in bytes: a list of tunnels is a few KB.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;
/// ngrok's agent API, today's path and the older one.
const NGROK: [&str; 2] = ["http://127.0.0.1:4040/api/endpoints", "http://127.0.0.1:4040/api/tunnels"];
/// cloudflared takes the first of these ports that is free.
const CLOUDFLARED_PORTS: std::ops::RangeInclusive<u16> = 20241..=20245;

/// An open tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    pub name: &'static str,
    /// `https://HOST`, no slash at its end.
    pub url: String,
}

/// The open tunnels of this box that may lead to `port`, the likeliest first.
pub fn open_tunnels(port: u16) -> Vec<Tunnel> {
    let agent: Agent = Agent::config_builder().timeout_global(Some(ANSWER_MAX)).proxy(None).build().into();
    let ask = |url: &str| -> Option<Value> {
        let body = agent.get(url).call().ok()?.into_body();
        let mut text = String::new();
        body.into_reader().take(ANSWER_BYTES_MAX).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    };
    let ngrok = NGROK.iter().find_map(|url| of_ngrok(&ask(url)?, port));
    let ngrok = ngrok.map(|url| Tunnel { name: "ngrok", url });
    let quick = |port| of_cloudflared(&ask(&format!("http://127.0.0.1:{port}/quicktunnel"))?);
    let cloudflared = CLOUDFLARED_PORTS.into_iter().find_map(quick).map(|url| Tunnel { name: "cloudflared", url });
    let tailscale = || {
        let output = Command::new("tailscale").args(["status", "--json"]).output().ok()?;
        of_tailscale(&serde_json::from_slice(&output.stdout).ok()?)
    };
    let tailscale = tailscale().map(|url| Tunnel { name: "tailscale", url });
    [ngrok, cloudflared, tailscale].into_iter().flatten().collect()
}

/// The public https address of the endpoint that leads to `port`.
fn of_ngrok(answer: &Value, port: u16) -> Option<String> {
    let listed = |key: &str| answer[key].as_array().into_iter().flatten();
    let new = listed("endpoints").map(|e| (e["url"].as_str(), e["upstream"]["url"].as_str()));
    let old = listed("tunnels").map(|t| (t["public_url"].as_str(), t["config"]["addr"].as_str()));
    let leads_here = |upstream: &str| upstream.trim_end_matches('/').rsplit(':').next() == Some(&port.to_string());
    let mut here = new.chain(old).filter(|(_, upstream)| upstream.is_some_and(leads_here));
    here.find_map(|(url, _)| public(url?))
}

/// Named tunnels answer with an empty host name.
fn of_cloudflared(answer: &Value) -> Option<String> {
    let host = answer["hostname"].as_str().filter(|host| !host.is_empty())?;
    public(&format!("https://{host}"))
}

fn of_tailscale(answer: &Value) -> Option<String> {
    let host = answer["Self"]["DNSName"].as_str()?.trim_end_matches('.');
    (!host.is_empty()).then(|| public(&format!("https://{host}")))?
}

/// Fit to be told to GitHub: https, and nothing but a host and a port.
fn public(url: &str) -> Option<String> {
    let authority = url.strip_prefix("https://")?.trim_end_matches('/');
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
    (!authority.is_empty() && authority.bytes().all(known)).then(|| format!("https://{authority}"))
}

#[cfg(test)]
mod tests;
