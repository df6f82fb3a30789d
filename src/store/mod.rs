//! What survives a power cut: one SQLite file, one writer, any number of readers.

pub mod reader;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rusqlite::{Connection, ErrorCode};

use crate::logic::event::Change;
use crate::logic::rows::Rows;

/// Pages that SQLite keeps in memory, in KiB: a quarter of what it would, as the rows that matter are in State.
const CACHE_KIB_MAX: i32 = 512;

/// The writer. The main thread owns the only one.
pub struct Store {
    connection: Connection,
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
            Ok(Store { connection })
        };
        open().map_err(|error| with_cure(error, &format!("the database {} can't be opened", path.display())))
    }

    /// Opens the database and loads what State keeps. A torn one is set aside, never thrown away, and a new one begun:
    /// GitHub knows which pull requests are open, so that catching up makes good for most of it. The path is where
    /// the torn one is now.
    ///
    /// # Errors
    /// As [`open`](Self::open), or it can't be set aside.
    pub fn open_or_begin_anew(path: &Path) -> Result<(Store, Rows, Option<PathBuf>)> {
        let open = || Store::open(path).and_then(|store| store.load().map(|rows| (store, rows)));
        match open() {
            Ok((store, rows)) => Ok((store, rows, None)),
            Err(error) if is_torn(&error) => {
                let aside = set_aside(path).context("the torn database can't be set aside")?;
                log::error!("{error:#}: it was set aside as {}, and a new one is begun", aside.display());
                open().map(|(store, rows)| (store, rows, Some(aside)))
            }
            Err(error) => Err(error),
        }
    }

    /// The same for a database in which saving found something torn; `rows` go into the new one.
    ///
    /// # Errors
    /// It can't be set aside, or the new one can't be written: then this store is of no use until another try succeeds.
    pub fn begin_anew(&mut self, path: &Path, rows: &Rows) -> Result<()> {
        // Closed first: SQLite removes what it keeps beside a database by name.
        self.connection = Connection::open_in_memory()?;
        if path.exists() {
            let aside = set_aside(path).context("the torn database can't be set aside")?;
            log::error!("the database is torn: it was set aside as {}, and a new one is begun", aside.display());
        }
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

    /// Writes to the card without changing anything.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn probe(&self) -> Result<()> {
        let version: i64 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok(self.connection.pragma_update(None, "user_version", version)?)
    }

    /// Forgets builds that ended before `wall` (UTC seconds since 1970), but for the newest 10,000 and the last of each
    /// pull request; a thousand at a time, so that nobody waits for it.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn forget_before(&self, wall: i64) -> Result<()> {
        let old = "SELECT id FROM builds WHERE kept = 0 AND finished_at < ? \
                   AND id < (SELECT max(id) FROM builds) - 10000 \
                   AND id NOT IN (SELECT last_build FROM pulls WHERE last_build IS NOT NULL) LIMIT 1000";
        self.connection.execute(&format!("DELETE FROM builds WHERE id IN ({old})"), [wall])?;
        Ok(())
    }
}

/// Whether the database itself is to blame, and no other try will do.
pub fn is_torn(error: &anyhow::Error) -> bool {
    matches!(sqlite_code(error), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Renames the database and what SQLite keeps beside it.
fn set_aside(path: &Path) -> Result<PathBuf> {
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let free = (1..).map(|n| beside(&format!(".broken-{n}"))).find(|aside| !aside.exists());
    let aside = free.context("no name is free")?;
    for suffix in ["-wal", "-shm"] {
        if beside(suffix).exists() {
            fs::rename(beside(suffix), format!("{}{suffix}", aside.display()))?;
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
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
