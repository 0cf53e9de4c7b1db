//! Events that came with an event_id: one per (time stamp, event_id), the first acknowledged.

use rusqlite::{Connection, named_params, params};

use crate::error::Result;
use crate::model::{Id, Timestamp};
use crate::store::digest::{DigestKey, Kind};

pub fn digest(key: &DigestKey, event_id: &Id) -> i64 {
    key.short(Kind::Event, event_id.as_str())
}

// Two ids may share a digest of 8 bytes; the event's own text decides.
const KNOWN: &str = "
    select 1 from log_event_id join log_event using (seq)
    where log_event_id.at = :at and log_event_id.digest = :digest and log_event.event_id = :event_id";

/// Whether an event with this time stamp and id has been acknowledged, or stands earlier in this transaction.
pub fn is_known(conn: &Connection, at: Timestamp, digest: i64, event_id: &Id) -> Result<bool> {
    let mut statement = conn.prepare_cached(KNOWN)?;
    Ok(statement.exists(named_params! {
        ":at": at.unix_micros(),
        ":digest": digest,
        ":event_id": event_id.as_str(),
    })?)
}

const INSERT_ID: &str = "insert into log_event_id (at, digest, seq) values (:at, :digest, :seq)";

pub fn insert(conn: &Connection, at: Timestamp, digest: i64, seq: i64) -> Result<()> {
    conn.prepare_cached(INSERT_ID)?.execute(params![at.unix_micros(), digest, seq])?;
    Ok(())
}
