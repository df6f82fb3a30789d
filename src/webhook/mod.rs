//! Bytes → a [`Delivery`] or a refusal. Pure: no I/O, no clock.
//!
//! The signature comes first (`signature`); nothing is said about the rest of a request that is not from
//! GitHub. Then the headers, then the payload (`payload`).

mod payload;
mod signature;
#[cfg(test)]
mod tests;

use crate::http::message::Request;
use crate::logic::event::{Comment, Delivery, DeliveryKey, Hook, PullPayload};

/// The longest `X-GitHub-Delivery`, in bytes; GitHub's are 36.
const GUID_BYTES_MAX: usize = 128;

/// The longest `X-GitHub-Event`, in bytes; GitHub's are below 40.
const EVENT_BYTES_MAX: usize = 64;

/// The parts of a request that make a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `X-GitHub-Event`.
    pub event: Option<&'a str>,
    /// `X-GitHub-Delivery`.
    pub guid: Option<&'a str>,
    /// `X-GitHub-Hook-ID`.
    pub hook_id: Option<&'a str>,
    /// `X-Hub-Signature-256`.
    pub signature: Option<&'a str>,
    /// As it came: the signature covers a form before it is decoded.
    pub body: &'a [u8],
}

/// Why a request is no delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 401 or 400.
    pub status: u16,
    /// For people: what is wrong, and the cure.
    pub message: String,
}

/// Understands a delivery that was signed with `secret`.
///
/// # Errors
/// 401 when the signature is missing or wrong, else 400 for whatever is malformed.
pub fn read(secret: &[u8], parts: &Parts) -> Result<Delivery, Refusal> {
    signature::verify(secret, parts.signature, parts.body)?;
    let guid = parts.guid.filter(|guid| is_plain(guid, GUID_BYTES_MAX)).ok_or_else(|| {
        malformed(format!("X-GitHub-Delivery must be there, with 1 to {GUID_BYTES_MAX} letters, digits, _ or -"))
    })?;
    let event = parts.event.filter(|event| is_plain(event, EVENT_BYTES_MAX)).ok_or_else(|| {
        malformed(format!("X-GitHub-Event must be there, with 1 to {EVENT_BYTES_MAX} letters, digits, _ or -"))
    })?;
    let hook_id = hook_id(parts.hook_id)?;
    let hook = payload::read(event, parts.content_type.unwrap_or_default(), parts.body)?;
    Ok(Delivery { key: DeliveryKey { guid: guid.to_owned(), hook_id }, hook })
}

/// Reads one page of GitHub's list of the pull requests of `repository`, for catching up.
///
/// # Errors
/// It is no list.
pub fn list(repository: &str, json: &str) -> Result<Vec<PullPayload>, Refusal> {
    payload::list(repository, json)
}

/// Reads the payload of a comment's delivery that failed, as GitHub tells it: the word to pilotlight in it, if there is one.
pub fn comment(json: &str) -> Option<Comment> {
    match payload::read("issue_comment", "application/json", json.as_bytes()) {
        Ok(Hook::Comment(comment)) => Some(comment),
        _ => None,
    }
}

impl<'a> From<&'a Request> for Parts<'a> {
    fn from(request: &'a Request) -> Self {
        Self {
            content_type: request.header("Content-Type"),
            event: request.header("X-GitHub-Event"),
            guid: request.header("X-GitHub-Delivery"),
            hook_id: request.header("X-GitHub-Hook-ID"),
            signature: request.header("X-Hub-Signature-256"),
            body: &request.body,
        }
    }
}

fn is_plain(text: &str, bytes_max: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(plain)
}

/// Ids are kept where numbers have 63 bits.
fn hook_id(header: Option<&str>) -> Result<u64, Refusal> {
    let Some(text) = header else { return Ok(0) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && i64::try_from(*number).is_ok());
    number.ok_or_else(|| malformed("X-GitHub-Hook-ID must be a number"))
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal { status: 400, message: message.into() }
}
