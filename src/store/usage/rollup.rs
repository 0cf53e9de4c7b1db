//! The writer's side of the rollups: takes each commit's delta, keeps the overlay, and folds.
//!
//! A delta is written to usage_delta and becomes a run of the overlay. When the runs have grown, they are sealed: from
//! then on each commit folds a bounded slice of the sealed run into the nodes, while new deltas make new runs. At the
//! end the folded deltas are deleted. usage_fold tells how far this has come, in the same transaction.

use std::sync::Arc;

use rusqlite::{Connection, Row, named_params};

use super::delta::Delta;
use super::fold::{NodeForms, fold_slice};
use super::lattice::CellKey;
use super::new_keys::NewKeys;
pub use super::overlay::Overlay;
use super::overlay::Sealed;
use super::packed_delta;
use super::run::Run;
use super::span_cache::SpanCache;
use crate::error::Result;
use crate::store::varint::damaged;

/// The writer's side of the rollups.
pub struct Rollups {
    overlay: Arc<Overlay>,
    progress: Progress,
    tuning: Tuning,
    /// Nothing has come in for a while: there is time to fold what would wait for more.
    is_quiet: bool,
    /// Deltas up to here are folded as soon as can be, however few they are.
    fold_soon_until: i64,
}

/// Bounds of the overlay and of a slice. Tests choose small values to see every path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuning {
    /// Active runs with more entries are sealed. 800,000 are some 200,000 facts of four cells, in 12 MB.
    pub seal_at_entries: usize,
    /// So are more deltas than this, however small: each is a row to read at the start.
    pub seal_at_deltas: i64,
    /// A commit folds so many entries, or twice those it brings, so that folding ends before the next run is due.
    pub slice_entries_min: usize,
    pub forms: NodeForms,
    /// Users of spans in memory, see [`super::span_cache`].
    pub span_cache_bytes: usize,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            seal_at_entries: 800_000,
            seal_at_deltas: 20_000,
            slice_entries_min: 4_000,
            forms: NodeForms { month_bytes_max: 16 * 1024, year_user_days_min: 8_192 },
            span_cache_bytes: 0,
        }
    }
}

/// In quiet times a run of so small a part of the usual size is folded. Smaller ones would rewrite the same nodes over and
/// over where a little comes in now and then.
const QUIET_PART: usize = 32;

/// The sequence numbers of usage_fold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Progress {
    seq: i64,
    folded_seq: i64,
    sealed_seq: i64,
}

impl Rollups {
    /// `span_cache_bytes`: what reads may keep in memory of the nodes.
    pub fn load(conn: &Connection, span_cache_bytes: usize) -> Result<Rollups> {
        Rollups::load_tuned(conn, Tuning { span_cache_bytes, ..Tuning::default() })
    }

    pub(super) fn load_tuned(conn: &Connection, tuning: Tuning) -> Result<Rollups> {
        let (progress, cell_cursor, user_cursor) = load_progress(conn)?;
        let sealed = load_run(conn, progress.folded_seq, progress.sealed_seq)?;
        let active = load_run(conn, progress.sealed_seq, progress.seq)?;
        let is_sealed = progress.sealed_seq > progress.folded_seq;
        let overlay = Overlay {
            sealed: is_sealed.then(|| Sealed { run: Arc::new(sealed), cell_cursor, user_cursor }),
            active: if active == Run::default() { vec![] } else { vec![Arc::new(active)] },
            ord_end: load_ord_end(conn)?,
            spans: Arc::new(SpanCache::new(tuning.span_cache_bytes)),
            folds: 0,
            kept: Arc::default(),
            new_keys: NewKeys::default(),
        };
        Ok(Rollups { overlay: Arc::new(overlay), progress, tuning, is_quiet: false, fold_soon_until: 0 })
    }

    /// The overlay that belongs to the state in the database and all deltas applied so far.
    pub fn overlay(&self) -> Arc<Overlay> {
        self.overlay.clone()
    }

