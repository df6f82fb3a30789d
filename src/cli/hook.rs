//! `pilotlight hook install` and `hook show`: the webhook at GitHub, made, mended, pinged and looked at.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use ureq::http::Uri;

use super::tunnel::{self, Tunnel};
use super::{Failure, HookWord, secrets};
use crate::config::{Config, Secret};
use crate::github::{Client, Hook, Wanted};
use crate::lights::terminal::harmless;

/// What pilotlight listens to: pushes to pull requests, words in their comments, and what others say of a head.
const EVENTS: [&str; 3] = ["pull_request", "issue_comment", "status"];

pub fn run(config_path: &Path, word: HookWord) -> Result<(), Failure> {
    let config = secrets::with_secrets(Config::read(config_path)?, config_path)?;
    match word {
        HookWord::Show => Ok(show(&config)?),
        HookWord::Install { url, repository, token_file } => {
            let token = token_file.map(|file| Secret::read(&file)).transpose()?;
            let url = match url {
                Some(url) => payload_url(&url, &config.webhook.path).map_err(Failure::Wrong)?,
                None => found_url(&config)?,
            };
            let all = config.policy.repositories.iter().map(|r| r.name.as_str());
            let named: Vec<&str> = match repository.is_empty() {
                true => all.collect(),
                false => repository.iter().map(String::as_str).collect(),
            };
            if let Some(unknown) = named.iter().find(|name| config.policy.repository(name).is_none()) {
                return Err(Failure::Wrong(format!("{unknown} is not configured here: add its [[repository]] first")));
            }
            install(&config, token.as_ref(), &named, &url)
        }
    }
}

/// Makes or mends the webhook of each repository. `token` may change webhooks; without one the daemon's is tried.
///
/// # Errors
/// One could not be made: why has been said, and the others were tried.
pub fn install(config: &Config, token: Option<&Secret>, repositories: &[&str], url: &str) -> Result<(), Failure> {
    let one = |name: &&&str| told(name, install_one(config, token, name, url));
    if repositories.iter().filter(one).count() == repositories.len() { Ok(()) } else { Err(Failure::Said(1)) }
}

/// Whether each repository has a webhook that works, as far as GitHub tells; if so, it is said.
pub fn is_well(config: &Config) -> Result<bool> {
    let client = Client::new(&config.github.api_url, config.github.token.as_ref())?;
    let said = |name: &str| {
        let words = client.our_hook(name, &config.webhook.path).ok()??.check().ok()?;
        Some(format!("{name}: the webhook is there: {words}"))
    };
    let said: Option<Vec<_>> = config.policy.repositories.iter().map(|repository| said(&repository.name)).collect();
    said.iter().flatten().for_each(|line| println!("{line}"));
    Ok(said.is_some())
}

/// Makes or mends the webhook of one repository, and has GitHub try it.
fn install_one(config: &Config, token: Option<&Secret>, repository: &str, url: &str) -> Result<()> {
    let client = Client::new(&config.github.api_url, token.or(config.github.token.as_ref()))?;
    let secret = config.webhook.secret.as_ref();
    let secret =
        secret.context("webhook.listen is \"off\": nothing would hear a webhook. Take that line away first")?;
    let wanted = Wanted { url, secret: secret.expose(), events: events(config) };
    let words = |said: String| anyhow!(said);
    let hooks = client.hooks(repository).map_err(words)?;
    let ours = ours(&client, repository, &hooks, url, &config.webhook.path).map_err(words)?;
    let hook = client.put_hook(repository, ours.map(|hook| hook.id), &wanted).map_err(words)?;
    let done = match ours {
        None => "made",
        Some(before) if (&before.url, before.active) == (&hook.url, true) => "brought up to date",
        Some(_) => "mended",
    };
    println!("{repository}: webhook {} {done}: {}", hook.id, harmless(&hook.url));
    match client.ping_hook(repository, hook.id).map_err(words)? {
        (200..300, _) => println!("{repository}: GitHub's ping arrived: all is well"),
        (401, _) => {
            bail!("GitHub's ping came with another secret than the daemon knows: `systemctl restart pilotlight`")
        }
        (code, said) => bail!("GitHub's ping did not arrive ({code} {said}): are the tunnel and pilotlight running?"),
    }
    Ok(())
}

