//! Reads: one request, one read transaction, one view.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::log::{self, EventRow, LogSnapshot};
use super::usage::figures::{self, UsageSnapshot};
use super::usage::horizon::{self, Horizon, PrunableUsage};
use super::usage::inspect;
use super::usage::presence::{KnownUser, OneUser, UserRows};
use super::view::{View, read_stamp};
use super::{Inner, open};
use crate::error::{Error, Result};
use crate::model::{
    ArrivalPage, DateRange, Day, Figures, Group, GroupBy, GroupPage, Id, Interval, LogFilter, LogPage, Period,
    Position, Start, TimeOrder, UsageFilter, UserRecord,
};

/// Idle connections kept; as many are made as there are readers at once.
const IDLE_MAX: usize = 16;
/// A reader that is overtaken so often is not slow: somebody else has written to the database.
const TRIES_MAX: u32 = 1_000;

/// What a connection keeps of the pages it has read: those of requests come back to them; who reads the log from end to
/// end sees each page once.
pub const REQUEST_CACHE_KIB: u32 = 16 * 1024;
pub const BULK_CACHE_KIB: u32 = 1024;

pub struct ReaderPool {
    idle: Mutex<Vec<Connection>>,
    cache_kib: u32,
}

impl ReaderPool {
    pub fn new(cache_kib: u32) -> ReaderPool {
        ReaderPool { idle: Mutex::default(), cache_kib }
    }

    fn take(&self, store: &Inner) -> Result<Connection> {
        let idle = self.idle.lock().pop();
        idle.map_or_else(|| open::open_reader(&store.path, self.cache_kib), Ok)
    }

    /// `conn`: without a transaction.
    fn give_back(&self, conn: Connection) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(conn);
        }
    }

    /// The writer must be the last to close, so that no WAL is left behind.
    pub fn close(&self) {
        self.idle.lock().clear();
    }
}

/// A consistent state of everything, for as long as it lives. Keep it short: a long one holds the WAL back.
pub struct Snapshot<'s> {
    store: &'s Inner,
    pool: &'s ReaderPool,
    /// Always there; an option only so that it can go back to the pool.
    conn: Option<Connection>,
    view: Arc<View>,
}

/// The newest acknowledged state, without a transaction: what memory alone answers, and of one user what one statement
/// reads.
pub struct Glance {
    database_id: Arc<str>,
    view: Arc<View>,
    user: Option<KnownUser>,
}

impl Glance {
    pub(super) fn new(store: &Inner) -> Glance {
        Glance { database_id: Arc::clone(&store.database_id), view: store.views.newest(), user: None }
    }

    /// Also looks at all that there is of a user.
    pub(super) fn at_user(store: &Inner, user_id: &Id) -> Result<Glance> {
        let pool = &store.readers;
        let conn = pool.take(store)?;
        let mut view = store.views.newest();
        for _ in 0..TRIES_MAX {
            let (commit_seq, rows) = UserRows::find(&conn, &view.usage, &store.key, user_id)?;
            if commit_seq == view.stamp.commit_seq {
                pool.give_back(conn);
                let user = OneUser::new(rows, &view.usage)?;
                let user = Some(KnownUser { user_id: user_id.clone(), user });
                return Ok(Glance { database_id: Arc::clone(&store.database_id), view, user });
            }
            // Overtaken by a commit, which may have brought the user: look again with its view.
            view = store.views.get(commit_seq).unwrap_or_else(|| store.views.newest());
        }
        Err(overtaken())
    }

    pub fn usage_revision(&self) -> Revision {
        Revision { database_id: Arc::clone(&self.database_id), number: self.view.stamp.usage_revision }
    }

    /// As [`Snapshot::figures`] of the same revision; None if this is not enough to tell, and a snapshot must be asked.
    pub fn figures(&self, range: DateRange, filter: &UsageFilter) -> Result<Option<Figures>> {
        figures::figures_in_memory(&self.view.usage, self.user.as_ref(), range, filter)
    }
}

/// Grows with every commit that can change an answer of its side; a restored database gets another id.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Revision {
    pub database_id: Arc<str>,
    pub number: i64,
}

