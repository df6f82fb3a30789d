//! Values of the file, checked where they are read, so that toml knows their place.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::logic::{names, text};

/// Shorter can't be kept; longer is a build that nobody waits for.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// GitHub sends no more than 25 MB.
const BODY_BYTES_MAX: u64 = 25 * 1024 * 1024;
const BODY_BYTES_MIN: u64 = 1024;

/// The longest name of a secret, in bytes: far longer than any that people read.
const NAME_BYTES_MAX: usize = 100;

/// What every check has in its environment, beside `PILOTLIGHT…` and `PATH` (README, "What a check can count on").
const BUILDS_OWN: [&str; 4] = ["CI", "HOME", "LANG", "TMPDIR"];

/// What shells take for an order.
const OBEYED: [&str; 6] = ["BASH_ENV", "BASHOPTS", "ENV", "IFS", "PS4", "SHELLOPTS"];

/// The longest context, in characters; GitHub's pages cut longer ones.
const CONTEXT_CHARS_MAX: usize = 100;

/// `"10m"`: between one second and a day.
pub fn timeout<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(d)?;
    let parsed = humantime::parse_duration(&text)
        .map_err(|e| D::Error::custom(format!("`{text}` is no duration ({e}): write it like \"90s\" or \"10m\"")))?;
    if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&parsed) {
        return Err(D::Error::custom(format!("`{text}` is out of range: a timeout is between \"1s\" and \"24h\"")));
    }
    Ok(Some(parsed))
}

/// `"2 MiB"`, in bytes.
pub fn body_bytes<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let text = String::deserialize(d)?;
    let bytes = bytes(&text)
        .ok_or_else(|| D::Error::custom(format!("`{text}` is no size: write it like \"2 MiB\" or \"500 KiB\"")))?;
    if !(BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&bytes) {
        return Err(D::Error::custom(format!("`{text}` is out of range: between \"1 KiB\" and \"25 MiB\"")));
    }
    Ok(bytes)
}

/// `"off"`, or an address and a port.
pub fn listen<'de, D: Deserializer<'de>>(d: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(d)?;
    if text == "off" {
        return Ok(None);
    }
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = local.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|| text.parse().ok());
    let cure = "write \"off\", or an address and a port like \"127.0.0.1:4567\" or \"[::]:8080\"";
    address.map(Some).ok_or_else(|| D::Error::custom(format!("`{text}` is no address: {cure}")))
}

/// A path that a URL can have, beginning with a slash.
pub fn url_path<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let text = String::deserialize(d)?;
    let fits = |c: char| c.is_ascii_graphic() && !"?#\"<>\\%".contains(c);
    if text.starts_with('/') && text.chars().all(fits) {
        return Ok(text);
    }
    Err(D::Error::custom(format!("`{text}` is no path: write it like \"/event_handler\"")))
}

/// An http or https URL without query, its slashes at the end removed.
pub fn http_url<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    base_url(String::deserialize(d)?, "https://api.github.com")
}

pub fn some_http_url<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    base_url(String::deserialize(d)?, "http://pilotlight.local:8080").map(Some)
}

fn base_url<E: Error>(text: String, example: &str) -> Result<String, E> {
    if text.contains('@') {
        return Err(E::custom("an address here holds no user or password: the token goes into github.token_file"));
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = |c: char| c.is_ascii_graphic() && !"?#\"<>\\@".contains(c);
    match rest {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && rest.chars().all(fits) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(E::custom(format!("`{text}` is no address: write it like {example:?}"))),
    }
}

/// `owner/name`, in the characters that GitHub allows.
pub fn repository_name(text: &str) -> Result<(), String> {
    let words = || format!("`{text}` is no repository: write owner and name, like \"acme/app\"");
    names::is_full_name(text).then_some(()).ok_or_else(words)
}

/// What git can fetch from, and nothing that git would run.
pub fn clone_url<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(d)?;
    let scheme = ["https://", "http://", "ssh://", "file://", "git@"].iter().any(|s| text.starts_with(s));
    let with_password = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next())
        .is_some_and(|authority| !text.starts_with("ssh://") && authority.contains('@'));
    if with_password {
        return Err(D::Error::custom("a clone_url holds no user or password: the token goes into github.token_file"));
    }
    if scheme && text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(Some(text));
    }
    let cure = "write it like \"https://github.com/acme/app.git\" (https, ssh and file work)";
    Err(D::Error::custom(format!("`{text}` can't be cloned from: {cure}")))
}

/// A context that a status can have.
pub fn context(text: &str) -> Result<(), String> {
    let fits = !text.trim().is_empty() && !text.contains(text::acts);
    if fits && text.chars().count() <= CONTEXT_CHARS_MAX {
        return Ok(());
    }
    Err(format!("`{}` is no context: write a short name like \"pilotlight/test\"", text.escape_debug()))
}

/// A variable that a build's own things don't have, and that changes nothing but what it holds.
pub fn secret_name(text: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.len() > NAME_BYTES_MAX
        || !text.chars().all(fits)
        || text.starts_with(|c: char| c.is_ascii_digit())
        || text.is_empty()
    {
        let shown = text.escape_debug();
        return Err(format!("`{shown}` is no variable: write letters, digits and _, like \"NPM_TOKEN\""));
    }
    let meant = text.starts_with("PILOTLIGHT") || BUILDS_OWN.contains(&text);
    // What loaders, shells and git obey: a build would break in odd ways.
    let obeyed =
        text.starts_with("LD_") || text.starts_with("GIT_") || text.ends_with("PATH") || OBEYED.contains(&text);
    match meant || obeyed {
        true => Err(format!("`{text}` has a meaning of its own in a build: call the secret something else")),
        false => Ok(()),
    }
}

/// `pilotlight`, or below it: no other service has such a context.
pub fn is_our_context(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text == "pilotlight" || text.starts_with("pilotlight/")
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "GiB" => 1024 * 1024 * 1024,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
