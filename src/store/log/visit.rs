//! Reading much of the log in time order, for exports: run by run, each in a snapshot of its own.

use std::ops::{ControlFlow, Range};

use rusqlite::{Row, Rows, Statement, named_params};

use super::cell::{Cell, CellFilter};
use super::directory::{END, START};
use super::names::Names;
use super::{LogSnapshot, order, page};
use crate::error::Result;
use crate::model::{LogFilter, Position, Severity, Timestamp};
use crate::store::varint::damaged;

/// The most leaves in one run. Where few events match, a run holds few; otherwise it might hold the whole log, and the
/// snapshot that reads it would not be short.
const LEAVES_MAX: usize = 64;

/// An event as the row has it, borrowed for as long as it is visited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventRow<'r> {
    pub position: Position,
    pub severity: Severity,
    pub service: Option<&'r str>,
    pub message: &'r str,
    /// Compact JSON text of a flat object.
    pub attributes: Option<&'r str>,
}

/// How many events match, acknowledged whenever.
pub fn count_events(snapshot: &LogSnapshot, filter: &LogFilter) -> Result<u64> {
    match CellFilter::resolve(filter, snapshot.directory.names()) {
        Some(cells) => page::total(snapshot, filter, &cells),
        None => Ok(0),
    }
}

/// Of events in order of arrival, behind the first sequence number and up to the second, looks at so many: how many of
/// them match, and which was the last of them; None if there were none.
pub fn count_arrived(
    snapshot: &LogSnapshot,
    filter: &LogFilter,
    (after_seq, up_to_seq): (i64, i64),
    looked_at_max: usize,
) -> Result<(u64, Option<i64>)> {
    const COUNT_ARRIVED: &str = "
        select max(seq) as last, count(*) filter (
            where (:from is null or at >= :from) and (:to is null or at < :to)
              and (:service is null or cell >> 2 = :service)
              and :severities >> (cell & 3) & 1
              and at >= case cell & 3 when 0 then :info_from when 1 then :warning_from else :error_from end
        ) as matching
        from (
            select seq, at, cell from log_event
            where seq > :after and seq <= :up_to order by seq limit :looked_at_max
        )";
    let Some(cells) = CellFilter::resolve(filter, snapshot.directory.names()) else { return Ok((0, None)) };
    let mut statement = snapshot.conn.prepare_cached(COUNT_ARRIVED)?;
    let values = named_params! {
        ":after": after_seq,
        ":up_to": up_to_seq,
        ":looked_at_max": i64::try_from(looked_at_max).unwrap_or(i64::MAX),
        ":from": filter.from.map(Timestamp::unix_micros),
        ":to": filter.to.map(Timestamp::unix_micros),
        ":severities": cells.severity_bits(),
        ":service": cells.service,
        ":info_from": kept_from(snapshot, Severity::Info),
        ":warning_from": kept_from(snapshot, Severity::Warning),
        ":error_from": kept_from(snapshot, Severity::Error),
    };
    Ok(statement.query_row(values, |row| Ok((row.get::<_, i64>("matching")? as u64, row.get("last")?)))?)
}

/// The floor of the severity, for queries in order of arrival.
pub(super) fn kept_from(snapshot: &LogSnapshot, severity: Severity) -> i64 {
    snapshot.directory.floors().of(severity).unix_micros()
}

/// See [`crate::store::Snapshot::events_run_end`].
pub fn run_end(snapshot: &LogSnapshot, filter: &LogFilter, from: Position, wanted: u64) -> Option<Position> {
    let cells = CellFilter::resolve(filter, snapshot.directory.names())?;
    let run = within_time(filter, from..END);
    let (mut found, mut end) = (0, None);
    for (leaf, matching) in matching_leaves(snapshot, &cells, &run).take(LEAVES_MAX) {
        found += matching;
        end = Some(leaf.end);
        if found >= wanted {
            break;
        }
    }
    end
}

/// See [`crate::store::Snapshot::visit_events`].
pub fn visit_events(
    snapshot: &LogSnapshot,
    filter: &LogFilter,
    last_seq: i64,
    run: Range<Position>,
    mut visit: impl FnMut(&EventRow) -> Result<ControlFlow<()>>,
) -> Result<Option<Position>> {
    let Some(cells) = CellFilter::resolve(filter, snapshot.directory.names()) else { return Ok(None) };
    let run = within_time(filter, run);
    let mut leaves = matching_leaves(snapshot, &cells, &run).map(|(leaf, _)| leaf).peekable();
    while let Some(mut part) = leaves.next() {
        // Neighbours are read in one go.
        let kept = order::kept_of(snapshot, &part, &cells);
        let goes_on = |next: &Range<Position>, part: &Range<Position>| {
            next.start == part.end && order::kept_of(snapshot, next, &cells).severities == kept.severities
        };
        while let Some(next) = leaves.next_if(|next| goes_on(next, &part)) {
            part.end = next.end;
        }
        if let Some(rest) = visit_part(snapshot, &kept, last_seq, part, &mut visit)? {
            return Ok(Some(rest).filter(|rest| *rest < run.end));
        }
    }
    Ok(None)
}

