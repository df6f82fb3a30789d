//! A whole request as it came through a door, and the answer to it.

use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use serde::Serialize;

/// The longest answer that is written by whoever gives it, in bytes: this much fits into the private
/// socket's buffer, so nobody waits for a slow reader. Longer ones get a thread of their own.
const INLINE_BYTES_MAX: u64 = 64 * 1024;

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// TCP, from the tunnel: webhooks alone.
    Webhook,
    /// TCP, from the office: pages and JSON, read-only.
    Dashboard,
    /// `{state_dir}/control.sock`: the command line.
    Control,
}

/// A whole request. Dropping it unanswered answers 503.
pub struct Request {
    pub door: Door,
    /// As sent: `GET`, `POST`.
    pub method: String,
    /// Without the query, not percent-decoded.
    pub path: String,
    /// What follows `?`, else empty.
    pub query: String,
    /// The value of `Host`.
    pub host: Option<String>,
    pub body: Vec<u8>,
    /// Who is at the other end of the control socket.
    pub peer_uid: Option<u32>,
    pub(super) inner: tiny_http::Request,
}

/// An answer.
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
}

pub enum Body {
    Bytes(Vec<u8>),
    /// This many bytes from where the file stands.
    File {
        file: File,
        bytes: u64,
    },
}

impl Request {
    /// A header's value, the name in any case. The gate hands on only those that someone here reads.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.inner, name)
    }

    /// Sends the answer; never waits for the other end to read it. To a HEAD only its head is sent.
    pub fn answer(self, response: Response) {
        if response.body.bytes() <= INLINE_BYTES_MAX {
            return send(self.inner, response);
        }
        // As many as there are connections at most, and the gate bounds those in number and time.
        let writer = thread::Builder::new().name("answer".into()).spawn(move || send(self.inner, response));
        if let Err(error) = writer {
            log::warn!("could not answer a request: no thread for it: {error}");
        }
    }
}

impl Response {
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("our own answers have string keys only");
        Self { status, content_type: "application/json", headers: Vec::new(), body: Body::Bytes(body) }
    }
}

impl Body {
    fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }

    fn into_reader(self) -> Box<dyn Read + Send> {
        match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Self::File { file, bytes } => Box::new(file.take(bytes)),
        }
    }
}

pub(super) fn header<'a>(request: &'a tiny_http::Request, name: &str) -> Option<&'a str> {
    let mut headers = request.headers().iter();
    let found = headers.find(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name));
    found.map(|header| header.value.as_str())
}

fn send(request: tiny_http::Request, response: Response) {
    let own = [("Content-Type", response.content_type.to_owned()), ("Server", "pilotlight".to_owned())];
    let headers = own.into_iter().chain(response.headers);
    // A value that is no ASCII is left out: an answer without it is better than none.
    let headers = headers.filter_map(|(name, value)| tiny_http::Header::from_bytes(name, value).ok());
    let headers = headers.filter(|header| !header.value.as_str().contains(['\r', '\n'])).collect();
    let bytes = usize::try_from(response.body.bytes()).ok();
    let status = tiny_http::StatusCode(response.status);
    let answer = tiny_http::Response::new(status, headers, response.body.into_reader(), bytes, None)
        // Always a Content-Length, never chunked: the gate also serves HTTP/1.0.
        .with_chunked_threshold(usize::MAX);
    match catch_unwind(AssertUnwindSafe(|| request.respond(answer))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("an answer was not taken: {error}"),
        Err(_) => log::error!("tiny_http panicked while answering a request"),
    }
}
