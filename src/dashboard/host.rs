//! Which names the dashboard answers to. A page of the wide web can make its own name point at this box (DNS
//! rebinding); the browser then sends that name, and finds a closed door.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::DashboardConfig;
use super::answer::Refusal;
use crate::logic::text;

/// Whether `host`, the value of `Host`, names this box: an IP address, `localhost`, the box's name, or the host
/// of `dashboard.url`; each with any port.
pub fn check(config: &DashboardConfig, host: Option<&str>) -> Result<(), Refusal> {
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        return Err(Refusal::new(400, "The request has no Host header: send the name or address it was sent to"));
    };
    if without_port(host).is_some_and(|name| is_ours(config, name)) {
        return Ok(());
    }
    let (host, box_name) = (text::visible(host), local_name(&config.hostname));
    let cure = "or set dashboard.url to the address that people should use";
    Err(Refusal::new(421, format!("This box does not answer to `{host}`: use its IP address or {box_name}, {cure}")))
}

fn is_ours(config: &DashboardConfig, name: &str) -> bool {
    if let Some(bracketed) = name.strip_prefix('[') {
        return bracketed.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let name = bare(name);
    let is = |own: &str| name.eq_ignore_ascii_case(bare(own));
    name.parse::<Ipv4Addr>().is_ok()
        || is("localhost")
        || is(&config.hostname)
        || is(&local_name(&config.hostname))
        || config.url_host.as_deref().is_some_and(is)
}

/// `pi.local`, as mDNS announces the box.
fn local_name(hostname: &str) -> String {
    let label = hostname.split('.').next().unwrap_or(hostname);
    format!("{label}.local")
}

/// Without the dot that ends an absolute name.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// `None` when what follows the name is no port.
fn without_port(host: &str) -> Option<&str> {
    let end_of_address = host.rfind(']').unwrap_or(0);
    let (name, port) = match host[end_of_address..].find(':') {
        Some(colon) => (&host[..end_of_address + colon], &host[end_of_address + colon + 1..]),
        None => (host, ""),
    };
    (!name.is_empty() && port.bytes().all(|b| b.is_ascii_digit())).then_some(name)
}
