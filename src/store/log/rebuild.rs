//! Makes anew what follows from the events: their order in time, their ids, the counts of the leaves. The way back when
//! one of these is damaged.

use rusqlite::{Connection, params};

use super::cell::Cell;
use super::counts::Counts;
use super::directory::{END, Key, START, Shape};
use super::floors::{self, Floors, Sweep};
use super::{ids, leaves, names, order, size};
use crate::error::Result;
use crate::model::{Id, Position, Severity, Timestamp};
use crate::store::digest::DigestKey;
use crate::store::varint::damaged;

const FORGET: &str = "
    delete from log_leaf;
    delete from log_event_id;
    delete from log_order";

const ORDER: &str = "
    insert into log_order (at, seq, cell) select at, seq, cell from log_event order by at, seq";

// A sequence number is never given again, though its event may be gone.
const COUNTED: &str = "
    update log_counted set seq = max(seq, (select coalesce(max(seq), 0) from log_event)), bytes = :bytes";

/// Part of the caller's transaction. Errors if the events cannot be read.
pub fn rebuild(conn: &Connection, key: &DigestKey) -> Result<()> {
    conn.execute_batch(FORGET)?;
    conn.execute_batch(ORDER)?;
    add_ids(conn, key)?;
    conn.execute(COUNTED, params![size::recount(conn, i64::MAX)? as i64])?;
    count(conn, Shape::DEFAULT)
}

const EVENTS_WITH_ID: &str = "select seq, at, event_id from log_event where event_id is not null";

fn add_ids(conn: &Connection, key: &DigestKey) -> Result<()> {
    let mut statement = conn.prepare(EVENTS_WITH_ID)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let at = Timestamp::from_unix_micros(row.get(1)?).ok_or_else(damaged)?;
        let event_id = Id::new(row.get::<_, String>(2)?).map_err(|_| damaged())?;
        ids::insert(conn, at, ids::digest(key, &event_id), row.get(0)?)?;
    }
    Ok(())
}

const KEYS: &str = "select at, seq, cell from log_order order by at, seq";

/// Writes the leaves of everything that is not below a floor. In order of time no leaf is ever split.
fn count(conn: &Connection, shape: Shape) -> Result<()> {
    let names = names::load(conn)?;
    let sweep = Sweep { swept: [START; Severity::ALL.len()], ..floors::load(conn)? };
    // Rows below the floors may be back in order: whoever removes them begins anew.
    floors::save(conn, &sweep)?;
    let mut growing = Growing::new(&sweep.floors);
    let mut statement = conn.prepare(KEYS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key = order::key(row)?;
        names.name(key.cell.service())?;
        growing.add(conn, key, shape)?;
    }
    growing.finish(conn)
}

/// The leaf that is being counted.
struct Growing<'f> {
    floors: &'f Floors,
    /// Where leaves must begin, and the next of them.
    boundaries: Vec<Position>,
    next: usize,
    first: Position,
    cells: Vec<Cell>,
}

impl Growing<'_> {
    fn new(floors: &Floors) -> Growing<'_> {
        let boundaries = floors.instants().into_iter().map(floors::before).filter(|at| *at > START).collect();
        Growing { floors, boundaries, next: 0, first: START, cells: vec![] }
    }

    /// Keys come in order.
    fn add(&mut self, conn: &Connection, key: Key, shape: Shape) -> Result<()> {
        self.pass_boundaries(conn, key.position)?;
        if !self.floors.keep(key.position.at, key.cell.severity()) {
            return Ok(());
        }
        if self.cells.len() == shape.leaf_keys {
            self.close(conn, key.position)?;
        }
        self.cells.push(key.cell);
        Ok(())
    }

    fn pass_boundaries(&mut self, conn: &Connection, up_to: Position) -> Result<()> {
        while let Some(boundary) = self.boundaries.get(self.next).copied().filter(|boundary| *boundary <= up_to) {
            self.close(conn, boundary)?;
            self.next += 1;
        }
        Ok(())
    }

    /// Writes the leaf; the next one begins at the position.
    fn close(&mut self, conn: &Connection, next: Position) -> Result<()> {
        let first = std::mem::replace(&mut self.first, next);
        leaves::save_leaf(conn, first, &Counts::of(self.cells.drain(..)))
    }

    fn finish(mut self, conn: &Connection) -> Result<()> {
        self.pass_boundaries(conn, END)?;
        self.close(conn, END)
    }
}
