//! Output on its way to the daemon: its head as it comes, and of the rest no more than will be kept.
//!
//! A check that prints without end costs its own worker, and neither the daemon nor the card.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Daemon;
use super::protocol::{Frame, LOG_HEAD_BYTES_MAX, LOG_TAIL_BYTES_MAX, News};

/// Between two parts of what comes behind the head, unless the check ends: so if this whole unit is killed, only the
/// last moment of a flood is lost.
const BEAT: Duration = Duration::from_secs(1);

/// The output of one check.
pub struct Output<'a> {
    daemon: &'a Daemon,
    head_left: usize,
    held: Vec<u8>,
    cut: u64,
    passed_on: Instant,
}

impl Output<'_> {
    pub fn to(daemon: &Daemon) -> Output<'_> {
        Output { daemon, head_left: LOG_HEAD_BYTES_MAX, held: Vec::new(), cut: 0, passed_on: Instant::now() }
    }

    /// Takes more of it. `Stopped`, where the daemon is gone.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (head, rest) = bytes.split_at(bytes.len().min(self.head_left));
        self.head_left -= head.len();
        if !head.is_empty() {
            self.daemon.tell(&Frame::Log(head.to_vec()))?;
        }
        self.held.extend_from_slice(rest);
        // Twice the tail, so that bytes are moved seldom.
        if self.held.len() > 2 * LOG_TAIL_BYTES_MAX {
            self.cut(self.held.len() - LOG_TAIL_BYTES_MAX);
        }
        if self.head_left == 0 && self.passed_on.elapsed() >= BEAT { self.flush() } else { Ok(()) }
    }

    /// Passes on what was held back.
    pub fn flush(&mut self) -> Result<()> {
        self.cut(self.held.len().saturating_sub(LOG_TAIL_BYTES_MAX));
        if self.cut > 0 {
            // From a line's start on, or else from far behind whatever was cut through: nobody would know half a
            // secret.
            let part = self.held.len() / 4;
            self.cut(self.held[..part].iter().position(|byte| *byte == b'\n').map_or(part, |at| at + 1));
            self.daemon.tell(&Frame::News(News::Cut { bytes: std::mem::take(&mut self.cut) }))?;
        }
        self.passed_on = Instant::now();
        match std::mem::take(&mut self.held) {
            held if held.is_empty() => Ok(()),
            held => self.daemon.tell(&Frame::Log(held)),
        }
    }

    fn cut(&mut self, bytes: usize) {
        self.held.drain(..bytes);
        self.cut += bytes as u64;
    }
}
