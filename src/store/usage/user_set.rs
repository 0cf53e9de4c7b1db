//! Sets of users as they are kept in memory: unpacked, immutable, and quick to unite.
//!
//! Uniting works through the ords in blocks that stay in the processor's nearest cache, all sets block by block: what is
//! read from further away is each set, once and in order.

use super::sets::UserBits;
use crate::error::Result;
use crate::store::varint::damaged;

/// Words of a block: 8 KiB, a quarter of a usual L1 cache.
const BLOCK_WORDS: usize = 1_024;
const WORD_BITS: u32 = u64::BITS;
/// A step that leads so far on, but to no user: the rest follows.
const STEP_ON: u16 = u16::MAX;
/// Words are taken up to so many times the bytes of the steps: they unite in a small part of the time.
const WORDS_WEIGHT: usize = 2;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserSet {
    form: Form,
    len: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    /// From each ord to the next, the first counted from 0.
    Steps(Box<[u16]>),
    /// The words of a bitset from word `base` on.
    Words { base: usize, words: Box<[u64]> },
}

impl UserSet {
    /// Of a strictly ascending list of ords.
    pub fn new(users: &[u32]) -> UserSet {
        let len = users.len() as u32;
        if !is_dense_list(users) {
            return UserSet { form: Form::Steps(steps(users.iter().copied(), users.len())), len };
        }
        let (base, last) = (users[0] / WORD_BITS, users[users.len() - 1] / WORD_BITS);
        let mut words = vec![0; (last - base) as usize + 1].into_boxed_slice();
        for ord in users {
            words[(ord / WORD_BITS - base) as usize] |= 1 << (ord % WORD_BITS);
        }
        UserSet { form: Form::Words { base: base as usize, words }, len }
    }

    pub fn of_bits(bits: &UserBits) -> UserSet {
        let len = bits.count();
        let words = bits.words();
        let base = words.iter().position(|word| *word != 0).unwrap_or(0);
        let end = words.iter().rposition(|word| *word != 0).map_or(base, |last| last + 1);
        let form = match is_dense(len as usize, end - base) {
            true => Form::Words { base, words: words[base..end].into() },
            false => Form::Steps(steps(bits.iter(), len as usize)),
        };
        UserSet { form, len: len as u32 }
    }

    /// Whether it is so dense that uniting it with another takes no longer for its size.
    pub fn is_dense(&self) -> bool {
        matches!(self.form, Form::Words { .. })
    }

    pub fn view(&self) -> SetView<'_> {
        let form = match &self.form {
            Form::Steps(steps) => FormView::Steps(steps),
            Form::Words { base, words } => FormView::Words(*base, words),
        };
        SetView { form, len: self.len }
    }

    /// In memory, what stands elsewhere than in the value itself.
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::Steps(steps) => size_of_val(&**steps),
            Form::Words { words, .. } => size_of_val(&**words),
        }
    }
}

/// A set wherever it stands.
#[derive(Clone, Copy)]
pub struct SetView<'a> {
    form: FormView<'a>,
    len: u32,
}

