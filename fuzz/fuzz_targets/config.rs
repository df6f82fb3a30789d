//! The configuration, and the file of checks in a head: no text breaks the reading of it, an error has words and a place, and what is taken holds what
//! the rest of the daemon relies on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight::config::{Config, Surroundings, checks_of_head};
use pilotlight::logic::policy::CheckPolicy;

fuzz_target!(|text: &str| {
    for stranger in [false, true] {
        match checks_of_head(text, stranger) {
            Ok(checks) => check_all(&checks),
            Err(words) => assert!(words.starts_with(".pilotlight.toml"), "no place: {words}"),
        }
    }
    let surroundings = Surroundings {
        state_dir: Some("/var/lib/pilotlight".into()),
        cache_dir: Some("/var/cache/pilotlight".into()),
        hostname: "pi".to_owned(),
        ..Surroundings::default()
    };
    match Config::parse(text, "pilotlight.toml", &surroundings) {
        Ok(config) => check(&config),
        Err(error) => {
            let words = error.to_string();
            let rest = words.strip_prefix("pilotlight.toml:").unwrap_or_else(|| panic!("no place: {words}"));
            assert!(rest.trim().len() > 8, "no words: {words}");
        }
    }
});

fn check(config: &Config) {
    let policy = &config.policy;
    assert!(!policy.repositories.is_empty() && policy.workers >= 1);
    assert!(config.state_dir.is_absolute() && config.cache_dir.is_absolute());
    assert!(config.github.api_url.starts_with("http") && !config.github.api_url.ends_with('/'));
    assert!(config.webhook.path.starts_with('/') && config.webhook.path.bytes().all(|b| b.is_ascii_graphic()));
    assert!(!config.dashboard.url(8080).ends_with('/'));
    let pins = config.lights.pins;
    assert!(pins.red != pins.yellow && pins.yellow != pins.green && pins.red != pins.green);
    for (index, repository) in policy.repositories.iter().enumerate() {
        let (owner, name) = repository.name.split_once('/').expect("owner/name");
        assert!(!owner.is_empty() && ![".", "..", ""].contains(&name) && !name.contains('/'));
        assert!(!policy.repositories[..index].iter().any(|r| r.name.eq_ignore_ascii_case(&repository.name)));
        assert!(!repository.checks.is_empty() && !repository.clone_url.starts_with('-'));
        check_all(&repository.checks);
    }
    assert!(policy.repository(&policy.repositories[0].name.to_ascii_uppercase()).is_some());
}

fn check_all(checks: &[CheckPolicy]) {
    for (index, check) in checks.iter().enumerate() {
        assert!(!check.run.trim().is_empty() && !check.timeout.is_zero());
        assert!(!checks[..index].iter().any(|c| c.context.eq_ignore_ascii_case(&check.context)));
    }
}
