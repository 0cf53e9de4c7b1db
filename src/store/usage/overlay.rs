//! What the nodes in the database lack: deltas not folded yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::delta::CountKind;
use super::kept::Kept;
use super::lattice::{Cell, CellKey, Level};
use super::run::{CellUsers, Run, counts_between};
use super::sets::UserBits;
use super::span_cache::SpanCache;
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::{self, Cursor, damaged};

/// Immutable; each commit makes the next one. It answers for the state of the database it was made with, and for no
/// other: whoever reads takes the overlay of the very commit that its transaction sees.
#[derive(Clone)]
pub struct Overlay {
    /// The run that is being folded.
    pub(super) sealed: Option<Sealed>,
    /// The runs since; O(log n) of them.
    pub(super) active: Vec<Arc<Run>>,
    /// One more than the highest ord given.
    pub(super) ord_end: u32,
    /// Of the nodes and counts; shared by all views since the start.
    pub(super) spans: Arc<SpanCache>,
    /// The number of the last fold that the nodes have seen.
    pub(super) folds: u64,
    pub(super) kept: Arc<Kept>,
}

/// A run on its way into the nodes, and how far it has come.
#[derive(Clone)]
pub(super) struct Sealed {
    pub run: Arc<Run>,
    /// Entries of cell-days below this key are in the nodes and counts.
    pub cell_cursor: CellKey,
    /// The days of users below this ord are in usage_user_history.
    pub user_cursor: u32,
}

impl Overlay {
    /// The days on which the user was active, sorted.
    pub fn active_days(&self, conn: &Connection, ord: u32) -> Result<Vec<Day>> {
        if self.removes(ord) {
            return Ok(vec![]);
        }
        let mut days = load_history(conn, ord)?;
        let sealed = self.sealed.iter().filter(|sealed| ord >= sealed.user_cursor).map(|sealed| &sealed.run);
        for run in sealed.chain(&self.active) {
            days.extend(run.days_of(ord));
        }
        days.sort_unstable();
        Ok(days)
    }

    /// Whether the user's history was removed by a delta that is not folded yet.
    pub(super) fn removes(&self, ord: u32) -> bool {
        self.runs().any(|(run, _)| run.removes(ord))
    }

    /// Every run, and the key from which on its entries are not in the nodes yet.
    fn runs(&self) -> impl Iterator<Item = (&Run, CellKey)> {
        let sealed = self.sealed.iter().map(|sealed| (&*sealed.run, sealed.cell_cursor));
        sealed.chain(self.active.iter().map(|run| (&**run, CellKey::from_sql(0))))
    }

    /// Adds the users that the runs add to the cell in the range, then takes away those they remove.
    pub(super) fn correct_users(&self, cell: Cell, range: DateRange, bits: &mut UserBits) -> Result<()> {
        for ords in self.slices(cell, range, |run| &run.added) {
            ords.iter().try_for_each(|ord| bits.insert(*ord))?;
        }
        for ords in self.slices(cell, range, |run| &run.removed) {
            ords.iter().for_each(|ord| bits.remove(*ord));
        }
        Ok(())
    }

    /// Takes the users that the runs add to the cell in the range out of the bitset; gives how many were in it.
    pub(super) fn take_out_users(&self, cell: Cell, range: DateRange, bits: &mut UserBits) -> u64 {
        let ords = self.slices(cell, range, |run| &run.added).flatten();
        ords.map(|ord| u64::from(bits.take(*ord))).sum()
    }

    /// Whether the runs add any user to the cell in the range, or remove one.
    pub(super) fn has_users(&self, cell: Cell, range: DateRange) -> bool {
        let mut slices = self.slices(cell, range, |run| &run.added).chain(self.slices(cell, range, |run| &run.removed));
        slices.any(|ords| !ords.is_empty())
    }

    fn slices(
        &self,
        cell: Cell,
        range: DateRange,
        column: impl Fn(&Run) -> &CellUsers,
    ) -> impl Iterator<Item = &[u32]> {
        let (from, to) = bounds(cell, range);
        self.runs().map(move |(run, cursor)| {
            let column = column(run);
            &column.ords[column.between(from.max(cursor), to)]
        })
    }

    /// Calls with each day and user that the runs add to the cell (with 1) or remove from it (with -1).
    pub(super) fn for_each_user(&self, cell: Cell, range: DateRange, mut visit: impl FnMut(Day, u32, i64)) {
        let (from, to) = bounds(cell, range);
        for (run, cursor) in self.runs() {
            for (column, sign) in [(&run.added, 1), (&run.removed, -1)] {
                let range = column.between(from.max(cursor), to);
                let entries = column.keys[range.clone()].iter().zip(&column.ords[range]);
                entries.for_each(|(key, ord)| visit(key.day(), *ord, sign));
            }
        }
    }

    /// Calls with each day and signed change of a count in the range.
    pub(super) fn for_each_count(
        &self,
        kind: CountKind,
        cell: Cell,
        range: DateRange,
        mut visit: impl FnMut(Day, i64),
    ) {
        let (from, to) = bounds(cell, range);
        for (run, cursor) in self.runs() {
            let counts = counts_between(run.counts(kind), from.max(cursor), to);
            counts.iter().for_each(|(key, n)| visit(key.day(), *n));
        }
    }

