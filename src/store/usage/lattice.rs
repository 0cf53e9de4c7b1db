//! The cells that a usage event counts in, and the keys of their rollups.
//!
//! A cell is a pair (team, service) in which either may be "any". An event of team t and service s counts in exactly
//! four cells: (any, any), (t, any), (any, s), (t, s). "None" is a value like any other, so that the group of events
//! without a team is a cell too. A filter therefore is always one cell.

use std::collections::HashSet;

use crate::model::{DateRange, Day};

/// Stands for every team, or every service.
pub const ANY: u32 = 0;
/// The team or service of an event that came without.
pub const NONE: u32 = 1;
/// The first id given to a name.
pub const FIRST_NAME: u32 = 2;

const SERVICE_BITS: u32 = 18;
/// Ids that fit: 2^20 teams, 2^18 services, "any" and "none" among them.
pub const TEAM_IDS_MAX: u32 = 1 << 20;
pub const SERVICE_IDS_MAX: u32 = 1 << SERVICE_BITS;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cell(u64);

impl Cell {
    pub const ALL: Cell = Cell(0);

    #[inline]
    pub fn new(team: u32, service: u32) -> Cell {
        debug_assert!(team < TEAM_IDS_MAX && service < SERVICE_IDS_MAX);
        Cell(u64::from(team) << SERVICE_BITS | u64::from(service))
    }

    /// The cells that an event of this team and service counts in; bit i of [`super::delta::Fact::cells`] is entry i.
    pub fn touched(team: u32, service: u32) -> [Cell; 4] {
        [Cell::ALL, Cell::new(team, ANY), Cell::new(ANY, service), Cell::new(team, service)]
    }

    /// Bit i: no pair of `known` counts in entry i of [`Cell::touched`]. All four bits if there are no known pairs; bit 3
    /// is set unless the pair itself is known.
    pub fn first_touched(known: impl IntoIterator<Item = (u32, u32)>, team: u32, service: u32) -> u8 {
        known.into_iter().fold(0b1111, |bits, (known_team, known_service)| {
            let (team, service) = (known_team == team, known_service == service);
            bits & !(1 | u8::from(team) << 1 | u8::from(service) << 2 | u8::from(team && service) << 3)
        })
    }

    /// The distinct cells that events of these (team, service) pairs count in, sorted.
    pub fn touched_by(pairs: impl IntoIterator<Item = (u32, u32)>) -> Vec<Cell> {
        let mut cells: Vec<Cell> = pairs.into_iter().flat_map(|(team, service)| Cell::touched(team, service)).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// These pairs, sorted, each with the bits of those of its cells that no pair before it counts in: every cell of
    /// [`Cell::touched_by`] is there once.
    pub fn first_touched_by(pairs: impl IntoIterator<Item = (u32, u32)>) -> Vec<((u32, u32), u8)> {
        let mut pairs: Vec<(u32, u32)> = pairs.into_iter().collect();
        if let [pair] = pairs[..] {
            return vec![(pair, 0b1111)];
        }
        pairs.sort_unstable();
        pairs.dedup();
        let (mut last_team, mut services) = (None, HashSet::new());
        let bits = |(team, service)| {
            let is_first = last_team.is_none();
            let is_new_team = last_team.replace(team) != Some(team);
            let is_new_service = services.insert(service);
            u8::from(is_first) | u8::from(is_new_team) << 1 | u8::from(is_new_service) << 2 | 1 << 3
        };
        let bits: Vec<u8> = pairs.iter().copied().map(bits).collect();
        pairs.into_iter().zip(bits).collect()
    }

    /// The team and the service, unless either is "any".
    pub fn pair(self) -> Option<(u32, u32)> {
        (self.team() != ANY && self.service() != ANY).then(|| (self.team(), self.service()))
    }

    #[inline]
    pub fn team(self) -> u32 {
        (self.0 >> SERVICE_BITS) as u32
    }

    #[inline]
    pub fn service(self) -> u32 {
        (self.0 & ((1 << SERVICE_BITS) - 1)) as u32
    }

    /// Whether an event of this team and service counts in the cell.
    #[inline]
    pub fn covers(self, team: u32, service: u32) -> bool {
        (self.team() == ANY || self.team() == team) && (self.service() == ANY || self.service() == service)
    }

    /// The cell's key at a level, of the period that begins on `day`.
    pub fn key(self, level: Level, day: Day) -> CellKey {
        CellKey(self.0 << 24 | (level as u64) << 22 | u64::from(day.index()))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    Day = 0,
    Month = 1,
    Year = 2,
}

/// cell << 24 | level << 22 | first day: a cell's days lie together in order, then its months, then its years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CellKey(u64);

impl CellKey {
    /// What the database keeps; never negative.
    pub fn to_sql(self) -> i64 {
        self.0 as i64
    }

    pub fn from_sql(key: i64) -> CellKey {
        CellKey(key as u64)
    }

    pub fn cell(self) -> Cell {
        Cell(self.0 >> 24)
    }

    pub fn day(self) -> Day {
        Day::from_index((self.0 & 0x3f_ffff) as u32).expect("a key holds a day of the calendar")
    }

    /// Of a key that comes from a row: the cell and the year; None if it is not one of [`Level::Year`].
    pub fn year(self) -> Option<(Cell, DateRange)> {
        let start = Day::from_index((self.0 & 0x3f_ffff) as u32)?;
        let is_year = self.0 >> 22 & 3 == Level::Year as u64 && start == start.year_start();
        DateRange::new(start, start.year_end()).filter(|_| is_year).map(|year| (self.cell(), year))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_in_four_cells_and_a_key_gives_back_its_parts() {
        let cells = Cell::touched(5, NONE);
        assert!(cells.iter().all(|cell| cell.covers(5, NONE)));
        assert!(!cells[1].covers(6, NONE) && !cells[2].covers(5, 7));
        let key = Cell::new(TEAM_IDS_MAX - 1, SERVICE_IDS_MAX - 1).key(Level::Year, Day::MAX);
        assert_eq!((key.cell().team(), key.cell().service()), (TEAM_IDS_MAX - 1, SERVICE_IDS_MAX - 1));
        assert_eq!(CellKey::from_sql(key.to_sql()), key);
        assert!(key.to_sql() > 0 && key.day() == Day::MAX);
    }

    #[test]
    fn a_pair_touches_first_what_no_known_pair_counts_in() {
        let known = [(5, 7), (6, 8)];
        let cases = [((5, 7), 0b0000), ((5, 8), 0b1000), ((5, 9), 0b1100), ((9, 7), 0b1010), ((9, 9), 0b1110)];
        for ((team, service), bits) in cases {
            assert_eq!(Cell::first_touched(known, team, service), bits, "{team} {service}");
        }
        assert_eq!(Cell::first_touched([], 5, 7), 0b1111);
    }

    #[test]
    fn the_cells_of_some_pairs_are_shared_out_among_them() {
        let shared = Cell::first_touched_by([(6, 7), (5, 8), (5, 7), (5, 7)]);
        assert_eq!(shared, [((5, 7), 0b1111), ((5, 8), 0b1100), ((6, 7), 0b1010)]);
        assert_eq!(Cell::first_touched_by([(5, 7)]), [((5, 7), 0b1111)]);
        assert_eq!(Cell::first_touched_by([]), []);
    }
}
