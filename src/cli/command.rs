//! Other programs of this box, and what they say.

use std::fs::File;
use std::io::{Seek, Write};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::fs::{MemfdFlags, memfd_create};

/// Runs it to its end and returns what it printed. An error says what it complained of, or that it can't be started.
pub fn output_of(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} can't be started: is it installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program}: {}", if said.trim().is_empty() { "failed without a word" } else { said.trim() });
    }
    String::from_utf8(output.stdout).with_context(|| format!("what {program} printed is no text"))
}

/// The same, with `input` to read.
pub fn output_with(command: &mut Command, input: &str) -> Result<String> {
    // Not a pipe, whose two ends would have to be served at once.
    let mut held = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
    held.write_all(input.as_bytes())?;
    held.rewind()?;
    output_of(command.stdin(held))
}