    /// The sum of those changes.
    pub(super) fn count(&self, kind: CountKind, cell: Cell, range: DateRange) -> i64 {
        let mut sum = 0;
        self.for_each_count(kind, cell, range, |_, n| sum += n);
        sum
    }

    /// Calls with every change of a count that is not folded yet, of all cells.
    pub(super) fn for_each_pending_count(&self, kind: CountKind, mut visit: impl FnMut(CellKey, i64)) {
        for (run, cursor) in self.runs() {
            let counts = run.counts(kind);
            let pending = &counts[counts.partition_point(|(key, _)| *key < cursor)..];
            pending.iter().for_each(|(key, n)| visit(*key, *n));
        }
    }

    /// The months (by their first day) and cells whose nodes the runs still change.
    pub(super) fn pending_months(&self) -> BTreeSet<(Day, Cell)> {
        let mut months = BTreeSet::new();
        let mut add = |key: CellKey| months.insert((key.day().month_start(), key.cell()));
        for (run, cursor) in self.runs() {
            for column in [&run.added, &run.removed] {
                let mut keys = column.keys[column.keys.partition_point(|key| *key < cursor)..].to_vec();
                keys.dedup();
                keys.into_iter().for_each(|key| _ = add(key));
            }
        }
        self.for_each_pending_count(CountKind::Sessions, |key, _| _ = add(key));
        months
    }

    /// Calls with every user and day that is not in usage_user_history yet, less removed users.
    pub(super) fn for_each_pending_day(&self, mut visit: impl FnMut(u32, Day)) {
        let sealed = self.sealed.iter().map(|sealed| (&sealed.run, sealed.user_cursor));
        for (run, cursor) in sealed.chain(self.active.iter().map(|run| (run, 0))) {
            let start = run.active_days.partition_point(|(ord, _)| *ord < cursor);
            let kept = run.active_days[start..].iter().filter(|(ord, _)| !self.removes(*ord));
            kept.for_each(|(ord, day)| visit(*ord, *day));
        }
    }
}

/// The keys of a cell's days in a range: the first, and the first behind.
fn bounds(cell: Cell, range: DateRange) -> (CellKey, CellKey) {
    (cell.key(Level::Day, range.start()), key_after(cell.key(Level::Day, range.end())))
}

/// The next key, which may stand for no day.
pub(super) fn key_after(key: CellKey) -> CellKey {
    CellKey::from_sql(key.to_sql() + 1)
}

/// The folded part of a user's active days, ascending.
pub(super) fn load_history(conn: &Connection, ord: u32) -> Result<Vec<Day>> {
    const SELECT_HISTORY: &str = "select days from usage_user_history where ord = :ord";
    let mut statement = conn.prepare_cached(SELECT_HISTORY)?;
    let packed: Option<Vec<u8>> = statement.query_row(named_params! {":ord": ord}, |row| row.get(0)).optional()?;
    decode_days(&packed.unwrap_or_default())
}

pub(super) fn save_history(conn: &Connection, ord: u32, days: &[Day]) -> Result<()> {
    const STORE_HISTORY: &str = "insert into usage_user_history (ord, days) values (:ord, :days)
                       on conflict (ord) do update set days = excluded.days";
    conn.prepare_cached(STORE_HISTORY)?.execute(named_params! {":ord": ord, ":days": encode_days(days)})?;
    Ok(())
}

/// Delta varints of strictly ascending days.
fn encode_days(days: &[Day]) -> Vec<u8> {
    let mut out = Vec::with_capacity(days.len() + 4);
    let mut previous = 0;
    for day in days {
        varint::put(&mut out, u64::from(day.index() - previous));
        previous = day.index();
    }
    out
}

pub(super) fn decode_days(packed: &[u8]) -> Result<Vec<Day>> {
    let mut days = Vec::with_capacity(packed.len());
    let mut cursor = Cursor::new(packed);
    let mut index = 0u32;
    while !cursor.is_empty() {
        let step = cursor.u32()?;
        if step == 0 && !days.is_empty() {
            return Err(damaged());
        }
        index = index.checked_add(step).ok_or_else(damaged)?;
        days.push(Day::from_index(index).ok_or_else(damaged)?);
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_unpacked_as_they_were_packed() {
        let days: Vec<Day> = [0, 1, 500, Day::MAX.index()].into_iter().filter_map(Day::from_index).collect();
        assert_eq!(decode_days(&encode_days(&days)), Ok(days.clone()));
        assert_eq!(decode_days(&encode_days(&days[1..])), Ok(days[1..].to_vec()));
        assert_eq!(decode_days(&[]), Ok(vec![]));
        for damaged in [&[5, 0][..], &[0x80], &[0xff, 0xff, 0xff, 0x7f]] {
            assert!(decode_days(damaged).is_err(), "{damaged:?}");
        }
    }
}
