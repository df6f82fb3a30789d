//! `cargo run --example assets -- DIR`: what the packages hold beside the binary, made from what is there already.
//!
//! - `pilotlight.1` and completions for bash, zsh and fish, from the command line's own description;
//! - `pilotlight.toml.5`, from the comments of `config/pilotlight.toml`;
//! - `licences-of-crates`, from cargo's metadata and the crates' own files.

mod licences;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use clap::{Arg, Command};
use clap_complete::Shell;

const CONFIG: &str = include_str!("../config/pilotlight.toml");

/// What the command line does not say of itself.
const BEHIND_COMMANDS: &str = r#".SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
Failed.
.TP
.B 2
Wrong usage or configuration.
.SH FILES
.TP
.I /etc/pilotlight/pilotlight.toml
The configuration; see pilotlight.toml(5).
.TP
.I /var/lib/pilotlight
What must survive: the database, the logs, the control socket. For root and the daemon's user, so most commands need
sudo.
.TP
.I /var/cache/pilotlight
What may be lost: trees and caches of builds.
.SH SEE ALSO
.BR pilotlight.toml (5),
.BR systemctl (1),
.BR journalctl (1),
.IR /usr/share/doc/pilotlight .
"#;

const BEHIND_KEYS: &str = r#".SH FILES
.TP
.I /etc/pilotlight/pilotlight.toml
The configuration that is read without
.BR \-\-config .
.TP
.I /usr/share/doc/pilotlight/pilotlight.toml
An example with these explanations.
.SH SEE ALSO
.BR pilotlight (1)
"#;

fn main() -> io::Result<()> {
    let Some(dir) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: assets DIR"));
    };
    fs::create_dir_all(&dir)?;
    let mut command = visible(&pilotlight::cli::command());
    fs::write(dir.join("pilotlight.1"), command_page(command.clone()))?;
    fs::write(dir.join("pilotlight.toml.5"), config_page(CONFIG))?;
    fs::write(dir.join("licences-of-crates"), licences::notice()?)?;
    complete(&mut command, &dir)
}

/// Without the commands that are the daemon's own affair, which completions would offer.
fn visible(command: &Command) -> Command {
    let about = command.get_about().cloned().unwrap_or_default();
    let subcommands = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned();
    let shown = Command::new("pilotlight").about(about).version(env!("CARGO_PKG_VERSION")).propagate_version(true);
    shown.args(command.get_arguments().cloned()).subcommands(subcommands)
}

fn complete(command: &mut Command, dir: &Path) -> io::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, command, "pilotlight", dir)?;
    }
    let fish = dir.join("pilotlight.fish");
    fs::write(&fish, fs::read_to_string(&fish)? + &words_for_fish(command))
}

/// clap_complete does not tell fish which words an argument without a dash can be.
fn words_for_fish(command: &Command) -> String {
    let mut lines = String::new();
    for sub in command.get_subcommands() {
        let values = sub.get_positionals().flat_map(Arg::get_possible_values);
        let words: Vec<_> = values.map(|value| value.get_name().to_owned()).collect();
        if !words.is_empty() {
            let seen = format!("__fish_pilotlight_using_subcommand {}", sub.get_name());
            let _ = writeln!(lines, "complete -c pilotlight -n \"{seen}\" -f -a \"{}\"", words.join(" "));
        }
    }
    lines
}

/// pilotlight(1): every command with its options, on one page.
fn command_page(mut command: Command) -> String {
    command.build();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = heading("pilotlight", 1, "User Commands", about.trim_end_matches('.'));
    page += ".SH SYNOPSIS\n.B pilotlight\n.RI [ options ]\n.I command\n.SH DESCRIPTION\n";
    page += &text(&sentence(&about));
    page += ".SH OPTIONS\n";
    command.get_arguments().for_each(|argument| page += &of_argument(argument));
    page += ".SH COMMANDS\n";
    leaves(&command, &mut page);
    page + BEHIND_COMMANDS
}

/// The commands that do something, each with what only it understands.
fn leaves(command: &Command, page: &mut String) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        if sub.has_subcommands() {
            leaves(sub, page);
            continue;
        }
        let usage = sub.clone().render_usage().to_string();
        let _ = writeln!(page, ".SS {}", escaped(usage.trim_start_matches("Usage: ")));
        *page += &text(&sentence(&sub.get_about().map(ToString::to_string).unwrap_or_default()));
        let own =
            |argument: &&Arg| !argument.is_global_set() && !matches!(argument.get_id().as_str(), "help" | "version");
        sub.get_arguments().filter(own).for_each(|argument| *page += &of_argument(argument));
    }
}

