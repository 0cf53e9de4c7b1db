//! Makes anew what follows from the events: their order in time, their ids, the counts of the leaves. The way back when
//! one of these is damaged.

use std::sync::Arc;

use rusqlite::Connection;

use super::cell::Cell;
use super::counts::Counts;
use super::directory::{Directory, Key, Leaf, START, Shape};
use super::leaves::{self, Unsaved};
use super::{ids, names, order};
use crate::error::Result;
use crate::model::{Id, Timestamp};
use crate::store::digest::DigestKey;
use crate::store::varint::damaged;

const FORGET: &str = "
    delete from log_leaf;
    update log_counted set seq = 0;
    delete from log_event_id;
    delete from log_order";

const ORDER: &str = "
    insert into log_order (at, seq, cell) select at, seq, service << 2 | severity from log_event order by at, seq";

/// Part of the caller's transaction. Errors if the events cannot be read.
pub fn rebuild(conn: &Connection, key: &DigestKey) -> Result<()> {
    conn.execute_batch(FORGET)?;
    conn.execute_batch(ORDER)?;
    add_ids(conn, key)?;
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

/// In order of time no leaf is ever split, and memory holds one piece of the keys.
fn count(conn: &Connection, shape: Shape) -> Result<()> {
    const PIECE: usize = 65_536;
    let names = Arc::new(names::load(conn)?);
    let first = Leaf { first: START, counts: Counts::default() };
    let mut directory = Directory::new(shape, vec![first], names.clone(), START, 0);
    let mut unsaved = Unsaved::default();
    let mut statement = conn.prepare(KEYS)?;
    let mut rows = statement.query([])?;
    let mut piece: Vec<Key> = Vec::with_capacity(PIECE);
    loop {
        let row = rows.next()?;
        let is_end = row.is_none();
        if let Some(row) = row {
            let key = Key { position: order::position(row, 0, 1)?, cell: Cell::from_sql(row.get(2)?)? };
            names.name(key.cell.service())?;
            piece.push(key);
        }
        if is_end || piece.len() == PIECE {
            leaves::count(conn, &mut directory, &piece, &mut unsaved)?;
            piece.clear();
        }
        if is_end {
            return leaves::save(conn, &directory, &mut unsaved);
        }
    }
}
