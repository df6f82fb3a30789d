//! Many webhooks at once, each of another pull request, and the builds that follow.

use std::time::{Duration, Instant};

use super::Measure;
use super::floor::Floor;
use super::report::Figure;
use super::stage::{Answered, Stage, send_at_once};

const AT_ONCE: usize = 50;

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
    assert!(answered.iter().all(|answered| (200..300).contains(&answered.status)), "every one is accepted");
    let drained = stage.said.wait_len(ran + count) - begun;
    let peak_of_all = life.process().peak_memory_mb();
    let least = send_at_once(floor.address(), &hooks, AT_ONCE);
    let times = |answered: Vec<Answered>| answered.into_iter().map(Answered::took).collect::<Vec<Duration>>();
    vec![
        Figure::times(format!("burst of {count}, {AT_ONCE} at a time: answered"), &times(answered))
            .over("POST to a bare server", &times(least)),
        Figure::new("burst: peak memory while it comes in", "MB", vec![peak]).at_most(16.0),
        Figure::new("burst: peak memory until all is built", "MB", vec![peak_of_all]).at_most(16.0),
        Figure::new("burst: until the last check has run", "s", vec![drained.as_secs_f64()]),
    ]
}
