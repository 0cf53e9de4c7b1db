//! Grouping by user: the figures of every user of a range, by activity.
//!
//! A user is active or not, so most groups tie on their first figures. Sessions are counted for all users in one pass
//! over the range, users are counted by their sessions in another; names are read only for the ties that reach into the
//! page.

use std::cmp::Reverse;
use std::ops::Range;

use rusqlite::{Connection, OptionalExtension};

use super::figures::{UsageSnapshot, cell_figures};
use super::idle_users::idle_users;
use super::lattice::Cell;
use super::most_sessions::around;
use super::sets::UserBits;
use super::totals::counts_in_total;
use super::user::User;
use super::user_sessions::{SessionCounts, sessions_by_user};
use crate::error::Result;
use crate::model::{DateRange, Figures, Group, GroupPage, Id};
use crate::store::varint::damaged;

/// The groups of all users under the cell, in the order of [`super::groups::groups`]; erased users are one group
/// without an id.
pub fn user_groups(
    snapshot: &UsageSnapshot,
    range: DateRange,
    cell: Cell,
    offset: u64,
    limit: usize,
) -> Result<GroupPage> {
    let ranking = Ranking::load(snapshot, range, cell)?;
    let total = ranking.len();
    let start = offset.min(total);
    let end = start.saturating_add(limit as u64).min(total);
    let mut groups = vec![];
    // The group without an id parts the named ones in two.
    let erased_at = ranking.erased_at();
    groups.extend(ranking.named(snapshot, start.min(erased_at)..end.min(erased_at))?);
    if let Some(figures) = ranking.erased.filter(|_| (start..end).contains(&erased_at)) {
        groups.push(Group { id: None, figures });
    }
    let behind = u64::from(ranking.erased.is_some());
    let back = |at: u64| at.saturating_sub(behind).max(erased_at);
    groups.extend(ranking.named(snapshot, back(start)..back(end))?);
    Ok(GroupPage { groups, total })
}

/// A user with activity or sessions.
#[derive(Clone, Copy)]
struct Seen {
    ord: u32,
    sessions: u32,
}

/// All users in order, ids apart: those that were active, by sessions; those with sessions alone; those in the total.
struct Ranking {
    range: DateRange,
    cell: Cell,
    /// The named users that were active, and how many these are.
    active: UserBits,
    active_len: u64,
    /// Theirs.
    sessions: SessionCounts,
    /// The named users with sessions but no activity in the range, most sessions first: their matching events lie behind.
    /// Few.
    passive: Vec<Seen>,
    /// Those of them that count in the total, ascending.
    passive_in_total: Vec<u32>,
    /// How many more users merely count in the total.
    idle: u64,
    /// The sum over erased users; None if it is all zeros.
    erased: Option<Figures>,
    erased_ords: Vec<u32>,
}

impl Ranking {
    fn load(snapshot: &UsageSnapshot, range: DateRange, cell: Cell) -> Result<Ranking> {
        let irregular = snapshot.source().irregular_before(range.start())?.ok_or_else(damaged)?;
        let mut active = UserBits::new(snapshot.overlay.ord_end);
        let all = cell_figures(snapshot, cell, range, &irregular, &mut active)?;
        let sessions = sessions_by_user(snapshot, range, cell)?;
        let mut ranking = Ranking {
            range,
            cell,
            active,
            active_len: all.active_users,
            sessions,
            passive: vec![],
            passive_in_total: vec![],
            idle: 0,
            erased: None,
            erased_ords: load_erased(snapshot.conn)?,
        };
        let erased = ranking.take_erased(snapshot.conn)?;
        let of_passive = ranking.take_passive(snapshot.conn)?;
        // Users partition the cell: what they come to is what it says.
        if erased.total_sessions + of_passive + ranking.sessions.sum(&ranking.active) != all.total_sessions {
            return Err(damaged());
        }
        let counted = erased.total_users + ranking.active_len + ranking.passive_in_total.len() as u64;
        ranking.idle = all.total_users.checked_sub(counted).ok_or_else(damaged)?;
        ranking.erased = (erased != Figures::default()).then_some(erased);
        Ok(ranking)
    }

