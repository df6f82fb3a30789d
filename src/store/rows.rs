//! Rows of SQLite to and from the types of `logic`.

use anyhow::{Context, Result};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, Row, params};

use crate::logic::build::{Build, BuildState};
use crate::logic::event::{Change, DeliveryKey};
use crate::logic::rows::{CLOSED_PULLS_MAX, KnownDelivery, Pull, Repository, Rows};

/// The columns of a build, in the order that [`build`] reads.
pub const BUILD_COLUMNS: &str = "id, repository, pull, title, sha, base_ref, head_ref, state, reason, attempt, \
     queued_at, started_at, finished_at, checks, asked, accepted_order";

/// The columns of a pull request, in the order that [`pull`] reads.
const PULL_COLUMNS: &str = "repository, number, title, open, fork, head_sha, previous_head, head_ref, base_ref, \
     updated_at, approved_sha, last_build, last_result, closed_order, external, heads";

/// Stores one row, whole.
pub fn save(connection: &Connection, change: &Change) -> Result<()> {
    match change {
        Change::Build(build) => save_build(connection, build),
        Change::Pull(pull) => save_pull(connection, pull),
        Change::Repository(repository) => {
            let sql = "INSERT OR REPLACE INTO repositories (name, id, instead) VALUES (?, ?, ?)";
            let instead = repository.instead.as_ref().map(serde_json::to_string).transpose()?;
            let id = repository.id.cast_signed();
            connection.prepare_cached(sql)?.execute(params![repository.name, id, instead])?;
            Ok(())
        }
        Change::Delivery(key, known) => {
            let sql = "INSERT OR REPLACE INTO deliveries (guid, hook_id, at, build, ask) VALUES (?, ?, ?, ?, ?)";
            let hook = key.hook_id.cast_signed();
            let ask = known.ask.as_ref().map(serde_json::to_string).transpose()?;
            connection.prepare_cached(sql)?.execute(params![key.guid, hook, known.at, known.build, ask])?;
            Ok(())
        }
        Change::ForgetDelivery(key) => {
            let sql = "DELETE FROM deliveries WHERE guid = ? AND hook_id = ?";
            connection.prepare_cached(sql)?.execute(params![key.guid, key.hook_id.cast_signed()])?;
            Ok(())
        }
    }
}

/// What State keeps: see [`Rows`].
pub fn load(connection: &Connection) -> Result<Rows> {
    let mut rows = Rows::default();
    let pulls = format!(
        "SELECT {PULL_COLUMNS} FROM pulls WHERE closed_order IS NULL UNION ALL SELECT * FROM \
         (SELECT {PULL_COLUMNS} FROM pulls WHERE closed_order IS NOT NULL ORDER BY closed_order DESC LIMIT ?)"
    );
    for found in connection.prepare(&pulls)?.query_and_then([i64::try_from(CLOSED_PULLS_MAX)?], pull)? {
        rows.apply(Change::Pull(found?));
    }
    let kept = format!("SELECT {BUILD_COLUMNS} FROM builds WHERE kept = 1");
    for found in connection.prepare(&kept)?.query_and_then([], build)? {
        rows.apply(Change::Build(found?));
    }
    let by_id = format!("SELECT {BUILD_COLUMNS} FROM builds WHERE id = ?");
    let mut by_id = connection.prepare(&by_id)?;
    let last: Vec<_> = rows.pulls.values().filter_map(|p| p.last_build).collect();
    for id in last {
        for found in by_id.query_and_then([id], build)? {
            rows.apply(Change::Build(found?));
        }
    }
    let repositories = "SELECT name, id, instead FROM repositories";
    for found in connection.prepare(repositories)?.query_and_then([], repository)? {
        rows.apply(Change::Repository(found?));
    }
    let deliveries = "SELECT guid, hook_id, at, build, ask FROM deliveries";
    for found in connection.prepare(deliveries)?.query_and_then([], delivery)? {
        let (key, known) = found?;
        rows.apply(Change::Delivery(key, known));
    }
    let newest = "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'builds'), 0), \
                  coalesce((SELECT max(id) FROM builds), 0))";
    rows.last_build_id = connection.query_row(newest, [], |row| row.get(0))?;
    Ok(rows)
}

