//! Runs of keys, read from the time order of the log.

use std::ops::Range;

use rusqlite::{Connection, Row, named_params};

use super::LogSnapshot;
use super::access::Access;
use super::cell::{Cell, CellFilter};
use super::directory::{Directory, Key, Slice};
use crate::error::Result;
use crate::model::{Position, Timestamp};
use crate::store::varint::damaged;

/// Reads `at` and `seq` from these columns.
pub fn position(row: &Row, at: usize, seq: usize) -> Result<Position> {
    let at = Timestamp::from_unix_micros(row.get(at)?).ok_or_else(damaged)?;
    Ok(Position { at, seq: row.get(seq)? })
}

const KEYS: &str = "
    select at, seq, cell from log_order
    where (at, seq) >= (:from_at, :from_seq) and (at, seq) < (:to_at, :to_seq)
    order by at, seq";

/// From the columns at, seq, cell.
pub fn key(row: &Row) -> Result<Key> {
    Ok(Key { position: position(row, 0, 1)?, cell: Cell::from_sql(row.get(2)?)? })
}

/// The keys of a leaf's run that are not below their floor.
pub fn kept_keys(conn: &Connection, directory: &Directory, leaf: &Range<Position>) -> Result<Vec<Key>> {
    let kept = directory.floors().kept_at(leaf.start.at);
    let mut keys = keys(conn, leaf)?;
    keys.retain(|key| kept.contains(key.cell.severity()));
    Ok(keys)
}

fn keys(conn: &Connection, run: &Range<Position>) -> Result<Vec<Key>> {
    let mut statement = conn.prepare_cached(KEYS)?;
    let mut rows = statement.query(named_params! {
        ":from_at": run.start.at.unix_micros(),
        ":from_seq": run.start.seq,
        ":to_at": run.end.at.unix_micros(),
        ":to_seq": run.end.seq,
    })?;
    let mut keys = vec![];
    while let Some(row) = rows.next()? {
        keys.push(key(row)?);
    }
    Ok(keys)
}

/// How many matching events lie before the position.
pub fn rank(snapshot: &LogSnapshot, position: Position, filter: &CellFilter) -> Result<u64> {
    let (before, run) = snapshot.directory.rank(position, filter);
    Ok(before + count(snapshot.conn, &run, &kept_of(snapshot, &run, filter))?)
}

/// What of the filter can match in a leaf.
pub fn kept_of(snapshot: &LogSnapshot, leaf: &Range<Position>, filter: &CellFilter) -> CellFilter {
    filter.kept(snapshot.directory.floors().kept_at(leaf.start.at))
}

fn count(conn: &Connection, run: &Range<Position>, filter: &CellFilter) -> Result<u64> {
    if run.is_empty() {
        return Ok(0);
    }
    let access = Access::of(filter);
    let mut statement = conn.prepare_cached(access.count())?;
    let bounds = [
        (":from_at", run.start.at.unix_micros()),
        (":from_seq", run.start.seq),
        (":to_at", run.end.at.unix_micros()),
        (":to_seq", run.end.seq),
    ];
    access.bind(&mut statement, filter, &bounds)?;
    let mut rows = statement.raw_query();
    let count = rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()?;
    Ok(count.unwrap_or(0) as u64)
}

/// The positions of matching events with these ranks, in order of time.
pub fn positions(snapshot: &LogSnapshot, ranks: Range<u64>, filter: &CellFilter) -> Result<Vec<Position>> {
    let wanted = ranks.end - ranks.start;
    let mut positions = Vec::new();
    for slice in snapshot.directory.slices(ranks, filter) {
        read_slice(snapshot.conn, &slice, &kept_of(snapshot, &slice.run, filter), &mut positions)?;
    }
    // A page shorter than the counts say would be a wrong answer.
    if positions.len() as u64 == wanted { Ok(positions) } else { Err(damaged()) }
}

fn read_slice(conn: &Connection, slice: &Slice, filter: &CellFilter, positions: &mut Vec<Position>) -> Result<()> {
    let access = Access::of(filter);
    let mut statement = conn.prepare_cached(access.slice())?;
    let bounds = [
        (":from_at", slice.run.start.at.unix_micros()),
        (":from_seq", slice.run.start.seq),
        // Both are bounded by the counts of one leaf: so many matches lie in it, and its end need not be looked for.
        (":take", slice.take as i64),
        (":skip", slice.skip as i64),
    ];
    access.bind(&mut statement, filter, &bounds)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let position = position(row, 0, 1)?;
        if position >= slice.run.end {
            return Err(damaged());
        }
        positions.push(position);
    }
    Ok(())
}
