//! `pilotlight network INSTANCE`: the network of one unit's builds, made or brought up to date. Run as root by
//! `pilotlight-network@INSTANCE.service` before each build; what is allowed is decided in [`plan`].
//!
//! All that refuses stands in the build's own namespace, where neither a build (it has no capability there) nor another
//! firewall of this box can take it away. The box's side only translates addresses: without it, nothing comes back.

mod plan;

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::command::{output_of, output_with};
use crate::builder::instance;
use crate::config::{Config, ConfigError};
use crate::logic::policy::Network;
use plan::{Route, Wire};

/// What is known of each instance: its `resolv.conf`, for its unit to see; the last mode that a good configuration
/// named; the rules that stand, as making them anew takes the kernel its time.
const KEPT: &str = "/run/pilotlight/network";

/// Where `ip netns` keeps the names.
const NAMESPACES: &str = "/run/netns";

/// What programs on this box look their name servers up in, and where those of a local stub are.
const RESOLV_CONFS: [&str; 3] =
    ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"];

/// Makes the network of the instance `name`. Where that fails its namespace is gone, so that no build starts in half a
/// network.
pub fn run(config_path: &Path, name: &str) -> Result<()> {
    let kept = Path::new(KEPT).join(name);
    fs::create_dir_all(&kept).with_context(|| format!("{} can't be made", kept.display()))?;
    let network = mode(Config::read(config_path), name, &kept.join("mode"))?;
    let made = make(network, name, &kept);
    if made.is_err() {
        let _ = ip(&["netns", "delete", &namespace(name)]);
        // A program that is missing has its cure there.
        probe().map_err(anyhow::Error::msg)?;
    }
    made.with_context(|| format!("no network for {name}"))
}

/// What builds get here; or what this box lacks for their networks, with the cure.
pub fn probe() -> Result<String, String> {
    for (program, flag, package) in [("ip", "-V", "iproute2"), ("nft", "-v", "nftables")] {
        let found = Command::new(program).arg(flag).stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.map_err(|error| format!("{program} can't be started ({error}): `apt install {package}`"))?;
    }
    Ok("a namespace of its own for each unit".to_owned())
}

/// Why builds find no names, with the cure.
pub fn name_server_problem() -> Option<String> {
    name_servers().is_empty().then(|| format!("there are none: {NO_SERVER}"))
}

const NO_SERVER: &str = "none of this box's name servers can be reached from outside it: name one that can in \
                         /etc/resolv.conf, such as the router";

/// A configuration that is broken just now leaves it as it was.
fn mode(config: Result<Config, ConfigError>, name: &str, kept: &Path) -> Result<Network> {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let words = fs::read_to_string(kept).map_err(|_| anyhow!("{error}"))?;
            eprintln!("the network stays as it is: {error}");
            return plan::mode_of(&words).with_context(|| format!("{} is not understood", kept.display()));
        }
    };
    let units = config.policy.repositories.iter().flat_map(|r| [(r, false), (r, true)]);
    let found = units.into_iter().find(|(r, stranger)| instance(&r.name, *stranger) == name);
    let (repository, stranger) =
        found.ok_or_else(|| anyhow!("no repository of the configuration has the unit {name}"))?;
    let network = plan::allowed(repository.network, stranger);
    write(kept, plan::word(network))?;
    Ok(network)
}

fn make(network: Network, name: &str, kept: &Path) -> Result<()> {
    let space = namespace(name);
    if !Path::new(NAMESPACES).join(&space).exists() {
        ip(&["netns", "add", &space]).context("this kernel may lack network namespaces")?;
    }
    let link = plan::link(name);
    let link_file = |file| fs::read_to_string(format!("/sys/class/net/{link}/{file}"));
    let index = || link_file("ifindex");
    if network == Network::None {
        if index().is_ok() {
            ip(&["link", "delete", &link])?;
        }
        write(&kept.join("resolv.conf"), "")?;
        enter(&space)?;
        return ip(&["link", "set", "lo", "up"]).map(drop);
    }
    let servers = name_servers();
    if servers.is_empty() {
        eprintln!("{name}: builds find no names: {NO_SERVER}");
    }
    write(&kept.join("resolv.conf"), &plan::resolv_conf(&servers))?;
    let routes: Vec<Route> = serde_json::from_str(&ip(&["-json", "-4", "route", "show", "table", "all"])?)
        .context("the answer of `ip route` is not understood")?;
    if index().is_err() {
        ip(&["link", "add", &link, "type", "veth", "peer", "name", plan::INSIDE_LINK, "netns", &space])
            .context("this kernel may lack veth (`modprobe veth`)")?;
    }
    let wire = Wire::of(index()?.trim().parse().context("the number of a link is not understood")?);
    // The other end is up: all of it was done before.
    let fresh = !link_file("carrier").is_ok_and(|carrier| carrier.trim() == "1");
    outside(&link, &wire, &routes, fresh)?;
    let (rules, kept) = (plan::inside_rules(network, &routes, &servers), kept.join("rules"));
    if !fresh && fs::read_to_string(&kept).is_ok_and(|found| found == rules) {
        return Ok(());
    }
    enter(&space)?;
    nft(&rules)?;
    if fresh {
        ip_batch(&wire.inside())?;
    }
    write(&kept, &rules)
}

/// The box's side.
fn outside(link: &str, wire: &Wire, routes: &[Route], fresh: bool) -> Result<()> {
    if fresh {
        ip_batch(&wire.outside(link))?;
    }
    // Of this one link and the way out alone: the box as a whole becomes no router.
    for link in plan::uplinks(routes).chain([link]) {
        write(Path::new(&format!("/proc/sys/net/ipv4/conf/{link}/forwarding")), "1")?;
    }
    match fs::write(format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"), "1") {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context("IPv6 can't be switched off"),
        _ => {}
    }
    let router = fs::read_to_string("/proc/sys/net/ipv4/ip_forward")?.trim() == "1";
    let (rules, kept) = (plan::outside_rules(router), Path::new(KEPT).join("rules"));
    // Whoever manages this box's firewall may have taken ours away. Looking is three times as fast as making it anew.
    let as_it_is = || output_of(Command::new("nft").args(["list", "table", "inet", "pilotlight"]));
    if fs::read_to_string(&kept).is_ok_and(|found| as_it_is().is_ok_and(|listed| found == rules.clone() + &listed)) {
        return Ok(());
    }
    nft(&rules)?;
    write(&kept, &(rules + &as_it_is()?))
}

/// From here on this process, and what it starts, is in the namespace.
fn enter(space: &str) -> Result<()> {
    let path = Path::new(NAMESPACES).join(space);
    let file = fs::File::open(&path)?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("{} is no network: `ip netns delete {space}`", path.display()))
}

fn namespace(name: &str) -> String {
    format!("plb-{name}")
}

fn name_servers() -> Vec<std::net::Ipv4Addr> {
    let read = |path: &&str| plan::name_servers(&fs::read_to_string(path).unwrap_or_default());
    RESOLV_CONFS.iter().map(read).find(|servers| !servers.is_empty()).unwrap_or_default()
}

fn ip(args: &[&str]) -> Result<String> {
    output_of(Command::new("ip").args(args))
}

fn ip_batch(commands: &str) -> Result<()> {
    output_with(Command::new("ip").args(["-batch", "-"]), commands).map(drop)
}

fn nft(rules: &str) -> Result<()> {
    let fed = output_with(Command::new("nft").args(["-f", "-"]), rules);
    fed.map(drop).context("this kernel may lack nf_tables with nat and reject (`modprobe nf_tables`)")
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{} can't be written", path.display()))
}
