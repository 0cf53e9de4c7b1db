//! Sessions of each user, from the rollups alone: the days on which it was active, and what its extras add.
//!
//! They are counted in a byte a user, so that a million users' fit the processor's second cache; what does not fit a byte
//! stands beside. Whole years and quarters are kept as they were counted ([`super::span`]) where they are dense.

use std::collections::HashMap;

use super::day_users::for_each_extra;
use super::figures::UsageSnapshot;
use super::gather::Source;
use super::lattice::Cell;
use super::node;
use super::node_reads::clip;
use super::sets::{self, UserBits};
use super::span::{Span, SpanKey, SpanKind};
use crate::error::Result;
use crate::model::DateRange;
use crate::store::varint::damaged;

/// What stands in a user's byte if it has so many sessions or more.
pub const MANY: u8 = u8::MAX;
/// Bytes that are looked at together: those of a word of [`UserBits`].
pub const BLOCK: usize = u64::BITS as usize;
/// Counts are kept where there is an active day of somebody for so many bytes at the least: adding them takes no longer
/// than adding those days.
const BYTES_PER_USER_DAY: usize = 8;

/// Sessions by ord.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionCounts {
    /// [`MANY`] at the most.
    bytes: Box<[u8]>,
    /// Of those with more than [`MANY`].
    many: HashMap<u32, u32>,
    /// Ascending. Whoever has sessions in the range but no active day is among them.
    perhaps_passive: Box<[u32]>,
}

impl SessionCounts {
    #[cfg(test)]
    pub fn of_all(sessions: impl Iterator<Item = u32>) -> SessionCounts {
        let sessions: Vec<u32> = sessions.collect();
        let mut sums = Sums::new(sessions.len() as u32);
        for (ord, n) in (0..).zip(sessions) {
            sums.add_beyond(ord, n.into()).unwrap();
        }
        sums.finish().unwrap()
    }

    /// At most [`MANY`] of each.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// None for an ord that was never given.
    pub fn of(&self, ord: u32) -> Option<u32> {
        let byte = *self.bytes.get(ord as usize)?;
        let more = if byte == MANY { self.many.get(&ord) } else { None };
        Some(more.copied().unwrap_or(byte.into()))
    }

    /// Takes a user's out, and gives them.
    pub fn take(&mut self, ord: u32) -> u32 {
        let sessions = self.of(ord).unwrap_or(0);
        if sessions > 0 {
            self.bytes[ord as usize] = 0;
            self.many.remove(&ord);
        }
        sessions
    }

    /// How many users have so many or more; `least`: not 0.
    pub fn users_from(&self, least: u64) -> u64 {
        match u8::try_from(least) {
            Ok(least) => self.bytes.iter().filter(|byte| **byte >= least).count() as u64,
            Err(_) => self.many.values().filter(|sessions| u64::from(**sessions) >= least).count() as u64,
        }
    }

    /// Ascending. Whoever has sessions in the range but no active day is among them.
    pub fn perhaps_passive(&self) -> &[u32] {
        &self.perhaps_passive
    }

    /// All sessions, where nobody has any but for these users and their neighbours.
    pub fn sum(&self, users: &UserBits) -> u64 {
        let blocks = self.bytes.chunks(BLOCK).zip(users.words()).filter(|(_, users)| **users != 0);
        let bytes = blocks.map(|(block, _)| block.iter().map(|byte| u64::from(*byte)).sum::<u64>()).sum::<u64>();
        bytes + self.many.values().map(|sessions| u64::from(sessions - u32::from(MANY))).sum::<u64>()
    }

    /// In memory, about.
    pub fn size(&self) -> usize {
        const MANY_SIZE: usize = 16;
        self.bytes.len() + self.many.capacity() * MANY_SIZE + size_of_val(&*self.perhaps_passive)
    }
}

/// Sessions that started in the range and touch the cell. Costs what the range holds of user-days outside of whole years
/// and quarters, some 3 ns each, and a byte a user.
pub fn sessions_by_user(snapshot: &UsageSnapshot, range: DateRange, cell: Cell) -> Result<SessionCounts> {
    let source = snapshot.source();
    let mut sums = Sums::new(snapshot.overlay.ord_end);
    add_years(&source, cell, range, &mut sums)?;
    let mut pending = Ok(());
    let mut add = |ord: u32, n: i64| {
        let added = sums.add(ord, n);
        pending = std::mem::replace(&mut pending, Ok(())).and(added);
    };
    snapshot.overlay.for_each_user(cell, range, |_, ord, n| add(ord, n));
    let mut perhaps_passive = vec![];
    snapshot.overlay.for_each_extra(cell, range, |_, ord, n| {
        add(ord, n);
        perhaps_passive.push(ord);
    });
    pending?;
    sums.perhaps_passive.append(&mut perhaps_passive);
    sums.finish()
}

