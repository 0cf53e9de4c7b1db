//! How many users enter a cell's scope, and leave it by deactivation, by day: a row for each cell and year.
//!
//! A side of a row is, in varints, for each day on which the count changes, in order: the days since the one before (since
//! the year began), then the signed change. That is two bytes as a rule; a row for each day took 17.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::delta::CountKind;
use super::lattice::{Cell, CellKey, Level};
use super::node::summable;
use super::run::net;
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::{self, Cursor, damaged};

/// Changes by day, ascending; none is zero.
pub type DayCounts = Vec<(Day, i64)>;

/// Adds changes to what is folded of a cell's counts in a year. Keys are of [`Level::Day`], ascending, within the year.
pub fn fold(
    conn: &Connection,
    cell: Cell,
    year: DateRange,
    entered: &[(CellKey, i64)],
    left: &[(CellKey, i64)],
) -> Result<()> {
    const SELECT_YEAR: &str = "select key, entered, departed from usage_count where key = ?1";
    const STORE_YEAR: &str = "insert or replace into usage_count (key, entered, departed) values (?1, ?2, ?3)";
    const DELETE_YEAR: &str = "delete from usage_count where key = ?1";
    if entered.is_empty() && left.is_empty() {
        return Ok(());
    }
    let key = cell.key(Level::Year, year.start()).to_sql();
    let known = conn.prepare_cached(SELECT_YEAR)?.query_row([key], |row| Ok(year_of(row))).optional()?;
    let known = known.transpose()?.map_or_else(Default::default, |year| year.changes);
    let sides = [(&known[0], entered), (&known[1], left)].map(|(known, new)| encode(&added(known, new), year.start()));
    match sides.iter().all(Vec::is_empty) {
        true => conn.prepare_cached(DELETE_YEAR)?.execute([key])?,
        false => conn.prepare_cached(STORE_YEAR)?.execute(params![key, sides[0], sides[1]])?,
    };
    Ok(())
}

/// What is folded of a count: its changes over all days. Errors if a row is damaged.
pub fn load(conn: &Connection, kind: CountKind, cell: Cell) -> Result<DayCounts> {
    const SELECT_YEARS: &str =
        "select key, entered, departed from usage_count where key between ?1 and ?2 order by key";
    let bounds = [Day::MIN, Day::MAX].map(|day| cell.key(Level::Year, day).to_sql());
    let mut counts = vec![];
    let mut statement = conn.prepare_cached(SELECT_YEARS)?;
    for year in statement.query_and_then(bounds, year_of)? {
        counts.append(&mut year?.changes[kind as usize]);
    }
    Ok(counts)
}

/// All that is folded of one cell in one year.
pub struct YearCounts {
    pub cell: Cell,
    /// By [`CountKind`].
    pub changes: [DayCounts; 2],
}

/// Calls with every row: its key, and what it holds or that it is damaged.
pub fn for_each(conn: &Connection, mut visit: impl FnMut(i64, Result<YearCounts>)) -> Result<()> {
    const SELECT_ALL: &str = "select key, entered, departed from usage_count order by key";
    let mut statement = conn.prepare_cached(SELECT_ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        visit(row.get(0)?, year_of(row));
    }
    Ok(())
}

/// From the columns in the order of the statements above.
fn year_of(row: &Row) -> Result<YearCounts> {
    let (cell, year) = CellKey::from_sql(row.get(0)?).year().ok_or_else(damaged)?;
    let side = |column| decode(row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?, year);
    Ok(YearCounts { cell, changes: [side(1)?, side(2)?] })
}

/// Both by day; days on which they cancel out are dropped.
fn added(known: &[(Day, i64)], new: &[(CellKey, i64)]) -> DayCounts {
    let mut sum: DayCounts = known.iter().copied().chain(new.iter().map(|(key, n)| (key.day(), *n))).collect();
    sum.sort_by_key(|(day, _)| *day);
    net(sum)
}

