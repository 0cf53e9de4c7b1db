//! Events, as the log keeps them.

use std::cmp::Ordering;
use std::sync::LazyLock;

use rusqlite::{Connection, Row, Statement, params};

use super::LogSnapshot;
use super::cell::Cell;
use super::names::Names;
use super::rows::Insert;
use crate::error::Result;
use crate::model::{Position, Severity, StoredEvent, SystemEvent};
use crate::store::varint::damaged;

const INSERT_EVENT: &str = "
    insert into log_event (seq, at, cell, message, attributes, event_id)
    values (:seq, :at, :cell, :message, :attributes, :event_id)";
/// SQLite gives the next number behind the highest, and need not look whether it is taken.
static INSERT_NEXT: LazyLock<Insert> =
    LazyLock::new(|| Insert::into("log_event", &["at", "cell", "message", "attributes", "event_id"]));

/// An event that has been taken, with its place in the order of arrival.
pub struct NewEvent<'e> {
    pub seq: i64,
    pub cell: Cell,
    pub event: &'e SystemEvent,
}

/// Their sequence numbers follow one another, and are behind all that were given.
pub fn insert(conn: &Connection, events: &[NewEvent]) -> Result<()> {
    let Some((first, others)) = events.split_first() else { return Ok(()) };
    let mut statement = conn.prepare_cached(INSERT_EVENT)?;
    statement.raw_bind_parameter(1, first.seq)?;
    bind(&mut statement, 1, first)?;
    statement.raw_execute()?;
    INSERT_NEXT.run(conn, others, bind)?;
    // Were there a row behind the first one, the others would have got other numbers.
    if conn.last_insert_rowid() == events[others.len()].seq { Ok(()) } else { Err(damaged()) }
}

fn bind(statement: &mut Statement, behind: usize, new: &NewEvent) -> rusqlite::Result<()> {
    let NewEvent { cell, event, .. } = new;
    statement.raw_bind_parameter(behind + 1, event.at.unix_micros())?;
    statement.raw_bind_parameter(behind + 2, cell.to_sql())?;
    statement.raw_bind_parameter(behind + 3, event.message.as_str())?;
    statement.raw_bind_parameter(behind + 4, event.attributes.as_deref())?;
    statement.raw_bind_parameter(behind + 5, event.event_id.as_ref().map(|id| id.as_str()))
}

const EVENTS: &str = "select seq, cell, message, attributes from log_event where seq >= :first order by seq";

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
                Ordering::Equal => {
                    events[*place] = Some(stored_event(row, positions[*place], snapshot.directory.names())?)
                }
                Ordering::Greater => return Err(damaged()),
            }
            next = run.next();
        }
    }
    events.into_iter().map(|event| event.ok_or_else(damaged)).collect()
}

/// The event at the position, from the columns seq, cell, message, attributes.
pub fn stored_event(row: &Row, position: Position, names: &Names) -> Result<StoredEvent> {
    let cell = Cell::from_sql(row.get(1)?)?;
    Ok(StoredEvent {
        position,
        severity: cell.severity(),
        service: names.name(cell.service())?.cloned(),
        message: row.get(2)?,
        attributes: row.get(3)?,
    })
}

/// Errors on a number that is no severity: a fault of the database file.
pub fn severity(index: i64) -> Result<Severity> {
    let severity = usize::try_from(index).ok().and_then(|index| Severity::ALL.get(index));
    severity.copied().ok_or_else(damaged)
}
