//! How the directory outlives the process: its leaves as of some event, and the events behind that one.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::counts::Counts;
use super::directory::{Directory, Key, Leaf, START, Shape};
use super::floors::{self, Floors};
use super::names::Names;
use super::{order, size};
use crate::error::Result;
use crate::model::Position;
use crate::store::varint::damaged;

/// How long leaves are, and how often they are written.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub shape: Shape,
    /// Leaves are written when that many events have come since they were last written, ...
    pub events_per_save: usize,
    /// ... and that many for each leaf that has changed: late events may touch a leaf each, and a row written for every
    /// one of them would cost more than the event itself.
    pub events_per_leaf: usize,
    /// But never later than this: a start counts the events behind the leaves one by one.
    pub events_uncounted_max: usize,
}

impl Pace {
    pub const DEFAULT: Pace =
        Pace { shape: Shape::DEFAULT, events_per_save: 8_192, events_per_leaf: 8, events_uncounted_max: 65_536 };
}

/// What the database's leaves lack.
#[derive(Default)]
pub struct Unsaved {
    /// Where the leaves begin that differ from the database's.
    leaves: HashSet<Position>,
    /// Events behind log_counted.seq.
    events: usize,
    /// log_counted.seq itself.
    counted_seq: i64,
}

impl Unsaved {
    pub fn note(&mut self, events: usize, touched: &[Position]) {
        self.events += events;
        self.leaves.extend(touched);
    }

    /// How many leaves differ.
    pub fn leaves(&self) -> usize {
        self.leaves.len()
    }

    pub fn counted_seq(&self) -> i64 {
        self.counted_seq
    }

    /// Whether it is time to write the leaves.
    pub fn is_due(&self, pace: &Pace) -> bool {
        let wanted = pace.events_per_save.max(self.leaves.len() * pace.events_per_leaf);
        self.events >= wanted.min(pace.events_uncounted_max)
    }
}

/// The directory of everything in the database.
pub fn load(conn: &Connection, names: Arc<Names>, shape: Shape, floors: Floors) -> Result<(Directory, Unsaved)> {
    let counted = counted(conn)?;
    let last = last_position(conn)?;
    let leaves = kept(saved_leaves(conn, &names)?, &floors);
    if !are_possible(&leaves, counted.seq) {
        return Err(damaged());
    }
    let mut directory = Directory::new(shape, leaves, names, last, counted.seq);
    directory.hide(floors)?;
    let behind = events_behind(conn, counted.seq, &floors)?;
    let mut unsaved = Unsaved { counted_seq: counted.seq, ..Unsaved::default() };
    count(conn, &mut directory, &behind.kept, &mut unsaved)?;
    directory.set_last_seq(behind.last_seq);
    directory.set_bytes(counted.bytes.saturating_add(behind.bytes));
    Ok((directory, unsaved))
}

/// Whether leaves may have come from us: they count no more events than were acknowledged. Damaged ones would overflow a sum.
fn are_possible(leaves: &[Leaf], counted_seq: i64) -> bool {
    let events: u64 = leaves.iter().map(|leaf| leaf.counts.total()).sum();
    u64::try_from(counted_seq).is_ok_and(|counted| events <= counted)
}

/// Counts new keys, which are sorted and stand in log_order already, as does every key counted before.
pub fn count(conn: &Connection, directory: &mut Directory, keys: &[Key], unsaved: &mut Unsaved) -> Result<()> {
    let touched = directory.add(keys);
    unsaved.note(keys.len(), &touched);
    for first in touched {
        let Some(run) = directory.overgrown(first) else { continue };
        let keys = order::kept_keys(conn, directory, &run)?;
        if keys.len() as u64 != directory.leaf(first).0.total() {
            return Err(damaged());
        }
        unsaved.note(0, &directory.split(first, &keys));
    }
    Ok(())
}

/// Up to where the database's leaves count: the sequence number of an event, which may be gone, and what the events take up to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counted {
    pub seq: i64,
    pub bytes: u64,
}

const COUNTED: &str = "select seq, bytes from log_counted";

/// Errors on counts below zero: a fault of the database file.
pub fn counted(conn: &Connection) -> Result<Counted> {
    let read = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (seq, bytes) = conn.prepare_cached(COUNTED)?.query_row([], read)?;
    Ok(Counted { seq, bytes: u64::try_from(bytes).map_err(|_| damaged())? })
}

const LAST: &str = "select at, seq from log_order order by at desc, seq desc limit 1";

