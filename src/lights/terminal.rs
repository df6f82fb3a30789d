//! The lamp in a terminal, redrawn in place, or as one line for each change where nobody looks on.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::pattern::{Picture, leds};
use crate::logic::panel::{Led, Panel};
use crate::logic::text;

/// Frames that wait for a slow terminal; beyond that the oldest go, so that the newest is what remains.
const FRAMES_MAX: usize = 16;

/// How long the end waits for the last frame. A terminal held by Ctrl-S must not hold up a shutdown.
const LAST_FRAME_DEADLINE: Duration = Duration::from_millis(200);

/// The longest reason drawn: three lines of an ordinary terminal.
const REASON_CHARS_MAX: usize = 240;

/// Assumed when the terminal does not tell its width, in columns.
const WIDTH_DEFAULT: usize = 80;

/// Columns of the lamp itself: `● red  ○ yellow  ○ green` and the two blanks after it.
const LAMP_COLUMNS: usize = 26;

/// Name and ANSI colour, from left to right as on a lying traffic light.
const COLOURS: [(&str, &str); 3] = [("red", "31"), ("yellow", "33"), ("green", "32")];

/// How a lamp is to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// ANSI colours; without them circle, place and word still tell.
    pub colour: bool,
}

/// Redrawn in place, or a line for each change. The look is asked for at each frame: a window changes its size.
#[derive(Clone, Copy)]
pub enum Manner {
    Live(fn() -> Look),
    Lines,
}

/// A lamp made of text. A thread of its own writes it, so that a stalled terminal blocks nobody else.
pub struct Terminal {
    manner: Manner,
    last: String,
    /// `None` once closed.
    frames: Option<Sender<String>>,
    oldest: Receiver<String>,
    written: Receiver<()>,
}

impl Look {
    /// As stdout wants it; <https://no-color.org> is kept.
    pub fn of_stdout() -> Look {
        let size = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Look { width: if size == 0 { WIDTH_DEFAULT } else { size }, colour: !plain && is_live() }
    }
}

/// Whether stdout is a terminal that can redraw a line.
pub fn is_live() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The lamp in one line no wider than the terminal, without a line's end: `● red  ○ yellow  ○ green  why`.
/// `lit` is the phase of what blinks.
pub fn render(panel: &Panel, lit: bool, look: Look) -> String {
    let lights = Picture { panel, lit }.lights();
    let mut lamp = Vec::new();
    for (((name, colour), led), on) in COLOURS.into_iter().zip(leds(panel)).zip(lights) {
        // In its dark half a blink is another shape than what is off.
        let circle = if led == Led::Blink && !on { '◎' } else { led.shape() };
        lamp.push(match (look.colour, on) {
            (true, true) => format!("\x1b[1;{colour}m{circle} {name}\x1b[0m"),
            (true, false) => format!("\x1b[2m{circle} {name}\x1b[0m"),
            (false, _) => format!("{circle} {name}"),
        });
    }
    let reason = fit(&about(panel), look.width.saturating_sub(LAMP_COLUMNS + 1));
    format!("{}  {reason}", lamp.join("  ")).trim_end().to_string()
}

/// The lamp in words, lit colours first, without a line's end:
/// `lamp: yellow blinking, red off, green off (acme/app#7 is running)`.
pub fn line(panel: &Panel) -> String {
    let mut colours: Vec<(Led, &str)> = leds(panel).into_iter().zip(COLOURS.map(|(name, _)| name)).collect();
    colours.sort_by_key(|(led, _)| *led == Led::Off);
    let words: Vec<String> = colours.iter().map(|(led, name)| format!("{name} {}", led.word())).collect();
    let dark = colours.iter().all(|(led, _)| *led == Led::Off);
    let lamp = if dark { "dark".to_string() } else { words.join(", ") };
    match about(panel) {
        why if why.is_empty() => format!("lamp: {lamp}"),
        why => format!("lamp: {lamp} ({why})"),
    }
}

/// `text` with nothing in it that moves a cursor, ends a line, or turns the reading direction round.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if text::acts(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl Terminal {
    /// On stdout, in the manner it can show.
    pub fn on_stdout() -> io::Result<Terminal> {
        // Unbuffered and without stdout's lock: whoever else prints is not held up by us.
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Terminal::new(out, if is_live() { Manner::Live(Look::of_stdout) } else { Manner::Lines })
    }

    /// On anything that can be written to; its errors are ignored.
    pub fn new(mut out: impl Write + Send + 'static, manner: Manner) -> io::Result<Terminal> {
        let (frames, inbox) = bounded::<String>(FRAMES_MAX);
        let (ended, written) = bounded(0);
        let oldest = inbox.clone();
        thread::Builder::new().name("lamp".to_string()).spawn(move || {
            let _until_the_end: Sender<()> = ended;
            for frame in inbox {
                let _ = out.write_all(frame.as_bytes()).and_then(|()| out.flush());
            }
        })?;
        Ok(Terminal { manner, last: String::new(), frames: Some(frames), oldest, written })
    }

    /// Whether the phases of a blink are drawn; a line says "blinking" once.
    pub fn draws_phases(&self) -> bool {
        matches!(self.manner, Manner::Live(_))
    }

    pub fn draw(&mut self, picture: &Picture) {
        // A live lamp stands behind one blank, and the cursor on that blank: what others print starts a line.
        let frame = match self.manner {
            Manner::Live(look) => format!("\r\x1b[2K {}\r", render(picture.panel, picture.lit, look())),
            Manner::Lines => format!("{}\n", line(picture.panel)),
        };
        if frame != self.last {
            self.send(frame.clone());
            self.last = frame;
        }
    }

    /// Nothing more will be drawn. Waits a moment for what was.
    pub fn close(&mut self) {
        if self.draws_phases() {
            self.send("\n".to_string());
        }
        self.frames = None;
        let _ = self.written.recv_timeout(LAST_FRAME_DEADLINE);
    }

    fn send(&self, frame: String) {
        let Some(frames) = &self.frames else { return };
        let mut frame = frame;
        while let Err(TrySendError::Full(refused)) = frames.try_send(frame) {
            let _ = self.oldest.try_recv();
            frame = refused;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.frames.is_some() {
            self.close();
        }
    }
}

/// What the panel is about, in harmless words.
fn about(panel: &Panel) -> String {
    let subject = match (&panel.repository, panel.pull) {
        (Some(repository), Some(pull)) => format!("{repository}#{pull}"),
        _ => String::new(),
    };
    let words = match panel.reason.as_str() {
        "" => subject,
        reason if reason.contains(&subject) => reason.to_string(),
        reason => format!("{subject}: {reason}"),
    };
    fit(&harmless(&words), REASON_CHARS_MAX)
}

/// As much of `text` as surely fits: a character beyond ASCII is taken to be two columns wide.
fn fit(text: &str, columns: usize) -> String {
    let wide = |c: char| if c.is_ascii() { 1 } else { 2 };
    if text.chars().map(wide).sum::<usize>() <= columns {
        return text.to_string();
    }
    let mut left = columns.saturating_sub(2);
    let short: String =
        text.chars().take_while(|c| left.checked_sub(wide(*c)).map(|rest| left = rest).is_some()).collect();
    if columns < 2 { short } else { format!("{}…", short.trim_end()) }
}
