//! The packed form of a [`UserHistory`]: most days take two or three bytes.
//!
//! In varints, for each day: the days since the one before, with two flags; unless its pairs are those of the day before,
//! each of them as its service with two flags, and its team where that is another than the pair before had; if it has
//! extras, those of the cells that its pairs count in (one number where all are equal), then those of other cells.

use super::history::{DayExtra, DayPair, UserHistory};
use super::lattice::{ANY, Cell, NONE, SERVICE_IDS_MAX, TEAM_IDS_MAX};
use crate::error::Result;
use crate::model::Day;
use crate::store::varint::{self, Cursor, damaged};

/// A day: its pairs are not those of the day before.
pub const HAS_PAIRS: u64 = 1;
/// A day: extras follow.
pub const HAS_EXTRAS: u64 = 2;
/// A pair: its team follows.
pub const OTHER_TEAM: u64 = 1;
/// A pair: it is not the last of its day.
pub const MORE: u64 = 2;
/// Two flags stand below a number.
pub const FLAG_BITS: u32 = 2;

/// A day like the one before takes a byte, however many pairs it has: what is unpacked of damaged bytes ends here. It is
/// 4,000 pairs on each day of 45 years.
const PAIRS_MAX: usize = 1 << 26;

impl UserHistory {
    /// Equal histories give equal bytes. Errors if extras lie on a day without a pair.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(4 + 3 * self.pairs.len() + 2 * self.extras.len());
        let mut extras = &self.extras[..];
        let (mut index, mut team, mut before) = (0, ANY, &[][..]);
        for pairs in self.pairs.chunk_by(|a, b| a.day == b.day) {
            let day = pairs[0].day;
            let (of_day, rest) = extras.split_at(extras.iter().take_while(|extra| extra.day == day).count());
            extras = rest;
            let has_pairs = !same_pairs(before, pairs);
            let flags = if has_pairs { HAS_PAIRS } else { 0 } | if of_day.is_empty() { 0 } else { HAS_EXTRAS };
            varint::put(&mut out, u64::from(day.index() - index) << FLAG_BITS | flags);
            if has_pairs {
                put_pairs(&mut out, pairs, &mut team);
            }
            if !of_day.is_empty() {
                put_extras(&mut out, &cells_of(pairs), of_day);
            }
            (index, before) = (day.index(), pairs);
        }
        if extras.is_empty() { Ok(out) } else { Err(damaged()) }
    }

    /// Errors on bytes that [`UserHistory::encode`] cannot have written.
    pub fn decode(bytes: &[u8]) -> Result<UserHistory> {
        UserHistory::decode_within(bytes, PAIRS_MAX)
    }

    fn decode_within(bytes: &[u8], pairs_max: usize) -> Result<UserHistory> {
        let mut cursor = Cursor::new(bytes);
        let mut history = UserHistory { pairs: Vec::with_capacity(bytes.len() / 2), extras: vec![] };
        let (mut index, mut team, mut before) = (0u32, ANY, 0..0);
        while !cursor.is_empty() {
            let head = cursor.u64()?;
            let step = u32::try_from(head >> FLAG_BITS).map_err(|_| damaged())?;
            if step == 0 && !history.pairs.is_empty() {
                return Err(damaged());
            }
            index = index.checked_add(step).ok_or_else(damaged)?;
            let day = Day::from_index(index).ok_or_else(damaged)?;
            let start = history.pairs.len();
            if head & HAS_PAIRS != 0 {
                get_pairs(&mut cursor, day, &mut team, &mut history.pairs)?;
            } else {
                if history.pairs.len() + before.len() > pairs_max {
                    return Err(damaged());
                }
                for at in before {
                    history.pairs.push(DayPair { day, ..history.pairs[at] });
                }
            }
            before = start..history.pairs.len();
            // Only the first day has none before it.
            if before.is_empty() {
                return Err(damaged());
            }
            if head & HAS_EXTRAS != 0 {
                get_extras(&mut cursor, day, &cells_of(&history.pairs[start..]), &mut history.extras)?;
            }
        }
        Ok(history)
    }
}

fn same_pairs(a: &[DayPair], b: &[DayPair]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a.team, a.service) == (b.team, b.service))
}

fn put_pairs(out: &mut Vec<u8>, pairs: &[DayPair], team: &mut u32) {
    for (i, pair) in pairs.iter().enumerate() {
        let is_other = pair.team != *team;
        let flags = if is_other { OTHER_TEAM } else { 0 } | if i + 1 < pairs.len() { MORE } else { 0 };
        varint::put(out, u64::from(pair.service) << FLAG_BITS | flags);
        if is_other {
            varint::put(out, pair.team.into());
            *team = pair.team;
        }
    }
}

