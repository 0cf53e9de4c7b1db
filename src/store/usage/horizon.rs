//! The horizon: the day from which on base facts of usage are kept. Rollups stay for ever, and with them every answer.
//!
//! It is raised in one transaction, and older events are rejected from then on. The rows behind it go in slices, once all
//! that they say is folded. What stays behind it are the rows of sessions that a later event may still join: those that
//! end at most a gap before the horizon, or reach across it. Sessions with an id may go on at any time: theirs stay, too.

use rusqlite::{Connection, named_params};

use super::rollup::Rollups;
use super::sessions::GAP_MICROS;
use super::user_day::{ORD_BITS, UserDay, row_key};
use crate::error::Result;
use crate::model::Day;
use crate::store::varint::damaged;

/// What SQLite keeps of a row of usage_user_day beside its facts: a cell pointer, two sizes, the key, the types.
const ROW_OVERHEAD_BYTES: u64 = 12;

/// The last day with a row.
pub fn last_day(conn: &Connection) -> Result<Option<Day>> {
    const LAST_KEY: &str = "select max(key) from usage_user_day";
    let key: Option<i64> = conn.prepare_cached(LAST_KEY)?.query_row([], |row| row.get(0))?;
    let day = |key: i64| u32::try_from(key >> ORD_BITS).ok().and_then(Day::from_index).ok_or_else(damaged);
    key.map(day).transpose()
}

/// How far back base facts reach. It only ever advances, to the first day of a month: months are whole or not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Horizon {
    /// Events before it are rejected; the calendar's first day if none are.
    pub day: Day,
    /// From here on no row is missing. Behind `day` until the first row goes.
    pub whole_from: Day,
    /// usage_fold.seq when it was raised: rows go once this is folded.
    seq: i64,
    /// Rows below this key have gone, or are needed by a session.
    key_cursor: i64,
}

/// What one slice of pruning has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PrunedUsage {
    /// User-days that went.
    pub removed: u64,
    /// Whether this slice has raised the horizon.
    pub is_raised: bool,
    /// Whether nothing is left to go. Where it is not and nothing was removed, folding has to come further first.
    pub is_done: bool,
}

/// What pruning would remove.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PrunableUsage {
    pub user_days: u64,
    /// Days of which rows would go.
    pub days: u64,
    /// The first and the last of them.
    pub span: Option<(Day, Day)>,
    /// An estimate of the room they take.
    pub bytes: u64,
}

impl Horizon {
    pub fn load(conn: &Connection) -> Result<Horizon> {
        const SELECT_HORIZON: &str = "select day, whole_from, seq, key_cursor from usage_horizon";
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let (day, whole_from, seq, key_cursor) = conn.prepare_cached(SELECT_HORIZON)?.query_row([], read)?;
        let day_of = |index: u32| Day::from_index(index).filter(|day| *day == day.month_start()).ok_or_else(damaged);
        let horizon = Horizon { day: day_of(day)?, whole_from: day_of(whole_from)?, seq, key_cursor };
        if horizon.whole_from > horizon.day { Err(damaged()) } else { Ok(horizon) }
    }

    /// None if every day is taken.
    pub fn told(&self) -> Option<Day> {
        Some(self.day).filter(|day| *day > Day::MIN)
    }

    /// The day from which on base facts are whole; None if they are from ever.
    pub fn facts_from(&self) -> Option<Day> {
        Some(self.whole_from).filter(|day| *day > Day::MIN)
    }

    /// Advances to the first day of the month of `before`, unless that lies behind. `seq`: that of the last delta. Returns
    /// whether it has moved.
    pub fn raise(&mut self, conn: &Connection, before: Day, seq: i64) -> Result<bool> {
        let day = before.month_start();
        if day <= self.day {
            return Ok(false);
        }
        // Sessions that touched the horizon before may touch it no more: their rows are looked at again.
        *self = Horizon { day, seq, key_cursor: 0, ..*self };
        self.save(conn).map(|()| true)
    }

    /// Whether rows are left to be looked at.
    pub fn is_pruning(&self) -> bool {
        self.key_cursor < row_key(self.day, 0)
    }

    /// Whether it waits for a delta behind this last one, which none has written.
    pub fn awaits_more_than(&self, seq: i64) -> bool {
        self.seq > seq
    }

    /// After the deltas were made anew: no row goes until this one is folded.
    pub fn await_delta(&mut self, conn: &Connection, seq: i64) -> Result<()> {
        *self = Horizon { seq, ..*self };
        self.save(conn)
    }

    /// Looks at the next rows behind the horizon, `rows_max` at most, and deletes those that no session needs. All that
    /// was recorded before it was raised must be folded. Returns how many went.
    pub fn remove_slice(&mut self, conn: &Connection, rows_max: usize) -> Result<u64> {
        let mut kept = vec![];
        let mut seen = 0;
        let end = row_key(self.day, 0);
        let next = for_each_behind(conn, self.day, self.key_cursor, rows_max, |row| {
            seen += 1;
            kept.extend(row.is_needed.then_some(row.key));
        })?;
        let mut removed = 0;
        let mut from = self.key_cursor;
        let to = next.unwrap_or(end);
        for kept in kept.into_iter().chain([to]) {
            removed += delete_between(conn, from, kept)?;
            from = kept + 1;
        }
        *self = Horizon { whole_from: self.day, key_cursor: to, ..*self };
        self.save(conn)?;
        Ok(removed)
    }

