//! `pilotlight lamp`: through the running daemon, else directly.

use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use serde_json::json;

use super::{Failure, LampWord, control};
use crate::config::Config;
use crate::lights::{Colour, DriverKind, LampShow, Lights, NO_LAMP};

pub fn run(config: &Config, show: LampWord) -> Result<(), Failure> {
    if !control::is_stopped(config) {
        let command = json!({ "command": "lamp", "show": show.name() });
        control::command_and_print(config, &command)?;
        return Ok(());
    }
    if config.lights.driver == DriverKind::None {
        // What the unit asks for after each stop is so already.
        if matches!(show, LampWord::Off) {
            return Ok(());
        }
        return Err(Failure::Failed(anyhow!("there is {NO_LAMP}")));
    }
    let mut lights = Lights::open(&config.lights);
    if let Some(problem) = lights.problem() {
        return Err(Failure::Failed(anyhow!("the lamp stays dark: {problem}")));
    }
    match show {
        LampWord::Test => test(&mut lights),
        LampWord::Red => lights.leave(Some(Colour::Red)),
        LampWord::Yellow => lights.leave(Some(Colour::Yellow)),
        LampWord::Green => lights.leave(Some(Colour::Green)),
        LampWord::Off => lights.off(),
    }
    Ok(())
}

/// Each colour in turn, then dark.
fn test(lights: &mut Lights) {
    let start = Instant::now();
    lights.play(start.elapsed(), LampShow::Test);
    while let Some(next) = lights.wake_at() {
        thread::sleep(next.saturating_sub(start.elapsed()));
        lights.tick(start.elapsed());
    }
    lights.off();
}

impl LampWord {
    fn name(self) -> &'static str {
        match self {
            LampWord::Test => "test",
            LampWord::Red => "red",
            LampWord::Yellow => "yellow",
            LampWord::Green => "green",
            LampWord::Off => "off",
        }
    }
}
