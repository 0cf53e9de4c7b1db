//! Events that came with an event_id: one per (time stamp, event_id), the first acknowledged.

use rusqlite::{Connection, named_params, params};

use super::event;
use super::floors::Floors;
use crate::error::Result;
use crate::model::{Id, Timestamp};
use crate::store::digest::{DigestKey, Kind};

pub fn digest(key: &DigestKey, event_id: &Id) -> i64 {
    key.short(Kind::Event, event_id.as_str())
}

// Two ids may share a digest of 8 bytes; the event's own text decides.
const KNOWN: &str = "
    select log_event.cell & 3 from log_event_id join log_event using (seq)
    where log_event_id.at = :at and log_event_id.digest = :digest and log_event.event_id = :event_id";

/// Whether an event with this time stamp and id has been acknowledged, or stands earlier in this transaction. One of a
/// severity that was retired is not known, whether its row is still there or not.
pub fn is_known(conn: &Connection, floors: &Floors, at: Timestamp, digest: i64, event_id: &Id) -> Result<bool> {
    let mut statement = conn.prepare_cached(KNOWN)?;
    let mut rows = statement.query(named_params! {
        ":at": at.unix_micros(),
        ":digest": digest,
        ":event_id": event_id.as_str(),
    })?;
    while let Some(row) = rows.next()? {
        if floors.keep(at, event::severity(row.get(0)?)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

const INSERT_ID: &str = "insert into log_event_id (at, digest, seq) values (:at, :digest, :seq)";

pub fn insert(conn: &Connection, at: Timestamp, digest: i64, seq: i64) -> Result<()> {
    conn.prepare_cached(INSERT_ID)?.execute(params![at.unix_micros(), digest, seq])?;
    Ok(())
}

const REMOVE_ID: &str = "delete from log_event_id where at = :at and digest = :digest and seq = :seq";

pub fn remove(conn: &Connection, at: Timestamp, digest: i64, seq: i64) -> Result<()> {
    conn.prepare_cached(REMOVE_ID)?.execute(params![at.unix_micros(), digest, seq])?;
    Ok(())
}