impl<'s> Snapshot<'s> {
    pub(super) fn begin(store: &'s Inner, pool: &'s ReaderPool) -> Result<Snapshot<'s>> {
        let conn = pool.take(store)?;
        for _ in 0..TRIES_MAX {
            conn.prepare_cached("begin")?.execute([])?;
            if let Some(view) = store.views.get(read_stamp(&conn)?.commit_seq) {
                return Ok(Snapshot { store, pool, conn: Some(conn), view });
            }
            // Overtaken by many commits between two statements: begin again on the newest.
            conn.prepare_cached("rollback")?.execute([])?;
        }
        Err(overtaken())
    }

    pub fn usage_revision(&self) -> Revision {
        Revision { database_id: Arc::clone(&self.store.database_id), number: self.view.stamp.usage_revision }
    }

    pub fn log_revision(&self) -> Revision {
        Revision { database_id: Arc::clone(&self.store.database_id), number: self.view.stamp.log_revision }
    }

    /// The three figures of a range under a filter. An id nobody has sent gives zeros.
    pub fn figures(&self, range: DateRange, filter: &UsageFilter) -> Result<Figures> {
        figures::figures(&self.usage(), range, filter)
    }

    /// One entry per period of the range, in order, none left out.
    pub fn series(&self, range: DateRange, filter: &UsageFilter, interval: Interval) -> Result<Vec<Period>> {
        figures::series(&self.usage(), range, filter, interval)
    }

    /// Groups with a figure above zero, by active users, then sessions, descending, then id (none last).
    pub fn groups(
        &self,
        range: DateRange,
        filter: &UsageFilter,
        by: GroupBy,
        offset: u64,
        limit: usize,
    ) -> Result<GroupPage> {
        figures::groups(&self.usage(), range, filter, by, offset, limit)
    }

    /// What the base facts hold of a user; of its days and sessions, those that begin in the range, if there is one.
    /// None if there is no such user.
    pub fn user(&self, user_id: &Id, range: Option<DateRange>) -> Result<Option<UserRecord>> {
        inspect::user_record(&self.usage(), user_id, range)
    }

    /// The day from which on usage events are taken; None if any is.
    pub fn usage_horizon(&self) -> Result<Option<Day>> {
        Ok(Horizon::load(self.conn())?.told())
    }

    /// The day from which on base facts of usage are whole: those from before have gone. None if all are there.
    pub fn usage_facts_from(&self) -> Result<Option<Day>> {
        Ok(Horizon::load(self.conn())?.facts_from())
    }

    /// The last day with a base fact of usage; None if there are none.
    pub fn last_usage_day(&self) -> Result<Option<Day>> {
        horizon::last_day(self.conn())
    }

    /// Whether [`super::Store::prune_usage`] would have anything to do.
    pub fn is_usage_pruning_due(&self, before: Day) -> Result<bool> {
        let horizon = Horizon::load(self.conn())?;
        Ok(horizon.day < before.month_start() || horizon.is_pruning())
    }

    /// What [`super::Store::prune_usage`] would remove in the end. Reads all of it.
    pub fn prunable_usage(&self, before: Day) -> Result<PrunableUsage> {
        horizon::prunable(self.conn(), before)
    }

    /// A page of the log in time order.
    pub fn page(&self, filter: &LogFilter, order: TimeOrder, start: Start, limit: usize) -> Result<LogPage> {
        log::page(&self.log(), filter, order, start, limit)
    }

    /// A page of the log in order of arrival, behind `after_seq` (0: from the first).
    pub fn scan(&self, filter: &LogFilter, after_seq: i64, limit: usize) -> Result<ArrivalPage> {
        log::arrivals(&self.log(), filter, after_seq, limit)
    }

    /// The sequence number of the event acknowledged last; 0 if there is none.
    pub fn last_event_seq(&self) -> i64 {
        self.view.log.last_seq()
    }

    /// How many events match, acknowledged whenever: up to [`Snapshot::last_event_seq`]. Reads hardly any.
    pub fn count_events(&self, filter: &LogFilter) -> Result<u64> {
        log::count_events(&self.log(), filter)
    }

    /// How many events match of the next `looked_at_max` in order of arrival, behind `seqs.0` and up to `seqs.1`; and the
    /// last of them, None if there are none. Reads each, so that whoever has to know about many asks in several snapshots.
    pub fn count_arrived(
        &self,
        filter: &LogFilter,
        seqs: (i64, i64),
        looked_at_max: usize,
    ) -> Result<(u64, Option<i64>)> {
        log::count_arrived(&self.log(), filter, seqs, looked_at_max)
    }

    /// Where a run of the time order ends that begins at `from` and holds about `wanted` matching events: some more, or
    /// fewer where they are rare, so that no run is long to read. None if there is none from there on. Costs the same
    /// wherever it begins, and reads no events.
    pub fn events_run_end(&self, filter: &LogFilter, from: Position, wanted: u64) -> Option<Position> {
        log::run_end(&self.log(), filter, from, wanted)
    }

    /// Visits the matching events of a run with sequence numbers up to `last_seq`, oldest first, until `visit` breaks off.
    /// Gives where the rest of the run begins: behind the event with which it broke off; None if it has come to the end.
    pub fn visit_events(
        &self,
        filter: &LogFilter,
        last_seq: i64,
        run: Range<Position>,
        visit: impl FnMut(&EventRow) -> Result<ControlFlow<()>>,
    ) -> Result<Option<Position>> {
        log::visit_events(&self.log(), filter, last_seq, run, visit)
    }

    /// Visits the matching events of a run with sequence numbers up to `last_seq` whose message or attributes take more than
    /// so many bytes; others are passed over unread.
    pub fn visit_long_events(
        &self,
        filter: &LogFilter,
        last_seq: i64,
        run: Range<Position>,
        text_bytes: usize,
        visit: impl FnMut(&EventRow) -> Result<()>,
    ) -> Result<()> {
        log::visit_long_events(&self.log(), filter, last_seq, run, text_bytes, visit)
    }

    /// Visits every group that [`Snapshot::groups`] would give, in no order. Takes a few bytes a user, and no more.
    pub fn visit_groups(
        &self,
        range: DateRange,
        filter: &UsageFilter,
        by: GroupBy,
        visit: impl FnMut(Group) -> Result<()>,
    ) -> Result<()> {
        figures::visit_groups(&self.usage(), range, filter, by, visit)
    }

    /// Recomputes every rollup and count from the base facts, as far back as these are whole; what is older is compared
    /// with each other. One line for each thing that differs; none is well.
    pub fn check(&self) -> Result<Vec<String>> {
        let parts = [
            ("SQLite", self.damaged_pages()),
            ("usage", figures::check(&self.usage())),
            ("log", log::check(&self.log())),
        ];
        // What cannot be read is a finding, too, and the other parts are of interest all the same.
        let lines = |(part, found): (&str, Result<Vec<String>>)| {
            found.unwrap_or_else(|error| vec![format!("{part}: cannot be checked to the end: {error}")])
        };
        Ok(parts.into_iter().flat_map(lines).collect())
    }

    /// What SQLite itself finds wrong with the file.
    fn damaged_pages(&self) -> Result<Vec<String>> {
        let mut check = self.conn().prepare("pragma integrity_check")?;
        let lines = check.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").map(|line| format!("SQLite: {line}")).collect())
    }

    pub(super) fn conn(&self) -> &Connection {
        self.conn.as_ref().expect("a snapshot holds its connection until it is dropped")
    }

    fn usage(&self) -> UsageSnapshot<'_> {
        UsageSnapshot { conn: self.conn(), overlay: &self.view.usage, key: &self.store.key }
    }

    pub(super) fn log(&self) -> LogSnapshot<'_> {
        LogSnapshot { conn: self.conn(), directory: &self.view.log }
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        let ended = conn.prepare_cached("commit").and_then(|mut commit| commit.execute([])).is_ok();
        if ended {
            self.pool.give_back(conn);
        }
    }
}

/// So often that it is no chance.
fn overtaken() -> Error {
    Error::internal("database.commit_seq is not ours: another program has written to the database, or damaged it")
}

#[cfg(test)]
#[path = "snapshot_test.rs"]
mod tests;
