//! total_users: how many users a scope holds, from the counts of those that enter and leave it.
//!
//! In scope by the range's end, less those that left before its start. Users that were active or registered after
//! their deactivation (irregular ones) are in no count of leavers: each is looked at by itself.

use std::sync::Arc;

use rusqlite::Connection;

use super::counts;
use super::delta::CountKind;
use super::figures::UsageSnapshot;
use super::gather::Source;
use super::lattice::Cell;
use super::span::{Span, SpanKey, SpanKind};
use super::user::User;
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::damaged;

/// `irregular`: users as [`User::irregular_before`] the range's start. `is_active`: whether a user was so in the range under
/// the cell. None if something is not in memory.
pub fn total_users(
    source: &Source,
    cell: Cell,
    range: DateRange,
    irregular: &[User],
    is_active: impl Fn(u32) -> bool,
) -> Result<Option<u64>> {
    let Some(entered) = count_until(source, CountKind::Entered, cell, range.end())? else { return Ok(None) };
    let left = match range.start().previous() {
        Some(eve) => count_until(source, CountKind::Left, cell, eve)?,
        None => Some(0),
    };
    let Some(left) = left else { return Ok(None) };
    let absent = |user: &&User| is_in_scope(user, cell, range.end()) && !is_active(user.ord);
    let absent = irregular.iter().filter(absent).count();
    u64::try_from(entered - left - absent as i64).map(Some).map_err(|_| damaged())
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
    let Some(last) = periods.last() else { return Ok(vec![]) };
    let source = snapshot.source();
    let entered = Running::load(&source, CountKind::Entered, cell, last.end())?;
    let left = Running::load(&source, CountKind::Left, cell, last.end())?;
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
    let irregular = snapshot.source().irregular_before(last.start())?.ok_or_else(damaged)?;
    for user in irregular.iter() {
        let (Some(entered), Some(left)) = (user.enters(cell), user.deactivated_at) else { continue };
        let first_absent = periods.partition_point(|period| period.start() <= left.day() || period.end() < entered);
        changes[first_absent] += 1;
        let mut active = active_periods(snapshot, user, cell, periods)?;
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

/// The sum of a count over all days up to and including `end`. None if it is not in memory.
fn count_until(source: &Source, kind: CountKind, cell: Cell, end: Day) -> Result<Option<i64>> {
    let Some(span) = source.span(cell, SpanKey::over_all(SpanKind::Count(kind)))? else { return Ok(None) };
    let folded = if let Span::Sums(sums) = &*span { sum_until(sums, end) } else { 0 };
    let until = DateRange::new(Day::MIN, end).expect("no day lies before the first");
    Ok(Some(folded + source.overlay.count(kind, cell, until)))
}

/// The last of the sums up to and including a day; 0 before the first.
fn sum_until(sums: &[(Day, i64)], day: Day) -> i64 {
    let end = sums.partition_point(|(changed, _)| *changed <= day);
    end.checked_sub(1).map_or(0, |last| sums[last].1)
}

/// What is folded of a count: its sum up to and including each day on which it changes.
pub(super) fn load_sums(conn: &Connection, kind: CountKind, cell: Cell) -> Result<Box<[(Day, i64)]>> {
    Ok(summed_up(counts::load(conn, kind, cell)?))
}

/// Changes by day, ascending, as sums.
fn summed_up(mut changes: Vec<(Day, i64)>) -> Box<[(Day, i64)]> {
    let mut sum = 0i64;
    for (_, n) in &mut changes {
        sum += *n;
        *n = sum;
    }
    changes.into_boxed_slice()
}

/// A count summed up day by day over a range.
struct Running {
    folded: Arc<Span>,
    /// Of what is not folded yet.
    pending: Box<[(Day, i64)]>,
}

impl Running {
    fn load(source: &Source, kind: CountKind, cell: Cell, end: Day) -> Result<Running> {
        let folded = source.span(cell, SpanKey::over_all(SpanKind::Count(kind)))?.ok_or_else(damaged)?;
        let until = DateRange::new(Day::MIN, end).expect("no day lies before the first");
        let mut pending = vec![];
        source.overlay.for_each_count(kind, cell, until, |day, n| pending.push((day, n)));
        pending.sort_unstable();
        Ok(Running { folded, pending: summed_up(pending) })
    }

    /// `day`: not behind the end.
    fn until(&self, day: Day) -> i64 {
        let folded = if let Span::Sums(sums) = &*self.folded { sum_until(sums, day) } else { 0 };
        folded + sum_until(&self.pending, day)
    }
}