/// A row of [`BUILD_COLUMNS`].
pub fn build(row: &Row) -> Result<Build> {
    let id = row.get(0)?;
    let checks: String = row.get(13)?;
    Ok(Build {
        id,
        repository: row.get(1)?,
        pull: row.get::<_, i64>(2)?.cast_unsigned(),
        title: row.get(3)?,
        sha: row.get(4)?,
        base_ref: row.get(5)?,
        head_ref: row.get(6)?,
        state: row.get(7)?,
        reason: row.get(8)?,
        attempt: row.get(9)?,
        queued_at: row.get(10)?,
        started_at: row.get(11)?,
        finished_at: row.get(12)?,
        checks: serde_json::from_str(&checks).with_context(|| format!("the checks of build {id} can't be read"))?,
        asked: row.get(14)?,
        accepted_order: row.get(15)?,
    })
}

fn save_build(connection: &Connection, build: &Build) -> Result<()> {
    let sql = "INSERT INTO builds (id, repository, pull, title, sha, base_ref, head_ref, state, reason, attempt, \
               queued_at, started_at, finished_at, checks, kept, asked, accepted_order) \
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
               ON CONFLICT (id) DO UPDATE SET base_ref = excluded.base_ref, state = excluded.state, \
               reason = excluded.reason, attempt = excluded.attempt, started_at = excluded.started_at, \
               finished_at = excluded.finished_at, checks = excluded.checks, kept = excluded.kept, \
               asked = excluded.asked, accepted_order = excluded.accepted_order";
    connection.prepare_cached(sql)?.execute(params![
        build.id,
        build.repository,
        build.pull.cast_signed(),
        build.title,
        build.sha,
        build.base_ref,
        build.head_ref,
        build.state.name(),
        build.reason,
        build.attempt,
        build.queued_at,
        build.started_at,
        build.finished_at,
        serde_json::to_string(&build.checks)?,
        !build.state.is_end() || !build.is_settled(),
        build.asked,
        build.accepted_order,
    ])?;
    Ok(())
}

fn save_pull(connection: &Connection, pull: &Pull) -> Result<()> {
    let sql = format!(
        "INSERT OR REPLACE INTO pulls ({PULL_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    connection.prepare_cached(&sql)?.execute(params![
        pull.repository,
        pull.number.cast_signed(),
        pull.title,
        pull.open,
        pull.fork,
        pull.head_sha,
        pull.previous_head,
        pull.head_ref,
        pull.base_ref,
        pull.updated_at,
        pull.approved_sha,
        pull.last_build,
        pull.last_result.map(BuildState::name),
        pull.closed_order,
        serde_json::to_string(&pull.external)?,
        serde_json::to_string(&pull.heads)?,
    ])?;
    Ok(())
}

fn pull(row: &Row) -> Result<Pull> {
    let (external, heads): (String, String) = (row.get(14)?, row.get(15)?);
    Ok(Pull {
        repository: row.get(0)?,
        number: row.get::<_, i64>(1)?.cast_unsigned(),
        title: row.get(2)?,
        open: row.get(3)?,
        fork: row.get(4)?,
        head_sha: row.get(5)?,
        previous_head: row.get(6)?,
        head_ref: row.get(7)?,
        base_ref: row.get(8)?,
        updated_at: row.get(9)?,
        approved_sha: row.get(10)?,
        last_build: row.get(11)?,
        last_result: row.get(12)?,
        closed_order: row.get(13)?,
        external: serde_json::from_str(&external).context("what others say of a head can't be read")?,
        heads: serde_json::from_str(&heads).context("the heads of a pull request can't be read")?,
    })
}

fn repository(row: &Row) -> Result<Repository> {
    let (name, instead): (String, Option<String>) = (row.get(0)?, row.get(2)?);
    let instead = instead.as_deref().map(serde_json::from_str).transpose();
    let instead = instead.with_context(|| format!("what GitHub has instead of {name} can't be read"))?;
    Ok(Repository { name, id: row.get::<_, i64>(1)?.cast_unsigned(), instead })
}

fn delivery(row: &Row) -> Result<(DeliveryKey, KnownDelivery)> {
    let key = DeliveryKey { guid: row.get(0)?, hook_id: row.get::<_, i64>(1)?.cast_unsigned() };
    let ask: Option<String> = row.get(4)?;
    let ask = ask.as_deref().map(serde_json::from_str).transpose();
    let ask = ask.with_context(|| format!("what delivery {} asks for can't be read", key.guid))?;
    Ok((key, KnownDelivery { at: row.get(2)?, build: row.get(3)?, ask }))
}

impl FromSql for BuildState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        let unknown = || FromSqlError::Other(format!("`{name}` is no state of a build").into());
        BuildState::from_name(name).ok_or_else(unknown)
    }
}
