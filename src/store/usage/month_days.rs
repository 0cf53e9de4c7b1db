//! The users of each day of a month in memory, the sparse days' in one piece: as a rule there are few of them, and many
//! such months.

use std::ops::Range;

use super::user_set::{SetView, UserSet, append};
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::damaged;

#[derive(Debug)]
pub struct MonthDays {
    month: Day,
    /// Ascending.
    days: Box<[OneDay]>,
    /// Of the sparse days, one behind the other.
    steps: Box<[u16]>,
    dense: Box<[UserSet]>,
}

#[derive(Debug)]
struct OneDay {
    /// Days since the month's first.
    offset: u8,
    is_dense: bool,
    users: u32,
    /// Sessions, less the users.
    extra: i32,
    /// Where its steps end, or its set.
    end: u32,
}

/// On the way to [`MonthDays`].
pub struct Days {
    month: Day,
    days: Vec<OneDay>,
    steps: Vec<u16>,
    dense: Vec<UserSet>,
}

impl Days {
    /// `month`: its first day.
    pub fn new(month: Day) -> Days {
        Days { month, days: vec![], steps: vec![], dense: vec![] }
    }

    /// A day behind the ones before, and its users, ascending.
    pub fn push(&mut self, day: Day, users: &[u32], sessions: i64) -> Result<()> {
        let offset = day.index().checked_sub(self.month.index()).and_then(|offset| u8::try_from(offset).ok());
        let offset = offset.filter(|offset| self.days.last().is_none_or(|last| last.offset < *offset));
        let dense = append(users, &mut self.steps);
        let is_dense = dense.is_some();
        self.dense.extend(dense);
        let end = if is_dense { self.dense.len() } else { self.steps.len() };
        let one = OneDay {
            offset: offset.ok_or_else(damaged)?,
            is_dense,
            users: u32::try_from(users.len()).map_err(|_| damaged())?,
            extra: i32::try_from(sessions - users.len() as i64).map_err(|_| damaged())?,
            end: u32::try_from(end).map_err(|_| damaged())?,
        };
        self.days.push(one);
        Ok(())
    }

    pub fn finish(self) -> MonthDays {
        MonthDays { month: self.month, days: self.days.into(), steps: self.steps.into(), dense: self.dense.into() }
    }
}

impl MonthDays {
    /// The places of the days of a range.
    pub fn within(&self, range: DateRange) -> Range<usize> {
        let place = |end: u32| self.days.partition_point(|one| self.month.index() + u32::from(one.offset) < end);
        place(range.start().index())..place(range.end().index() + 1)
    }

    pub fn sessions(&self, places: Range<usize>) -> i64 {
        self.days[places].iter().map(|one| i64::from(one.users) + i64::from(one.extra)).sum()
    }

    /// The sum over the days.
    pub fn users(&self, places: Range<usize>) -> u64 {
        self.days[places].iter().map(|one| u64::from(one.users)).sum()
    }

    pub fn sets(&self, places: Range<usize>) -> impl Iterator<Item = SetView<'_>> {
        let end = |is_dense| {
            let before = self.days[..places.start].iter().rev().find(|one| one.is_dense == is_dense);
            before.map_or(0, |one| one.end as usize)
        };
        let mut ends = [end(false), end(true)];
        self.days[places.clone()].iter().map(move |one| {
            let start = std::mem::replace(&mut ends[usize::from(one.is_dense)], one.end as usize);
            match one.is_dense {
                true => self.dense[start].view(),
                false => SetView::of_steps(&self.steps[start..one.end as usize], one.users),
            }
        })
    }

    /// In memory, what stands elsewhere than in the value itself.
    pub fn bytes(&self) -> usize {
        let dense: usize = self.dense.iter().map(|set| size_of::<UserSet>() + set.bytes()).sum();
        size_of_val(&*self.days) + size_of_val(&*self.steps) + dense
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::sets::UserBits;
    use super::super::user_set::unite;
    use super::*;

    fn users() -> impl Strategy<Value = BTreeSet<u32>> {
        prop_oneof![
            proptest::collection::btree_set(0..200_000u32, 0..9),
            (0..1_000u32, 1..300u32).prop_map(|(start, len)| (start..start + len).collect()),
        ]
    }

    proptest! {
        #[test]
        fn any_days_of_a_month_are_found_with_their_users(
            days in proptest::collection::btree_map(0..31u32, (users(), -3..40i64), 0..12),
            (first, len) in (0..31u32, 0..31u32),
        ) {
            let month = Day::from_ymd(2024, 5, 1).unwrap();
            let day = |offset: u32| Day::from_index(month.index() + offset).unwrap();
            let mut kept = Days::new(month);
            for (offset, (users, extra)) in &days {
                let users: Vec<u32> = users.iter().copied().collect();
                kept.push(day(*offset), &users, users.len() as i64 + extra)?;
            }
            let kept = kept.finish();
            let places = kept.within(DateRange::new(day(first), day(first + len)).unwrap());
            let within: BTreeMap<_, _> = days.range(first..=first + len).collect();
            prop_assert_eq!(places.len(), within.len());
            prop_assert_eq!(kept.users(places.clone()), within.values().map(|(users, _)| users.len() as u64).sum::<u64>());
            let sessions = within.values().map(|(users, extra)| users.len() as i64 + extra).sum::<i64>();
            prop_assert_eq!(kept.sessions(places.clone()), sessions);
            for (set, (users, _)) in kept.sets(places).zip(within.values()) {
                let mut bits = UserBits::new(200_000);
                unite([set], &mut bits)?;
                prop_assert_eq!((set.len(), bits.iter().collect::<BTreeSet<u32>>()), (users.len() as u64, users.clone()));
            }
        }
    }

    #[test]
    fn a_day_of_a_few_users_takes_little_more_than_they_do() {
        let month = Day::from_ymd(2024, 5, 1).unwrap();
        let mut days = Days::new(month);
        for offset in 0..31 {
            let users: Vec<u32> = (0..20).map(|n| n * 50_000 + offset).collect();
            days.push(Day::from_index(month.index() + offset).unwrap(), &users, 20).unwrap();
        }
        assert!(days.finish().bytes() <= 31 * (20 * 2 + 16));
        let mut days = Days::new(month);
        assert!(days.push(Day::from_ymd(2024, 4, 30).unwrap(), &[1], 1).is_err());
        assert!(days.push(month, &[1], 1).is_ok() && days.push(month, &[1], 1).is_err());
    }
}
