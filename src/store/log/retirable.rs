//! What a retirement would take, asked beforehand.

use std::ops::{ControlFlow, Range};

use rusqlite::named_params;

use super::cell::CellFilter;
use super::directory::{END, START};
use super::{LogSnapshot, floors, order, size};
use crate::error::Result;
use crate::model::{EventCutoffs, Position, Retirable, Severity, SeveritySet, Timestamp};
use crate::store::varint::damaged;

/// See [`crate::store::Snapshot::retirable`].
pub fn retirable(snapshot: &LogSnapshot, cutoffs: EventCutoffs) -> Result<[Retirable; Severity::ALL.len()]> {
    let mut found = Severity::ALL.map(|severity| Retirable { severity, count: 0, span: None });
    for retirable in &mut found {
        let Some(cutoff) = cutoffs.of(retirable.severity) else { continue };
        let filter = CellFilter { severities: SeveritySet::from_iter([retirable.severity]), service: None };
        let count = order::rank(snapshot, floors::before(cutoff), &filter)?;
        retirable.count = count;
        if count > 0 {
            let instant = |rank: u64| instant_at(snapshot, rank, &filter);
            retirable.span = Some((instant(0)?, instant(count - 1)?));
        }
    }
    Ok(found)
}

fn instant_at(snapshot: &LogSnapshot, rank: u64, filter: &CellFilter) -> Result<Timestamp> {
    let found = order::positions(snapshot, rank..rank + 1, filter)?.pop();
    found.map(|position| position.at).ok_or_else(damaged)
}

/// How many leaves are read in one snapshot.
const LEAVES_MAX: usize = 64;

/// Reads a bounded number of events, the oldest first, from the position on: where their bytes come to `wanted`. Breaks
/// with the instant behind the last of them, None if nothing is wanted, if there are no more, or if rows are still being
/// removed that count as well; or goes on elsewhere, with what is still to be found.
pub fn take_bytes(
    snapshot: &LogSnapshot,
    from: Option<Position>,
    wanted: u64,
) -> Result<ControlFlow<Option<Timestamp>, (Position, u64)>> {
    let all = CellFilter { severities: SeveritySet::ALL, service: None };
    let (mut left, mut last) = (wanted, None);
    if wanted == 0 || !floors::load(snapshot.conn)?.is_done() {
        return Ok(ControlFlow::Break(None));
    }
    let from = from.unwrap_or(START);
    for (leaf, _) in snapshot.directory.matching_leaves(from, &all).take(LEAVES_MAX) {
        let leaf = leaf.start.max(from)..leaf.end;
        last = Some(leaf.end);
        if let Some(at) = read_leaf(snapshot, &leaf, &mut left)? {
            let behind = Timestamp::from_unix_micros(at.unix_micros().saturating_add(1)).unwrap_or(Timestamp::MAX);
            return Ok(ControlFlow::Break(Some(behind)));
        }
    }
    match last {
        Some(end) if end < END => Ok(ControlFlow::Continue((end, left))),
        _ => Ok(ControlFlow::Break(None)),
    }
}

/// Takes what the leaf's events take from what is left to be found; the instant of the one that was enough.
fn read_leaf(snapshot: &LogSnapshot, leaf: &Range<Position>, left: &mut u64) -> Result<Option<Timestamp>> {
    let sql = format!(
        "select o.at, o.seq, {} from log_order as o cross join log_event as e on e.seq = o.seq
         where (o.at, o.seq) >= (:from_at, :from_seq) and (o.at, o.seq) < (:to_at, :to_seq)
           and :severities >> (o.cell & 3) & 1
         order by o.at, o.seq",
        size::COLUMNS
    );
    let mut statement = snapshot.conn.prepare_cached(&sql)?;
    let mut rows = statement.query(named_params! {
        ":from_at": leaf.start.at.unix_micros(),
        ":from_seq": leaf.start.seq,
        ":to_at": leaf.end.at.unix_micros(),
        ":to_seq": leaf.end.seq,
        ":severities": snapshot.directory.floors().kept_at(leaf.start.at).bits(),
    })?;
    while let Some(row) = rows.next()? {
        *left = left.saturating_sub(size::of_row(row, 2)?);
        if *left == 0 {
            return Ok(Some(order::position(row, 0, 1)?.at));
        }
    }
    Ok(None)
}
