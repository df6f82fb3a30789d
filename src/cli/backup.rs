//! `pilotlight backup FILE` and `setup --restore FILE`: configuration, secrets and the database, on one blank card or
//! another. Mirrors, trees and caches are made again; logs are left behind.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::command::output_of;
use super::secrets::{TOKEN, WEBHOOK};
use super::setup::place::{self, Place};
use crate::config::Config;
use crate::store::reader::Reader;

/// What is in an archive beside the secrets, which have their whole paths: the configuration and the database.
const PARTS: [&str; 2] = ["pilotlight.toml", "pilotlight.db"];

/// The daemon's, and its group.
const USER: &str = "pilotlight";

/// Writes a gzipped tar, over nothing that is there, that only its owner may read: it holds the secrets. The daemon may
/// run meanwhile.
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
    output_of(Command::new("cp").arg("--").arg(&place.config).arg(part(PARTS[0])))?;
    Reader::open(&config.database())?.copy_to(&part(PARTS[1]))?;
    let (here, elsewhere): (Vec<_>, Vec<_>) = place.secrets(config).into_iter().partition(|file| file.exists());
    let mut tar = Command::new("tar");
    tar.args(["-cz", "-C"]).arg(&scratch.0).args(PARTS);
    for name in [TOKEN, WEBHOOK] {
        let plain = place.secret(name);
        let Some(kept) = place.kept(name).filter(|_| elsewhere.contains(&plain)) else { continue };
        // What this box alone can decrypt is no use on another.
        let member = below_root(&plain);
        place::write_whole(&scratch.0.join(member), &format!("{}\n", kept.read(name)?.expose()), 0o600, 0o700)?;
        tar.arg(member);
        println!("{name} is encrypted for this box: the backup holds it in the clear");
    }
    // tar minds a directory in which there is nothing to take.
    if !here.is_empty() {
        tar.args(["-C", "/", "--"]).args(here.iter().map(|file| below_root(file)));
    }
    output_of(tar.stdout(archive)).map(drop)
}

/// Puts back what [`backup`] wrote, over nothing that is there. Nothing is written unless all of it can be put back;
/// what an earlier try has put back already is in nobody's way.
pub fn restore(place: &Place, file: &Path) -> Result<()> {
    let scratch = Scratch::beside(&place.config)?;
    let (text, config, secrets) = unpack(place, file, &scratch.0)?;
    let (database, unpacked) = (config.database(), |secret: &PathBuf| scratch.0.join(below_root(secret)));
    may_be_put(&scratch.0.join(PARTS[0]), &place.config)?;
    may_be_put(&scratch.0.join(PARTS[1]), &database)?;
    secrets.iter().try_for_each(|secret| may_be_put(&unpacked(secret), secret))?;
    if place.is_service {
        output_of(Command::new("id").arg(USER)).context("there is no user `pilotlight`: install the package first")?;
    }

    fs::create_dir_all(&config.state_dir)?;
    put(&scratch.0.join(PARTS[1]), &database)?;
    if place.is_service {
        output_of(Command::new("chown").arg(format!("{USER}:{USER}")).arg(&config.state_dir).arg(&database))?;
    }
    secrets.iter().try_for_each(|secret| put(&unpacked(secret), secret))?;
    // Last: without it the service does not start.
    place.write_public(&place.config, &text)?;
    println!("{} is put back", file.display());
    Ok(())
}

/// Reads the archive to its end and unpacks it into `scratch`: the configuration, and which secrets are to be put back.
/// Nothing but what that configuration names, whatever else somebody may have put in.
fn unpack(place: &Place, file: &Path, scratch: &Path) -> Result<(String, Config, Vec<PathBuf>)> {
    let no_backup = || format!("{} is no backup of pilotlight's, or torn", file.display());
    let mut list = Command::new("tar");
    let held = output_of(list.args(["-tz", "--quoting-style=literal", "-f"]).arg(file)).with_context(no_backup)?;
    let members = |names: &[&Path]| {
        let mut tar = Command::new("tar");
        output_of(tar.args(["-xpz", "-C"]).arg(scratch).arg("-f").arg(file).arg("--").args(names))
            .with_context(no_backup)
    };
    members(&PARTS.map(Path::new))?;
    let text = fs::read_to_string(scratch.join(PARTS[0]))?;
    let what = || format!("{} holds a configuration for {}", file.display(), place.config.display());
    let config = place.parse(&text).with_context(what)?;
    let (secrets, missing): (Vec<_>, Vec<_>) = place
        .secrets(&config)
        .into_iter()
        .filter(|secret| !place.is_kept_otherwise(secret))
        .partition(|secret| held.lines().any(|name| Path::new(name) == below_root(secret)));
    missing.iter().for_each(|secret| println!("{} is not in the backup", secret.display()));
    if !secrets.is_empty() {
        members(&secrets.iter().map(|secret| below_root(secret)).collect::<Vec<_>>())?;
    }
    Ok((text, config, secrets))
}

/// `from` is a file of the archive, and nothing else stands where it goes.
fn may_be_put(from: &Path, to: &Path) -> Result<()> {
    ensure!(fs::symlink_metadata(from)?.is_file(), "{} is no plain file in the backup", to.display());
    let is_free = !to.exists() || output_of(Command::new("cmp").args(["-s", "--"]).arg(from).arg(to)).is_ok();
    ensure!(is_free, "{} is there already: a backup is for a blank card. Move it away first", to.display());
    Ok(())
}

fn put(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))?;
    output_of(Command::new("cp").args(["--preserve=mode,ownership", "--"]).arg(from).arg(to)).map(drop)
}

/// As tar calls it.
fn below_root(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
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