    /// Stores the commit's delta, folds a bounded slice if folding is under way, and moves on to the next overlay.
    /// `ord_end`: as [`super::facts::Facts::ord_end`] says.
    pub fn apply(&mut self, conn: &Connection, delta: Delta, ord_end: u32) -> Result<()> {
        let mut budget = self.tuning.slice_entries_min;
        if self.overlay.ord_end != ord_end {
            Arc::make_mut(&mut self.overlay).ord_end = ord_end;
        }
        let is_new = !delta.is_empty();
        self.is_quiet &= !is_new;
        if is_new {
            self.progress.seq = self.progress.seq.checked_add(1).ok_or_else(damaged)?;
            insert_delta(conn, self.progress.seq, &delta)?;
            let run = Run::new(&delta);
            budget = budget.max(2 * run.entries());
            push(&mut Arc::make_mut(&mut self.overlay).active, run);
        }
        if self.is_due() {
            self.seal();
        }
        let folds = self.overlay.sealed.is_some();
        if folds {
            self.fold(conn, budget)?;
        }
        if is_new || folds { self.save_progress(conn) } else { Ok(()) }
    }

    /// Of the users of whom readers are to know from here on.
    pub fn take_keys(&mut self, new_keys: &NewKeys) {
        Arc::make_mut(&mut self.overlay).new_keys = new_keys.clone();
    }

    /// From here on answers are other ones: nothing that was kept of them holds.
    pub fn forget_answers(&mut self) {
        Arc::make_mut(&mut self.overlay).kept = Arc::default();
    }

    /// Nothing has come in for a while, and until something does, small runs are worth folding, too: readers and the next
    /// start find less to look through.
    pub fn settle_down(&mut self) {
        self.is_quiet = true;
    }

    /// The sequence number of the last delta.
    pub fn seq(&self) -> i64 {
        self.progress.seq
    }

    /// Whether all deltas up to this one are in the nodes, counts and histories.
    pub fn has_folded(&self, seq: i64) -> bool {
        self.progress.folded_seq >= seq
    }

    /// Folds on until all deltas up to this one are folded, a slice per commit as ever.
    pub fn fold_soon(&mut self, seq: i64) {
        self.fold_soon_until = self.fold_soon_until.max(seq);
    }

    /// Whether a commit with an empty delta would fold something.
    pub fn is_folding(&self) -> bool {
        self.overlay.sealed.is_some() || self.is_due()
    }

    /// Folds everything, however long it takes.
    #[cfg(test)]
    pub fn fold_all(&mut self, conn: &Connection) -> Result<()> {
        loop {
            if self.overlay.sealed.is_none() {
                self.seal();
            }
            if self.overlay.sealed.is_none() {
                return Ok(());
            }
            self.fold(conn, usize::MAX)?;
            self.save_progress(conn)?;
        }
    }

    fn is_due(&self) -> bool {
        let entries: usize = self.overlay.active.iter().map(|run| run.entries()).sum();
        let deltas = self.progress.seq - self.progress.sealed_seq;
        let is_wanted = self.progress.folded_seq < self.fold_soon_until;
        let is_grown = entries > self.tuning.seal_at_entries || deltas > self.tuning.seal_at_deltas;
        let is_worth_now = self.is_quiet && entries > self.tuning.seal_at_entries / QUIET_PART;
        self.overlay.sealed.is_none() && (is_grown || is_wanted || is_worth_now)
    }

    /// Makes one run of all active ones, if there are any. None may be sealed.
    fn seal(&mut self) {
        // Deltas that cancel out leave no run, but rows to delete all the same.
        if self.progress.seq == self.progress.sealed_seq {
            return;
        }
        let overlay = Arc::make_mut(&mut self.overlay);
        let mut active = std::mem::take(&mut overlay.active);
        // The shortest are last: merging from there moves the long ones once.
        while let [.., a, b] = active.as_slice() {
            let merged = Arc::new(Run::merge(a, b));
            active.truncate(active.len() - 2);
            active.push(merged);
        }
        let run = active.pop().unwrap_or_default();
        overlay.sealed = Some(Sealed { run, cell_cursor: CellKey::from_sql(0), user_cursor: 0 });
        self.progress.sealed_seq = self.progress.seq;
    }

