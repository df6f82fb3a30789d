//! What the stand-in answers.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::super::http::{Request, header};
use super::{Answer, Asked, Inner, Mood, Shared, StatusPost};

/// Decides the answer, `None` for none at all, and records the call.
pub(super) fn take(request: &Request, shared: &Shared) -> Option<Answer> {
    let mut inner = shared.lock();
    let answer = match inner.mood.clone() {
        Mood::Well => Some(look(request, &inner).unwrap_or_else(|| {
            let (status, body) = judge(request, &inner);
            (status, Vec::new(), body.to_string())
        })),
        Mood::Fails { status, headers, .. } => {
            Some((status, headers, json!({"message": "Failing on demand"}).to_string()))
        }
        Mood::Says(answer) => Some(answer),
        Mood::Stalls | Mood::Resets => None,
    };
    if let Mood::Fails { left: Some(left), .. } = &mut inner.mood {
        *left -= 1;
        if *left == 0 {
            inner.mood = Mood::Well;
        }
    }
    if request.method == "GET" {
        let path = request.path.clone();
        inner.asked.push(Asked { path, answer: answer.as_ref().map(|(status, ..)| *status) });
    }
    inner.posts.extend(status_post(request, answer.as_ref().map(|(status, ..)| *status)));
    shared.changed();
    answer
}

/// The answer to a question about what a test has told of, asked with the right token.
fn look(request: &Request, inner: &Inner) -> Option<Answer> {
    let authorized = header(&request.headers, "authorization")?.split_once(' ')?.1 == inner.token;
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let path: Vec<&str> = path.split('/').collect();
    let (["", "repos", owner, name, rest @ ..], "GET", true) = (&path[..], request.method.as_str(), authorized) else {
        return None;
    };
    let repository = format!("{owner}/{name}");
    let fine = |body: Value| Some((200, Vec::new(), body.to_string()));
    if let ["collaborators", login, "permission"] = rest {
        let permission = inner.permissions.get(*login)?;
        return fine(json!({"permission": permission, "role_name": permission, "user": {"login": login}}));
    }
    if rest.is_empty() {
        return fine(inner.repositories.get(&repository)?.clone());
    }
    let pulls = inner.pulls.get(&repository)?;
    match rest {
        ["pulls"] => {
            let number =
                |key: &str| query.split('&').find_map(|p| p.strip_prefix(key)?.strip_prefix('=')?.parse().ok());
            let (per_page, page) = (number("per_page").unwrap_or(30_usize), number("page").unwrap_or(1_usize));
            let body: Vec<_> = pulls.iter().skip((page - 1) * per_page).take(per_page).collect();
            let body = json!(body).to_string();
            let mut hasher = DefaultHasher::new();
            body.hash(&mut hasher);
            let etag = format!("W/\"{:x}\"", hasher.finish());
            if header(&request.headers, "if-none-match") == Some(&etag) {
                return Some((304, vec![("ETag".to_owned(), etag)], String::new()));
            }
            let mut headers = vec![("ETag".to_owned(), etag)];
            if pulls.len() > page * per_page {
                let next = format!("<https://api.github.com/more?page={}>; rel=\"next\"", page + 1);
                headers.push(("Link".to_owned(), next));
            }
            Some((200, headers, body))
        }
        ["commits", sha, "status"] => {
            let mut newest = BTreeMap::new();
            for post in inner.posts.iter().filter(|p| p.accepted() && p.repository == repository && p.sha == *sha) {
                newest.insert(post.context.to_ascii_lowercase(), post);
            }
            let shown = |p: &&StatusPost| json!({"context": p.context, "state": p.state, "description": p.description});
            let others = inner.others.iter().filter(|(of, _)| of == sha).map(|(_, status)| status.clone());
            fine(json!({"statuses": newest.values().map(shown).chain(others).collect::<Vec<_>>()}))
        }
        ["hooks"] => fine(json!([
            {"id": 9, "config": {"url": "https://another-service.example/ci/event_handler"}},
            {"id": 1, "config": {"url": "https://box.example/event_handler"}},
        ])),
        ["hooks", "1", "deliveries"] => {
            let listed = |delivery: &Value| {
                let mut delivery = delivery.clone();
                delivery.as_object_mut().map(|fields| fields.remove("request"));
                delivery
            };
            fine(inner.failed_deliveries.iter().map(listed).collect())
        }
        ["hooks", "1", "deliveries", id] => {
            fine(inner.failed_deliveries.iter().find(|delivery| delivery["id"].as_u64() == id.parse().ok())?.clone())
        }
        _ => None,
    }
}

/// As strict as GitHub: <https://docs.github.com/rest/commits/statuses>.
fn judge(request: &Request, inner: &Inner) -> (u16, Value) {
    let refuse = |status: u16, message: &str| (status, json!({"message": message}));
    let invalid = |detail: &str| (422, json!({"message": "Validation Failed", "errors": [{"message": detail}]}));
    let get = |name| header(&request.headers, name);
    if get("user-agent").is_none() {
        return refuse(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        );
    }
    match get("authorization") {
        None => return refuse(401, "Requires authentication"),
        Some(value) if value.split_once(' ').map(|(_, token)| token) != Some(&inner.token) => {
            return refuse(401, "Bad credentials");
        }
        Some(_) => {}
    }
    let Some(post) = status_post(request, None) else {
        return refuse(404, "Not Found");
    };
    if post.sha.len() != 40 || !post.sha.bytes().all(|b| b.is_ascii_hexdigit()) {
        return refuse(422, &format!("No commit found for SHA: {}", post.sha));
    }
    if !["error", "failure", "pending", "success"].contains(&post.state.as_str()) {
        return invalid("state is not included in the list");
    }
    if post.description.chars().count() > 140 {
        return invalid("description is too long (maximum is 140 characters)");
    }
    if !post.target_url.is_empty()
        && !post.target_url.starts_with("http://")
        && !post.target_url.starts_with("https://")
    {
        return invalid("target_url must use http(s) scheme");
    }
    let same = |p: &&StatusPost| p.accepted() && p.sha == post.sha && p.context.eq_ignore_ascii_case(&post.context);
    if inner.posts.iter().filter(same).count() >= 1000 {
        return invalid("This SHA and context has reached the maximum number of statuses.");
    }
    let body = json!({"id": inner.posts.len() + 1, "state": post.state, "context": post.context,
        "description": post.description, "target_url": post.target_url});
    (201, body)
}

/// The call, if it is one for a status.
fn status_post(request: &Request, answer: Option<u16>) -> Option<StatusPost> {
    let path: Vec<&str> = request.path.split('/').collect();
    let ("POST", ["", "repos", owner, name, "statuses", sha]) = (request.method.as_str(), path.as_slice()) else {
        return None;
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    Some(StatusPost {
        repository: format!("{owner}/{name}"),
        sha: (*sha).to_owned(),
        state: text("state"),
        context: body["context"].as_str().unwrap_or("default").to_owned(),
        description: text("description"),
        target_url: text("target_url"),
        authorization: header(&request.headers, "authorization").is_some(),
        answer,
    })
}
