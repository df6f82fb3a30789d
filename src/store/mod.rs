//! What survives a power cut: one SQLite file, one writer, any number of readers.

pub mod reader;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rusqlite::{Connection, ErrorCode, params};

use crate::logic::event::Change;
use crate::logic::rows::{CLOSED_PULLS_MAX, Rows};

/// Pages that SQLite keeps in memory, in KiB: a quarter of what it would, as the rows that matter are in State.
const CACHE_KIB_MAX: i32 = 512;

/// Builds that stay whatever their age: a clock that jumps must not take them all.
const BUILDS_KEPT: i64 = 10_000;

/// Builds that stay whatever room they take: the last weeks of a busy office.
const BUILDS_KEPT_MIN: i64 = 1_000;

/// Rows forgotten at once: 10 ms on a disk, the tenth of a second on a slow card.
const FORGET_MAX: i64 = 250;

/// What a torn database's name goes on with where it is set aside, before its number.
const BROKEN: &str = ".broken-";

/// What SQLite keeps beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// What SQLite says of a torn database; `Unknown` is a table that is not there, or anything else that our SQL can't
/// meet in a whole one.
const TORN: [ErrorCode; 5] = [
    ErrorCode::NotADatabase,
    ErrorCode::DatabaseCorrupt,
    ErrorCode::TooBig,
    ErrorCode::ConstraintViolation,
    ErrorCode::Unknown,
];

/// The writer. The main thread owns the only one.
pub struct Store {
    connection: Connection,
    /// The torn database that was here is out of the way: what is in its place now is ours.
    set_aside: bool,
}

impl Store {
    /// Opens or makes the database at `path` and brings its schema up to date.
    ///
    /// # Errors
    /// It can't be opened, is no database of ours, or was made by a newer pilotlight.
    pub fn open(path: &Path) -> Result<Store> {
        let open = || -> Result<Store> {
            let mut connection = Connection::open(path)?;
            // FULL: a webhook is answered once its row is on the card, not once it is on its way there.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB_MAX)?;
            schema::migrate(&mut connection)?;
            Ok(Store { connection, set_aside: false })
        };
        open().map_err(|error| with_cure(error, &format!("the database {} can't be opened", path.display())))
    }

    /// One in which nothing is and nothing lasts, in place of a database that can't be opened yet.
    ///
    /// # Errors
    /// There is no memory.
    pub fn closed() -> Result<Store> {
        Ok(Store { connection: Connection::open_in_memory()?, set_aside: false })
    }

    pub fn is_open(&self) -> bool {
        self.connection.path().is_some_and(|path| !path.is_empty())
    }

    /// Opens the database and loads what State keeps. A torn one is set aside, not thrown away, and a new one begun:
    /// GitHub knows which pull requests are open, so that catching up makes good for most of it.
    ///
    /// # Errors
    /// As [`open`](Self::open), or it can't be set aside.
    pub fn open_or_begin_anew(path: &Path) -> Result<(Store, Rows)> {
        let open = || Store::open(path).and_then(|store| store.load().map(|rows| (store, rows)));
        match open() {
            Err(error) if is_torn(&error) => {
                let aside = set_aside(path).context("the torn database can't be set aside")?;
                log::error!("{error:#}: it was set aside as {}, and a new one is begun", aside.display());
                open()
            }
            done => done,
        }
    }

    /// The same for a database in which saving found something torn; `rows` go into the new one.
    ///
    /// # Errors
    /// It can't be set aside, or the new one can't be written: then this store is of no use until another try succeeds.
    pub fn begin_anew(&mut self, path: &Path, rows: &Rows) -> Result<()> {
        // Closed first: SQLite removes what it keeps beside a database by name.
        self.connection = Connection::open_in_memory()?;
        if !self.set_aside && path.exists() {
            let aside = set_aside(path).context("the torn database can't be set aside")?;
            log::error!("the database is torn: it was set aside as {}, and a new one is begun", aside.display());
        }
        // Once: on a full card the next try finds a part of the new one.
        self.set_aside = true;
        let mut fresh = Store::open(path)?;
        fresh.save(&rows.all())?;
        *self = fresh;
        Ok(())
    }

    /// What State keeps in memory.
    ///
    /// # Errors
    /// The database can't be read, or holds what was not written by us.
    pub fn load(&self) -> Result<Rows> {
        rows::load(&self.connection).map_err(|error| with_cure(error, "the database can't be read"))
    }

