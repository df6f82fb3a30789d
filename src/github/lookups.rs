//! What is asked of GitHub when catching up: the open pull requests, what it shows for a head, and which of our hook's
//! deliveries failed. And whether somebody who wrote a comment is of the team.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::header;

use super::client::{Answer, Ask, Client};
use super::hooks::{arrived, hook};
use super::statuses::{Purpose, path_safe};
use crate::logic::catch_up::PAGE_PULLS;
use crate::logic::event::{Comment, DeliveryKey, Found, LookUp, PostOutcome, PullPayload, Shown, StatusState};
use crate::logic::identity::Identity;
use crate::logic::missed::Missed;
use crate::logic::time;

/// Pages that are read of one list: a thousand pull requests, ten times what an office has open.
const PAGES_MAX: usize = 20;

const PULLS: Purpose = Purpose { act: "list the pull requests of", permission: "Pull requests: read" };
const STATUSES: Purpose = Purpose { act: "read the statuses of", permission: "Commit statuses: read" };
const HOOKS: Purpose = Purpose { act: "look at the webhooks of", permission: "Webhooks: read" };
const ITSELF: Purpose = Purpose { act: "look at", permission: "Metadata: read" };
const PEOPLE: Purpose = Purpose { act: "ask who may write to", permission: "Metadata: read" };

/// Pull requests that are remembered of all lists together, at 0.5 KB each: what two repositories of a thousand have. The
/// list that would make it more is read in full each time.
const REMEMBERED_PULLS_MAX: usize = 2 * PAGES_MAX * PAGE_PULLS;

/// One page of a list, and what GitHub called it.
struct Page {
    etag: Option<String>,
    pulls: Vec<PullPayload>,
    has_next: bool,
}

/// The last list of a repository.
#[derive(Default)]
pub struct Last {
    pages: Vec<Page>,
    /// Of an empty one, which may be anybody's: the repository itself and its ETag, empty where GitHub gave none.
    itself: Option<(Identity, String)>,
}

/// The last lists, by the name that was asked for: a page that is the same as last time is answered 304 and costs nothing.
pub type Lists = BTreeMap<String, Last>;

impl Client {
    /// Asks, with at most [`PAGES_MAX`] calls. `understand` reads a page of the repository's pull requests, `word` the
    /// payload of a comment's delivery.
    ///
    /// # Errors
    /// What a status call would have ended in.
    pub fn look_up(
        &self,
        what: &LookUp,
        hook_path: &str,
        lists: &mut Lists,
        understand: &impl Fn(&str, &str) -> Result<Vec<PullPayload>, String>,
        word: fn(&str) -> Option<Comment>,
    ) -> Result<Found, PostOutcome> {
        match what {
            LookUp::Pulls { repository } => self.pulls(repository, lists, |page| understand(repository, page)),
            LookUp::Statuses { repository, sha } | LookUp::External { repository, sha } => {
                self.statuses(repository, sha)
            }
            LookUp::Deliveries { repository } => self.failed_deliveries(repository, hook_path),
            LookUp::Word { repository, missed } => self.missed(repository, missed, word),
            LookUp::Permission { repository, user } => self.permission(repository, user),
        }
    }

    fn pulls(
        &self,
        repository: &str,
        lists: &mut Lists,
        understand: impl Fn(&str) -> Result<Vec<PullPayload>, String>,
    ) -> Result<Found, PostOutcome> {
        let Last { pages: before, itself } = lists.remove(repository).unwrap_or_default();
        let mut before = before.into_iter();
        let mut pages: Vec<Page> = Vec::new();
        let mut is_same = true;
        while pages.last().is_none_or(|page| page.has_next) {
            if pages.len() == PAGES_MAX {
                // What is not on the pages that were read would count as closed.
                let error = format!("{repository} has more than {} open pull requests", PAGES_MAX * PAGE_PULLS);
                return Err(PostOutcome::Refused { error });
            }
            let (page, is_new) = self.page(repository, pages.len() + 1, before.next(), &understand)?;
            pages.push(page);
            is_same &= !is_new;
        }
        is_same &= before.next().is_none();
        let mut pulls = pages.iter().flat_map(|page| &page.pulls);
        let (of, itself) = match pulls.next() {
            Some(pull) => (pull.repository.clone(), None),
            None => self.itself(repository, itself).map(|itself| (itself.0.clone(), Some(itself)))?,
        };
        let pulls: Vec<_> = pages.iter().flat_map(|page| &page.pulls).cloned().collect();
        let others = lists.values().flat_map(|last| &last.pages).map(|page| page.pulls.len()).sum::<usize>();
        if others + pulls.len() <= REMEMBERED_PULLS_MAX {
            lists.insert(repository.to_owned(), Last { pages, itself });
        }
        Ok(if is_same { Found::Same(of) } else { Found::Pulls { of, pulls } })
    }