fn get_pairs(cursor: &mut Cursor, day: Day, team: &mut u32, pairs: &mut Vec<DayPair>) -> Result<()> {
    let start = pairs.len();
    loop {
        let head = cursor.u64()?;
        let service = u32::try_from(head >> FLAG_BITS).map_err(|_| damaged())?;
        if head & OTHER_TEAM != 0 {
            *team = cursor.u32()?;
        }
        let pair = DayPair { day, team: *team, service };
        let is_known = (NONE..TEAM_IDS_MAX).contains(team) && (NONE..SERVICE_IDS_MAX).contains(&service);
        if !is_known || pairs[start..].last().is_some_and(|before| *before >= pair) {
            return Err(damaged());
        }
        pairs.push(pair);
        if head & MORE == 0 {
            return Ok(());
        }
    }
}

/// The cells that events of these pairs count in, sorted.
fn cells_of(pairs: &[DayPair]) -> Vec<Cell> {
    Cell::touched_by(pairs.iter().map(|pair| (pair.team, pair.service)))
}

/// What comes instead of the one number that all cells have; no extra is zero.
pub const EACH: i64 = 0;

/// `cells`: those that the day's pairs count in.
fn put_extras(out: &mut Vec<u8>, cells: &[Cell], extras: &[DayExtra]) {
    let n = extras[0].n;
    if extras.iter().map(|extra| extra.cell).eq(cells.iter().copied()) && extras.iter().all(|extra| extra.n == n) {
        return varint::put_signed(out, n);
    }
    varint::put_signed(out, EACH);
    for cell in cells {
        let at = extras.binary_search_by_key(cell, |extra| extra.cell);
        varint::put_signed(out, at.map_or(0, |at| extras[at].n));
    }
    let others: Vec<&DayExtra> = extras.iter().filter(|extra| cells.binary_search(&extra.cell).is_err()).collect();
    varint::put(out, others.len() as u64);
    for extra in others {
        varint::put(out, extra.cell.team().into());
        varint::put(out, extra.cell.service().into());
        varint::put_signed(out, extra.n);
    }
}

fn get_extras(cursor: &mut Cursor, day: Day, cells: &[Cell], extras: &mut Vec<DayExtra>) -> Result<()> {
    let n = get_count(cursor)?;
    if n != EACH {
        extras.extend(cells.iter().map(|cell| DayExtra { day, cell: *cell, n }));
        return Ok(());
    }
    let start = extras.len();
    for cell in cells {
        let n = get_count(cursor)?;
        if n != 0 {
            extras.push(DayExtra { day, cell: *cell, n });
        }
    }
    for _ in 0..cursor.u64()? {
        let (team, service, n) = (cursor.u32()?, cursor.u32()?, get_count(cursor)?);
        if team >= TEAM_IDS_MAX || service >= SERVICE_IDS_MAX || n == 0 {
            return Err(damaged());
        }
        extras.push(DayExtra { day, cell: Cell::new(team, service), n });
    }
    extras[start..].sort_unstable();
    if extras[start..].is_sorted_by(|a, b| a.cell < b.cell) { Ok(()) } else { Err(damaged()) }
}

/// Small enough that no sum of them overflows.
#[inline]
pub fn get_count(cursor: &mut Cursor) -> Result<i64> {
    i32::try_from(cursor.signed()?).map(i64::from).map_err(|_| damaged())
}