/// The public address of this box with the webhook's path, from the tunnel that is open.
pub fn found_url(config: &Config) -> Result<String> {
    let port = config.webhook.listen.context("webhook.listen is \"off\": no tunnel is needed, and no webhook")?.port();
    let tunnels = tunnel::open_tunnels(port);
    let Some(Tunnel { name, url }) = tunnels.first() else {
        bail!(
            "no tunnel to port {port} is found (ngrok, cloudflared and tailscale were asked): open one, such as `ngrok \
             http {port}`, or say `pilotlight hook install --url https://…`"
        );
    };
    println!("the tunnel is {name}: {url}");
    Ok(format!("{url}{}", config.webhook.path))
}

/// The hook that is to be mended: the one with this address, else one of ours whose tunnel is gone. One that still
/// arrives somewhere may belong to another box.
fn ours<'a>(
    client: &Client,
    repository: &str,
    hooks: &'a [Hook],
    url: &str,
    path: &str,
) -> Result<Option<&'a Hook>, String> {
    if let Some(same) = hooks.iter().find(|hook| hook.url == url) {
        return Ok(Some(same));
    }
    for old in hooks.iter().filter(|hook| hook.is_at(path)) {
        let arrives = old.active && matches!(client.ping_hook(repository, old.id)?, (200..300, _));
        if !arrives {
            return Ok(Some(old));
        }
        println!("{repository}: webhook {} at {} arrives somewhere and is left alone", old.id, harmless(&old.url));
    }
    Ok(None)
}

fn show(config: &Config) -> Result<()> {
    let client = Client::new(&config.github.api_url, config.github.token.as_ref())?;
    let port = config.webhook.listen.map(|address| address.port());
    for Tunnel { name, url } in port.map(tunnel::open_tunnels).unwrap_or_default() {
        println!("tunnel: {name} at {url}{}", config.webhook.path);
    }
    for repository in &config.policy.repositories {
        let hooks = client.hooks(&repository.name).map_err(|said| anyhow!("{}: {said}", repository.name))?;
        let ours: Vec<_> = hooks.iter().filter(|hook| hook.is_at(&config.webhook.path)).collect();
        if ours.is_empty() {
            println!("{}: no webhook has the path {}: `pilotlight hook install`", repository.name, config.webhook.path);
        }
        for hook in ours {
            println!("{}: {}", repository.name, line(hook, events(config)));
        }
    }
    Ok(())
}

/// Others' statuses only where they are wanted: each status of ours would come back, too.
fn events(config: &Config) -> &'static [&'static str] {
    if config.policy.include_external { &EVENTS } else { &EVENTS[..2] }
}

fn line(hook: &Hook, events: &[&str]) -> String {
    let last = match hook.last_code {
        None => "has delivered nothing yet".to_owned(),
        Some(code @ 200..300) => format!("last delivery arrived ({code})"),
        Some(code) => format!("last delivery failed ({code})"),
    };
    let active = if hook.active { "" } else { ", NOT active" };
    let lacks: Vec<_> =
        events.iter().copied().filter(|e| !hook.events.iter().any(|has| has == e || has == "*")).collect();
    let lacks = if lacks.is_empty() { String::new() } else { format!(", lacks {}", lacks.join(" and ")) };
    format!("webhook {} at {}, {last}{active}{lacks}", hook.id, harmless(&hook.url))
}

/// The address a person gave, with the path that we listen at.
pub fn payload_url(given: &str, path: &str) -> Result<String, String> {
    let fits = given.starts_with("https://") || given.starts_with("http://");
    let plain = given.chars().all(|c| c.is_ascii_graphic() && !"?#@\"<>\\".contains(c));
    let Some(url) = given.parse::<Uri>().ok().filter(|_| fits && plain) else {
        return Err(format!("`{}` is no address: write it like https://ci.example.com", harmless(given)));
    };
    match url.path() {
        "/" => Ok(format!("{}{path}", given.trim_end_matches('/'))),
        same if same == path => Ok(given.to_owned()),
        other => Err(format!("{other} is not webhook.path ({path}): leave it out, or change one of them")),
    }
}

fn told(repository: &str, done: Result<()>) -> bool {
    done.inspect_err(|error| eprintln!("pilotlight: {repository}: {error:#}")).is_ok()
}

#[cfg(test)]
mod tests;
