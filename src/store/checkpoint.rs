//! Housekeeping of the file: WAL pages go back into it, and space that is free back to the file system.
//!
//! All of it can wait: a full disk or a reader in the way only puts it off until the next time.

use std::time::Duration;

use rusqlite::Connection;

use super::open::BUSY_TIMEOUT;
use crate::error::{Error, Kind, Result};

/// WAL pages after which the writer checkpoints, once the group is answered.
const CHECKPOINT_PAGES: i64 = 1_000;
/// A WAL file at least this long is cut back when the writer is idle.
const TRUNCATE_PAGES: i64 = 4_000;
/// A WAL that grows so long has readers in it without a pause: new ones are turned to the database file.
const RESTART_PAGES: i64 = 16_000;
/// How long a checkpoint may wait for readers before it gives up until the next time.
const READERS_WAIT: Duration = Duration::from_millis(50);
/// Free pages above which space is given back to the file system while idle, and how many at a time.
const FREE_PAGES_MAX: i64 = 4_096;
const VACUUM_PAGES: i64 = 1_024;

/// Pages in the WAL, and those of them that are not in the database file yet.
pub struct WalPages {
    all: i64,
    pub waiting: i64,
}

/// Asks without doing anything.
pub fn wal_pages(conn: &Connection) -> Result<WalPages> {
    let mut statement = conn.prepare_cached("pragma wal_checkpoint(noop)")?;
    let (all, done): (i64, i64) = statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))?;
    Ok(WalPages { all, waiting: all - done })
}

impl WalPages {
    /// After a group, when more of them may wait already.
    pub fn after_group(&self, conn: &Connection) -> Result<()> {
        if self.all >= RESTART_PAGES {
            checkpoint(conn, "restart")?;
        } else if self.waiting >= CHECKPOINT_PAGES {
            checkpoint(conn, "passive")?;
        }
        Ok(())
    }

    /// While nobody waits.
    pub fn while_idle(&self, conn: &Connection) -> Result<()> {
        if self.all >= TRUNCATE_PAGES {
            truncate(conn)?;
        }
        Ok(())
    }
}

/// Writes the WAL back and cuts it to nothing. Says whether that is done: a reader may stand in the way.
pub fn truncate(conn: &Connection) -> Result<bool> {
    checkpoint(conn, "truncate")
}

/// `mode`: passive, restart or truncate.
fn checkpoint(conn: &Connection, mode: &str) -> Result<bool> {
    conn.busy_timeout(READERS_WAIT)?;
    let mut statement = conn.prepare_cached(&format!("pragma wal_checkpoint({mode})"))?;
    let is_busy = statement.query_row([], |row| row.get::<_, bool>(0)).map_err(Error::from);
    conn.busy_timeout(BUSY_TIMEOUT)?;
    put_off_if_full(is_busy.map(|is_busy| !is_busy))
}

/// Gives some free space back to the file system, if there is much of it.
pub fn give_space_back(conn: &Connection) -> Result<()> {
    let free: i64 = conn.prepare_cached("pragma freelist_count")?.query_row([], |row| row.get(0))?;
    if free <= FREE_PAGES_MAX {
        return Ok(());
    }
    let vacuum = || -> Result<bool> {
        let mut vacuum = conn.prepare(&format!("pragma incremental_vacuum({VACUUM_PAGES})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        Ok(true)
    };
    put_off_if_full(vacuum()).map(drop)
}

fn put_off_if_full(done: Result<bool>) -> Result<bool> {
    match done {
        Err(error) if error.kind == Kind::StorageFull => Ok(false),
        done => done,
    }
}
