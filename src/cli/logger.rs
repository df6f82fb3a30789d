//! Where log lines go: the journal under systemd, else stderr.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use log::kv::{Key, Source, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

/// Starts logging what is at least as grave as `level`.
pub fn init(level: LevelFilter) {
    if connected_to_journal()
        && let Ok(journal) = JournalLog::new()
        && log::set_boxed_logger(Box::new(Ours(Journal(
            journal.with_extra_fields([("SYSLOG_IDENTIFIER", "pilotlight")]),
        ))))
        .is_ok()
    {
        return log::set_max_level(level);
    }
    if log::set_boxed_logger(Box::new(Ours(Stderr { live: std::io::stderr().is_terminal() }))).is_ok() {
        log::set_max_level(level);
    }
}

/// Lets through what pilotlight itself says; libraries speak only of trouble.
struct Ours<L>(L);

impl<L: Log> Log for Ours<L> {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with("pilotlight") || metadata.level() <= LevelFilter::Warn
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// A build's story is found by our own fields: `journalctl PILOTLIGHT_PULL=12`.
struct Journal(JournalLog);

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        self.0.log(&record.to_builder().key_values(&Prefixed(record.key_values())).build());
    }

    fn flush(&self) {
        self.0.flush();
    }
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
struct Stderr {
    /// The lamp may be drawn on the same terminal: its line is cleared first.
    live: bool,
}

impl Log for Stderr {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        let mut line = String::new();
        if self.live {
            line.push_str("\r\x1b[K");
        }
        let message = record.args().to_string();
        let _ = write!(line, "{}: {}", record.level().as_str().to_lowercase(), message.escape_debug_controls());
        let _ = record.key_values().visit(&mut Fields(&mut line));
        line.push('\n');
        // A closed stderr is nobody's trouble.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

struct Fields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let _ = write!(self.0, " {key}={}", value.to_string().escape_debug_controls());
        Ok(())
    }
}

trait EscapeControls {
    /// One line, whatever is in it: control characters as `\u{…}`.
    fn escape_debug_controls(&self) -> String;
}

impl EscapeControls for String {
    fn escape_debug_controls(&self) -> String {
        let mut clean = String::with_capacity(self.len());
        for c in self.chars() {
            if c.is_control() { clean.extend(c.escape_default()) } else { clean.push(c) }
        }
        clean
    }
}
