//! A user's history: its rollup, in one row. The days on which it was active, in which (team, service) pairs, and how
//! many sessions began; no times. It answers everything about one user, without a look at the base facts.
//!
//! Sessions are kept as *extras*: those that start on a day and touch a cell, less one if the user was active in the
//! cell that day. The usual day is one pair and one session there, so it has none. Facts and extras of later deltas are
//! united and added up, so folding reads nothing but the row.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::delta::{Delta, Fact};
use super::lattice::Cell;
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::damaged;

/// Activity of a user on a day in a (team, service) pair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DayPair {
    pub day: Day,
    pub team: u32,
    pub service: u32,
}

/// Sessions of a user that start on a day and touch a cell, less one if the user was active in the cell that day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DayExtra {
    pub day: Day,
    pub cell: Cell,
    pub n: i64,
}

/// Its packed form is in `history_codec`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserHistory {
    /// Sorted, each once.
    pub pairs: Vec<DayPair>,
    /// Sorted; each (day, cell) once, none zero. All lie on days with a pair: a session starts with an event.
    pub extras: Vec<DayExtra>,
}

/// What a user did on a day under a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DayUse {
    pub day: Day,
    pub is_active: bool,
    /// That started on this day.
    pub sessions: u64,
}

impl UserHistory {
    /// The folded part. Empty if nothing of the user was folded yet.
    pub fn load(conn: &Connection, ord: u32) -> Result<UserHistory> {
        const SELECT_HISTORY: &str = "select days from usage_user_history where ord = :ord";
        let mut statement = conn.prepare_cached(SELECT_HISTORY)?;
        let decode = |row: &rusqlite::Row| Ok(UserHistory::decode(row.get_ref(0)?.as_blob()?));
        let history = statement.query_row(named_params! {":ord": ord}, decode).optional()?;
        history.unwrap_or_else(|| Ok(UserHistory::default()))
    }

    /// Inserts the row, or overwrites it.
    pub fn save(&self, conn: &Connection, ord: u32) -> Result<()> {
        const STORE_HISTORY: &str = "insert into usage_user_history (ord, days) values (:ord, :days)
                           on conflict (ord) do update set days = excluded.days";
        conn.prepare_cached(STORE_HISTORY)?.execute(named_params! {":ord": ord, ":days": self.encode()?})?;
        Ok(())
    }

    /// Unites the history with later pairs, none of which it holds, and adds up extras. Errors if it holds one: that is
    /// no history that these changes were made from.
    pub fn take_in(
        &mut self,
        pairs: impl IntoIterator<Item = DayPair>,
        extras: impl IntoIterator<Item = DayExtra>,
    ) -> Result<()> {
        self.pairs.extend(pairs);
        // A stable sort knows two sorted lists, one behind the other, when it meets them.
        self.pairs.sort();
        if !self.pairs.is_sorted_by(|a, b| a < b) {
            return Err(damaged());
        }
        self.extras.extend(extras);
        self.extras.sort();
        self.extras.dedup_by(|next, kept| {
            let same = (next.day, next.cell) == (kept.day, kept.cell);
            if same {
                kept.n += next.n;
            }
            same
        });
        self.extras.retain(|extra| extra.n != 0);
        Ok(())
    }

    /// Ascending.
    pub fn active_days(&self) -> Vec<Day> {
        self.pairs.chunk_by(|a, b| a.day == b.day).map(|pairs| pairs[0].day).collect()
    }

    /// The days of the range on which the user was active or began sessions under the cell, ascending.
    pub fn uses(&self, cell: Cell, range: DateRange) -> Result<Vec<DayUse>> {
        let pairs = within(&self.pairs, |pair| pair.day, range);
        let mut extras = within(&self.extras, |extra| extra.day, range);
        let mut uses = vec![];
        for pairs in pairs.chunk_by(|a, b| a.day == b.day) {
            let day = pairs[0].day;
            let is_active = pairs.iter().any(|pair| cell.covers(pair.team, pair.service));
            let extra = take_day(&mut extras, day).iter().find(|extra| extra.cell == cell).map_or(0, |extra| extra.n);
            let sessions = u64::try_from(i64::from(is_active) + extra).map_err(|_| damaged())?;
            if is_active || sessions > 0 {
                uses.push(DayUse { day, is_active, sessions });
            }
        }
        Ok(uses)
    }

    pub fn last_day(&self) -> Option<Day> {
        self.pairs.last().map(|pair| pair.day)
    }

    /// Keeps what lies before the day.
    pub fn keep_before(&mut self, day: Day) {
        self.pairs.truncate(self.pairs.partition_point(|pair| pair.day < day));
        self.extras.truncate(self.extras.partition_point(|extra| extra.day < day));
    }

    /// Reports that all that the history holds is there (`n` is 1), or no longer (-1). Errors if an extra lies on no cell
    /// of an event.
    pub fn count_all(&self, ord: u32, n: i32, delta: &mut Delta) -> Result<()> {
        let mut extras = &self.extras[..];
        for pairs in self.pairs.chunk_by(|a, b| a.day == b.day) {
            let day = pairs[0].day;
            let active: Vec<(u32, u32)> = pairs.iter().map(|pair| (pair.team, pair.service)).collect();
            for ((team, service), cells) in Cell::first_touched_by(active.iter().copied()) {
                let facts = if n > 0 { &mut delta.added } else { &mut delta.removed };
                facts.push(Fact { day, ord, team, service, cells });
            }
            let of_day = take_day(&mut extras, day);
            // A session touches a pair in which there was nothing else that day if its other events lie on later days.
            let touched = of_day.iter().filter_map(|extra| extra.cell.pair());
            let mut reported = 0;
            for (pair, bits) in Cell::first_touched_by(active.into_iter().chain(touched)) {
                for (bit, cell) in Cell::touched(pair.0, pair.1).into_iter().enumerate() {
                    let extra = of_day.iter().find(|extra| bits >> bit & 1 == 1 && extra.cell == cell);
                    if let Some(extra) = extra {
                        let extra = i32::try_from(extra.n * i64::from(n)).map_err(|_| damaged())?;
                        delta.count_pair(day, ord, pair, 1 << bit, extra);
                        reported += 1;
                    }
                }
            }
            if reported != of_day.len() {
                return Err(damaged());
            }
        }
        Ok(())
    }
}

/// Takes the extras of a day off the front; those of earlier days belong to days without a pair, and there are none.
fn take_day<'a>(extras: &mut &'a [DayExtra], day: Day) -> &'a [DayExtra] {
    let (of_day, rest) = extras.split_at(extras.partition_point(|extra| extra.day <= day));
    *extras = rest;
    of_day
}

fn within<T>(sorted: &[T], day: impl Fn(&T) -> Day, range: DateRange) -> &[T] {
    let start = sorted.partition_point(|entry| day(entry) < range.start());
    let len = sorted[start..].partition_point(|entry| day(entry) <= range.end());
    &sorted[start..start + len]
}
