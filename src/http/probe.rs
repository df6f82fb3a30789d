//! A request of the daemon's own, from the outside in: for the watchdog.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::net::getsockname;

use super::wire::Wire;

/// Where a door can be reached from this box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    /// The address of a listener: loopback when it listens on all addresses, `None` when it has no name.
    pub(super) fn of(listener: &OwnedFd) -> Option<Self> {
        let name = getsockname(listener.as_fd()).ok()?;
        if let Ok(mut address) = SocketAddr::try_from(name.clone()) {
            match address {
                SocketAddr::V4(_) if address.ip().is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
                SocketAddr::V6(_) if address.ip().is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
                _ => {}
            }
            return Some(Self::Tcp(address));
        }
        let name = rustix::net::SocketAddrUnix::try_from(name).ok()?;
        let path = name.path()?.to_str().ok()?.to_owned();
        Some(Self::Unix(path.into()))
    }
}

/// Asks for `/healthz` and tells whether any HTTP answer came `within` that time; a 503 of a busy gate
/// counts. To go all the way to the front and back, ask the control or the dashboard door.
pub fn probe(address: &Address, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    let connected: std::io::Result<OwnedFd> = match address {
        Address::Tcp(address) => TcpStream::connect_timeout(address, within).map(Into::into),
        Address::Unix(path) => UnixStream::connect(path).map(Into::into),
    };
    let Some(wire) = connected.ok().and_then(|fd| Wire::new(fd).ok()) else {
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
