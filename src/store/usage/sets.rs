//! Sets of users, by ord: packed for the database, and as a bitset to count distinct users in.
//!
//! The packed form is empty for the empty set; otherwise one byte says which of two forms follows, whichever is
//! smaller: the ords as delta varints, or a base word and the words of a bitset from there on.

use multiversion::multiversion;

use crate::error::Result;
use crate::store::varint::{self, Cursor, damaged};

const LIST: u8 = 0;
const WORDS: u8 = 1;
const WORD_BITS: u32 = u64::BITS;
const WORD_BYTES: usize = size_of::<u64>();

/// Appends the packed form of a strictly ascending list of ords.
pub fn encode(users: &[u32], out: &mut Vec<u8>) {
    let (Some(first), Some(last)) = (users.first(), users.last()) else { return };
    let base = first / WORD_BITS;
    let words = (last / WORD_BITS - base + 1) as usize;
    let mut head = vec![WORDS];
    varint::put(&mut head, u64::from(base));
    let words_len = head.len() + words * WORD_BYTES;

    // A list takes a byte an entry at the least.
    if users.len() < words_len {
        let start = out.len();
        out.push(LIST);
        let mut previous = 0;
        for ord in users {
            varint::put(out, u64::from(ord - previous));
            previous = *ord;
        }
        if out.len() - start <= words_len {
            return;
        }
        out.truncate(start);
    }
    out.extend_from_slice(&head);
    let body = out.len();
    out.resize(body + words * WORD_BYTES, 0);
    for ord in users {
        let bit = ord - base * WORD_BITS;
        // Little-endian words hold bit i in byte i / 8.
        out[body + (bit / 8) as usize] |= 1 << (bit % 8);
    }
}

/// The ords of a packed set, ascending. Errors if it is damaged.
pub fn decode(body: &[u8]) -> Result<Vec<u32>> {
    let mut users = vec![];
    decode_into(body, &mut users)?;
    Ok(users)
}

/// The same in place of what `users` held, for those who unpack many.
pub fn decode_into(body: &[u8], users: &mut Vec<u32>) -> Result<()> {
    users.clear();
    match Packed::open(body)? {
        Packed::List(list) => decode_list(list, users),
        Packed::Words(base, words) => decode_words(base, words, users),
    }
}

fn decode_list(list: &[u8], users: &mut Vec<u32>) -> Result<()> {
    // A byte an entry at the least.
    users.reserve(list.len());
    for_each_listed(list, |ords| {
        users.extend_from_slice(ords);
        Ok(())
    })
}

fn decode_words(base: usize, words: &[u8], users: &mut Vec<u32>) -> Result<()> {
    for (i, word) in words.chunks_exact(WORD_BYTES).enumerate() {
        let mut rest = word_of(word);
        let start = u32::try_from(base + i).ok().and_then(|word| word.checked_mul(WORD_BITS));
        let start = start.ok_or_else(damaged)?;
        while rest != 0 {
            users.push(start + rest.trailing_zeros());
            rest &= rest - 1;
        }
    }
    Ok(())
}

enum Packed<'a> {
    List(&'a [u8]),
    /// The base word's index, and the bytes of whole words.
    Words(usize, &'a [u8]),
}

impl Packed<'_> {
    fn open(body: &[u8]) -> Result<Packed<'_>> {
        let mut cursor = Cursor::new(body);
        if cursor.is_empty() {
            return Ok(Packed::List(&[]));
        }
        match cursor.byte()? {
            LIST => Ok(Packed::List(cursor.rest())),
            WORDS => {
                let base = cursor.u32()? as usize;
                let whole = cursor.rest().len().is_multiple_of(WORD_BYTES);
                if whole { Ok(Packed::Words(base, cursor.rest())) } else { Err(damaged()) }
            }
            _ => Err(damaged()),
        }
    }
}

/// Calls with the ords of a list, ascending, a few at a time.
#[inline(always)]
fn for_each_listed(mut list: &[u8], mut visit: impl FnMut(&[u32]) -> Result<()>) -> Result<()> {
    let mut last = None;
    while !list.is_empty() {
        if let (Some(previous), Some(window)) = (last, list.first_chunk()) {
            let (ords, taken) = short_steps(previous, u64::from_le_bytes(*window));
            if taken > 0 {
                visit(&ords)?;
                last = Some(ords[SHORT_STEPS - 1]);
                list = &list[taken..];
                continue;
            }
        }
        let mut cursor = Cursor::new(list);
        let step = cursor.u32()?;
        let next = last.unwrap_or(0u32).checked_add(step).filter(|_| step > 0 || last.is_none()).ok_or_else(damaged)?;
        visit(&[next])?;
        last = Some(next);
        list = cursor.rest();
    }
    Ok(())
}

