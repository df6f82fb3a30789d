//! What a builder and its worker say to each other over one Unix stream.
//!
//! Frames: one byte of kind, four bytes of length (big-endian), that many bytes. Daemon → worker: exactly one
//! [`Frame::Job`], and [`Frame::Typed`] where that is a shell. Worker → daemon: an empty [`Frame::Log`] when it is
//! ready for its job; then [`Frame::Log`] and [`Frame::News`], the last of them [`News::Done`] or [`News::Conflict`].
//! The end of the stream means "stop": there is no other order to cancel.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::logic::build::CheckEnd;
use crate::logic::event::JobCheck;
use crate::logic::secret::Secret;

/// A frame's kind and length, in bytes.
pub const FRAME_HEAD_BYTES: usize = 5;

/// The longest frame, in bytes: a job is the largest, and its commands come from the configuration or a head's
/// file, which are smaller, its secrets from files of bounded size. A longer one is a broken peer.
pub const FRAME_BYTES_MAX: u32 = 1024 * 1024;

/// What is kept of the start of a check's output, in bytes: the whole of nearly every one.
pub const LOG_HEAD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What is kept of the end of a longer one, in bytes: where the failure is told.
pub const LOG_TAIL_BYTES_MAX: usize = 256 * 1024;

/// What the daemon hands to a worker. Nothing in it is a secret but the secrets that this build may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerJob {
    pub build: i64,
    pub repository: String,
    pub pull: u64,
    /// What the build is about.
    pub sha: String,
    /// What is to be merged with it and built; otherwise it is built itself.
    pub base_sha: Option<String>,
    pub base_ref: String,
    pub head_ref: String,
    /// Where the repository is for whoever has no credential, and what submodules' relative addresses start from.
    pub clone_url: String,
    /// Whether submodules are fetched; else they stay empty.
    pub submodules: bool,
    /// The daemon's bare mirror; its objects are borrowed, read-only.
    pub mirror: PathBuf,
    /// The worker's own room: tree, home, cache, tmp and the lock are below it.
    pub room: PathBuf,
    /// Nothing is kept in the room from one build to the next.
    pub fresh: bool,
    pub checks: Vec<JobCheck>,
    /// A check that writes nothing for this long is ended.
    pub silence: Duration,
    /// In place of the checks a person sits at this terminal.
    #[serde(default)]
    pub shell: Option<Terminal>,
    /// More of each check's environment: name and value. Of nothing else's, and never a stranger's.
    #[serde(with = "exposed")]
    pub secrets: Vec<(String, Secret)>,
}

/// A person's terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    pub rows: u16,
    pub columns: u16,
    /// `$TERM`.
    pub kind: String,
}

/// The one place where secrets are written out: for the stream to the worker.
mod exposed {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Secret;

    pub fn serialize<S: Serializer>(secrets: &[(String, Secret)], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(secrets.iter().map(|(name, value)| (name, value.expose())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, Secret)>, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(from)?;
        Ok(pairs.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
    }
}

/// What a worker tells besides log bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// The tree is whole: whatever goes wrong from now on, the mirror is not to blame.
    CheckedOut,
    CheckStarted {
        check: usize,
    },
    /// So much of the running check's output, after what was sent, is left out.
    Cut {
        bytes: u64,
    },
    CheckFinished {
        check: usize,
        end: CheckEnd,
        took: Duration,
    },
    /// The head and its base can't be merged; nothing runs.
    Conflict,
    /// Not of the worker: how its unit ended, by systemd's `$SERVICE_RESULT` and `$EXIT_STATUS` (systemd.exec(5)), told
    /// to whoever asks at the unit's socket when the worker's stream has ended without a word.
    UnitEnded {
        result: String,
        status: String,
    },
    /// Nothing runs any more. `error`: why not every check ran, in words for people.
    Done {
        error: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Job(Box<WorkerJob>),
    Log(Vec<u8>),
    News(News),
    /// What a person types into a shell.
    Typed(Vec<u8>),
}

const KIND_JOB: u8 = 1;
const KIND_LOG: u8 = 2;
const KIND_NEWS: u8 = 3;
const KIND_TYPED: u8 = 4;

impl Frame {
    /// The next frame, or `None` where the stream ends between two frames. Waits as long as `from` does.
    ///
    /// # Errors
    /// Those of `from`; `UnexpectedEof` where the stream ends inside a frame; `InvalidData` for a frame that
    /// is too long, of no known kind or not understood. After an error the stream is of no use.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
        let mut head = Vec::with_capacity(FRAME_HEAD_BYTES);
        from.by_ref().take(FRAME_HEAD_BYTES as u64).read_to_end(&mut head)?;
        let (kind, length) = match head[..] {
            [] => return Ok(None),
            [kind, a, b, c, d] => (kind, u32::from_be_bytes([a, b, c, d])),
            _ => return Err(torn(head.len(), FRAME_HEAD_BYTES, "head")),
        };
        if length > FRAME_BYTES_MAX {
            return Err(invalid(format!("a frame of {length} bytes is over the limit of {FRAME_BYTES_MAX}")));
        }
        let mut body = Vec::new(); // grows with what really comes, not with what was announced
        from.by_ref().take(length.into()).read_to_end(&mut body)?;
        if body.len() < length as usize {
            return Err(torn(body.len(), length as usize, "body"));
        }
        match kind {
            KIND_JOB => serde_json::from_slice(&body).map(Frame::Job).map_err(|e| {
                // Not in serde's words, which quote: there are secrets in it.
                let place = format!("line {} column {}", e.line(), e.column());
                invalid(format!("the job is not understood from {place} on: is the worker of the daemon's version?"))
            }),
            KIND_LOG => Ok(Frame::Log(body)),
            KIND_TYPED => Ok(Frame::Typed(body)),
            KIND_NEWS => serde_json::from_slice(&body)
                .map(Frame::News)
                .map_err(|e| invalid(format!("a news frame is not understood: {e}"))),
            _ => Err(invalid(format!("there is no frame of kind {kind}"))),
        }
        .map(Some)
    }

    /// Writes the whole frame. Waits as long as `to` does.
    ///
    /// # Errors
    /// Those of `to`, after which the stream is of no use; `InvalidInput` for a frame over
    /// [`FRAME_BYTES_MAX`], of which nothing was written.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, body) = match self {
            Frame::Job(job) => (KIND_JOB, Cow::from(serde_json::to_vec(job)?)),
            Frame::News(news) => (KIND_NEWS, Cow::from(serde_json::to_vec(news)?)),
            Frame::Log(bytes) => (KIND_LOG, Cow::from(bytes)),
            Frame::Typed(bytes) => (KIND_TYPED, Cow::from(bytes)),
        };
        let length = u32::try_from(body.len()).ok().filter(|n| *n <= FRAME_BYTES_MAX).ok_or_else(|| {
            let why = format!("a frame of {} bytes is over the limit of {FRAME_BYTES_MAX}", body.len());
            io::Error::new(io::ErrorKind::InvalidInput, why)
        })?;
        let mut whole = Vec::with_capacity(FRAME_HEAD_BYTES + body.len());
        whole.push(kind);
        whole.extend_from_slice(&length.to_be_bytes());
        whole.extend_from_slice(&body);
        to.write_all(&whole)
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn torn(came: usize, of: usize, part: &str) -> io::Error {
    let why = format!("the stream ended inside a frame: {came} of {of} bytes of its {part} came");
    io::Error::new(io::ErrorKind::UnexpectedEof, why)
}

#[cfg(test)]
mod tests;
