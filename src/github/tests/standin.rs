//! A stand-in for GitHub that sends whatever bytes a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use super::TOKEN;
use crate::github::Client;
use crate::github::client::Limits;
use crate::logic::secret::Secret;

/// A request as the stand-in saw it, and on which of its connections (from 1).
pub struct Seen {
    pub connection: usize,
    pub head: String,
    pub body: String,
}

/// A stand-in for GitHub on loopback: each request gets the next raw answer. An empty one stands for silence.
/// A connection is closed after an answer that says so, or one that is no HTTP.
pub struct StandIn {
    pub url: String,
    pub seen: mpsc::Receiver<Seen>,
}

impl StandIn {
    pub fn start(answers: Vec<String>) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, seen) = mpsc::channel();
        let mut answers = answers.into_iter().peekable();
        thread::spawn(move || {
            let mut connection = 0;
            while answers.peek().is_some() {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                connection += 1;
                while let Some((head, body)) = read_request(&mut stream) {
                    let _ = tell.send(Seen { connection, head, body });
                    let Some(answer) = answers.next() else { return };
                    if answer.is_empty() {
                        // Until the client gives up and closes.
                        let _ = stream.read(&mut [0]);
                        break;
                    }
                    let _ = stream.get_mut().write_all(answer.as_bytes());
                    if answer.contains("Connection: close") || !answer.starts_with("HTTP/1.1") {
                        break;
                    }
                }
            }
        });
        StandIn { url, seen }
    }

    pub fn client(&self, limits: Limits) -> Client {
        Client::with_limits(&self.url, Some(&Secret::new(TOKEN)), limits).unwrap()
    }
}

fn read_request(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}
