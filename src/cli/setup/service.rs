//! systemd's part: the units of each repository, the daemon, the tunnel.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::control;
use super::super::tunnel::open_tunnels;
use crate::builder::{instances, socket_unit};
use crate::config::Config;
use crate::lights::terminal::harmless;
use crate::logic::policy::Isolation;

/// Between looks at what the daemon does.
const BEAT: Duration = Duration::from_millis(300);
/// How long the first look at GitHub may take until something is to be built.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(45);
/// How long a build is watched; it goes on by itself.
const WATCH_MAX: Duration = Duration::from_secs(15 * 60);
/// How long a tunnel may take to have an address.
const TUNNEL_MAX: Duration = Duration::from_secs(20);

/// The tunnels that have a unit of ours, and the file without which it does not start.
const TUNNELS: [(&str, &str); 2] =
    [("ngrok", "/etc/pilotlight/ngrok.env"), ("cloudflared", "/etc/pilotlight/cloudflared.env")];

/// Enables the units of each repository, and starts the daemon with the configuration and the secrets as they are now.
pub fn start(config: &Config) -> Result<()> {
    if config.policy.isolation == Isolation::Systemd {
        let instances = config.policy.repositories.iter().flat_map(|r| instances(&r.name));
        let sockets: Vec<_> = instances.map(|instance| socket_unit(&instance)).collect();
        systemctl(&[&["enable", "--now"], &sockets.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat())?;
    }
    systemctl(&["enable", "pilotlight.service"])?;
    systemctl(&["restart", "pilotlight.service"])
}

/// Shows what the lamp says until the first build has ended, or nothing is to be built.
pub fn watch_first_build(config: &Config) -> Result<()> {
    let begun = Instant::now();
    let mut said = String::new();
    loop {
        let lights = control::get_json(config, "/api/v1/lights")?;
        let reason = harmless(lights["reason"].as_str().unwrap_or_default());
        if reason != said {
            println!("The lamp: {reason}");
            said = reason;
        }
        let waits = lights["yellow"] != "off" && lights["red"] == "off";
        let dark = ["red", "yellow", "green"].iter().all(|colour| lights[colour] == "off");
        if dark && begun.elapsed() >= FIRST_LOOK_MAX {
            println!("No pull request is open: the lamp stays dark until one is");
            return Ok(());
        }
        if !(waits || dark) || begun.elapsed() >= WATCH_MAX {
            return Ok(());
        }
        thread::sleep(BEAT);
    }
}

/// Where people find the dashboard.
pub fn dashboard(config: &Config) -> String {
    config.dashboard.listen.map_or("off".to_owned(), |address| config.dashboard.url(address.port()))
}

/// Starts the tunnel that is prepared on this box, unless one is open.
pub fn start_tunnel(config: &Config) -> Result<()> {
    let port = config.webhook.listen.map_or(0, |address| address.port());
    if !open_tunnels(port).is_empty() {
        return Ok(());
    }
    let Some((name, _)) = TUNNELS.iter().find(|(_, file)| std::path::Path::new(file).exists()) else {
        return Ok(());
    };
    systemctl(&["enable", "--now", &format!("pilotlight-{name}.service")])?;
    let begun = Instant::now();
    while open_tunnels(port).is_empty() && begun.elapsed() < TUNNEL_MAX {
        thread::sleep(BEAT);
    }
    Ok(())
}

fn systemctl(args: &[&str]) -> Result<()> {
    println!("$ systemctl {}", args.join(" "));
    let status = Command::new("systemctl").args(args).status().context("systemctl can't be started")?;
    if !status.success() {
        bail!("systemctl {} failed: `systemctl status {}` says why", args[0], args.last().unwrap_or(&""));
    }
    Ok(())
}
