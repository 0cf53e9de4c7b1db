//! The directory of the log: how many events of each cell lie in each run of its time order.
//!
//! A leaf is a run of about [`Shape::leaf_keys`] neighbours, a group a run of about [`Shape::group_leaves`] leaves with
//! their sum. A position's rank under any filter is then a sum over groups, a sum over the leaves of one group, and a
//! count of one leaf's keys; a page is an interval of ranks, wherever it lies.
//!
//! Invariants: leaves lie side by side from [`START`] to [`END`] without a gap; a group has at least one leaf, the
//! directory at least one group; a group's counts are the sum of its leaves'; every floor is where a leaf begins
//! (`floors`), so that of each severity a leaf holds all events or none.
//!
//! A directory is a value: clones share their groups, and a change copies only the groups and counts it touches. So
//! each commit makes the next directory while readers go on with theirs, without a lock. No SQL in here: keys are
//! given, and runs of keys are asked for.

mod floors;

use std::ops::Range;
use std::sync::Arc;

use super::cell::{Cell, CellFilter};
use super::counts::Counts;
use super::floors::Floors;
use super::names::Names;
use crate::model::{Position, Timestamp};

/// Before every event.
pub const START: Position = Position { at: Timestamp::MIN, seq: 0 };
/// Behind every event.
pub const END: Position = Position { at: Timestamp::MAX, seq: i64::MAX };

/// An event, as far as the order and the filters know it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    pub position: Position,
    pub cell: Cell,
}

/// How finely the directory counts.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// A leaf takes that many keys at the end of the log, and is split when it has more than twice as many.
    pub leaf_keys: usize,
    /// The same for the leaves of a group.
    pub group_leaves: usize,
}

impl Shape {
    pub const DEFAULT: Shape = Shape { leaf_keys: 1024, group_leaves: 256 };
}

#[derive(Clone, Debug)]
pub struct Leaf {
    /// The run begins here, and ends where the next one begins.
    pub first: Position,
    pub counts: Counts,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub counts: Counts,
    pub leaves: Vec<Leaf>,
}

impl Group {
    fn new(leaves: Vec<Leaf>) -> Group {
        let counts = Counts::sum(leaves.iter().map(|leaf| &leaf.counts));
        Group { counts, leaves }
    }

    fn first(&self) -> Position {
        self.leaves[0].first
    }

    /// Counts keys that lie within the group, in the leaves that are there.
    fn add(&mut self, mut keys: &[Key], touched: &mut Vec<Position>) {
        self.counts = self.counts.plus(&count(keys));
        while let Some(key) = keys.first() {
            let next = self.leaves.partition_point(|leaf| leaf.first <= key.position);
            let leaf_end = self.leaves.get(next).map_or(END, |leaf| leaf.first);
            let (of_leaf, rest) = keys.split_at(keys.partition_point(|key| key.position < leaf_end));
            let leaf = &mut self.leaves[next - 1];
            leaf.counts = leaf.counts.plus(&count(of_leaf));
            touched.push(leaf.first);
            keys = rest;
        }
    }
}

/// Matching keys `skip..skip + take` of those within the run, behind which so many are left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slice {
    pub run: Range<Position>,
    pub skip: u64,
    pub take: u64,
    pub left: u64,
}

#[derive(Clone, Debug)]
pub struct Directory {
    shape: Shape,
    groups: Vec<Arc<Group>>,
    names: Arc<Names>,
    /// The greatest position; [`START`] if there is none.
    last: Position,
    /// The highest sequence number acknowledged; 0 if there is none.
    last_seq: i64,
    /// What the events take in the file, those below the floors with them until they are removed.
    bytes: u64,
    floors: Floors,
}

impl Directory {
    /// From leaves in order, the first of which begins before every event; `last` is the greatest position that they and
    /// all keys still to be added hold. Nothing was retired yet: see [`Directory::hide`].
    pub fn new(shape: Shape, leaves: Vec<Leaf>, names: Arc<Names>, last: Position, last_seq: i64) -> Directory {
        debug_assert!(leaves.first().is_some_and(|leaf| leaf.first == START));
        let groups = into_groups(leaves, shape.group_leaves);
        Directory { shape, groups, names, last, last_seq, bytes: 0, floors: Floors::NONE }
    }

    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    pub fn set_names(&mut self, names: Arc<Names>) {
        self.names = names;
    }

