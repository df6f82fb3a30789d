//! Answers, and what all of them carry.

use ::log::warn;
use serde::Serialize;

use super::pages;
use crate::http::message::{Body, Response};

/// What a client is asked to wait before it tries again: what is in the way passes in seconds or needs a person.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Nothing but our own style sheet, named by its hash: no scripts, no frames, no forms, no other origin.
pub const POLICY: &str = "default-src 'none'; style-src 'sha256-816/MlgdyHxx8exCu22x7wSX5lE20OMl6EiudLS512w='; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Why a request is not answered as it hoped.
#[derive(Debug)]
pub struct Refusal {
    status: u16,
    words: String,
    headers: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct Problem<'a> {
    result: &'a str,
}

pub fn json(status: u16, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("our own types have string keys alone");
    response(status, "application/json", Body::Bytes(body))
}

pub fn html(status: u16, page: maud::Markup) -> Response {
    response(status, "text/html; charset=utf-8", Body::Bytes(page.into_string().into_bytes()))
}

pub fn plain(status: u16, body: Body) -> Response {
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: u16, content_type: &'static str, body: Body) -> Response {
    let headers = [
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ];
    let headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
    Response { status, content_type, headers, body }
}

impl Refusal {
    /// `words` say what happened and what to do about it.
    pub fn new(status: u16, words: impl Into<String>) -> Self {
        Refusal { status, words: words.into(), headers: Vec::new() }
    }

    pub fn not_found() -> Self {
        Refusal::new(404, "There is nothing here: the builds are at /")
    }

    pub fn unavailable(words: &str) -> Self {
        Refusal::new(503, words).with("Retry-After", &RETRY_AFTER_SECONDS.to_string())
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn words(&self) -> &str {
        &self.words
    }

    /// In JSON for programs, else as a page.
    pub fn response(self, path: &str) -> Response {
        let mut response = match path.starts_with("/api/") {
            true => json(self.status, &Problem { result: &self.words }),
            false => html(self.status, pages::refusal(self.status, &self.words)),
        };
        response.headers.extend(self.headers);
        response
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        warn!("a request can't be answered: {error:#}");
        Refusal::unavailable("The store can't be read: the journal says why, and `pilotlight check` helps")
    }
}
