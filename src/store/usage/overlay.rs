//! What the nodes in the database lack: deltas not folded yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;

use super::by_user::Changes;
use super::delta::CountKind;
use super::history::UserHistory;
use super::kept::Kept;
use super::lattice::{Cell, CellKey, Level};
use super::new_keys::NewKeys;
use super::run::{CellExtras, CellUsers, Run, counts_between};
use super::sets::UserBits;
use super::span_cache::SpanCache;
use crate::error::Result;
use crate::model::{DateRange, Day};

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
    pub(super) new_keys: NewKeys,
}

/// A run on its way into the nodes, and how far it has come.
#[derive(Clone)]
pub(super) struct Sealed {
    pub run: Arc<Run>,
    /// Entries of cell-days below this key are in the nodes and counts.
    pub cell_cursor: CellKey,
    /// What it changes in the histories of users below this ord is in usage_user_history.
    pub user_cursor: u32,
}

impl Overlay {
    /// All that the user ever did, from its rollup alone.
    pub fn history(&self, conn: &Connection, ord: u32) -> Result<UserHistory> {
        self.unfolded(ord, UserHistory::load(conn, ord)?)
    }

    /// The same; `folded`: what usage_user_history holds of it.
    pub(super) fn unfolded(&self, ord: u32, folded: UserHistory) -> Result<UserHistory> {
        if self.removes(ord) {
            return Ok(UserHistory::default());
        }
        let mut history = folded;
        for changes in self.changes(ord) {
            history.take_in(changes.pairs(), changes.extras())?;
        }
        Ok(history)
    }

    /// Whether usage_user_history holds all that the user ever did.
    pub(super) fn is_folded(&self, ord: u32) -> bool {
        !self.removes(ord) && self.changes(ord).next().is_none()
    }

    /// What is not in usage_user_history yet of a user whom no run removes.
    fn changes(&self, ord: u32) -> impl Iterator<Item = Changes<'_>> {
        let sealed = self.sealed.iter().filter(move |sealed| ord >= sealed.user_cursor).map(|sealed| &sealed.run);
        let changes = sealed.chain(&self.active).map(move |run| run.by_user.of(ord));
        changes.filter(|changes| !changes.is_empty())
    }

    /// Whether the user's history was removed by a delta that is not folded yet.
    pub(super) fn removes(&self, ord: u32) -> bool {
        self.runs().any(|(run, _)| run.removes(ord))
    }

    /// The users whose history was removed by a delta that is not folded yet.
    pub(super) fn removed_users(&self) -> BTreeSet<u32> {
        self.runs().flat_map(|(run, _)| run.removed_users.iter().copied()).collect()
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

    /// Calls with each day and signed change of the extra of a user in the cell.
    pub(super) fn for_each_extra(&self, cell: Cell, range: DateRange, mut visit: impl FnMut(Day, u32, i64)) {
        let (from, to) = bounds(cell, range);
        for (run, cursor) in self.runs() {
            let CellExtras { at, n } = &run.extras;
            let range = at.between(from.max(cursor), to);
            let entries = at.keys[range.clone()].iter().zip(&at.ords[range.clone()]).zip(&n[range]);
            entries.for_each(|((key, ord), n)| visit(key.day(), *ord, i64::from(*n)));
        }
    }

    /// By how many sessions that start in the range and touch the cell the nodes are behind.
    pub(super) fn sessions(&self, cell: Cell, range: DateRange) -> i64 {
        let len =
            |column: fn(&Run) -> &CellUsers| self.slices(cell, range, column).map(<[u32]>::len).sum::<usize>() as i64;
        let mut sum = len(|run| &run.added) - len(|run| &run.removed);
        self.for_each_extra(cell, range, |_, _, n| sum += n);
        sum
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
            for column in [&run.added, &run.removed, &run.extras.at] {
                let mut keys = column.keys[column.keys.partition_point(|key| *key < cursor)..].to_vec();
                keys.dedup();
                keys.into_iter().for_each(|key| _ = add(key));
            }
        }
        months
    }

    /// The users of whom something is not in usage_user_history yet.
    pub(super) fn pending_users(&self) -> BTreeSet<u32> {
        let sealed = self.sealed.iter().map(|sealed| (&sealed.run, sealed.user_cursor));
        let runs = sealed.chain(self.active.iter().map(|run| (run, 0)));
        runs.flat_map(|(run, cursor)| run.by_user.users(cursor)).collect()
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
