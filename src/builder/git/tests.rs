use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;
use tiny_http::{Header, Request, Response, Server};

use super::*;
use crate::builder::mirror::Mirror;
use crate::builder::tests::{Origin, job};

const TOKEN: &str = "s3cret-t0ken";
/// `x-access-token:s3cret-t0ken` in base64.
const BASIC: &str = "Basic eC1hY2Nlc3MtdG9rZW46czNjcmV0LXQwa2Vu";

/// A git server over HTTP on the loopback: git's own, behind Basic authentication if it demands any.
struct Web {
    host: String,
    url: String,
    /// The Authorization of every request.
    seen: mpsc::Receiver<Option<String>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Open,
    /// Without protocol 2, as servers were before.
    Old,
    Closed,
}

impl Web {
    fn serve(origin: &Origin, manner: Manner) -> Web {
        let root = origin.dir.path().to_owned();
        Web::answer(move |request| match manner {
            Manner::Closed if header(&request, "Authorization").as_deref() != Some(BASIC) => {
                respond(request, 401, "WWW-Authenticate: Basic realm=\"git\"");
            }
            _ => backend(&root, manner, request),
        })
    }

    fn answer(answer: impl Fn(Request) + Send + 'static) -> Web {
        let server = Server::http("127.0.0.1:0").unwrap();
        let host = server.server_addr().to_string();
        let (tell, seen) = mpsc::channel();
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let _ = tell.send(header(&request, "Authorization"));
                answer(request);
            }
        });
        Web { url: format!("http://{host}/"), host, seen }
    }
}

fn header(request: &Request, name: &'static str) -> Option<String> {
    let found = request.headers().iter().find(|h| h.field.equiv(name));
    found.map(|h| h.value.to_string())
}

fn respond(request: Request, status: u16, header: &str) {
    let header: Header = header.parse().unwrap();
    let _ = request.respond(Response::empty(status).with_header(header));
}

