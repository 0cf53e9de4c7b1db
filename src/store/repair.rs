//! The way back from damaged rollups: all that follows from base facts is made anew from them.

use super::{Settings, identity, log, open, usage};
use crate::clock::Clock;
use crate::error::Result;

/// Makes every rollup and count of a database anew, in one transaction: it is done as a whole or not at all. Nobody else
/// may hold the database. Errors with `Conflict` if somebody does, `StorageFull` if there is no room, `Internal` if the
/// base facts themselves cannot be read: then a backup is the only way back.
pub fn repair(settings: &Settings, clock: &Clock) -> Result<()> {
    // Answers may change, and whoever kept one must learn it.
    const STAMP: &str = "
        update database set commit_seq = commit_seq + 1, usage_revision = usage_revision + 1,
            log_revision = log_revision + 1";
    let _lock = open::Lock::take(&settings.path)?;
    let mut conn = open::open_writer(settings, clock.unix_micros())?;
    let (_, key) = identity(&conn)?;
    // A damaged index would lead to a part of its table only.
    conn.execute_batch("reindex")?;
    let tx = conn.transaction()?;
    usage::rebuild(&tx, &key)?;
    log::rebuild(&tx, &key)?;
    tx.execute(STAMP, [])?;
    Ok(tx.commit()?)
}
