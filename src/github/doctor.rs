//! What `pilotlight check` asks GitHub: whether it is there, and what the token may do. Nothing is changed.

use serde_json::Value;
use ureq::http::header;

use super::client::{Ask, Client};
use super::hooks::{Hook, arrived};
use super::statuses::{http_date, path_safe, unix_now};
use crate::logic::state::TOKEN_NOTICE_SECONDS;
use crate::logic::wording;

/// No commit has this sha: a status for it is refused with 422 if the token may post statuses, else with 403.
const NO_SHA: &str = "0000000000000000000000000000000000000000";

/// What came of one question: `Ok` in words that all is well, else what is wrong and the cure.
pub type Said = Result<String, String>;

/// What is wrong with this box's clock is noticed from this many seconds on: TLS and tokens forgive minutes.
const CLOCK_OFF_SECONDS_MAX: u64 = 120;

impl Client {
    /// Whether GitHub answers at all, and whether its clock and ours agree.
    pub fn check_reachable(&self) -> (Said, Said) {
        let answer = match self.call(self.token().unwrap_or_default(), "/rate_limit", Ask::Get(None)) {
            Ok(answer) => answer,
            Err(error) => return (Err(self.clean(&error)), Err("not known: GitHub did not answer".to_owned())),
        };
        let date = answer.headers.get(header::DATE).and_then(|d| d.to_str().ok()).and_then(http_date);
        let clock = match date.map(|theirs| theirs.abs_diff(unix_now())) {
            None => Err("GitHub's answer has no date to compare with".to_owned()),
            Some(off) if off > CLOCK_OFF_SECONDS_MAX => {
                let cure = "wait for the network time, or enable it: `timedatectl set-ntp true`";
                Err(format!("{off} s apart from GitHub's: {cure}"))
            }
            Some(off) => Ok(format!("{off} s apart from GitHub's")),
        };
        let reachable = match answer.status {
            200 => Ok(rate_limit(&answer.body)),
            // Enterprise Server, unless its owner limits rates.
            404 if answer.body.contains("ate limiting is not enabled") => Ok("answers".to_owned()),
            401 => Err("GitHub does not accept the token: it is wrong, expired or revoked; make a new one".to_owned()),
            status => Err(format!("GitHub answers {status}: is github.api_url right?")),
        };
        (reachable, clock)
    }

    /// How long the token is good for, as GitHub told with its last answer.
    pub fn check_expiry(&self) -> Said {
        match self.token_expires().map(|at| at - unix_now()) {
            None => Ok("has no end that GitHub tells of".to_owned()),
            Some(left) if left <= TOKEN_NOTICE_SECONDS => Err(wording::token_expires(left)),
            Some(left) => Ok(format!("good for {} days", left / (24 * 3600))),
        }
    }

    /// How the last deliveries of this hook went; `None` when the token may not look.
    pub fn check_deliveries(&self, repository: &str, hook_id: u64) -> Option<Said> {
        let list = format!("/repos/{}/hooks/{hook_id}/deliveries?per_page=30", path_safe(repository));
        let answer = self.call(self.token()?, &list, Ask::Get(None)).ok().filter(|a| a.status == 200)?;
        let deliveries: Vec<Value> = serde_json::from_str(&answer.body).ok()?;
        let failed: Vec<_> = deliveries.iter().filter(|delivery| !arrived(delivery)).collect();
        let newest = failed.first().and_then(|delivery| delivery["delivered_at"].as_str());
        Some(match newest.map(|at| self.clean(at)) {
            None => Ok(format!("the last {} arrived", deliveries.len())),
            Some(at) => Err(format!(
                "{} of the last {} failed, the newest at {at}: pushes are found by polling, a comment must be said again",
                failed.len(),
                deliveries.len()
            )),
        })
    }

    /// Whether the token may do what pilotlight needs on `repository`: (what for, how it went).
    pub fn check_permissions(&self, repository: &str) -> Vec<(&'static str, Said)> {
        let at = |rest: &str| format!("/repos/{}{rest}", path_safe(repository));
        let get = |rest: &str| self.permitted(&at(rest), Ask::Get(None), &[200]);
        let status = br#"{"state":"pending","context":"pilotlight/check"}"#;
        vec![
            ("Metadata: read", get("").and_then(|granted| self.check_name(repository).map(|()| granted))),
            ("Contents: read", get("/branches?per_page=1")),
            ("Pull requests: read", get("/pulls?per_page=1")),
            (
                "Commit statuses: write",
                self.permitted(&at(&format!("/statuses/{NO_SHA}")), Ask::Post(status), &[201, 422]),
            ),
        ]
    }

    fn check_name(&self, repository: &str) -> Result<(), String> {
        match self.repository(repository) {
            Ok(of) if !of.name.eq_ignore_ascii_case(repository) => Err(wording::renamed(repository, &of.name)),
            _ => Ok(()),
        }
    }

    fn permitted(&self, path: &str, ask: Ask, fine: &[u16]) -> Said {
        let token = self.token().ok_or("there is no token")?;
        let answer = self.call(token, path, ask).map_err(|error| self.clean(&error))?;
        match answer.status {
            status if fine.contains(&status) => Ok("granted".to_owned()),
            401 => Err("GitHub does not accept the token: make a new one".to_owned()),
            403 => Err("not granted: add the permission to the token".to_owned()),
            404 => Err("the token does not see the repository: add it to the token, or correct its name".to_owned()),
            status => Err(format!("GitHub answers {status}")),
        }
    }
}

impl Hook {
    /// Whether it sends what pilotlight needs, and how its last delivery went.
    pub fn check(&self) -> Said {
        let hears = |event: &str| self.events.iter().any(|e| e == event || e == "*");
        let words =
            if hears("issue_comment") { "" } else { "; tick Issue comments there to /approve and /test in them" };
        match (self.active, hears("pull_request"), self.last_code) {
            (false, ..) => Err("the webhook is not active: switch it on, on its page at GitHub".to_owned()),
            (_, false, _) => Err("the webhook does not send pull requests: tick that event on its page".to_owned()),
            (_, _, Some(200..300)) => Ok(format!("its last delivery arrived{words}")),
            (_, _, None) => Ok(format!("it has delivered nothing yet{words}")),
            (_, _, Some(401)) => {
                Err("its last delivery was answered 401: its secret differs from this box's".to_owned())
            }
            (_, _, Some(code)) => Err(format!("its last delivery failed ({code}): is the tunnel open?")),
        }
    }
}

/// `4,987 of 5,000 requests left this hour`.
fn rate_limit(body: &str) -> String {
    let core = serde_json::from_str::<Value>(body).unwrap_or_default()["resources"]["core"].clone();
    match (core["remaining"].as_u64(), core["limit"].as_u64()) {
        (Some(left), Some(limit)) => format!("answers; {left} of {limit} requests left this hour"),
        _ => "answers".to_owned(),
    }
}