#[derive(Clone, Copy)]
enum FormView<'a> {
    Steps(&'a [u16]),
    Words(usize, &'a [u64]),
}

impl<'a> SetView<'a> {
    /// As [`append`] has put them down; `len`: how many users they are.
    pub fn of_steps(steps: &'a [u16], len: u32) -> SetView<'a> {
        SetView { form: FormView::Steps(steps), len }
    }

    /// Distinct users.
    pub fn len(&self) -> u64 {
        self.len.into()
    }

    fn steps(self) -> Option<&'a [u16]> {
        match self.form {
            FormView::Steps(steps) => Some(steps),
            FormView::Words(..) => None,
        }
    }
}

/// Puts a strictly ascending list of ords down as steps behind others; unless it is dense: then its set is given.
pub fn append(users: &[u32], steps: &mut Vec<u16>) -> Option<UserSet> {
    if is_dense_list(users) {
        return Some(UserSet::new(users));
    }
    put_steps(users.iter().copied(), steps);
    None
}

/// Whether the union of sets with so many users in all might be dense among all users below an ord.
pub fn may_be_dense(users: u64, ord_end: u32) -> bool {
    is_dense(users as usize, (ord_end / WORD_BITS) as usize)
}

fn is_dense_list(users: &[u32]) -> bool {
    let (Some(first), Some(last)) = (users.first(), users.last()) else { return false };
    is_dense(users.len(), (last / WORD_BITS - first / WORD_BITS) as usize + 1)
}

fn is_dense(users: usize, words: usize) -> bool {
    users > 0 && words * size_of::<u64>() <= WORDS_WEIGHT * users * size_of::<u16>()
}

fn steps(users: impl Iterator<Item = u32>, len: usize) -> Box<[u16]> {
    let mut steps = Vec::with_capacity(len + 16);
    put_steps(users, &mut steps);
    steps.into_boxed_slice()
}

fn put_steps(users: impl Iterator<Item = u32>, steps: &mut Vec<u16>) {
    let mut previous = 0;
    for ord in users {
        let mut step = ord - previous;
        while step >= u32::from(STEP_ON) {
            steps.push(STEP_ON);
            step -= u32::from(STEP_ON);
        }
        steps.push(step as u16);
        previous = ord;
    }
}

/// A list with fewer steps for each block is not worth the way through the blocks.
const STEPS_PER_BLOCK_MIN: usize = 32;

/// Adds the users of all sets to the bitset. Errors if there is one that it has no room for: an ord that was never given.
pub fn unite<'a>(sets: impl IntoIterator<Item = SetView<'a>>, bits: &mut UserBits) -> Result<()> {
    let mut dense = vec![];
    let mut sparse = vec![];
    let short = STEPS_PER_BLOCK_MIN * bits.words().len().div_ceil(BLOCK_WORDS);
    for set in sets {
        match set.form {
            FormView::Words(base, words) => dense.push((base, words)),
            FormView::Steps(steps) if steps.len() < short => insert_each(steps, bits)?,
            FormView::Steps(steps) => sparse.push(Walk { steps: steps.iter(), at: 0 }),
        }
    }
    let room = bits.words().len();
    if dense.iter().any(|(base, words)| base + words.len() > room) {
        return Err(damaged());
    }
    if dense.is_empty() && sparse.is_empty() {
        return Ok(());
    }
    for (index, block) in bits.words_mut().chunks_mut(BLOCK_WORDS).enumerate() {
        let start = index * BLOCK_WORDS;
        dense.iter().for_each(|(base, words)| add_words(block, start, *base, words));
        sparse.iter_mut().for_each(|walk| walk.add(block, start));
    }
    let are_united = sparse.iter().all(|walk| walk.steps.as_slice().is_empty());
    if are_united { bits.check_end() } else { Err(damaged()) }
}

fn insert_each(steps: &[u16], bits: &mut UserBits) -> Result<()> {
    let mut at = 0;
    for step in steps {
        at += u32::from(*step);
        if *step != STEP_ON {
            bits.insert(at)?;
        }
    }
    Ok(())
}

/// Takes the users of sparse sets out of a bitset again; gives how many were in it. None, and nothing is done, if any of
/// the sets is dense.
pub fn take_out<'a>(sets: impl IntoIterator<Item = SetView<'a>>, bits: &mut UserBits) -> Option<u64> {
    let lists: Option<Vec<&[u16]>> = sets.into_iter().map(SetView::steps).collect();
    let mut taken = 0;
    for steps in lists? {
        let mut at = 0;
        for step in steps {
            at += u32::from(*step);
            if *step != STEP_ON {
                taken += u64::from(bits.take(at));
            }
        }
    }
    Some(taken)
}

/// `start`, `base`: the words with which the block and the set begin.
fn add_words(block: &mut [u64], start: usize, base: usize, words: &[u64]) {
    let (from, to) = (start.max(base), (start + block.len()).min(base + words.len()));
    if from < to {
        let target = &mut block[from - start..to - start];
        target.iter_mut().zip(&words[from - base..to - base]).for_each(|(target, word)| *target |= word);
    }
}

