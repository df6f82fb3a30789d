//! What people see of a build's begin and end: `pending`, the lamp, the final status.

use super::Measure;
use std::thread;
use std::time::Duration;

use super::floor::Floor;
use super::report::Figure;
use super::stage::Stage;

/// How long the test takes.
const TEST: Duration = Duration::from_millis(50);

pub fn measure(measure: &Measure) -> Vec<Figure> {
    // The test's last act is a word into a FIFO that we wait at.
    let run = "echo runs > @said; read _ < @go; echo tested; echo over > @said";
    let mut stage = Stage::new(&measure.dir, &measure.small, run, "terminal");
    let floor = Floor::new(stage.dir.path());
    stage.go();
    stage.build(&measure.small, 1);
    let (mut pending, mut ended, mut lamp) = (Vec::new(), Vec::new(), Vec::new());
    let (mut least_pending, mut least_ended, mut least_lamp) = (Vec::new(), Vec::new(), Vec::new());
    for number in 2..2 + measure.scale.ends {
        let said = stage.said.len();
        let begun = stage.begin(&measure.small, number);
        stage.said.wait(said, |word| word == "runs");
        // Longer than it takes to tell that it runs: so do most tests.
        thread::sleep(TEST);
        stage.go();
        let over = stage.said.wait(said, |word| word == "over").0;
        let built = stage.end(begun);
        let green = format!("lamp: green on, red off, yellow off (acme/app#{number} passed)");
        let lit = stage.life().printed.wait(0, |line| *line == green).0;
        pending.push(built.pending - built.answered.sent);
        ended.push(built.ended.saturating_duration_since(over));
        lamp.push(lit.saturating_duration_since(over));

        let hook = stage.life().hook(number, measure.small.head(number));
        let (first, second, sync) = (floor.post(&hook).took(), floor.post(&hook).took(), floor.sync());
        least_pending.push(first + second + sync);
        least_ended.push(first + sync);
        least_lamp.push(sync);
    }
    vec![
        Figure::times("webhook sent → pending at the API", &pending)
            .over("two POSTs + fdatasync", &least_pending)
            .at_most(6.0),
        Figure::times("test ended → final status at the API", &ended)
            .over("POST + fdatasync", &least_ended)
            .at_most(3.0),
        Figure::times("last byte of the test → lamp", &lamp).over("fdatasync", &least_lamp),
    ]
}
