//! A build's log: one file, in sections with a header each, and no section longer than its bounds.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::mask::Mask;
use super::plain;
use crate::logic::build::BuildId;
use crate::worker::protocol::{LOG_HEAD_BYTES_MAX, LOG_TAIL_BYTES_MAX};

/// The heads of all sections together, in bytes: four long ones. Later ones have their tails alone.
const LOG_HEADS_BYTES_MAX: usize = 4 * LOG_HEAD_BYTES_MAX;

/// The same bounds in lines, for output of hardly more than line ends: far more than anybody scrolls through.
const LOG_HEAD_LINES_MAX: usize = 200_000;
const LOG_TAIL_LINES_MAX: usize = 20_000;

/// Where a build's log is, for all who read it.
pub fn log_path(state_dir: &Path, build: BuildId) -> PathBuf {
    state_dir.join("logs").join(format!("{build}.log"))
}

/// The log of one run of a build. Another run of it starts the file again, and with it the offsets. A log that
/// can't be written is no reason to end a build: that is said once, and the rest is dropped.
pub struct Log {
    file: Option<File>,
    build: BuildId,
    /// Bytes in the file.
    written: u64,
    /// The last byte in the file was no line feed.
    mid_line: bool,
    /// Bytes of this section's head, lines of it, and bytes of all heads.
    head_left: usize,
    lines_left: usize,
    heads_left: usize,
    tail: Vec<u8>,
    cut: u64,
    mask: Mask,
}

impl Log {
    pub fn create(state_dir: &Path, build: BuildId) -> Log {
        let path = log_path(state_dir, build);
        let dir = path.parent().unwrap_or(state_dir);
        // A build's output is for whoever the dashboard shows it to, not for every user of the machine.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        let file =
            made.and_then(|()| OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path));
        let file = file.inspect_err(|error| log::warn!(build = build; "cannot write {}: {error}", path.display())).ok();
        Log {
            file,
            build,
            written: 0,
            mid_line: false,
            head_left: LOG_HEAD_BYTES_MAX,
            lines_left: LOG_HEAD_LINES_MAX,
            heads_left: LOG_HEADS_BYTES_MAX,
            tail: Vec::new(),
            cut: 0,
            mask: Mask::default(),
        }
    }

    /// From now on the secrets of `mask` don't get through.
    pub fn mask(&mut self, mask: Mask) {
        self.mask = mask;
    }

    /// `words` as the log would show them.
    pub fn masked(&self, words: &str) -> String {
        self.mask.words(words)
    }

    /// Ends the section before and heads a new one. Returns the offset of its first byte after the header.
    pub fn section(&mut self, title: &str) -> u64 {
        self.end_section();
        let gap = if self.mid_line { "\n" } else { "" };
        self.put(format!("{gap}── {}\n", plain(title)).as_bytes());
        self.written
    }

    /// Adds output to the section: its head as it comes, its tail at its end.
    pub fn write(&mut self, bytes: &[u8]) {
        let mut mask = std::mem::take(&mut self.mask);
        mask.push(bytes, &mut |bytes| self.add(bytes));
        self.mask = mask;
    }

    /// The same, with nothing left in it that must not be seen.
    fn add(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(self.of_head(bytes));
        self.head_left -= head.len();
        self.heads_left -= head.len();
        self.lines_left -= head.iter().filter(|byte| **byte == b'\n').count();
        self.put(head);
        self.tail.extend_from_slice(rest);
        // Twice the tail, so that bytes are moved seldom.
        if self.tail.len() > 2 * LOG_TAIL_BYTES_MAX {
            self.cut_tail();
        }
    }

    fn flush_mask(&mut self) {
        let mut mask = std::mem::take(&mut self.mask);
        mask.flush(&mut |bytes| self.add(bytes));
        self.mask = mask;
    }

    /// Leaves out so much output that is not here.
    pub fn skip(&mut self, bytes: u64) {
        self.head_left = 0;
        self.cut = self
            .cut
            .saturating_add(bytes)
            .saturating_add(self.mask.forget() as u64)
            .saturating_add(self.tail.len() as u64);
        self.tail.clear();
    }

    /// Writes what was held back. Returns the offset after the section's last byte.
    pub fn end_section(&mut self) -> u64 {
        self.flush_mask();
        self.cut_tail();
        let ends = self.tail.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        let first = ends.map(|(at, _)| at + 1).nth(LOG_TAIL_LINES_MAX).unwrap_or_default();
        let tail = std::mem::take(&mut self.tail).split_off(first);
        self.cut = self.cut.saturating_add(first as u64);
        if self.cut > 0 {
            let gap = if self.mid_line { "\n" } else { "" };
            self.put(format!("{gap}── {} bytes of output are cut here ──\n", self.cut).as_bytes());
        }
        self.put(&tail);
        self.head_left = LOG_HEAD_BYTES_MAX;
        self.lines_left = LOG_HEAD_LINES_MAX;
        self.cut = 0;
        self.written
    }

    fn cut_tail(&mut self) {
        let surplus = self.tail.len().saturating_sub(LOG_TAIL_BYTES_MAX);
        self.tail.drain(..surplus);
        self.cut = self.cut.saturating_add(surplus as u64);
    }

    /// How many of `bytes` still belong to the head.
    fn of_head(&self, bytes: &[u8]) -> usize {
        let fits = &bytes[..bytes.len().min(self.head_left).min(self.heads_left)];
        fits.split_inclusive(|byte| *byte == b'\n').take(self.lines_left).map(<[u8]>::len).sum()
    }

    fn put(&mut self, bytes: &[u8]) {
        let (Some(file), Some(last)) = (&mut self.file, bytes.last()) else {
            return;
        };
        match file.write_all(bytes) {
            Ok(()) => {
                self.written += bytes.len() as u64;
                self.mid_line = *last != b'\n';
            }
            Err(error) => {
                log::warn!(build = self.build; "the rest of its log is lost: {error}");
                self.written = file.metadata().map_or(self.written, |meta| meta.len());
                self.file = None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
