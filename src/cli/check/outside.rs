//! What GitHub says.

use std::net::ToSocketAddrs;
use std::time::Duration;

use ureq::Agent;

use super::super::control;
use super::super::tunnel::open_tunnels;
use super::Finding;
use crate::config::Config;
use crate::github::Client;

/// How long the dashboard may take to answer.
const DASHBOARD_MAX: Duration = Duration::from_secs(3);

pub fn findings(config: &Config) -> Vec<Finding> {
    let token = config.github.token.as_ref();
    let client = match Client::new(&config.github.api_url, token) {
        Ok(client) => client,
        Err(error) => return vec![Finding::bad("GitHub", format!("{error:#}"))],
    };
    if token.is_none() {
        let words = "there is none: `sudo pilotlight setup` asks for it and puts it where the unit finds it";
        return vec![Finding::bad("GitHub token", words)];
    }
    let (reachable, clock) = client.check_reachable();
    let stop = reachable.is_err();
    let mut findings = vec![
        Finding::of("DNS", dns(&config.github.api_url)),
        Finding::of("GitHub", reachable),
        Finding::of("clock against GitHub's", clock),
        Finding::mind("GitHub token's end", client.check_expiry()),
    ];
    findings.extend(dashboard(config));
    if stop {
        return findings;
    }
    findings.extend(tunnels(config));
    for repository in &config.policy.repositories {
        let name = &repository.name;
        for (permission, said) in client.check_permissions(name) {
            findings.push(Finding::of(format!("{name}: {permission}"), said));
        }
        if config.webhook.listen.is_some() {
            findings.extend(webhook(&client, name, &config.webhook.path));
        }
    }
    findings
}

/// How the webhook of a repository is, and how its last deliveries went.
fn webhook(client: &Client, repository: &str, path: &str) -> Vec<Finding> {
    let about = format!("{repository}: webhook");
    let hook = match client.our_hook(repository, path) {
        Ok(Some(hook)) => hook,
        Ok(None) => {
            let cure = "polling still works, `pilotlight hook install` makes one";
            return vec![Finding::doubtful(about, format!("none has the path {path}: {cure}"))];
        }
        Err(_) => {
            let words = "the token may not look at it (Webhooks: read): see its page at GitHub";
            return vec![Finding::doubtful(about, words)];
        }
    };
    let deliveries = client.check_deliveries(repository, hook.id);
    let deliveries = deliveries.map(|said| Finding::mind(format!("{repository}: deliveries"), said));
    [Finding::of(about, hook.check())].into_iter().chain(deliveries).collect()
}

/// Whether the API's host has an address.
fn dns(api_url: &str) -> Result<String, String> {
    let (scheme, rest) = api_url.split_once("://").unwrap_or(("https", api_url));
    let authority = rest.split('/').next().unwrap_or_default();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if scheme == "http" { 80 } else { 443 };
    let host = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    match host.to_socket_addrs().map(|addresses| addresses.count()) {
        Ok(1..) => Ok(format!("{authority} has an address")),
        Ok(0) => Err(format!("{authority} has no address: look at this box's network")),
        Err(error) => Err(format!("{authority} has no address ({error}): look at this box's network and DNS")),
    }
}

/// The open tunnel, if webhooks are to come through one.
fn tunnels(config: &Config) -> Option<Finding> {
    let port = config.webhook.listen?.port();
    Some(match open_tunnels(port).first() {
        Some(tunnel) => Finding::good("tunnel", format!("{} at {}", tunnel.name, tunnel.url)),
        None => {
            Finding::doubtful("tunnel", "neither ngrok, cloudflared nor tailscale tells of one: polling still works")
        }
    })
}

/// Whether the address that statuses link to leads to this box, as far as this box can tell.
fn dashboard(config: &Config) -> Option<Finding> {
    let port = config.dashboard.listen?.port();
    let url = config.dashboard.url(port);
    let agent: Agent = Agent::config_builder().timeout_global(Some(DASHBOARD_MAX)).proxy(None).build().into();
    let here = control::get(config, "/api/v1/builds?limit=1", None).ok()?.ok().ok()?;
    let there = agent.get(format!("{url}/api/v1/builds?limit=1")).call();
    let there =
        there.map_err(|e| e.to_string()).and_then(|mut r| r.body_mut().read_to_vec().map_err(|e| e.to_string()));
    Some(match there {
        Ok(there) if there == here => Finding::good("dashboard.url", format!("{url} leads here")),
        Ok(_) => Finding::doubtful("dashboard.url", format!("{url} leads to another box: correct dashboard.url")),
        Err(error) => Finding::doubtful(
            "dashboard.url",
            format!("{url} can't be reached from here ({error}): if it can't from your desk either, set dashboard.url"),
        ),
    })
}
