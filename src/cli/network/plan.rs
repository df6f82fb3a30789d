//! What a build may reach, as rules for nftables: decided from the configuration and the routing table alone.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ring::digest::{SHA256, digest};
use serde::Deserialize;

use crate::logic::names::hex;
use crate::logic::policy::Network;

/// The build's own end of its wire.
pub const INSIDE_LINK: &str = "eth0";

/// What the box's ends are called, and nothing else on it.
const LINKS: &str = "plb";

/// The first of the addresses between the box and its builds. They are set aside for measuring networks (RFC 2544), so
/// that neither the internet nor an office has them.
const WIRES: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
const WIRES_NET: &str = "198.18.0.0/15";

/// Wires that fit into it, of four addresses each.
const WIRES_MAX: u32 = 1 << 15;

/// What is no internet wherever the box stands: RFC 1918, shared (CGNAT), link-local with the clouds' metadata,
/// loopback, multicast and what is reserved (RFC 6890), and the wires.
const NO_INTERNET: [&str; 9] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    WIRES_NET,
    "224.0.0.0/3",
];

/// Where clouds tell a machine's secrets to whoever asks from it: no device of an office.
const METADATA: &str = "169.254.169.254/32";

/// A route to more than this is a way to the internet, as those of VPNs are that halve it.
const OFFICE_PREFIX_MIN: u8 = 8;

/// One line of `ip -json -4 route show table all`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Route {
    dst: String,
    dev: String,
    #[serde(rename = "type")]
    kind: String,
    nexthops: Vec<Hop>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Hop {
    dev: String,
}

/// Strangers get at most the internet.
pub fn allowed(network: Network, stranger: bool) -> Network {
    match network {
        Network::Lan if stranger => Network::Internet,
        other => other,
    }
}

pub fn word(network: Network) -> &'static str {
    match network {
        Network::Internet => "internet",
        Network::None => "none",
        Network::Lan => "lan",
    }
}

pub fn mode_of(text: &str) -> Option<Network> {
    [Network::Internet, Network::None, Network::Lan].into_iter().find(|network| word(*network) == text)
}

/// The box's end of an instance's wire; the kernel's limit is 15 bytes.
pub fn link(instance: &str) -> String {
    format!("{LINKS}{}", hex(&digest(&SHA256, instance.as_bytes()).as_ref()[..6]))
}

/// The addresses of one wire.
pub struct Wire {
    outside: Ipv4Addr,
    inside: Ipv4Addr,
}

impl Wire {
    /// `index`: the number of the link, which no other link of the box has.
    pub fn of(index: u32) -> Wire {
        let first = u32::from(WIRES) + index % WIRES_MAX * 4;
        Wire { outside: Ipv4Addr::from(first + 1), inside: Ipv4Addr::from(first + 2) }
    }

    /// For `ip -batch`, on the box.
    pub fn outside(&self, link: &str) -> String {
        format!("address replace {}/30 dev {link}\nlink set {link} up\n", self.outside)
    }

    /// For `ip -batch`, in the namespace.
    pub fn inside(&self) -> String {
        let (address, gateway) = (self.inside, self.outside);
        format!(
            "link set lo up\naddress replace {address}/30 dev {INSIDE_LINK}\nlink set {INSIDE_LINK} up\n\
             route replace default via {gateway}\n"
        )
    }
}

/// The links that lead to the internet: answers come back through them.
pub fn uplinks(routes: &[Route]) -> impl Iterator<Item = &str> {
    let defaults = routes.iter().filter(|r| r.dst == "default" && r.kind.is_empty());
    let links: BTreeSet<_> = defaults.flat_map(|r| r.nexthops.iter().map(|hop| &*hop.dev).chain([&*r.dev])).collect();
    links.into_iter().filter(|link| !link.is_empty() && !link.starts_with(LINKS))
}

