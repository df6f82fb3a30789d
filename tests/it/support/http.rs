//! HTTP/1.1 made by hand on a TCP stream, so that tests may also send what no client would.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::PATIENCE;

/// Header names in lower case, in the order they came.
pub type Headers = Vec<(String, String)>;

pub fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// A request as a stand-in reads it.
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// An answer as a test reads it, chunks put together.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {:?}", self.text()))
    }
}

/// One request on a connection of its own, and its answer.
#[track_caller]
pub fn request(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(address, method, path, headers, body).reply()
}

/// Sends a request on a connection of its own. `Host`, `Content-Length` and `Connection` are added unless given.
#[track_caller]
pub fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Sent {
    let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    let length = body.len().to_string();
    for (name, value) in [("Host", address), ("Content-Length", &length), ("Connection", "close")] {
        if !given(name) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    Sent::new(address, &[head.as_bytes(), b"\r\n", body].concat())
}

/// Sends these bytes as they are and returns everything that comes back until the other side closes.
#[track_caller]
pub fn raw(address: &str, bytes: &[u8]) -> Vec<u8> {
    Sent::new(address, bytes).answer()
}

/// What was sent and waits for its answer.
pub struct Sent(TcpStream);

impl Sent {
    #[track_caller]
    fn new(address: &str, bytes: &[u8]) -> Sent {
        let mut stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("connecting to {address}: {e}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(bytes);
        Sent(stream)
    }

    #[track_caller]
    fn answer(mut self) -> Vec<u8> {
        let mut answer = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut answer) {
            // Closed early it may also be reset, after the answer.
            let reset = error.kind() == ErrorKind::ConnectionReset && !answer.is_empty();
            assert!(reset, "reading: {error} after {:?}", String::from_utf8_lossy(&answer));
        }
        answer
    }

    #[track_caller]
    pub fn reply(self) -> Reply {
        parse_reply(&self.answer())
    }
}

#[track_caller]
pub fn parse_reply(raw: &[u8]) -> Reply {
    let mut rest = BufReader::new(raw);
    let (first, headers) =
        read_head(&mut rest).unwrap_or_else(|| panic!("no HTTP: {:?}", String::from_utf8_lossy(raw)));
    let status = first.split(' ').nth(1).and_then(|s| s.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in {first:?}"));
    let mut body = Vec::new();
    if header(&headers, "transfer-encoding") == Some("chunked") {
        while let Some(chunk) = read_chunk(&mut rest) {
            body.extend(chunk);
        }
    } else {
        rest.read_to_end(&mut body).unwrap();
    }
    Reply { status, headers, body }
}

/// The next request of a connection, `None` when it has ended.
pub fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let (first, headers) = read_head(stream)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut body = vec![0; header(&headers, "content-length").map_or(Some(0), |l| l.parse().ok())?];
    stream.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

fn read_head(stream: &mut impl BufRead) -> Option<(String, Headers)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let split = |line: &String| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
    let headers = lines.iter().skip(1).filter_map(split).collect();
    Some((lines.into_iter().next()?, headers))
}

fn read_chunk(stream: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut size = String::new();
    stream.read_line(&mut size).ok()?;
    let size = usize::from_str_radix(size.trim(), 16).ok().filter(|&size| size > 0)?;
    let mut chunk = vec![0; size + 2];
    stream.read_exact(&mut chunk).ok()?;
    chunk.truncate(size);
    Some(chunk)
}
