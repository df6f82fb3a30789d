//! The head of a request: bytes → [`Head`] or a refusal, and what a door lets in. Pure.

use super::message::Door;
use super::refusal::Refusal;

/// The longest head, in bytes. GitHub's is below 2 KiB; tunnels add a few hundred bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Header lines in one request. A browser behind two proxies sends about 40.
const HEADERS_MAX: usize = 100;

/// The headers that someone here reads. No other is handed on, so that no hop-by-hop header, and none that
/// looks like the gate's own word, ever gets through.
const HANDED_ON: [&str; 8] = [
    "host",
    "content-type",
    "x-github-event",
    "x-github-delivery",
    "x-github-hook-id",
    "x-hub-signature-256",
    "if-range",
    "range",
];

/// What the gate needs to know of a request before its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub method: String,
    /// Path and query: printable ASCII that starts with `/`.
    pub target: String,
    /// Those of `HANDED_ON`, each at most once, with printable ASCII values.
    pub headers: Vec<(&'static str, String)>,
    /// `Content-Length`; more than fits counts as the largest number.
    pub content_length: Option<u64>,
    pub transfer_encoding: bool,
    pub expects_continue: bool,
}

/// Where the head ends: the index behind its empty line, or `None` while that has not come. The first `seen`
/// bytes were looked at before.
///
/// # Errors
/// 431 for a head that is too long, 400 for a line that ends in a bare LF: another server in front could
/// see other lines than we do.
pub fn end_of_head(bytes: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
    for at in seen..bytes.len().min(HEAD_BYTES_MAX) {
        if bytes[at] != b'\n' {
            continue;
        }
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(malformed("a line ends in LF without CR"));
        }
        if bytes[..at].ends_with(b"\r\n\r") {
            return Ok(Some(at + 1));
        }
    }
    if bytes.len() >= HEAD_BYTES_MAX {
        return Err(Refusal::new(431, format!("the request's head is longer than {} KiB", HEAD_BYTES_MAX / 1024)));
    }
    Ok(None)
}

/// Reads a head that [`end_of_head`] found whole.
///
/// # Errors
/// 400 for whatever two servers could understand differently, 431 for too many headers.
pub fn parse(bytes: &[u8]) -> Result<Head, Refusal> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(malformed("it does not end where its empty line is")),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::new(431, format!("the request has more than {HEADERS_MAX} headers")));
        }
        Err(error) => return Err(malformed(&error.to_string())),
    }
    let target = request.path.unwrap_or_default();
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed("its target is not a path of printable ASCII"));
    }
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        content_length: None,
        transfer_encoding: false,
        expects_continue: false,
    };
    request.headers.iter().try_for_each(|line| head.take(line))?;
    Ok(head)
}

impl Head {
    /// Without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    fn take(&mut self, line: &httparse::Header) -> Result<(), Refusal> {
        if line.name.eq_ignore_ascii_case("transfer-encoding") {
            self.transfer_encoding = true;
        } else if line.name.eq_ignore_ascii_case("expect") {
            self.expects_continue = line.value.eq_ignore_ascii_case(b"100-continue");
        } else if line.name.eq_ignore_ascii_case("content-length") {
            let known = self.content_length.replace(content_length(line.value)?);
            if known.is_some() {
                return Err(malformed("Content-Length is there twice"));
            }
        } else if let Some(name) = HANDED_ON.into_iter().find(|name| line.name.eq_ignore_ascii_case(name)) {
            if self.header(name).is_some() {
                return Err(malformed(&format!("{name} is there twice")));
            }
            let value = std::str::from_utf8(line.value).ok().filter(|value| value.is_ascii());
            let value = value.ok_or_else(|| malformed(&format!("the value of {name} is not ASCII")))?;
            self.headers.push((name, value.to_owned()));
        }
        Ok(())
    }
}

/// One run of digits and nothing else: `+5` and `5, 5` have been two requests to some servers.
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(malformed("Content-Length is not one plain number"));
    }
    let digit = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Ok(value.iter().fold(0, digit))
}

fn malformed(what: &str) -> Refusal {
    Refusal::new(400, format!("the request's head is malformed: {what}"))
}

/// What a door lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The only path; `None`: any.
    pub path: Option<String>,
    /// The longest body, in bytes.
    pub body_bytes_max: usize,
    /// As `Allow` has them.
    pub methods: &'static str,
    /// What a POST may bring, without parameters.
    pub content_types: &'static [&'static str],
}

impl Rules {
    /// The rules of a door; `path` and `body_bytes_max` are the webhook door's.
    pub fn of(door: Door, path: &str, body_bytes_max: usize) -> Self {
        let (methods, content_types): (_, &[&str]) = match door {
            Door::Webhook => ("POST", &["application/json", "application/x-www-form-urlencoded"]),
            Door::Dashboard => ("GET, HEAD", &[]),
            Door::Control => ("GET, POST", &["application/json"]),
        };
        let webhook = door == Door::Webhook;
        Self {
            path: webhook.then(|| path.to_owned()),
            body_bytes_max: if webhook { body_bytes_max } else { BODY_BYTES_MAX },
            methods,
            content_types,
        }
    }

    /// How many bytes of body to read. The order of the refusals is part of the contract.
    pub fn judge(&self, head: &Head) -> Result<usize, Refusal> {
        if self.path.as_deref().is_some_and(|path| path != head.path()) {
            let message = "nothing is here: the webhook's URL must end in the path that `webhook.path` names";
            return Err(Refusal::new(404, message));
        }
        if !self.methods.split(", ").any(|method| method == head.method) {
            let message = format!("only {} will do here", self.methods);
            return Err(Refusal { allow: Some(self.methods), ..Refusal::new(405, message) });
        }
        let post = head.method == "POST";
        if head.transfer_encoding || (post && head.content_length.is_none()) {
            let message = "say the body's length in Content-Length; Transfer-Encoding is not understood here";
            return Err(Refusal::new(411, message));
        }
        let length = usize::try_from(head.content_length.unwrap_or(0)).unwrap_or(usize::MAX);
        if length > self.body_bytes_max {
            let message = format!("the body is longer than {} bytes", self.body_bytes_max);
            return Err(Refusal::new(413, message));
        }
        if post && !self.takes(head.header("content-type").unwrap_or_default()) {
            let message = format!("the content type must be {}", self.content_types.join(" or "));
            return Err(Refusal::new(415, message));
        }
        Ok(length)
    }

    fn takes(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        self.content_types.iter().any(|known| known.eq_ignore_ascii_case(essence))
    }
}

/// The longest body on the doors that the configuration doesn't speak of, in bytes: commands are tiny.
const BODY_BYTES_MAX: usize = 64 * 1024;