/// The name servers that can be asked from another namespace, as a `resolv.conf` names them.
pub fn name_servers(resolv_conf: &str) -> Vec<Ipv4Addr> {
    let words = resolv_conf.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let servers = words.filter_map(|words| match words[..] {
        ["nameserver", address, ..] => address.parse::<Ipv4Addr>().ok(),
        _ => None,
    });
    servers.filter(|address| !address.is_loopback() && !address.is_unspecified()).collect()
}

pub fn resolv_conf(servers: &[Ipv4Addr]) -> String {
    match servers {
        [] => "# This box names no server that a build could ask: `pilotlight check`.\n".to_owned(),
        _ => servers.iter().map(|server| format!("nameserver {server}\n")).collect(),
    }
}

/// What stands in the namespace of a build: its whole policy. One transaction, so that there is never none.
pub fn inside_rules(network: Network, routes: &[Route], servers: &[Ipv4Addr]) -> String {
    let refused = refused(network, routes).into_iter().collect::<Vec<_>>().join(", ");
    let servers: Vec<_> = servers.iter().map(Ipv4Addr::to_string).collect();
    let names = match servers[..] {
        [] => String::new(),
        [..] => format!("ip daddr {{ {} }} meta l4proto {{ tcp, udp }} th dport 53 accept", servers.join(", ")),
    };
    format!(
        "table inet pilotlight
delete table inet pilotlight
table inet pilotlight {{
  set refused {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {refused} }}; }}
  chain output {{
    type filter hook output priority filter; policy accept;
    oifname \"lo\" accept
    meta nfproto ipv6 reject with icmpx type admin-prohibited
    {names}
    ip daddr @refused reject with icmpx type admin-prohibited
  }}
  chain input {{
    type filter hook input priority filter; policy drop;
    iifname \"lo\" accept
    meta nfproto ipv4 ct state established,related accept
  }}
}}
"
    )
}

/// Networks and addresses that a build may not send to.
fn refused(network: Network, routes: &[Route]) -> BTreeSet<String> {
    let ours = |r: &&Route| r.kind == "local";
    let explicit = |r: &&Route| !r.dev.starts_with(LINKS);
    match network {
        // The box itself stays closed: its dashboard believes whoever is near.
        Network::Lan => {
            routes.iter().filter(ours).filter_map(office).chain([WIRES_NET, METADATA].map(str::to_owned)).collect()
        }
        Network::Internet | Network::None => {
            let fixed = NO_INTERNET.iter().map(|net| (*net).to_owned());
            routes.iter().filter(explicit).filter_map(office).chain(fixed).collect()
        }
    }
}

/// What this route is about, unless that is the internet.
fn office(route: &Route) -> Option<String> {
    let (address, prefix) = route.dst.split_once('/').unwrap_or((&route.dst, "32"));
    let (address, prefix) = (address.parse::<Ipv4Addr>().ok()?, prefix.parse::<u8>().ok()?);
    (prefix >= OFFICE_PREFIX_MIN).then(|| format!("{address}/{prefix}"))
}

/// What stands on the box: translation for what builds send out; and their wires lead neither to the box nor to each
/// other. `router`: somebody has made this box one; else it lets through nothing but builds.
pub fn outside_rules(router: bool) -> String {
    let guard = match router {
        true => String::new(),
        false => format!("iifname != \"{LINKS}*\" oifname != \"{LINKS}*\" ct state new drop"),
    };
    format!(
        "table inet pilotlight
delete table inet pilotlight
table inet pilotlight {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname \"{LINKS}*\" oifname \"{LINKS}*\" drop
    iifname \"{LINKS}*\" meta nfproto ipv6 drop
    oifname \"{LINKS}*\" ct state != {{ established, related }} drop
    {guard}
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname \"{LINKS}*\" meta l4proto {{ tcp, udp }} th dport 53 accept
    iifname \"{LINKS}*\" drop
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {WIRES_NET} oifname != \"{LINKS}*\" masquerade
  }}
}}
"
    )
}

#[cfg(test)]
mod tests;