    /// Page `number` of a list, from 1, and whether it is another than `before`.
    fn page(
        &self,
        repository: &str,
        number: usize,
        before: Option<Page>,
        understand: impl Fn(&str) -> Result<Vec<PullPayload>, String>,
    ) -> Result<(Page, bool), PostOutcome> {
        let order = format!("state=open&sort=updated&direction=desc&per_page={PAGE_PULLS}");
        let path = format!("/repos/{}/pulls?{order}&page={number}", path_safe(repository));
        let answer = self.get(PULLS, repository, &path, before.as_ref().and_then(|page| page.etag.as_deref()))?;
        let has_next = has_next(&answer);
        if let Some(page) = before.filter(|_| answer.status == 304) {
            // Whatever comes between may leave the link out of a 304.
            let has_next = has_next.unwrap_or(page.has_next);
            return Ok((Page { has_next, ..page }, false));
        }
        let pulls = understand(&answer.body)
            .map_err(|error| PostOutcome::Unreachable { error: self.clean(&error), wait: None })?;
        Ok((Page { etag: etag(&answer), pulls, has_next: has_next.unwrap_or(false) }, true))
    }

    /// What has this name now: neither an empty list nor a permission tells.
    pub(super) fn repository(&self, asked: &str) -> Result<Identity, PostOutcome> {
        Ok(self.itself(asked, None)?.0)
    }

    /// The same, with the ETag of the answer. `last`: both of the answer before.
    fn itself(&self, asked: &str, last: Option<(Identity, String)>) -> Result<(Identity, String), PostOutcome> {
        let last_etag = last.as_ref().map(|(_, etag)| etag.as_str()).filter(|etag| !etag.is_empty());
        let answer = match self.get(ITSELF, asked, &format!("/repos/{}", path_safe(asked)), last_etag) {
            Err(PostOutcome::Refused { .. }) => {
                return Ok((Identity { name: asked.to_owned(), id: None }, String::new()));
            }
            answer => answer?,
        };
        if let Some(last) = last.filter(|_| answer.status == 304) {
            return Ok(last);
        }
        let said: Value = json(&answer)?;
        let of = Identity { name: self.clean(said["full_name"].as_str().unwrap_or(asked)), id: said["id"].as_u64() };
        Ok((of, etag(&answer).unwrap_or_default()))
    }

    /// The newest status of each context: the combined status lists just those.
    fn statuses(&self, repository: &str, sha: &str) -> Result<Found, PostOutcome> {
        let path = format!("/repos/{}/commits/{}/status?per_page=100", path_safe(repository), path_safe(sha));
        let answer = self.get(STATUSES, repository, &path, None)?;
        let shown_there: Value = json(&answer)?;
        let list = shown_there["statuses"].as_array().ok_or_else(|| unreadable(&answer))?;
        let shown = |status: &Value| {
            Some(Shown {
                context: status["context"].as_str()?.to_owned(),
                state: serde_json::from_value::<StatusState>(status["state"].clone()).ok()?,
                description: status["description"].as_str().unwrap_or_default().to_owned(),
                updated_at: status["updated_at"].as_str().and_then(time::seconds).unwrap_or_default(),
                id: status["id"].as_u64().unwrap_or_default(),
            })
        };
        Ok(Found::Statuses(list.iter().filter_map(shown).collect()))
    }

