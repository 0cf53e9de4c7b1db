//! Compares the users' histories with the base facts.
//!
//! Both are reduced to a fingerprint a user: a sum that does not depend on the order in which the days are met, so that
//! the base facts are read once, in order of day.

use rusqlite::Connection;

use super::check::{Report, mixed};
use super::explicit::ExplicitSession;
use super::figures::UsageSnapshot;
use super::history::UserHistory;
use super::lattice::{Cell, Level};
use super::user_day::UserDay;
use crate::error::Result;
use crate::model::Day;
use crate::store::varint::damaged;

/// What the base facts, and of days before them the nodes, say of every user's history; 32 bytes a user.
pub(super) struct Activity {
    /// The first day of which base facts are whole.
    pub whole_from: Day,
    users: Vec<Fingerprint>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Fingerprint {
    days: u32,
    sum: u64,
    first: Option<Day>,
    last: Option<Day>,
}

impl Activity {
    pub fn new(ord_end: u32, whole_from: Day) -> Activity {
        Activity { whole_from, users: vec![Fingerprint::default(); ord_end as usize] }
    }

    /// Each user and day may come once. Errors for an ord that was never given, as the others do.
    pub fn add_day(&mut self, ord: u32, day: Day, user_day: &UserDay) -> Result<()> {
        let user = self.of(ord)?;
        user.add_pairs(day, user_day.active_pairs());
        for session in &user_day.sessions {
            user.add_sessions(day, Cell::touched_by(user_day.pairs(session)), 1);
        }
        Ok(())
    }

    /// What a node says of the user on a day in its cell: whether it was active there (1; -1 takes that back), and its
    /// extra.
    pub fn add_of_node(&mut self, ord: u32, day: Day, cell: Cell, active: i64, extra: i64) -> Result<()> {
        let user = self.of(ord)?;
        user.add_sessions(day, [cell], active + extra);
        if cell.pair().is_some() {
            user.sum = user.sum.wrapping_add(mixed(!key(day, cell)).wrapping_mul(active as u64));
        }
        if cell == Cell::ALL && active > 0 {
            user.add_active_day(day);
        }
        Ok(())
    }

    /// The first and the last day with activity.
    pub fn span(&self, ord: u32) -> (Option<Day>, Option<Day>) {
        self.users.get(ord as usize).map_or((None, None), |user| (user.first, user.last))
    }

    fn add_explicit(&mut self, conn: &Connection) -> Result<()> {
        ExplicitSession::for_each(conn, |ord, session| {
            let cells = Cell::touched_by(session.pairs.iter().copied());
            if session.start_at.day() >= self.whole_from {
                self.of(ord)?.add_sessions(session.start_at.day(), cells, 1);
            }
            Ok(())
        })
    }

    fn add_history(&mut self, ord: u32, history: &UserHistory) -> Result<()> {
        let user = self.of(ord)?;
        for pairs in history.pairs.chunk_by(|a, b| a.day == b.day) {
            let day = pairs[0].day;
            let pairs = || pairs.iter().map(|pair| (pair.team, pair.service));
            user.add_pairs(day, pairs());
            user.add_sessions(day, Cell::touched_by(pairs()), 1);
        }
        for extra in &history.extras {
            user.add_sessions(extra.day, [extra.cell], extra.n);
        }
        Ok(())
    }

    fn of(&mut self, ord: u32) -> Result<&mut Fingerprint> {
        self.users.get_mut(ord as usize).ok_or_else(damaged)
    }
}

impl Fingerprint {
    fn add_pairs(&mut self, day: Day, pairs: impl Iterator<Item = (u32, u32)>) {
        let mut is_active = false;
        for (team, service) in pairs {
            is_active = true;
            self.sum = self.sum.wrapping_add(mixed(!key(day, Cell::new(team, service))));
        }
        if is_active {
            self.add_active_day(day);
        }
    }

    fn add_active_day(&mut self, day: Day) {
        self.days += 1;
        self.first = Some(self.first.map_or(day, |first| first.min(day)));
        self.last = self.last.max(Some(day));
    }

    /// So many sessions start on the day and touch each of the cells.
    fn add_sessions(&mut self, day: Day, cells: impl IntoIterator<Item = Cell>, n: i64) {
        for cell in cells {
            self.sum = self.sum.wrapping_add(mixed(key(day, cell)).wrapping_mul(n as u64));
        }
    }
}

fn key(day: Day, cell: Cell) -> u64 {
    cell.key(Level::Day, day).to_sql() as u64
}

/// `wanted`: all user-days; sessions with an id are added to it here.
pub(super) fn check_histories(snapshot: &UsageSnapshot, wanted: &mut Activity, report: &mut Report) -> Result<()> {
    const SELECT_HISTORIES: &str = "select ord, days from usage_user_history";
    wanted.add_explicit(snapshot.conn)?;
    let pending = snapshot.overlay.pending_users();
    let mut found = Activity::new(snapshot.overlay.ord_end, wanted.whole_from);
    let mut take = |ord: u32, history: Result<UserHistory>| {
        if history.and_then(|history| found.add_history(ord, &history)).is_err() {
            report.add(format!("usage_user_history, user {ord}: damaged"));
        }
    };
    let mut statement = snapshot.conn.prepare_cached(SELECT_HISTORIES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let ord: u32 = row.get(0)?;
        if !pending.contains(&ord) {
            take(ord, row.get_ref(1)?.as_blob().map_err(|_| damaged()).and_then(UserHistory::decode));
        }
    }
    for ord in pending {
        take(ord, snapshot.overlay.history(snapshot.conn, ord));
    }
    for (ord, (found, wanted)) in found.users.iter().zip(&wanted.users).enumerate() {
        report.expect(|| format!("usage_user_history, user {ord}, days"), found.days, wanted.days);
        if found.days == wanted.days && found != wanted {
            report.add(format!("usage_user_history, user {ord}: another history than the base facts say"));
        }
    }
    Ok(())
}
