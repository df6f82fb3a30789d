//! What pages and commands read: a connection of its own that can't write.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};

use super::rows::{BUILD_COLUMNS, build};
use crate::logic::build::{Build, BuildId, BuildState};

/// Builds in one answer, at most: a page that a Pi renders at once.
pub const BUILDS_MAX: usize = 200;

/// A read-only view of the database.
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    inode: Option<u64>,
}

/// Which builds are asked for; `None` is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub repository: Option<String>,
    pub pull: Option<u64>,
    pub state: Option<BuildState>,
    /// Only those with a smaller id.
    pub before: Option<BuildId>,
    /// At most [`BUILDS_MAX`].
    pub limit: usize,
}

impl Reader {
    /// # Errors
    /// The database is not there or can't be opened.
    pub fn open(path: &Path) -> Result<Reader> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .with_context(|| format!("the database {} can't be read", path.display()))?;
        Ok(Reader { connection, path: path.to_owned(), inode: inode(path) })
    }

    /// Writes a whole and consistent copy to `path`, where nothing is yet; the daemon may go on writing.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        let text = path.to_str().context("the copy's name is not in UTF-8")?;
        self.connection.execute("VACUUM INTO ?", [text]).context("the database can't be copied")?;
        Ok(())
    }

    /// False once the database was set aside: another one is in its place.
    pub fn is_current(&self) -> bool {
        inode(&self.path) == self.inode
    }

    /// The build of that id.
    pub fn build(&self, id: BuildId) -> Result<Option<Build>> {
        let sql = format!("SELECT {BUILD_COLUMNS} FROM builds WHERE id = ?");
        self.connection.prepare_cached(&sql)?.query_and_then([id], build)?.next().transpose()
    }

    /// Whether the head of a pull request is in another repository, as far as is known.
    pub fn is_stranger(&self, repository: &str, pull: u64) -> Result<bool> {
        let sql = "SELECT fork FROM pulls WHERE repository = ? COLLATE NOCASE AND number = ?";
        let fork = self.connection.query_row(sql, (repository, pull.cast_signed()), |row| row.get(0)).optional()?;
        Ok(fork.unwrap_or(true))
    }

    /// The builds that fit `filter`, newest first.
    pub fn builds(&self, filter: &Filter) -> Result<Vec<Build>> {
        let mut sql = format!("SELECT {BUILD_COLUMNS} FROM builds WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        let mut clause = |words: &str, value: Value| {
            sql.push_str(words);
            values.push(value);
        };
        if let Some(repository) = &filter.repository {
            clause(" AND repository = ?", repository.clone().into());
        }
        if let Some(pull) = filter.pull {
            clause(" AND pull = ?", pull.cast_signed().into());
        }
        if let Some(state) = filter.state {
            clause(" AND state = ?", state.name().to_owned().into());
        }
        if let Some(before) = filter.before {
            clause(" AND id < ?", before.into());
        }
        clause(" ORDER BY id DESC LIMIT ?", i64::try_from(filter.limit.min(BUILDS_MAX))?.into());
        self.connection.prepare_cached(&sql)?.query_and_then(params_from_iter(values), build)?.collect()
    }
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.ino())
}
