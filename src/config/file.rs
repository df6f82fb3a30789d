//! The file as it is written, and what must hold between its parts.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::fields::{self, Listen};
use super::surroundings::Surroundings;
use super::{Config, Dashboard, Github, Webhook, default_check};
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
    webhook: WebhookTable,
    github: GithubTable,
    dashboard: DashboardTable,
    lights: LightsTable,
    builder: BuilderTable,
    storage: StorageTable,
    repository: Vec<RepositoryTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WebhookTable {
    listen: Listen,
    #[serde(deserialize_with = "fields::url_path")]
    path: String,
    secret_file: Option<PathBuf>,
    #[serde(deserialize_with = "fields::body_bytes")]
    max_body: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GithubTable {
    #[serde(deserialize_with = "fields::http_url")]
    api_url: String,
    token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DashboardTable {
    listen: Listen,
    #[serde(deserialize_with = "fields::some_http_url")]
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LightsTable {
    driver: DriverKind,
    pins: Option<Spanned<PinsTable>>,
    preset: Option<Spanned<String>>,
    active_low: bool,
    blink: bool,
    self_test: bool,
    follow: Follow,
    repositories: Vec<Spanned<String>>,
    include_external: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinsTable {
    red: u8,
    yellow: u8,
    green: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BuilderTable {
    workers: Spanned<usize>,
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

impl Default for WebhookTable {
    fn default() -> Self {
        WebhookTable {
            listen: Listen(Some(SocketAddr::from(([127, 0, 0, 1], 4567)))),
            path: "/event_handler".to_owned(),
            secret_file: None,
            max_body: 2 * 1024 * 1024,
        }
    }
}

impl Default for GithubTable {
    fn default() -> Self {
        GithubTable { api_url: "https://api.github.com".to_owned(), token_file: None }
    }
}

impl Default for DashboardTable {
    fn default() -> Self {
        DashboardTable { listen: Listen(Some(SocketAddr::from(([0, 0, 0, 0], 8080)))), url: None }
    }
}

impl Default for LightsTable {
    fn default() -> Self {
        LightsTable {
            driver: DriverKind::Gpio,
            pins: None,
            preset: None,
            active_low: false,
            blink: true,
            self_test: true,
            follow: Follow::Latest,
            repositories: Vec::new(),
            include_external: false,
        }
    }
}

impl Default for BuilderTable {
    fn default() -> Self {
        BuilderTable {
            workers: Spanned::new(0..0, 1),
            timeout: None,
            silence: None,
            isolation: Isolation::Systemd,
            approval: Approval::Forks,
        }
    }
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
    let workers = *file.builder.workers.get_ref();
    if !(1..=WORKERS_MAX).contains(&workers) {
        let words = format!("workers = {workers} is out of range: between 1 and {WORKERS_MAX}");
        return Err(Problem { at: Some(file.builder.workers.span()), words });
    }
    let timeout = file.builder.timeout.unwrap_or(TIMEOUT);
    let host = clone_host(&file.github.api_url);
    let repositories = repositories(file.repository, &host, timeout)?;
    Ok(Config {
        webhook: Webhook {
            listen: file.webhook.listen.0,
            path: file.webhook.path,
            secret_file: file.webhook.secret_file,
            secret: None,
            max_body_bytes: file.webhook.max_body,
        },
        github: Github { api_url: file.github.api_url, token_file: file.github.token_file, token: None },
        dashboard: Dashboard {
            listen: file.dashboard.listen.0,
            url: file.dashboard.url,
            hostname: surroundings.hostname.clone(),
        },
        policy: Policy {
            webhooks: file.webhook.listen.0.is_some(),
            workers,
            isolation: file.builder.isolation,
            approval: file.builder.approval,
            silence: file.builder.silence.unwrap_or(SILENCE),
            follow: file.lights.follow,
            lamp_repositories: lamp_repositories(&file.lights.repositories, &repositories)?,
            include_external: file.lights.include_external,
            blink: file.lights.blink,
            repositories,
            dashboard_url: String::new(),
        },
        self_test: file.lights.self_test,
        lights: lights(file.lights)?,
        state_dir: directory(file.storage.state_dir, surroundings.state_dir.as_ref(), "state_dir")?,
        cache_dir: directory(file.storage.cache_dir, surroundings.cache_dir.as_ref(), "cache_dir")?,
    })
}

/// The host that serves git beside this API: `github.com` beside `api.github.com`, else the API's own.
pub fn clone_host(api_url: &str) -> String {
    let authority = api_url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    authority.strip_prefix("api.").unwrap_or(authority).to_owned()
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
        let checks = match table.check.is_empty() {
            true => vec![default_check(longest)],
            false => checks(table.check, longest)?,
        };
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
            let PinsTable { red, yellow, green } = table.into_inner();
            let pins = Pins { red, yellow, green };
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
