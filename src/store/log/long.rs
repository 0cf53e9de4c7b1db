//! Events with long texts: what has to be known of them before the first is written into a sheet of narrow cells.

use std::ops::Range;

use rusqlite::named_params;

use super::cell::CellFilter;
use super::visit::{EventRow, event_row, matching_leaves, within_time};
use super::{LogSnapshot, order};
use crate::error::Result;
use crate::model::{LogFilter, Position};

// The length in bytes stands in the head of the row: long texts alone are read.
const LONG: &str = "
    select o.at, o.seq, o.cell, e.message, e.attributes
    from log_order as o cross join log_event as e on e.seq = o.seq
    where (o.at, o.seq) >= (:from_at, :from_seq) and (o.at, o.seq) < (:to_at, :to_seq) and o.seq <= :last_seq
      and o.cell between :cell_min and :cell_max and :severities >> (o.cell & 3) & 1
      and (octet_length(e.message) > :text_bytes or octet_length(e.attributes) > :text_bytes)
    order by o.at, o.seq";

/// See [`crate::store::Snapshot::visit_long_events`].
pub fn visit_long_events(
    snapshot: &LogSnapshot,
    filter: &LogFilter,
    last_seq: i64,
    run: Range<Position>,
    text_bytes: usize,
    mut visit: impl FnMut(&EventRow) -> Result<()>,
) -> Result<()> {
    let Some(cells) = CellFilter::resolve(filter, snapshot.directory.names()) else { return Ok(()) };
    let (cell_min, cell_max) = cells.span();
    let mut statement = snapshot.conn.prepare_cached(LONG)?;
    for (leaf, _) in matching_leaves(snapshot, &cells, &within_time(filter, run)) {
        let mut rows = statement.query(named_params! {
            ":from_at": leaf.start.at.unix_micros(),
            ":from_seq": leaf.start.seq,
            ":to_at": leaf.end.at.unix_micros(),
            ":to_seq": leaf.end.seq,
            ":last_seq": last_seq,
            ":cell_min": cell_min,
            ":cell_max": cell_max,
            ":severities": order::kept_of(snapshot, &leaf, &cells).severity_bits(),
            ":text_bytes": text_bytes as i64,
        })?;
        while let Some(row) = rows.next()? {
            visit(&event_row(row, snapshot.directory.names())?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::leaves::Pace;
    use super::super::testing::{TINY, TestLog, event, id};
    use super::*;
    use crate::model::{SystemEvent, Timestamp};

    #[test]
    fn of_the_matching_events_of_a_run_those_with_a_text_over_the_bound_are_visited_once_and_in_order() {
        for pace in [TINY, Pace::DEFAULT] {
            let mut log = TestLog::new(pace);
            let service = |event: SystemEvent, service| SystemEvent { service: Some(id(service)), ..event };
            let attributes = Some("{\"much\":true}".to_string());
            log.commit(&[
                (0..40).map(|n| service(event(n, "short"), "a")).collect(),
                vec![service(event(30, "éé long"), "a"), service(event(7, "very long"), "a")],
                vec![SystemEvent { attributes, ..service(event(9, ""), "a") }, service(event(8, "elsewhere"), "b")],
                vec![service(event(10, "too late"), "a")],
            ]);
            let filter = LogFilter { service: Some(id("a")), ..LogFilter::default() };
            let at = |micros| Position { at: Timestamp::from_unix_micros(micros).unwrap(), seq: 0 };
            let found = |run: Range<Position>| {
                let mut found = vec![];
                let visit = |event: &EventRow| {
                    found.push(event.position.at.unix_micros());
                    Ok(())
                };
                visit_long_events(&log.snapshot(), &filter, 44, run, 7, visit).unwrap();
                found
            };
            assert_eq!(found(at(0)..at(100)), [7, 9, 30]);
            assert_eq!(found(at(8)..at(30)), [9]);
        }
    }
}
