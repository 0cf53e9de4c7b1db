//! Sets of users as they are kept in memory: unpacked, immutable, and quick to unite.
//!
//! Ords are parted into blocks whose bitset stays in the processor's nearest cache. Of each block in which a set has users it
//! holds these users' places in the block, or the words of the block's bitset: users who came at about one time stand side
//! by side, so a set may be dense in one block and sparse in the next. Sets are united block by block: each is read once
//! and in order.

use multiversion::multiversion;

use super::sets::{UserBits, count_ones};
use crate::error::Result;
use crate::store::varint::damaged;

/// Bits of an ord that say where in its block it stands.
const BLOCK_SHIFT: u32 = u16::BITS;
/// 8 KiB, a quarter of a usual L1 cache.
const BLOCK_WORDS: usize = 1 << BLOCK_SHIFT >> WORD_SHIFT;
const WORD_SHIFT: u32 = u64::BITS.trailing_zeros();
/// Words are taken up to so many times the bytes of the places: they unite in a small part of the time.
const WORDS_WEIGHT: usize = 2;
/// Stands for the number of users of a block that is held as words.
const AS_WORDS: u16 = 0;
/// To unite a block of words takes about as long as to unite so many places.
const WORDS_COST: usize = 128;
/// A set is dense if so many of its users take no longer to unite than so many places.
const DENSE_COST: (usize, usize) = (3, 4);

type Block = [u64; BLOCK_WORDS];

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserSet {
    /// Block by block, ascending: the block's index, how many users it has, and their places, ascending; or the index,
    /// [`AS_WORDS`], the first word of the block that is not 0, and how many words from there on stand in `words`.
    blocks: Box<[u16]>,
    words: Box<[u64]>,
    len: u32,
    is_dense: bool,
}

impl UserSet {
    /// Of a strictly ascending list of ords.
    pub fn new(users: &[u32]) -> UserSet {
        let mut draft = Draft::default();
        for users in users.chunk_by(|one, next| one >> BLOCK_SHIFT == next >> BLOCK_SHIFT) {
            let index = (users[0] >> BLOCK_SHIFT) as u16;
            let places = users.iter().map(|ord| *ord as u16);
            let (first, last) = (word_of(users[0] as u16), word_of(users[users.len() - 1] as u16));
            if are_words_better(users.len(), last + 1 - first) {
                let words = draft.add_words(index, first, last + 1 - first, users.len());
                places.for_each(|place| words[word_of(place) - first] |= bit_of(place));
            } else {
                draft.add_places(index, users.len(), places);
            }
        }
        draft.finish()
    }

    pub fn of_bits(bits: &UserBits) -> UserSet {
        let mut draft = Draft::default();
        for (index, block) in bits.words().chunks(BLOCK_WORDS).enumerate() {
            let Some(first) = block.iter().position(|word| *word != 0) else { continue };
            let last = block.iter().rposition(|word| *word != 0).unwrap_or(first);
            let (words, index) = (&block[first..=last], index as u16);
            let users = count_ones(words) as usize;
            if are_words_better(users, words.len()) {
                draft.add_words(index, first, words.len(), users).copy_from_slice(words);
            } else {
                draft.add_places(index, users, places(block));
            }
        }
        draft.finish()
    }

    /// Distinct users.
    pub fn len(&self) -> u64 {
        self.len.into()
    }

    /// Whether it is so dense that uniting it takes far less time than to go through its users.
    pub fn is_dense(&self) -> bool {
        self.is_dense
    }

    /// In memory, what stands elsewhere than in the value itself.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.blocks) + size_of_val(&*self.words)
    }
}

fn word_of(place: u16) -> usize {
    usize::from(place >> WORD_SHIFT)
}

fn bit_of(place: u16) -> u64 {
    1 << (u32::from(place) % u64::BITS)
}

/// Of the bits of a block, ascending.
fn places(block: &[u64]) -> impl Iterator<Item = u16> {
    block.iter().enumerate().flat_map(|(i, word)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            Some((i as u16) << WORD_SHIFT | bit as u16)
        })
    })
}

/// True of every block with more users than a `u16` can tell.
fn are_words_better(users: usize, words: usize) -> bool {
    words * size_of::<u64>() <= WORDS_WEIGHT * users * size_of::<u16>()
}

#[derive(Default)]
struct Draft {
    blocks: Vec<u16>,
    words: Vec<u64>,
    users: usize,
    cost: usize,
}

impl Draft {
    fn add_places(&mut self, index: u16, users: usize, places: impl Iterator<Item = u16>) {
        self.blocks.extend([index, users as u16]);
        self.blocks.extend(places);
        self.users += users;
        self.cost += users;
    }

