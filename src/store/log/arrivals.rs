//! Pages in order of arrival, for those who follow the log: a late event comes up when it arrives.

use rusqlite::{Connection, named_params};

use super::cell::CellFilter;
use super::visit::kept_from;
use super::{LogSnapshot, event, order, page};
use crate::error::Result;
use crate::model::{ArrivalPage, LogFilter, Severity, StoredEvent};

/// The most events that one call looks at. A rare filter then takes several calls instead of one that never ends.
const LOOKED_AT_MAX: i64 = 20_000;

/// Events acknowledged after `after_seq`, in order of arrival. Looks at a bounded number of events, so that a page may
/// hold fewer than `limit`, even none, with more to come behind `next_seq`. At the end, `next_seq` is the highest
/// sequence number acknowledged.
pub fn arrivals(snapshot: &LogSnapshot, filter: &LogFilter, after_seq: i64, limit: usize) -> Result<ArrivalPage> {
    let last_seq = snapshot.directory.last_seq();
    let Some(cells) = CellFilter::resolve(filter, snapshot.directory.names()) else {
        // A service of that name may send its first event at any time; what was there before is of no interest then.
        return Ok(ArrivalPage { events: vec![], total: 0, next_seq: last_seq });
    };
    let looked_up_to = match first_behind(snapshot.conn, after_seq)? {
        Some(first) => last_seq.min(first.saturating_add(LOOKED_AT_MAX - 1)),
        None => last_seq,
    };
    let events = arrived(snapshot, filter, &cells, after_seq, looked_up_to, limit)?;
    let next_seq =
        if events.len() < limit { looked_up_to } else { events.last().map_or(after_seq, |event| event.position.seq) };
    Ok(ArrivalPage { events, total: page::total(snapshot, filter, &cells)?, next_seq })
}

const FIRST_BEHIND: &str = "select min(seq) from log_event where seq > :after";

/// Sequence numbers may have gaps; a call must not spend what it may look at on one.
fn first_behind(conn: &Connection, after_seq: i64) -> Result<Option<i64>> {
    let mut statement = conn.prepare_cached(FIRST_BEHIND)?;
    Ok(statement.query_row(named_params! { ":after": after_seq }, |row| row.get(0))?)
}

// Filtered by the columns in front of the message, so that a long one is not read for nothing.
const ARRIVED: &str = "
    select seq, cell, message, attributes, at from log_event
    where seq > :after and seq <= :up_to
      and (:from is null or at >= :from) and (:to is null or at < :to)
      and :severities >> (cell & 3) & 1 and (:service is null or cell >> 2 = :service)
      and at >= case cell & 3 when 0 then :info_from when 1 then :warning_from else :error_from end
    order by seq
    limit :limit";

fn arrived(
    snapshot: &LogSnapshot,
    filter: &LogFilter,
    cells: &CellFilter,
    after_seq: i64,
    up_to_seq: i64,
    limit: usize,
) -> Result<Vec<StoredEvent>> {
    let mut statement = snapshot.conn.prepare_cached(ARRIVED)?;
    let mut rows = statement.query(named_params! {
        ":after": after_seq,
        ":up_to": up_to_seq,
        ":from": filter.from.map(|at| at.unix_micros()),
        ":to": filter.to.map(|at| at.unix_micros()),
        ":severities": cells.severity_bits(),
        ":service": cells.service,
        ":info_from": kept_from(snapshot, Severity::Info),
        ":warning_from": kept_from(snapshot, Severity::Warning),
        ":error_from": kept_from(snapshot, Severity::Error),
        ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
    })?;
    let mut events = vec![];
    while let Some(row) = rows.next()? {
        let position = order::position(row, 4, 0)?;
        events.push(event::stored_event(row, position, snapshot.directory.names())?);
    }
    Ok(events)
}