fn last_position(conn: &Connection) -> Result<Position> {
    let mut statement = conn.prepare_cached(LAST)?;
    let last = statement.query_row([], |row| Ok(order::position(row, 0, 1))).optional()?;
    last.unwrap_or(Ok(START))
}

const LEAVES: &str = "select at, seq, counts from log_leaf order by at, seq";

/// The leaves as the database has them; one that is empty before they were first written.
pub fn saved_leaves(conn: &Connection, names: &Names) -> Result<Vec<Leaf>> {
    let mut statement = conn.prepare_cached(LEAVES)?;
    let mut rows = statement.query([])?;
    let mut leaves = vec![];
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(2)?.as_blob().map_err(|_| damaged())?;
        leaves.push(Leaf { first: order::position(row, 0, 1)?, counts: Counts::decode(blob, names.last())? });
    }
    if leaves.is_empty() {
        leaves.push(Leaf { first: START, counts: Counts::default() });
    }
    if leaves[0].first != START {
        return Err(damaged());
    }
    Ok(leaves)
}

/// Leaves of the database as they count for readers: what was retired after they were written is taken out.
pub fn kept(leaves: Vec<Leaf>, floors: &Floors) -> Vec<Leaf> {
    let lowest = floors::before(floors.lowest());
    let are_left = leaves.into_iter().filter(|leaf| leaf.first == START || leaf.first >= lowest);
    let only_kept = |leaf: Leaf| Leaf { first: leaf.first, counts: leaf.counts.only(floors.kept_at(leaf.first.at)) };
    are_left.map(only_kept).collect()
}

/// Events that the database's leaves do not count.
struct Behind {
    /// Those that are not below a floor, in order of time.
    kept: Vec<Key>,
    last_seq: i64,
    bytes: u64,
}

fn events_behind(conn: &Connection, seq: i64, floors: &Floors) -> Result<Behind> {
    let sql = format!("select at, seq, cell, {} from log_event where seq > :seq", size::COLUMNS);
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![seq])?;
    let mut behind = Behind { kept: vec![], last_seq: seq, bytes: 0 };
    while let Some(row) = rows.next()? {
        let key = order::key(row)?;
        behind.last_seq = behind.last_seq.max(key.position.seq);
        behind.bytes += size::of_row(row, 3)?;
        if floors.keep(key.position.at, key.cell.severity()) {
            behind.kept.push(key);
        }
    }
    behind.kept.sort_unstable();
    Ok(behind)
}

// Splitting a leaf keeps the place where it began; `forget` is for those that were joined with another.
const SAVE_LEAF: &str = "insert or replace into log_leaf (at, seq, counts) values (:at, :seq, :counts)";
const SAVE_COUNTED: &str = "update log_counted set seq = :seq, bytes = :bytes";

/// Writes the leaves that have changed. All of them count up to the same event, so that a start knows where to go on.
pub fn save(conn: &Connection, directory: &Directory, unsaved: &mut Unsaved) -> Result<()> {
    let mut firsts: Vec<Position> = unsaved.leaves.iter().copied().collect();
    firsts.sort_unstable();
    for first in firsts {
        let (counts, run) = directory.leaf(first);
        // One that was joined with another, or retired, since it was noted.
        if run.start != first {
            continue;
        }
        save_leaf(conn, first, counts)?;
    }
    conn.prepare_cached(SAVE_COUNTED)?.execute(params![directory.last_seq(), directory.bytes() as i64])?;
    *unsaved = Unsaved { counted_seq: directory.last_seq(), ..Unsaved::default() };
    Ok(())
}

pub fn save_leaf(conn: &Connection, first: Position, counts: &Counts) -> Result<()> {
    conn.prepare_cached(SAVE_LEAF)?.execute(params![first.at.unix_micros(), first.seq, counts.encode()])?;
    Ok(())
}

const FORGET_LEAF: &str = "delete from log_leaf where at = :at and seq = :seq";

/// Removes leaves that begin here no longer.
pub fn forget(conn: &Connection, firsts: &[Position]) -> Result<()> {
    let mut statement = conn.prepare_cached(FORGET_LEAF)?;
    for first in firsts {
        statement.execute(params![first.at.unix_micros(), first.seq])?;
    }
    Ok(())
}

const TAKE_BYTES: &str = "update log_counted set bytes = max(0, bytes - :bytes)";

/// Rows went that the database's leaves had counted, or would have; their counts went before.
pub fn take_bytes(conn: &Connection, bytes: u64) -> Result<()> {
    conn.prepare_cached(TAKE_BYTES)?.execute(params![bytes as i64])?;
    Ok(())
}