    fn save(&self, conn: &Connection) -> Result<()> {
        const UPDATE_HORIZON: &str = "
            update usage_horizon set day = :day, whole_from = :whole_from, seq = :seq, key_cursor = :key_cursor";
        conn.prepare_cached(UPDATE_HORIZON)?.execute(named_params! {
            ":day": self.day.index(), ":whole_from": self.whole_from.index(), ":seq": self.seq,
            ":key_cursor": self.key_cursor,
        })?;
        Ok(())
    }
}

/// A slice: raises the horizon, if it stands lower, and removes some of what lies behind it once that is folded.
pub fn prune(
    conn: &Connection,
    horizon: &mut Horizon,
    rollups: &mut Rollups,
    before: Day,
    rows_max: usize,
) -> Result<PrunedUsage> {
    let is_raised = horizon.raise(conn, before, rollups.seq())?;
    if !horizon.is_pruning() {
        return Ok(PrunedUsage { removed: 0, is_raised, is_done: true });
    }
    if !rollups.has_folded(horizon.seq) {
        rollups.fold_soon(horizon.seq);
        return Ok(PrunedUsage { removed: 0, is_raised, is_done: false });
    }
    let removed = horizon.remove_slice(conn, rows_max)?;
    Ok(PrunedUsage { removed, is_raised, is_done: !horizon.is_pruning() })
}

/// What would go if the horizon was raised as [`Horizon::raise`] does it. Reads every row that would.
pub fn prunable(conn: &Connection, before: Day) -> Result<PrunableUsage> {
    let horizon = Horizon::load(conn)?;
    let day = before.month_start().max(horizon.day);
    let from = if day > horizon.day { 0 } else { horizon.key_cursor };
    let mut found = PrunableUsage::default();
    for_each_behind(conn, day, from, usize::MAX, |row| {
        if row.is_needed {
            return;
        }
        let last = found.span.map(|(_, last)| last);
        found.user_days += 1;
        found.days += u64::from(last != Some(row.day));
        found.span = Some((found.span.map_or(row.day, |(first, _)| first), row.day));
        found.bytes += row.facts_bytes as u64 + ROW_OVERHEAD_BYTES;
    })?;
    Ok(found)
}

/// A row behind the horizon.
struct Behind {
    key: i64,
    day: Day,
    facts_bytes: usize,
    /// Whether a session may still want it.
    is_needed: bool,
}

/// Visits rows in order of key. Returns the key of the next row, None if there is none behind the horizon.
fn for_each_behind(
    conn: &Connection,
    horizon: Day,
    from: i64,
    rows_max: usize,
    mut visit: impl FnMut(Behind),
) -> Result<Option<i64>> {
    const SELECT_ROWS: &str = "select key, facts from usage_user_day where key >= :from and key < :to order by key";
    let mut statement = conn.prepare_cached(SELECT_ROWS)?;
    let mut rows = statement.query(named_params! {":from": from, ":to": row_key(horizon, 0)})?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get("key")?;
        if seen == rows_max {
            return Ok(Some(key));
        }
        seen += 1;
        let day = u32::try_from(key >> ORD_BITS).ok().and_then(Day::from_index).ok_or_else(damaged)?;
        let ord = (key & ((1 << ORD_BITS) - 1)) as u32;
        let facts = row.get_ref("facts")?.as_blob().map_err(rusqlite::Error::from)?;
        let user_day = UserDay::decode(facts, day)?;
        let is_needed = is_needed(conn, day, ord, &user_day, horizon)?;
        visit(Behind { key, day, facts_bytes: facts.len(), is_needed });
    }
    Ok(None)
}

/// Of a user, at most one session lies so that an event after the horizon may join it, since sessions lie more than a gap
/// apart. Needed are the row it stands in and, where it ends on the eve of the horizon, the eve's, which leads to it.
fn is_needed(conn: &Connection, day: Day, ord: u32, user_day: &UserDay, horizon: Day) -> Result<bool> {
    let joinable_from = horizon.start().unix_micros() - GAP_MICROS;
    let is_joinable = |user_day: &UserDay| user_day.sessions.last().is_some_and(|last| last.end >= joinable_from);
    if is_joinable(user_day) {
        return Ok(true);
    }
    if day.next() != Some(horizon) || !user_day.sessions.is_empty() || user_day.reaches_back == 0 {
        return Ok(false);
    }
    let start = day.index().checked_sub(user_day.reaches_back).and_then(Day::from_index).ok_or_else(damaged)?;
    Ok(UserDay::load(conn, start, ord)?.is_some_and(|user_day| is_joinable(&user_day)))
}

/// From the first key up to, and not with, the second. Returns how many rows went.
fn delete_between(conn: &Connection, from: i64, to: i64) -> Result<u64> {
    const DELETE_ROWS: &str = "delete from usage_user_day where key >= :from and key < :to";
    Ok(conn.prepare_cached(DELETE_ROWS)?.execute(named_params! {":from": from, ":to": to})? as u64)
}

#[cfg(test)]
#[path = "horizon_test.rs"]
mod tests;
