//! `pilotlight demo`: the whole job on this machine. Real git, real signed webhooks, the real daemon; only
//! GitHub's API is a stand-in, and the lamp is drawn in the terminal.

mod screen;
mod stage;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, select_biased};

use super::logger;
use crate::config::{Config, Secret, Surroundings};
use crate::daemon::{Daemon, Extras, Inbox, Signal, hold_signals, watch_signals};
use crate::logic::panel::Panel;
use screen::Screen;
use stage::{Stage, Status};

/// The longest that one act may take; each needs a few seconds.
const ACT_MAX: Duration = Duration::from_secs(30);

/// What a hanging test is given.
const TIMEOUT: &str = "3s";

const WEBHOOK_SECRET: &str = "the demo's webhook secret";

/// What the audience watches while an act is on.
struct Audience {
    screen: Screen,
    statuses: Receiver<Status>,
    panels: Receiver<Panel>,
}

/// Plays the demo; with `keep` the dashboard stays up afterwards, until Ctrl-C.
pub fn run(keep: bool) -> Result<()> {
    logger::init(log::LevelFilter::Warn);
    let (stage, statuses) = Stage::build()?;
    let (watch, panels) = crossbeam_channel::unbounded();
    let surroundings = surroundings(&stage);
    let config = Config::parse(&config(&stage), "the demo's configuration", &surroundings)?;
    let config = config.with_secrets(&surroundings)?;
    let (daemon, addresses, inbox) = Daemon::start(config, Extras { config_path: None, watch: Some(watch) })?;
    watch_signals(hold_signals()?, inbox.clone())?;
    let daemon = thread::spawn(move || daemon.run());
    let webhook = addresses.webhook.context("the demo listens for webhooks")?;
    let dashboard = addresses.dashboard.context("the demo has a dashboard")?;

    let mut audience = Audience { screen: Screen::of_stdout(), statuses, panels };
    let started = Instant::now();
    let hooks = stage::Hooks::new(format!("http://{webhook}/event_handler"), WEBHOOK_SECRET);
    let played = play(&mut audience, &stage, &hooks, &dashboard.to_string());
    let seconds = started.elapsed().as_secs();
    if played.is_ok() {
        let screen = &mut audience.screen;
        screen.say("");
        screen.say(&format!("That was it, in {seconds} s: the same daemon, with a Pi and a tunnel, is your CI."));
        if keep {
            screen.say(&format!("The dashboard stays up at http://{dashboard}/ until you press Ctrl-C."));
            // Until the daemon ends.
            let _ = audience.watch(None, |_| false);
        } else {
            screen.say("README.md says how to set it up; `demo --keep` leaves the dashboard up to look at.");
        }
    }
    audience.screen.close();
    // Refused only when it has ended already.
    let _ = inbox.send(Inbox::Signal(Signal::StopAtOnce));
    let _ = daemon.join();
    played
}

fn config(stage: &Stage) -> String {
    let (api, origin) = (&stage.api_url, stage.clone_url());
    format!(
        "webhook = {{ listen = \"127.0.0.1:0\" }}\n\
         github = {{ api_url = \"{api}\" }}\n\
         dashboard = {{ listen = \"127.0.0.1:0\" }}\n\
         lights = {{ driver = \"none\" }}\n\
         builder = {{ isolation = \"none\" }}\n\
         [[repository]]\n\
         name = \"acme/app\"\n\
         clone_url = '{origin}'\n\
         [[repository.check]]\n\
         context = \"pilotlight/test\"\n\
         run = \"script/cibuild\"\n\
         timeout = \"{TIMEOUT}\"\n"
    )
}

fn surroundings(stage: &Stage) -> Surroundings {
    Surroundings {
        credentials_dir: None,
        state_dir: Some(stage.room.join("state")),
        cache_dir: Some(stage.room.join("cache")),
        webhook_secret: Some(Secret::new(WEBHOOK_SECRET)),
        github_token: Some(Secret::new("demo-token")),
        hostname: "localhost".to_owned(),
    }
}

fn play(audience: &mut Audience, stage: &Stage, hooks: &stage::Hooks, dashboard: &str) -> Result<()> {
    audience.say("pilotlight: pull requests in, tests run, statuses out, and a lamp.");
    audience.say("");
    audience.say("  Here, now: a real git repository, real signed webhooks, the real daemon.");
    audience.say("  A stand-in plays GitHub's API, and the lamp is drawn here.");
    audience.say(&format!("  The dashboard is at http://{dashboard}/ while this runs."));

    audience.act("1. Ada opens a pull request. Its tests pass.");
    audience.deliver(hooks, &stage.opened(1))?;
    audience.wait_for(|s| s.sha == stage.head(1) && s.state == "success")?;

    audience.act("2. Ben opens one with a mistake in it. Its tests fail.");
    audience.deliver(hooks, &stage.opened(2))?;
    audience.wait_for(|s| s.sha == stage.head(2) && s.state == "failure")?;

    audience.act(&format!(
        "3. Cleo's tests hang. Her limit is {TIMEOUT}; nothing stays behind, and red and yellow say: an error."
    ));
    audience.deliver(hooks, &stage.opened(3))?;
    audience.wait_for(|s| s.sha == stage.head(3) && s.state == "error")?;

    audience.act("4. Dan pushes again while his build runs. The old build makes way for the new one.");
    audience.deliver(hooks, &stage.opened(4))?;
    audience.wait_for(|s| s.sha == stage.head(4) && s.description == "Running")?;
    let pushed = stage.push_again()?;
    audience.deliver(hooks, &stage.pushed(4, &pushed))?;
    audience.wait_for(|s| s.sha == pushed && s.state == "success")
}

impl Audience {
    fn say(&mut self, line: &str) {
        self.screen.say(line);
    }

    fn act(&mut self, title: &str) {
        while let Ok(panel) = self.panels.try_recv() {
            self.screen.lamp(panel);
        }
        self.screen.say("");
        self.screen.title(title);
    }

    fn deliver(&mut self, hooks: &stage::Hooks, payload: &serde_json::Value) -> Result<()> {
        let answer = hooks.deliver(payload)?;
        self.say(&format!("   webhook  pull_request {}: {answer}", payload["action"].as_str().unwrap_or_default()));
        Ok(())
    }

    fn wait_for(&mut self, fits: impl Fn(&Status) -> bool) -> Result<()> {
        self.watch(Some(Instant::now() + ACT_MAX), fits)
    }

    /// Shows what happens until a status `fits`, and the lamp has followed it. Fails at `deadline`, and when the daemon
    /// ends.
    fn watch(&mut self, deadline: Option<Instant>, fits: impl Fn(&Status) -> bool) -> Result<()> {
        let mut found = false;
        while !found {
            let redraw = crossbeam_channel::after(self.screen.beat());
            select_biased! {
                recv(self.panels) -> panel => match panel {
                    Ok(panel) => self.screen.lamp(panel),
                    Err(_) => bail!("stopped before the end"),
                },
                recv(self.statuses) -> status => if let Ok(status) = status {
                    found = fits(&status);
                    self.screen.status(&status);
                },
                recv(redraw) -> _ => self.screen.redraw(),
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                bail!("nothing came for {} s; is `git` installed, and the machine not too busy?", ACT_MAX.as_secs());
            }
        }
        Ok(())
    }
}
