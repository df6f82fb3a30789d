//! `pilotlight lamp`: through the running daemon, else directly.

use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use serde_json::json;

use super::{Failure, LampWord, control};
use crate::config::{Config, Surroundings};
use crate::lights::{Colour, DriverKind, LampShow, Lights, LightsConfig, Memory, NO_LAMP};

pub fn run(config_path: &Path, show: LampWord) -> Result<(), Failure> {
    let config = match (Config::read(config_path), show) {
        (Err(error), LampWord::Off) => return off_without_config(error.into()),
        (config, _) => config?,
    };
    if !control::is_stopped(&config.state_dir) {
        let command = json!({ "command": "lamp", "show": show });
        control::command_and_print(&config, &command)?;
        return Ok(());
    }
    let show: fn(&mut Lights) = match show {
        LampWord::Off => return off(&config.state_dir, Some(&config.lights)),
        _ if config.lights.driver == DriverKind::None => return Err(Failure::Failed(anyhow!("there is {NO_LAMP}"))),
        LampWord::Test => test,
        LampWord::Red => |lights| lights.leave(Some(Colour::Red)),
        LampWord::Yellow => |lights| lights.leave(Some(Colour::Yellow)),
        LampWord::Green => |lights| lights.leave(Some(Colour::Green)),
    };
    with_lamp(&config.lights, show)
}

/// What the unit asks for after each stop. A daemon may have died while its configuration was broken or gone.
fn off_without_config(error: Failure) -> Result<(), Failure> {
    let Some(state_dir) = Surroundings::of_process().state_dir.filter(|dir| control::is_stopped(dir)) else {
        return Err(error);
    };
    if Memory::in_directory(&state_dir).lamp().is_none() {
        return Err(error);
    }
    off(&state_dir, None)?;
    println!("The lamp that the last daemon left is dark");
    Ok(())
}

/// Puts out the lamp that a daemon left lit, then the one that is configured now: a pin of both is told that last.
fn off(state_dir: &Path, configured: Option<&LightsConfig>) -> Result<(), Failure> {
    let memory = Memory::in_directory(state_dir);
    let left = memory.lamp().filter(|lamp| Some(lamp) != configured);
    let lamps = left.iter().chain(configured).filter(|lamp| lamp.driver != DriverKind::None);
    // Each of them, whatever becomes of the other.
    let dark: Vec<_> = lamps.map(|lamp| with_lamp(lamp, Lights::off)).collect();
    dark.into_iter().collect::<Result<(), Failure>>()?;
    memory.forget();
    Ok(())
}

fn with_lamp(config: &LightsConfig, show: impl Fn(&mut Lights)) -> Result<(), Failure> {
    let mut lights = Lights::open(config);
    if lights.problem().is_none() {
        show(&mut lights);
    }
    match lights.problem() {
        Some(problem) => Err(Failure::Failed(anyhow!("the lamp can't be moved: {problem}"))),
        None => Ok(()),
    }
}

/// Each colour in turn, then dark.
fn test(lights: &mut Lights) {
    let start = Instant::now();
    lights.play(start.elapsed(), LampShow::Test);
    while let Some(next) = lights.wake_at().filter(|_| lights.problem().is_none()) {
        thread::sleep(next.saturating_sub(start.elapsed()));
        lights.tick(start.elapsed());
    }
    lights.off();
}
