//! Grouping by user: the figures of every user of a range, by activity.
//!
//! A user is active or not, so most groups tie on their first figures. Sessions are counted for all users in one pass
//! over the range; names are read only for the ties that reach into the page.

use std::cmp::Reverse;
use std::ops::Range;

use rusqlite::Connection;

use super::explicit::ExplicitSession;
use super::figures::{UsageSnapshot, cell_figures};
use super::lattice::Cell;
use super::sets::UserBits;
use super::totals::counts_in_total;
use super::user::User;
use super::user_day::UserDay;
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
struct Seen {
    ord: u32,
    sessions: u32,
    is_active: bool,
    counts_in_total: bool,
}

impl Seen {
    fn figures(&self) -> Figures {
        Figures {
            total_users: u64::from(self.counts_in_total),
            active_users: u64::from(self.is_active),
            total_sessions: u64::from(self.sessions),
        }
    }
}

/// Orders figures as groups are ordered, ids apart.
fn rank(figures: &Figures) -> (Reverse<u64>, Reverse<u64>) {
    (Reverse(figures.active_users), Reverse(figures.total_sessions))
}

/// All users in order, ids apart.
struct Ranking {
    range: DateRange,
    cell: Cell,
    seen: Vec<Seen>,
    /// How many more users merely count in the total.
    idle: u64,
    /// The sum over erased users; None if it is all zeros.
    erased: Option<Figures>,
    erased_ords: Vec<u32>,
}

impl Ranking {
    fn load(snapshot: &UsageSnapshot, range: DateRange, cell: Cell) -> Result<Ranking> {
        let irregular = User::irregular_before(snapshot.conn, range.start())?;
        let mut active = UserBits::new(snapshot.overlay.ord_end);
        let total = cell_figures(snapshot, cell, range, &irregular, &mut active)?.total_users;
        let sessions = sessions_by_user(snapshot, range, cell)?;

        let erased_ords = load_erased(snapshot.conn)?;
        let mut erased = Figures::default();
        for ord in &erased_ords {
            let (is_active, sessions) = (active.contains(*ord), sessions.get(*ord as usize).copied().unwrap_or(0));
            let user = User::load(snapshot.conn, *ord)?;
            let in_total = user.is_some_and(|user| counts_in_total(&user, cell, range, is_active));
            erased.total_users += u64::from(in_total);
            erased.active_users += u64::from(is_active);
            erased.total_sessions += u64::from(sessions);
        }

        let mut seen = vec![];
        for (ord, sessions) in (0..).zip(sessions) {
            let is_active = active.contains(ord);
            if (is_active || sessions > 0) && erased_ords.binary_search(&ord).is_err() {
                let counts_in_total = is_active || passive_counts(snapshot.conn, ord, cell, range)?;
                seen.push(Seen { ord, sessions, is_active, counts_in_total });
            }
        }
        seen.sort_unstable_by_key(|user| (rank(&user.figures()), user.ord));
        let seen_in_total = seen.iter().filter(|user| user.counts_in_total).count() as u64;
        let idle = total.checked_sub(erased.total_users + seen_in_total).ok_or_else(damaged)?;
        let erased = (erased != Figures::default()).then_some(erased);
        Ok(Ranking { range, cell, seen, idle, erased, erased_ords })
    }

    fn named_len(&self) -> u64 {
        self.seen.len() as u64 + self.idle
    }

    fn len(&self) -> u64 {
        self.named_len() + u64::from(self.erased.is_some())
    }

    /// How many named groups stand before the one without an id, which is the last of its ties.
    fn erased_at(&self) -> u64 {
        let Some(erased) = self.erased else { return self.named_len() };
        if rank(&erased) == rank(&Figures::default()) {
            return self.named_len();
        }
        self.seen.partition_point(|user| rank(&user.figures()) <= rank(&erased)) as u64
    }

    /// The named groups at these places of their order.
    fn named(&self, snapshot: &UsageSnapshot, places: Range<u64>) -> Result<Vec<Group>> {
        let seen_len = self.seen.len() as u64;
        let (start, end) = (places.start.min(seen_len) as usize, places.end.min(seen_len) as usize);
        let mut groups = vec![];
        let mut at = start;
        while at < end {
            let key = rank(&self.seen[at].figures());
            let ties = self.seen.partition_point(|user| rank(&user.figures()) < key)
                ..self.seen.partition_point(|user| rank(&user.figures()) <= key);
            groups.extend(self.tied(
                snapshot,
                &self.seen[ties.clone()],
                at - ties.start..end.min(ties.end) - ties.start,
            )?);
            at = ties.end;
        }
        if places.end > seen_len && places.end > places.start {
            let from = places.start.max(seen_len) - seen_len;
            groups.extend(self.idle_groups(snapshot, from as usize..(places.end - seen_len) as usize)?);
        }
        Ok(groups)
    }