    /// Takes erased users out, and gives their sum.
    fn take_erased(&mut self, conn: &Connection) -> Result<Figures> {
        let mut sum = Figures::default();
        for ord in &self.erased_ords {
            let is_active = self.active.take(*ord);
            sum.total_users += u64::from(is_active || passive_counts(conn, *ord, self.cell, self.range)?);
            sum.active_users += u64::from(is_active);
            sum.total_sessions += u64::from(self.sessions.take(*ord));
        }
        self.active_len -= sum.active_users;
        Ok(sum)
    }

    /// Takes those without activity apart, and gives the sum of their sessions.
    fn take_passive(&mut self, conn: &Connection) -> Result<u64> {
        let mut passive = self.sessions.perhaps_passive().to_vec();
        passive.retain(|ord| !self.active.contains(*ord));
        for ord in passive {
            let sessions = self.sessions.take(ord);
            if sessions > 0 {
                self.passive.push(Seen { ord, sessions });
                if passive_counts(conn, ord, self.cell, self.range)? {
                    self.passive_in_total.push(ord);
                }
            }
        }
        self.passive.sort_unstable_by_key(|user| (Reverse(user.sessions), user.ord));
        Ok(self.passive.iter().map(|user| u64::from(user.sessions)).sum())
    }

    fn seen_len(&self) -> u64 {
        self.active_len + self.passive.len() as u64
    }

    fn named_len(&self) -> u64 {
        self.seen_len() + self.idle
    }

    fn len(&self) -> u64 {
        self.named_len() + u64::from(self.erased.is_some())
    }

    /// How many named groups stand before the one without an id, which is the last of its ties.
    fn erased_at(&self) -> u64 {
        let Some(Figures { active_users, total_sessions, .. }) = self.erased else { return self.named_len() };
        match (active_users, total_sessions) {
            (0, 0) => self.named_len(),
            (0, least) => {
                self.active_len + self.passive.partition_point(|user| u64::from(user.sessions) >= least) as u64
            }
            (1, 0) => self.active_len,
            (1, least) => self.sessions.users_from(least),
            // No named one has as many.
            _ => 0,
        }
    }

    /// The named groups at these places of their order.
    fn named(&self, snapshot: &UsageSnapshot, places: Range<u64>) -> Result<Vec<Group>> {
        let (active_len, seen_len) = (self.active_len, self.seen_len());
        let mut groups = vec![];
        if places.start < places.end.min(active_len) {
            groups = self.active_groups(snapshot, places.start..places.end.min(active_len))?;
        }
        if places.end > active_len && places.start < seen_len && places.start < places.end {
            let within = places.start.max(active_len) - active_len..places.end.min(seen_len) - active_len;
            groups.extend(self.in_order(snapshot, false, &self.passive, within)?);
        }
        if places.end > seen_len && places.end > places.start {
            let from = places.start.max(seen_len) - seen_len;
            groups.extend(self.idle_groups(snapshot, from as usize..(places.end - seen_len) as usize)?);
        }
        Ok(groups)
    }

    /// `places`: at least one, none behind the active users.
    fn active_groups(&self, snapshot: &UsageSnapshot, places: Range<u64>) -> Result<Vec<Group>> {
        let (ords, before) = around(&self.sessions, &self.active, &places);
        let seen = |ord| Ok(Seen { ord, sessions: self.sessions.of(ord).ok_or_else(damaged)? });
        let mut seen = ords.into_iter().map(seen).collect::<Result<Vec<Seen>>>()?;
        seen.sort_unstable_by_key(|user| (Reverse(user.sessions), user.ord));
        self.in_order(snapshot, true, &seen, places.start - before..places.end - before)
    }

    /// `seen`: most sessions first, ties by ord.
    fn in_order(
        &self,
        snapshot: &UsageSnapshot,
        is_active: bool,
        seen: &[Seen],
        places: Range<u64>,
    ) -> Result<Vec<Group>> {
        let (start, end) = (places.start as usize, places.end as usize);
        let mut groups = vec![];
        let mut first = 0;
        for ties in seen.chunk_by(|a, b| a.sessions == b.sessions) {
            let within = start.max(first)..end.min(first + ties.len());
            if within.start < within.end {
                groups.extend(self.tied(snapshot, is_active, ties, within.start - first..within.end - first)?);
            }
            first += ties.len();
        }
        Ok(groups)
    }