    pub fn last_seq(&self) -> i64 {
        self.last_seq
    }

    pub fn set_last_seq(&mut self, last_seq: i64) {
        self.last_seq = last_seq;
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn set_bytes(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().map(|group| &**group)
    }

    /// Matching events in all.
    pub fn total(&self, filter: &CellFilter) -> u64 {
        self.groups.iter().map(|group| group.counts.matching(filter)).sum()
    }

    /// Matching keys before the leaf that holds the position, and the run of that leaf's keys before the position.
    /// The run is empty where no key in it can match.
    pub fn rank(&self, position: Position, filter: &CellFilter) -> (u64, Range<Position>) {
        let (g, l) = self.locate(position);
        let groups: u64 = self.groups[..g].iter().map(|group| group.counts.matching(filter)).sum();
        let leaves = &self.groups[g].leaves;
        let before: u64 = leaves[..l].iter().map(|leaf| leaf.counts.matching(filter)).sum();
        let none_matches = leaves[l].counts.matching(filter) == 0;
        let run_end = if none_matches { leaves[l].first } else { position.max(leaves[l].first) };
        (groups + before, leaves[l].first..run_end)
    }

    /// Where the matching keys of these ranks lie, in order. Runs without a match are left out.
    pub fn slices(&self, ranks: Range<u64>, filter: &CellFilter) -> Vec<Slice> {
        let mut slices = vec![];
        let mut rank = 0;
        for (g, group) in self.groups.iter().enumerate() {
            let matching = group.counts.matching(filter);
            if rank >= ranks.end {
                break;
            }
            if matching == 0 || rank + matching <= ranks.start {
                rank += matching;
                continue;
            }
            for (l, leaf) in group.leaves.iter().enumerate() {
                if rank >= ranks.end {
                    break;
                }
                let matching = leaf.counts.matching(filter);
                let wanted = ranks.start.max(rank)..ranks.end.min(rank + matching);
                if wanted.start < wanted.end {
                    slices.push(Slice {
                        run: leaf.first..self.leaf_end(g, l),
                        skip: wanted.start - rank,
                        take: wanted.end - wanted.start,
                        left: rank + matching - wanted.end,
                    });
                }
                rank += matching;
            }
        }
        slices
    }

    /// Leaves that hold matching keys, each with its run and how many, from the one that holds the position on.
    pub fn matching_leaves<'a>(
        &'a self,
        from: Position,
        filter: &'a CellFilter,
    ) -> impl Iterator<Item = (Range<Position>, u64)> + 'a {
        let (first_g, first_l) = self.locate(from);
        let groups = (first_g..self.groups.len()).filter(|g| self.groups[*g].counts.matching(filter) > 0);
        let leaves = groups.flat_map(move |g| {
            let first = if g == first_g { first_l } else { 0 };
            (first..self.groups[g].leaves.len()).map(move |l| (g, l))
        });
        leaves.filter_map(|(g, l)| {
            let leaf = &self.groups[g].leaves[l];
            let matching = leaf.counts.matching(filter);
            (matching > 0).then(|| (leaf.first..self.leaf_end(g, l), matching))
        })
    }

    /// The counts of the leaf that begins here, or holds this position, and its run.
    pub fn leaf(&self, position: Position) -> (&Counts, Range<Position>) {
        let (g, l) = self.locate(position);
        let leaf = &self.groups[g].leaves[l];
        (&leaf.counts, leaf.first..self.leaf_end(g, l))
    }

    /// Counts new keys, which are sorted. Returns where the leaves begin that now hold more, or are new; they may have
    /// to be split next.
    pub fn add(&mut self, keys: &[Key]) -> Vec<Position> {
        let (late, in_order) = keys.split_at(keys.partition_point(|key| key.position <= self.last));
        let mut touched = vec![];
        self.add_late(late, &mut touched);
        self.add_in_order(in_order, &mut touched);
        self.last = in_order.last().map_or(self.last, |key| key.position);
        self.last_seq = keys.iter().map(|key| key.position.seq).fold(self.last_seq, i64::max);
        touched
    }

    fn add_late(&mut self, mut keys: &[Key], touched: &mut Vec<Position>) {
        while let Some(key) = keys.first() {
            let (g, _) = self.locate(key.position);
            let group_end = self.groups.get(g + 1).map_or(END, |next| next.first());
            let (of_group, rest) = keys.split_at(keys.partition_point(|key| key.position < group_end));
            Arc::make_mut(&mut self.groups[g]).add(of_group, touched);
            keys = rest;
        }
    }

    /// Fills the last leaf, then opens new ones: keys behind all others cannot belong to an older leaf.
    fn add_in_order(&mut self, mut keys: &[Key], touched: &mut Vec<Position>) {
        while let Some(key) = keys.first() {
            self.make_room(key.position);
            let group = Arc::make_mut(self.groups.last_mut().expect("a directory has a group"));
            let leaf = group.leaves.last_mut().expect("a group has a leaf");
            let room = self.shape.leaf_keys - leaf.counts.total() as usize;
            let (fitting, rest) = keys.split_at(room.min(keys.len()));
            keys = rest;
            let added = count(fitting);
            leaf.counts = leaf.counts.plus(&added);
            touched.push(leaf.first);
            group.counts = group.counts.plus(&added);
        }
    }

    /// Opens a leaf that begins at the position if the last one is full, and a group if the last one is.
    fn make_room(&mut self, position: Position) {
        let last = self.groups.last_mut().expect("a directory has a group");
        let leaf = last.leaves.last().expect("a group has a leaf");
        if leaf.counts.total() < self.shape.leaf_keys as u64 {
            return;
        }
        let opened = Leaf { first: position, counts: Counts::default() };
        if last.leaves.len() < self.shape.group_leaves {
            Arc::make_mut(last).leaves.push(opened);
        } else {
            self.groups.push(Arc::new(Group::new(vec![opened])));
        }
    }

    /// The run of the leaf that begins here, if it has grown so long that it must be split.
    pub fn overgrown(&self, first: Position) -> Option<Range<Position>> {
        let (counts, run) = self.leaf(first);
        (counts.total() > 2 * self.shape.leaf_keys as u64).then_some(run)
    }

    /// Splits the leaf that begins at `first` and holds exactly these keys. Returns where its parts begin.
    pub fn split(&mut self, first: Position, keys: &[Key]) -> Vec<Position> {
        let (g, l) = self.locate(first);
        debug_assert_eq!(self.groups[g].leaves[l].counts, count(keys));
        let part_len = even_chunks(keys.len(), self.shape.leaf_keys);
        let mut leaves: Vec<Leaf> =
            keys.chunks(part_len).map(|part| Leaf { first: part[0].position, counts: count(part) }).collect();
        // The first part goes on where the leaf began, whatever its first key: no gap may arise before it.
        leaves[0].first = first;
        let parts = leaves.iter().map(|leaf| leaf.first).collect();
        let group = Arc::make_mut(&mut self.groups[g]);
        group.leaves.splice(l..=l, leaves);
        if group.leaves.len() > 2 * self.shape.group_leaves {
            let leaves = std::mem::take(&mut group.leaves);
            self.groups.splice(g..=g, into_groups(leaves, self.shape.group_leaves));
        }
        parts
    }

    /// The group, and the leaf in it, whose run holds the position.
    fn locate(&self, position: Position) -> (usize, usize) {
        // Nothing lies before START, but a cursor from outside may.
        let g = self.groups.partition_point(|group| group.first() <= position).saturating_sub(1);
        let l = self.groups[g].leaves.partition_point(|leaf| leaf.first <= position).saturating_sub(1);
        (g, l)
    }

    fn leaf_end(&self, g: usize, l: usize) -> Position {
        match self.groups[g].leaves.get(l + 1) {
            Some(next) => next.first,
            None => self.groups.get(g + 1).map_or(END, |next| next.first()),
        }
    }
}

fn count(keys: &[Key]) -> Counts {
    Counts::of(keys.iter().map(|key| key.cell))
}

fn into_groups(leaves: Vec<Leaf>, group_leaves: usize) -> Vec<Arc<Group>> {
    let chunk = even_chunks(leaves.len(), group_leaves);
    leaves.chunks(chunk).map(|leaves| Arc::new(Group::new(leaves.to_vec()))).collect()
}

/// How long chunks of `len` items are if they are as even as can be and none is shorter than `wanted`, or as `len`.
fn even_chunks(len: usize, wanted: usize) -> usize {
    len.div_ceil((len / wanted).max(1))
}

#[cfg(test)]
mod tests;
