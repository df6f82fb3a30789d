//! A build's log: the whole of it, one check's part, a range, or the end of it for the page. It is never held
//! in memory as a whole.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Context;

use super::answer::{self, Refusal};
use super::{Asked, View};
use crate::http::message::{Body, Response};
use crate::logic::build::{Build, Check};

/// A part of a log's file; `file` is `None` while nothing was written.
pub struct Log {
    file: Option<File>,
    /// The first byte, and the one after the last.
    start: u64,
    end: u64,
}

/// What `Range` asks for, of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// From the first of these bytes to before the other.
    Part(u64, u64),
    /// Nothing that is there.
    Nothing,
}

/// `GET /api/v1/builds/{id}/log`.
pub fn response(view: &View, build: &Build, asked: &Asked) -> Result<Response, Refusal> {
    let context = form_urlencoded::parse(asked.query.as_bytes()).filter(|(name, _)| name == "check").last();
    let context = context.map(|(_, value)| value).filter(|value| !value.is_empty());
    let check = context.map(|context| find_check(build, &context)).transpose()?;
    let log = Log::open(&view.config.logs_dir, build, check)?;
    let length = log.end - log.start;
    // Ranges are defined for GET alone (RFC 9110, 14.2).
    let wanted = asked.range.filter(|_| asked.method == "GET").map_or(Wanted::Whole, |range| wanted(range, length));
    let (status, body, content_range) = match wanted {
        Wanted::Whole => (200, log.body(0, length)?, None),
        Wanted::Part(from, to) => (206, log.body(from, to - from)?, Some(format!("bytes {from}-{}/{length}", to - 1))),
        Wanted::Nothing => {
            let words = format!("The log has {length} bytes: that range begins behind its end");
            return Err(Refusal::new(416, words).with("Content-Range", &format!("bytes */{length}")));
        }
    };
    let mut response = answer::plain(status, body);
    response.headers.push(("Accept-Ranges", "bytes".to_owned()));
    response.headers.extend(content_range.map(|value| ("Content-Range", value)));
    Ok(response)
}

/// Reads `Range` (RFC 9110, 14.1.2) for a log of `length` bytes. One range is honoured; what is malformed, or
/// asks for several, gets the whole.
pub fn wanted(range: &str, length: u64) -> Wanted {
    let spec = range.split_once('=').filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = spec.and_then(|(_, spec)| spec.trim().split_once('-')) else {
        return Wanted::Whole;
    };
    match (first, number(first), last, number(last)) {
        ("", _, _, Some(0)) => Wanted::Nothing,
        ("", _, _, Some(_)) if length == 0 => Wanted::Whole,
        ("", _, _, Some(suffix)) => Wanted::Part(length.saturating_sub(suffix), length),
        (_, Some(first), _, Some(last)) if first > last => Wanted::Whole,
        (_, Some(first), "", _) | (_, Some(first), _, Some(_)) if first >= length => Wanted::Nothing,
        (_, Some(first), "", _) => Wanted::Part(first, length),
        (_, Some(first), _, Some(last)) => Wanted::Part(first, last.saturating_add(1).min(length)),
        _ => Wanted::Whole,
    }
}

/// Digits alone; more than fit are as good as the largest that does.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn find_check<'a>(build: &'a Build, context: &str) -> Result<&'a Check, Refusal> {
    build.checks.iter().find(|check| check.context.eq_ignore_ascii_case(context)).ok_or_else(|| {
        let known: Vec<_> = build.checks.iter().map(|check| format!("`{}`", check.context)).collect();
        Refusal::new(404, format!("Build {} has no check `{context}`: it has {}", build.id, known.join(", ")))
    })
}

impl Log {
    /// The log of `build` in `dir`, or `check`'s part of it. A check that never started has none.
    pub fn open(dir: &Path, build: &Build, check: Option<&Check>) -> Result<Log, Refusal> {
        let path = dir.join(format!("{}.log", build.id));
        let file = match File::open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                return Err(anyhow::Error::new(error).context(format!("the log {}", path.display())).into());
            }
        };
        let Some(file) = file else { return no_file(build) };
        let length = file.metadata().with_context(|| format!("the log {}", path.display()))?.len();
        let (start, end) = match check {
            None => (0, length),
            Some(check) => {
                let start = check.log_start.unwrap_or(length).min(length);
                (start, check.log_end.unwrap_or(length).clamp(start, length))
            }
        };
        Ok(Log { file: Some(file), start, end })
    }

    /// At most `bytes_max` bytes from its end, and whether that is all.
    pub fn tail(mut self, bytes_max: u64) -> Result<(Vec<u8>, bool), Refusal> {
        let start = self.start.max(self.end.saturating_sub(bytes_max));
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(start)).context("a log can't be read")?;
            file.take(self.end - start).read_to_end(&mut bytes).context("a log can't be read")?;
        }
        Ok((bytes, start == self.start))
    }

    fn body(self, from: u64, bytes: u64) -> Result<Body, Refusal> {
        let Some(mut file) = self.file else {
            return Ok(Body::Bytes(Vec::new()));
        };
        file.seek(SeekFrom::Start(self.start + from)).context("a log can't be read")?;
        Ok(Body::File { file, bytes })
    }
}

fn no_file(build: &Build) -> Result<Log, Refusal> {
    match (build.state.is_end(), build.started_at) {
        (false, _) => Ok(Log { file: None, start: 0, end: 0 }),
        (true, None) => Err(Refusal::new(404, format!("Build {} never ran: it has no log", build.id))),
        (true, Some(_)) => Err(Refusal::new(404, format!("The log of build {} is no longer on the disk", build.id))),
    }
}
