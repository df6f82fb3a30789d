//! Where log lines go: the journal under systemd, else stderr.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use log::kv::{Key, Source, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use crate::logic::text;

/// Starts logging what is at least as grave as `level`.
pub fn init(level: LevelFilter) {
    let journal = if connected_to_journal() { JournalLog::new().ok() } else { None };
    let journal = journal.map(|journal| journal.with_extra_fields([("SYSLOG_IDENTIFIER", "pilotlight")]));
    if log::set_boxed_logger(Box::new(Logger { journal, live: std::io::stderr().is_terminal() })).is_ok() {
        log::set_max_level(level);
    }
}

struct Logger {
    /// Else stderr.
    journal: Option<JournalLog>,
    /// The lamp may be drawn on the same terminal: its line is cleared first.
    live: bool,
}

impl Log for Logger {
    /// Lets through what pilotlight itself says; libraries speak only of trouble.
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with("pilotlight") || metadata.level() <= LevelFilter::Warn
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match &self.journal {
            // A build's story is found by our own fields: `journalctl PILOTLIGHT_PULL=12`.
            Some(journal) => journal.log(&record.to_builder().key_values(&Prefixed(record.key_values())).build()),
            // A closed stderr is nobody's trouble.
            None => drop(std::io::stderr().lock().write_all(line(record, self.live).as_bytes())),
        }
    }

    fn flush(&self) {}
}

struct Prefixed<'a>(&'a dyn Source);

impl Source for Prefixed<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), log::kv::Error> {
        self.0.visit(&mut Prefixer(visitor))
    }
}

struct Prefixer<'v, 'kvs>(&'v mut dyn VisitSource<'kvs>);

impl<'kvs> VisitSource<'kvs> for Prefixer<'_, 'kvs> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let key = match key.as_str() {
            "build" => Key::from("PILOTLIGHT_BUILD"),
            "repository" => Key::from("PILOTLIGHT_REPOSITORY"),
            "pull" => Key::from("PILOTLIGHT_PULL"),
            "sha" => Key::from("PILOTLIGHT_SHA"),
            "delivery" => Key::from("PILOTLIGHT_DELIVERY"),
            _ => key,
        };
        self.0.visit_pair(key, value)
    }
}

/// One line a record, with its fields behind it.
fn line(record: &Record, live: bool) -> String {
    let mut line = if live { "\r\x1b[K".to_owned() } else { String::new() };
    let message = record.args().to_string();
    let _ = write!(line, "{}: {}", record.level().as_str().to_lowercase(), one_line(&message));
    let _ = record.key_values().visit(&mut Fields(&mut line));
    line + "\n"
}

struct Fields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let _ = write!(self.0, " {key}={}", one_line(&value.to_string()));
        Ok(())
    }
}

/// Whatever is in it: what acts on a terminal or hides as `\u{…}`.
fn one_line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if text::acts(c) { clean.extend(c.escape_default()) } else { clean.push(c) }
    }
    clean
}
