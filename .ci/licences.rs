//! What the licences of the crates in the binary want said where it goes: their names, and their texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

use serde_json::Value;

/// What a package is built for: each links a few crates that the others don't.
const TARGETS: [&str; 3] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "arm-unknown-linux-musleabihf"];

const LICENCE: &str = include_str!("../LICENSE");

const HEAD: &str = "\
pilotlight itself is under the licence in the file copyright. Linked into its program are the Rust crates below, each
with its version and licence; their texts follow. Where a crate lets one choose, MIT is chosen.

Linked in as well: Rust's standard library (https://github.com/rust-lang/rust, MIT OR Apache-2.0), SQLite
(https://sqlite.org, in the public domain), and on armhf musl (https://musl.libc.org, MIT).
";

/// The whole notice.
///
/// # Errors
/// cargo can't tell, or a crate's files can't be read.
pub fn notice() -> io::Result<String> {
    let mut crates = BTreeMap::new();
    for target in TARGETS {
        for package in linked(&metadata(target)?) {
            crates.insert(format!("{} {}", text(&package["name"]), text(&package["version"])), package);
        }
    }
    let mut page = HEAD.to_owned();
    let mut texts: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, package) in &crates {
        let licence = text(&package["license"]);
        let _ = write!(page, "\n{name}: {licence}, {}", text(&package["repository"]));
        let directory = Path::new(text(&package["manifest_path"])).parent().unwrap_or(Path::new("."));
        let mut found = texts_in(directory, licence)?;
        if found.is_empty() {
            found.push(format!("Copyright (c) {}\n\n{}", authors(package), own_licence()?));
        }
        found.into_iter().for_each(|text| texts.entry(text).or_default().push(name));
    }
    page += "\n";
    for (text, of) in texts {
        let _ = write!(page, "\n{}\n{}\n\n{text}\n", "-".repeat(80), of.join(", "));
    }
    Ok(page)
}

fn metadata(target: &str) -> io::Result<Value> {
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    let output = command.args(["metadata", "--locked", "--format-version=1", "--filter-platform", target]).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The packages that end up in the binary: neither pilotlight, nor what only compiles or tests it.
fn linked(metadata: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let by_id = |list: Vec<Value>| list.into_iter().map(|v| (text(&v["id"]).to_owned(), v)).collect::<BTreeMap<_, _>>();
    let packages = by_id(list(&metadata["packages"]));
    let nodes = by_id(list(&metadata["resolve"]["nodes"]));
    let root = text(&metadata["resolve"]["root"]);
    let (mut seen, mut next) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(id) = next.pop() {
        let is_linked = |dependency: &Value| list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        let is_macro = |id: &str| {
            let targets = packages.get(id).map(|package| list(&package["targets"])).unwrap_or_default();
            targets.iter().any(|target| list(&target["kind"]).contains(&"proc-macro".into()))
        };
        if is_macro(&id) || !seen.insert(id.clone()) {
            continue;
        }
        let dependencies = nodes.get(&id).map(|node| list(&node["deps"])).unwrap_or_default();
        next.extend(dependencies.iter().filter(|d| is_linked(d)).map(|d| text(&d["pkg"]).to_owned()));
    }
    seen.iter().filter(|id| *id != root).filter_map(|id| packages.get(id).cloned()).collect()
}

/// The licence texts beside a crate's manifest; of several to choose from the one for MIT.
fn texts_in(directory: &Path, licence: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(entry.file_name().into_string().ok().filter(|name| is_licence(name)));
        }
    }
    names.sort();
    if licence.contains("MIT") && names.iter().any(|name| name.contains("MIT")) {
        names.retain(|name| name.contains("MIT"));
    }
    names.iter().map(|name| Ok(fs::read_to_string(directory.join(name))?.trim().replace('\r', ""))).collect()
}

/// What pilotlight's own licence says below its copyright: the words of MIT, for a crate that comes without them.
fn own_licence() -> io::Result<&'static str> {
    let words = LICENCE.find("Permission is hereby granted").map(|at| LICENCE[at..].trim_end());
    words.ok_or_else(|| io::Error::other("LICENSE is not MIT any more"))
}

fn authors(package: &Value) -> String {
    let names = package["authors"].as_array().into_iter().flatten().map(text);
    let names: Vec<_> = names.map(|name| name.split(" <").next().unwrap_or_default()).collect();
    if names.is_empty() { format!("the authors of {}", text(&package["name"])) } else { names.join(", ") }
}

fn is_licence(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"].iter().any(|start| name.starts_with(start))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_named_with_its_text_and_nothing_else() {
        let page = notice().unwrap();
        let says = |words: &str| page.contains(words);
        assert!(says("\nring 0.17.") && says("\nserde_core 1.") && says("Permission is hereby granted"), "{page}");
        for compiled_or_tested_with in
            ["\nserde_derive ", "\nsyn ", "\ncc ", "\ntempfile ", "\npilotlight ", "\nwindows-sys "]
        {
            assert!(!says(compiled_or_tested_with), "{compiled_or_tested_with}");
        }
        let (list, texts) = page.split_once("\n-----").unwrap();
        let is_crate = |line: &&str| line.contains(": ") && line.contains(", https://");
        for name in list.lines().filter(is_crate).filter_map(|line| line.split_once(": ")).map(|(name, _)| name) {
            assert!(texts.contains(name), "no text for {name}");
        }
        assert!(!says(env!("CARGO_MANIFEST_DIR")) && !says("/registry/"), "no path of this machine");
    }
}
