//! Many webhooks at once, each of another pull request, and the builds that follow.

use std::time::{Duration, Instant};

use super::floor::Floor;
use super::repo::BareGit;
use super::report::Figure;
use super::stage::{Answered, Stage, send_at_once};
use super::{Measure, builds};

const AT_ONCE: usize = 50;

/// Builds by git alone that stand for as many as the burst has.
const SAMPLE: usize = 20;

pub fn measure(measure: &Measure) -> Vec<Figure> {
    let count = measure.scale.burst;
    let mut stage = Stage::new(&measure.dir, &measure.small, "echo ran > @said", "none");
    let floor = Floor::new(stage.dir.path());
    stage.build(&measure.small, 1);
    stage.start_anew();
    let life = stage.life();
    let hooks: Vec<_> = (1..=count).map(|number| life.hook(number, measure.small.head(number))).collect();
    let ran = stage.said.len();

    let begun = Instant::now();
    let answered = send_at_once(life.address(), &hooks, AT_ONCE);
    let peak = life.process().peak_memory_mb();
    let refused = answered.iter().filter(|answered| !(200..300).contains(&answered.status)).count();
    let drained = stage.said.wait_len(ran + count - refused) - begun;
    let peak_of_all = life.process().peak_memory_mb();
    let least = send_at_once(floor.address(), &hooks, AT_ONCE);
    let times = |answered: Vec<Answered>| answered.into_iter().map(Answered::took).collect::<Vec<Duration>>();
    vec![
        Figure::times(format!("burst of {count}, {AT_ONCE} at a time: answered"), &times(answered))
            .over("POST to a bare server", &times(least)),
        Figure::new("burst: answers that are no 2xx", "", vec![refused as f64]).at_most(0.0),
        Figure::new("burst: peak memory while it comes in", "MB", vec![peak]).at_most(16.0),
        Figure::new("burst: peak memory until all is built", "MB", vec![peak_of_all]).at_most(16.0),
        Figure::new("burst: until the last check has run", "s", vec![drained.as_secs_f64()])
            .over_values(builds::LEAST, vec![least_drained(measure, &stage) * count as f64]),
    ]
}

/// Seconds that one build takes at the least.
fn least_drained(measure: &Measure, stage: &Stage) -> f64 {
    let bare = BareGit::new(stage.dir.path(), &measure.small);
    let build = |number: usize| bare.build(number, measure.small.head(number));
    build(1);
    let times = (2..2 + SAMPLE).map(build);
    times.sum::<Duration>().as_secs_f64() / SAMPLE as f64
}
