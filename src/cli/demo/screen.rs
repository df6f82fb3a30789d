//! What the demo shows: lines, and below them the lamp when this is a terminal.

use std::io::{Write, stdout};
use std::time::{Duration, Instant};

use super::stage::Status;
use crate::lights::pattern::BLINK_HALF;
use crate::lights::terminal::{Look, harmless, is_live, line, render};
use crate::logic::panel::Panel;

pub struct Screen {
    live: bool,
    panel: Panel,
    since: Instant,
}

impl Screen {
    pub fn of_stdout() -> Screen {
        Screen { live: is_live(), panel: Panel::default(), since: Instant::now() }
    }

    /// How soon [`redraw`](Self::redraw) has something new to show.
    pub fn beat(&self) -> Duration {
        if self.live { BLINK_HALF } else { super::ACT_MAX }
    }

    pub fn say(&mut self, text: &str) {
        self.put(&format!("{text}\n"));
    }

    pub fn title(&mut self, text: &str) {
        let bold = self.live && Look::of_stdout().colour;
        self.say(&if bold { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() });
    }

    pub fn status(&mut self, status: &Status) {
        let (state, description) = (&status.state, harmless(&status.description));
        let sha = status.sha.get(..7).unwrap_or_default();
        self.say(&format!("   status   {state:<8} {sha}  {description}"));
    }

    pub fn lamp(&mut self, panel: Panel) {
        self.panel = panel;
        self.since = Instant::now();
        let line = if self.live { render(&self.panel, true, Look::of_stdout()) } else { line(&self.panel) };
        self.say(&format!("   {line}"));
    }

    pub fn redraw(&mut self) {
        self.put("");
    }

    /// Leaves the terminal as it was.
    pub fn close(&mut self) {
        if self.live {
            self.live = false;
            self.put("\r\x1b[K");
        }
    }

    /// Writes above the lamp. A closed stdout is no reason to stop.
    fn put(&mut self, text: &str) {
        let mut out = stdout().lock();
        let written = if self.live {
            let lit = (self.since.elapsed().as_millis() / BLINK_HALF.as_millis().max(1)).is_multiple_of(2);
            write!(out, "\r\x1b[K{text}{}", render(&self.panel, lit, Look::of_stdout()))
        } else {
            write!(out, "{text}")
        };
        let _ = written.and_then(|()| out.flush());
    }
}
