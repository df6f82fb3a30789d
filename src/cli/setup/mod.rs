//! `pilotlight setup`: from an installed package to the first green lamp, in at most five answers. Every answer can be
//! a flag, and every step can be repeated without harm.

mod ask;
mod lamp;
pub mod place;
mod service;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::secrets::{self, Kept, TOKEN};
use super::{Failure, backup, hook};
use crate::config::{Config, Secret};
use crate::github::Client;
use place::Place;

/// What a script says instead of being asked.
#[derive(clap::Args)]
pub struct Options {
    /// What to build; may be repeated.
    #[arg(long, value_name = "OWNER/REPO")]
    repository: Vec<String>,
    /// Holds GitHub's token, which is copied to where the service finds it.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The test command of the repositories that are new here.
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
    /// How the lamp is wired: a board's name (hardware.md), BCM numbers as RED,YELLOW,GREEN, or `none`.
    #[arg(long, value_name = "LAMP")]
    lamp: Option<String>,
    /// A low level makes light.
    #[arg(long)]
    active_low: bool,
    /// The API of an Enterprise Server: https://HOST/api/v3.
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// Make no webhook: polling is enough.
    #[arg(long)]
    no_hook: bool,
    /// Holds a token that may make webhooks. It is not kept.
    #[arg(long, value_name = "FILE", conflicts_with = "no_hook")]
    hook_token_file: Option<PathBuf>,
    /// This box's public address; found by itself where ngrok, cloudflared or tailscale runs.
    #[arg(long, value_name = "https://…", conflicts_with = "no_hook")]
    hook_url: Option<String>,
    /// Put back what `pilotlight backup` wrote, and start.
    #[arg(long, value_name = "FILE")]
    restore: Option<PathBuf>,
}

pub fn run(config_path: &Path, options: Options) -> Result<(), Failure> {
    let place = Place::of(config_path)?;
    if let Some(archive) = &options.restore {
        backup::restore(&place, archive)?;
    } else {
        write_configuration(&place, &options)?;
    }
    let config = Config::read(&place.config)?;
    if !place.is_service {
        println!("Start it: pilotlight run --config {}", place.config.display());
        return Ok(());
    }
    service::start(&config)?;
    // A green lamp before any tunnel: polling finds what is open.
    service::watch_first_build(&config)?;
    if options.restore.is_none() && !options.no_hook {
        offer_hook(&place, &config, &options)?;
    }
    println!(
        "Done. `pilotlight check` says how everything stands; the dashboard is at {}",
        service::dashboard(&config)
    );
    Ok(())
}

/// Asks what is not known yet, tries the token, and writes configuration and secrets.
fn write_configuration(place: &Place, options: &Options) -> Result<(), Failure> {
    let found = fs::read_to_string(&place.config).ok();
    let is_new = found.is_none();
    let mut text = found.unwrap_or_else(|| place.template());
    if let Some(url) = &options.api_url {
        text = text::set(&text, "github", "api_url", &text::quoted(url));
    }
    let known = if is_new { Vec::new() } else { place.parse(&text)?.policy.repositories };
    let mut wanted = options.repository.clone();
    if wanted.is_empty() && known.is_empty() {
        wanted.push(ask::line("1. Which repository (OWNER/REPO)?", "--repository OWNER/REPO")?);
    }
    wanted.retain(|name| !known.iter().any(|r| r.name.eq_ignore_ascii_case(name)));
    let names = known.iter().map(|r| &r.name).chain(&wanted).cloned().collect::<Vec<_>>();
    let token = token(place, options, &text, &names)?;
    if !wanted.is_empty() {
        let run = match &options.run {
            Some(run) => run.clone(),
            None => ask::line("3. Which command runs its tests (Enter: script/cibuild)?", "--run COMMAND")?,
        };
        let run = Some(run.as_str()).filter(|run| !run.is_empty());
        for (i, name) in wanted.iter().enumerate() {
            let put = if is_new && i == 0 { text::replace_example } else { text::add_repository };
            text = put(&text, name, run);
        }
    }
    text = lamp::choose(text, options.lamp.as_deref(), options.active_low, is_new, |text| place.parse(text))?;
    text = place.name_secrets(&text);
    place.parse(&text)?;
    place.write_public(&place.config, &text)?;
    if let Some(token) = token {
        place.write_secret(TOKEN, &token)?;
    }
    place.make_webhook_secret()?;
    println!("{} is written", place.config.display());
    Ok(())
}

