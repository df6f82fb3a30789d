//! What the machine gives at the least: one `POST` of the same bytes to a server that does nothing, and one append
//! that is on the disk.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::stage::{Answered, Hook, send};
use crate::support::http::read_request;

/// A page of SQLite's.
const APPENDED_BYTES: usize = 4096;

pub struct Floor {
    address: String,
    file: File,
}

impl Floor {
    /// The file is on the disk that `below` is on.
    pub fn new(below: &Path) -> Floor {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("a bound listener").to_string();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut stream = BufReader::new(stream);
                if read_request(&mut stream).is_some() {
                    let answer = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
                    let _ = stream.get_mut().write_all(answer);
                }
            }
        });
        let file = OpenOptions::new().append(true).create(true).open(below.join("appended")).expect("our own file");
        Floor { address, file }
    }

    /// Of the server.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn post(&self, hook: &Hook) -> Answered {
        send(&self.address, hook)
    }

    pub fn sync(&self) -> Duration {
        let begun = Instant::now();
        (&self.file).write_all(&[b'x'; APPENDED_BYTES]).expect("space on the disk");
        self.file.sync_data().expect("a disk that works");
        begun.elapsed()
    }
}
