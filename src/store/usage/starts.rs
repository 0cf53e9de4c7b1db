//! Sessions by cell and day, as the check counts them.

use rusqlite::Connection;

use super::check::mixed;
use super::explicit::ExplicitSession;
use super::lattice::Cell;
use crate::error::Result;
use crate::model::{DateRange, Day};

/// Sessions that start in a cell on a day: how many, and a sum that tells whose they are. So a check needs no list of
/// all users with sessions, and misses what it should find once in 2^64.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Starts {
    pub n: i64,
    whose: u64,
}

impl Starts {
    /// `n`: how many sessions of the user, signed.
    pub fn add(&mut self, ord: u32, n: i64) {
        self.add_all(Starts { n, whose: mixed(ord.into()).wrapping_mul(n as u64) });
    }

    pub fn add_all(&mut self, other: Starts) {
        self.n += other.n;
        self.whose = self.whose.wrapping_add(other.whose);
    }
}

/// The sessions with an id that start on a day and touch a cell, sorted.
pub struct ExplicitStarts(Vec<(Day, Cell, Starts)>);

impl ExplicitStarts {
    pub fn load(conn: &Connection) -> Result<ExplicitStarts> {
        const PENDING_MAX: usize = 1 << 20;
        let mut starts = ExplicitStarts(vec![]);
        let mut bound = PENDING_MAX;
        ExplicitSession::for_each(conn, |ord, session| {
            let mut one = Starts::default();
            one.add(ord, 1);
            let cells = Cell::touched_by(session.pairs.iter().copied());
            starts.0.extend(cells.into_iter().map(|cell| (session.start_at.day(), cell, one)));
            if starts.0.len() > bound {
                starts.net();
                bound = 2 * starts.0.len() + PENDING_MAX;
            }
            Ok(())
        })?;
        starts.net();
        Ok(starts)
    }

    fn net(&mut self) {
        self.0.sort_unstable_by_key(|(day, cell, _)| (*day, *cell));
        self.0.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2.add_all(next.2);
            }
            same
        });
    }

    pub fn first_day(&self, from: Day) -> Option<Day> {
        self.0.get(self.0.partition_point(|(day, ..)| *day < from)).map(|(day, ..)| *day)
    }

    pub fn within(&self, range: DateRange) -> impl Iterator<Item = &(Day, Cell, Starts)> {
        let start = self.0.partition_point(|(day, ..)| *day < range.start());
        self.0[start..].iter().take_while(move |(day, ..)| *day <= range.end())
    }
}
