//! What retention does to a directory: counts below the floors go at once, leaves that hold little become one.

use std::ops::Range;
use std::sync::Arc;

use super::{Counts, Directory, Floors, Group, Key, Leaf, START, count, into_groups};
use crate::error::Result;
use crate::model::{Position, Timestamp};
use crate::store::log::floors::before;
use crate::store::varint::damaged;

/// What [`Directory::merge`] has done: where leaves begin that now hold more, and where none begins any longer.
#[derive(Default, Debug)]
pub struct Merged {
    pub grown: Vec<Position>,
    pub gone: Vec<Position>,
}

impl Directory {
    pub fn floors(&self) -> &Floors {
        &self.floors
    }

    /// Splits the leaf that holds the position so that one begins there; the leaf holds exactly these keys. Returns where
    /// its parts begin.
    pub fn split_at(&mut self, position: Position, keys: &[Key]) -> [Position; 2] {
        let (g, l) = self.locate(position);
        let group = Arc::make_mut(&mut self.groups[g]);
        let first = group.leaves[l].first;
        let (below, above) = keys.split_at(keys.partition_point(|key| key.position < position));
        let parts = [Leaf { first, counts: count(below) }, Leaf { first: position, counts: count(above) }];
        group.leaves.splice(l..=l, parts);
        [first, position]
    }

    /// Takes what lies below the floors out of the counts, whoever counted it. Errors if a floor is not where a leaf
    /// begins: a fault of the database file.
    pub fn hide(&mut self, floors: Floors) -> Result<()> {
        if floors.instants().into_iter().any(|at| self.leaf(before(at)).1.start != before(at)) {
            return Err(damaged());
        }
        self.floors = floors;
        // A key between two floors belongs to a leaf before the last one, though no event may lie behind it.
        self.last = self.last.max(before(floors.highest()));
        self.drop_below(floors.lowest());
        for group in self.groups.iter_mut().filter(|group| group.first() < before(floors.highest())) {
            hide_in(group, &floors);
        }
        Ok(())
    }

    /// Leaves below every floor become the empty one that begins at [`START`].
    fn drop_below(&mut self, floor: Timestamp) {
        if floor == Timestamp::MIN {
            return;
        }
        let (g, l) = self.locate(before(floor));
        let mut leaves = vec![Leaf { first: START, counts: Counts::default() }];
        leaves.extend_from_slice(&self.groups[g].leaves[l..]);
        self.groups.splice(..=g, into_groups(leaves, self.shape.group_leaves));
    }

    /// Makes one of neighbours of the run that together are no longer than a leaf, and of small groups as well. The run's
    /// rows below the floors must be gone: who reads a leaf reads over them.
    pub fn merge(&mut self, run: &Range<Position>) -> Merged {
        let mut merged = Merged::default();
        // The group before may have shrunk as well, and is joined with the first one.
        let start = self.locate(run.start).0.saturating_sub(1);
        let end = self.locate(run.end).0;
        let mut leaves: Vec<Leaf> = vec![];
        for leaf in self.groups[start..=end].iter().flat_map(|group| &group.leaves) {
            match leaves.last_mut().filter(|last| self.may_be_one(last, leaf, run)) {
                Some(last) => {
                    last.counts = last.counts.plus(&leaf.counts);
                    merged.grown.push(last.first);
                    merged.gone.push(leaf.first);
                }
                None => leaves.push(leaf.clone()),
            }
        }
        let is_small = |group: &Arc<Group>| group.leaves.len() < self.shape.group_leaves / 2;
        if !merged.gone.is_empty() || self.groups[start..=end].iter().filter(|group| is_small(group)).count() > 1 {
            self.groups.splice(start..=end, into_groups(leaves, self.shape.group_leaves));
        }
        merged.grown.dedup();
        merged
    }

    fn may_be_one(&self, left: &Leaf, right: &Leaf, run: &Range<Position>) -> bool {
        let kept = |leaf: &Leaf| self.floors.kept_at(leaf.first.at);
        right.first < run.end
            && kept(left) == kept(right)
            && left.counts.total() + right.counts.total() <= self.shape.leaf_keys as u64
    }
}

fn hide_in(group: &mut Arc<Group>, floors: &Floors) {
    let is_touched = |leaf: &Leaf| leaf.counts.holds_other_than(floors.kept_at(leaf.first.at));
    if !group.leaves.iter().any(is_touched) {
        return;
    }
    let only_kept = |leaf: &Leaf| Leaf { first: leaf.first, counts: leaf.counts.only(floors.kept_at(leaf.first.at)) };
    let leaves = group.leaves.iter().map(only_kept).collect();
    *group = Arc::new(Group::new(leaves));
}
