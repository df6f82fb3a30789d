//! What systemd hears: `sd_notify(3)`, one datagram a word.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The way to the service manager, if there is one.
pub struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    said: String,
}

impl Notify {
    /// The manager named by `$NOTIFY_SOCKET`.
    pub fn of_process() -> Notify {
        let address = env::var("NOTIFY_SOCKET").ok().and_then(|path| match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(path).ok(),
        });
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        Notify { socket, said: String::new() }
    }

    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// All is well: systemd need not restart us.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// What `systemctl status` shows; said only when it changes.
    pub fn status(&mut self, words: &str) {
        if self.socket.is_some() && self.said != words {
            words.clone_into(&mut self.said);
            self.say(&format!("STATUS={}", words.replace('\n', " ")));
        }
    }

    fn say(&self, words: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that is gone is nobody's trouble.
            let _ = socket.send_to_addr(words.as_bytes(), address);
        }
    }
}