fn add_years(source: &Source, cell: Cell, range: DateRange, sums: &mut Sums) -> Result<()> {
    let years = source.span(cell, SpanKey::over_all(SpanKind::Years))?.ok_or_else(damaged)?;
    let Span::Years(years) = &*years else { return Ok(()) };
    for (year, _) in years.iter().filter(|(year, _)| year.start() <= range.end() && range.start() <= year.end()) {
        let within = clip(*year, range);
        if within == *year {
            add_whole(source, cell, SpanKind::YearSessions, within, sums)?;
        } else {
            add_quarters(source, cell, within, sums)?;
        }
    }
    Ok(())
}

fn add_quarters(source: &Source, cell: Cell, range: DateRange, sums: &mut Sums) -> Result<()> {
    let mut next = Some(range.start());
    while let Some(day) = next.filter(|day| *day <= range.end()) {
        let quarter = DateRange::new(day.quarter_start(), day.quarter_end()).expect("a quarter ends behind its start");
        let within = clip(quarter, range);
        if within == quarter {
            add_whole(source, cell, SpanKind::QuarterSessions, within, sums)?;
        } else {
            add_days(source, cell, within, sums)?;
        }
        next = within.end().next();
    }
    Ok(())
}

fn add_whole(source: &Source, cell: Cell, kind: SpanKind, period: DateRange, sums: &mut Sums) -> Result<()> {
    // What takes a large part of the room would drive out what others need.
    if !source.overlay.spans.has_room_for(sums.bytes.len()) {
        return add_days(source, cell, period, sums);
    }
    let span = source.span(cell, SpanKey { kind, start: period.start() })?.ok_or_else(damaged)?;
    match &*span {
        Span::Sessions(kept) => sums.add_all(kept),
        _ => add_days(source, cell, period, sums),
    }
}

fn add_days(source: &Source, cell: Cell, range: DateRange, sums: &mut Sums) -> Result<()> {
    let conn = source.conn.ok_or_else(damaged)?;
    let mut users = vec![];
    node::for_each_day_set(conn, cell, range, |set, extras| {
        sets::decode_into(set, &mut users)?;
        sums.add_one_each(&users)?;
        for_each_extra(&users, extras, |ord, n| sums.add_extra(ord, n))
    })
}

/// What the nodes hold of a whole period; [`Span::Split`] where that is too little to be kept.
pub fn load(source: &Source, cell: Cell, period: DateRange) -> Result<Span> {
    let mut sums = Sums::new(source.overlay.ord_end);
    add_days(source, cell, period, &mut sums)?;
    let is_dense = sums.bytes.len() <= BYTES_PER_USER_DAY * sums.user_days;
    Ok(if is_dense { Span::Sessions(sums.finish()?) } else { Span::Split })
}

/// On the way to [`SessionCounts`].
struct Sums {
    bytes: Vec<u8>,
    /// What a user has beyond its byte; below zero on the way where one run removes what another adds.
    beyond: HashMap<u32, i64>,
    perhaps_passive: Vec<u32>,
    user_days: usize,
}

/// What is moved out of a byte that is full.
const MOVED: u8 = 128;

impl Sums {
    fn new(ord_end: u32) -> Sums {
        Sums { bytes: vec![0; ord_end as usize], beyond: HashMap::new(), perhaps_passive: vec![], user_days: 0 }
    }

    /// `users` ascend. Errors for an ord that was never given; so do the next ones.
    fn add_one_each(&mut self, users: &[u32]) -> Result<()> {
        let Some(last) = users.last() else { return Ok(()) };
        let bytes = self.bytes.get_mut(..=*last as usize).ok_or_else(damaged)?;
        for ord in users {
            let byte = &mut bytes[*ord as usize];
            if *byte == u8::MAX {
                *byte -= MOVED;
                *self.beyond.entry(*ord).or_default() += i64::from(MOVED);
            }
            *byte += 1;
        }
        self.user_days += users.len();
        Ok(())
    }

    /// `n`: not 0. Of a day whose users have been added.
    fn add_extra(&mut self, ord: u32, n: i32) -> Result<()> {
        let byte = self.bytes.get_mut(ord as usize).ok_or_else(damaged)?;
        // Who was active that day has been counted.
        if *byte == 0 && n > 0 {
            self.perhaps_passive.push(ord);
        }
        match (i64::from(*byte) + i64::from(n)).try_into() {
            Ok(sum) => *byte = sum,
            Err(_) => self.add_beyond(ord, n.into())?,
        }
        Ok(())
    }

    fn add(&mut self, ord: u32, n: i64) -> Result<()> {
        let byte = self.bytes.get_mut(ord as usize).ok_or_else(damaged)?;
        match i64::from(*byte).saturating_add(n).try_into() {
            Ok(sum) => *byte = sum,
            Err(_) => self.add_beyond(ord, n)?,
        }
        Ok(())
    }

