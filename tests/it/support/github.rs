//! A stand-in for GitHub's API on loopback: takes commit statuses, is as strict as GitHub, and fails on demand.
//! It lists open pull requests, statuses and failed deliveries once a test has told it of them.

mod answers;

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use serde_json::{Value, json};

use self::answers::take;
use super::http::{header, read_request};

/// One call of `POST /repos/{owner}/{repo}/statuses/{sha}`, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPost {
    pub repository: String,
    pub sha: String,
    pub state: String,
    pub context: String,
    pub description: String,
    pub target_url: String,
    /// An `Authorization` header was there, right or wrong.
    pub authorization: bool,
    /// What it was answered; `None` for silence or a reset.
    pub answer: Option<u16>,
}

impl StatusPost {
    pub fn accepted(&self) -> bool {
        self.answer == Some(201)
    }
}

/// How calls are treated.
#[derive(Clone)]
enum Mood {
    Well,
    Fails {
        status: u16,
        headers: Vec<(String, String)>,
        left: Option<usize>,
    },
    /// Everything is answered so.
    Says(Answer),
    Stalls,
    Resets,
}

struct Inner {
    token: String,
    mood: Mood,
    posts: Vec<StatusPost>,
    /// Open pull requests by repository.
    pulls: BTreeMap<String, Vec<Value>>,
    /// What GitHub says of repositories, by the name that is asked for.
    repositories: BTreeMap<String, Value>,
    /// What GitHub says of people, by login; of others it knows nothing.
    permissions: BTreeMap<String, String>,
    /// Deliveries that hook 1 could not bring.
    failed_deliveries: Vec<Value>,
    /// What others say, each with its sha.
    others: Vec<(String, Value)>,
    asked: Vec<Asked>,
    closed: bool,
}

/// One `GET`, and what it was answered; `None` for silence or a reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub answer: Option<u16>,
}

#[derive(Clone)]
struct Shared(Arc<(Mutex<Inner>, Condvar)>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.0.lock().expect("no thread of the stand-in panics")
    }

    fn changed(&self) {
        self.0.1.notify_all();
    }
}

/// The stand-in. Ends with its value.
pub struct FakeGithub {
    address: String,
    shared: Shared,
}

impl FakeGithub {
    /// Listens on a port of its own and accepts `token` alone.
    pub fn start(token: &str) -> FakeGithub {
        FakeGithub::start_at("127.0.0.1:0", token)
    }

