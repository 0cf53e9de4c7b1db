//! Finds the users at some places of the order by sessions without sorting all of them.
//!
//! A byte a user is looked through block by block. Of the first hundred, say, nobody has fewer than the hundredth of the
//! blocks' greatest: so few blocks need a second look.

use std::ops::Range;

use super::sets::UserBits;
use super::user_sessions::{BLOCK, SessionCounts};

const VALUES: usize = 1 << u8::BITS;

/// The active users at these places of the order by sessions, most first, and those who tie with them as far as a byte
/// tells; in no order. And how many stand before all of these. `counts`: none of anybody else. `places`: at least one, none
/// behind the last of them.
pub fn around(counts: &SessionCounts, active: &UserBits, places: &Range<u64>) -> (Vec<u32>, u64) {
    let bytes = counts.bytes();
    let greatest = greatest_of_blocks(bytes, active);
    let least = nth_greatest(&greatest, places.end).max(1);
    let (values, before) = within(&users_by_value(bytes, &greatest, least), places);
    let mut ords = vec![];
    if *values.start() == 0 {
        ords.extend(active.iter().filter(|ord| bytes.get(*ord as usize) == Some(&0)));
    }
    for_each_from(bytes, &greatest, (*values.start()).max(1), |ord, value| {
        if values.contains(&value) {
            ords.push(ord);
        }
    });
    (ords, before)
}

fn greatest_of_blocks(bytes: &[u8], active: &UserBits) -> Vec<u8> {
    let greatest = |(block, users): (&[u8], &u64)| match users {
        // Where a day or two are asked for, most are so.
        0 => 0,
        _ => block.iter().copied().fold(0, u8::max),
    };
    bytes.chunks(BLOCK).zip(active.words()).map(greatest).collect()
}

/// At least `n` values are no less; 0 if there are not so many.
fn nth_greatest(values: &[u8], n: u64) -> u8 {
    let mut counted = [0u64; VALUES];
    values.iter().for_each(|value| counted[usize::from(*value)] += 1);
    let mut left = n;
    for value in (0..=u8::MAX).rev() {
        match left.checked_sub(counted[usize::from(value)]) {
            Some(rest) if rest > 0 => left = rest,
            _ => return value,
        }
    }
    0
}

/// How many users have each value, from `least` on.
fn users_by_value(bytes: &[u8], greatest: &[u8], least: u8) -> [u64; VALUES] {
    let mut users = [0; VALUES];
    for_each_from(bytes, greatest, least, |_, value| users[usize::from(value)] += 1);
    users
}

/// The values at these places, and how many users have a greater one. Who is at none of those counted has 0.
fn within(users: &[u64; VALUES], places: &Range<u64>) -> (std::ops::RangeInclusive<u8>, u64) {
    let (mut last, mut before) = (u8::MAX, 0);
    while last > 0 && before + users[usize::from(last)] <= places.start {
        before += users[usize::from(last)];
        last -= 1;
    }
    let (mut first, mut counted) = (last, before + users[usize::from(last)]);
    while first > 0 && counted < places.end {
        first -= 1;
        counted += users[usize::from(first)];
    }
    (first..=last, before)
}

/// Calls with each ord whose value is at least `least`, which is not 0; ascending.
fn for_each_from(bytes: &[u8], greatest: &[u8], least: u8, mut visit: impl FnMut(u32, u8)) {
    let mut visit_all = |start: usize, values: &[u8]| {
        for (ord, value) in (start as u32..).zip(values) {
            if *value >= least {
                visit(ord, *value);
            }
        }
    };
    let blocks = bytes.chunks(BLOCK).zip(greatest).enumerate();
    for (index, (block, _)) in blocks.filter(|(_, (_, greatest))| **greatest >= least) {
        // As a rule a day's users stand far apart.
        let (eights, rest) = block.as_chunks::<8>();
        for (place, eight) in eights.iter().enumerate().filter(|(_, eight)| **eight != [0; 8]) {
            visit_all(index * BLOCK + place * 8, eight);
        }
        visit_all(index * BLOCK + eights.len() * 8, rest);
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::prelude::*;

    use super::*;

    fn sessions() -> impl Strategy<Value = u32> {
        prop_oneof![4 => Just(0), 4 => 1..4u32, 1 => 250..260u32, 1 => 1_000..100_000u32]
    }

    proptest! {
        #[test]
        fn who_is_found_around_some_places_holds_them_in_the_order_of_all(
            sessions in proptest::collection::vec((sessions(), any::<bool>()), 1..400),
            (start, len) in (any::<proptest::sample::Index>(), 1..150usize),
        ) {
            let mut active = UserBits::new(sessions.len() as u32);
            let mut all = vec![];
            for (ord, (sessions, is_active)) in sessions.iter().enumerate() {
                if *sessions > 0 || *is_active {
                    active.insert(ord as u32)?;
                    all.push((Reverse(*sessions), ord as u32));
                }
            }
            all.sort();
            prop_assume!(!all.is_empty());
            let counts = SessionCounts::of_all(sessions.iter().map(|(sessions, _)| *sessions));
            let start = start.index(all.len());
            let end = (start + len).min(all.len());
            let (mut ords, before) = around(&counts, &active, &(start as u64..end as u64));
            ords.sort_by_key(|ord| (Reverse(counts.of(*ord)), *ord));
            let found = ords.iter().skip(start - before as usize).take(end - start).copied().collect::<Vec<_>>();
            prop_assert_eq!(found, all[start..end].iter().map(|(_, ord)| *ord).collect::<Vec<_>>());
        }
    }

    #[test]
    fn few_are_looked_at_where_many_have_less() {
        let counts = SessionCounts::of_all((0..100_000).map(|ord| if ord % 1_000 == 7 { 2 + ord / 10_000 } else { 1 }));
        let mut active = UserBits::new(100_000);
        (0..100_000).try_for_each(|ord| active.insert(ord)).unwrap();
        let (ords, before) = around(&counts, &active, &(0..20));
        assert_eq!((ords.len(), before), (20, 0));
        assert_eq!(around(&counts, &active, &(100..101)).0.len(), 100_000 - 100);
    }
}
