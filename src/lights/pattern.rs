//! What the lamp shows from moment to moment: the truth, its blinking, and short shows over it. Pure: time is
//! handed in, the next moment is handed out.

use std::collections::VecDeque;
use std::time::Duration;

use crate::logic::panel::{Led, Panel};

/// Half a blink. 500 ms on and 500 ms off: once a second, as slow as it can be and still be seen as blinking.
pub const BLINK_HALF: Duration = Duration::from_millis(500);

/// How long each colour of a test is lit: long enough to say its name.
pub const TEST_STEP: Duration = Duration::from_millis(700);

/// How long a colour asked for by hand stays before the truth returns: a look at the lamp and back.
pub const STEADY_FOR: Duration = Duration::from_secs(10);

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Red,
    Yellow,
    Green,
}

/// Something shown for a moment instead of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LampShow {
    /// Red, yellow, green, each alone for [`TEST_STEP`].
    Test,
    /// One colour, or none, for [`STEADY_FOR`].
    Steady(Option<Colour>),
}

/// What is to be seen now: `lit` is the phase of whatever blinks in `panel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture<'a> {
    pub panel: &'a Panel,
    pub lit: bool,
}

/// The lamp's course through time; dark until told the truth.
#[derive(Debug, Default)]
pub struct Pattern {
    truth: Panel,
    lit: bool,
    /// When the phase changes next. Reckoned from the last change and not from a fixed beat, so that a late
    /// wake-up can never make two changes follow each other faster than [`BLINK_HALF`].
    flip_at: Option<Duration>,
    /// Panels shown over the truth, each with how long; the first is on.
    frames: VecDeque<(Panel, Duration)>,
    frame_ends: Duration,
}

impl Pattern {
    /// Take the truth. A blink that goes on keeps its phase.
    pub fn show(&mut self, now: Duration, panel: &Panel) {
        if self.truth == *panel {
            return;
        }
        let went_on = blinks(&self.truth) && blinks(panel);
        self.truth = panel.clone();
        if !went_on && self.frames.is_empty() {
            self.start_truth(now);
        }
    }

    /// Show something else for a moment; it replaces what was being shown so.
    pub fn play(&mut self, now: Duration, show: LampShow) {
        self.frames = match show {
            LampShow::Test => [Colour::Red, Colour::Yellow, Colour::Green]
                .into_iter()
                .map(|colour| (single(Some(colour), "lamp test"), TEST_STEP))
                .collect(),
            LampShow::Steady(colour) => [(single(colour, "set by hand, for 10 seconds"), STEADY_FOR)].into(),
        };
        self.flip_at = None;
        self.frame_ends = now + self.frames[0].1;
    }

    /// Carry out what is due.
    pub fn tick(&mut self, now: Duration) {
        if !self.frames.is_empty() {
            if now < self.frame_ends {
                return;
            }
            self.frames.pop_front();
            match self.frames.front() {
                Some((_, lasts)) => self.frame_ends = now + *lasts,
                None => self.start_truth(now),
            }
        } else if self.flip_at.is_some_and(|at| at <= now) {
            self.lit = !self.lit;
            self.flip_at = Some(now + BLINK_HALF);
        }
    }

    /// When something changes next by itself; `None` while all is steady.
    pub fn wake_at(&self) -> Option<Duration> {
        self.show_ends().or(self.flip_at)
    }

    /// When the show over the truth moves on; `None` when the truth is seen.
    pub fn show_ends(&self) -> Option<Duration> {
        (!self.frames.is_empty()).then_some(self.frame_ends)
    }

    pub fn picture(&self) -> Picture<'_> {
        match self.frames.front() {
            Some((panel, _)) => Picture { panel, lit: true },
            None => Picture { panel: &self.truth, lit: self.lit },
        }
    }

    fn start_truth(&mut self, now: Duration) {
        self.lit = true;
        self.flip_at = blinks(&self.truth).then(|| now + BLINK_HALF);
    }
}

impl Picture<'_> {
    /// Which of red, yellow and green give light.
    pub fn lights(&self) -> [bool; 3] {
        leds(self.panel).map(|led| match led {
            Led::Off => false,
            Led::On => true,
            Led::Blink => self.lit,
        })
    }
}

/// A panel with one colour steadily on, or none.
pub fn single(colour: Option<Colour>, reason: &str) -> Panel {
    let led = |this| if colour == Some(this) { Led::On } else { Led::Off };
    Panel {
        red: led(Colour::Red),
        yellow: led(Colour::Yellow),
        green: led(Colour::Green),
        reason: reason.to_string(),
        ..Panel::default()
    }
}

/// Red, yellow, green.
pub fn leds(panel: &Panel) -> [Led; 3] {
    [panel.red, panel.yellow, panel.green]
}

fn blinks(panel: &Panel) -> bool {
    leds(panel).contains(&Led::Blink)
}
