//! Grouping by user: the figures of every user of a range, by activity.
//!
//! A user is active or not, so most groups tie on their first figures. Sessions are counted for all users in one pass
//! over the range, users are counted by their sessions in another; names are read only for the ties that reach into the
//! page.

use std::cmp::Reverse;
use std::ops::Range;

use rusqlite::Connection;

use super::figures::{UsageSnapshot, cell_figures};
use super::idle_users::idle_users;
use super::lattice::Cell;
use super::sets::UserBits;
use super::totals::counts_in_total;
use super::user::User;
use super::user_sessions::sessions_by_user;
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
    is_active: bool,
}

impl Seen {
    fn rank(&self) -> Rank {
        Rank { active: self.is_active.into(), sessions: self.sessions.into() }
    }
}

/// How groups are ordered, ids apart: the greatest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    active: u64,
    sessions: u64,
}

/// All users in order, ids apart.
struct Ranking {
    range: DateRange,
    cell: Cell,
    /// The named users that were active.
    active: UserBits,
    /// By ord; 0 for erased users.
    sessions: Vec<u32>,
    /// The named users with sessions but no activity in the range: their matching events lie behind. Few.
    passive: Vec<u32>,
    /// Those of them that count in the total, ascending.
    passive_in_total: Vec<u32>,
    buckets: Buckets,
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
        let mut ranking = Ranking {
            range,
            cell,
            active,
            sessions: sessions_by_user(snapshot, range, cell)?,
            passive: vec![],
            passive_in_total: vec![],
            buckets: Buckets::new(),
            idle: 0,
            erased: None,
            erased_ords: load_erased(snapshot.conn)?,
        };
        let erased = ranking.take_erased(snapshot.conn)?;
        let (seen, sessions) = ranking.count_active();
        // What the active ones did not start, others did.
        let of_passive = all.total_sessions.checked_sub(erased.total_sessions + sessions).ok_or_else(damaged)?;
        if of_passive > 0 {
            ranking.find_passive(snapshot.conn)?;
        }
        let counted = erased.total_users + seen + ranking.passive_in_total.len() as u64;
        ranking.idle = all.total_users.checked_sub(counted).ok_or_else(damaged)?;
        ranking.erased = (erased != Figures::default()).then_some(erased);
        Ok(ranking)
    }

    /// Takes erased users out, and gives their sum.
    fn take_erased(&mut self, conn: &Connection) -> Result<Figures> {
        let mut sum = Figures::default();
        for ord in &self.erased_ords {
            let is_active = self.active.contains(*ord);
            sum.total_users += u64::from(is_active || passive_counts(conn, *ord, self.cell, self.range)?);
            sum.active_users += u64::from(is_active);
            sum.total_sessions += self.sessions.get_mut(*ord as usize).map_or(0, |n| u64::from(std::mem::take(n)));
            self.active.remove(*ord);
        }
        Ok(sum)
    }

    /// Returns how many there are, and their sessions.
    fn count_active(&mut self) -> (u64, u64) {
        let (mut users, mut sum) = (0, 0);
        for ord in self.active.iter() {
            let sessions = self.sessions[ord as usize];
            self.buckets.add(true, sessions);
            users += 1;
            sum += u64::from(sessions);
        }
        (users, sum)
    }

    fn find_passive(&mut self, conn: &Connection) -> Result<()> {
        for (ord, sessions) in (0..).zip(&self.sessions) {
            if *sessions > 0 && !self.active.contains(ord) {
                self.buckets.add(false, *sessions);
                self.passive.push(ord);
                if passive_counts(conn, ord, self.cell, self.range)? {
                    self.passive_in_total.push(ord);
                }
            }
        }
        Ok(())
    }

    fn seen_len(&self) -> u64 {
        self.buckets.len()
    }

    fn named_len(&self) -> u64 {
        self.seen_len() + self.idle
    }

    fn len(&self) -> u64 {
        self.named_len() + u64::from(self.erased.is_some())
    }

    /// How many named groups stand before the one without an id, which is the last of its ties.
    fn erased_at(&self) -> u64 {
        let Some(erased) = self.erased else { return self.named_len() };
        let rank = Rank { active: erased.active_users, sessions: erased.total_sessions };
        if rank == (Rank { active: 0, sessions: 0 }) {
            return self.named_len();
        }
        self.seen().filter(|user| user.rank() >= rank).count() as u64
    }

    /// In no order.
    fn seen(&self) -> impl Iterator<Item = Seen> {
        let seen = |is_active| move |ord| Seen { ord, sessions: self.sessions[ord as usize], is_active };
        self.active.iter().map(seen(true)).chain(self.passive.iter().copied().map(seen(false)))
    }

    /// The named groups at these places of their order.
    fn named(&self, snapshot: &UsageSnapshot, places: Range<u64>) -> Result<Vec<Group>> {
        let seen_len = self.seen_len();
        let mut groups = vec![];
        if places.start < places.end.min(seen_len) {
            groups = self.seen_groups(snapshot, places.start..places.end.min(seen_len))?;
        }
        if places.end > seen_len && places.end > places.start {
            let from = places.start.max(seen_len) - seen_len;
            groups.extend(self.idle_groups(snapshot, from as usize..(places.end - seen_len) as usize)?);
        }
        Ok(groups)
    }

    /// `places`: at least one, none behind the seen users.
    fn seen_groups(&self, snapshot: &UsageSnapshot, places: Range<u64>) -> Result<Vec<Group>> {
        let (buckets, before) = self.buckets.around(&places);
        let mut seen: Vec<Seen> =
            self.seen().filter(|user| buckets.contains(&Buckets::of(user.is_active, user.sessions))).collect();
        seen.sort_unstable_by_key(|user| (Reverse(user.rank()), user.ord));
        let (start, end) = ((places.start - before) as usize, (places.end - before) as usize);
        let mut groups = vec![];
        let mut first = 0;
        for ties in seen.chunk_by(|a, b| a.rank() == b.rank()) {
            let within = start.max(first)..end.min(first + ties.len());
            if within.start < within.end {
                groups.extend(self.tied(snapshot, ties, within.start - first..within.end - first)?);
            }
            first += ties.len();
        }
        Ok(groups)
    }

    /// Users of one rank are in order of their ids.
    fn tied(&self, snapshot: &UsageSnapshot, ties: &[Seen], places: Range<usize>) -> Result<Vec<Group>> {
        let ords: Vec<u32> = ties.iter().map(|user| user.ord).collect();
        let Seen { sessions, is_active, .. } = ties[0];
        let group = |(id, ord): (Id, u32)| {
            let in_total = is_active || self.passive_in_total.binary_search(&ord).is_ok();
            let figures = Figures {
                total_users: in_total.into(),
                active_users: is_active.into(),
                total_sessions: sessions.into(),
            };
            Group { id: Some(id), figures }
        };
        Ok(smallest(load_names(snapshot, &ords)?, places).into_iter().map(group).collect())
    }

    fn idle_groups(&self, snapshot: &UsageSnapshot, places: Range<usize>) -> Result<Vec<Group>> {
        let mut idle = idle_users(snapshot, self.range, self.cell, &self.active)?;
        let is_counted =
            |ord: &u32| self.sessions.get(*ord as usize) > Some(&0) || self.erased_ords.binary_search(ord).is_ok();
        idle.retain(|ord| !is_counted(ord));
        let named = smallest(load_names(snapshot, &idle)?, places);
        let figures = Figures { total_users: 1, ..Figures::default() };
        Ok(named.into_iter().map(|(id, _)| Group { id: Some(id), figures }).collect())
    }
}

