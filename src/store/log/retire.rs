//! The writer's side of retention: raising floors, and removing the rows below them piece by piece.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, params};

use super::directory::{Directory, Key, START};
use super::floors::{self, Floors, Sweep};
use super::leaves::{self, Unsaved};
use super::{ids, order, size};
use crate::error::Result;
use crate::model::{Id, Position, SeveritySet, Timestamp};
use crate::store::digest::DigestKey;
use crate::store::varint::damaged;

/// A piece looks at so many keys for each row that it may remove: between those of one severity others may stay.
const LOOKED_AT_PER_REMOVED: usize = 8;

/// Hides what lies below the new floors from the directory. Keys that are not counted yet must not be in log_order.
pub fn raise(conn: &Connection, directory: &mut Directory, floors: Floors, unsaved: &mut Unsaved) -> Result<()> {
    for at in floors.instants() {
        begin_leaf_at(conn, directory, floors::before(at), unsaved)?;
    }
    directory.hide(floors)
}

/// Splits the leaf that holds the position, unless one begins there already.
fn begin_leaf_at(
    conn: &Connection,
    directory: &mut Directory,
    position: Position,
    unsaved: &mut Unsaved,
) -> Result<()> {
    let (counts, run) = directory.leaf(position);
    if run.start == position {
        return Ok(());
    }
    let keys = order::kept_keys(conn, directory, &run)?;
    if keys.len() as u64 != counts.total() {
        return Err(damaged());
    }
    unsaved.note(0, &directory.split_at(position, &keys));
    Ok(())
}

/// What a piece has removed.
#[derive(Debug)]
pub struct Swept {
    pub run: Range<Position>,
    pub removed: u64,
    pub bytes: u64,
    /// The highest sequence number among what was removed; 0 if nothing was.
    pub last_seq: i64,
}

/// Removes at most so many rows below the floors, the oldest first, and looks at a bounded number that stay. None if
/// there are none left.
pub fn sweep(conn: &Connection, key: &DigestKey, sweep: &mut Sweep, rows_max: usize) -> Result<Option<Swept>> {
    let Some((run, severities)) = sweep.next() else { return Ok(None) };
    let (keys, end) = removable(conn, &run, severities, rows_max)?;
    let mut swept = Swept { run: run.start..end, removed: 0, bytes: 0, last_seq: 0 };
    remove_from_order(conn, &swept.run, severities)?;
    remove_events(conn, key, keys, &mut swept)?;
    forget_leaves(conn, &swept.run, sweep.floors.lowest())?;
    sweep.advance(severities, end);
    floors::save(conn, sweep)?;
    Ok(Some(swept))
}

const KEYS: &str = "
    select at, seq, cell from log_order
    where (at, seq) >= (:from_at, :from_seq) and (at, seq) < (:to_at, :to_seq)
    order by at, seq
    limit :limit";

/// Keys of these severities in the run, a bounded number of them, and how far that is.
fn removable(
    conn: &Connection,
    run: &Range<Position>,
    severities: SeveritySet,
    rows_max: usize,
) -> Result<(Vec<Key>, Position)> {
    let looked_at_max = rows_max.max(1).saturating_mul(LOOKED_AT_PER_REMOVED);
    let mut statement = conn.prepare_cached(KEYS)?;
    let (from, to) = (run.start, run.end);
    let mut rows = statement.query(params![
        from.at.unix_micros(),
        from.seq,
        to.at.unix_micros(),
        to.seq,
        i64::try_from(looked_at_max).unwrap_or(i64::MAX)
    ])?;
    let (mut keys, mut looked_at, mut last) = (vec![], 0, from);
    while keys.len() < rows_max.max(1)
        && let Some(row) = rows.next()?
    {
        let key = order::key(row)?;
        (looked_at, last) = (looked_at + 1, key.position);
        if severities.contains(key.cell.severity()) {
            keys.push(key);
        }
    }
    let is_full = keys.len() >= rows_max.max(1) || looked_at == looked_at_max;
    Ok((keys, if is_full { Position { seq: last.seq.saturating_add(1), ..last } } else { to }))
}

const REMOVE_FROM_ORDER: &str = "
    delete from log_order
    where (at, seq) >= (:from_at, :from_seq) and (at, seq) < (:to_at, :to_seq) and :severities >> (cell & 3) & 1";

fn remove_from_order(conn: &Connection, run: &Range<Position>, severities: SeveritySet) -> Result<()> {
    conn.prepare_cached(REMOVE_FROM_ORDER)?.execute(params![
        run.start.at.unix_micros(),
        run.start.seq,
        run.end.at.unix_micros(),
        run.end.seq,
        severities.bits()
    ])?;
    Ok(())
}

const EVENT: &str = "select event_id, octet_length(message), octet_length(attributes), octet_length(event_id)
    from log_event where seq = :seq";
const REMOVE_EVENT: &str = "delete from log_event where seq = :seq";

fn remove_events(conn: &Connection, digest_key: &DigestKey, mut keys: Vec<Key>, swept: &mut Swept) -> Result<()> {
    // In the order of the rows: neighbours go from the same page.
    keys.sort_unstable_by_key(|key| key.position.seq);
    let mut event = conn.prepare_cached(EVENT)?;
    let mut remove = conn.prepare_cached(REMOVE_EVENT)?;
    for Position { at, seq } in keys.iter().map(|key| key.position) {
        let read = |row: &rusqlite::Row| Ok((row.get::<_, Option<String>>(0)?, size::of_row(row, 1)));
        // A key without its event is for `check` to tell; it goes all the same.
        let Some((event_id, bytes)) = event.query_row([seq], read).optional()? else { continue };
        if let Some(event_id) = event_id.and_then(|id| Id::new(id).ok()) {
            ids::remove(conn, at, ids::digest(digest_key, &event_id), seq)?;
        }
        remove.execute([seq])?;
        swept.removed += 1;
        swept.bytes += bytes?;
        swept.last_seq = swept.last_seq.max(seq);
    }
    Ok(())
}

const FORGET_LEAVES: &str = "
    delete from log_leaf
    where (at, seq) >= (:from_at, :from_seq) and (at, seq) < (:to_at, :to_seq)";

/// Below every floor no leaf is left but the first, which stays.
fn forget_leaves(conn: &Connection, run: &Range<Position>, floor: Timestamp) -> Result<()> {
    let from = run.start.max(Position { seq: START.seq + 1, ..START });
    let to = run.end.min(floors::before(floor));
    if from < to {
        conn.prepare_cached(FORGET_LEAVES)?.execute(params![
            from.at.unix_micros(),
            from.seq,
            to.at.unix_micros(),
            to.seq
        ])?;
    }
    Ok(())
}

/// Joins leaves that hold little now, and writes what has changed. Part of every save: leaves in the database all count up
/// to the same event.
pub fn tidy(conn: &Connection, directory: &mut Directory, run: &Range<Position>, unsaved: &mut Unsaved) -> Result<()> {
    let merged = directory.merge(run);
    leaves::forget(conn, &merged.gone)?;
    unsaved.note(0, &merged.grown);
    Ok(())
}
