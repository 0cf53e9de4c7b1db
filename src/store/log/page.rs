//! Pages in order of time: a page is an interval of ranks, so that any page costs what the first one costs.

use std::ops::Range;

use super::cell::CellFilter;
use super::directory::{END, START};
use super::{LogSnapshot, event, order};
use crate::error::Result;
use crate::model::{LogFilter, LogPage, Position, Start, TimeOrder, Timestamp};

/// A page in time order. An unknown service matches nothing; so does a reversed span of time.
pub fn page(
    snapshot: &LogSnapshot,
    filter: &LogFilter,
    order: TimeOrder,
    start: Start,
    limit: usize,
) -> Result<LogPage> {
    let Some(cells) = CellFilter::resolve(filter, snapshot.directory.names()) else {
        return Ok(LogPage { events: vec![], total: 0, more: false });
    };
    let matching = ranks(snapshot, filter, &cells)?;
    let total = matching.end - matching.start;
    let skipped = match start {
        Start::Offset(n) => n.min(total),
        Start::After(position) => skipped_by(snapshot, &matching, position, &cells, order)?,
    };
    let taken = (limit as u64).min(total - skipped);
    let wanted = match order {
        TimeOrder::NewestFirst => matching.end - skipped - taken..matching.end - skipped,
        TimeOrder::OldestFirst => matching.start + skipped..matching.start + skipped + taken,
    };
    let mut positions = order::positions(snapshot, wanted, &cells)?;
    if order == TimeOrder::NewestFirst {
        positions.reverse();
    }
    Ok(LogPage { events: event::fetch(snapshot, &positions)?, total, more: skipped + taken < total })
}

/// How many events match the filter in all.
pub fn total(snapshot: &LogSnapshot, filter: &LogFilter, cells: &CellFilter) -> Result<u64> {
    let matching = ranks(snapshot, filter, cells)?;
    Ok(matching.end - matching.start)
}

/// The ranks, among all events that match the cells, of those that lie within the filter's time too.
fn ranks(snapshot: &LogSnapshot, filter: &LogFilter, cells: &CellFilter) -> Result<Range<u64>> {
    let first_at = |at: Timestamp| Position { at, seq: START.seq };
    let start = match filter.from {
        Some(from) => order::rank(snapshot, first_at(from), cells)?,
        None => 0,
    };
    let end = match filter.to {
        Some(to) => order::rank(snapshot, first_at(to), cells)?,
        None => snapshot.directory.total(cells),
    };
    Ok(start..end.max(start))
}

/// How many of the matching events lie before the first one behind the position, in the page's order.
fn skipped_by(
    snapshot: &LogSnapshot,
    matching: &Range<u64>,
    position: Position,
    cells: &CellFilter,
    order: TimeOrder,
) -> Result<u64> {
    // A position may come from outside: it need not be one that was ever given.
    let position = position.clamp(START, END);
    match order {
        TimeOrder::NewestFirst => {
            let rank = order::rank(snapshot, position, cells)?;
            Ok(matching.end - rank.clamp(matching.start, matching.end))
        }
        TimeOrder::OldestFirst => {
            let behind = Position { seq: position.seq.saturating_add(1), ..position };
            let rank = order::rank(snapshot, behind, cells)?;
            Ok(rank.clamp(matching.start, matching.end) - matching.start)
        }
    }
}
