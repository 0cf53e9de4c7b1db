//! Events, as the log keeps them.

use std::cmp::Ordering;

use rusqlite::{Connection, Row, params};

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

const EVENTS: &str = "select seq, at, cell, message, attributes from log_event where seq >= :first order by seq";

/// So many rows between two that are wanted are passed over: looking the second one up anew would cost as much.
const PASSED_OVER_MAX: i64 = 8;

/// The events at these positions, in the order given. Neighbours are read in one go.
pub fn fetch(snapshot: &LogSnapshot, positions: &[Position]) -> Result<Vec<StoredEvent>> {
    let mut wanted: Vec<(i64, usize)> = positions.iter().map(|position| position.seq).zip(0..).collect();
    wanted.sort_unstable();
    let mut events = vec![None; positions.len()];
    let mut statement = snapshot.conn.prepare_cached(EVENTS)?;
    for run in wanted.chunk_by(|a, b| b.0 - a.0 <= PASSED_OVER_MAX) {
        let mut rows = statement.query(params![run[0].0])?;
        let mut run = run.iter();
        let mut next = run.next();
        while let Some((seq, place)) = next {
            let row = rows.next()?.ok_or_else(damaged)?;
            match row.get::<_, i64>(0)?.cmp(seq) {
                Ordering::Less => continue,
                Ordering::Equal => events[*place] = Some(stored_event(row, snapshot.directory.names())?),
                Ordering::Greater => return Err(damaged()),
            }
            next = run.next();
        }
    }
    events.into_iter().map(|event| event.ok_or_else(damaged)).collect()
}

/// From the columns seq, at, cell, message, attributes.
pub fn stored_event(row: &Row, names: &Names) -> Result<StoredEvent> {
    let cell = Cell::from_sql(row.get(2)?)?;
    Ok(StoredEvent {
        position: order::position(row, 1, 0)?,
        severity: cell.severity(),
        service: names.name(cell.service())?.cloned(),
        message: row.get(3)?,
        attributes: row.get(4)?,
    })
}

/// Errors on a number that is no severity: a fault of the database file.
pub fn severity(index: i64) -> Result<Severity> {
    let severity = usize::try_from(index).ok().and_then(|index| Severity::ALL.get(index));
    severity.copied().ok_or_else(damaged)
}
