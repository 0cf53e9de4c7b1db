//! Runs: what a stretch of deltas changes in the rollups, as immutable sorted columns.
//!
//! A commit makes a small run; runs of like size are merged, as in a log-structured merge tree, so that a reader looks
//! into few of them and every fact is moved a logarithmic number of times.
//!
//! A removed user never returns under the same ord. So the order of runs does not matter to a reader: it adds what any
//! run adds, then takes away what any run removes. Within one run the two cancel out when it is made.

use std::ops::Range;

use super::by_user::ByUser;
use super::delta::{Count, CountKind, Delta, Extra, Fact};
use super::lattice::{Cell, CellKey, Level};

/// Pairs of a cell's day and a user active there, sorted by both. Keys are of [`super::lattice::Level::Day`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CellUsers {
    pub keys: Vec<CellKey>,
    pub ords: Vec<u32>,
}

/// Signed changes of the extras of users, sorted by a cell's day and the user; none is 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CellExtras {
    pub at: CellUsers,
    pub n: Vec<i32>,
}

/// Signed changes of a count, sorted by cell and day.
pub type CellCounts = Vec<(CellKey, i64)>;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Run {
    pub added: CellUsers,
    pub removed: CellUsers,
    /// By [`CountKind`].
    counts: [CellCounts; 2],
    pub extras: CellExtras,
    /// What is added, and the extras, once more by user; less what belongs to `removed_users`.
    pub by_user: ByUser,
    /// Users whose history was removed, sorted.
    pub removed_users: Vec<u32>,
}

impl Run {
    pub fn new(delta: &Delta) -> Run {
        let mut removed_users: Vec<u32> = delta.removed.iter().map(|fact| fact.ord).collect();
        removed_users.sort_unstable();
        removed_users.dedup();
        let extras = CellExtras::new(&delta.extras);
        let run = Run {
            added: CellUsers::new(&delta.added),
            removed: CellUsers::new(&delta.removed),
            counts: [CountKind::Entered, CountKind::Left].map(|kind| counts_of(kind, &delta.counts)),
            by_user: ByUser::new(&delta.added, &extras),
            extras,
            removed_users,
        };
        run.cancelled()
    }

    pub fn merge(a: &Run, b: &Run) -> Run {
        let run = Run {
            added: CellUsers::merge(&a.added, &b.added),
            removed: CellUsers::merge(&a.removed, &b.removed),
            counts: std::array::from_fn(|kind| net(merge_sorted(&a.counts[kind], &b.counts[kind]))),
            extras: CellExtras::merge(&a.extras, &b.extras),
            by_user: ByUser::merge(&a.by_user, &b.by_user),
            removed_users: merge_sorted(&a.removed_users, &b.removed_users),
        };
        run.cancelled()
    }

    /// What one run both adds and removes never was.
    fn cancelled(mut self) -> Run {
        if !self.removed.keys.is_empty() {
            CellUsers::cancel(&mut self.added, &mut self.removed);
            self.by_user.drop_users(&self.removed_users);
        }
        self
    }

    pub fn counts(&self, kind: CountKind) -> &[(CellKey, i64)] {
        &self.counts[kind as usize]
    }

    pub fn removes(&self, ord: u32) -> bool {
        self.removed_users.binary_search(&ord).is_ok()
    }

    /// How many entries of cells it holds: what folding it takes.
    pub fn entries(&self) -> usize {
        let counts = self.counts.iter().map(Vec::len).sum::<usize>();
        self.added.ords.len() + self.removed.ords.len() + self.extras.n.len() + counts
    }
}

/// The entries of sorted counts from `from` up to but not including `to`.
pub fn counts_between(counts: &[(CellKey, i64)], from: CellKey, to: CellKey) -> &[(CellKey, i64)] {
    let start = counts.partition_point(|(key, _)| *key < from);
    let len = counts[start..].partition_point(|(key, _)| *key < to);
    &counts[start..start + len]
}

impl CellUsers {
    fn new(facts: &[Fact]) -> CellUsers {
        let mut pairs = Vec::with_capacity(facts.len() * 4);
        for fact in facts {
            for (i, cell) in Cell::touched(fact.team, fact.service).into_iter().enumerate() {
                if fact.cells >> i & 1 == 1 {
                    pairs.push((cell.key(Level::Day, fact.day), fact.ord));
                }
            }
        }
        pairs.sort_unstable();
        let (keys, ords) = pairs.into_iter().unzip();
        CellUsers { keys, ords }
    }

    fn iter(&self) -> impl Iterator<Item = (CellKey, u32)> {
        self.keys.iter().copied().zip(self.ords.iter().copied())
    }

