//! One request to GitHub and its answer: deadlines, sizes, redirects, and the token kept where it belongs.

use std::cell::Cell;
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ureq::http::uri::{Authority, Scheme};
use ureq::http::{HeaderMap, Response, Uri, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error, RequestBuilder};

use crate::logic::secret::Secret;
use crate::logic::{text, time};

/// Redirects followed for one call. GitHub sends one for a renamed repository; a few renames are a few.
const REDIRECTS_MAX: usize = 3;
/// What is read of an answer to a post. A commit status is about 2 KiB; the rest of a longer one is left unread.
const POST_ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// What is read of an answer to a get. Fifty pull requests with the longest descriptions have 5 MB; a longer list is
/// cut and can't be read.
const GET_ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Characters of what others said that go on to a log line or a page: enough for GitHub's longest sentence.
pub(super) const SAID_CHARS_MAX: usize = 200;
/// An answer to an unknown version of the API is 410.
const API_VERSION: (&str, &str) = ("x-github-api-version", "2022-11-28");
const JSON: &str = "application/json";

/// What Debian's `update-ca-certificates` writes: all that this box trusts, a company's own among them.
const CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// In every answer to a token that expires.
const TOKEN_EXPIRATION: &str = "github-authentication-token-expiration";

/// How long a call may take. Tests shorten it.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// From the look-up of the name to the last byte of the answer, redirects included. GitHub ends its own
    /// requests after 10 s.
    pub call: Duration,
    /// For TCP and TLS: half of `call`, so that a dead address leaves time to say so.
    pub connect: Duration,
}

const LIMITS: Limits = Limits { call: Duration::from_secs(20), connect: Duration::from_secs(10) };

/// A connection to GitHub's API, kept open between calls.
pub struct Client {
    agent: Agent,
    pub(super) api: Api,
    token: Option<Secret>,
    limits: Limits,
    /// When the token expires, as GitHub's newest answer tells: UTC seconds since 1970.
    expires: Cell<Option<i64>>,
}