    /// Saves `changes` all together, or none of them. When this returns they are on the card.
    ///
    /// # Errors
    /// No space, a read-only or broken card.
    pub fn save(&mut self, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        for change in changes {
            rows::save(&transaction, change)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The same; a database at `path` in which that meets something torn is begun anew with `rows`, which hold the changes.
    ///
    /// # Errors
    /// As [`save`](Self::save) and [`begin_anew`](Self::begin_anew).
    pub fn save_or_begin_anew(&mut self, changes: &[Change], path: &Path, rows: &Rows) -> Result<()> {
        match self.save(changes) {
            Err(error) if is_torn(&error) => self.begin_anew(path, rows),
            saved => saved,
        }
    }

    /// Writes to the card without changing anything, to see whether [`save`](Self::save) could.
    pub fn probe(&self) -> Result<()> {
        let version: i64 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok(self.connection.pragma_update(None, "user_version", version)?)
    }

    /// Forgets the oldest history: builds that ended before `wall` (UTC seconds since 1970), and while all of it takes
    /// more than `bytes_max` younger ones as well; and pull requests that were closed so long ago that State has
    /// forgotten them. A few of each at a time, so that nobody waits for it: true if there may be more.
    ///
    /// What this frees is used again and not given back: `VACUUM` needs as much again before it frees anything, and
    /// holds up the main thread for seconds.
    pub fn forget(&self, wall: i64, bytes_max: u64) -> Result<bool> {
        let long_closed = "SELECT repository, number FROM pulls WHERE closed_order < (SELECT closed_order FROM pulls \
                           ORDER BY closed_order DESC LIMIT 1 OFFSET ?) ORDER BY closed_order LIMIT ?";
        let sql = format!("DELETE FROM pulls WHERE (repository, number) IN ({long_closed})");
        let pulls = self.connection.execute(&sql, params![i64::try_from(CLOSED_PULLS_MAX)? - 1, FORGET_MAX])?;
        let (kept, before) = if self.bytes()? > bytes_max { (BUILDS_KEPT_MIN, i64::MAX) } else { (BUILDS_KEPT, wall) };
        // Only the oldest are looked at: reading all of them would take a card seconds.
        let oldest = "SELECT id, finished_at FROM builds WHERE kept = 0 AND id <= (SELECT max(id) FROM builds) - ? \
                      AND id NOT IN (SELECT last_build FROM pulls WHERE last_build IS NOT NULL) ORDER BY id LIMIT ?";
        let sql = format!("DELETE FROM builds WHERE id IN (SELECT id FROM ({oldest}) WHERE finished_at < ?)");
        let builds = self.connection.execute(&sql, params![kept, FORGET_MAX, before])?;
        Ok(pulls + builds > 0)
    }

    /// What the database takes, in bytes, without what is free in it.
    fn bytes(&self) -> Result<u64> {
        let ask = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = ask("page_count")? - ask("freelist_count")?;
        Ok(pages.saturating_mul(ask("page_size")?).unsigned_abs())
    }
}

/// Whether the database itself is to blame, and no other try will do: SQLite says so, or a row holds what we never
/// write. SQLite knows its pages' outlines alone, and a card tears smaller pieces than a page.
pub fn is_torn(error: &anyhow::Error) -> bool {
    let sqlite = error.chain().find_map(|e| e.downcast_ref::<rusqlite::Error>());
    match sqlite.map(rusqlite::Error::sqlite_error_code) {
        Some(Some(code)) => TORN.contains(&code),
        Some(None) => true,
        None => error.chain().any(|e| e.is::<serde_json::Error>()),
    }
}

/// Whether the card is to blame: it is full, or can't be read or written just now.
pub fn is_of_card(error: &anyhow::Error) -> bool {
    matches!(sqlite_code(error), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
}

/// Renames the database and what SQLite keeps beside it.
fn set_aside(path: &Path) -> Result<PathBuf> {
    // Above those of before, of which the older ones may have been removed.
    let number = set_aside_of(path).first().map_or(1, |(newest, _)| newest.saturating_add(1));
    let aside = beside(path, &format!("{BROKEN}{number}"));
    for suffix in BESIDE {
        if beside(path, suffix).exists() {
            fs::rename(beside(path, suffix), beside(&aside, suffix))?;
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Removes what was set aside of the database at `path`, but for the newest `kept`. Returns the paths, each with
/// whether that worked.
pub fn remove_set_aside(path: &Path, kept: usize) -> Vec<(PathBuf, io::Result<()>)> {
    let old = set_aside_of(path).into_iter().skip(kept);
    old.map(|(_, aside)| {
        for suffix in BESIDE {
            let _ = fs::remove_file(beside(&aside, suffix));
        }
        let removed = fs::remove_file(&aside);
        (aside, removed)
    })
    .collect()
}

/// What was set aside of the database at `path`, by number, the newest first.
fn set_aside_of(path: &Path) -> Vec<(u64, PathBuf)> {
    let prefix = beside(path, BROKEN);
    let number = |path: &PathBuf| path.to_str()?.strip_prefix(prefix.to_str()?)?.parse().ok();
    let directory = path.parent().map(fs::read_dir).into_iter().flatten().flatten();
    let found = directory.flatten().map(|entry| entry.path());
    let mut found: Vec<_> = found.filter_map(|path| Some((number(&path)?, path))).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn sqlite_code(error: &anyhow::Error) -> Option<ErrorCode> {
    error.chain().find_map(|e| e.downcast_ref::<rusqlite::Error>()).and_then(|e| e.sqlite_error_code())
}

/// `error` in the words of people: what, the cure if there is one, why.
fn with_cure(error: anyhow::Error, what: &str) -> anyhow::Error {
    let cure = match sqlite_code(&error) {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            " (pilotlight must own it and its directory)"
        }
        _ => "",
    };
    error.context(format!("{what}{cure}"))
}