    fn merge(a: &CellUsers, b: &CellUsers) -> CellUsers {
        let len = a.keys.len() + b.keys.len();
        let mut out = CellUsers { keys: Vec::with_capacity(len), ords: Vec::with_capacity(len) };
        let (mut i, mut j) = (0, 0);
        while i < a.keys.len() && j < b.keys.len() {
            let from_a = (a.keys[i], a.ords[i]) <= (b.keys[j], b.ords[j]);
            let (side, at) = if from_a { (a, &mut i) } else { (b, &mut j) };
            out.keys.push(side.keys[*at]);
            out.ords.push(side.ords[*at]);
            *at += 1;
        }
        for (side, at) in [(a, i), (b, j)] {
            out.keys.extend_from_slice(&side.keys[at..]);
            out.ords.extend_from_slice(&side.ords[at..]);
        }
        out
    }

    /// Drops from both what both hold.
    fn cancel(a: &mut CellUsers, b: &mut CellUsers) {
        let both: Vec<(CellKey, u32)> = {
            let mut other = b.iter().peekable();
            a.iter()
                .filter(|pair| {
                    while other.next_if(|next| next < pair).is_some() {}
                    other.peek() == Some(pair)
                })
                .collect()
        };
        for side in [a, b] {
            let mut dropped = both.iter().peekable();
            let kept = side.iter().filter(|pair| dropped.next_if_eq(&pair).is_none());
            let (keys, ords) = kept.unzip();
            *side = CellUsers { keys, ords };
        }
    }

    /// Where the entries from `from` up to but not including `to` stand.
    pub fn between(&self, from: CellKey, to: CellKey) -> Range<usize> {
        let start = self.keys.partition_point(|key| *key < from);
        start..start + self.keys[start..].partition_point(|key| *key < to)
    }
}

impl CellExtras {
    fn new(extras: &[Extra]) -> CellExtras {
        let mut entries = Vec::with_capacity(extras.len() * 4);
        for extra in extras {
            for (i, cell) in Cell::touched(extra.team, extra.service).into_iter().enumerate() {
                if extra.cells >> i & 1 == 1 {
                    entries.push((cell.key(Level::Day, extra.day), extra.ord, extra.n));
                }
            }
        }
        entries.sort_unstable();
        let mut out = CellExtras::default();
        entries.into_iter().for_each(|(key, ord, n)| out.push(key, ord, n));
        out.drop_zero();
        out
    }

    fn merge(a: &CellExtras, b: &CellExtras) -> CellExtras {
        let mut out = CellExtras::default();
        let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
        loop {
            let from_left = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => (a.0, a.1) <= (b.0, b.1),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            if let Some((key, ord, n)) = if from_left { left.next() } else { right.next() } {
                out.push(key, ord, n);
            }
        }
        out.drop_zero();
        out
    }

    pub fn iter(&self) -> impl Iterator<Item = (CellKey, u32, i32)> {
        self.at.iter().zip(&self.n).map(|((key, ord), n)| (key, ord, *n))
    }

    /// Adds to the last entry if that is of the same user on the same cell's day.
    fn push(&mut self, key: CellKey, ord: u32, n: i32) {
        match self.n.last_mut() {
            Some(last) if self.at.keys.last() == Some(&key) && self.at.ords.last() == Some(&ord) => *last += n,
            _ => {
                self.at.keys.push(key);
                self.at.ords.push(ord);
                self.n.push(n);
            }
        }
    }

    fn drop_zero(&mut self) {
        if self.n.contains(&0) {
            let (keys, ords) = self.iter().filter(|entry| entry.2 != 0).map(|(key, ord, _)| (key, ord)).unzip();
            self.at = CellUsers { keys, ords };
            self.n.retain(|n| *n != 0);
        }
    }
}

fn counts_of(kind: CountKind, counts: &[Count]) -> CellCounts {
    let mut counts: CellCounts = counts
        .iter()
        .filter(|count| count.kind == kind)
        .map(|count| (count.cell.key(Level::Day, count.day), i64::from(count.n)))
        .collect();
    counts.sort_unstable();
    net(counts)
}

/// Adds up sorted entries of one key and drops what comes to zero.
pub(super) fn net<K: PartialEq>(mut counts: Vec<(K, i64)>) -> Vec<(K, i64)> {
    counts.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    counts.retain(|(_, n)| *n != 0);
    counts
}

pub(super) fn merge_sorted<T: Copy + Ord>(a: &[T], b: &[T]) -> Vec<T> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let from_a = a[i] <= b[j];
        out.push(if from_a { a[i] } else { b[j] });
        i += usize::from(from_a);
        j += usize::from(!from_a);
    }
    out.extend_from_slice(&a[i..]);
    out.extend_from_slice(&b[j..]);
    out
}

#[cfg(test)]
#[path = "run_test.rs"]
mod tests;
