//! Nodes: distinct users and sessions of a cell over a day, a month or a year, as rows of usage_node.
//!
//! A month keeps its days within its own row while they are few bytes ([`Kind::Days`]); a grown month is the union of
//! its users ([`Kind::Users`]), and each of its days has a row. A year is a mere count of user-days ([`Kind::Count`])
//! until a union pays. Every month and year in which a folded fact or session lies has its row.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::lattice::{Cell, CellKey, Level};
use super::sets::{self, UserBits};
use crate::error::Result;
use crate::model::{DateRange, Day};
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
    fn from_sql(kind: i64) -> Result<Kind> {
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

/// Adds the users of a cell's nodes over the range to the bitset; returns the sessions that started in it.
pub fn collect(conn: &Connection, cell: Cell, range: DateRange, bits: &mut UserBits) -> Result<i64> {
    const DAYS_OF_A_YEAR: u32 = 365;
    if range.days() < DAYS_OF_A_YEAR {
        return collect_months(conn, cell, range, bits);
    }
    let mut statement = conn.prepare_cached(SELECT_PERIODS)?;
    let mut rows = statement.query(named_params! {
        ":from": cell.key(Level::Year, range.start().year_start()).to_sql(),
        ":to": cell.key(Level::Year, range.end()).to_sql(),
    })?;
    let mut sessions = 0;
    while let Some(row) = rows.next()? {
        let start = CellKey::from_sql(row.get(0)?).day();
        let year = DateRange::new(start, start.year_end()).ok_or_else(damaged)?;
        let within = clip(year, range);
        sessions += match Kind::from_sql(row.get(1)?)? {
            Kind::Users if within == year => {
                bits.insert_packed(blob(row, 3)?)?;
                summable(row.get(2)?)?
            }
            _ => collect_months(conn, cell, within, bits)?,
        };
    }
    Ok(sessions)
}

/// As [`collect`], without looking at years.
pub fn collect_months(conn: &Connection, cell: Cell, range: DateRange, bits: &mut UserBits) -> Result<i64> {
    let mut statement = conn.prepare_cached(SELECT_PERIODS)?;
    let (from, to) = months_of(cell, range);
    let mut rows = statement.query(named_params! {":from": from, ":to": to})?;
    let mut sessions = 0;
    while let Some(row) = rows.next()? {
        let month = month_of(row)?;
        let within = clip(month, range);
        match Kind::from_sql(row.get(1)?)? {
            Kind::Days => {
                for section in sections(month.start(), blob(row, 3)?)? {
                    if range.contains(section.day) {
                        sessions += section.sessions;
                        bits.insert_packed(&section.set)?;
                    }
                }
            }
            Kind::Users if within == month => {
                sessions += summable(row.get(2)?)?;
                bits.insert_packed(blob(row, 3)?)?;
            }
            Kind::Users => sessions += collect_days(conn, cell, within, bits)?,
            Kind::Count => return Err(damaged()),
        }
    }
    Ok(sessions)
}

fn collect_days(conn: &Connection, cell: Cell, range: DateRange, bits: &mut UserBits) -> Result<i64> {
    const SELECT_DAYS: &str = "select sessions, body from usage_node where key between :from and :to";
    let mut statement = conn.prepare_cached(SELECT_DAYS)?;
    let mut rows = statement.query(named_params! {
        ":from": cell.key(Level::Day, range.start()).to_sql(),
        ":to": cell.key(Level::Day, range.end()).to_sql(),
    })?;
    let mut sessions = 0;
    while let Some(row) = rows.next()? {
        sessions += summable(row.get(0)?)?;
        bits.insert_packed(blob(row, 1)?)?;
    }
    Ok(sessions)
}

/// The years in which the cell has anything, ascending, each with whether it keeps the union of its users.
pub fn years(conn: &Connection, cell: Cell) -> Result<Vec<(DateRange, bool)>> {
    const SELECT_YEARS: &str = "select key, kind from usage_node where key between :from and :to";
    let mut statement = conn.prepare_cached(SELECT_YEARS)?;
    let mut rows = statement.query(named_params! {
        ":from": cell.key(Level::Year, Day::MIN).to_sql(),
        ":to": cell.key(Level::Year, Day::MAX).to_sql(),
    })?;
    let mut years = vec![];
    while let Some(row) = rows.next()? {
        let start = CellKey::from_sql(row.get(0)?).day();
        let year = DateRange::new(start, start.year_end()).ok_or_else(damaged)?;
        years.push((year, Kind::from_sql(row.get(1)?)? == Kind::Users));
    }
    Ok(years)
}

/// Calls with each day of a range within one month that has anything, its packed set of users and its sessions.
pub fn for_each_day_set(
    conn: &Connection,
    cell: Cell,
    range: DateRange,
    mut visit: impl FnMut(Day, &[u8], i64) -> Result<()>,
) -> Result<()> {
    const SELECT_DAYS: &str = "select key, sessions, body from usage_node where key between :from and :to";
    let month = range.start().month_start();
    let Some(node) = load(conn, cell.key(Level::Month, month))? else { return Ok(()) };
    if node.kind == Kind::Days {
        let sections = sections(month, &node.body)?;
        let mut within = sections.iter().filter(|section| range.contains(section.day));
        return within.try_for_each(|section| visit(section.day, &section.set, section.sessions));
    }
    let mut statement = conn.prepare_cached(SELECT_DAYS)?;
    let mut rows = statement.query(named_params! {
        ":from": cell.key(Level::Day, range.start()).to_sql(),
        ":to": cell.key(Level::Day, range.end()).to_sql(),
    })?;
    while let Some(row) = rows.next()? {
        visit(CellKey::from_sql(row.get(0)?).day(), blob(row, 2)?, summable(row.get(1)?)?)?;
    }
    Ok(())
}

/// Calls with each day of the range that has a node, its distinct users and its sessions; no set is unpacked.
pub fn for_each_day(
    conn: &Connection,
    cell: Cell,
    range: DateRange,
    mut visit: impl FnMut(Day, u64, i64),
) -> Result<()> {
    const SELECT_COUNTS: &str = "select key, users, sessions from usage_node where key between :from and :to";
    let mut statement = conn.prepare_cached(SELECT_PERIODS)?;
    let mut days = conn.prepare_cached(SELECT_COUNTS)?;
    let (from, to) = months_of(cell, range);
    let mut rows = statement.query(named_params! {":from": from, ":to": to})?;
    while let Some(row) = rows.next()? {
        let month = month_of(row)?;
        if Kind::from_sql(row.get(1)?)? == Kind::Days {
            for section in sections(month.start(), blob(row, 3)?)? {
                if range.contains(section.day) {
                    visit(section.day, section.users, section.sessions);
                }
            }
            continue;
        }
        let within = clip(month, range);
        let mut rows = days.query(named_params! {
            ":from": cell.key(Level::Day, within.start()).to_sql(),
            ":to": cell.key(Level::Day, within.end()).to_sql(),
        })?;
        while let Some(row) = rows.next()? {
            let users = u64::try_from(summable(row.get(1)?)?).map_err(|_| damaged())?;
            visit(CellKey::from_sql(row.get(0)?).day(), users, summable(row.get(2)?)?);
        }
    }
    Ok(())
}

/// Calls with the packed set of each day of the range that has a node, and with the extras packed beside it.
pub fn for_each_set(
    conn: &Connection,
    cell: Cell,
    range: DateRange,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    const SELECT_SETS: &str = "select body, extras from usage_node where key between :from and :to";
    let mut statement = conn.prepare_cached(SELECT_PERIODS)?;
    let mut days = conn.prepare_cached(SELECT_SETS)?;
    let (from, to) = months_of(cell, range);
    let mut rows = statement.query(named_params! {":from": from, ":to": to})?;
    while let Some(row) = rows.next()? {
        let month = month_of(row)?;
        if Kind::from_sql(row.get(1)?)? == Kind::Days {
            let sections = sections(month.start(), blob(row, 3)?)?;
            let mut within = sections.iter().filter(|section| range.contains(section.day));
            within.try_for_each(|section| visit(&section.set, &section.extras))?;
            continue;
        }
        let within = clip(month, range);
        let mut rows = days.query(named_params! {
            ":from": cell.key(Level::Day, within.start()).to_sql(),
            ":to": cell.key(Level::Day, within.end()).to_sql(),
        })?;
        while let Some(row) = rows.next()? {
            visit(blob(row, 0)?, blob(row, 1)?)?;
        }
    }
    Ok(())
}

const SELECT_PERIODS: &str = "select key, kind, sessions, body from usage_node where key between :from and :to";

/// The first and the last key of the months that touch the range.
fn months_of(cell: Cell, range: DateRange) -> (i64, i64) {
    let key = |day| cell.key(Level::Month, day).to_sql();
    (key(range.start().month_start()), key(range.end()))
}

fn month_of(row: &Row) -> Result<DateRange> {
    let start = CellKey::from_sql(row.get(0)?).day();
    DateRange::new(start, start.month_end()).ok_or_else(damaged)
}

/// The part of a period that lies in the range; the two must touch.
fn clip(period: DateRange, range: DateRange) -> DateRange {
    DateRange::new(period.start().max(range.start()), period.end().min(range.end()))
        .expect("the period touches the range")
}

fn blob<'a>(row: &'a Row, column: usize) -> Result<&'a [u8]> {
    row.get_ref(column)?.as_blob().map_err(|_| damaged())
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
