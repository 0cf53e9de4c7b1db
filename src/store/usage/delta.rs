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
    /// Sessions that start on the day and touch the cell.
    Sessions = 2,
}

/// A signed change of one count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Count {
    pub kind: CountKind,
    pub cell: Cell,
    pub day: Day,
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
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.counts.is_empty()
    }

    pub fn count(&mut self, kind: CountKind, cell: Cell, day: Day, n: i32) {
        self.counts.push(Count { kind, cell, day, n });
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
    }
}