const SHORT_STEPS: usize = 4;

/// The next four ords and how many bytes they take, if these are steps of one or two bytes each, as most are: read from
/// one word without a branch that depends on them. Nothing is taken otherwise, nor where a step is 0 or overflows.
#[inline(always)]
fn short_steps(previous: u32, mut window: u64) -> ([u32; SHORT_STEPS], usize) {
    let mut ords = [0; SHORT_STEPS];
    let (mut ord, mut taken, mut is_sound) = (previous, 0, true);
    for slot in &mut ords {
        let two = window >> 7 & 1;
        let step = window & 0x7f | window >> 1 & 0x3f80 & two.wrapping_neg();
        *slot = ord.wrapping_add(step as u32);
        is_sound &= window & 0x8080 != 0x8080 && *slot > ord;
        ord = *slot;
        window >>= 8 << two;
        taken += 1 + two as usize;
    }
    (ords, if is_sound { taken } else { 0 })
}

fn word_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"))
}

/// The union of two ascending lists, less a third; ascending.
pub fn union_without(a: &[u32], b: &[u32], without: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    let mut without = without.iter().copied().peekable();
    while let Some(ord) = [a.peek(), b.peek()].into_iter().flatten().min().copied() {
        a.next_if_eq(&ord);
        b.next_if_eq(&ord);
        while without.next_if(|next| *next < ord).is_some() {}
        if without.peek() != Some(&ord) {
            out.push(ord);
        }
    }
    out
}

/// A bitset over all users, reused from one count to the next.
pub struct UserBits {
    words: Vec<u64>,
    ord_end: u32,
}

impl UserBits {
    /// Room for the ords below `ord_end`.
    pub fn new(ord_end: u32) -> UserBits {
        UserBits { words: vec![0; ord_end.div_ceil(WORD_BITS) as usize], ord_end }
    }

    /// Room for the ords below another end. All must be clear.
    pub fn resize(&mut self, ord_end: u32) {
        self.words.resize(ord_end.div_ceil(WORD_BITS) as usize, 0);
        self.ord_end = ord_end;
    }

    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Errors for an ord that was never given: whatever named it is damaged.
    #[inline]
    pub fn insert(&mut self, ord: u32) -> Result<()> {
        if ord >= self.ord_end {
            return Err(damaged());
        }
        self.words[(ord / WORD_BITS) as usize] |= 1 << (ord % WORD_BITS);
        Ok(())
    }

    /// Inserts an ord if `is_there`, without a branch that nobody could foresee.
    #[inline]
    pub fn insert_if(&mut self, is_there: bool, ord: u32) -> Result<()> {
        if ord >= self.ord_end {
            return Err(damaged());
        }
        self.words[(ord / WORD_BITS) as usize] |= u64::from(is_there) << (ord % WORD_BITS);
        Ok(())
    }

    pub fn remove(&mut self, ord: u32) {
        if let Some(word) = self.words.get_mut((ord / WORD_BITS) as usize) {
            *word &= !(1 << (ord % WORD_BITS));
        }
    }

    /// Removes an ord; whether it was there.
    #[inline]
    pub fn take(&mut self, ord: u32) -> bool {
        let Some(word) = self.words.get_mut((ord / WORD_BITS) as usize) else { return false };
        let bit = 1 << (ord % WORD_BITS);
        let was_there = *word & bit != 0;
        *word &= !bit;
        was_there
    }

    /// As [`UserBits::take`] if `is_there`; 1 if it was in it.
    #[inline]
    pub fn take_if(&mut self, is_there: bool, ord: u32) -> u64 {
        let Some(word) = self.words.get_mut((ord / WORD_BITS) as usize) else { return 0 };
        let taken = *word >> (ord % WORD_BITS) & u64::from(is_there);
        *word &= !(taken << (ord % WORD_BITS));
        taken
    }

    pub fn contains(&self, ord: u32) -> bool {
        self.words.get((ord / WORD_BITS) as usize).is_some_and(|word| word >> (ord % WORD_BITS) & 1 == 1)
    }