    /// Gives the words to be filled.
    fn add_words(&mut self, index: u16, first: usize, len: usize, users: usize) -> &mut [u64] {
        self.blocks.extend([index, AS_WORDS, first as u16, len as u16]);
        self.users += users;
        self.cost += WORDS_COST;
        let start = self.words.len();
        self.words.resize(start + len, 0);
        &mut self.words[start..]
    }

    fn finish(self) -> UserSet {
        let Draft { blocks, words, users, cost } = self;
        let is_dense = DENSE_COST.0 * users >= DENSE_COST.1 * cost && users > 0;
        UserSet { blocks: blocks.into(), words: words.into(), len: users as u32, is_dense }
    }
}

/// Adds the users of all sets to the bitset. Errors if there is one that it has no room for: an ord that was never given.
pub fn unite<'a>(sets: impl IntoIterator<Item = &'a UserSet>, bits: &mut UserBits) -> Result<()> {
    let mut walks: Vec<Walk> = sets.into_iter().map(Walk::new).collect();
    for (index, words) in bits.words_mut().chunks_mut(BLOCK_WORDS).enumerate() {
        match <&mut Block>::try_from(&mut *words) {
            Ok(block) => walks.iter_mut().for_each(|walk| walk.add(index, block)),
            Err(_) => unite_last(&mut walks, index, words)?,
        }
    }
    let are_united = walks.iter().all(|walk| walk.blocks.is_empty());
    if are_united { bits.check_end() } else { Err(damaged()) }
}

/// The last block has room for fewer ords than others.
fn unite_last(walks: &mut [Walk], index: usize, words: &mut [u64]) -> Result<()> {
    let mut block = [0; BLOCK_WORDS];
    walks.iter_mut().for_each(|walk| walk.add(index, &mut block));
    let (within, beyond) = block.split_at(words.len());
    add_words(words, within);
    if beyond.iter().all(|word| *word == 0) { Ok(()) } else { Err(damaged()) }
}

/// How many users all sets have together: as many as [`unite`] would add to an empty bitset. Errors if there is an ord from
/// `ord_end` on, which was never given.
pub fn count_united<'a>(sets: impl IntoIterator<Item = &'a UserSet>, ord_end: u32) -> Result<u64> {
    let mut walks: Vec<Walk> = sets.into_iter().map(Walk::new).collect();
    let mut block = [0; BLOCK_WORDS];
    let mut users = 0;
    while let Some(index) = walks.iter().filter_map(|walk| walk.blocks.first().copied()).min() {
        block.fill(0);
        walks.iter_mut().for_each(|walk| walk.add(index.into(), &mut block));
        users += count_ones(&block);
        let room = u64::from(ord_end).saturating_sub(u64::from(index) << BLOCK_SHIFT);
        if room < BLOCK_WORDS as u64 * u64::from(u64::BITS) && has_bits_from(&block, room as u16) {
            return Err(damaged());
        }
    }
    Ok(users)
}

fn has_bits_from(block: &Block, place: u16) -> bool {
    let (word, bit) = (word_of(place), u32::from(place) % u64::BITS);
    block[word] >> bit != 0 || block[word + 1..].iter().any(|word| *word != 0)
}

/// Takes the users of sparse sets out of a bitset again; gives how many were in it. None, and nothing is done, if any of
/// the sets holds a block as words.
pub fn take_out<'a>(sets: impl IntoIterator<Item = &'a UserSet>, bits: &mut UserBits) -> Option<u64> {
    let walks: Vec<Walk> = sets.into_iter().map(Walk::new).collect();
    if walks.iter().any(|walk| !walk.words.is_empty()) {
        return None;
    }
    let mut taken = 0;
    for mut walk in walks {
        while let Some((index, places)) = walk.next_places() {
            let start = u32::from(index) << BLOCK_SHIFT;
            taken += places.iter().map(|place| u64::from(bits.take(start | u32::from(*place)))).sum::<u64>();
        }
    }
    Some(taken)
}

/// A set on the way through the blocks.
struct Walk<'a> {
    blocks: &'a [u16],
    words: &'a [u64],
}