    /// Users of one rank are in order of their ids.
    fn tied(&self, snapshot: &UsageSnapshot, ties: &[Seen], places: Range<usize>) -> Result<Vec<Group>> {
        let mut ords = UserBits::new(snapshot.overlay.ord_end);
        ties.iter().try_for_each(|user| ords.insert(user.ord))?;
        let named = smallest(load_names(snapshot, &ords)?, places);
        let figures = |ord: u32| {
            let at = ties.binary_search_by_key(&ord, |user| user.ord).expect("names are those of the ties");
            ties[at].figures()
        };
        Ok(named.into_iter().map(|(id, ord)| Group { id: Some(id), figures: figures(ord) }).collect())
    }

    fn idle_groups(&self, snapshot: &UsageSnapshot, places: Range<usize>) -> Result<Vec<Group>> {
        let mut idle = UserBits::new(snapshot.overlay.ord_end);
        User::for_each(snapshot.conn, |user| {
            let counts = counts_in_total(&user, self.cell, self.range, false);
            if counts { idle.insert(user.ord) } else { Ok(()) }
        })?;
        let seen = self.seen.iter().map(|user| &user.ord);
        seen.chain(&self.erased_ords).for_each(|ord| idle.remove(*ord));
        let named = smallest(load_names(snapshot, &idle)?, places);
        let figures = Figures { total_users: 1, ..Figures::default() };
        Ok(named.into_iter().map(|(id, _)| Group { id: Some(id), figures }).collect())
    }
}

/// Sessions that started in the range and touch the cell, by ord.
pub(super) fn sessions_by_user(snapshot: &UsageSnapshot, range: DateRange, cell: Cell) -> Result<Vec<u32>> {
    let mut sessions = vec![0u32; snapshot.overlay.ord_end as usize];
    let mut add = |ord: u32, n: u64| {
        let count = sessions.get_mut(ord as usize).ok_or_else(damaged)?;
        *count = count.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        Ok(())
    };
    let mut present = UserBits::new(snapshot.overlay.ord_end);
    UserDay::for_each(snapshot.conn, range, |_, ord, user_day| {
        present.insert(ord)?;
        add(ord, user_day.sessions_touching(cell))
    })?;
    let counts = |session: &ExplicitSession| range.contains(session.start_at.day()) && session.touches(cell);
    if is_few(&present, snapshot) {
        // Whoever started a session was there.
        for ord in present.iter() {
            let of_user = ExplicitSession::of_user(snapshot.conn, ord)?;
            add(ord, of_user.iter().filter(|session| counts(session)).count() as u64)?;
        }
    } else {
        ExplicitSession::for_each(snapshot.conn, |ord, session| add(ord, u64::from(counts(&session))))?;
    }
    Ok(sessions)
}

/// Whether to look users up one by one: a row looked up costs as much as some eight in passing.
fn is_few(ords: &UserBits, snapshot: &UsageSnapshot) -> bool {
    ords.count() < u64::from(snapshot.overlay.ord_end / 8)
}

/// Whether a user with sessions but no activity in the range counts in the total: its matching events lie behind.
fn passive_counts(conn: &Connection, ord: u32, cell: Cell, range: DateRange) -> Result<bool> {
    Ok(User::load(conn, ord)?.is_some_and(|user| counts_in_total(&user, cell, range, false)))
}

/// Erasing leaves control characters, which sort before every id.
fn load_erased(conn: &Connection) -> Result<Vec<u32>> {
    const SELECT_ERASED: &str = "select ord from usage_user_name where user_id < ' ' order by ord";
    conn.prepare_cached(SELECT_ERASED)?.query_and_then([], |row| Ok(row.get(0)?))?.collect()
}

/// The ids of users that are not erased.
fn load_names(snapshot: &UsageSnapshot, ords: &UserBits) -> Result<Vec<(Id, u32)>> {
    const SELECT_NAMES: &str = "select ord, user_id from usage_user_name";
    let conn = snapshot.conn;
    if is_few(ords, snapshot) {
        let name = |ord| Ok((User::name(conn, ord)?.ok_or_else(damaged)?, ord));
        return ords.iter().map(name).collect();
    }
    let mut names = Vec::with_capacity(ords.count() as usize);
    let mut statement = conn.prepare_cached(SELECT_NAMES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let ord = row.get(0)?;
        if ords.contains(ord) {
            names.push((Id::new(row.get::<_, String>(1)?).map_err(|_| damaged())?, ord));
        }
    }
    Ok(names)
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