#[cfg(test)]
pub mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Days with few pairs, which they often share; extras that all cells have, or some, or others than the pairs' own.
    pub fn history() -> impl Strategy<Value = UserHistory> {
        let team = prop_oneof![4 => 1..4u32, 1 => 1..TEAM_IDS_MAX];
        let service = prop_oneof![4 => 1..40u32, 1 => 1..SERVICE_IDS_MAX];
        let pairs = prop_oneof![
            2 => Just(BTreeSet::from([(2, 2)])),
            2 => Just(BTreeSet::from([(2, 2), (2, 3)])),
            2 => btree_set((team, service), 1..5),
        ];
        let other = (0..4u32, 0..4u32).prop_map(|(team, service)| Cell::new(team, service));
        let n = || select(vec![-1i64, 1, 2, 1_000, i32::MIN.into(), i32::MAX.into()]);
        let extras = prop_oneof![
            Just(Extras::None),
            n().prop_map(Extras::Same),
            (vec(prop_oneof![Just(0), n()], 20), btree_map(other, n(), 0..3))
                .prop_map(|(own, other)| Extras::Each(own, other)),
        ];
        let day = prop_oneof![3 => 700_000..700_050u32, 1 => 0..=Day::MAX.index()];
        btree_map(day, (pairs, extras), 0..12).prop_map(built)
    }

    #[derive(Clone, Debug)]
    enum Extras {
        None,
        Same(i64),
        Each(Vec<i64>, BTreeMap<Cell, i64>),
    }

    fn built(days: BTreeMap<u32, (BTreeSet<(u32, u32)>, Extras)>) -> UserHistory {
        let mut history = UserHistory::default();
        for (index, (pairs, extras)) in days {
            let day = Day::from_index(index).unwrap();
            let cells = Cell::touched_by(pairs.iter().copied());
            history.pairs.extend(pairs.into_iter().map(|(team, service)| DayPair { day, team, service }));
            let by_cell: BTreeMap<Cell, i64> = match extras {
                Extras::None => BTreeMap::new(),
                Extras::Same(n) => cells.into_iter().map(|cell| (cell, n)).collect(),
                Extras::Each(own, other) => other.into_iter().chain(cells.into_iter().zip(own)).collect(),
            };
            let extras = by_cell.into_iter().filter(|(_, n)| *n != 0);
            history.extras.extend(extras.map(|(cell, n)| DayExtra { day, cell, n }));
        }
        history
    }

    proptest! {
        #[test]
        fn a_history_is_unpacked_as_it_was_packed(history in history()) {
            prop_assert_eq!(UserHistory::decode(&history.encode()?)?, history);
        }

        #[test]
        fn damaged_bytes_never_panic(history in history(), at: usize, with: u8, bytes in vec(any::<u8>(), 0..40)) {
            let _ = UserHistory::decode(&bytes);
            let mut packed = history.encode()?;
            if !packed.is_empty() {
                let at = at % packed.len();
                packed[at] = with;
                if let Ok(read) = UserHistory::decode(&packed) {
                    prop_assert_eq!(UserHistory::decode(&read.encode()?)?, read);
                }
                let _ = UserHistory::decode(&packed[..at]);
            }
        }
    }

    #[test]
    fn a_day_like_the_one_before_takes_a_byte_and_another_service_one_more() {
        let day = |n: u32| Day::from_index(740_000 + n).unwrap();
        let pair = |n, service| DayPair { day: day(n), team: 150, service };
        let mut history = UserHistory { pairs: vec![pair(0, 7)], extras: vec![] };
        let len = |history: &UserHistory| history.encode().unwrap().len();
        let first = len(&history);
        history.pairs.push(pair(20, 7));
        assert_eq!(len(&history), first + 1);
        history.pairs.push(pair(21, 8));
        assert_eq!(len(&history), first + 3);
        // Three more sessions, all in the only pair.
        history.extras =
            cells_of(&history.pairs[2..]).into_iter().map(|cell| DayExtra { day: day(21), cell, n: 3 }).collect();
        assert_eq!(len(&history), first + 4);
    }

    #[test]
    fn what_is_unpacked_does_not_grow_beyond_its_bound() {
        let pairs =
            |nth: u32| (2..12).map(move |service| DayPair { day: Day::from_index(5 + nth).unwrap(), team: 9, service });
        let packed = UserHistory { pairs: (0..10).flat_map(pairs).collect(), extras: vec![] }.encode().unwrap();
        assert_eq!(UserHistory::decode_within(&packed, 100).unwrap().pairs.len(), 100);
        assert!(UserHistory::decode_within(&packed, 99).is_err());
    }

    #[test]
    fn what_cannot_be_a_history_is_an_error() {
        let day = Day::from_index(5).unwrap();
        let extras = vec![DayExtra { day, cell: Cell::ALL, n: 1 }];
        assert!(UserHistory { pairs: vec![], extras }.encode().is_err());
        let damaged = [&[20][..], &[21], &[21, 9, 1, 1], &[21, 1, 2], &[21, 7, 2, 4], &[0x80], &[21, 9, 2, 0]];
        for bytes in damaged {
            assert!(UserHistory::decode(bytes).is_err(), "{bytes:?}");
        }
        assert!(UserHistory::decode(&[21, 9, 2]).is_ok());
    }
}
