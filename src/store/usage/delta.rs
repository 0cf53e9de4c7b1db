//! What one commit changes in the rollups: the base facts' hand-over to them.

use super::lattice::Cell;
use crate::model::Day;

/// A user was active on a day in a (team, service) pair, and this is new for some of the four cells it touches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fact {
    pub day: Day,
    pub ord: u32,
    pub team: u32,
    pub service: u32,
    /// Bit i: entry i of [`Cell::touched`] had no activity of this user on this day before.
    pub cells: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CountKind {
    /// Users that enter the cell's scope on the day.
    Entered = 0,
    /// Users that leave it by deactivation: from the next day on they are in no total.
    Left = 1,
}

/// A signed change of one count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Count {
    pub kind: CountKind,
    pub cell: Cell,
    pub day: Day,
    pub n: i32,
}

/// A change of the *extra* of a user: the sessions of its that start on a day and touch a cell, less one if it was
/// active in the cell that day. One session a day is the rule, so most extras are 0 and nobody keeps them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Extra {
    pub day: Day,
    pub ord: u32,
    pub team: u32,
    pub service: u32,
    /// Bit i: it is the extra of entry i of [`Cell::touched`] that changes.
    pub cells: u8,
    pub n: i32,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delta {
    /// Each (day, ord, cell) at most once in the life of the database, unless it was removed in between.
    pub added: Vec<Fact>,
    /// Facts of users whose history is removed: every fact of those users, who never come back under the same ord.
    pub removed: Vec<Fact>,
    /// Net: each (kind, cell, day) at most once after [`Delta::net`], none zero.
    pub counts: Vec<Count>,
    /// Those of one (day, ord, cell) add up. After [`Delta::net`] none is zero, but those of several pairs in one cell
    /// may still cancel each other out.
    pub extras: Vec<Extra>,
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.counts.is_empty() && self.extras.is_empty()
    }

    pub fn count(&mut self, kind: CountKind, cell: Cell, day: Day, n: i32) {
        self.counts.push(Count { kind, cell, day, n });
    }

    /// A session is expected wherever there is activity.
    pub fn add(&mut self, fact: Fact) {
        let Fact { day, ord, team, service, cells } = fact;
        self.added.push(fact);
        self.extras.push(Extra { day, ord, team, service, cells, n: -1 });
    }

    /// So many more sessions of the user start on the day and touch the pair; `cells`: in which of its cells they were
    /// not counted yet.
    pub fn count_pair(&mut self, day: Day, ord: u32, (team, service): (u32, u32), cells: u8, n: i32) {
        self.extras.push(Extra { day, ord, team, service, cells, n });
    }

    /// So many more sessions of the user start on the day and touch just these pairs.
    pub fn count_session(&mut self, day: Day, ord: u32, pairs: impl IntoIterator<Item = (u32, u32)>, n: i32) {
        for (pair, cells) in Cell::first_touched_by(pairs) {
            self.count_pair(day, ord, pair, cells, n);
        }
    }

    /// Sorts, adds up what belongs together and drops what cancels out.
    pub fn net(&mut self) {
        self.added.sort_unstable();
        self.removed.sort_unstable();
        self.counts.sort_unstable_by_key(|count| (count.kind, count.cell, count.day));
        self.counts.dedup_by(|next, kept| {
            let same = (next.kind, next.cell, next.day) == (kept.kind, kept.cell, kept.day);
            if same {
                kept.n += next.n;
            }
            same
        });
        self.counts.retain(|count| count.n != 0);
        self.net_extras();
    }

    fn net_extras(&mut self) {
        let pair = |extra: &Extra| (extra.day, extra.ord, extra.team, extra.service);
        self.extras.sort_unstable();
        let mut netted = vec![];
        for of_pair in self.extras.chunk_by(|a, b| pair(a) == pair(b)) {
            let mut sums = [0; 4];
            for extra in of_pair {
                for (bit, sum) in sums.iter_mut().enumerate() {
                    *sum += if extra.cells >> bit & 1 == 1 { extra.n } else { 0 };
                }
            }
            push_sums(&of_pair[0], sums, &mut netted);
        }
        self.extras = netted;
    }
}

/// One entry for each distinct sum that is not 0.
fn push_sums(pair: &Extra, sums: [i32; 4], netted: &mut Vec<Extra>) {
    for (first, n) in sums.into_iter().enumerate() {
        if n != 0 && !sums[..first].contains(&n) {
            let cells = (0..4).filter(|bit| sums[*bit] == n).fold(0, |cells, bit| cells | 1 << bit);
            netted.push(Extra { cells, n, ..*pair });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fact(day: u32, team: u32, service: u32, cells: u8) -> Fact {
        Fact { day: Day::from_index(day).unwrap(), ord: 7, team, service, cells }
    }

    #[test]
    fn a_first_activity_with_one_session_leaves_no_extra() {
        let mut delta = Delta::default();
        delta.add(fact(5, 2, 3, 0b1111));
        delta.add(fact(5, 2, 4, 0b1100));
        delta.count_session(Day::from_index(5).unwrap(), 7, [(2, 4), (2, 3)], 1);
        delta.net();
        assert_eq!((delta.added.len(), delta.extras), (2, vec![]));
    }

    #[test]
    fn a_second_session_of_a_day_is_one_extra_and_one_from_the_day_before_is_one_less() {
        let mut delta = Delta::default();
        let day = |index| Day::from_index(index).unwrap();
        delta.add(fact(5, 2, 3, 0b1111));
        delta.count_session(day(5), 7, [(2, 3)], 1);
        delta.count_session(day(5), 7, [(2, 3)], 1);
        delta.add(fact(6, 2, 3, 0b1111));
        delta.net();
        let extra = |index, n| Extra { day: day(index), ord: 7, team: 2, service: 3, cells: 0b1111, n };
        assert_eq!(delta.extras, [extra(5, 1), extra(6, -1)]);
    }

    proptest! {
        #[test]
        fn extras_keep_their_sums_by_cell(parts in proptest::collection::vec((5..7u32, 1..3u32, 1..3u32, 0..16u8, -2..3i32), 0..30)) {
            let mut delta = Delta::default();
            for (day, team, service, cells, n) in parts {
                delta.count_pair(Day::from_index(day).unwrap(), 7, (team, service), cells, n);
            }
            let sums = |delta: &Delta| {
                let mut sums = std::collections::BTreeMap::new();
                for extra in &delta.extras {
                    for (bit, cell) in Cell::touched(extra.team, extra.service).into_iter().enumerate() {
                        *sums.entry((extra.day, cell)).or_insert(0) += i32::from(extra.cells >> bit & 1) * extra.n;
                    }
                }
                sums.retain(|_, n| *n != 0);
                sums
            };
            let before = sums(&delta);
            delta.net();
            prop_assert_eq!(sums(&delta), before);
            prop_assert!(delta.extras.iter().all(|extra| extra.n != 0 && extra.cells != 0));
        }
    }
}
