//! Nodes: distinct users and sessions of a cell over a day, a month or a year, as rows of usage_node.
//!
//! A month keeps its days within its own row while they are few bytes ([`Kind::Days`]); a grown month is the union of
//! its users ([`Kind::Users`]), and each of its days has a row. A year is a mere count of user-days ([`Kind::Count`])
//! until a union pays. Every month and year in which a folded fact or session lies has its row.

use std::borrow::Cow;

use rusqlite::{Connection, Row, named_params};

use super::lattice::CellKey;
pub use super::node_reads::{
    collect, collect_months, for_each_dated_set, for_each_day, for_each_day_set, users_of_months, years,
};
use super::sets;
use crate::error::Result;
use crate::model::Day;
use crate::store::varint::{self, Cursor, damaged};

/// What a node's body holds, and what its `users` counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A month's sections, one for each day; `users` counts user-days.
    Days = 0,
    /// A packed set of users; `users` counts them.
    Users = 1,
    /// Nothing; `users` counts user-days.
    Count = 2,
}

impl Kind {
    pub fn from_sql(kind: i64) -> Result<Kind> {
        [Kind::Days, Kind::Users, Kind::Count].into_iter().find(|known| *known as i64 == kind).ok_or_else(damaged)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub kind: Kind,
    pub users: u64,
    pub sessions: i64,
    pub body: Vec<u8>,
    /// Of a day: the extras of its users, as [`super::day_users`] packs them. Sums of them are in `sessions` everywhere.
    pub extras: Vec<u8>,
}

impl Node {
    /// A day as it is packed; [`Node::sessions`] must be what its extras say.
    pub fn of_day(users: u64, sessions: i64, set: Vec<u8>, extras: Vec<u8>) -> Node {
        Node { kind: Kind::Users, users, sessions, body: set, extras }
    }

    /// The users of a month or a year; strictly ascending.
    pub fn union(users: &[u32], sessions: i64) -> Node {
        let mut body = vec![];
        sets::encode(users, &mut body);
        Node { kind: Kind::Users, users: users.len() as u64, sessions, body, extras: vec![] }
    }

    pub fn of_sections(month: Day, sections: &[Section]) -> Node {
        Node {
            kind: Kind::Days,
            users: sections.iter().map(|section| section.users).sum(),
            sessions: sections.iter().map(|section| section.sessions).sum(),
            body: encode_sections(month, sections),
            extras: vec![],
        }
    }

    /// A year of which only user-days are counted.
    pub fn count(user_days: u64, sessions: i64) -> Node {
        Node { kind: Kind::Count, users: user_days, sessions, body: vec![], extras: vec![] }
    }
}

pub fn load(conn: &Connection, key: CellKey) -> Result<Option<Node>> {
    const SELECT_NODE: &str = "select kind, users, sessions, body, extras from usage_node where key = :key";
    let read = |row: &Row| {
        Ok(Node {
            kind: Kind::from_sql(row.get(0)?)?,
            users: u64::try_from(summable(row.get(1)?)?).map_err(|_| damaged())?,
            sessions: summable(row.get(2)?)?,
            body: row.get(3)?,
            extras: row.get(4)?,
        })
    };
    let mut select = conn.prepare_cached(SELECT_NODE)?;
    select.query_and_then(named_params! {":key": key.to_sql()}, read)?.next().transpose()
}

/// A count of which any number can be added up. Errors on one that nobody can have counted.
pub fn summable(n: i64) -> Result<i64> {
    const SUMMABLE_MAX: u64 = 1 << 40;
    if n.unsigned_abs() <= SUMMABLE_MAX { Ok(n) } else { Err(damaged()) }
}

/// A node with neither users nor sessions leaves no row behind.
pub fn save(conn: &Connection, key: CellKey, node: &Node) -> Result<()> {
    const DELETE_NODE: &str = "delete from usage_node where key = :key";
    const STORE_NODE: &str = "insert into usage_node (key, kind, users, sessions, body, extras)
                          values (:key, :kind, :users, :sessions, :body, :extras)
                          on conflict (key) do update set kind = excluded.kind, users = excluded.users,
                              sessions = excluded.sessions, body = excluded.body, extras = excluded.extras";
    if node.users == 0 && node.sessions == 0 {
        conn.prepare_cached(DELETE_NODE)?.execute(named_params! {":key": key.to_sql()})?;
        return Ok(());
    }
    conn.prepare_cached(STORE_NODE)?.execute(named_params! {
        ":key": key.to_sql(),
        ":kind": node.kind as i64,
        ":users": node.users as i64,
        ":sessions": node.sessions,
        ":body": node.body,
        ":extras": node.extras,
    })?;
    Ok(())
}

/// One day within a month's row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section<'a> {
    pub day: Day,
    pub users: u64,
    pub sessions: i64,
    /// A packed set.
    pub set: Cow<'a, [u8]>,
    /// Packed beside it; empty if there are none, and then there are as many sessions as users.
    pub extras: Cow<'a, [u8]>,
}

fn encode_sections(month: Day, sections: &[Section]) -> Vec<u8> {
    let mut out = vec![];
    for section in sections {
        let offset = u64::from(section.day.index() - month.index());
        varint::put(&mut out, offset << 1 | u64::from(!section.extras.is_empty()));
        varint::put(&mut out, section.users);
        varint::put(&mut out, section.set.len() as u64);
        out.extend_from_slice(&section.set);
        if !section.extras.is_empty() {
            // Their sum, so that sessions are counted without the users.
            varint::put_signed(&mut out, section.sessions - section.users as i64);
            varint::put(&mut out, section.extras.len() as u64);
            out.extend_from_slice(&section.extras);
        }
    }
    out
}

/// The sections of the month that begins on `month`, in order of their days.
pub fn sections(month: Day, body: &[u8]) -> Result<Vec<Section<'_>>> {
    let mut sections: Vec<Section> = vec![];
    let mut cursor = Cursor::new(body);
    while !cursor.is_empty() {
        let section = decode_section(month, &mut cursor)?;
        let follows = sections.last().is_none_or(|previous| previous.day < section.day);
        if !follows || section.day > month.month_end() {
            return Err(damaged());
        }
        sections.push(section);
    }
    Ok(sections)
}

fn decode_section<'a>(month: Day, cursor: &mut Cursor<'a>) -> Result<Section<'a>> {
    let head = cursor.u32()?;
    let day = month.index().checked_add(head >> 1).and_then(Day::from_index).ok_or_else(damaged)?;
    let (users, len) = (cursor.u32()?, cursor.u32()?);
    let set = Cow::Borrowed(cursor.bytes(len as usize)?);
    let (mut extra, mut extras) = (0, &[][..]);
    if head & 1 == 1 {
        // Sums over sections of a damaged row must not overflow either.
        extra = i32::try_from(cursor.signed()?).map_err(|_| damaged())?;
        let len = cursor.u32()?;
        extras = cursor.bytes(len as usize)?;
    }
    let sessions = i64::from(users) + i64::from(extra);
    Ok(Section { day, users: users.into(), sessions, set, extras: Cow::Borrowed(extras) })
}

#[cfg(test)]
#[path = "node_test.rs"]
mod tests;
