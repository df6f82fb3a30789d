//! The lamp: three LEDs, or what stands for them. It shows the panel it is given and never decides.
//!
//! [`pattern`] says what is seen when, [`pins`] which pins there are; [`gpio`], [`gpiochip`] and [`terminal`]
//! carry it out, [`memory`] knows which lamp a crash may have left lit. A lamp that can't be had is a warning and stays
//! dark, and is tried again; the daemon goes on.

mod gpio;
mod gpiochip;
mod memory;
pub mod pattern;
pub mod pins;
pub mod terminal;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::logic::panel::Panel;
pub use memory::Memory;
pub use pattern::{Colour, LampShow};
use pattern::{Pattern, single};
pub use pins::Pins;
use terminal::Terminal;

/// Until a lamp that could not be had is tried again: while a box boots, udev has yet to give its group the pins.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// Between tries in the long run: a person plugs it in, or another program lets go of its pins.
const RETRY_BEAT: Duration = Duration::from_secs(60);

/// `[lights]`, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightsConfig {
    pub driver: DriverKind,
    pub pins: Pins,
    /// A low level makes light: relay boards, LEDs wired to 3.3 V.
    pub active_low: bool,
}

/// What there is when somebody wants to move the lamp of the driver `none`.
pub const NO_LAMP: &str = "no lamp to move: lights.driver is \"none\"";

/// `driver` of `[lights]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverKind {
    /// rppal where it knows the board, else the character device.
    #[default]
    Gpio,
    Gpiochip,
    Terminal,
    None,
}

/// The lamp of this box. Dropping it leaves the LEDs as they are, except in a panic: then they go dark.
pub struct Lights {
    config: LightsConfig,
    driver: Driver,
    problem: Option<String>,
    /// When it is tried again, while there is a problem.
    retry_at: Duration,
    /// Where others find which lamp this is, until it is dark.
    memory: Option<Memory>,
    pattern: Pattern,
    /// The levels last written, high or low, in the order red, yellow, green.
    high: [bool; 3],
}

enum Driver {
    Registers(gpio::Registers),
    Lines(gpiochip::Lines),
    Terminal(Terminal),
    Dark,
}

/// A way to the pins that works, with no pin touched yet.
enum Way {
    Registers(rppal::gpio::Gpio),
    Lines(gpiochip::Found),
}

impl Lights {
    /// The lamp, dark. What can't be opened is logged with its cure, kept for [`Lights::problem`], and tried again.
    pub fn open(config: &LightsConfig) -> Lights {
        let high = [config.active_low; 3];
        let (driver, problem) = match open(config, high) {
            Ok(driver) => (driver, None),
            Err(why) => {
                log::warn!("The lamp stays dark: {why}");
                (Driver::Dark, Some(why))
            }
        };
        let (retry_at, pattern) = (RETRY_FIRST, Pattern::default());
        Lights { config: config.clone(), driver, problem, retry_at, memory: None, pattern, high }
    }

    /// For a daemon: whoever comes after a crash finds in `state_dir` which lamp this is.
    pub fn remembered_in(mut self, state_dir: &Path) -> Lights {
        self.memory = Some(Memory::in_directory(state_dir));
        self.remember();
        self
    }

    /// Take a new configuration, or try again with the same one after a problem. The old pins go dark and are
    /// given back first: the new ones may be the same.
    pub fn reopen(&mut self, now: Duration, config: &LightsConfig) {
        if self.config == *config && self.problem.is_none() {
            return;
        }
        let pattern = std::mem::take(&mut self.pattern);
        self.off();
        let memory = self.memory.take();
        self.driver = Driver::Dark;
        *self = Lights::open(config);
        self.retry_at += now;
        (self.pattern, self.memory) = (pattern, memory);
        self.remember();
        self.draw(now);
    }

    /// Why the lamp is dark, and the cure.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Show the truth. The same truth again costs nothing.
    pub fn show(&mut self, now: Duration, panel: &Panel) {
        self.pattern.show(now, panel);
        self.draw(now);
    }

    /// Show something else for a moment, then the truth again.
    pub fn play(&mut self, now: Duration, show: LampShow) {
        if matches!(self.driver, Driver::Dark) {
            return;
        }
        self.pattern.play(now, show);
        self.draw(now);
    }

    /// Carry out what is due.
    pub fn tick(&mut self, now: Duration) {
        if self.problem.is_some() && self.retry_at <= now {
            self.retry(now);
        }
        self.pattern.tick(now);
        self.draw(now);
    }

    /// When something changes next by itself; `None` while all is steady, and nobody need wake.
    pub fn wake_at(&self) -> Option<Duration> {
        match &self.driver {
            Driver::Dark => self.problem.as_ref().map(|_| self.retry_at),
            Driver::Terminal(terminal) if !terminal.draws_phases() => self.pattern.show_ends(),
            _ => self.pattern.wake_at(),
        }
    }

    /// For `pilotlight lamp COLOUR` without a daemon: this, until somebody else says otherwise. The level stays
    /// after our end with rppal, and with the character device on Raspberry Pi's own kernels; others may
    /// make the pin an input again.
    pub fn leave(&mut self, colour: Option<Colour>) {
        self.show(Duration::ZERO, &single(colour, "set by hand"));
    }

