//! `pilotlight backup FILE` and `setup --restore FILE`: configuration, secrets and the database, on one blank card or
//! another. Mirrors, trees and caches are made again; logs are left behind.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::setup::place::Place;
use crate::config::Config;
use crate::store::reader::Reader;

/// What is in an archive beside the secrets, which have their whole paths: the configuration and the database.
const PARTS: [&str; 2] = ["pilotlight.toml", "pilotlight.db"];

/// Writes a gzipped tar that only its owner may read: it holds the secrets. The daemon may run meanwhile.
///
/// # Errors
/// Something can't be read, or the file is there already.
pub fn backup(config_path: &Path, config: &Config, file: &Path) -> Result<()> {
    let place = Place::of(config_path)?;
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let archive = options.with_context(|| format!("{} can't be made (it must not be there yet)", file.display()))?;
    let packed = pack(&place, config, archive, file);
    if packed.is_err() {
        let _ = fs::remove_file(file);
    }
    packed?;
    println!("{} holds the configuration, the secrets and the history: keep it safe", file.display());
    Ok(())
}

fn pack(place: &Place, config: &Config, archive: File, file: &Path) -> Result<()> {
    let scratch = Scratch::beside(file)?;
    let part = |name| scratch.0.join(name);
    run(Command::new("cp").arg("--").arg(&place.config).arg(part(PARTS[0])))?;
    Reader::open(&config.database())?.copy_to(&part(PARTS[1]))?;
    let secrets: Vec<_> = place.secrets(config).into_iter().filter(|file| file.exists()).collect();
    let below_root = secrets.iter().filter_map(|file| file.strip_prefix("/").ok());
    let mut tar = Command::new("tar");
    tar.args(["-cz", "-C"]).arg(&scratch.0).args(PARTS).args(["-C", "/", "--"]).args(below_root);
    run(tar.stdout(archive))
}

/// Puts back what [`backup`] wrote, over nothing that is there.
///
/// # Errors
/// The archive is none of ours, something is there already, or can't be written.
pub fn restore(place: &Place, file: &Path) -> Result<()> {
    let shown = place.config.display();
    let blank = |path: &Path| {
        ensure!(
            !path.exists(),
            "{} is there already: a backup is for a blank card. Move it away first",
            path.display()
        );
        Ok(())
    };
    blank(&place.config)?;
    let scratch = Scratch::beside(&place.config)?;
    let mut tar = Command::new("tar");
    tar.args(["-xpz", "-C"]).arg(&scratch.0).arg("-f").arg(file).args(PARTS);
    run(&mut tar).with_context(|| format!("{} is no backup of pilotlight's", file.display()))?;
    let text = fs::read_to_string(scratch.0.join(PARTS[0]))?;
    let config = place.parse(&text).with_context(|| format!("{} holds a configuration for {shown}", file.display()))?;
    let database = config.database();
    blank(&database)?;
    fs::create_dir_all(&config.state_dir)?;
    run(Command::new("cp").arg("--").arg(scratch.0.join(PARTS[1])).arg(&database))?;
    if place.is_service {
        let mut chown = Command::new("chown");
        chown.arg("pilotlight:pilotlight").arg(&config.state_dir).arg(&database);
        run(&mut chown).context("there is no user `pilotlight`: install the package first")?;
    }
    // Nothing but what that configuration names, whatever else somebody may have put in.
    for secret in place.secrets(&config) {
        let Some(name) = secret.strip_prefix("/").ok().filter(|_| !secret.exists()) else { continue };
        let mut tar = Command::new("tar");
        tar.args(["-xz", "--no-same-permissions", "-C", "/", "-f"]).arg(file).arg("--").arg(name);
        if let Err(error) = run(&mut tar) {
            println!("{} is not in the backup: {error}", secret.display());
        }
    }
    // Last: without it the service does not start.
    place.write_public(&place.config, &text)?;
    println!("{} is put back", file.display());
    Ok(())
}

/// A directory that only we may enter, gone with its value.
struct Scratch(PathBuf);

impl Scratch {
    fn beside(path: &Path) -> Result<Scratch> {
        let directory = std::path::absolute(path)?.with_extension(format!("{}.part", std::process::id()));
        let what = || format!("{} can't be made", directory.display());
        fs::create_dir_all(directory.parent().unwrap_or(Path::new("/"))).with_context(what)?;
        DirBuilder::new().mode(0o700).create(&directory).with_context(what)?;
        Ok(Scratch(directory))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stderr(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output);
    let output = output.with_context(|| format!("{name} can't be started"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("failed without a word"));
    }
    Ok(())
}
