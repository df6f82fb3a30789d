//! Our webhook at GitHub: found, made, mended, pinged. For `pilotlight hook` and `setup`; the daemon changes no hook.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::http::Uri;

use super::client::{Answer, Ask, Client};
use super::statuses::path_safe;

/// How long a ping may take to arrive and to be listed: GitHub gives up after 10 s.
const PING_MAX: Duration = Duration::from_secs(30);
/// Between looks whether it is listed.
const PING_BEAT: Duration = Duration::from_secs(1);

/// One webhook of a repository, as GitHub tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub id: u64,
    pub url: String,
    pub active: bool,
    pub events: Vec<String>,
    /// The HTTP status of its last delivery, if there was one.
    pub last_code: Option<u64>,
}

impl Hook {
    /// Whether this one's payload URL has just this path: one that only ends alike may be another service's.
    pub fn is_at(&self, path: &str) -> bool {
        self.url.parse::<Uri>().is_ok_and(|url| url.path() == path)
    }
}

/// How a webhook should be.
pub struct Wanted<'a> {
    /// The payload URL.
    pub url: &'a str,
    pub secret: &'a str,
    pub events: &'a [&'a str],
}

impl Client {
    /// The webhooks of a repository; or why they can't be known, with the cure.
    pub fn hooks(&self, repository: &str) -> Result<Vec<Hook>, String> {
        let answer = self.ask_hooks(repository, "?per_page=100", Ask::Get(None))?;
        let list: Vec<Value> = understand(&answer)?;
        Ok(list.iter().filter_map(hook).collect())
    }

    /// The webhook of a repository that is at `path`, if there is one; or why that can't be known, with the cure.
    pub fn our_hook(&self, repository: &str, path: &str) -> Result<Option<Hook>, String> {
        Ok(self.hooks(repository)?.into_iter().find(|hook| hook.is_at(path)))
    }

    /// Makes one, or makes `id` what is wanted; or says why not, with the cure.
    pub fn put_hook(&self, repository: &str, id: Option<u64>, wanted: &Wanted) -> Result<Hook, String> {
        // A PATCH replaces all of `config`, so the secret is always told.
        let config = json!({ "url": wanted.url, "content_type": "json", "secret": wanted.secret, "insecure_ssl": "0" });
        let body = json!({ "name": "web", "active": true, "events": wanted.events, "config": config }).to_string();
        let answer = match id {
            None => self.ask_hooks(repository, "", Ask::Post(body.as_bytes()))?,
            Some(id) => self.ask_hooks(repository, &format!("/{id}"), Ask::Patch(body.as_bytes()))?,
        };
        hook(&understand(&answer)?).ok_or_else(|| "GitHub's answer names no webhook".to_owned())
    }

    /// Has GitHub send a ping, and waits until it tells how that was answered: the HTTP status, and GitHub's words.
    ///
    /// # Errors
    /// In words: it can't be asked for, or is not listed in time.
    pub fn ping_hook(&self, repository: &str, id: u64) -> Result<(u64, String), String> {
        let before: BTreeSet<u64> = self.pings(repository, id)?.into_iter().map(|(id, ..)| id).collect();
        self.ask_hooks(repository, &format!("/{id}/pings"), Ask::Post(b"{}"))?;
        let deadline = Instant::now() + PING_MAX;
        loop {
            let newest = self.pings(repository, id)?.into_iter().find(|(id, ..)| !before.contains(id));
            if let Some((_, code, words)) = newest {
                return Ok((code, words));
            }
            if Instant::now() >= deadline {
                return Err(format!("GitHub lists no ping within {} s", PING_MAX.as_secs()));
            }
            thread::sleep(PING_BEAT);
        }
    }

    /// The pings that have been answered, or have failed: delivery, HTTP status, GitHub's words.
    fn pings(&self, repository: &str, id: u64) -> Result<Vec<(u64, u64, String)>, String> {
        let answer = self.ask_hooks(repository, &format!("/{id}/deliveries?per_page=30"), Ask::Get(None))?;
        let list: Vec<Value> = understand(&answer)?;
        let ping = |d: &Value| {
            let words = self.clean(d["status"].as_str().unwrap_or_default());
            let under_way = words.eq_ignore_ascii_case("pending");
            let code = d["status_code"].as_u64().unwrap_or_default();
            (d["event"] == "ping" && !under_way).then_some((d["id"].as_u64()?, code, words))
        };
        Ok(list.iter().filter_map(ping).collect())
    }

    fn ask_hooks(&self, repository: &str, rest: &str, ask: Ask) -> Result<Answer, String> {
        let token = self.token().ok_or("there is no token")?;
        let answer = self.call(token, &format!("/repos/{}/hooks{rest}", path_safe(repository)), ask);
        let answer = answer.map_err(|error| self.clean(&error))?;
        let said = |answer: &Answer| {
            let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let details = body["errors"].as_array().into_iter().flatten().filter_map(|e| e["message"].as_str());
            let words: Vec<_> = body["message"].as_str().into_iter().chain(details).collect();
            self.clean(&words.join(": "))
        };
        match answer.status {
            200..=299 => Ok(answer),
            401 => Err("GitHub does not accept the token: it is wrong, expired or revoked".to_owned()),
            403 | 404 => Err(format!(
                "the token may not look at or change the webhooks of {repository}: give one that may (Webhooks: read \
                 and write) with `pilotlight hook install --token-file FILE`; it is not kept"
            )),
            status => Err(format!("GitHub answers {status} ({})", said(&answer))),
        }
    }
}

fn understand<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, String> {
    serde_json::from_str(&answer.body).map_err(|_| format!("GitHub's answer ({}) can't be read", answer.status))
}

pub(super) fn hook(value: &Value) -> Option<Hook> {
    let events = value["events"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Some(Hook {
        id: value["id"].as_u64()?,
        url: value["config"]["url"].as_str()?.to_owned(),
        active: value["active"].as_bool().unwrap_or(true),
        events: events.map(str::to_owned).collect(),
        last_code: value["last_response"]["code"].as_u64(),
    })
}

/// Whether a delivery was answered 2xx.
pub(super) fn arrived(delivery: &Value) -> bool {
    delivery["status_code"].as_u64().is_some_and(|code| (200..300).contains(&code))
}