/// A token that may do what is needed on every repository; `None` where the one that is in place does.
fn token(place: &Place, options: &Options, text: &str, names: &[String]) -> Result<Option<Secret>, Failure> {
    let api_url = place.parse(text)?.github.api_url;
    let given = options.token_file.as_deref().map(Secret::read).transpose()?;
    let kept = place.kept(TOKEN);
    if let Some(problem) = place.problem_with_secrets() {
        return Err(Failure::Failed(anyhow!(problem)));
    }
    let known = match &kept {
        Some(Kept::Plain(file)) => Secret::read(file).ok(),
        Some(kept) => Some(kept.read(TOKEN)?),
        None => None,
    };
    if let Some(token) = given.as_ref().or(known.as_ref()) {
        try_token(&api_url, token, names)?;
        return match kept {
            None | Some(Kept::Plain(_)) => Ok(given),
            Some(_) if given.is_none() || given == known => Ok(None),
            Some(kept) => Err(Failure::Failed(anyhow!("another token is kept already: {}", kept.how_to_change(TOKEN)))),
        };
    }
    println!(
        "2. GitHub's token: at github.com, Settings → Developer settings → Fine-grained tokens, for these repositories, \
         with\n   Commit statuses: read and write; Contents, Pull requests and Webhooks: read."
    );
    loop {
        let token = Secret::new(ask::hidden("   Paste it (it is not shown):", "--token-file FILE")?);
        match try_token(&api_url, &token, names) {
            Ok(()) => return Ok(Some(token)),
            Err(error) => eprintln!("   {error:#}\n   Make another, or press Ctrl-C."),
        }
    }
}

fn try_token(api_url: &str, token: &Secret, names: &[String]) -> Result<()> {
    let client = Client::new(api_url, Some(token))?;
    client.check_reachable().0.map_err(anyhow::Error::msg)?;
    for name in names {
        for (permission, said) in client.check_permissions(name) {
            said.map_err(anyhow::Error::msg).with_context(|| format!("{name}: {permission}"))?;
        }
        println!("The token may do what is needed on {name}");
    }
    Ok(())
}

fn offer_hook(place: &Place, config: &Config, options: &Options) -> Result<(), Failure> {
    if config.webhook.listen.is_none() {
        return Ok(());
    }
    let config = secrets::with_secrets(config.clone(), &place.config)?;
    let asked = options.hook_token_file.is_none() && options.hook_url.is_none();
    if asked && hook::is_well(&config)? {
        return Ok(());
    }
    let token = match &options.hook_token_file {
        Some(file) => Some(Secret::read(file)?),
        None if asked && ask::is_possible() => {
            println!("5. Polling finds a push within a minute; with a tunnel and a webhook it is there at once.");
            let question =
                "   Paste a token that may make webhooks (Webhooks: read and write; it is not kept), or Enter:";
            let answer = ask::hidden(question, "--hook-token-file FILE or --no-hook")?;
            (!answer.is_empty()).then(|| Secret::new(answer))
        }
        None => None,
    };
    if token.is_none() && asked {
        println!("Polling it is. `pilotlight hook install` makes the webhook whenever you like");
        return Ok(());
    }
    service::start_tunnel(&config)?;
    let url = match &options.hook_url {
        Some(url) => hook::payload_url(url, &config.webhook.path).map_err(Failure::Wrong)?,
        None => hook::found_url(&config)?,
    };
    let names: Vec<_> = config.policy.repositories.iter().map(|repository| repository.name.as_str()).collect();
    hook::install(&config, token.as_ref(), &names, &url)
}