    /// Users of one rank are in order of their ids.
    fn tied(
        &self,
        snapshot: &UsageSnapshot,
        is_active: bool,
        ties: &[Seen],
        places: Range<usize>,
    ) -> Result<Vec<Group>> {
        let ords: Vec<u32> = ties.iter().map(|user| user.ord).collect();
        let total_sessions = ties[0].sessions.into();
        let group = |(id, ord): (Id, u32)| {
            let in_total = is_active || self.passive_in_total.binary_search(&ord).is_ok();
            let figures = Figures { total_users: in_total.into(), active_users: is_active.into(), total_sessions };
            Group { id: Some(id), figures }
        };
        Ok(smallest(load_names(snapshot, &ords)?, places).into_iter().map(group).collect())
    }

    fn idle_groups(&self, snapshot: &UsageSnapshot, places: Range<usize>) -> Result<Vec<Group>> {
        let mut idle = idle_users(snapshot, self.range, self.cell, &self.active)?;
        idle.retain(|ord| {
            let is_passive = self.passive_in_total.binary_search(ord).is_ok();
            !is_passive && self.erased_ords.binary_search(ord).is_err()
        });
        let named = smallest(load_names(snapshot, &idle)?, places);
        let figures = Figures { total_users: 1, ..Figures::default() };
        Ok(named.into_iter().map(|(id, _)| Group { id: Some(id), figures }).collect())
    }
}

/// Whether a user without activity in the range counts in the total.
fn passive_counts(conn: &Connection, ord: u32, cell: Cell, range: DateRange) -> Result<bool> {
    Ok(User::load(conn, ord)?.is_some_and(|user| counts_in_total(&user, cell, range, false)))
}

/// Erasing leaves control characters, which sort before every id.
fn load_erased(conn: &Connection) -> Result<Vec<u32>> {
    const SELECT_ERASED: &str = "select ord from usage_user_name where user_id < ' ' order by ord";
    conn.prepare_cached(SELECT_ERASED)?.query_and_then([], |row| Ok(row.get(0)?))?.collect()
}

/// The ids of users that are not erased; their ords ascend.
fn load_names(snapshot: &UsageSnapshot, ords: &[u32]) -> Result<Vec<(Id, u32)>> {
    const SELECT_NAMES: &str = "select ord, user_id from usage_user_name order by ord";
    let conn = snapshot.conn;
    // A row looked up costs as much as some eight in passing.
    if ords.len() < snapshot.overlay.ord_end as usize / 8 {
        return look_up_names(conn, ords);
    }
    let mut names = Vec::with_capacity(ords.len());
    let mut wanted = ords.iter().copied().peekable();
    let mut statement = conn.prepare_cached(SELECT_NAMES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(ord) = wanted.next_if_eq(&row.get::<_, u32>(0)?) {
            names.push((Id::new(row.get::<_, String>(1)?).map_err(|_| damaged())?, ord));
        }
    }
    if wanted.peek().is_none() { Ok(names) } else { Err(damaged()) }
}

fn look_up_names(conn: &Connection, ords: &[u32]) -> Result<Vec<(Id, u32)>> {
    const SELECT_NAME: &str = "select user_id from usage_user_name where ord = :ord";
    let mut select = conn.prepare_cached(SELECT_NAME)?;
    let name = |ord: &u32| -> Result<(Id, u32)> {
        let text: Option<String> = select.query_row([ord], |row| row.get(0)).optional()?;
        // Erasing leaves control characters, which no id holds.
        Ok((text.and_then(|text| Id::new(text).ok()).ok_or_else(damaged)?, *ord))
    };
    ords.iter().map(name).collect()
}

/// The entries at these places of the sorted list.
fn smallest<T: Ord>(mut list: Vec<T>, places: Range<usize>) -> Vec<T> {
    if places.end < list.len() {
        list.select_nth_unstable(places.end);
        list.truncate(places.end);
    }
    list.sort_unstable();
    list.drain(..places.start.min(list.len()));
    list
}
