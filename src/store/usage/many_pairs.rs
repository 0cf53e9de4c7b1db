//! The pairs of a user-day in hash tables, for days with very many of them: a batch of a hundred thousand pairs would else
//! look through all of them for each event.

use std::collections::{HashMap, HashSet};

use super::user_day::{Activity, GapSession, UserDay};

/// From so many pairs on, looking through them takes longer than hashing.
pub const MANY: usize = 64;

/// Holds for a record to which pairs and events are added; [`UserDay::normalise`] moves them.
pub struct ManyPairs {
    /// In [`UserDay::activities`].
    positions: HashMap<(u32, u32), usize>,
    /// Of the pairs with an event.
    active: Touched,
    /// Of the session that was touched last: its start, and how many pairs it touches.
    session: Option<(i64, usize, Touched)>,
}

impl ManyPairs {
    pub fn new(record: &UserDay) -> ManyPairs {
        let mut many =
            ManyPairs { positions: HashMap::new(), active: Touched::new(record.active_pairs()), session: None };
        many.catch_up(&record.activities);
        many
    }

    pub fn position(&mut self, record: &UserDay, pair: (u32, u32)) -> Option<usize> {
        self.catch_up(&record.activities);
        self.positions.get(&pair).copied()
    }

    /// Notes the first event in a pair. As [`super::lattice::Cell::first_touched`] of those before.
    pub fn activate(&mut self, pair: (u32, u32)) -> u8 {
        self.active.add(pair)
    }

    /// The same of a session of the record; the pair is to be among those that it touches.
    pub fn touch(&mut self, record: &UserDay, session: &GapSession, pair: (u32, u32)) -> u8 {
        let state = (session.start, session.touched.len());
        // Sessions only grow. One that now starts earlier, or was joined with another, is read anew.
        let known = self.session.take().filter(|(start, len, _)| (*start, *len) == state);
        let mut touched = known.map_or_else(|| Touched::new(record.pairs(session)), |(_, _, touched)| touched);
        let cells = touched.add(pair);
        self.session = Some((session.start, touched.pairs.len(), touched));
        cells
    }

    /// Pairs are only ever appended.
    fn catch_up(&mut self, activities: &[Activity]) {
        for (at, activity) in activities.iter().enumerate().skip(self.positions.len()) {
            self.positions.insert((activity.team, activity.service), at);
        }
    }
}

struct Touched {
    pairs: HashSet<(u32, u32)>,
    teams: HashSet<u32>,
    services: HashSet<u32>,
}

impl Touched {
    fn new(pairs: impl Iterator<Item = (u32, u32)>) -> Touched {
        let mut touched = Touched { pairs: HashSet::new(), teams: HashSet::new(), services: HashSet::new() };
        pairs.for_each(|pair| _ = touched.add(pair));
        touched
    }

    fn add(&mut self, pair: (u32, u32)) -> u8 {
        let is_first = self.pairs.is_empty();
        let (is_new_team, is_new_service) = (self.teams.insert(pair.0), self.services.insert(pair.1));
        let is_new = self.pairs.insert(pair);
        u8::from(is_first) | u8::from(is_new_team) << 1 | u8::from(is_new_service) << 2 | u8::from(is_new) << 3
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::lattice::Cell;
    use super::*;

    proptest! {
        #[test]
        fn a_pair_touches_first_what_looking_through_all_of_them_finds(pairs in vec((1..6u32, 1..6u32), 0..30)) {
            let mut touched = Touched::new(std::iter::empty());
            for (i, pair) in pairs.iter().enumerate() {
                let wanted = Cell::first_touched(pairs[..i].iter().copied(), pair.0, pair.1);
                prop_assert_eq!(touched.add(*pair), wanted);
            }
        }
    }
}
