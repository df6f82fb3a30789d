//! The pins through the kernel's character device, `/dev/gpiochipN`: for every board that has one.

use std::path::{Path, PathBuf};

use gpiocdev::line::{Value, Values};
use gpiocdev::{Chip, Error, Request, chip};
use rustix::io::Errno;

use super::pins::{self, Pins};

/// What to do when a GPIO device may not be opened; udev gives these devices to group `gpio`.
pub const GROUP_CURE: &str = "let its user into group gpio (`sudo usermod -aG gpio USER`, then log in again; in a \
                              systemd unit `SupplementaryGroups=gpio`)";

/// Our name at the lines we hold: `gpioinfo` shows it.
pub const CONSUMER: &str = "pilotlight";

/// Labels of the chip behind the 40-pin header begin like this (`pinctrl-bcm2835`, `pinctrl-bcm2711`,
/// `pinctrl-rp1`). Never its number: that differs between boards and kernels.
const LABEL_START: &str = "pinctrl-";

const NO_CHIP: &str = "there is no /dev/gpiochipN: on a Raspberry Pi, see whether the kernel has it \
                       (`ls /dev/gpiochip*`) and the unit allows it; on any other machine set \
                       `driver = \"terminal\"` or `\"none\"` under [lights]";

/// A chip, not yet touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub label: String,
}

/// Red, yellow, green, requested as outputs.
pub struct Lines {
    request: Request,
    pins: Pins,
}

/// The chip behind the header. Touches no pin.
pub fn find() -> Result<Found, String> {
    let paths = chip::chips().map_err(|e| format!("/dev can't be listed: {e}"))?;
    let mut found = Vec::new();
    let mut refused = None;
    for path in paths {
        match Chip::from_path(&path).and_then(|chip| chip.info()) {
            Ok(info) => found.push(Found { path, label: info.label }),
            Err(e) => refused = Some(cannot_open(&path, &e)),
        }
    }
    choose(found).map_err(|why| refused.unwrap_or(why))
}

/// The chip whose label says that it drives the header, else the only one.
pub fn choose(mut found: Vec<Found>) -> Result<Found, String> {
    if let Some(at) = found.iter().position(|chip| chip.label.starts_with(LABEL_START)) {
        return Ok(found.swap_remove(at));
    }
    match found.len() {
        0 => Err(NO_CHIP.to_string()),
        1 => Ok(found.remove(0)),
        _ => {
            let labels: Vec<&str> = found.iter().map(|chip| chip.label.as_str()).collect();
            Err(format!(
                "none of the GPIO chips ({}) is a Raspberry Pi's header (`{LABEL_START}…`): \
                 set `driver = \"terminal\"` or `\"none\"` under [lights]",
                labels.join(", ")
            ))
        }
    }
}

/// Who holds one of the pins by the kernel's book: the pin and the holder's name. Only a named holder counts:
/// a pin that a driver has for itself has none, and the request will say so.
pub fn holder(found: &Found, pins: Pins) -> Option<(u8, String)> {
    let chip = Chip::from_path(&found.path).ok()?;
    pins.by_colour().into_iter().find_map(|(_, pin)| {
        let line = chip.line_info(u32::from(pin)).ok()?;
        (line.used && !line.consumer.is_empty()).then_some((pin, line.consumer))
    })
}

/// What to say of a pin that somebody else holds.
pub fn busy(pin: u8, holder: &str, pins: Pins) -> String {
    format!(
        "pin {pin} is in use by {holder:?}: stop that program, or choose another pin; free are {}",
        pins::free(pins)
    )
}

/// Request the lines; the kernel sets level and direction in one go.
pub fn take(found: &Found, pins: Pins, high: [bool; 3]) -> Result<Lines, String> {
    let mut builder = Request::builder();
    builder.on_chip(&found.path).with_consumer(CONSUMER);
    for ((_, pin), high) in pins.by_colour().into_iter().zip(high) {
        builder.with_line(u32::from(pin)).as_output(value(high));
    }
    match builder.request() {
        Ok(request) => Ok(Lines { request, pins }),
        Err(e) => Err(format!(
            "{} ({}) does not give out the pins ({e}): if SPI, I2C or the serial console uses one, turn that off, or \
             choose other pins; free are {}",
            found.path.display(),
            found.label,
            pins::free(pins)
        )),
    }
}

impl Lines {
    pub fn set(&mut self, high: [bool; 3]) -> Result<(), String> {
        let mut values = Values::default();
        for ((_, pin), high) in self.pins.by_colour().into_iter().zip(high) {
            values.set(u32::from(pin), value(high));
        }
        self.request.set_values(&values).map_err(|e| format!("the kernel does not set the pins any more: {e}"))
    }
}

fn value(high: bool) -> Value {
    if high { Value::Active } else { Value::Inactive }
}

fn cannot_open(path: &Path, error: &Error) -> String {
    let path = path.display();
    match error {
        Error::Os(errno) if [Errno::ACCESS, Errno::PERM].map(Errno::raw_os_error).contains(&errno.0) => {
            format!("{path} may not be opened: {GROUP_CURE}")
        }
        other => format!("{path} can't be used: {other}"),
    }
}