/// How many users have so many sessions, so that a page finds its users without sorting all of them.
struct Buckets(Vec<u64>);

impl Buckets {
    /// Users with so many sessions or more share a bucket: they are few.
    const SESSIONS_MAX: u32 = 4_095;
    const LEN: usize = 2 * (Buckets::SESSIONS_MAX as usize + 1);

    fn new() -> Buckets {
        Buckets(vec![0; Buckets::LEN])
    }

    /// Lower buckets rank before higher ones.
    fn of(is_active: bool, sessions: u32) -> usize {
        let rank = (Buckets::SESSIONS_MAX + 1) * u32::from(is_active) + sessions.min(Buckets::SESSIONS_MAX);
        Buckets::LEN - 1 - rank as usize
    }

    fn add(&mut self, is_active: bool, sessions: u32) {
        self.0[Buckets::of(is_active, sessions)] += 1;
    }

    fn len(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The buckets that hold these places, and how many users rank before them.
    fn around(&self, places: &Range<u64>) -> (Range<usize>, u64) {
        let (mut first, mut before) = (0, 0);
        while before + self.0[first] <= places.start {
            before += self.0[first];
            first += 1;
        }
        let (mut end, mut counted) = (first, before);
        while counted < places.end {
            counted += self.0[end];
            end += 1;
        }
        (first..end, before)
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
        return ords.iter().map(|ord| Ok((User::name(conn, *ord)?.ok_or_else(damaged)?, *ord))).collect();
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