/// `start`: of the year.
fn encode(counts: &[(Day, i64)], start: Day) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * counts.len());
    let mut before = start.index();
    for (day, n) in counts {
        varint::put(&mut out, u64::from(day.index() - before));
        varint::put_signed(&mut out, *n);
        before = day.index();
    }
    out
}

/// Errors on bytes that [`encode`] cannot have written for that year.
fn decode(bytes: &[u8], year: DateRange) -> Result<DayCounts> {
    let mut cursor = Cursor::new(bytes);
    let mut counts = Vec::with_capacity(bytes.len() / 2);
    let mut index = year.start().index();
    while !cursor.is_empty() {
        let step = cursor.u32()?;
        index = index.checked_add(step).filter(|index| *index <= year.end().index()).ok_or_else(damaged)?;
        let n = summable(cursor.signed()?)?;
        if n == 0 || (step == 0 && !counts.is_empty()) {
            return Err(damaged());
        }
        counts.push((Day::from_index(index).ok_or_else(damaged)?, n));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    const DAYS: u32 = 365;

    fn year() -> DateRange {
        DateRange::new(Day::parse("2023-01-01").unwrap(), Day::parse("2023-12-31").unwrap()).unwrap()
    }

    fn day(nth: u32) -> Day {
        Day::from_index(year().start().index() + nth).unwrap()
    }

    fn changes() -> impl Strategy<Value = BTreeMap<u32, i64>> {
        btree_map(0..DAYS, prop_oneof![-2..0i64, 1..3i64, Just(1 << 28)], 0..40)
    }

    proptest! {
        #[test]
        fn changes_folded_one_after_the_other_are_their_sums_by_day(parts in vec((changes(), changes()), 1..5)) {
            let conn = Connection::open_in_memory().unwrap();
            conn.execute_batch(include_str!("../../../schema.sql")).unwrap();
            let cell = Cell::new(7, 3);
            let keyed = |side: &BTreeMap<u32, i64>| -> Vec<(CellKey, i64)> {
                side.iter().map(|(nth, n)| (cell.key(Level::Day, day(*nth)), *n)).collect()
            };
            let mut wanted = [BTreeMap::new(), BTreeMap::new()];
            for (entered, left) in &parts {
                fold(&conn, cell, year(), &keyed(entered), &keyed(left)).unwrap();
                for (sums, side) in wanted.iter_mut().zip([entered, left]) {
                    side.iter().for_each(|(nth, n)| *sums.entry(day(*nth)).or_insert(0) += n);
                }
            }
            wanted.iter_mut().for_each(|sums| sums.retain(|_, n| *n != 0));
            let is_nothing = wanted.iter().all(BTreeMap::is_empty);
            for (kind, sums) in [CountKind::Entered, CountKind::Left].into_iter().zip(wanted) {
                prop_assert_eq!(load(&conn, kind, cell).unwrap(), sums.into_iter().collect::<Vec<_>>());
            }
            let rows: i64 = conn.query_row("select count(*) from usage_count", [], |row| row.get(0)).unwrap();
            prop_assert_eq!(rows == 0, is_nothing);
        }

        #[test]
        fn damaged_bytes_never_panic_and_what_is_read_can_be_written(bytes in vec(any::<u8>(), 0..20)) {
            if let Ok(read) = decode(&bytes, year()) {
                prop_assert_eq!(decode(&encode(&read, year().start()), year()).unwrap(), read);
            }
        }
    }

    #[test]
    fn a_day_takes_two_bytes_and_must_lie_within_the_year() {
        assert_eq!(encode(&[(day(0), 1), (day(364), -1)], year().start()), [0, 2, 0xec, 2, 1]);
        let damaged = [&[0, 0][..], &[3, 2, 0, 2], &[0xed, 2, 2], &[5], &[0x80]];
        for bytes in damaged {
            assert!(decode(bytes, year()).is_err(), "{bytes:?}");
        }
    }
}
