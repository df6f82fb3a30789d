use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::gate::{Gate, GateConfig, Limits, WebhookRules};
use super::message::{Body, Door, Request, Response};
use super::{front, porter, probe, wire};

mod life;
mod strict;

/// No test waits longer for an answer; none comes near it unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gate on loopback with a thread that answers.
struct House {
    gate: Option<Gate>,
    webhook: SocketAddr,
    dashboard: SocketAddr,
    control: PathBuf,
    handled: Arc<AtomicUsize>,
    hooks: Option<JoinHandle<()>>,
    room: TempDir,
}

fn limits() -> Limits {
    // What a test doesn't wait for is long, so that a slow machine fails none.
    Limits { head: PATIENCE, body: PATIENCE, linger: Duration::from_millis(500), ..Limits::default() }
}

fn house(limits: Limits) -> House {
    house_with(limits, echo)
}

fn house_with(limits: Limits, mut handle: impl FnMut(Request) + Send + 'static) -> House {
    let room = tempfile::tempdir().unwrap();
    let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (webhook, dashboard, control) = (tcp(), tcp(), room.path().join("control.sock"));
    let addresses = (webhook.local_addr().unwrap(), dashboard.local_addr().unwrap());
    let (gate, front) = Gate::start(GateConfig {
        webhook: Some(webhook),
        dashboard: Some(dashboard),
        control: Some(UnixListener::bind(&control).unwrap()),
        rules: WebhookRules { path: "/event_handler".into(), body_bytes_max: 2 * 1024 * 1024 },
        private_socket: room.path().join("front.sock"),
        limits,
    })
    .unwrap();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = handled.clone();
    let hooks = thread::spawn(move || {
        front.serve(|request| {
            count.fetch_add(1, Ordering::SeqCst);
            handle(request);
        });
    });
    House { gate: Some(gate), webhook: addresses.0, dashboard: addresses.1, control, handled, hooks: Some(hooks), room }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.gate.take());
        self.hooks.take().unwrap().join().expect("the thread hooks ended well");
    }
}

impl House {
    fn connect(&self, door: Door) -> Box<dyn ReadWrite> {
        match door {
            Door::Webhook => Box::new(tcp(self.webhook)),
            Door::Dashboard => Box::new(tcp(self.dashboard)),
            Door::Control => {
                let stream = UnixStream::connect(&self.control).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        }
    }

    fn ask(&self, door: Door, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect(door);
        stream.write_all(request.as_ref()).unwrap();
        read_all(&mut stream)
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_all(stream: &mut impl Read) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer and a proper end");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head and a body").1
}

/// Tells what came in.
fn echo(request: Request) {
    let names = ["X-GitHub-Event", "Connection", "TE", "Range", "Cookie"];
    let headers: Vec<_> = names.iter().filter_map(|name| request.header(name)).collect();
    let seen = serde_json::json!({
        "door": format!("{:?}", request.door), "method": request.method, "path": request.path,
        "query": request.query, "host": request.host, "body": request.body.len(),
        "uid": request.peer_uid, "headers": headers,
    });
    let mut answer = Response::json(200, &seen);
    answer.headers.extend([("X-Test", "yes".to_owned()), ("X-Bad", "a\r\nb".to_owned())]);
    request.answer(answer);
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /event_handler HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}")
}

const JSON: &str = "Content-Type: application/json\r\n";
