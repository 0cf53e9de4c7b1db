//! Nodes: distinct users and sessions of a cell over a day, a month or a year, as rows of usage_node.
//!
//! A month keeps its days within its own row while they are few bytes ([`Kind::Days`]); a grown month is the union of
//! its users ([`Kind::Users`]), and each of its days has a row. A year is a mere count of user-days ([`Kind::Count`])
//! until a union pays. Every month and year in which a folded fact or session lies has its row.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::lattice::CellKey;
pub use super::node_reads::{collect, collect_months, for_each_day, for_each_day_set, for_each_set, years};
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
    let read = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let found = conn.prepare_cached(SELECT_NODE)?.query_row(named_params! {":key": key.to_sql()}, read).optional()?;
    let Some(found): Option<(i64, i64, i64, Vec<u8>, Vec<u8>)> = found else { return Ok(None) };
    let (kind, users, sessions, body, extras) = found;
    let users = u64::try_from(summable(users)?).map_err(|_| damaged())?;
    Ok(Some(Node { kind: Kind::from_sql(kind)?, users, sessions: summable(sessions)?, body, extras }))
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn month() -> Day {
        Day::parse("2024-02-01").unwrap()
    }

    fn section() -> impl Strategy<Value = (u32, i32, Vec<u8>, Vec<u8>)> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..9);
        (any::<u32>(), any::<i32>(), bytes(), bytes())
    }

    proptest! {
        #[test]
        fn a_months_sections_are_read_as_they_were_written(sections in proptest::collection::btree_map(0..29u32, section(), 0..29)) {
            let sections: Vec<Section> = sections
                .into_iter()
                .map(|(offset, (users, extra, set, extras))| Section {
                    day: Day::from_index(month().index() + offset).unwrap(),
                    users: users.into(),
                    sessions: i64::from(users) + if extras.is_empty() { 0 } else { extra.into() },
                    set: Cow::Owned(set),
                    extras: Cow::Owned(extras),
                })
                .collect();
            let body = encode_sections(month(), &sections);
            prop_assert_eq!(super::sections(month(), &body)?, sections);
        }

        #[test]
        fn damaged_sections_never_panic(body in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(sections) = sections(month(), &body) {
                prop_assert!(sections.is_sorted_by(|a, b| a.day < b.day));
                prop_assert!(sections.iter().all(|section| section.day.month_start() == month()));
            }
        }
    }

    #[test]
    fn a_section_past_the_end_of_its_month_or_out_of_order_is_damage() {
        for damaged in [&[29 << 1, 0, 0][..], &[2, 0, 0, 2, 0, 0], &[2, 0, 5, 0], &[3, 0, 0], &[3, 0, 0, 2, 5]] {
            assert!(sections(month(), damaged).is_err(), "{damaged:?}");
        }
        assert_eq!(sections(month(), &[28 << 1, 0, 0]).map(|sections| sections.len()), Ok(1));
    }
}
