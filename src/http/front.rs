//! One tiny_http on a private Unix socket, where only the gate knocks.
//!
//! tiny_http's accept thread can end for good (one failed `accept`, a panic). Then connecting fails, and
//! whoever sees that puts a new server in its place.

use std::any::Any;
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, anyhow, ensure};
use rustix::io::Errno;

use super::message::{Door, Request, header};

/// The gate's own word about a request: its door and, if known, the peer's user id.
pub(super) const GATE_HEADER: &str = "x-pilotlight-gate";

/// The longest path of a Unix socket, in bytes: `sun_path` has 108, with a NUL at its end.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Bytes kept free in the path for the number of a rebuilt server.
const GENERATION_BYTES: usize = 8;

/// Where whole requests come out. Belongs to the thread `hooks`.
pub struct Front {
    back: Arc<Back>,
}

/// The gate's side of it.
pub(super) struct Back {
    path: PathBuf,
    current: Mutex<Current>,
    stopped: AtomicBool,
}

struct Current {
    generation: u32,
    path: PathBuf,
    server: Arc<tiny_http::Server>,
}

impl Front {
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let bytes = path.as_os_str().as_bytes().len() + GENERATION_BYTES;
        ensure!(
            bytes <= SOCKET_PATH_BYTES_MAX,
            "{} is too long for a Unix socket by {} bytes: choose a shorter storage.state_dir",
            path.display(),
            bytes - SOCKET_PATH_BYTES_MAX
        );
        let current = Mutex::new(Current::build(path, 0)?);
        let back = Back { path: path.to_owned(), current, stopped: AtomicBool::new(false) };
        Ok(Self { back: Arc::new(back) })
    }

    pub(super) fn back(&self) -> Arc<Back> {
        self.back.clone()
    }

    /// Hands every request to `handle`, one after the other, until the gate has closed.
    pub fn serve(&self, mut handle: impl FnMut(Request)) {
        loop {
            let (generation, server) = self.back.current();
            if self.back.stopped.load(Ordering::Acquire) {
                return;
            }
            match quietly(|| server.recv().map(read)) {
                Ok(Ok(Some(request))) => handle(request),
                Ok(Ok(None)) => {}
                // Its accept thread has ended, or a new server is in place already. If building one fails
                // too, the next request that the gate can't hand on tries again.
                Ok(Err(error)) => self.back.replace(generation, &error),
                Err(panic) => self.back.replace(generation, &panic),
            }
        }
    }
}

impl Back {
    /// Connects to the server; puts a new one in its place when it is gone.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let (generation, path) = {
            let current = self.lock();
            (current.generation, current.path.clone())
        };
        let error = match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        let short_of_descriptors = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
        if short_of_descriptors.contains(&error.raw_os_error()) {
            return Err(error);
        }
        self.replace(generation, &error);
        let path = self.lock().path.clone();
        UnixStream::connect(path)
    }

    /// Ends [`Front::serve`].
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.lock().server.unblock();
    }

    fn current(&self) -> (u32, Arc<tiny_http::Server>) {
        let current = self.lock();
        (current.generation, current.server.clone())
    }

    /// Builds a new server unless somebody did since `generation` was seen.
    fn replace(&self, generation: u32, why: &dyn std::fmt::Display) {
        let mut current = self.lock();
        if current.generation != generation || self.stopped.load(Ordering::Acquire) {
            return;
        }
        log::warn!("the inner web server is gone ({why}); starting another");
        match Current::build(&self.path, generation + 1) {
            Ok(next) => {
                let old = std::mem::replace(&mut *current, next);
                old.server.unblock();
            }
            Err(error) => log::error!("{error:#}"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    /// Each generation has a path of its own, because dropping a server unlinks its path, whoever's it is.
    fn build(path: &Path, generation: u32) -> anyhow::Result<Self> {
        let mut path = path.to_owned().into_os_string();
        if generation > 0 {
            path.push(format!(".{generation}"));
        }
        let path = PathBuf::from(path);
        let failed = || format!("could not start the inner web server on {}", path.display());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(failed),
            _ => {}
        }
        let server = quietly(|| tiny_http::Server::http_unix(&path)).map_err(|panic| anyhow!(panic));
        let server = server.and_then(|server| server.map_err(|error| anyhow!(error))).with_context(failed)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).with_context(failed)?;
        Ok(Self { generation, path, server: Arc::new(server) })
    }
}

/// `None` when it does not come from the gate, or the gate gave up half-way.
fn read(mut inner: tiny_http::Request) -> Option<Request> {
    let mut word = header(&inner, GATE_HEADER)?.split(' ');
    let door = door(word.next()?)?;
    let peer_uid = word.next().and_then(|uid| uid.parse().ok());
    let length = inner.body_length().unwrap_or(0);
    let mut body = Vec::new();
    // The gate has checked the length and has the whole body.
    inner.as_reader().take(length as u64).read_to_end(&mut body).ok()?;
    if body.len() != length {
        return None;
    }
    let (path, query) = inner.url().split_once('?').unwrap_or((inner.url(), ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let (method, host) = (inner.method().to_string(), header(&inner, "host").map(str::to_owned));
    Some(Request { door, method, path, query, host, body, peer_uid, inner })
}

pub(super) fn name(door: Door) -> &'static str {
    match door {
        Door::Webhook => "webhook",
        Door::Dashboard => "dashboard",
        Door::Control => "control",
    }
}

pub(super) fn door(word: &str) -> Option<Door> {
    [Door::Webhook, Door::Dashboard, Door::Control].into_iter().find(|door| name(*door) == word)
}

/// A panic inside tiny_http, as words: it must not end us.
fn quietly<T>(action: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(action)).map_err(|panic| format!("it panicked: {}", words(&*panic)))
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
