//! What a run changes in the histories of users: the same facts and extras as by cell, in the order of users.

use super::delta::Fact;
use super::history::{DayExtra, DayPair};
use super::lattice::CellKey;
use super::run::{CellExtras, merge_sorted};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ByUser {
    /// Sorted, each once.
    pairs: Vec<(u32, DayPair)>,
    /// Sorted; each (ord, day, cell) once, none zero.
    extras: Vec<(u32, DayExtra)>,
}

/// Of one user.
#[derive(Clone, Copy)]
pub struct Changes<'a> {
    pairs: &'a [(u32, DayPair)],
    extras: &'a [(u32, DayExtra)],
}

impl ByUser {
    pub fn new(added: &[Fact], extras: &CellExtras) -> ByUser {
        let is_new = |fact: &&Fact| fact.cells & PAIR_BIT != 0;
        let pair = |fact: &Fact| (fact.ord, DayPair { day: fact.day, team: fact.team, service: fact.service });
        let extra =
            |(key, ord, n): (CellKey, u32, i32)| (ord, DayExtra { day: key.day(), cell: key.cell(), n: n.into() });
        let mut by_user = ByUser {
            pairs: added.iter().filter(is_new).map(pair).collect(),
            extras: extras.iter().map(extra).collect(),
        };
        by_user.pairs.sort_unstable();
        by_user.extras.sort_unstable();
        by_user
    }

    pub fn merge(a: &ByUser, b: &ByUser) -> ByUser {
        let mut extras = merge_sorted(&a.extras, &b.extras);
        net(&mut extras);
        ByUser { pairs: merge_sorted(&a.pairs, &b.pairs), extras }
    }

    /// Drops what belongs to these users. `ords`: sorted.
    pub fn drop_users(&mut self, ords: &[u32]) {
        self.pairs.retain(|(ord, _)| ords.binary_search(ord).is_err());
        self.extras.retain(|(ord, _)| ords.binary_search(ord).is_err());
    }

    pub fn of(&self, ord: u32) -> Changes<'_> {
        Changes { pairs: of_user(&self.pairs, ord), extras: of_user(&self.extras, ord) }
    }

    /// The users from `ord` on, each once or twice.
    pub fn users(&self, ord: u32) -> impl Iterator<Item = u32> {
        let pairs = self.pairs[first_from(&self.pairs, ord)..].chunk_by(|a, b| a.0 == b.0);
        let extras = self.extras[first_from(&self.extras, ord)..].chunk_by(|a, b| a.0 == b.0);
        pairs.map(|of_user| of_user[0].0).chain(extras.map(|of_user| of_user[0].0))
    }

    /// The first user from `ord` on of whom something changes.
    pub fn next_user(&self, ord: u32) -> Option<u32> {
        let pair = self.pairs.get(first_from(&self.pairs, ord)).map(|(ord, _)| *ord);
        let extra = self.extras.get(first_from(&self.extras, ord)).map(|(ord, _)| *ord);
        pair.into_iter().chain(extra).min()
    }
}

/// Entry 3 of [`super::lattice::Cell::touched`]: the pair itself.
const PAIR_BIT: u8 = 1 << 3;

/// Adds up sorted entries of one user, day and cell, and drops what comes to zero.
fn net(extras: &mut Vec<(u32, DayExtra)>) {
    extras.dedup_by(|(next_ord, next), (ord, kept)| {
        let same = (*next_ord, next.day, next.cell) == (*ord, kept.day, kept.cell);
        if same {
            kept.n += next.n;
        }
        same
    });
    extras.retain(|(_, extra)| extra.n != 0);
}

fn first_from<T>(sorted: &[(u32, T)], ord: u32) -> usize {
    sorted.partition_point(|(other, _)| *other < ord)
}

fn of_user<T>(sorted: &[(u32, T)], ord: u32) -> &[(u32, T)] {
    let start = first_from(sorted, ord);
    &sorted[start..start + sorted[start..].iter().take_while(|(other, _)| *other == ord).count()]
}

impl<'a> Changes<'a> {
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.extras.is_empty()
    }

    pub fn len(&self) -> usize {
        self.pairs.len() + self.extras.len()
    }

    pub fn pairs(&self) -> impl Iterator<Item = DayPair> + use<'a> {
        self.pairs.iter().map(|(_, pair)| *pair)
    }

    pub fn extras(&self) -> impl Iterator<Item = DayExtra> + use<'a> {
        self.extras.iter().map(|(_, extra)| *extra)
    }
}