    fn fold(&mut self, conn: &Connection, budget: usize) -> Result<()> {
        let overlay = Arc::make_mut(&mut self.overlay);
        let Some(mut sealed) = overlay.sealed.take() else { return Ok(()) };
        let from = sealed.cell_cursor;
        let is_done = fold_slice(conn, overlay, &mut sealed, self.tuning.forms, budget)?;
        overlay.folds = overlay.spans.folded(&sealed.run, from, sealed.cell_cursor);
        if is_done {
            self.progress.folded_seq = self.progress.sealed_seq;
            delete_deltas(conn, self.progress.folded_seq)
        } else {
            overlay.sealed = Some(sealed);
            Ok(())
        }
    }

    fn save_progress(&self, conn: &Connection) -> Result<()> {
        const UPDATE_PROGRESS: &str =
            "update usage_fold set seq = :seq, folded_seq = :folded_seq, sealed_seq = :sealed_seq,
                               cell_cursor = :cell_cursor, user_cursor = :user_cursor";
        let sealed = self.overlay.sealed.as_ref();
        conn.prepare_cached(UPDATE_PROGRESS)?.execute(named_params! {
            ":seq": self.progress.seq,
            ":folded_seq": self.progress.folded_seq,
            ":sealed_seq": self.progress.sealed_seq,
            ":cell_cursor": sealed.map_or(0, |sealed| sealed.cell_cursor.to_sql()),
            ":user_cursor": sealed.map_or(0, |sealed| sealed.user_cursor),
        })?;
        Ok(())
    }
}

/// Adds a run and merges runs of like size, so that O(log n) of them remain.
fn push(active: &mut Vec<Arc<Run>>, run: Run) {
    active.push(Arc::new(run));
    while let [.., a, b] = active.as_slice() {
        if a.entries() > 2 * b.entries() {
            return;
        }
        let merged = Arc::new(Run::merge(a, b));
        active.truncate(active.len() - 2);
        active.push(merged);
    }
}

fn load_progress(conn: &Connection) -> Result<(Progress, CellKey, u32)> {
    const SELECT_PROGRESS: &str = "select seq, folded_seq, sealed_seq, cell_cursor, user_cursor from usage_fold";
    let read = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let (seq, folded_seq, sealed_seq, cell_cursor, user_cursor) =
        conn.prepare_cached(SELECT_PROGRESS)?.query_row([], read)?;
    if folded_seq < 0 || folded_seq > sealed_seq || sealed_seq > seq {
        return Err(damaged());
    }
    Ok((Progress { seq, folded_seq, sealed_seq }, CellKey::from_sql(cell_cursor), user_cursor))
}

/// All deltas after `after` up to `last` as one run: sorting once is quicker than merging many.
fn load_run(conn: &Connection, after: i64, last: i64) -> Result<Run> {
    const SELECT_DELTAS: &str = "select delta from usage_delta where seq > :after and seq <= :last order by seq";
    let mut statement = conn.prepare_cached(SELECT_DELTAS)?;
    let mut rows = statement.query(named_params! {":after": after, ":last": last})?;
    let mut delta = Delta::default();
    while let Some(row) = rows.next()? {
        packed_delta::decode_into(row.get_ref(0)?.as_blob().map_err(|_| damaged())?, &mut delta)?;
    }
    Ok(Run::new(&delta))
}

/// One more than the highest ord given.
pub(super) fn load_ord_end(conn: &Connection) -> Result<u32> {
    const SELECT_ORD_END: &str = "select coalesce(max(ord) + 1, 0) from usage_user_name";
    Ok(conn.prepare_cached(SELECT_ORD_END)?.query_row([], |row| row.get(0))?)
}

fn insert_delta(conn: &Connection, seq: i64, delta: &Delta) -> Result<()> {
    const INSERT_DELTA: &str = "insert into usage_delta (seq, delta) values (:seq, :delta)";
    conn.prepare_cached(INSERT_DELTA)?.execute(named_params! {":seq": seq, ":delta": packed_delta::encode(delta)})?;
    Ok(())
}

fn delete_deltas(conn: &Connection, last: i64) -> Result<()> {
    const DELETE_DELTAS: &str = "delete from usage_delta where seq <= :last";
    conn.prepare_cached(DELETE_DELTAS)?.execute(named_params! {":last": last})?;
    Ok(())
}
