//! The file as it is written, and what must hold between its parts.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::surroundings::Surroundings;
use super::{Config, Dashboard, Github, Webhook, fields};
use crate::lights::pins::{self, Pins};
use crate::lights::{DriverKind, LightsConfig};
use crate::logic::policy::{
    Approval, CheckPolicy, CheckSource, Follow, Isolation, Network, Policy, RepositoryPolicy, Tested,
};
use crate::logic::secret::SecretFile;
use crate::logic::wording::distance;

/// Builds at once, at most: each is a thread and a tree, and the biggest Pi has four cores.
const WORKERS_MAX: usize = 16;

/// Secrets of one repository, at most: with the longest of each a job still fits into its frame.
const SECRETS_MAX: usize = 16;

/// Something that toml alone can't see; the range is where in the text.
pub struct Problem {
    pub at: Option<Range<usize>>,
    pub words: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    webhook: Webhook,
    github: Github,
    dashboard: Dashboard,
    lights: LightsTable,
    builder: BuilderTable,
    storage: StorageTable,
    repository: Vec<RepositoryTable>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LightsTable {
    driver: DriverKind,
    pins: Option<Spanned<Pins>>,
    preset: Option<Spanned<String>>,
    active_low: bool,
    blink: Option<bool>,
    self_test: Option<bool>,
    follow: Follow,
    repositories: Vec<Spanned<String>>,
    include_external: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BuilderTable {
    workers: Option<Spanned<usize>>,
    #[serde(deserialize_with = "fields::timeout")]
    timeout: Option<Duration>,
    #[serde(deserialize_with = "fields::timeout")]
    silence: Option<Duration>,
    isolation: Isolation,
    approval: Approval,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StorageTable {
    state_dir: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepositoryTable {
    name: Spanned<String>,
    id: Option<u64>,
    #[serde(default, deserialize_with = "fields::clone_url")]
    clone_url: Option<String>,
    submodules: Option<bool>,
    #[serde(default)]
    network: Network,
    #[serde(default)]
    skip_ci: bool,
    #[serde(default)]
    checks: CheckSource,
    #[serde(default)]
    test: Tested,
    #[serde(default)]
    check: Vec<CheckTable>,
    #[serde(default)]
    secret: Vec<SecretTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckTable {
    pub context: Spanned<String>,
    run: Spanned<String>,
    #[serde(default, deserialize_with = "fields::timeout")]
    timeout: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretTable {
    name: Spanned<String>,
    file: Spanned<PathBuf>,
}

/// A build's limit where the file names none: long enough for a slow test on a slow Pi.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// A check's silence where the file names none: longer than a link of a large program takes on a Pi, and shorter than
/// anybody waits for what hangs.
const SILENCE: Duration = Duration::from_secs(15 * 60);

pub fn parse(text: &str) -> Result<File, toml::de::Error> {
    toml::from_str(text)
}

/// Checks what holds between the parts.
pub fn check(file: File, surroundings: &Surroundings) -> Result<Config, Problem> {
    let File { webhook, github, dashboard, lights: lamp, builder, storage, repository } = file;
    let workers = builder.workers.unwrap_or_else(|| Spanned::new(0..0, 1));
    if !(1..=WORKERS_MAX).contains(workers.get_ref()) {
        let words = format!("workers = {} is out of range: between 1 and {WORKERS_MAX}", workers.get_ref());
        return Err(Problem { at: Some(workers.span()), words });
    }
    let timeout = builder.timeout.unwrap_or(TIMEOUT);
    let repositories = repositories(repository, &github.clone_host(), timeout)?;
    Ok(Config {
        policy: Policy {
            webhooks: webhook.listen.is_some(),
            workers: workers.into_inner(),
            isolation: builder.isolation,
            approval: builder.approval,
            silence: builder.silence.unwrap_or(SILENCE),
            follow: lamp.follow,
            lamp_repositories: lamp_repositories(&lamp.repositories, &repositories)?,
            include_external: lamp.include_external,
            blink: lamp.blink.unwrap_or(true),
            repositories,
            dashboard_url: String::new(),
        },
        webhook,
        github,
        dashboard: Dashboard { hostname: surroundings.hostname.clone(), ..dashboard },
        self_test: lamp.self_test.unwrap_or(true),
        lights: lights(lamp)?,
        state_dir: directory(storage.state_dir, surroundings.state_dir.as_ref(), "state_dir")?,
        cache_dir: directory(storage.cache_dir, surroundings.cache_dir.as_ref(), "cache_dir")?,
    })
}

fn repositories(tables: Vec<RepositoryTable>, host: &str, longest: Duration) -> Result<Vec<RepositoryPolicy>, Problem> {
    if tables.is_empty() {
        return Err(plain("there is no [[repository]]: add one with its name, like name = \"acme/app\""));
    }
    let mut repositories: Vec<RepositoryPolicy> = Vec::new();
    for table in tables {
        let at = Some(table.name.span());
        let name = table.name.into_inner();
        fields::repository_name(&name).map_err(|words| Problem { at: at.clone(), words })?;
        if repositories.iter().any(|r| r.name.eq_ignore_ascii_case(&name)) {
            return Err(Problem { at, words: format!("{name} is configured twice: give it one [[repository]]") });
        }
        let clone_url = table.clone_url.unwrap_or_else(|| format!("https://{host}/{name}.git"));
        if let (CheckSource::Repository, Some(check)) = (table.checks, table.check.first()) {
            let words = "checks = \"repository\" takes the checks from .pilotlight.toml of the head: remove this \
                         [[repository.check]], or write checks = \"box\"";
            return Err(Problem { at: Some(check.context.span()), words: words.to_owned() });
        }
        let mut checks = checks(table.check, longest)?;
        if checks.is_empty() {
            let (context, run) = ("pilotlight".to_owned(), "script/cibuild".to_owned());
            checks.push(CheckPolicy { context, run, timeout: longest });
        }
        repositories.push(RepositoryPolicy {
            name,
            id: table.id,
            clone_url,
            network: table.network,
            submodules: table.submodules.unwrap_or(true),
            checks,
            check_source: table.checks,
            tested: table.test,
            skip_ci: table.skip_ci,
            secrets: secrets(table.secret)?,
        });
    }
    Ok(repositories)
}

/// What each check must be, and all of them beside each other. None takes longer than `longest`.
pub fn checks(tables: Vec<CheckTable>, longest: Duration) -> Result<Vec<CheckPolicy>, Problem> {
    let mut checks: Vec<CheckPolicy> = Vec::new();
    for table in tables {
        let at = Some(table.context.span());
        let context = table.context.into_inner();
        fields::context(&context).map_err(|words| Problem { at: at.clone(), words })?;
        if let Some(same) = checks.iter().find(|c| c.context.eq_ignore_ascii_case(&context)) {
            let words = format!("`{context}` and `{}` are the same context to GitHub: rename one", same.context);
            return Err(Problem { at, words });
        }
        if table.run.get_ref().trim().is_empty() {
            let words = "run is empty: write the command, like run = \"make test\"".to_owned();
            return Err(Problem { at: Some(table.run.span()), words });
        }
        let timeout = table.timeout.map_or(longest, |t| t.min(longest));
        checks.push(CheckPolicy { context, run: table.run.into_inner(), timeout });
    }
    Ok(checks)
}

fn secrets(tables: Vec<SecretTable>) -> Result<Vec<SecretFile>, Problem> {
    let mut secrets: Vec<SecretFile> = Vec::new();
    for table in tables {
        let at = Some(table.name.span());
        let (name, file) = (table.name.into_inner(), table.file.get_ref());
        fields::secret_name(&name).map_err(|words| Problem { at: at.clone(), words })?;
        if secrets.iter().any(|s| s.name == name) {
            return Err(Problem { at, words: format!("the secret {name} is there twice: keep one of them") });
        }
        if secrets.len() == SECRETS_MAX {
            let words = format!("there are more than {SECRETS_MAX} secrets: join some in one file");
            return Err(Problem { at, words });
        }
        if !file.is_absolute() {
            let words = format!("{} is relative: write it from the root, like /etc/pilotlight/…", file.display());
            return Err(Problem { at: Some(table.file.span()), words });
        }
        secrets.push(SecretFile { name, file: table.file.into_inner() });
    }
    Ok(secrets)
}

/// The lamp can be about what is configured alone.
fn lamp_repositories(named: &[Spanned<String>], known: &[RepositoryPolicy]) -> Result<Vec<String>, Problem> {
    let one = |name: &Spanned<String>| {
        let text = name.get_ref();
        if let Some(found) = known.iter().find(|r| r.name.eq_ignore_ascii_case(text)) {
            return Ok(found.name.clone());
        }
        let nearest = known.iter().map(|r| r.name.as_str()).min_by_key(|known| distance(text, known));
        let words = format!("there is no [[repository]] `{text}`: did you mean `{}`?", nearest.unwrap_or_default());
        Err(Problem { at: Some(name.span()), words })
    };
    named.iter().map(one).collect()
}

fn lights(table: LightsTable) -> Result<LightsConfig, Problem> {
    let pins = match (table.pins, table.preset) {
        (Some(pins), Some(_)) => {
            let words = "pins and preset name the same thing: keep one of them".to_owned();
            return Err(Problem { at: Some(pins.span()), words });
        }
        (Some(table), None) => {
            let at = Some(table.span());
            let pins = table.into_inner();
            pins::check(pins).map_err(|words| Problem { at, words })?;
            pins
        }
        (None, Some(name)) => pins::preset(name.get_ref()).map_err(|words| Problem { at: Some(name.span()), words })?,
        (None, None) => Pins::default(),
    };
    Ok(LightsConfig { driver: table.driver, pins, active_low: table.active_low })
}

fn directory(named: Option<PathBuf>, default: Option<&PathBuf>, key: &str) -> Result<PathBuf, Problem> {
    let found = named.or_else(|| default.cloned());
    let found = found.ok_or_else(|| plain(format!("no directory is known for storage.{key}: name one")))?;
    if found.is_absolute() {
        return Ok(found);
    }
    Err(plain(format!(
        "storage.{key} = {} is relative: write it from the root, like /var/lib/pilotlight",
        found.display()
    )))
}

fn plain(words: impl Into<String>) -> Problem {
    Problem { at: None, words: words.into() }
}
