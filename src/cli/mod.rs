//! The command line: one file per command, and the exit codes (0 done, 1 failed, 2 wrong usage or configuration).

mod backup;
mod check;
mod command;
mod control;
mod demo;
mod hook;
mod lamp;
mod logger;
mod network;
mod run;
mod secrets;
mod setup;
mod shell;
mod show;
mod tunnel;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::config::{Config, ConfigError, DEFAULT_PATH};
use crate::daemon::sweep_units;
use crate::worker;

/// A small CI daemon: GitHub webhooks in, commit statuses and a lamp out.
#[derive(Parser)]
#[command(name = "pilotlight", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// The configuration.
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon, in the foreground.
    Run,
    /// Show the whole job on this machine: no Pi, no account, no configuration.
    Demo {
        /// Leave the dashboard up at the end, until Ctrl-C.
        #[arg(long)]
        keep: bool,
    },
    /// Say what is wrong and how to cure it; 0 when all is well.
    Check {
        /// Ask nobody outside this box.
        #[arg(long)]
        offline: bool,
        /// As JSON, one object.
        #[arg(long)]
        json: bool,
    },
    /// Move the LEDs: through the running daemon, which goes back to the truth, else directly.
    Lamp { show: LampWord },
    /// What the daemon does now.
    Status,
    /// The newest builds.
    Builds {
        /// As JSON, one object.
        #[arg(long)]
        json: bool,
    },
    /// The log of a build: plain on a terminal, as it was written into a file or a pipe.
    Log {
        id: i64,
        /// Go on until the build ends.
        #[arg(short, long)]
        follow: bool,
    },
    /// Build a head again.
    Rebuild {
        /// A build's number, or OWNER/REPO#N.
        what: String,
        /// Say how it goes, until it ends; 0 if it passed.
        #[arg(long)]
        wait: bool,
    },
    /// Let the head of a pull request that waits be built.
    Approve {
        /// OWNER/REPO#N.
        pull: String,
        /// Only if this is its head: at least 7 digits.
        sha: Option<String>,
    },
    /// End a build that waits or runs.
    Cancel { id: i64 },
    /// Look around in the tree of a build that failed, as its own user and with its environment, for ten minutes.
    Shell { id: i64 },
    /// From an installed package to the first green lamp, in at most five answers.
    Setup(Box<setup::Options>),
    /// Write configuration, secrets and history into one file, for `setup --restore`.
    Backup { file: PathBuf },
    /// The webhook at GitHub.
    Hook {
        #[command(subcommand)]
        word: HookWord,
    },
    /// Run one build; the daemon starts it.
    #[command(hide = true)]
    Worker {
        /// Tell the daemon how a worker ended; its unit starts it.
        #[arg(long)]
        ended: bool,
    },
    /// Make the network of a unit's builds; pilotlight-network@.service starts it.
    #[command(hide = true)]
    Network { instance: String },
    /// Remove rooms of units that are not needed; pilotlight-sweep.service starts it.
    #[command(hide = true)]
    Sweep,
}

#[derive(Subcommand)]
enum HookWord {
    /// Make it, or mend it, and see that a ping of GitHub's arrives.
    Install {
        /// This box's public address; found by itself where ngrok, cloudflared or tailscale runs.
        #[arg(long, value_name = "https://…")]
        url: Option<String>,
        /// Only this one; may be repeated.
        #[arg(long, value_name = "OWNER/REPO")]
        repository: Vec<String>,
        /// Holds a token that may change webhooks (Webhooks: read and write). It is not kept. Left out: the daemon's.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// How it stands.
    Show,
}

#[derive(Clone, Copy, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum LampWord {
    /// Each colour in turn.
    Test,
    Red,
    Yellow,
    Green,
    Off,
}

/// Why a command did not do what was asked.
enum Failure {
    /// Exit code 2.
    Wrong(String),
    /// Exit code 1.
    Failed(anyhow::Error),
    /// The same codes; it has been said already.
    Said(u8),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Failed(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Wrong(error.0)
    }
}

/// The command line's description, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Does what the arguments say.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Wrong(words)) => {
            eprintln!("pilotlight: {words}");
            ExitCode::from(2)
        }
        Err(Failure::Said(code)) => ExitCode::from(code),
        Err(Failure::Failed(error)) => {
            eprintln!("pilotlight: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let config = || Config::read(&cli.config);
    match cli.command {
        Command::Run => run::run(config()?, cli.config.clone()),
        Command::Demo { keep } => Ok(demo::run(keep)?),
        Command::Check { offline, json } => check::run(&cli.config, offline, json),
        Command::Lamp { show } => lamp::run(&cli.config, show),
        Command::Status => Ok(show::status(&config()?)?),
        Command::Builds { json } => Ok(show::builds(&config()?, json)?),
        Command::Log { id, follow } => Ok(show::log(&config()?, id, follow)?),
        Command::Rebuild { what, wait } => control::rebuild(&config()?, &what, wait),
        Command::Approve { pull, sha } => control::approve(&config()?, &pull, sha),
        Command::Cancel { id } => control::cancel(&config()?, id),
        Command::Shell { id } => Ok(shell::run(&config()?, id)?),
        Command::Setup(options) => setup::run(&cli.config, *options),
        Command::Backup { file } => Ok(backup::backup(&cli.config, &config()?, &file)?),
        Command::Hook { word } => hook::run(&cli.config, word),
        Command::Worker { ended: false } => Ok(worker::main()?),
        Command::Worker { ended: true } => Ok(worker::tell_how_it_ended()?),
        Command::Network { instance } => Ok(network::run(&cli.config, &instance)?),
        Command::Sweep => {
            logger::init(log::LevelFilter::Info);
            sweep_units(&cli.config);
            Ok(())
        }
    }
}
