//! The pins through rppal: it writes the GPIO registers and asks nobody. For the Raspberry Pis it knows, up to 5.

use rppal::gpio::{Error, Gpio, OutputPin};

use super::gpiochip::GROUP_CURE;
use super::pins::Pins;

/// Red, yellow, green as outputs.
pub struct Registers([OutputPin; 3]);

/// The registers, if rppal knows this board and may open them. Touches no pin.
pub fn find() -> Result<Gpio, Error> {
    Gpio::new()
}

/// Make the pins outputs. Each gets its level before its direction, so that nothing flashes or clicks.
pub fn take(gpio: &Gpio, pins: Pins, high: [bool; 3]) -> Result<Registers, String> {
    let one = |pin: u8, high: bool| {
        let free = gpio.get(pin).map_err(|e| format!("rppal can't have pin {pin}: {e}"))?;
        let mut output = if high { free.into_output_high() } else { free.into_output_low() };
        // The level outlives us: `lamp red` without a daemon leaves red on, and our own end sets it first.
        output.set_reset_on_drop(false);
        Ok::<_, String>(output)
    };
    Ok(Registers([one(pins.red, high[0])?, one(pins.yellow, high[1])?, one(pins.green, high[2])?]))
}

/// Why neither rppal nor the character device will do, and the cure: the one of the two that says more.
pub fn problem(rppal: &Error, chip: &str) -> String {
    match rppal {
        Error::UnknownModel => format!("rppal does not know this board, and {chip}"),
        Error::PermissionDenied(path) => format!("{path} may not be opened: {GROUP_CURE}"),
        other => format!("rppal can't use this board ({other}), and {chip}"),
    }
}

impl Registers {
    pub fn set(&mut self, high: [bool; 3]) {
        for (pin, high) in self.0.iter_mut().zip(high) {
            pin.write(high.into());
        }
    }
}
