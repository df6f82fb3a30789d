//! A stand-in for GitHub's API that notes when each status came in. Lists never change: 304 to who knows them.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use super::stamps::Stamps;
use crate::support::http::{Request, header, read_request};

/// One commit status.
#[derive(Clone, Debug)]
pub struct Told {
    pub sha: String,
    pub state: String,
}

/// Lives as long as the benchmark: its threads wait for calls.
pub struct Hub {
    address: String,
    pub statuses: Stamps<Told>,
    /// The paths of questions.
    pub asked: Stamps<String>,
}

impl Hub {
    pub fn start() -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("a bound listener").to_string();
        let hub = Hub { address, statuses: Stamps::new(), asked: Stamps::new() };
        let (statuses, asked) = (hub.statuses.clone(), hub.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (statuses, asked) = (statuses.clone(), asked.clone());
                thread::spawn(move || serve(stream, &statuses, &asked));
            }
        });
        hub
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(stream: TcpStream, statuses: &Stamps<Told>, asked: &Stamps<String>) {
    // As GitHub's servers do; an answer must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        let at = Instant::now();
        if stream.get_mut().write_all(answer(&request).as_bytes()).is_err() {
            return;
        }
        match told(&request) {
            Some(told) => statuses.push(at, told),
            None => asked.push(at, request.path),
        }
    }
}

fn answer(request: &Request) -> String {
    let known = header(&request.headers, "if-none-match").is_some();
    let (status, body) = match request.method.as_str() {
        "POST" => ("201 Created", "{\"id\":1}"),
        _ if known => return "HTTP/1.1 304 Not Modified\r\nETag: \"same\"\r\n\r\n".to_owned(),
        _ if request.path.contains("/status") => ("200 OK", "{\"statuses\":[]}"),
        _ => ("200 OK", "[]"),
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nETag: \"same\"\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn told(request: &Request) -> Option<Told> {
    let (_, sha) = request.path.rsplit_once("/statuses/").filter(|_| request.method == "POST")?;
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    Some(Told { sha: sha.to_owned(), state: body["state"].as_str()?.to_owned() })
}
