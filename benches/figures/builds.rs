//! A whole build whose check is `true`, and the least that git can do, in turns.

use super::Measure;
use super::proc::Proc;
use super::repo::{BareGit, Origin};
use super::report::Figure;
use super::stage::Stage;

pub const LEAST: &str = "git fetch + checkout + true";

pub fn small(measure: &Measure) -> Vec<Figure> {
    let (times, mut more) = build(measure, &measure.small, "small repository", measure.scale.small);
    let mut figures = vec![times.at_most_times_floor(1.35)];
    figures.append(&mut more);
    figures
}

pub fn large(measure: &Measure) -> Vec<Figure> {
    let large = Origin::of(measure.scale.large, &measure.dir);
    let megabytes = measure.scale.large.files * measure.scale.large.file_bytes / 1_000_000;
    let name = format!("{megabytes} MB, {} files", measure.scale.large.files);
    let (times, mut more) = build(measure, &large, &name, measure.scale.large_builds);
    more.insert(0, times);
    more
}

/// The times, and what else a build takes.
fn build(measure: &Measure, origin: &Origin, name: &str, count: usize) -> (Figure, Vec<Figure>) {
    let mut stage = Stage::new(&measure.dir, origin, "true", "none");
    let bare = BareGit::new(stage.dir.path(), origin);
    // The first clone and the first checkout of each are not measured.
    stage.build(origin, 1);
    bare.build(1, origin.head(1));
    let (mut times, mut least) = (Vec::new(), Vec::new());
    let (mut written, mut least_written) = (Vec::new(), Vec::new());
    let (mut cpu, mut least_cpu) = (0.0, 0.0);
    for number in 2..2 + count {
        let built = stage.build(origin, number);
        times.push(built.ended - built.answered.sent);
        written.push(built.written_bytes as f64 / 1000.0);
        cpu += built.cpu_ms;
        let (bytes, ms) = (Proc::own().written_bytes(), Proc::own().cpu_ms());
        least.push(bare.build(number, origin.head(number)));
        least_written.push((Proc::own().written_bytes() - bytes) as f64 / 1000.0);
        least_cpu += Proc::own().cpu_ms() - ms;
    }
    let (anonymous, of_files) = stage.life().process().memory_mb();
    let more = vec![
        Figure::new("  written to disk for each (/proc/PID/io)", "KB", written).over_values(LEAST, least_written),
        Figure::new("  CPU for each, mean of 10 ms ticks", "ms", vec![cpu / count as f64])
            .over_values(LEAST, vec![least_cpu / count as f64]),
        Figure::new("  memory afterwards, anonymous + file", "MB", vec![anonymous + of_files]),
    ];
    (Figure::times(format!("no-op build, {name}"), &times).over(LEAST, &least), more)
}
