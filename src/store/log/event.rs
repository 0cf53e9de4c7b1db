//! Events, as the log keeps them.

use rusqlite::{Connection, Row, named_params, params};

use super::cell::Cell;
use super::names::Names;
use super::{LogSnapshot, order};
use crate::error::Result;
use crate::model::{Position, Severity, StoredEvent, SystemEvent};
use crate::store::varint::damaged;

const INSERT_EVENT: &str = "
    insert into log_event (seq, at, cell, message, attributes, event_id)
    values (:seq, :at, :cell, :message, :attributes, :event_id)";

pub fn insert(conn: &Connection, seq: i64, cell: Cell, event: &SystemEvent) -> Result<()> {
    // By place, in the order above: looking seven names up for each event would show in the import rate.
    conn.prepare_cached(INSERT_EVENT)?.execute(params![
        seq,
        event.at.unix_micros(),
        cell.to_sql(),
        event.message,
        event.attributes,
        event.event_id.as_ref().map(|id| id.as_str()),
    ])?;
    Ok(())
}

const EVENT: &str = "select seq, at, severity, service, message, attributes from log_event where seq = :seq";

/// The events at these positions, in the order given.
pub fn fetch(snapshot: &LogSnapshot, positions: &[Position]) -> Result<Vec<StoredEvent>> {
    let mut statement = snapshot.conn.prepare_cached(EVENT)?;
    let mut events = Vec::with_capacity(positions.len());
    for position in positions {
        let mut rows = statement.query(named_params! { ":seq": position.seq })?;
        let row = rows.next()?.ok_or_else(damaged)?;
        events.push(stored_event(row, snapshot.directory.names())?);
    }
    Ok(events)
}

/// From the columns seq, at, severity, service, message, attributes.
pub fn stored_event(row: &Row, names: &Names) -> Result<StoredEvent> {
    Ok(StoredEvent {
        position: order::position(row, 1, 0)?,
        severity: severity(row.get(2)?)?,
        service: names.name(row.get(3)?)?,
        message: row.get(4)?,
        attributes: row.get(5)?,
    })
}

/// Errors on a number that is no severity: a fault of the database file.
pub fn severity(index: i64) -> Result<Severity> {
    let severity = usize::try_from(index).ok().and_then(|index| Severity::ALL.get(index));
    severity.copied().ok_or_else(damaged)
}
