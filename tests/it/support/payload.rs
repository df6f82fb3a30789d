//! Payloads as GitHub sends them: only what matters to somebody, but nested as there.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

/// 2026-01-01T00:00:00Z, from which the seconds of a payload are counted.
const START: u64 = 1_767_225_600;

/// A `pull_request` payload in the making.
pub struct Pull {
    value: Value,
}

/// `action` on `repository#number` with that head, `second` seconds after some fixed moment. It comes from a
/// branch `change-N` of the repository itself and goes to `main`.
pub fn pull(action: &str, repository: &str, number: u64, head_sha: &str, second: u64) -> Pull {
    let updated_at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(START + second)).to_string();
    let closed = action == "closed";
    let api = format!("https://api.github.com/repos/{repository}");
    let side = |branch: String, sha: &str| {
        let owner = owner(repository);
        json!({"label": format!("{owner}:{branch}"), "ref": branch, "sha": sha, "user": user(owner), "repo": repo(repository)})
    };
    let mut value = json!({
        "action": action,
        "number": number,
        "pull_request": {
            "url": format!("{api}/pulls/{number}"),
            "id": 1_000_000 + number,
            "html_url": format!("https://github.com/{repository}/pull/{number}"),
            "number": number,
            "state": if closed { "closed" } else { "open" },
            "locked": false,
            "title": format!("Change number {number}"),
            "user": user("octocat"),
            "body": null,
            "created_at": "2025-12-31T23:59:59Z",
            "updated_at": updated_at,
            "closed_at": closed.then_some(&updated_at),
            "merged_at": null,
            "draft": false,
            "head": side(format!("change-{number}"), head_sha),
            "base": side("main".into(), &"b".repeat(40)),
            "author_association": "CONTRIBUTOR",
            "merged": false,
            "statuses_url": format!("{api}/statuses/{head_sha}"),
        },
        "repository": repo(repository),
        "sender": user("octocat"),
    });
    if action == "synchronize" {
        value["before"] = "a".repeat(40).into();
        value["after"] = head_sha.into();
    }
    Pull { value }
}

impl Pull {
    /// From a fork, such as `mallory/app`.
    pub fn fork(mut self, fork: &str) -> Pull {
        let head = &mut self.value["pull_request"]["head"];
        head["user"] = user(owner(fork));
        head["repo"] = repo(fork);
        head["repo"]["fork"] = true.into();
        self
    }

    /// The fork was deleted.
    pub fn without_head_repository(mut self) -> Pull {
        self.value["pull_request"]["head"]["repo"] = Value::Null;
        self
    }

    /// An `edited` that changes the base branch from `from`.
    pub fn with_old_base(mut self, from: &str) -> Pull {
        self.value["changes"] = json!({"base": {"ref": {"from": from}, "sha": {"from": "c".repeat(40)}}});
        self
    }

    /// Sets what a JSON pointer such as `/pull_request/title` names; it must be there already.
    #[track_caller]
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> Pull {
        *self.value.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer} in the payload")) = value.into();
        self
    }

    pub fn json(self) -> Value {
        self.value
    }
}

/// A comment on a pull request, newly written.
pub fn comment(repository: &str, number: u64, login: &str, body: &str) -> Value {
    let page = format!("https://github.com/{repository}/pull/{number}");
    json!({
        "action": "created",
        "issue": {
            "url": format!("https://api.github.com/repos/{repository}/issues/{number}"),
            "number": number,
            "title": format!("Change number {number}"),
            "user": user("octocat"),
            "state": "open",
            "locked": false,
            "comments": 1,
            "author_association": "NONE",
            "draft": false,
            "pull_request": {"url": format!("https://api.github.com/repos/{repository}/pulls/{number}"),
                "html_url": page, "merged_at": null},
        },
        "comment": {
            "id": 99_262_140,
            "html_url": format!("{page}#issuecomment-99262140"),
            "user": user(login),
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            // No authority: GitHub is asked.
            "author_association": "OWNER",
            "body": body,
        },
        "repository": repo(repository),
        "sender": user(login),
    })
}

/// A `status` that somebody made, `second` seconds after the same moment; its id is that number.
pub fn status(repository: &str, sha: &str, context: &str, state: &str, second: u64) -> Value {
    let at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(START + second)).to_string();
    json!({
        "id": second, "sha": sha, "name": repository, "context": context, "state": state, "description": "what it says",
        "target_url": "https://ci.example/1", "branches": [], "created_at": at, "updated_at": at,
        "repository": repo(repository), "sender": user("octocat"),
    })
}

/// What GitHub sends when a hook is made.
pub fn ping(repository: &str, hook_id: u64) -> Value {
    json!({
        "zen": "Keep it logically awesome.",
        "hook_id": hook_id,
        "hook": {"type": "Repository", "id": hook_id, "name": "web", "active": true, "events": ["pull_request"],
            "config": {"content_type": "form", "insecure_ssl": "0", "url": "https://box.example/event_handler"}},
        "repository": repo(repository),
        "sender": user("octocat"),
    })
}

fn owner(repository: &str) -> &str {
    repository.split_once('/').expect("owner/name").0
}

fn repo(full_name: &str) -> Value {
    let (owner, name) = full_name.split_once('/').expect("owner/name");
    json!({
        "id": full_name.len(),
        "name": name,
        "full_name": full_name,
        "private": false,
        "owner": user(owner),
        "html_url": format!("https://github.com/{full_name}"),
        "fork": false,
        "url": format!("https://api.github.com/repos/{full_name}"),
        "clone_url": format!("https://github.com/{full_name}.git"),
        "default_branch": "main",
    })
}

fn user(login: &str) -> Value {
    json!({"login": login, "id": login.len(), "type": "User", "site_admin": false})
}
