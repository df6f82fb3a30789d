//! `pilotlight check`: what is wrong, and how to cure it.

mod hardware;
mod here;
mod outside;

use std::path::Path;

use serde::Serialize;

use super::{Failure, secrets};
use crate::config::Config;
use crate::lights::terminal::harmless;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    /// It works, or it can't be known from here; a person may want to look.
    Doubtful,
    Bad,
}

/// One line of the report.
#[derive(Serialize)]
struct Finding {
    about: String,
    verdict: Verdict,
    /// What was found, and the cure if it is not good.
    words: String,
}

/// Prints the report. Exit code 1 when something is bad, 2 when that is the configuration.
pub fn run(config_path: &Path, offline: bool, json: bool) -> Result<(), Failure> {
    let (findings, code) = match Config::read(config_path) {
        Ok(config) => {
            let findings = examine(config, config_path, offline);
            let bad = findings.iter().any(|f| f.verdict == Verdict::Bad);
            (findings, u8::from(bad))
        }
        Err(error) => (vec![Finding::bad("configuration", error.0)], 2),
    };
    if json {
        let report = serde_json::json!({ "ok": code == 0, "findings": findings });
        println!("{report}");
    } else {
        findings.iter().for_each(Finding::print);
    }
    if code == 0 { Ok(()) } else { Err(Failure::Said(code)) }
}

fn examine(config: Config, path: &Path, offline: bool) -> Vec<Finding> {
    let mut findings = vec![Finding::good("configuration", format!("{} is in order", path.display()))];
    findings.extend(here::findings(&config, path));
    findings.extend(hardware::findings(Path::new("/sys"), &config.state_dir));
    let with_secrets = secrets::with_secrets(config.clone(), path);
    let config = match with_secrets {
        Ok(config) => config,
        Err(error) => {
            findings.push(Finding::bad("secrets", error.0));
            config
        }
    };
    if offline {
        findings.push(Finding::doubtful("GitHub", "not asked (--offline)"));
    } else {
        findings.extend(outside::findings(&config));
    }
    findings
}

impl Finding {
    fn good(about: impl Into<String>, words: impl Into<String>) -> Self {
        Finding { about: about.into(), verdict: Verdict::Good, words: words.into() }
    }

    fn doubtful(about: impl Into<String>, words: impl Into<String>) -> Self {
        Finding { about: about.into(), verdict: Verdict::Doubtful, words: words.into() }
    }

    fn bad(about: impl Into<String>, words: impl Into<String>) -> Self {
        Finding { about: about.into(), verdict: Verdict::Bad, words: words.into() }
    }

    /// Good, or bad for the reason given.
    fn of(about: impl Into<String>, found: Result<String, String>) -> Self {
        match found {
            Ok(words) => Finding::good(about, words),
            Err(words) => Finding::bad(about, words),
        }
    }

    /// Good, or doubtful for the reason given.
    fn mind(about: impl Into<String>, found: Result<String, String>) -> Self {
        match found {
            Ok(words) => Finding::good(about, words),
            Err(words) => Finding::doubtful(about, words),
        }
    }

    fn print(&self) {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::Doubtful => "doubtful",
            Verdict::Bad => "BAD",
        };
        println!("{verdict:<8}  {:<24}  {}", self.about, harmless(&self.words));
    }
}
