//! Which pins: boards by name, the 40-pin header, and what is impossible. Pure.

use serde::{Deserialize, Serialize};

use crate::logic::wording::distance;

/// The three pins of a lamp, as BCM numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    pub red: u8,
    pub yellow: u8,
    pub green: u8,
}

/// A board that people already have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// For `[lights] preset`.
    pub name: &'static str,
    /// As its maker calls it.
    pub board: &'static str,
    pub pins: Pins,
}

/// Every board known by name; the first one's pins are the default.
pub const PRESETS: &[Preset] = &[
    board("pi-stop-a-plus", "Pi-Stop at A+", 21, 20, 16),
    board("pi-stop-b-plus", "Pi-Stop at B+", 13, 19, 26),
    board("pi-stop-a", "Pi-Stop at A", 7, 8, 25),
    board("pi-stop-b", "Pi-Stop at B", 10, 9, 11),
    board("pi-stop-c", "Pi-Stop at C", 18, 15, 14),
    board("pi-stop-d", "Pi-Stop at D", 2, 3, 4),
    board("pi-traffic", "Low Voltage Labs PI-TRAFFIC", 9, 10, 11),
    board("traffic-hat", "Traffic HAT", 24, 23, 22),
    board("traffic-phat", "Traffic pHAT", 25, 24, 23),
    board("jamhat", "JamHat, row 1", 5, 12, 16),
];

/// The first and last BCM number on the 40-pin header that a lamp can have; 0 and 1 read the EEPROM of HATs.
const BCM_MIN: u8 = 2;
const BCM_MAX: u8 = 27;

/// Names offered when one is unknown: as many as a glance takes in.
const NEAREST_NAMES_MAX: usize = 3;

/// Physical pin on the 40-pin header, by BCM number.
const HEADER: [u8; 28] =
    [27, 28, 3, 5, 7, 29, 31, 26, 24, 21, 19, 23, 32, 33, 8, 10, 36, 11, 12, 35, 38, 40, 15, 16, 18, 22, 37, 13];

/// Jobs that pins have on most boards besides being pins.
const SECOND_JOBS: &[(u8, &str)] = &[
    (2, "I2C data, with a fixed pull-up: its LED may glow before pilotlight starts"),
    (3, "I2C clock, with a fixed pull-up: its LED may glow before pilotlight starts"),
    (7, "an SPI chip select, pulled up at boot"),
    (8, "an SPI chip select, pulled up at boot"),
    (9, "SPI (MISO): leave SPI off"),
    (10, "SPI (MOSI): leave SPI off"),
    (11, "SPI (clock): leave SPI off"),
    (14, "the serial console's output: turn the console off, or it flickers at boot"),
    (15, "the serial console's input: turn the console off"),
];

const fn board(name: &'static str, board: &'static str, red: u8, yellow: u8, green: u8) -> Preset {
    Preset { name, board, pins: Pins { red, yellow, green } }
}

impl Default for Pins {
    fn default() -> Pins {
        PRESETS[0].pins
    }
}

impl Pins {
    /// Red, yellow, green: the order everywhere in this room.
    pub fn by_colour(self) -> [(&'static str, u8); 3] {
        [("red", self.red), ("yellow", self.yellow), ("green", self.green)]
    }
}

/// The pins of the board of that name; an unknown name is answered with its nearest.
pub fn preset(name: &str) -> Result<Pins, String> {
    if let Some(found) = PRESETS.iter().find(|p| p.name == name) {
        return Ok(found.pins);
    }
    let mut names: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
    names.sort_by_key(|known| distance(name, known));
    let nearest: Vec<String> = names.iter().take(NEAREST_NAMES_MAX).map(|n| format!("`{n}`")).collect();
    Err(format!("no board is called {name:?}; the nearest are {} (hardware.md has all)", nearest.join(", ")))
}

/// Whether a lamp can be wired like this. The error names the pin, why not, and which pins are free.
pub fn check(pins: Pins) -> Result<(), String> {
    let wired = pins.by_colour();
    for (at, (colour, pin)) in wired.into_iter().enumerate() {
        let why = if pin < BCM_MIN {
            "it belongs to the EEPROM of HATs".to_string()
        } else if pin > BCM_MAX {
            format!("the 40-pin header ends at {BCM_MAX} (BCM numbers, not places on the header)")
        } else if let Some((other, _)) = wired[..at].iter().find(|(_, p)| *p == pin) {
            format!("{other} has it already")
        } else {
            continue;
        };
        return Err(format!("{colour} can't have pin {pin}: {why}; free are {}", free(pins)));
    }
    Ok(())
}

/// What to mind about pins that are possible, one sentence each.
pub fn notes(pins: Pins) -> Vec<String> {
    let of = |(colour, pin): (&str, u8)| {
        let (_, job) = SECOND_JOBS.iter().find(|(p, _)| *p == pin)?;
        Some(format!("pin {pin} ({colour}) is also {job}"))
    };
    pins.by_colour().into_iter().filter_map(of).collect()
}

/// Where on the 40-pin header a BCM number is, counted from 1.
pub fn header_pin(bcm: u8) -> Option<u8> {
    HEADER.get(usize::from(bcm)).copied()
}

/// Pins with no second job that `pins` does not use, in ranges: `4–6, 12`.
pub fn free(pins: Pins) -> String {
    let taken = |pin: &u8| pins.by_colour().iter().any(|(_, p)| p == pin) || SECOND_JOBS.iter().any(|(p, _)| p == pin);
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for pin in (BCM_MIN..=BCM_MAX).filter(|p| !taken(p)) {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == pin => *end = pin,
            _ => ranges.push((pin, pin)),
        }
    }
    let words = |(from, to): &(u8, u8)| {
        if from == to { from.to_string() } else { format!("{from}–{to}") }
    };
    ranges.iter().map(words).collect::<Vec<_>>().join(", ")
}
