//! Runs of keys, read from the time order of the log.

use std::ops::Range;
use std::sync::LazyLock;

use rusqlite::{Connection, Row, named_params};

use super::LogSnapshot;
use super::access::{Access, Direction};
use super::cell::{Cell, CellFilter};
use super::directory::{Directory, Key, START, Slice};
use super::rows::Insert;
use crate::error::Result;
use crate::model::{Position, Timestamp};
use crate::store::varint::damaged;

/// Reads `at` and `seq` from these columns.
pub fn position(row: &Row, at: usize, seq: usize) -> Result<Position> {
    let at = Timestamp::from_unix_micros(row.get(at)?).ok_or_else(damaged)?;
    Ok(Position { at, seq: row.get(seq)? })
}

static INSERT_KEYS: LazyLock<Insert> = LazyLock::new(|| Insert::into("log_order", &["at", "seq", "cell"]));

/// In the order given: sorted, neighbours go to the same page of the tree.
pub fn insert(conn: &Connection, keys: &[Key]) -> Result<()> {
    INSERT_KEYS.run(conn, keys, |statement, behind, Key { position, cell }| {
        statement.raw_bind_parameter(behind + 1, position.at.unix_micros())?;
        statement.raw_bind_parameter(behind + 2, position.seq)?;
        statement.raw_bind_parameter(behind + 3, cell.to_sql())
    })
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
    let Range { start: from, end: to } = run;
    if run.is_empty() {
        return Ok(0);
    }
    if from.at == to.at {
        return count_instant(conn, from.at, from.seq..to.seq, filter);
    }
    let between = [(":from_at", from.at.unix_micros()), (":to_at", to.at.unix_micros())];
    // A bound is as a rule the beginning of an instant, and nothing of that instant lies before it.
    let of_last = if to.seq > START.seq { count_instant(conn, to.at, START.seq..to.seq, filter)? } else { 0 };
    Ok(count_instant(conn, from.at, from.seq..i64::MAX, filter)?
        + count_by(conn, Access::of(filter).count_between(), filter, &between)?
        + of_last)
}

/// No event has the highest sequence number there is.
fn count_instant(conn: &Connection, at: Timestamp, seqs: Range<i64>, filter: &CellFilter) -> Result<u64> {
    let bounds = [(":at", at.unix_micros()), (":from_seq", seqs.start), (":to_seq", seqs.end)];
    count_by(conn, Access::of(filter).count_instant(), filter, &bounds)
}

fn count_by(conn: &Connection, sql: &str, filter: &CellFilter, bounds: &[(&str, i64)]) -> Result<u64> {
    let mut statement = conn.prepare_cached(sql)?;
    Access::of(filter).bind(&mut statement, filter, bounds)?;
    let mut rows = statement.raw_query();
    let count = rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()?;
    Ok(count.unwrap_or(0) as u64)
}

/// The positions of matching events with these ranks, in order of time.
pub fn positions(snapshot: &LogSnapshot, ranks: Range<u64>, filter: &CellFilter) -> Result<Vec<Position>> {
    let wanted = ranks.end - ranks.start;
    let mut positions = Vec::with_capacity(wanted as usize);
    for slice in snapshot.directory.slices(ranks, filter) {
        read_slice(snapshot.conn, &slice, &kept_of(snapshot, &slice.run, filter), &mut positions)?;
    }
    // A page shorter than the counts say would be a wrong answer.
    if positions.len() as u64 == wanted { Ok(positions) } else { Err(damaged()) }
}

/// From the end of the run that is nearer: what is passed over is read as well.
fn read_slice(conn: &Connection, slice: &Slice, filter: &CellFilter, positions: &mut Vec<Position>) -> Result<()> {
    let first = positions.len();
    if slice.skip <= slice.left {
        let wanted = (slice.skip, slice.take);
        read(conn, Direction::Forward, slice.run.start, wanted, filter, positions)?;
    } else {
        let wanted = (slice.left, slice.take);
        read(conn, Direction::Backward, slice.run.end, wanted, filter, positions)?;
        positions[first..].reverse();
    }
    let found = &positions[first..];
    let lie_within = found.first() >= Some(&slice.run.start) && found.last() < Some(&slice.run.end);
    if lie_within || found.is_empty() { Ok(()) } else { Err(damaged()) }
}

/// Appends the positions of `take` matching keys from the bound on, in the direction, behind `skip` of them. Both are
/// bounded by the counts of one leaf: so many matches lie in it, and its other end need not be looked for.
fn read(
    conn: &Connection,
    direction: Direction,
    bound: Position,
    (skip, take): (u64, u64),
    filter: &CellFilter,
    positions: &mut Vec<Position>,
) -> Result<()> {
    let (access, wanted) = (Access::of(filter), skip as i64 + take as i64);
    let (at, first) = (bound.at.unix_micros(), positions.len());
    let of_instant = [(":at", at), (":seq", bound.seq), (":take", wanted)];
    read_by(conn, access.of_instant(direction), filter, &of_instant, positions)?;
    let found = (positions.len() - first) as i64;
    let passed_over = found.min(skip as i64);
    positions.drain(first..first + passed_over as usize);
    if found < wanted {
        let (left_to_skip, left_to_take) = (skip as i64 - passed_over, wanted - found.max(skip as i64));
        let of_others = [(":at", at), (":take", left_to_take), (":skip", left_to_skip)];
        read_by(conn, access.of_others(direction), filter, &of_others, positions)?;
    }
    Ok(())
}

fn read_by(
    conn: &Connection,
    sql: &str,
    filter: &CellFilter,
    bounds: &[(&str, i64)],
    positions: &mut Vec<Position>,
) -> Result<()> {
    let mut statement = conn.prepare_cached(sql)?;
    Access::of(filter).bind(&mut statement, filter, bounds)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        positions.push(position(row, 0, 1)?);
    }
    Ok(())
}
