//! What GitHub says.

use super::Finding;
use crate::config::Config;
use crate::github::{Client, GithubConfig};

pub fn findings(config: &Config) -> Vec<Finding> {
    let token = config.github.token.as_ref().map(|t| t.expose().to_owned());
    let client = match Client::new(&GithubConfig { api_url: config.github.api_url.clone(), token: token.clone() }) {
        Ok(client) => client,
        Err(error) => return vec![Finding::bad("GitHub", format!("{error:#}"))],
    };
    if token.is_none() {
        let cure = "name its file as github.token_file, or put it where the unit finds it: README.md, step 2";
        return vec![Finding::bad("GitHub token", format!("there is none: {cure}"))];
    }
    let (reachable, clock) = client.check_reachable();
    let stop = reachable.is_err();
    let mut findings = vec![Finding::of("GitHub", reachable), Finding::of("clock against GitHub's", clock)];
    if stop {
        return findings;
    }
    for repository in &config.repositories {
        let name = &repository.name;
        for (permission, said) in client.check_permissions(name) {
            findings.push(Finding::of(format!("{name}: {permission}"), said));
        }
        if config.webhook.listen.is_some() {
            let about = format!("{name}: webhook");
            findings.push(match client.check_hook(name, &config.webhook.path) {
                Some(said) => Finding::of(about, said),
                None => {
                    Finding::doubtful(about, "the token may not look at it (Webhooks: read): see its page at GitHub")
                }
            });
        }
    }
    findings
}