/// What GitHub answered, whatever its status.
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// What had arrived, if it broke off or was too long.
    pub body: String,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) enum Ask<'a> {
    /// With the `ETag` of the answer that is known already.
    Get(Option<&'a str>),
    /// With this JSON.
    Post(&'a [u8]),
    Patch(&'a [u8]),
}

impl Client {
    /// `api_url` is `https://api.github.com`, or `https://HOST/api/v3` for an Enterprise Server. Without a token, every
    /// post ends in [`PostOutcome::TokenRefused`](crate::logic::event::PostOutcome) and no call is made.
    ///
    /// # Errors
    /// An `api_url` that is no plain http(s) address, or a token that cannot stand in a header.
    pub fn new(api_url: &str, token: Option<&Secret>) -> Result<Client> {
        Client::with_limits(api_url, token, LIMITS)
    }

    pub(super) fn with_limits(api_url: &str, token: Option<&Secret>, limits: Limits) -> Result<Client> {
        let api = Api::parse(api_url)?;
        if let Some(token) = token.map(Secret::expose) {
            ensure!(
                !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()),
                "The GitHub token is empty or holds a space, a line break or another character that no token has. \
                 Store it again, alone, in the file that github.token_file names"
            );
        }
        if token.is_some() && api.scheme == Scheme::HTTP && !api.is_loopback() {
            log::warn!(api_url = api.origin(); "The GitHub token goes over the network unencrypted: use https in github.api_url");
        }
        let mut agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(limits.connect))
            .user_agent(concat!("pilotlight/", env!("CARGO_PKG_VERSION")))
            .accept("application/vnd.github+json");
        if let Some(roots) = api.roots() {
            agent = agent.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        if api.is_loopback() {
            agent = agent.proxy(None);
        }
        Ok(Client { agent: agent.build().into(), api, token: token.cloned(), limits, expires: Cell::default() })
    }

    /// Asks for `path` below the API's address, following redirects on the same host: GitHub wants them repeated with
    /// the same method.
    ///
    /// # Errors
    /// In words: no answer, or sent on to where the token must not go.
    pub(super) fn call(&self, token: &str, path: &str, ask: Ask) -> Result<Answer, String> {
        let deadline = Instant::now() + self.limits.call;
        let mut url = format!("{}{}{path}", self.api.origin(), self.api.prefix);
        for _ in 0..=REDIRECTS_MAX {
            // ureq panics when it gets no thread for the look-up of the name.
            let sent = catch_unwind(AssertUnwindSafe(|| self.send(token, &url, ask, deadline)));
            let sent = sent.map_err(|_| format!("{} was not asked: no thread was left for it", self.api.origin()))?;
            let response = sent.map_err(|e| self.unreachable(&e))?;
            if let Some(at) = response.headers().get(TOKEN_EXPIRATION).and_then(|at| time::seconds(at.to_str().ok()?)) {
                self.expires.set(Some(at));
            }
            if !matches!(response.status().as_u16(), 301 | 302 | 307 | 308) {
                return Ok(read(response, ask));
            }
            let location = response.headers().get(header::LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default();
            url = self.api.on_same_host(location).ok_or_else(|| {
                format!(
                    "{} redirects to {location:?}, and the token must not go there. Check github.api_url",
                    self.api.origin()
                )
            })?;
        }
        Err(format!("{} redirects more than {REDIRECTS_MAX} times", self.api.origin()))
    }

    /// When the token expires, UTC seconds since 1970; `None` where it does not, or GitHub has not said yet.
    pub fn token_expires(&self) -> Option<i64> {
        self.expires.get()
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(Secret::expose)
    }

    fn send(&self, token: &str, url: &str, ask: Ask, deadline: Instant) -> Result<Response<Body>, Error> {
        match ask {
            Ask::Get(etag) => {
                let request = prepared(self.agent.get(url), token, deadline);
                etag.into_iter().fold(request, |r, etag| r.header(header::IF_NONE_MATCH, etag)).call()
            }
            Ask::Post(json) => prepared(self.agent.post(url), token, deadline).content_type(JSON).send(json),
            Ask::Patch(json) => prepared(self.agent.patch(url), token, deadline).content_type(JSON).send(json),
        }
    }

    fn unreachable(&self, error: &Error) -> String {
        let at = self.api.origin();
        match error {
            Error::Timeout(ureq::Timeout::Connect) => format!("No connection to {at} within {:?}", self.limits.connect),
            Error::Timeout(_) => format!("No answer from {at} within {:?}", self.limits.call),
            Error::HostNotFound => no_address(&at),
            Error::Io(error) if error.to_string().contains("failed to lookup address") => no_address(&at),
            other => format!("No answer from {at}: {other}{}", certificate_cure(&other.to_string())),
        }
    }

    /// Text from outside made fit for a log line or a page: one bounded line, without the token.
    pub(super) fn clean(&self, text: &str) -> String {
        let line = text::one_line(text);
        let line = match self.token() {
            Some(token) => line.replace(token, "[token]"),
            None => line,
        };
        match line.char_indices().nth(SAID_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

fn prepared<B>(request: RequestBuilder<B>, token: &str, deadline: Instant) -> RequestBuilder<B> {
    let left = deadline.saturating_duration_since(Instant::now());
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    request.header(API_VERSION.0, API_VERSION.1).config().timeout_global(Some(left)).build()
}

fn no_address(at: &str) -> String {
    format!("No address found for {at}: check this box's network and DNS")
}

/// A Pi has no clock battery: soon after boot every certificate may look too young.
pub(super) fn certificate_cure(error: &str) -> &'static str {
    if error.contains("certificate expired") || error.contains("certificate not valid yet") {
        ". Is this box's clock right? Until it is set over the network, certificates do not verify"
    } else if error.contains("UnknownIssuer") {
        ". A company's own? Its .crt into /usr/local/share/ca-certificates, then `update-ca-certificates`"
    } else {
        ""
    }
}

fn read(response: Response<Body>, ask: Ask) -> Answer {
    let bytes_max = match ask {
        Ask::Get(_) => GET_ANSWER_BYTES_MAX,
        Ask::Post(_) | Ask::Patch(_) => POST_ANSWER_BYTES_MAX,
    };
    let (head, body) = response.into_parts();
    let mut bytes = Vec::new();
    // The status is the answer; a body that breaks off only costs words.
    let _ = body.into_reader().take(bytes_max).read_to_end(&mut bytes);
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

/// The address of the API, in parts.
pub(super) struct Api {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or `/api/v3`: no slash at its end.
    prefix: String,
}

impl Api {
    fn parse(api_url: &str) -> Result<Api> {
        ensure!(
            !api_url.contains('@'),
            "github.api_url must not hold a user name or a password: use github.token_file"
        );
        let cure = "github.api_url must be an address such as https://api.github.com";
        let uri: Uri = api_url.parse().with_context(|| format!("{cure}, not {api_url:?}"))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { bail!("{cure}, not {api_url:?}") };
        let path = parts.path_and_query.map(|p| p.to_string()).unwrap_or_default();
        let http = scheme == Scheme::HTTPS || scheme == Scheme::HTTP;
        ensure!(http && !path.contains('?'), "{cure}, not {api_url:?}");
        Ok(Api { scheme, authority, prefix: path.trim_end_matches('/').to_owned() })
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// Whom this box trusts, as git asks it too: an Enterprise Server's certificate is often of its company's making.
    /// `None`: Mozilla's roots, which are in the binary and cost no memory. They are enough for github.com.
    fn roots(&self) -> Option<RootCerts> {
        if self.scheme == Scheme::HTTP || self.authority.host().ends_with("github.com") {
            return None;
        }
        let pem = fs::read(CA_FILE).ok()?;
        let certificate = |item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        let found: Vec<_> = parse_pem(&pem).filter_map(certificate).collect();
        (!found.is_empty()).then(|| RootCerts::new_with_certs(&found))
    }

    fn is_loopback(&self) -> bool {
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// Where `Location` points, if that is this very host. Put together from our own origin, so that no trick
    /// of spelling leads elsewhere.
    pub(super) fn on_same_host(&self, location: &str) -> Option<String> {
        let uri: Uri = location.parse().ok()?;
        let same = uri.scheme() == Some(&self.scheme) && uri.authority() == Some(&self.authority);
        let relative = location.starts_with('/') && !location.starts_with("//");
        let path = uri.path_and_query()?;
        (same || relative).then(|| format!("{}{path}", self.origin()))
    }
}
