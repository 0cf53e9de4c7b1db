//! Reads over nodes: sets, counts and sessions of a cell over a range.

use rusqlite::{Connection, Row, named_params};

use super::lattice::{Cell, CellKey, Level};
use super::node::{Kind, Section, load, sections, summable};
use super::sets::UserBits;
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::damaged;

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

/// How many users the nodes of whole months hold: the distinct ones of a month with a union, user-days of the others.
pub fn users_of_months(conn: &Connection, cell: Cell, months: DateRange) -> Result<u64> {
    const SELECT_USERS: &str = "select users from usage_node where key between :from and :to";
    let mut statement = conn.prepare_cached(SELECT_USERS)?;
    let (from, to) = months_of(cell, months);
    let mut rows = statement.query(named_params! {":from": from, ":to": to})?;
    let mut users = 0;
    while let Some(row) = rows.next()? {
        users += u64::try_from(summable(row.get(0)?)?).map_err(|_| damaged())?;
    }
    Ok(users)
}

/// Calls with each day of a range within one month that has anything, its packed set of users and its sessions.
pub fn for_each_dated_set(
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
    let mut select = conn.prepare_cached(SELECT_COUNTS)?;
    for_each_month(conn, cell, range, |days| {
        let (from, to) = match days {
            DaysAt::Inline(section) => {
                visit(section.day, section.users, section.sessions);
                return Ok(());
            }
            DaysAt::Rows(from, to) => (from, to),
        };
        let mut rows = select.query(named_params! {":from": from, ":to": to})?;
        while let Some(row) = rows.next()? {
            let users = u64::try_from(summable(row.get(1)?)?).map_err(|_| damaged())?;
            visit(CellKey::from_sql(row.get(0)?).day(), users, summable(row.get(2)?)?);
        }
        Ok(())
    })
}

/// Calls with the packed set of each day of the range that has a node, and with the extras packed beside it.
pub fn for_each_day_set(
    conn: &Connection,
    cell: Cell,
    range: DateRange,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    const SELECT_SETS: &str = "select body, extras from usage_node where key between :from and :to";
    let mut select = conn.prepare_cached(SELECT_SETS)?;
    for_each_month(conn, cell, range, |days| {
        let (from, to) = match days {
            DaysAt::Inline(section) => return visit(&section.set, &section.extras),
            DaysAt::Rows(from, to) => (from, to),
        };
        let mut rows = select.query(named_params! {":from": from, ":to": to})?;
        while let Some(row) = rows.next()? {
            visit(blob(row, 0)?, blob(row, 1)?)?;
        }
        Ok(())
    })
}

/// Where days of a month stand.
enum DaysAt<'a> {
    /// A day within the month's own row.
    Inline(&'a Section<'a>),
    /// Rows of their own: the first and the last key.
    Rows(i64, i64),
}

/// Calls with the days of the range that have a node, by month.
fn for_each_month(
    conn: &Connection,
    cell: Cell,
    range: DateRange,
    mut visit: impl FnMut(DaysAt) -> Result<()>,
) -> Result<()> {
    // A month's union is large, and not wanted here.
    const SELECT_MONTHS: &str = "
        select key, kind, case kind when 0 then body end from usage_node where key between :from and :to";
    let mut statement = conn.prepare_cached(SELECT_MONTHS)?;
    let (from, to) = months_of(cell, range);
    let mut rows = statement.query(named_params! {":from": from, ":to": to})?;
    while let Some(row) = rows.next()? {
        let month = month_of(row)?;
        if Kind::from_sql(row.get(1)?)? == Kind::Days {
            let sections = sections(month.start(), blob(row, 2)?)?;
            let mut within = sections.iter().filter(|section| range.contains(section.day));
            within.try_for_each(|section| visit(DaysAt::Inline(section)))?;
            continue;
        }
        let within = clip(month, range);
        let key = |day| cell.key(Level::Day, day).to_sql();
        visit(DaysAt::Rows(key(within.start()), key(within.end())))?;
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
pub fn clip(period: DateRange, range: DateRange) -> DateRange {
    DateRange::new(period.start().max(range.start()), period.end().min(range.end()))
        .expect("the period touches the range")
}

fn blob<'a>(row: &'a Row, column: usize) -> Result<&'a [u8]> {
    row.get_ref(column)?.as_blob().map_err(|_| damaged())
}
