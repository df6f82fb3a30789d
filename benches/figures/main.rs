//! The figures of pilotlight, each beside what the same machine gives at the least in the same run.
//!
//! `cargo bench` takes about two minutes on a machine at rest; `cargo bench -- --quick` takes fewer and smaller
//! samples. `-- --json` prints JSON in place of the table; `target/figures.json` is written always. Nothing here can fail
//! for being slow.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use repo::{Origin, Size};
use report::Figure;

mod builds;
mod burst;
mod ends;
mod floor;
mod hooks;
mod hub;
mod idle;
mod proc;
mod repo;
mod report;
mod stage;
mod stamps;
#[path = "../../tests/it/support/mod.rs"]
mod support;

/// What every chapter needs.
struct Measure {
    dir: PathBuf,
    scale: Scale,
    small: Origin,
}

type Chapter = fn(&Measure) -> Vec<Figure>;

/// How often, how many, how large, how long.
struct Scale {
    hooks: usize,
    ends: usize,
    small: usize,
    large: Size,
    large_builds: usize,
    burst: usize,
    starts: usize,
    idle: Duration,
    /// Wait for a beat of the idle daemon if none came meanwhile.
    beat: bool,
}

const FULL: Scale = Scale {
    hooks: 200,
    ends: 50,
    small: 50,
    large: Size { files: 10_000, file_bytes: 20_000, pulls: 40 },
    large_builds: 30,
    burst: 500,
    starts: 20,
    idle: Duration::from_secs(10),
    beat: true,
};

const QUICK: Scale = Scale {
    hooks: 40,
    ends: 8,
    small: 8,
    large: Size { files: 1_000, file_bytes: 20_000, pulls: 40 },
    large_builds: 4,
    burst: 100,
    starts: 5,
    idle: Duration::from_secs(3),
    beat: false,
};

/// Enough pull requests for the burst.
const SMALL: Size = Size { files: 20, file_bytes: 1_000, pulls: 500 };

fn main() {
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let dir = stage::bench_dir();
    let scale = if asked("--quick") { QUICK } else { FULL };
    let measure = Measure { small: Origin::of(SMALL, &dir), dir, scale };
    let chapters: [(&str, Chapter); 6] = [
        ("webhooks", hooks::measure),
        ("begin and end of builds", ends::measure),
        ("small builds", builds::small),
        ("large builds", builds::large),
        ("a burst", burst::measure),
        ("starts", idle::starts),
    ];
    eprintln!("figures: idling");
    let idle = idle::begin(&measure);
    let mut figures = Vec::new();
    for (name, chapter) in chapters {
        eprintln!("figures: {name}");
        figures.extend(chapter(&measure));
    }
    figures.extend(idle.end(measure.scale.beat));
    let json = format!("{:#}\n", report::json(&figures));
    let file = measure.dir.with_file_name("figures.json");
    fs::write(&file, &json).expect("space below target");
    match asked("--json") {
        true => print!("{json}"),
        false => print!("{}", report::table(&figures)),
    }
}
