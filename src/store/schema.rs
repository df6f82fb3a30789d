//! The schema, and how a database of an earlier version becomes one of this.

use anyhow::{Result, bail};
use rusqlite::Connection;

/// One step for each version. Steps that were released are never changed; new ones are added.
const STEPS: [&str; 7] = [
    "
    CREATE TABLE builds (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
        repository TEXT NOT NULL COLLATE NOCASE, -- as GitHub's names
        pull INTEGER NOT NULL,
        title TEXT NOT NULL,
        sha TEXT NOT NULL,
        base_ref TEXT NOT NULL,
        head_ref TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        attempt INTEGER NOT NULL,
        queued_at INTEGER NOT NULL, -- UTC seconds since 1970, like all times
        started_at INTEGER,
        finished_at INTEGER,
        checks TEXT NOT NULL, -- JSON
        kept INTEGER NOT NULL -- unfinished, or GitHub has not heard its end
    );
    CREATE INDEX builds_of_pull ON builds (repository, pull, id);
    CREATE INDEX builds_kept ON builds (id) WHERE kept = 1;
    CREATE INDEX builds_state ON builds (state, id);
    CREATE TABLE pulls (
        repository TEXT NOT NULL,
        number INTEGER NOT NULL,
        title TEXT NOT NULL,
        open INTEGER NOT NULL,
        fork INTEGER NOT NULL,
        head_sha TEXT NOT NULL,
        previous_head TEXT,
        head_ref TEXT NOT NULL,
        base_ref TEXT NOT NULL,
        updated_at INTEGER NOT NULL,
        approved_sha TEXT,
        last_build INTEGER,
        last_result TEXT,
        closed_order INTEGER,
        PRIMARY KEY (repository, number)
    ) WITHOUT ROWID;
    CREATE INDEX pulls_closed ON pulls (closed_order);
    CREATE TABLE deliveries (
        guid TEXT NOT NULL,
        hook_id INTEGER NOT NULL,
        at INTEGER NOT NULL,
        build INTEGER,
        PRIMARY KEY (guid, hook_id)
    ) WITHOUT ROWID;
",
    "
    ALTER TABLE deliveries ADD COLUMN ask TEXT; -- JSON: what a comment asks for, until that is settled
",
    "
    ALTER TABLE builds ADD COLUMN asked INTEGER NOT NULL DEFAULT 0; -- by a person
",
    "
    ALTER TABLE pulls ADD COLUMN external TEXT NOT NULL DEFAULT '[]'; -- JSON
",
    "
    ALTER TABLE pulls ADD COLUMN heads TEXT NOT NULL DEFAULT '[]'; -- JSON
",
    "
    CREATE TABLE repositories (
        name TEXT PRIMARY KEY, -- as configured, in lower case
        id INTEGER NOT NULL, -- GitHub's number for the one that is meant
        instead TEXT -- JSON: what GitHub has under that name
    ) WITHOUT ROWID;
",
    // Of earlier builds only those that are loaded are ever compared, and their ids are nearly that order.
    "
    ALTER TABLE builds ADD COLUMN accepted_order INTEGER; -- none while it waits for approval
    UPDATE builds SET accepted_order = id WHERE state <> 'waiting_for_approval'
        AND (kept = 1 OR id IN (SELECT last_build FROM pulls));
",
];

/// Runs the steps that `connection` has not seen, all or none.
pub fn migrate(connection: &mut Connection) -> Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let newest = i64::try_from(STEPS.len())?;
    let Some(steps) = usize::try_from(version).ok().and_then(|done| STEPS.get(done..)) else {
        bail!("it was made by a newer pilotlight (schema {version}, this one knows {newest}): install that one again");
    };
    if steps.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.commit()?;
    Ok(())
}
