//! What survives a power cut: one SQLite file, one writer, any number of readers.

pub mod reader;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::Connection;

use crate::logic::event::Change;
use crate::logic::rows::Rows;

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
        let describe = || format!("the database {} can't be opened", path.display());
        let mut connection = Connection::open(path).with_context(describe)?;
        // FULL: a webhook is answered once its row is on the card, not once it is on its way there.
        connection.pragma_update(None, "journal_mode", "WAL").with_context(describe)?;
        connection.pragma_update(None, "synchronous", "FULL").with_context(describe)?;
        schema::migrate(&mut connection).with_context(describe)?;
        Ok(Store { connection })
    }

    /// What State keeps in memory.
    ///
    /// # Errors
    /// The database can't be read, or holds what was not written by us.
    pub fn load(&self) -> Result<Rows> {
        rows::load(&self.connection).context("the database can't be read")
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
}
