//! The house holds: who imports whom, and that `logic` touches nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms each room may import. `main → cli → daemon → edges → logic`; the edges never import each other, but for
/// those that are built on `http`, and the worker's protocol.
const ARROWS: &[(&str, &[&str])] = &[
    ("logic", &[]),
    ("store", &["logic"]),
    ("http", &[]),
    ("webhook", &["logic", "http"]),
    ("dashboard", &["logic", "http", "store"]),
    ("worker", &["logic"]),
    ("builder", &["logic", "worker::protocol"]),
    ("github", &["logic"]),
    ("lights", &["logic"]),
    ("config", &["logic", "lights"]),
    ("daemon", &["logic", "store", "http", "webhook", "dashboard", "builder", "github", "lights", "config"]),
    ("cli", &["logic", "store", "daemon", "config", "lights", "github", "builder", "worker"]),
];

/// What would make a decision depend on more than its arguments.
const OUTSIDE: &[&str] =
    &["std::fs", "std::net", "std::process", "std::thread", "std::env", "Instant::now", "SystemTime", "log::"];

#[test]
fn rooms_import_only_what_they_may() {
    let mut wrong = Vec::new();
    for (room, may) in ARROWS {
        for (file, line) in lines_of(room) {
            for import in imports(&line) {
                let fine = import.starts_with(room) || may.iter().any(|allowed| import.starts_with(allowed));
                if !fine {
                    wrong.push(format!("{} imports {import}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let rooms: Vec<_> = ARROWS.iter().map(|(room, _)| *room).collect();
    for entry in fs::read_dir(source()).unwrap().map(Result::unwrap).filter(|e| e.path().is_dir()) {
        let name = entry.file_name().into_string().unwrap();
        assert!(rooms.contains(&name.as_str()), "the room {name} has no arrows: add it to the table");
    }
}

#[test]
fn logic_touches_nothing() {
    let outside = |line: &str| OUTSIDE.iter().find(|word| line.contains(**word)).copied();
    let found: Vec<_> = lines_of("logic").filter_map(|(file, line)| Some((file, outside(&line)?))).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// What a line takes from other rooms: `crate::room::…`.
fn imports(line: &str) -> Vec<&str> {
    if line.trim_start().starts_with("//") {
        return Vec::new();
    }
    line.split("crate::").skip(1).collect()
}

/// The lines of a room's files, but for its tests.
fn lines_of(room: &str) -> impl Iterator<Item = (PathBuf, String)> {
    let mut files = Vec::new();
    collect(&source().join(room), &mut files);
    files.into_iter().filter(|f| !f.to_string_lossy().contains("tests")).flat_map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        text.lines().map(|line| (file.clone(), line.to_owned())).collect::<Vec<_>>()
    })
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => collect(&path, files),
            path if path.extension().is_some_and(|e| e == "rs") => files.push(path),
            _ => {}
        }
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
