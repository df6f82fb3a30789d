//! The attackers' connections.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};

use super::siege::{Door, Siege};
use crate::support::PATIENCE;

/// Bytes that a reader who does not read lets into its own buffer.
const SMALL_BUFFER_BYTES: usize = 4096;

/// Connections of one kind, open until it is dropped.
pub struct Wave(pub Vec<TcpStream>);

impl Wave {
    /// So many connections, each with these first bytes.
    #[track_caller]
    pub fn new(siege: &Siege, door: Door, count: usize, first: &[u8]) -> Wave {
        Wave((0..count).map(|_| open(siege, door, first)).collect())
    }

    /// Sends these bytes on each; whoever was shown out already does not mind.
    pub fn send(&mut self, bytes: &[u8]) {
        for stream in &mut self.0 {
            let _ = stream.write_all(bytes);
        }
    }

    /// Ends them all with a reset.
    pub fn reset(self) {
        self.0.iter().for_each(set_reset);
    }

    /// What each was answered, read to its end: the status, or `None` for an end without an answer.
    #[track_caller]
    pub fn answers(self) -> Vec<Option<u16>> {
        self.0.into_iter().map(|mut stream| answers(&mut stream).first().copied()).collect()
    }
}

/// One connection with these first bytes.
#[track_caller]
pub fn open(siege: &Siege, door: Door, first: &[u8]) -> TcpStream {
    let address = siege.address(door);
    let mut stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("connecting to {address}: {e}"));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // It may have been turned away already.
    let _ = stream.write_all(first);
    stream
}

/// Asks and never reads.
#[track_caller]
pub fn open_deaf(siege: &Siege, door: Door, first: &[u8]) -> TcpStream {
    let stream = open(siege, door, b"");
    set_socket_recv_buffer_size(&stream, SMALL_BUFFER_BYTES).unwrap();
    let _ = (&stream).write_all(first);
    stream
}

/// Makes the end of this stream a reset.
pub fn set_reset(stream: &TcpStream) {
    set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

/// The statuses of all answers on a stream, read to its end or reset.
#[track_caller]
pub fn answers(stream: &mut TcpStream) -> Vec<u16> {
    let mut raw = Vec::new();
    match stream.read_to_end(&mut raw) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
        Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&raw)),
    }
    let raw = String::from_utf8_lossy(&raw);
    let statuses = raw.split("HTTP/1.1 ").skip(1);
    statuses.filter(|rest| !rest.starts_with("100")).map(|rest| rest[..3].parse().expect("a status")).collect()
}
