//! A request of the daemon's own, from the outside in: for the watchdog.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::wire::Wire;

/// Asks the control socket at `path` for `/healthz` and tells whether any HTTP answer came `within` that time; a 503 of
/// a busy gate counts. The question goes all the way to the front and back.
pub fn probe(path: &Path, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    let connected = UnixStream::connect(path);
    let Some(wire) = connected.ok().and_then(|stream| Wire::new(stream.into()).ok()) else {
        return false;
    };
    if wire.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", deadline).is_err() {
        return false;
    }
    const START: &[u8] = b"HTTP/1.";
    let mut start = [0; START.len()];
    let mut got = 0;
    while got < start.len() {
        match wire.read(&mut start[got..], deadline, None) {
            Ok(bytes) if bytes > 0 => got += bytes,
            _ => return false,
        }
    }
    start == START
}