    /// Dark: at the end.
    pub fn off(&mut self) {
        self.pattern = Pattern::default();
        self.show(Duration::ZERO, &single(None, "pilotlight has stopped"));
        if let Driver::Terminal(terminal) = &mut self.driver {
            terminal.close();
        }
        if let Some(memory) = self.memory.as_ref().filter(|_| self.problem.is_none()) {
            memory.forget();
        }
    }

    /// The same trouble is logged once.
    fn retry(&mut self, now: Duration) {
        let dark = [self.config.active_low; 3];
        match open(&self.config, dark) {
            Ok(driver) => {
                log::info!("the lamp can be lit again");
                (self.driver, self.problem, self.high) = (driver, None, dark);
                self.remember();
            }
            Err(why) => {
                if self.problem.as_ref() != Some(&why) {
                    log::warn!("The lamp stays dark: {why}");
                }
                // After 1, 2, 4… seconds, reckoned from the start.
                (self.problem, self.retry_at) = (Some(why), now + now.clamp(RETRY_FIRST, RETRY_BEAT));
            }
        }
    }

    fn remember(&self) {
        match (&self.memory, self.config.driver, &self.problem) {
            (Some(memory), DriverKind::None, _) => memory.forget(),
            (Some(memory), _, None) => memory.keep(&self.config),
            // Perhaps it is an earlier daemon's lamp that is lit.
            _ => {}
        }
    }

    fn draw(&mut self, now: Duration) {
        let picture = self.pattern.picture();
        let high = picture.lights().map(|light| light != self.config.active_low);
        let written = match &mut self.driver {
            Driver::Terminal(terminal) => {
                terminal.draw(&picture);
                Ok(())
            }
            _ if high == self.high => Ok(()),
            Driver::Registers(pins) => {
                pins.set(high);
                Ok(())
            }
            Driver::Lines(lines) => lines.set(high),
            Driver::Dark => Ok(()),
        };
        self.high = high;
        if let Err(why) = written {
            log::warn!("The lamp stays dark: {why}");
            (self.problem, self.retry_at) = (Some(why), now + RETRY_BEAT);
            self.driver = Driver::Dark;
        }
    }
}

impl Drop for Lights {
    fn drop(&mut self) {
        // A lamp frozen by a crash would go on telling an old truth.
        if std::thread::panicking() {
            self.off();
        }
    }
}

/// For `pilotlight check`: whether the lamp can be had, by which way, in words; else why not, and the cure.
/// Touches no pin, so that a running daemon's lamp stays as it is.
pub fn probe(config: &LightsConfig) -> Result<String, String> {
    let way = match config.driver {
        DriverKind::None => return Ok("none is configured".to_string()),
        DriverKind::Terminal => return Ok("in the terminal".to_string()),
        DriverKind::Gpio | DriverKind::Gpiochip => find(config.driver)?,
    };
    let words = match &way {
        Way::Registers(_) => "pins through rppal".to_string(),
        Way::Lines(chip) => format!("pins through {} ({})", chip.path.display(), chip.label),
    };
    match holder(&way, config.pins) {
        Some((_, name)) if name == gpiochip::CONSUMER => Ok(format!("{words}, held by a running pilotlight")),
        Some((pin, name)) => Err(gpiochip::busy(pin, &name, config.pins)),
        None => Ok(words),
    }
}

fn open(config: &LightsConfig, high: [bool; 3]) -> Result<Driver, String> {
    let way = match config.driver {
        DriverKind::None => return Ok(Driver::Dark),
        DriverKind::Terminal => {
            return Terminal::on_stdout().map(Driver::Terminal).map_err(|e| format!("stdout can't be used: {e}"));
        }
        DriverKind::Gpio | DriverKind::Gpiochip => find(config.driver)?,
    };
    if let Some((pin, name)) = holder(&way, config.pins) {
        return Err(gpiochip::busy(pin, &name, config.pins));
    }
    match way {
        Way::Registers(registers) => gpio::take(&registers, config.pins, high).map(Driver::Registers),
        Way::Lines(chip) => gpiochip::take(&chip, config.pins, high).map(Driver::Lines),
    }
}

fn find(driver: DriverKind) -> Result<Way, String> {
    if driver == DriverKind::Gpiochip {
        return gpiochip::find().map(Way::Lines);
    }
    match gpio::find() {
        Ok(registers) => Ok(Way::Registers(registers)),
        Err(rppal) => gpiochip::find().map(Way::Lines).map_err(|chip| gpio::problem(&rppal, &chip)),
    }
}

/// rppal itself never asks whether the kernel has given a pin to somebody else.
fn holder(way: &Way, pins: Pins) -> Option<(u8, String)> {
    match way {
        Way::Lines(chip) => gpiochip::holder(chip, pins),
        Way::Registers(_) => gpiochip::holder(&gpiochip::find().ok()?, pins),
    }
}

#[cfg(test)]
mod tests;
