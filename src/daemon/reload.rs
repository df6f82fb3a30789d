//! SIGHUP: a new configuration without losing a build.

use std::sync::PoisonError;

use super::{Daemon, start};
use crate::config::{Config, Surroundings};
use crate::logic::event::Event;

impl Daemon {
    /// Reads the configuration again. A broken one is refused, and the old one stays.
    pub(super) fn reload(&mut self) -> Option<Event> {
        let path = self.config_path.clone()?;
        let read = Config::read(&path).and_then(|new| new.with_secrets(&Surroundings::of_process()));
        let new = match read {
            Ok(new) => self.keep_what_needs_a_restart(new),
            Err(error) => {
                log::error!("the new configuration is refused, the old one stays: {error}");
                return None;
            }
        };
        if let Err(error) = self.renew_threads(&new) {
            log::error!("the new configuration is refused, the old one stays: {error:#}");
            return None;
        }
        self.gate.reconfigure(start::rules(&new));
        self.hooks.write().unwrap_or_else(PoisonError::into_inner).clone_from(&new.webhook.secret);
        self.lights.reopen(self.now().mono, &new.lights);
        let policy = new.policy.clone();
        self.config = new;
        log::info!("took the new configuration from {}", path.display());
        Some(Event::Reload(Box::new(policy)))
    }

    /// Sockets and directories stay as they are until the next start.
    fn keep_what_needs_a_restart(&self, new: Config) -> Config {
        let old = &self.config;
        let changed = [
            ("webhook.listen", old.webhook.listen != new.webhook.listen),
            ("dashboard.listen", old.dashboard.listen != new.dashboard.listen),
            ("dashboard.url", old.dashboard.url != new.dashboard.url),
            ("storage.state_dir", old.state_dir != new.state_dir),
            ("storage.cache_dir", old.cache_dir != new.cache_dir),
        ];
        for (key, _) in changed.iter().filter(|(_, changed)| *changed) {
            log::warn!("{key} has changed: restart pilotlight to take it; the rest is taken now");
        }
        let mut kept = new;
        kept.webhook.listen = old.webhook.listen;
        kept.policy.webhooks = old.policy.webhooks;
        kept.dashboard.listen = old.dashboard.listen;
        kept.dashboard.url.clone_from(&old.dashboard.url);
        kept.policy.dashboard_url.clone_from(&old.policy.dashboard_url);
        kept.state_dir.clone_from(&old.state_dir);
        kept.cache_dir.clone_from(&old.cache_dir);
        kept
    }

    /// New builders and a new github thread with what is new; the old ones finish what they have in hand and
    /// end, since nobody can send to them any more.
    fn renew_threads(&mut self, new: &Config) -> anyhow::Result<()> {
        let (orders, calls, mut threads) = start::workers_of(new, &self.outbox)?;
        self.orders = orders;
        self.calls = calls;
        self.threads.append(&mut threads);
        Ok(())
    }
}
