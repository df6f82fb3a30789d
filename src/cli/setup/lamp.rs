//! How the lamp is wired: by name, by numbers, or by looking which LED lights.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{ask, text};
use crate::config::Config;
use crate::lights::{Colour, DriverKind, Lights, LightsConfig, Pins, pins};

/// How long each LED is lit: long enough to say its colour aloud.
const LIT: Duration = Duration::from_millis(1500);

/// The colours in the order of the pins.
const ORDER: [Colour; 3] = [Colour::Red, Colour::Yellow, Colour::Green];

/// Puts the lamp into the configuration. Without a word from the flags a new one is found out by lighting it; one that
/// is configured stays.
pub fn choose(
    text: String,
    word: Option<&str>,
    active_low: bool,
    is_new: bool,
    parse: impl Fn(&str) -> Result<Config>,
) -> Result<String> {
    let text = if active_low { text::set(&text, "lights", "active_low", "true") } else { text };
    if let Some(word) = word {
        return apply(&text, word);
    }
    if !is_new {
        return Ok(text);
    }
    let mut text = text;
    loop {
        let lights = parse(&text)?.lights;
        let question = match light_each(&lights) {
            Ok(()) => {
                "4. Three LEDs were lit one after the other. Which colours did you see? (`ryg` is red, yellow, green; \
                 Enter: that very order; a board's name or pins such as 21,20,16 to try those; `none`: no lamp)"
            }
            Err(why) => {
                println!("The lamp can't be lit: {why}");
                "4. How is the lamp wired? (a board's name, pins as RED,YELLOW,GREEN in BCM numbers, or `none`)"
            }
        };
        let answer = ask::line(question, "--lamp LAMP")?;
        match reorder(&answer, lights.pins) {
            Some(pins) if pins == lights.pins => return Ok(text),
            Some(pins) => return Ok(set_pins(&text, pins)),
            None if answer == "none" => return apply(&text, "none"),
            None => match apply(&text, &answer) {
                Ok(other) => text = other,
                Err(why) => println!("{why}"),
            },
        }
    }
}

/// Lights each LED once.
fn light_each(config: &LightsConfig) -> Result<(), String> {
    if config.driver == DriverKind::None {
        return Ok(());
    }
    let mut lights = Lights::open(config);
    if let Some(problem) = lights.problem() {
        return Err(problem.to_owned());
    }
    for colour in ORDER {
        lights.leave(Some(colour));
        thread::sleep(LIT);
    }
    lights.off();
    Ok(())
}

/// The pins as they must be if the LEDs were seen as `seen` when they were lit as `pins` says.
fn reorder(seen: &str, pins: Pins) -> Option<Pins> {
    let seen = if seen.is_empty() { "ryg" } else { seen };
    let lit = [pins.red, pins.yellow, pins.green];
    let of = |colour: char| Some(lit[seen.to_ascii_lowercase().chars().position(|c| c == colour)?]);
    if seen.len() != lit.len() {
        return None;
    }
    Some(Pins { red: of('r')?, yellow: of('y')?, green: of('g')? })
}

/// A board's name, three BCM numbers, or `none`.
fn apply(text: &str, word: &str) -> Result<String> {
    if word == "none" {
        return Ok(text::set(text, "lights", "driver", "\"none\""));
    }
    let numbers: Vec<_> = word.split(',').map(|n| n.trim().parse::<u8>()).collect();
    if let [Ok(red), Ok(yellow), Ok(green)] = numbers[..] {
        let wired = Pins { red, yellow, green };
        pins::check(wired).map_err(anyhow::Error::msg)?;
        return Ok(set_pins(text, wired));
    }
    match pins::preset(word) {
        Ok(pins) => Ok(set_pins(text, pins)),
        Err(why) => bail!("{why}"),
    }
}

fn set_pins(text: &str, pins: Pins) -> String {
    let text = text::unset(text, "lights", &["preset"]);
    let text = text.replacen("\ndriver = \"none\"\n", "\ndriver = \"gpio\"\n", 1);
    let Pins { red, yellow, green } = pins;
    text::set(&text, "lights", "pins", &format!("{{ red = {red}, yellow = {yellow}, green = {green} }}"))
}

#[cfg(test)]
mod tests;
