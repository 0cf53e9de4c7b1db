//! Retirement of the log before new exports of it: where these always overlap, floors would never rise.

use rusqlite::{Connection, named_params};

use crate::error::Result;

/// A retirement waits so long for exports of the log that come and go. Then no new one begins until it has had its turn.
const PATIENCE_MICROS: i64 = 3_600_000_000;
/// Whoever retires asks again more often than this. Where nobody does any more, exports begin again.
const ASKED_WITHIN_MICROS: i64 = 300_000_000;

/// A retirement has asked, and has to wait.
pub fn note_waiting(conn: &Connection, now: i64) -> Result<()> {
    const WAIT: &str = "
        update retention set asked_at = :now,
            waits_since = case when asked_at >= :now - :asked_within then waits_since else :now end";
    conn.prepare_cached(WAIT)?.execute(named_params! { ":now": now, ":asked_within": ASKED_WITHIN_MICROS })?;
    Ok(())
}

/// A retirement has asked, and need not wait.
pub fn end_waiting(conn: &Connection) -> Result<()> {
    const END: &str = "update retention set asked_at = null, waits_since = null where asked_at is not null";
    conn.prepare_cached(END)?.execute([])?;
    Ok(())
}

/// Whether no export of the log may begin for now.
pub fn is_held(conn: &Connection, now: i64) -> Result<bool> {
    const HELD: &str = "
        select 1 from retention where asked_at >= :now - :asked_within and asked_at - waits_since >= :patience";
    let values = named_params! { ":now": now, ":asked_within": ASKED_WITHIN_MICROS, ":patience": PATIENCE_MICROS };
    Ok(conn.prepare_cached(HELD)?.exists(values)?)
}