impl<'a> Walk<'a> {
    fn new(set: &'a UserSet) -> Walk<'a> {
        Walk { blocks: &set.blocks, words: &set.words }
    }

    /// Adds what the set has in the block; blocks come one after the other.
    fn add(&mut self, index: usize, block: &mut Block) {
        match *self.blocks {
            [at, AS_WORDS, first, len, ..] if usize::from(at) == index => {
                let (first, len) = (usize::from(first), usize::from(len));
                let (words, rest) = self.words.split_at(len);
                add_words(&mut block[first..first + len], words);
                (self.blocks, self.words) = (&self.blocks[4..], rest);
            }
            [at, _, ..] if usize::from(at) == index => {
                let (_, places) = self.next_places().expect("a block of places stands here");
                // Of a block of this very length no place needs to be compared with it.
                places.iter().for_each(|place| block[word_of(*place)] |= bit_of(*place));
            }
            _ => {}
        }
    }

    /// The index and the places of the next block, which must be held as places.
    fn next_places(&mut self) -> Option<(u16, &'a [u16])> {
        let [index, users, rest @ ..] = self.blocks else { return None };
        let (places, rest) = rest.split_at(usize::from(*users));
        self.blocks = rest;
        Some((*index, places))
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn add_words(target: &mut [u64], words: &[u64]) {
    for (target, word) in target.iter_mut().zip(words) {
        *target |= word;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const ORD_END: u32 = 300_000;

    /// Sparse and dense sets, at both ends and across blocks.
    fn set() -> impl Strategy<Value = BTreeSet<u32>> {
        let block = 1u32 << BLOCK_SHIFT;
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
            unite(&kept, &mut bits)?;
            let wanted: BTreeSet<u32> = sets.iter().flatten().chain(&before).copied().collect();
            prop_assert_eq!(bits.iter().collect::<BTreeSet<u32>>(), wanted.clone());
            prop_assert_eq!(UserSet::of_bits(&bits), UserSet::new(&list(&wanted)));
            let before = UserSet::new(&list(&before));
            prop_assert_eq!(count_united(kept.iter().chain([&before]), ORD_END)?, wanted.len() as u64);
            prop_assert_eq!(bits.count(), wanted.len() as u64);
        }

        #[test]
        fn what_was_united_is_counted_while_it_is_taken_out(sets in proptest::collection::vec(set(), 0..6), gone in set()) {
            let kept: Vec<UserSet> = sets.iter().map(|set| UserSet::new(&list(set))).collect();
            let mut bits = UserBits::new(ORD_END);
            unite(&kept, &mut bits)?;
            gone.iter().for_each(|ord| bits.remove(*ord));
            let wanted = bits.count();
            match take_out(&kept, &mut bits) {
                Some(taken) => prop_assert_eq!((taken, bits.count()), (wanted, 0)),
                None => prop_assert!(bits.count() == wanted && kept.iter().any(|set| !set.words.is_empty())),
            }
        }

        #[test]
        fn a_set_knows_how_many_it_holds_and_takes_little_room(set in set()) {
            let kept = UserSet::new(&list(&set));
            prop_assert_eq!(kept.len(), set.len() as u64);
            let blocks = ORD_END as usize >> BLOCK_SHIFT | 1;
            prop_assert!(kept.bytes() <= WORDS_WEIGHT * 2 * set.len() + 8 * (blocks + 1));
        }
    }

    #[test]
    fn blocks_may_be_full_and_have_empty_ones_between_them() {
        let block = 1u32 << BLOCK_SHIFT;
        let users: Vec<u32> = (0..block).chain(2 * block..3 * block - 1).chain([3 * block]).collect();
        let kept = UserSet::new(&users);
        let mut bits = UserBits::new(3 * block + 1);
        unite([&kept, &UserSet::default()], &mut bits).unwrap();
        assert!(bits.iter().eq(users.iter().copied()));
        assert_eq!(count_united([&kept], 3 * block + 1).unwrap(), kept.len());
        assert!([0, block, 3 * block].iter().all(|ord_end| count_united([&kept], *ord_end).is_err()));
        assert_eq!((UserSet::of_bits(&bits), kept.len()), (kept, users.len() as u64));
    }

    #[test]
    fn an_ord_that_was_never_given_is_damage() {
        for users in [vec![640], vec![1, 640], (600..641).collect()] {
            assert!(unite([&UserSet::new(&users)], &mut UserBits::new(640)).is_err(), "{users:?}");
            assert!(count_united([&UserSet::new(&users)], 640).is_err(), "{users:?}");
            assert_eq!(count_united([&UserSet::new(&users)], 641).unwrap(), users.len() as u64);
            // In the last word, where there would be room.
            assert!(unite([&UserSet::new(&users)], &mut UserBits::new(641)).is_ok(), "{users:?}");
            let others: Vec<u32> = users.iter().map(|ord| ord + 5).collect();
            assert!(unite([&UserSet::new(&others)], &mut UserBits::new(643)).is_err(), "{users:?}");
        }
    }
}