fn of_argument(argument: &Arg) -> String {
    let mut help = sentence(&argument.get_help().map(ToString::to_string).unwrap_or_default());
    if argument.get_action().takes_values() {
        let values = argument.get_possible_values();
        let names: Vec<_> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        if !names.is_empty() {
            let _ = write!(help, " One of {}.", names.join(", "));
        }
        if let Some(default) = argument.get_default_values().first() {
            let _ = write!(help, " The default is {}.", default.to_string_lossy());
        }
    }
    let short = argument.get_short().map(|letter| format!("-{letter}, ")).unwrap_or_default();
    entry(&format!("{short}{argument}"), &text(help.trim()))
}

/// clap takes the full stop away.
fn sentence(words: &str) -> String {
    if words.is_empty() || words.ends_with('.') { words.to_owned() } else { format!("{words}.") }
}

/// pilotlight.toml(5). A line `#key = value` or `[table]` belongs to the comment above it.
fn config_page(config: &str) -> String {
    let mut page = heading("pilotlight.toml", 5, "File Formats", "configuration of pilotlight");
    page += ".SH DESCRIPTION\n";
    let mut said: Vec<&str> = Vec::new();
    for line in config.lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        if bare.starts_with('[') {
            let _ = writeln!(page, ".SH {}\n{}", escaped(bare), paragraphs(&said));
        } else if key(line).is_some() {
            page += &entry(bare, &paragraphs(&said));
        } else if let Some(words) = line.strip_prefix("# ") {
            said.push(words);
            continue;
        } else {
            page += &paragraphs(&said);
        }
        said.clear();
    }
    page + BEHIND_KEYS
}

/// The key that a line sets or shows; prose has a space behind its `#`.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.strip_prefix('#').unwrap_or(line).split_once(" = ")?;
    key.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(key)
}

/// Indented lines are a list: a word, two spaces, and its explanation, which goes on in lines indented further.
fn paragraphs(lines: &[&str]) -> String {
    let mut page = String::new();
    let mut listed = false;
    for line in lines {
        if line.starts_with(' ') != listed {
            listed = !listed;
            page += if listed { ".RS\n" } else { ".RE\n" };
        }
        match line.strip_prefix("  ").filter(|item| !item.starts_with(' ')).and_then(|item| item.split_once("  ")) {
            Some((word, words)) => page += &entry(word, &text(words.trim())),
            None => page += &text(line.trim()),
        }
    }
    if listed { page + ".RE\n" } else { page }
}

fn entry(name: &str, explained: &str) -> String {
    format!(".TP\n\\fB{}\\fR\n{explained}", escaped(name))
}

fn heading(name: &str, section: u8, manual: &str, about: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let title = name.to_uppercase();
    let about = escaped(about);
    format!(".TH {title} {section} \"\" \"pilotlight {version}\" \"{manual}\"\n.nh\n.SH NAME\n{name} \\- {about}\n")
}

/// A line of text, in which `words` are bold.
fn text(line: &str) -> String {
    let pieces: Vec<_> = line.split('`').map(escaped).collect();
    let marked = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| if at % 2 == 1 { format!("\\fB{piece}\\fR") } else { piece.clone() });
    let line: String = marked.collect();
    if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") }
}

/// Nothing of it is taken for roff's own words.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_on_its_page_with_an_explanation() {
        let page = config_page(CONFIG);
        let keys: Vec<_> = CONFIG.lines().filter_map(key).collect();
        assert!(keys.len() > 20, "{keys:?}");
        let mut entries = page.split(".TP\n\\fB").skip(1);
        for name in keys {
            let entry = entries.find(|entry| entry.starts_with(&format!("{name} = ")));
            let lines = entry.unwrap_or_else(|| panic!("{name} is not there, or not in its place")).lines();
            assert!(lines.count() > 1 || name == "name", "{name} is not explained");
        }
        assert!(page.contains(".SH [[repository.check]]\nOne block for each check"), "{page}");
    }

    #[test]
    fn every_command_and_option_is_on_its_page() {
        let page = command_page(visible(&pilotlight::cli::command()));
        for words in [
            ".SS pilotlight demo",
            ".SS pilotlight lamp",
            "One of test, red, yellow, green, off.",
            "\\-f, \\-\\-follow",
        ] {
            assert!(page.contains(words), "{words} is not in\n{page}");
        }
        assert!(!page.contains("worker"), "the worker is the daemon's own affair");
    }

    #[test]
    fn nothing_is_taken_for_roff() {
        assert_eq!(text(".so /etc/passwd"), "\\&.so /etc/passwd\n");
        assert_eq!(text("a `b-c` \\d"), "a \\fBb\\-c\\fR \\ed\n");
    }
}
