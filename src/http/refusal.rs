//! The answers that the gate gives by itself.

use std::borrow::Cow;
use std::fmt::Write;

/// What `Retry-After` says, in seconds: a connection lasts about this long at most when all goes well.
const RETRY_AFTER_SECONDS: u32 = 10;

/// A request that goes no further, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status. A 503 is sent with `Retry-After`.
    pub status: u16,
    /// For people: what is wrong, and the cure.
    pub message: Cow<'static, str>,
    /// The methods that would do, for a 405.
    pub allow: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), allow: None }
    }

    /// The whole answer, as bytes. The answer to a HEAD has no body.
    pub(super) fn render(&self, to_head: bool) -> Vec<u8> {
        let body = serde_json::json!({ "result": self.message }).to_string();
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nServer: pilotlight\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            self.status,
            self.reason(),
            body.len()
        );
        if let Some(allow) = self.allow {
            let _ = write!(head, "Allow: {allow}\r\n");
        }
        if self.status == 503 {
            let _ = write!(head, "Retry-After: {RETRY_AFTER_SECONDS}\r\n");
        }
        head.push_str("\r\n");
        if !to_head {
            head.push_str(&body);
        }
        head.into_bytes()
    }

    fn reason(&self) -> &'static str {
        match self.status {
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            411 => "Length Required",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        }
    }
}
