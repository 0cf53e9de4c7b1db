//! The users of each day of a month in memory, those of days with few of them in one piece: many cells have few.

use std::ops::Range;

use super::sets::UserBits;
use super::user_set::UserSet;
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::damaged;

/// With fewer users than this for each 65,536 ords, a day is a list.
const USERS_OF_SET_MIN: u32 = 8;
/// A step that leads so far on, but to no user: the rest follows.
const STEP_ON: u16 = u16::MAX;

#[derive(Debug)]
pub struct MonthDays {
    month: Day,
    /// Ascending.
    days: Box<[OneDay]>,
    /// Of the lists, one behind the other: from each ord to the next, the first of a day counted from 0.
    steps: Box<[u16]>,
    sets: Box<[UserSet]>,
}

#[derive(Debug)]
struct OneDay {
    /// Days since the month's first.
    offset: u8,
    is_list: bool,
    users: u32,
    /// Sessions, less the users.
    extra: i32,
    /// Where its steps end, or its set stands.
    end: u32,
}

/// The few users of a day.
pub struct DayList<'a> {
    steps: &'a [u16],
    users: u32,
}

/// On the way to [`MonthDays`].
pub struct Days {
    month: Day,
    /// Days with fewer users are lists.
    users_of_set_min: usize,
    days: Vec<OneDay>,
    steps: Vec<u16>,
    sets: Vec<UserSet>,
}

impl Days {
    /// `month`: its first day. `ord_end`: one more than the highest ord given.
    pub fn new(month: Day, ord_end: u32) -> Days {
        let users_of_set_min = (USERS_OF_SET_MIN * ((ord_end >> u16::BITS) + 1)) as usize;
        Days { month, users_of_set_min, days: vec![], steps: vec![], sets: vec![] }
    }

    /// A day behind the ones before, and its users, ascending.
    pub fn push(&mut self, day: Day, users: &[u32], sessions: i64) -> Result<()> {
        let offset = day.index().checked_sub(self.month.index()).and_then(|offset| u8::try_from(offset).ok());
        let offset = offset.filter(|offset| self.days.last().is_none_or(|last| last.offset < *offset));
        let is_list = users.len() < self.users_of_set_min;
        let end = match is_list {
            true => {
                put_steps(users, &mut self.steps);
                self.steps.len()
            }
            false => {
                self.sets.push(UserSet::new(users));
                self.sets.len() - 1
            }
        };
        let one = OneDay {
            offset: offset.ok_or_else(damaged)?,
            is_list,
            users: u32::try_from(users.len()).map_err(|_| damaged())?,
            extra: i32::try_from(sessions - users.len() as i64).map_err(|_| damaged())?,
            end: u32::try_from(end).map_err(|_| damaged())?,
        };
        self.days.push(one);
        Ok(())
    }

    pub fn finish(self) -> MonthDays {
        MonthDays { month: self.month, days: self.days.into(), steps: self.steps.into(), sets: self.sets.into() }
    }
}

fn put_steps(users: &[u32], steps: &mut Vec<u16>) {
    let mut previous = 0;
    for ord in users {
        let mut step = ord - previous;
        while step >= u32::from(STEP_ON) {
            steps.push(STEP_ON);
            step -= u32::from(STEP_ON);
        }
        steps.push(step as u16);
        previous = *ord;
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

    /// Of the days with many users.
    pub fn sets(&self, places: Range<usize>) -> impl Iterator<Item = &UserSet> {
        let days = self.days[places].iter().filter(|one| !one.is_list);
        days.map(|one| &self.sets[one.end as usize])
    }

    /// Of the days with few.
    pub fn lists(&self, places: Range<usize>) -> impl Iterator<Item = DayList<'_>> {
        let before = self.days[..places.start].iter().rev().find(|one| one.is_list);
        let mut start = before.map_or(0, |one| one.end as usize);
        self.days[places].iter().filter(|one| one.is_list).map(move |one| {
            let steps = &self.steps[std::mem::replace(&mut start, one.end as usize)..one.end as usize];
            DayList { steps, users: one.users }
        })
    }

    /// In memory, what stands elsewhere than in the value itself.
    pub fn bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|set| size_of::<UserSet>() + set.bytes()).sum();
        size_of_val(&*self.days) + size_of_val(&*self.steps) + sets
    }
}

impl DayList<'_> {
    pub fn len(&self) -> u64 {
        self.users.into()
    }

    /// Errors if the bitset has no room for one of them: an ord that was never given.
    pub fn insert_into(&self, bits: &mut UserBits) -> Result<()> {
        self.places().try_for_each(|(is_user, ord)| bits.insert_if(is_user, ord))
    }

    /// Gives how many were in it.
    pub fn take_out_of(&self, bits: &mut UserBits) -> u64 {
        self.places().map(|(is_user, ord)| bits.take_if(is_user, ord)).sum()
    }

    /// Where the steps lead, and whether to a user: among a million a fourth of a day's twenty do not.
    fn places(&self) -> impl Iterator<Item = (bool, u32)> {
        let mut at = 0u32;
        self.steps.iter().map(move |step| {
            at = at.wrapping_add(u32::from(*step));
            (*step != STEP_ON, at)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::user_set::{take_out, unite};
    use super::*;

    fn users() -> impl Strategy<Value = BTreeSet<u32>> {
        prop_oneof![
            proptest::collection::btree_set(0..200_000u32, 0..60),
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
            let mut kept = Days::new(month, 200_000);
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
            let mut bits = UserBits::new(200_000);
            unite(kept.sets(places.clone()), &mut bits)?;
            kept.lists(places.clone()).try_for_each(|list| list.insert_into(&mut bits))?;
            let wanted: BTreeSet<u32> = within.values().flat_map(|(users, _)| users).copied().collect();
            prop_assert_eq!(bits.iter().collect::<BTreeSet<u32>>(), wanted.clone());
            if let Some(taken) = take_out(kept.sets(places.clone()), &mut bits) {
                let listed: u64 = kept.lists(places).map(|list| list.take_out_of(&mut bits)).sum();
                prop_assert_eq!((taken + listed, bits.count()), (wanted.len() as u64, 0));
            }
        }
    }

    #[test]
    fn a_day_of_a_few_users_takes_little_more_than_they_do() {
        let month = Day::from_ymd(2024, 5, 1).unwrap();
        let mut days = Days::new(month, 1_000_000);
        for offset in 0..31 {
            let users: Vec<u32> = (0..20).map(|n| n * 50_000 + offset).collect();
            days.push(Day::from_index(month.index() + offset).unwrap(), &users, 20).unwrap();
        }
        assert!(days.finish().bytes() <= 31 * (20 * 2 + 16));
        let mut days = Days::new(month, 1_000_000);
        assert!(days.push(Day::from_ymd(2024, 4, 30).unwrap(), &[1], 1).is_err());
        assert!(days.push(month, &[1], 1).is_ok() && days.push(month, &[1], 1).is_err());
    }
}