/// What of a run the filter's bounds of time leave.
pub(super) fn within_time(filter: &LogFilter, run: Range<Position>) -> Range<Position> {
    let first_at = |at| Position { at, seq: START.seq };
    let start = filter.from.map_or(START, first_at);
    let end = filter.to.map_or(END, first_at);
    run.start.max(start)..run.end.min(end)
}

/// What of the run's leaves lies within it, and how many matching events the whole leaf holds; those without any are
/// left out.
pub(super) fn matching_leaves<'a>(
    snapshot: &'a LogSnapshot,
    cells: &'a CellFilter,
    run: &Range<Position>,
) -> impl Iterator<Item = (Range<Position>, u64)> + 'a {
    let run = run.clone();
    let leaves = snapshot.directory.matching_leaves(run.start, cells);
    let cut =
        move |(leaf, matching): (Range<Position>, u64)| (leaf.start.max(run.start)..leaf.end.min(run.end), matching);
    leaves.map(cut).take_while(|(leaf, _)| !leaf.is_empty())
}

/// Gives the position behind the event with which it broke off.
fn visit_part(
    snapshot: &LogSnapshot,
    cells: &CellFilter,
    last_seq: i64,
    part: Range<Position>,
    visit: &mut impl FnMut(&EventRow) -> Result<ControlFlow<()>>,
) -> Result<Option<Position>> {
    let mut statement = snapshot.conn.prepare_cached(if cells.is_everything() { ALL } else { FILTERED })?;
    let mut rows = query(&mut statement, cells, last_seq, &part)?;
    while let Some(row) = rows.next()? {
        let event = event_row(row, snapshot.directory.names())?;
        let position = event.position;
        if position >= part.end {
            break;
        }
        if visit(&event)?.is_break() {
            return Ok(Some(Position { seq: position.seq.saturating_add(1), ..position }));
        }
    }
    Ok(None)
}

// The outer join holds the order of the loops fast, and a key without its event is damage, not one event less.
// Nobody asks SQLite for the exact end: it would look at both bounds again at each row.
const ALL: &str = "
    select o.at, o.seq, o.cell, e.message, e.attributes
    from log_order as o left join log_event as e on e.seq = o.seq
    where (o.at, o.seq) >= (:from_at, :from_seq) and o.at <= :to_at and o.seq <= :last_seq
    order by o.at, o.seq";

// Here the next match may lie far behind the end.
const FILTERED: &str = "
    select o.at, o.seq, o.cell, e.message, e.attributes
    from log_order as o left join log_event as e on e.seq = o.seq
    where (o.at, o.seq) >= (:from_at, :from_seq) and (o.at, o.seq) < (:to_at, :to_seq) and o.seq <= :last_seq
      and o.cell between :cell_min and :cell_max and :severities >> (o.cell & 3) & 1
    order by o.at, o.seq";

fn query<'s>(
    statement: &'s mut Statement,
    cells: &CellFilter,
    last_seq: i64,
    part: &Range<Position>,
) -> Result<Rows<'s>> {
    let (from_at, from_seq) = (part.start.at.unix_micros(), part.start.seq);
    let (to_at, to_seq) = (part.end.at.unix_micros(), part.end.seq);
    if cells.is_everything() {
        let values = named_params! {
            ":from_at": from_at, ":from_seq": from_seq, ":to_at": to_at, ":last_seq": last_seq,
        };
        return Ok(statement.query(values)?);
    }
    let (cell_min, cell_max) = cells.span();
    Ok(statement.query(named_params! {
        ":from_at": from_at,
        ":from_seq": from_seq,
        ":to_at": to_at,
        ":to_seq": to_seq,
        ":last_seq": last_seq,
        ":cell_min": cell_min,
        ":cell_max": cell_max,
        ":severities": cells.severity_bits(),
    })?)
}

pub(super) fn event_row<'r>(row: &'r Row, names: &'r Names) -> Result<EventRow<'r>> {
    let cell = Cell::from_sql(row.get(2)?)?;
    Ok(EventRow {
        position: order::position(row, 0, 1)?,
        severity: cell.severity(),
        service: names.name(cell.service())?.map(|service| service.as_str()),
        message: row.get_ref(3)?.as_str().map_err(|_| damaged())?,
        attributes: row.get_ref(4)?.as_str_or_null().map_err(|_| damaged())?,
    })
}

#[cfg(test)]
#[path = "visit_test.rs"]
mod tests;