    /// The same at an address that a daemon may know already.
    pub fn start_at(address: &str, token: &str) -> FakeGithub {
        let listener = TcpListener::bind(address).expect("an address on loopback");
        let address = listener.local_addr().unwrap().to_string();
        let inner = Inner {
            token: token.to_owned(),
            mood: Mood::Well,
            posts: Vec::new(),
            pulls: BTreeMap::new(),
            repositories: BTreeMap::new(),
            permissions: BTreeMap::new(),
            failed_deliveries: Vec::new(),
            others: Vec::new(),
            asked: Vec::new(),
            closed: false,
        };
        let shared = Shared(Arc::new((Mutex::new(inner), Condvar::new())));
        let for_accept = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if for_accept.lock().closed {
                    return;
                }
                let (stream, shared) = (stream.expect("accept on loopback"), for_accept.clone());
                thread::spawn(move || serve(stream, &shared));
            }
        });
        FakeGithub { address, shared }
    }

    /// For `github.api_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every call so far, in order, refused ones too.
    pub fn posts(&self) -> Vec<StatusPost> {
        self.shared.lock().posts.clone()
    }

    /// What GitHub would show: the last accepted status. Contexts are the same in any case.
    pub fn latest(&self, repository: &str, sha: &str, context: &str) -> Option<StatusPost> {
        let is_it = |p: &&StatusPost| {
            p.accepted() && p.repository == repository && p.sha == sha && p.context.eq_ignore_ascii_case(context)
        };
        self.shared.lock().posts.iter().rev().find(is_it).cloned()
    }

    /// Waits until `reached` holds for the calls so far, and returns them; panics with them after `limit`.
    #[track_caller]
    pub fn wait_for(&self, reached: impl Fn(&[StatusPost]) -> bool, limit: Duration) -> Vec<StatusPost> {
        let (lock, condvar) = &*self.shared.0;
        let inner = lock.lock().expect("no thread of the stand-in panics");
        let (inner, _) = condvar.wait_timeout_while(inner, limit, |inner| !reached(&inner.posts)).expect("the same");
        // A panic must not poison what the threads still use.
        let posts = inner.posts.clone();
        drop(inner);
        assert!(reached(&posts), "not reached within {limit:?}; the stand-in got {posts:#?}");
        posts
    }

    /// Waits until the newest accepted status of this head and context is `state`.
    #[track_caller]
    pub fn wait_for_state(&self, sha: &str, context: &str, state: &str, limit: Duration) -> StatusPost {
        let newest = |posts: &[StatusPost]| {
            posts.iter().rev().find(|p| p.accepted() && p.sha == sha && p.context == context).cloned()
        };
        let posts = self.wait_for(|posts| newest(posts).is_some_and(|p| p.state == state), limit);
        newest(&posts).expect("just seen")
    }

    /// These are the repository's open pull requests from now on: payloads of deliveries, the last touched first.
    pub fn list(&self, repository: &str, payloads: Vec<Value>) {
        let pulls = payloads.into_iter().map(|mut payload| payload["pull_request"].take()).collect();
        self.shared.lock().pulls.insert(repository.to_owned(), pulls);
    }

    /// This is what GitHub has under that name from now on.
    pub fn own(&self, name: &str, repository: Value) {
        self.shared.lock().repositories.insert(name.to_owned(), repository);
    }

    /// This is the permission of `login` from now on, such as `write`.
    pub fn permit(&self, login: &str, permission: &str) {
        self.shared.lock().permissions.insert(login.to_owned(), permission.to_owned());
    }

    /// It was told so before the test began.
    pub fn remember(&self, post: StatusPost) {
        self.shared.lock().posts.push(post);
    }

    /// Somebody else made a status: the payload of its delivery, which need not be sent.
    pub fn show_others(&self, status: &Value) {
        let sha = status["sha"].as_str().expect("a status has one").to_owned();
        self.shared.lock().others.push((sha, status.clone()));
    }

    /// Hook 1 could not bring the delivery of this GUID.
    pub fn fail_delivery(&self, guid: &str) {
        self.fail(guid, "pull_request", &Value::Null);
    }

    /// The same of a comment: the payload of its delivery.
    pub fn fail_comment(&self, guid: &str, payload: &Value) {
        self.fail(guid, "issue_comment", payload);
    }

    fn fail(&self, guid: &str, event: &str, payload: &Value) {
        let failed = &mut self.shared.lock().failed_deliveries;
        let id = failed.len() + 1;
        let at = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        let delivery = json!({"id": id, "guid": guid, "event": event, "action": payload["action"], "status_code": 502,
            "delivered_at": at, "request": {"headers": {}, "payload": payload}});
        failed.insert(0, delivery);
    }

    /// Waits until `reached` holds for the questions so far, and returns them; panics with them after `limit`.
    #[track_caller]
    pub fn wait_for_asked(&self, reached: impl Fn(&[Asked]) -> bool, limit: Duration) -> Vec<Asked> {
        let (lock, condvar) = &*self.shared.0;
        let inner = lock.lock().expect("no thread of the stand-in panics");
        let (inner, _) = condvar.wait_timeout_while(inner, limit, |inner| !reached(&inner.asked)).expect("the same");
        // A panic must not poison what the threads still use.
        let asked = inner.asked.clone();
        drop(inner);
        assert!(reached(&asked), "not reached within {limit:?}; the stand-in was asked {asked:#?}");
        asked
    }

    /// From now on every call is answered so. With the header `X-Half` half of the body comes, and a reset.
    pub fn say(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        self.change(Mood::Says((status, owned(headers), body.to_owned())));
    }

    /// From now on every call is answered so.
    pub fn fail_with(&self, status: u16, headers: &[(&str, &str)]) {
        self.set_mood(status, headers, None);
    }

    /// The next `calls` are answered so, then all is well again.
    pub fn fail_next(&self, calls: usize, status: u16, headers: &[(&str, &str)]) {
        self.set_mood(status, headers, Some(calls));
    }

    fn set_mood(&self, status: u16, headers: &[(&str, &str)], left: Option<usize>) {
        self.change(Mood::Fails { status, headers: owned(headers), left });
    }

    /// Calls are read and never answered; when the mood changes their connections are reset.
    pub fn stall(&self) {
        self.change(Mood::Stalls);
    }

    /// Calls are read and their connections reset.
    pub fn reset(&self) {
        self.change(Mood::Resets);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.change(Mood::Well);
    }

    fn change(&self, mood: Mood) {
        self.shared.lock().mood = mood;
        self.shared.changed();
    }
}

impl Drop for FakeGithub {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed();
        // Wakes the accept, which then sees that it is over.
        let _ = TcpStream::connect(&self.address);
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        let Some((status, headers, body)) = take(&request, shared) else {
            return stay_silent(stream.get_ref(), shared);
        };
        let half = headers.iter().any(|(name, _)| name == "X-Half");
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        let body = &body.as_bytes()[..body.len() >> u8::from(half)];
        let written = stream.get_mut().write_all(&[head.as_bytes(), body].concat());
        if half {
            return stay_silent(stream.get_ref(), shared);
        }
        if written.is_err() || header(&request.headers, "connection") == Some("close") {
            return;
        }
    }
}

type Answer = (u16, Vec<(String, String)>, String);

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn stay_silent(stream: &TcpStream, shared: &Shared) {
    let (lock, condvar) = &*shared.0;
    let stalls = |inner: &mut Inner| matches!(inner.mood, Mood::Stalls) && !inner.closed;
    drop(condvar.wait_while(lock.lock().expect("no thread of the stand-in panics"), stalls));
    // Closing with nothing to linger for is a reset.
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}