/// Hands the request to `git http-backend`, which speaks CGI.
fn backend(root: &Path, manner: Manner, mut request: Request) {
    let mut body = Vec::new();
    request.as_reader().read_to_end(&mut body).unwrap();
    let (path, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", root);
    command.env("GIT_HTTP_EXPORT_ALL", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("PATH_INFO", path).env("QUERY_STRING", query);
    command.env("REQUEST_METHOD", request.method().to_string());
    command.env("CONTENT_LENGTH", body.len().to_string());
    command.envs(header(&request, "Content-Type").map(|value| ("CONTENT_TYPE", value)));
    command.envs(header(&request, "Content-Encoding").map(|value| ("HTTP_CONTENT_ENCODING", value)));
    if manner != Manner::Old {
        command.envs(header(&request, "Git-Protocol").map(|value| ("GIT_PROTOCOL", value)));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&body).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    let head = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let mut response = Response::from_data(&output[head + 4..]);
    for line in std::str::from_utf8(&output[..head]).unwrap().lines() {
        match line.strip_prefix("Status: ") {
            Some(status) => response = response.with_status_code(status[..3].parse::<u16>().unwrap()),
            None => response.add_header(line.parse::<Header>().unwrap()),
        }
    }
    let _ = request.respond(response);
}

/// git with nothing inherited but PATH: a proxy of this machine is no part of a test.
pub fn bare(token: Option<&str>, token_host: &str) -> Git {
    let mut git = Git::new(token.map(str::to_owned), token_host.to_owned());
    git.inherited.retain(|(name, _)| *name == "PATH");
    git
}

pub fn soon(cancel: BorrowedFd<'_>, millis: u64) -> Watch<'_> {
    let deadline = Instant::now() + Duration::from_millis(millis);
    Watch { cancel, deadline }
}

/// What git says when it fails.
pub fn failed<T: std::fmt::Debug>(done: Result<T, Failure>) -> String {
    let Err(Failure::Failed(said)) = done else { panic!("{done:?}") };
    said
}

/// Fetches pull request 7 at `sha` into a new mirror.
fn fetch(git: &Git, url: &str, sha: &str) -> (Result<String, Failure>, TempDir) {
    let dir = TempDir::new().unwrap();
    let (cancel, _keep) = std::io::pipe().unwrap();
    let mirror = Mirror::new(dir.path(), "acme/app");
    let done = mirror.fetch(git, &job(url.to_owned(), sha.to_owned()), soon(cancel.as_fd(), 60_000));
    (done.map(|fetched| fetched.said), dir)
}

#[test]
fn the_token_opens_its_own_host_and_is_written_nowhere() {
    let origin = Origin::new();
    let sha = origin.push(7, "hello");
    let web = Web::serve(&origin, Manner::Closed);
    // A helper of the machine's own is neither asked nor handed the token to store.
    let machine = TempDir::new().unwrap();
    let (config, marker) = (machine.path().join("gitconfig"), machine.path().join("marker"));
    std::fs::write(&config, format!("[credential]\n\thelper = \"!cat >> {} #\"\n", marker.display())).unwrap();
    let mut git = bare(Some(TOKEN), &web.host);
    git.inherited.push(("GIT_CONFIG_SYSTEM", config.into()));
    let (done, dir) = fetch(&git, &web.url, &sha);
    let said = done.unwrap();
    assert!(!marker.exists());
    assert!(!said.contains(TOKEN), "{said}");
    let words = format!("{TOKEN}|{BASIC}|{}", web.host);
    let found = Command::new("grep").args(["-rlE", &words]).arg(dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    assert!(web.seen.try_iter().flatten().all(|authorization| authorization == BASIC));

    let said = failed(fetch(&bare(Some("wr0ng"), &web.host), &web.url, &sha).0);
    assert_eq!(gist(&said), format!("Authentication failed for '{}'", web.url));
    assert!(!said.contains("wr0ng"));
}

#[test]
fn the_token_goes_nowhere_else() {
    let origin = Origin::new();
    let web = Web::serve(&origin, Manner::Closed);
    let said = failed(fetch(&bare(Some(TOKEN), "github.com"), &web.url, &origin.push(7, "hello")).0);
    assert!(gist(&said).starts_with("could not read Username for 'http://127.0.0.1:"), "{said}");
    assert!(web.seen.try_iter().all(|authorization| authorization.is_none()));

    // Nor along with a redirect, not even when the other host asks for it.
    let other = Web::serve(&origin, Manner::Closed);
    let to = other.host.clone();
    let web = Web::answer(move |request| {
        let location = format!("Location: http://{to}{}", request.url());
        respond(request, 301, &location);
    });
    let said = failed(fetch(&bare(Some(TOKEN), &web.host), &web.url, &origin.push(7, "hello")).0);
    assert!(said.contains(&other.host), "it was followed: {said}");
    let seen: Vec<_> = other.seen.try_iter().collect();
    assert!(!seen.is_empty() && seen.iter().all(Option::is_none), "{seen:?}");
}

#[test]
fn a_server_without_protocol_2() {
    let origin = Origin::new();
    let sha = origin.push(7, "hello");
    let web = Web::serve(&origin, Manner::Old);
    // It gives out a tip by its sha even so, but nothing that was pushed over.
    fetch(&bare(None, ""), &web.url, &sha).0.unwrap();
    origin.push(7, "pushed over it");
    let said = failed(fetch(&bare(None, ""), &web.url, &sha).0);
    assert_eq!(gist(&said), format!("refs/pull/7/head is not at {sha} any more, or not yet"));
    let web = Web::serve(&origin, Manner::Open);
    fetch(&bare(None, ""), &web.url, &sha).0.unwrap();
}

#[test]
fn where_the_token_may_go() {
    let table = [
        ("https://github.com/acme/app.git", Some("https://github.com")),
        ("https://GitHub.com/acme/app.git", Some("https://github.com")),
        ("https://github.com", Some("https://github.com")),
        ("http://github.com/acme/app.git", None),
        ("https://github.com:8443/acme/app.git", None),
        ("https://github.com.example.org/app.git", None),
        ("https://example.org/github.com", None),
        ("https://ada@github.com/acme/app.git", None),
        ("https://github.com@example.org/", None),
        ("https://example.org\\@github.com/", None),
        ("ssh://git@github.com/acme/app.git", None),
        ("git@github.com:acme/app.git", None),
        ("file:///github.com", None),
        ("", None),
    ];
    let git = bare(Some(TOKEN), "github.com");
    for (url, expected) in table {
        assert_eq!(git.token_origin(url).as_deref(), expected, "{url}");
        let command = git.command(Some(url));
        assert!(!format!("{:?}", command.get_args()).contains(TOKEN));
        let told = command.get_envs().filter(|(_, value)| value.is_some_and(|v| v == TOKEN));
        assert_eq!(told.count(), usize::from(expected.is_some()), "{url}");
    }
    assert!(bare(None, "[::1]:80").token_origin("http://[::1]:80/x").is_some());
}

#[test]
fn transports_that_run_commands_are_refused() {
    let dir = TempDir::new().unwrap();
    let marker = dir.path().join("marker");
    let (git, touch) = (bare(None, ""), format!("touch {}", marker.display()));
    let said = failed(fetch(&git, &format!("ext::{touch}"), &"1".repeat(40)).0);
    assert_eq!(gist(&said), "transport 'ext' not allowed");
    failed(fetch(&git, &format!("--upload-pack={touch}"), &"1".repeat(40)).0);
    assert!(!marker.exists());
}

/// A server that takes the connection and never says a word. The receiver hears of both its ends.
fn hung() -> (String, mpsc::Receiver<&'static str>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        tell.send("connected").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        tell.send("closed").unwrap();
    });
    (url, told)
}

#[test]
fn a_cancelled_fetch_ends_with_all_its_processes() {
    let (url, told) = hung();
    let (cancel, keep) = std::io::pipe().unwrap();
    let waits = thread::spawn(move || {
        assert_eq!(told.recv().unwrap(), "connected");
        drop(keep);
        assert_eq!(told.recv().unwrap(), "closed", "git-remote-http is gone too");
    });
    let args = ["ls-remote", &url].map(OsStr::new);
    let done = bare(None, "").run(&args, Some(&url), soon(cancel.as_fd(), 60_000));
    assert!(matches!(done, Err(Failure::Cancelled)), "{done:?}");
    waits.join().unwrap();
}

#[test]
fn a_fetch_that_takes_too_long_is_stopped() {
    let (url, told) = hung();
    let (cancel, _keep) = std::io::pipe().unwrap();
    let args = ["ls-remote", &url].map(OsStr::new);
    let said = failed(bare(None, "").run(&args, Some(&url), soon(cancel.as_fd(), 300)));
    assert_eq!(gist(&said), "git took too long and was stopped");
    assert_eq!([told.recv().unwrap(), told.recv().unwrap()], ["connected", "closed"]);
}

#[test]
fn a_git_that_stands_still_is_stopped_too() {
    let (cancel, _keep) = std::io::pipe().unwrap();
    let args = ["-c", "alias.stand=!echo here >&2; kill -STOP 0", "stand"].map(OsStr::new);
    let said = failed(bare(None, "").run(&args, None, soon(cancel.as_fd(), 1_000)));
    assert_eq!(said, "here\n\nfatal: git took too long and was stopped");
}

#[test]
fn the_gist_of_what_git_says() {
    let table = [
        ("", "git gave no reason"),
        ("fatal: a\n\n", "a"),
        (
            "remote: Repository not found.\nfatal: repository 'https://x/' not found",
            "repository 'https://x/' not found",
        ),
        (
            "git@x: Permission denied (publickey).\r\nfatal: Could not read from remote repository.\n\n\
             Please make sure you have the correct access rights\nand the repository exists.\n",
            "git@x: Permission denied (publickey).",
        ),
        ("fatal: Could not read from remote repository.\n", "Could not read from remote repository."),
        ("error: RPC failed\u{7}; curl 56\n", "RPC failed ; curl 56"),
    ];
    for (said, expected) in table {
        assert_eq!(gist(said), expected);
    }
}

#[test]
fn the_token_is_struck_out_of_what_git_says() {
    let git = bare(Some(TOKEN), "x");
    assert_eq!(git.redact(b"a s3cret-t0ken b \xff"), "a *** b \u{fffd}");
    assert_eq!(bare(Some(""), "x").redact(b"ab"), "ab");
}

#[test]
fn git_inherits_nothing_unnamed_and_only_its_last_words_are_kept() {
    let (cancel, _keep) = std::io::pipe().unwrap();
    let speak = |words: &str| {
        let alias = format!("alias.speak=!{words} >&2; exit 1");
        let args = ["-c", &alias, "speak"].map(OsStr::new);
        failed(bare(None, "").run(&args, None, soon(cancel.as_fd(), 60_000)))
    };
    let environment = speak("env");
    assert!(environment.contains("GIT_ASKPASS=\n") && !environment.contains("CARGO"), "{environment}");
    assert_eq!(speak("cat /proc/self/oom_score_adj"), "500\n", "the kernel ends git before it ends us");
    let numbers = speak("seq 100000");
    assert!(numbers.len() <= SAID_BYTES_MAX && numbers.ends_with("99999\n100000\n"));
}
