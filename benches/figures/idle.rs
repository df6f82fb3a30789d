//! A daemon that has nothing to do, and how it starts.

use std::thread;
use std::time::{Duration, Instant};

use super::Measure;
use super::report::Figure;
use super::stage::Stage;

/// Between two looks at GitHub's list of open pull requests.
const BEAT: Duration = Duration::from_secs(60);

/// Longer than anything takes that a beat leads to.
const CALM: Duration = Duration::from_secs(1);

/// It idles while the other figures are taken.
pub struct Idle {
    stage: Stage,
    /// Its start; its first beat comes one [`BEAT`] later.
    begun: Instant,
    wake_ups: u64,
    figures: Vec<Figure>,
}

/// Between its start and its first beat.
pub fn begin(measure: &Measure) -> Idle {
    let mut stage = Stage::new(&measure.dir, &measure.small, "true", "none");
    stage.start();
    let (begun, process) = (Instant::now(), stage.life().process());
    // Nothing tells that it has calmed down; what is measured is time in which nothing happens.
    thread::sleep(CALM);
    let before = process.wake_ups();
    thread::sleep(measure.scale.idle);
    let wake_ups = process.wake_ups();
    let (anonymous, of_files) = process.memory_mb();
    let a_second = (wake_ups - before) as f64 / measure.scale.idle.as_secs_f64();
    let figures = vec![
        Figure::new("idle: memory, anonymous + file", "MB", vec![anonymous + of_files]).at_most(8.0),
        Figure::new("idle: memory, anonymous alone", "MB", vec![anonymous]),
        Figure::new("idle: threads", "", vec![process.threads()]).at_most(14.0),
        Figure::new("idle: wake-ups a second between beats", "", vec![a_second]).at_most(0.0),
    ];
    Idle { stage, begun, wake_ups, figures }
}

impl Idle {
    /// After at least one beat, if there is time for that.
    pub fn end(mut self, waits: bool) -> Vec<Figure> {
        if waits {
            thread::sleep((self.begun + BEAT + CALM).saturating_duration_since(Instant::now()));
        }
        let beats = self.begun.elapsed().as_secs() / BEAT.as_secs();
        if beats > 0 {
            let woken = (self.stage.life().process().wake_ups() - self.wake_ups) as f64;
            self.figures.push(Figure::new("idle: wake-ups for each beat", "", vec![woken / beats as f64]));
        }
        self.figures
    }
}

/// From the start of the process to its first answer, with a state that is there already.
pub fn starts(measure: &Measure) -> Vec<Figure> {
    let mut stage = Stage::new(&measure.dir, &measure.small, "true", "none");
    stage.start();
    let (mut times, mut least) = (Vec::new(), Vec::new());
    for _ in 0..measure.scale.starts {
        times.push(stage.start().took);
        let begun = Instant::now();
        let output = stage.command(&["--version"]).output();
        least.push(begun.elapsed());
        assert!(output.is_ok_and(|output| output.status.success()), "pilotlight tells its version");
    }
    vec![Figure::times("start → first answer", &times).over("pilotlight --version", &least).at_most(20.0)]
}
