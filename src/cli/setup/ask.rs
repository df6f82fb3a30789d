//! A person's answers at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use rustix::termios::{self, LocalModes, OptionalActions};

/// Whether somebody is there to answer.
pub fn is_possible() -> bool {
    io::stdin().is_terminal()
}

/// Asks for one line. Where nobody is there to answer, the error names `flag`, which a script gives instead.
pub fn line(question: &str, flag: &str) -> Result<String> {
    if !is_possible() {
        bail!("there is no terminal to ask at: give {flag}");
    }
    print!("{question} ");
    io::stdout().flush()?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer).context("the terminal can't be read")? == 0 {
        bail!("no answer: nothing more was changed. Run it again, or give {flag}");
    }
    Ok(answer.trim().to_owned())
}

/// The same, without showing what is typed.
pub fn hidden(question: &str, flag: &str) -> Result<String> {
    let stdin = io::stdin();
    let Ok(shown) = termios::tcgetattr(&stdin) else { return line(question, flag) };
    let mut silent = shown.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    termios::tcsetattr(&stdin, OptionalActions::Now, &silent)?;
    let answer = line(question, flag);
    termios::tcsetattr(&stdin, OptionalActions::Now, &shown)?;
    println!();
    answer
}
