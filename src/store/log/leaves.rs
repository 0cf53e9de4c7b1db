//! How the directory outlives the process: its leaves as of some event, and the events behind that one.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::cell::Cell;
use super::counts::Counts;
use super::directory::{Directory, Key, Leaf, START, Shape};
use super::names::Names;
use super::order;
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
}

impl Unsaved {
    pub fn note(&mut self, events: usize, touched: &[Position]) {
        self.events += events;
        self.leaves.extend(touched);
    }

    /// Whether it is time to write the leaves.
    pub fn is_due(&self, pace: &Pace) -> bool {
        let wanted = pace.events_per_save.max(self.leaves.len() * pace.events_per_leaf);
        self.events >= wanted.min(pace.events_uncounted_max)
    }
}

/// The directory of everything in the database.
pub fn load(conn: &Connection, names: Arc<Names>, shape: Shape) -> Result<(Directory, Unsaved)> {
    let counted_seq = counted_seq(conn)?;
    let last = last_position(conn)?;
    let leaves = saved_leaves(conn)?;
    if !are_possible(&leaves, &names, counted_seq) {
        return Err(damaged());
    }
    let mut directory = Directory::new(shape, leaves, names, last, counted_seq);
    let uncounted = keys_behind(conn, counted_seq)?;
    let mut unsaved = Unsaved::default();
    count(conn, &mut directory, &uncounted, &mut unsaved)?;
    Ok((directory, unsaved))
}

/// Whether leaves may have come from us: they count no more events than were acknowledged, of services that have a name.
/// Damaged ones would overflow a sum, or ask for memory without end.
fn are_possible(leaves: &[Leaf], names: &Names, counted_seq: i64) -> bool {
    let events: u64 = leaves.iter().map(|leaf| leaf.counts.total()).sum();
    let services_are_known =
        leaves.iter().filter_map(|leaf| leaf.counts.last_service()).all(|service| names.is_known(service));
    services_are_known && u64::try_from(counted_seq).is_ok_and(|counted| events <= counted)
}

/// Counts new keys, which are sorted and stand in log_order already, as does every key counted before.
pub fn count(conn: &Connection, directory: &mut Directory, keys: &[Key], unsaved: &mut Unsaved) -> Result<()> {
    let touched = directory.add(keys);
    unsaved.note(keys.len(), &touched);
    for first in touched {
        let Some(run) = directory.overgrown(first) else { continue };
        let keys = order::keys(conn, &run)?;
        if keys.len() as u64 != directory.leaf(first).0.total() {
            return Err(damaged());
        }
        unsaved.note(0, &directory.split(first, &keys));
    }
    Ok(())
}

const COUNTED: &str = "select seq from log_counted";

/// The last event that the database's leaves count.
pub fn counted_seq(conn: &Connection) -> Result<i64> {
    Ok(conn.prepare_cached(COUNTED)?.query_row([], |row| row.get(0))?)
}

const LAST: &str = "select at, seq from log_order order by at desc, seq desc limit 1";

fn last_position(conn: &Connection) -> Result<Position> {
    let mut statement = conn.prepare_cached(LAST)?;
    let last = statement.query_row([], |row| Ok(order::position(row, 0, 1))).optional()?;
    last.unwrap_or(Ok(START))
}

const LEAVES: &str = "select at, seq, counts from log_leaf order by at, seq";

/// The leaves as the database has them; one that is empty before they were first written.
pub fn saved_leaves(conn: &Connection) -> Result<Vec<Leaf>> {
    let mut statement = conn.prepare_cached(LEAVES)?;
    let mut rows = statement.query([])?;
    let mut leaves = vec![];
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(2)?.as_blob().map_err(|_| damaged())?;
        leaves.push(Leaf { first: order::position(row, 0, 1)?, counts: Counts::decode(blob)? });
    }
    if leaves.is_empty() {
        leaves.push(Leaf { first: START, counts: Counts::default() });
    }
    if leaves[0].first != START {
        return Err(damaged());
    }
    Ok(leaves)
}

const EVENTS_BEHIND: &str = "select at, seq, service << 2 | severity from log_event where seq > :seq";

fn keys_behind(conn: &Connection, seq: i64) -> Result<Vec<Key>> {
    let mut statement = conn.prepare_cached(EVENTS_BEHIND)?;
    let mut rows = statement.query(params![seq])?;
    let mut keys = vec![];
    while let Some(row) = rows.next()? {
        keys.push(Key { position: order::position(row, 0, 1)?, cell: Cell::from_sql(row.get(2)?)? });
    }
    keys.sort_unstable();
    Ok(keys)
}

// A leaf never goes: splitting one keeps the place where it began.
const SAVE_LEAF: &str = "insert or replace into log_leaf (at, seq, counts) values (:at, :seq, :counts)";
const SAVE_COUNTED: &str = "update log_counted set seq = :seq";

/// Writes the leaves that have changed. All of them count up to the same event, so that a start knows where to go on.
pub fn save(conn: &Connection, directory: &Directory, unsaved: &mut Unsaved) -> Result<()> {
    let mut firsts: Vec<Position> = unsaved.leaves.iter().copied().collect();
    firsts.sort_unstable();
    let mut statement = conn.prepare_cached(SAVE_LEAF)?;
    for first in firsts {
        let (counts, _) = directory.leaf(first);
        statement.execute(params![first.at.unix_micros(), first.seq, counts.encode()])?;
    }
    conn.prepare_cached(SAVE_COUNTED)?.execute(params![directory.last_seq()])?;
    *unsaved = Unsaved::default();
    Ok(())
}