    fn add_beyond(&mut self, ord: u32, n: i64) -> Result<()> {
        let beyond = self.beyond.entry(ord).or_default();
        *beyond = beyond.checked_add(n).ok_or_else(damaged)?;
        Ok(())
    }

    fn add_all(&mut self, kept: &SessionCounts) -> Result<()> {
        let bytes = self.bytes.get_mut(..kept.bytes.len()).ok_or_else(damaged)?;
        for (index, (to, from)) in bytes.chunks_mut(BLOCK).zip(kept.bytes.chunks(BLOCK)).enumerate() {
            // Without a branch for each, so that many are added at once.
            let mut is_full = false;
            for (to, from) in to.iter_mut().zip(from) {
                let sum = to.wrapping_add(*from);
                is_full |= sum < *from;
                *to = sum;
            }
            if is_full {
                let overflown = to.iter().zip(from).enumerate().filter(|(_, (sum, from))| sum < from);
                for (place, _) in overflown {
                    *self.beyond.entry((index * BLOCK + place) as u32).or_default() += 1 << u8::BITS;
                }
            }
        }
        for (ord, sessions) in &kept.many {
            self.add_beyond(*ord, i64::from(*sessions) - i64::from(MANY))?;
        }
        self.perhaps_passive.extend_from_slice(&kept.perhaps_passive);
        Ok(())
    }

    /// Errors if somebody has less than no sessions.
    fn finish(mut self) -> Result<SessionCounts> {
        let mut many = HashMap::new();
        for (ord, beyond) in self.beyond {
            let byte = self.bytes.get_mut(ord as usize).ok_or_else(damaged)?;
            let sessions = beyond.checked_add(i64::from(*byte)).and_then(|sessions| u32::try_from(sessions).ok());
            let sessions = sessions.ok_or_else(damaged)?;
            *byte = sessions.try_into().unwrap_or(MANY);
            if sessions > u32::from(MANY) {
                many.insert(ord, sessions);
            }
        }
        self.perhaps_passive.sort_unstable();
        self.perhaps_passive.dedup();
        let perhaps_passive = self.perhaps_passive.into_boxed_slice();
        Ok(SessionCounts { bytes: self.bytes.into_boxed_slice(), many, perhaps_passive })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sessions() -> impl Strategy<Value = u32> {
        prop_oneof![4 => 0..5u32, 2 => 100..300u32, 1 => 0..1_000_000u32]
    }

    proptest! {
        #[test]
        fn counts_added_up_are_those_of_all_days(all in proptest::collection::vec((sessions(), sessions(), sessions()), 0..200)) {
            let kept = |of: fn(&(u32, u32, u32)) -> u32| SessionCounts::of_all(all.iter().map(of));
            let parts = [kept(|all| all.0), kept(|all| all.1), kept(|all| all.2)];
            let mut sums = Sums::new(all.len() as u32 + 1);
            parts.iter().try_for_each(|part| sums.add_all(part))?;
            let mut found = sums.finish()?;
            let mut everybody = UserBits::new(all.len() as u32 + 1);
            (0..all.len() as u32).try_for_each(|ord| everybody.insert(ord))?;
            for (ord, sessions) in (0..).zip(&all) {
                prop_assert_eq!(found.of(ord), Some(sessions.0 + sessions.1 + sessions.2));
            }
            let sum = |from: u64| all.iter().map(|all| u64::from(all.0 + all.1 + all.2)).filter(move |n| *n >= from);
            prop_assert_eq!(found.sum(&everybody), sum(0).sum::<u64>());
            for from in [1, 255, 256, 1_000] {
                prop_assert_eq!(found.users_from(from), sum(from).count() as u64);
            }
            for (ord, sessions) in (0..).zip(&all) {
                prop_assert_eq!((found.take(ord), found.of(ord)), (sessions.0 + sessions.1 + sessions.2, Some(0)));
            }
        }
    }

    #[test]
    fn who_was_active_for_years_is_counted_beyond_a_byte_and_who_never_was_is_told_apart() {
        let mut sums = Sums::new(3);
        for day in 0..1_000 {
            sums.add_one_each(&[0, 1]).unwrap();
            sums.add_extra(0, 1).unwrap();
            sums.add_extra(1, -1).unwrap();
            if day % 10 == 0 {
                sums.add_extra(2, 4).unwrap();
            }
        }
        let counts = sums.finish().unwrap();
        assert_eq!([0, 1, 2, 3].map(|ord| counts.of(ord)), [Some(2_000), Some(0), Some(400), None]);
        assert_eq!(counts.perhaps_passive(), [2]);
    }

    #[test]
    fn an_ord_never_given_and_less_than_no_sessions_are_damage() {
        assert!(Sums::new(3).add_one_each(&[1, 3]).is_err());
        assert!(Sums::new(3).add_extra(3, 1).is_err() && Sums::new(3).add(3, 1).is_err());
        let mut sums = Sums::new(3);
        sums.add_extra(1, -1).unwrap();
        assert!(sums.finish().is_err());
    }
}
