//! The figures of each period of a range.

use super::figures::{Selection, UsageSnapshot, collect};
use super::lattice::Cell;
use super::node;
use super::sets::UserBits;
use super::totals::total_users_by_period;
use crate::error::Result;
use crate::model::{DateRange, Day, Figures, Interval, Period, UsageFilter};
use crate::store::varint::damaged;

/// One entry per period of the range, in order, none left out.
pub fn series(
    snapshot: &UsageSnapshot,
    range: DateRange,
    filter: &UsageFilter,
    interval: Interval,
) -> Result<Vec<Period>> {
    let periods: Vec<DateRange> = range.periods(interval).collect();
    let figures = match Selection::of(snapshot, filter)? {
        Selection::Nothing => vec![Figures::default(); periods.len()],
        Selection::User(user, cell) => user.series(cell, &periods)?,
        Selection::Everyone(cell) => cell_series(snapshot, cell, range, interval, &periods)?,
    };
    Ok(periods.into_iter().zip(figures).map(|(range, figures)| Period { range, figures }).collect())
}

fn cell_series(
    snapshot: &UsageSnapshot,
    cell: Cell,
    range: DateRange,
    interval: Interval,
    periods: &[DateRange],
) -> Result<Vec<Figures>> {
    let mut figures = match interval {
        Interval::Day => activity_by_day(snapshot, cell, range)?,
        Interval::Week | Interval::Month => activity_by_period(snapshot, cell, periods)?,
    };
    let totals = total_users_by_period(snapshot, cell, periods)?;
    for (figures, total_users) in figures.iter_mut().zip(totals) {
        figures.total_users = total_users;
    }
    Ok(figures)
}

/// A day's users are counted where it was folded: no set needs to be unpacked.
fn activity_by_day(snapshot: &UsageSnapshot, cell: Cell, range: DateRange) -> Result<Vec<Figures>> {
    let mut sums = vec![(0i64, 0i64); range.days() as usize];
    let index = |day: Day| (day.index() - range.start().index()) as usize;
    node::for_each_day(snapshot.conn, cell, range, |day, users, sessions| {
        sums[index(day)] = (users as i64, sessions);
    })?;
    snapshot.overlay.for_each_user(cell, range, |day, _, n| {
        // A user who is there and a session that starts, unless its extra says otherwise.
        sums[index(day)].0 += n;
        sums[index(day)].1 += n;
    });
    snapshot.overlay.for_each_extra(cell, range, |day, _, n| sums[index(day)].1 += n);
    let count = |n: i64| u64::try_from(n).map_err(|_| damaged());
    sums.into_iter()
        .map(|(users, sessions)| {
            Ok(Figures { total_users: 0, active_users: count(users)?, total_sessions: count(sessions)? })
        })
        .collect()
}

fn activity_by_period(snapshot: &UsageSnapshot, cell: Cell, periods: &[DateRange]) -> Result<Vec<Figures>> {
    let mut bits = UserBits::new(snapshot.overlay.ord_end);
    let mut activity = |period: &DateRange| {
        let total_sessions = collect(snapshot, cell, *period, &mut bits)?;
        Ok(Figures { total_users: 0, active_users: bits.count(), total_sessions })
    };
    periods.iter().map(&mut activity).collect()
}