    pub fn count(&self) -> u64 {
        count_ones(&self.words)
    }

    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Bits from the end on, of ords that were never given, must stay clear.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// The ords in it, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(i, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(i as u32 * WORD_BITS + bit)
            })
        })
    }

    /// Adds the users of a packed set without unpacking it. Errors if it is damaged.
    pub fn insert_packed(&mut self, body: &[u8]) -> Result<()> {
        match Packed::open(body)? {
            Packed::List(list) => for_each_listed(list, |ords| ords.iter().try_for_each(|ord| self.insert(*ord))),
            Packed::Words(base, words) => {
                let end = base + words.len() / WORD_BYTES;
                let target = self.words.get_mut(base..end).ok_or_else(damaged)?;
                for (target, word) in target.iter_mut().zip(words.chunks_exact(WORD_BYTES)) {
                    *target |= word_of(word);
                }
                self.check_end()
            }
        }
    }

    /// Errors if there is a bit of an ord that was never given: the last word has room for some.
    pub fn check_end(&self) -> Result<()> {
        let used = self.ord_end % WORD_BITS;
        let beyond = if used == 0 { 0 } else { self.words.last().map_or(0, |last| last >> used) };
        if beyond == 0 { Ok(()) } else { Err(damaged()) }
    }
}

/// Bits that are set. Every instruction of the loop stands in the function itself: one that is called would be compiled for
/// the oldest processors only.
#[multiversion(targets("x86_64+avx2+popcnt", "x86_64+popcnt"))]
pub fn count_ones(words: &[u64]) -> u64 {
    let mut ones = 0;
    for word in words {
        ones += u64::from(word.count_ones());
    }
    ones
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Sparse and dense sets, far from and near to zero.
    fn users() -> impl Strategy<Value = BTreeSet<u32>> {
        (0..5_000u32, 1..2_000u32, 0..300usize)
            .prop_flat_map(|(base, width, len)| proptest::collection::btree_set(base..base + width, 0..=len))
    }

    fn packed(users: &BTreeSet<u32>) -> Vec<u8> {
        let mut out = vec![];
        encode(&users.iter().copied().collect::<Vec<_>>(), &mut out);
        out
    }

    fn list(users: &BTreeSet<u32>) -> Vec<u32> {
        users.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn a_set_is_unpacked_as_it_was_packed(users in users()) {
            let body = packed(&users);
            prop_assert_eq!(decode(&body)?, list(&users));
            let mut bits = UserBits::new(10_000);
            bits.insert_packed(&body)?;
            prop_assert_eq!(bits.iter().collect::<BTreeSet<_>>(), users.clone());
            prop_assert_eq!(bits.count(), users.len() as u64);
        }

        #[test]
        fn sets_are_joined_in_one_bitset(a in users(), b in users()) {
            let mut bits = UserBits::new(10_000);
            bits.insert_packed(&packed(&a))?;
            bits.insert_packed(&packed(&b))?;
            prop_assert_eq!(bits.iter().collect::<BTreeSet<_>>(), &a | &b);
            prop_assert!(a.iter().all(|ord| bits.contains(*ord)));
        }

        #[test]
        fn a_union_leaves_out_what_is_removed(a in users(), b in users(), c in users()) {
            let want = &(&a | &b) - &c;
            prop_assert_eq!(union_without(&list(&a), &list(&b), &list(&c)), list(&want));
        }

        #[test]
        fn damaged_bytes_are_an_error_or_a_set_but_never_a_panic(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let decoded = decode(&body);
            let mut bits = UserBits::new(10_000);
            let inserted = bits.insert_packed(&body);
            if let (Ok(users), Ok(())) = (decoded, inserted) {
                prop_assert_eq!(bits.iter().collect::<Vec<_>>(), users);
            }
        }
    }

    #[test]
    fn a_dense_set_takes_a_bit_a_user_and_a_sparse_one_a_byte_or_two() {
        assert!(packed(&(0..8_000).collect()).len() <= 1_010);
        assert!(packed(&(0..8_000).step_by(100).collect()).len() <= 90);
    }

    #[test]
    fn a_user_beyond_the_last_one_given_is_damage() {
        assert!(UserBits::new(100).insert_packed(&packed(&BTreeSet::from([100]))).is_err());
        assert!(UserBits::new(100).insert_packed(&packed(&(0..200).collect())).is_err());
        // In the last word, where there would be room.
        assert!(UserBits::new(100).insert_packed(&packed(&(0..101).collect())).is_err());
        assert!(UserBits::new(100).insert_packed(&packed(&(0..100).collect())).is_ok());
        assert!(UserBits::new(128).insert_packed(&packed(&(0..128).collect())).is_ok());
    }
}