    /// Deliveries of pull requests and of new comments that our hook could not bring. A token that may not look at hooks finds none.
    fn failed_deliveries(&self, repository: &str, hook_path: &str) -> Result<Found, PostOutcome> {
        let hooks = format!("/repos/{}/hooks", path_safe(repository));
        let none = Ok(Found::Deliveries(Vec::new(), Vec::new()));
        let answer = match self.get(HOOKS, repository, &format!("{hooks}?per_page=100"), None) {
            Err(PostOutcome::Refused { .. }) => return none,
            answer => answer?,
        };
        let list: Vec<Value> = json(&answer)?;
        let Some(ours) = list.iter().filter_map(hook).find(|hook| hook.is_at(hook_path)) else {
            return none;
        };
        let hook_id = ours.id;
        let list = format!("{hooks}/{hook_id}/deliveries?per_page=100");
        let answer = self.get(HOOKS, repository, &list, None)?;
        let deliveries: Vec<Value> = json(&answer)?;
        let guid = |d: &Value| d["guid"].as_str().map(str::to_owned);
        let fine: BTreeSet<_> = deliveries.iter().filter(|d| arrived(d)).filter_map(guid).collect();
        let failed = |event: &'static str| {
            let failed = deliveries.iter().filter(move |d| d["event"] == event);
            failed.filter_map(|d| Some((guid(d)?, d))).filter(|(guid, _)| !fine.contains(guid))
        };
        let key = |guid| DeliveryKey { guid, hook_id };
        let missed = |(guid, d): (String, &Value)| {
            let at = time::seconds(d["delivered_at"].as_str()?)?;
            Some((guid.clone(), Missed { at, id: d["id"].as_u64()?, key: key(guid) }))
        };
        let pulls: BTreeSet<_> = failed("pull_request").map(|(guid, _)| key(guid)).collect();
        // The newest come first: of several attempts the first one stays.
        let comments = failed("issue_comment").filter(|(_, d)| d["action"] == "created").filter_map(missed);
        let comments: BTreeMap<_, _> = comments.collect();
        Ok(Found::Deliveries(pulls.into_iter().collect(), comments.into_values().collect()))
    }

    /// What a comment said.
    /// See <https://docs.github.com/rest/repos/webhooks#get-a-delivery-for-a-repository-webhook>.
    fn missed(
        &self,
        repository: &str,
        missed: &Missed,
        word: fn(&str) -> Option<Comment>,
    ) -> Result<Found, PostOutcome> {
        let (hook, id) = (missed.key.hook_id, missed.id);
        let path = format!("/repos/{}/hooks/{hook}/deliveries/{id}", path_safe(repository));
        let said: Value = json(&self.get(HOOKS, repository, &path, None)?)?;
        let is_it = said["guid"] == missed.key.guid.as_str();
        Ok(Found::Word(word(&said["request"]["payload"].to_string()).filter(|_| is_it)))
    }

    /// Whether `user` may write. Their `author_association` would not tell: members of the organisation may be unable
    /// to write, and private ones arrive as nobody.
    /// See <https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user>.
    fn permission(&self, repository: &str, user: &str) -> Result<Found, PostOutcome> {
        let path = format!("/repos/{}/collaborators/{}/permission", path_safe(repository), path_safe(user));
        let answer = self.fetch(&path, None)?;
        if answer.status == 404 {
            return Ok(Found::Permission(None));
        }
        let said: Value = json(&self.judged(answer, PEOPLE, repository, None)?)?;
        let writes = |field: &str| matches!(said[field].as_str(), Some("write" | "maintain" | "admin"));
        let may = writes("permission") || writes("role_name");
        // Asked after it: whoever has the name then was asked.
        Ok(Found::Permission(may.then(|| self.repository(repository)).transpose()?))
    }

    fn get(&self, purpose: Purpose, repository: &str, path: &str, etag: Option<&str>) -> Result<Answer, PostOutcome> {
        self.judged(self.fetch(path, etag)?, purpose, repository, etag)
    }

    fn fetch(&self, path: &str, etag: Option<&str>) -> Result<Answer, PostOutcome> {
        let answer = self.call(self.token_or_refusal()?, path, Ask::Get(etag));
        answer.map_err(|e| PostOutcome::Unreachable { error: self.clean(&e), wait: None })
    }

    fn judged(
        &self,
        answer: Answer,
        purpose: Purpose,
        repository: &str,
        etag: Option<&str>,
    ) -> Result<Answer, PostOutcome> {
        if answer.status == 200 || (answer.status == 304 && etag.is_some()) {
            return Ok(answer);
        }
        match self.judge(&answer, purpose, repository) {
            // Another 2xx or a 304 to nothing: no GitHub does that, but something between may.
            PostOutcome::Accepted => Err(unreadable(&answer)),
            // The token is good for other things, or there is no such list here: nothing to learn, and no alarm.
            PostOutcome::TokenRefused { error } if answer.status != 401 => Err(PostOutcome::Refused { error }),
            PostOutcome::Unreachable { error, .. } if answer.status == 501 => Err(PostOutcome::Refused { error }),
            outcome => Err(outcome),
        }
    }
}

fn etag(answer: &Answer) -> Option<String> {
    Some(answer.headers.get(header::ETAG)?.to_str().ok()?.to_owned())
}

/// Whether another page follows, as far as the answer tells.
fn has_next(answer: &Answer) -> Option<bool> {
    let link = answer.headers.get(header::LINK)?.to_str().ok()?;
    Some(link.contains("rel=\"next\""))
}

fn json<T: DeserializeOwned>(answer: &Answer) -> Result<T, PostOutcome> {
    serde_json::from_str(&answer.body).map_err(|_| unreadable(answer))
}

fn unreadable(answer: &Answer) -> PostOutcome {
    PostOutcome::Unreachable { error: format!("GitHub's answer ({}) can't be read", answer.status), wait: None }
}
