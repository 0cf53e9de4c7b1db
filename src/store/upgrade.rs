//! Brings an older database to the current schema, one version at a time, in one transaction.

use rusqlite::Connection;

use crate::error::{Error, Result};

/// The current schema; comments are part of the file, not of the database.
pub const SCHEMA: &str = include_str!("../../schema.sql");
/// `pragma user_version` of a database with the current schema.
pub const VERSION: i64 = 1 + UPGRADES.len() as i64;

/// Entry i brings version i + 1 to version i + 2.
const UPGRADES: &[&str] = &[];

pub fn bring_up(conn: &mut Connection) -> Result<()> {
    apply(conn, UPGRADES)
}

fn apply(conn: &mut Connection, upgrades: &[&str]) -> Result<()> {
    let version: i64 = conn.query_row("pragma user_version", [], |row| row.get(0))?;
    let first = usize::try_from(version - 1).ok().filter(|first| *first <= upgrades.len());
    let Some(first) = first else {
        return Err(Error::internal(format!("the database has the impossible schema version {version}")));
    };
    if first == upgrades.len() {
        return Ok(());
    }
    let tx = conn.transaction()?;
    for upgrade in &upgrades[first..] {
        tx.execute_batch(upgrade)?;
    }
    tx.execute_batch(&format!("pragma user_version = {}", 1 + upgrades.len()))?;
    tx.commit()?;
    Ok(())
}

/// Errors if the database's tables and indexes are not those of a fresh one: somebody altered or damaged it.
pub fn compare_with_fresh(conn: &Connection) -> Result<()> {
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(SCHEMA)?;
    let (have, want) = (objects(conn)?, objects(&fresh)?);
    if have == want {
        return Ok(());
    }
    let differs =
        want.iter().find(|object| !have.contains(object)).or(have.iter().find(|object| !want.contains(object)));
    let name = differs.map_or("?", |(name, _)| name);
    Err(Error::internal(format!("the schema was altered or damaged (at \"{name}\"); restore a backup")))
}

/// Names and definitions; the definition in words, since upgrades write other white space than schema.sql does.
fn objects(conn: &Connection) -> Result<Vec<(String, String)>> {
    const OBJECTS: &str = "
        select name, coalesce(sql, '') from sqlite_schema where name not like 'sqlite_stat%' order by name";
    let mut statement = conn.prepare(OBJECTS)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, words(&row.get::<_, String>(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn words(sql: &str) -> String {
    let without_comments = sql.lines().map(|line| line.split("--").next().unwrap_or(""));
    without_comments.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first version that was ever released. Never changes.
    const FIRST: &str = include_str!("schema_1.sql");

    #[test]
    fn an_upgraded_first_version_equals_a_fresh_one() {
        let mut old = Connection::open_in_memory().unwrap();
        old.execute_batch(FIRST).unwrap();
        old.execute_batch("pragma user_version = 1").unwrap();
        bring_up(&mut old).unwrap();
        compare_with_fresh(&old).unwrap();
        let version: i64 = old.query_row("pragma user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, VERSION);
    }

    #[test]
    fn upgrades_run_once_each_and_in_order() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("create table t (a); pragma user_version = 2").unwrap();
        let upgrades = ["create table never (a)", "alter table t add b", "alter table t rename b to c"];
        apply(&mut conn, &upgrades).unwrap();
        apply(&mut conn, &upgrades).unwrap();
        conn.execute_batch("select c from t").unwrap();
        assert!(conn.execute_batch("select a from never").is_err());
    }

    #[test]
    fn a_failing_upgrade_leaves_the_database_as_it_was() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("create table t (a); pragma user_version = 1").unwrap();
        assert!(apply(&mut conn, &["alter table t add b", "no sql"]).is_err());
        assert!(conn.execute_batch("select b from t").is_err());
        let version: i64 = conn.query_row("pragma user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 1);
    }

    #[test]
    fn an_altered_schema_is_named() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(SCHEMA).unwrap();
        conn.execute_batch("drop table usage_node").unwrap();
        assert!(compare_with_fresh(&conn).unwrap_err().message.contains("usage_node"));
    }
}
