//! total_users: how many users a scope holds, from the counts of those that enter and leave it.
//!
//! In scope by the range's end, less those that left before its start. Users that were active or registered after
//! their deactivation (irregular ones) are in no count of leavers: each is looked at by itself.

use rusqlite::named_params;

use super::delta::CountKind;
use super::figures::UsageSnapshot;
use super::lattice::{Cell, CellKey, Level};
use super::node::summable;
use super::overlay::key_after;
use super::sets::UserBits;
use super::user::User;
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::damaged;

/// `irregular`: users as [`User::irregular_before`] the range's start. `active`: who was active in it under the cell.
pub fn total_users(
    snapshot: &UsageSnapshot,
    cell: Cell,
    range: DateRange,
    irregular: &[User],
    active: &UserBits,
) -> Result<u64> {
    let entered = count_until(snapshot, CountKind::Entered, cell, range.end())?;
    let left = match range.start().previous() {
        Some(eve) => count_until(snapshot, CountKind::Left, cell, eve)?,
        None => 0,
    };
    let absent = |user: &&User| is_in_scope(user, cell, range.end()) && !active.contains(user.ord);
    let absent = irregular.iter().filter(absent).count();
    u64::try_from(entered - left - absent as i64).map_err(|_| damaged())
}

/// Whether the user counts in total_users, given whether it was active in the range under the cell.
pub fn counts_in_total(user: &User, cell: Cell, range: DateRange, is_active: bool) -> bool {
    let has_left = user.deactivated_at.is_some_and(|at| at.day() < range.start());
    is_in_scope(user, cell, range.end()) && (is_active || !has_left)
}

fn is_in_scope(user: &User, cell: Cell, end: Day) -> bool {
    user.enters(cell).is_some_and(|day| day <= end)
}

/// total_users of each of some periods that follow each other without a gap.
pub fn total_users_by_period(snapshot: &UsageSnapshot, cell: Cell, periods: &[DateRange]) -> Result<Vec<u64>> {
    if periods.is_empty() {
        return Ok(vec![]);
    }
    let range = whole(periods);
    let entered = Running::load(snapshot, CountKind::Entered, cell, range)?;
    let left = Running::load(snapshot, CountKind::Left, cell, range)?;
    let absent = absent_by_period(snapshot, cell, periods)?;
    let total = |(period, absent): (&DateRange, i64)| {
        let left = period.start().previous().map_or(0, |eve| left.until(eve));
        u64::try_from(entered.until(period.end()) - left - absent).map_err(|_| damaged())
    };
    periods.iter().zip(absent).map(total).collect()
}

/// From the start of the first to the end of the last.
fn whole(periods: &[DateRange]) -> DateRange {
    let (first, last) = (periods[0], periods[periods.len() - 1]);
    DateRange::new(first.start(), last.end()).expect("periods follow each other")
}

/// How many irregular users are in scope but deactivated before the period and not active in it, for each period.
fn absent_by_period(snapshot: &UsageSnapshot, cell: Cell, periods: &[DateRange]) -> Result<Vec<i64>> {
    // Changes from one period to the next; summed up at the end.
    let mut changes = vec![0; periods.len() + 1];
    let last = periods[periods.len() - 1];
    for user in User::irregular_before(snapshot.conn, last.start())? {
        let (Some(entered), Some(left)) = (user.enters(cell), user.deactivated_at) else { continue };
        let first_absent = periods.partition_point(|period| period.start() <= left.day() || period.end() < entered);
        changes[first_absent] += 1;
        let mut active = active_periods(snapshot, &user, cell, periods)?;
        active.retain(|period| *period >= first_absent);
        for period in active {
            changes[period] -= 1;
            changes[period + 1] += 1;
        }
    }
    let mut absent = 0;
    Ok(changes[..periods.len()]
        .iter()
        .map(|change| {
            absent += change;
            absent
        })
        .collect())
}

/// The indices of the periods behind the user's deactivation in which it was active under the cell; each once.
fn active_periods(snapshot: &UsageSnapshot, user: &User, cell: Cell, periods: &[DateRange]) -> Result<Vec<usize>> {
    let left = user.deactivated_at.map(|at| at.day());
    let range = whole(periods);
    let mut active = vec![];
    for one in snapshot.overlay.history(snapshot.conn, user.ord)?.uses(cell, range)? {
        let period = periods.partition_point(|period| period.end() < one.day);
        let counts = one.is_active && Some(one.day) > left && periods.get(period).is_some();
        if counts && active.last() != Some(&period) {
            active.push(period);
        }
    }
    Ok(active)
}

/// The sum of a count over all days up to and including `end`.
fn count_until(snapshot: &UsageSnapshot, kind: CountKind, cell: Cell, end: Day) -> Result<i64> {
    const SUM_COUNTS: &str =
        "select coalesce(sum(n), 0) from usage_count where kind = :kind and key >= :from and key < :to";
    let mut statement = snapshot.conn.prepare_cached(SUM_COUNTS)?;
    let mut sum = |from: CellKey, to: CellKey| {
        let bounds = named_params! {":kind": kind as i64, ":from": from.to_sql(), ":to": to.to_sql()};
        statement.query_row(bounds, |row| row.get::<_, i64>(0))
    };
    let year = end.year_start();
    let years_before = sum(cell.key(Level::Year, Day::MIN), cell.key(Level::Year, year))?;
    let of_the_year = sum(cell.key(Level::Day, year), key_after(cell.key(Level::Day, end)))?;
    let until = DateRange::new(Day::MIN, end).expect("no day lies before the first");
    Ok(years_before + of_the_year + snapshot.overlay.count(kind, cell, until))
}

/// A count summed up day by day over a range.
struct Running {
    before: i64,
    /// The sum since the range's start up to and including each day on which it changes.
    sums: Vec<(Day, i64)>,
}

impl Running {
    fn load(snapshot: &UsageSnapshot, kind: CountKind, cell: Cell, range: DateRange) -> Result<Running> {
        const SELECT_COUNTS: &str = "select key, n from usage_count where kind = :kind and key between :from and :to";
        let before = match range.start().previous() {
            Some(eve) => count_until(snapshot, kind, cell, eve)?,
            None => 0,
        };
        let mut sums = vec![];
        let mut statement = snapshot.conn.prepare_cached(SELECT_COUNTS)?;
        let mut rows = statement.query(named_params! {
            ":kind": kind as i64,
            ":from": cell.key(Level::Day, range.start()).to_sql(),
            ":to": cell.key(Level::Day, range.end()).to_sql(),
        })?;
        while let Some(row) = rows.next()? {
            sums.push((CellKey::from_sql(row.get(0)?).day(), summable(row.get(1)?)?));
        }
        snapshot.overlay.for_each_count(kind, cell, range, |day, n| sums.push((day, n)));
        sums.sort_unstable();
        let mut sum = 0;
        for (_, n) in &mut sums {
            sum += *n;
            *n = sum;
        }
        Ok(Running { before, sums })
    }

    /// `day`: not before the eve of the range, nor behind its end.
    fn until(&self, day: Day) -> i64 {
        let at = self.sums.partition_point(|(changed, _)| *changed <= day);
        self.before + at.checked_sub(1).map_or(0, |last| self.sums[last].1)
    }
}
