//! Which pins: boards by name, and what is impossible. Pure.

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

/// Boards that people already have, by their name for `[lights] preset`; hardware.md says how their makers call them.
/// The first one's pins are the default.
pub const PRESETS: [(&str, Pins); 10] = [
    ("pi-stop-a-plus", wired(21, 20, 16)),
    ("pi-stop-b-plus", wired(13, 19, 26)),
    ("pi-stop-a", wired(7, 8, 25)),
    ("pi-stop-b", wired(10, 9, 11)),
    ("pi-stop-c", wired(18, 15, 14)),
    ("pi-stop-d", wired(2, 3, 4)),
    ("pi-traffic", wired(9, 10, 11)),
    ("traffic-hat", wired(24, 23, 22)),
    ("traffic-phat", wired(25, 24, 23)),
    ("jamhat", wired(5, 12, 16)),
];

/// The first and last BCM number on the 40-pin header that a lamp can have; 0 and 1 read the EEPROM of HATs.
const BCM_MIN: u8 = 2;
const BCM_MAX: u8 = 27;

/// Names offered when one is unknown: as many as a glance takes in.
const NEAREST_NAMES_MAX: usize = 3;

/// Pins with another job on most boards, which may move or light their LED: I2C, SPI, the serial console.
const SECOND_JOBS: [u8; 9] = [2, 3, 7, 8, 9, 10, 11, 14, 15];

const fn wired(red: u8, yellow: u8, green: u8) -> Pins {
    Pins { red, yellow, green }
}

impl Default for Pins {
    fn default() -> Pins {
        PRESETS[0].1
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
    if let Some(found) = PRESETS.iter().find(|(known, _)| *known == name) {
        return Ok(found.1);
    }
    let mut names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
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

/// Pins with no second job that `pins` does not use, in ranges: `4–6, 12`.
pub fn free(pins: Pins) -> String {
    let taken = |pin: &u8| pins.by_colour().iter().any(|(_, p)| p == pin) || SECOND_JOBS.contains(pin);
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
