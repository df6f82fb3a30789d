//! Webhook sent → answered, while one build waits and nothing else runs.

use std::time::Duration;

use super::floor::Floor;
use super::report::Figure;
use super::stage::{Answered, Hook, Life, send_at_once};
use super::{Measure, stage::Stage};

/// Senders at a time in the second half.
const AT_ONCE: usize = 20;

pub fn measure(measure: &Measure) -> Vec<Figure> {
    // The only builder waits for what never comes: what is measured has the machine for itself.
    let mut stage = Stage::new(&measure.dir, &measure.small, "echo waits > @said; sleep 1000", "none");
    stage.start();
    let life = stage.life();
    let floor = Floor::new(stage.dir.path());
    assert_eq!(life.send(&life.hook(1, measure.small.head(1))).status, 202);
    stage.said.wait(0, |line| line == "waits");

    let (mut answered, mut least) = (Vec::new(), Vec::new());
    for hook in hooks(life, 2, measure.scale.hooks) {
        answered.push(accepted(life.send(&hook)));
        least.push(floor.post(&hook).took() + floor.sync());
    }
    let crowd = hooks(life, 2 + measure.scale.hooks, measure.scale.hooks);
    let together = send_at_once(life.address(), &crowd, AT_ONCE);
    let least_together = send_at_once(floor.address(), &crowd, AT_ONCE);
    vec![
        Figure::times("webhook answered, 1 at a time", &answered).over(LEAST, &least).at_most(2.0),
        Figure::times("webhook answered, 20 at a time", &together.into_iter().map(accepted).collect::<Vec<_>>())
            .over("POST to a bare server", &least_together.into_iter().map(Answered::took).collect::<Vec<_>>()),
    ]
}

/// The floor of an answer that is on the disk.
const LEAST: &str = "POST to a bare server + fdatasync";

/// Of different pull requests, whose heads nobody will ever fetch.
fn hooks(life: &Life, from: usize, count: usize) -> Vec<Hook> {
    (from..from + count).map(|number| life.hook(number, &format!("{number:040x}"))).collect()
}

fn accepted(answered: Answered) -> Duration {
    assert_eq!(answered.status, 202);
    answered.took()
}
