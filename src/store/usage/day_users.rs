//! Who was active in a cell on a day, and how many sessions each of them started there: a set of users and their extras
//! ([`super::delta::Extra`]).
//!
//! Extras are packed beside the set, which says what they mean: each is a varint of `step << 2 | form`, `step` being how
//! many users of the set to pass over. As a rule that is all, and it is one byte.

use super::sets::{self, union_without};
use super::unit::DayChange;
use crate::error::Result;
use crate::store::varint::{self, Cursor, damaged};

/// The next user has one session more, or one less, than usual.
const MORE: u64 = 0;
const LESS: u64 = 1;
/// Its extra follows.
const MANY: u64 = 2;
/// Somebody who was not active has sessions here, whose matching events lie on later days: how far its ord is behind
/// that of the user before follows, then the extra.
const ABSENT: u64 = 3;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DayUsers {
    /// Ascending, each once.
    pub users: Vec<u32>,
    /// Ascending by ord; none is 0.
    pub extras: Vec<(u32, i32)>,
}

impl DayUsers {
    /// Errors if either is damaged.
    pub fn unpack(set: &[u8], extras: &[u8]) -> Result<DayUsers> {
        let mut day = DayUsers { users: sets::decode(set)?, extras: vec![] };
        for_each_extra(&day.users, extras, |ord, n| {
            day.extras.push((ord, n));
            Ok(())
        })?;
        Ok(day)
    }

    /// Sessions that start on the day and touch the cell.
    pub fn sessions(&self) -> i64 {
        self.users.len() as i64 + self.extras.iter().map(|(_, n)| i64::from(*n)).sum::<i64>()
    }

    /// Errors if an extra would not fit: what is there must be damaged.
    pub fn change(&mut self, change: &DayChange) -> Result<()> {
        if !change.added.is_empty() || !change.removed.is_empty() {
            self.users = union_without(&self.users, change.added, change.removed);
        }
        if !change.extras.is_empty() {
            self.extras.extend(change.extra_ords.iter().copied().zip(change.extras.iter().copied()));
            self.extras.sort_by_key(|(ord, _)| *ord);
            self.net_extras()?;
        }
        Ok(())
    }

    fn net_extras(&mut self) -> Result<()> {
        let mut fits = true;
        self.extras.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                let sum = kept.1.checked_add(next.1);
                fits &= sum.is_some();
                kept.1 = sum.unwrap_or_default();
            }
            same
        });
        self.extras.retain(|(_, n)| *n != 0);
        if fits { Ok(()) } else { Err(damaged()) }
    }

    pub fn packed_set(&self) -> Vec<u8> {
        let mut out = vec![];
        sets::encode(&self.users, &mut out);
        out
    }

    /// Empty where there are none.
    pub fn packed_extras(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.extras.len() + self.extras.len() / 4);
        let mut passed = 0;
        for (ord, n) in &self.extras {
            let step = self.users[passed..].partition_point(|user| user < ord);
            passed += step;
            let is_user = self.users.get(passed) == Some(ord);
            let form = match n {
                _ if !is_user => ABSENT,
                1 => MORE,
                -1 => LESS,
                _ => MANY,
            };
            varint::put(&mut out, (step as u64) << 2 | form);
            if form == ABSENT {
                let before = passed.checked_sub(1).map_or(0, |before| self.users[before]);
                varint::put(&mut out, u64::from(ord - before));
            }
            if form >= MANY {
                varint::put_signed(&mut out, i64::from(*n));
            }
        }
        out
    }
}

/// Calls with each user that has an extra, ascending, and the extra. `users`: the set that it was packed beside.
pub fn for_each_extra(users: &[u32], packed: &[u8], mut visit: impl FnMut(u32, i32) -> Result<()>) -> Result<()> {
    let mut cursor = Cursor::new(packed);
    let mut passed = 0usize;
    let mut last = None;
    while !cursor.is_empty() {
        let head = cursor.u64()?;
        let step = usize::try_from(head >> 2).map_err(|_| damaged())?;
        passed = passed.checked_add(step).ok_or_else(damaged)?;
        let ord = if head & 3 == ABSENT {
            absent(users, passed, &mut cursor)?
        } else {
            *users.get(passed).ok_or_else(damaged)?
        };
        let n = match head & 3 {
            MORE => 1,
            LESS => -1,
            _ => i32::try_from(cursor.signed()?).map_err(|_| damaged())?,
        };
        if last.replace(ord) >= Some(ord) || n == 0 {
            return Err(damaged());
        }
        visit(ord, n)?;
    }
    Ok(())
}

fn absent(users: &[u32], passed: usize, cursor: &mut Cursor) -> Result<u32> {
    let before = match passed.checked_sub(1) {
        Some(before) => *users.get(before).ok_or_else(damaged)?,
        None => 0,
    };
    let ord = before.checked_add(cursor.u32()?).ok_or_else(damaged)?;
    if users.get(passed).is_none_or(|next| ord < *next) { Ok(ord) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Users = BTreeMap<u32, (bool, i32)>;

    fn day_of(users: &Users) -> DayUsers {
        DayUsers {
            users: users.iter().filter(|(_, (active, _))| *active).map(|(ord, _)| *ord).collect(),
            extras: users.iter().filter(|(_, (_, n))| *n != 0).map(|(ord, (_, n))| (*ord, *n)).collect(),
        }
    }

    fn users() -> impl Strategy<Value = Users> {
        let extra = prop_oneof![6 => Just(0), 3 => Just(1), 2 => Just(-1), 2 => any::<i32>()];
        (0..u32::MAX - 5_000, 1..5_000u32).prop_flat_map(move |(base, width)| {
            proptest::collection::btree_map(base..base + width, (any::<bool>(), extra.clone()), 0..60)
        })
    }

    proptest! {
        #[test]
        fn a_day_is_unpacked_as_it_was_packed(users in users()) {
            let day = day_of(&users);
            prop_assert_eq!(DayUsers::unpack(&day.packed_set(), &day.packed_extras())?, day);
        }

        #[test]
        fn damaged_extras_are_an_error_or_ascend_but_never_a_panic(users in users(), packed in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(day) = DayUsers::unpack(&day_of(&users).packed_set(), &packed) {
                prop_assert!(day.extras.is_sorted_by(|a, b| a.0 < b.0) && day.extras.iter().all(|(_, n)| *n != 0));
            }
        }

        #[test]
        fn changes_add_up_and_leave_no_zero(changes in proptest::collection::vec((0..9u32, -2..3i32), 0..40)) {
            let mut day = DayUsers::default();
            let mut sums = BTreeMap::new();
            for (ord, n) in changes {
                let change = DayChange { day: crate::model::Day::MIN, added: &[], removed: &[], extra_ords: &[ord], extras: &[n] };
                day.change(&change)?;
                *sums.entry(ord).or_insert(0) += n;
            }
            sums.retain(|_, n| *n != 0);
            prop_assert_eq!(day.extras, sums.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_second_session_takes_a_byte() {
        let day = DayUsers { users: (0..100_000).step_by(20).collect(), extras: vec![(400, 1), (800, -1), (1_000, 2)] };
        assert_eq!(day.packed_extras().len(), 1 + 1 + 2);
        assert_eq!(day.sessions(), 5_002);
    }
}
