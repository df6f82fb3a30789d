//! `pilotlight run`: the daemon, in the foreground.

use std::path::PathBuf;

use super::{Failure, logger};
use crate::config::{Config, Surroundings};
use crate::daemon::{Daemon, Extras, hold_signals, watch_signals};

pub fn run(config: Config, config_path: PathBuf) -> Result<(), Failure> {
    let config = config.with_secrets(&Surroundings::of_process())?;
    logger::init(log::LevelFilter::Info);
    let extras = Extras { config_path: Some(config_path), watch: None };
    let signals = hold_signals()?;
    let (daemon, _, inbox) = Daemon::start(config, extras)?;
    watch_signals(signals, inbox)?;
    daemon.run();
    Ok(())
}