/// A list on the way through the blocks.
struct Walk<'a> {
    steps: std::slice::Iter<'a, u16>,
    /// Where the steps so far have led.
    at: u32,
}

impl Walk<'_> {
    fn add(&mut self, block: &mut [u64], start: usize) {
        let first = start as u32 * WORD_BITS;
        let end = first + block.len() as u32 * WORD_BITS;
        while let Some((step, rest)) = self.steps.as_slice().split_first() {
            let next = self.at + u32::from(*step);
            if next >= end {
                return;
            }
            (self.at, self.steps) = (next, rest.iter());
            if *step != STEP_ON {
                let bit = next - first;
                block[(bit / WORD_BITS) as usize] |= 1 << (bit % WORD_BITS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const ORD_END: u32 = 300_000;

    /// Sparse and dense sets, with steps at and beyond the longest, at both ends and across blocks.
    fn set() -> impl Strategy<Value = BTreeSet<u32>> {
        let block = BLOCK_WORDS as u32 * WORD_BITS;
        prop_oneof![
            proptest::collection::btree_set(0..ORD_END, 0..60),
            proptest::collection::btree_set(block - 200..block + 200, 0..300),
            proptest::collection::btree_set(
                prop_oneof![Just(0), 65_534..65_537u32, 131_068..131_073u32, Just(ORD_END - 1)],
                0..9
            ),
            (0..ORD_END - 5_000, 1..5_000u32, 1..5usize)
                .prop_map(|(start, len, step)| (start..start + len).step_by(step).collect()),
        ]
    }

    fn list(set: &BTreeSet<u32>) -> Vec<u32> {
        set.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn a_union_holds_what_its_sets_hold(sets in proptest::collection::vec(set(), 0..6), before in set()) {
            let kept: Vec<UserSet> = sets.iter().map(|set| UserSet::new(&list(set))).collect();
            let mut bits = UserBits::new(ORD_END);
            before.iter().try_for_each(|ord| bits.insert(*ord))?;
            unite(kept.iter().map(UserSet::view), &mut bits)?;
            let wanted: BTreeSet<u32> = sets.iter().flatten().chain(&before).copied().collect();
            prop_assert_eq!(bits.iter().collect::<BTreeSet<u32>>(), wanted.clone());
            prop_assert_eq!(UserSet::of_bits(&bits), UserSet::new(&list(&wanted)));
            prop_assert_eq!(bits.count(), wanted.len() as u64);
        }

        #[test]
        fn what_was_united_is_counted_while_it_is_taken_out(sets in proptest::collection::vec(set(), 0..6), gone in set()) {
            let kept: Vec<UserSet> = sets.iter().map(|set| UserSet::new(&list(set))).collect();
            let mut bits = UserBits::new(ORD_END);
            unite(kept.iter().map(UserSet::view), &mut bits)?;
            gone.iter().for_each(|ord| bits.remove(*ord));
            let wanted = bits.count();
            match take_out(kept.iter().map(UserSet::view), &mut bits) {
                Some(taken) => prop_assert_eq!((taken, bits.count()), (wanted, 0)),
                None => prop_assert!(bits.count() == wanted && kept.iter().any(UserSet::is_dense)),
            }
        }

        #[test]
        fn a_set_knows_how_many_it_holds_and_takes_little_room(set in set()) {
            let kept = UserSet::new(&list(&set));
            prop_assert_eq!(kept.view().len(), set.len() as u64);
            prop_assert!(kept.bytes() <= WORDS_WEIGHT * 2 * (set.len() + 5));
        }
    }

    #[test]
    fn an_ord_that_was_never_given_is_damage() {
        for users in [vec![640], vec![1, 640], (600..641).collect()] {
            assert!(unite([UserSet::new(&users).view()], &mut UserBits::new(640)).is_err(), "{users:?}");
            // In the last word, where there would be room.
            assert!(unite([UserSet::new(&users).view()], &mut UserBits::new(641)).is_ok(), "{users:?}");
            let others: Vec<u32> = users.iter().map(|ord| ord + 5).collect();
            assert!(unite([UserSet::new(&others).view()], &mut UserBits::new(643)).is_err(), "{users:?}");
        }
    }
}
