//! A packed history read under one cell, day by day, without unpacking the rest of it: what a question about one user
//! takes. The form is that of `history_codec`.

use super::history::DayUse;
use super::history_codec::{EACH, FLAG_BITS, HAS_EXTRAS, HAS_PAIRS, MORE, OTHER_TEAM, get_count};
use super::lattice::{ANY, Cell};
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::{Cursor, damaged};

/// Calls with what [`super::history::UserHistory::uses`] gives of the history unpacked. Of damaged bytes it may give
/// something where unpacking them is an error; it costs no more than their length.
pub fn for_each_use(packed: &[u8], cell: Cell, range: DateRange, mut visit: impl FnMut(DayUse)) -> Result<()> {
    let (start, end) = (range.start().index(), range.end().index());
    let mut walk = Walk::new(packed, cell);
    while let Some((index, extra)) = walk.next_day()? {
        if index > end {
            break;
        }
        let sessions = i64::from(walk.is_active) + extra;
        if index >= start && (walk.is_active || sessions != 0) {
            let day = Day::from_index(index).ok_or_else(damaged)?;
            let sessions = u64::try_from(sessions).map_err(|_| damaged())?;
            visit(DayUse { day, is_active: walk.is_active, sessions });
        }
    }
    Ok(())
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    cell: Cell,
    /// Of the day before.
    index: u32,
    team: u32,
    /// Of the last day that told its own.
    pairs: Vec<(u32, u32)>,
    /// Whether an event of these counts in the cell.
    is_active: bool,
    /// Room for the services among them.
    services: Vec<u32>,
}

impl<'a> Walk<'a> {
    fn new(packed: &'a [u8], cell: Cell) -> Walk<'a> {
        let cursor = Cursor::new(packed);
        Walk { cursor, cell, index: 0, team: ANY, pairs: vec![], is_active: false, services: vec![] }
    }

    /// The next day and the cell's extra there; None behind the last.
    #[inline]
    fn next_day(&mut self) -> Result<Option<(u32, i64)>> {
        if self.cursor.is_empty() {
            return Ok(None);
        }
        let head = self.cursor.u64()?;
        let step = u32::try_from(head >> FLAG_BITS).map_err(|_| damaged())?;
        self.index = self.index.checked_add(step).ok_or_else(damaged)?;
        if head & HAS_PAIRS != 0 {
            self.take_pairs()?;
        }
        let extra = if head & HAS_EXTRAS != 0 { self.take_extras()? } else { 0 };
        Ok(Some((self.index, extra)))
    }

    fn take_pairs(&mut self) -> Result<()> {
        self.pairs.clear();
        self.is_active = false;
        loop {
            let head = self.cursor.u64()?;
            if head & OTHER_TEAM != 0 {
                self.team = self.cursor.u32()?;
            }
            let service = u32::try_from(head >> FLAG_BITS).map_err(|_| damaged())?;
            self.is_active |= self.cell.covers(self.team, service);
            self.pairs.push((self.team, service));
            if head & MORE == 0 {
                return Ok(());
            }
        }
    }

    /// Gives the cell's own.
    fn take_extras(&mut self) -> Result<i64> {
        let n = get_count(&mut self.cursor)?;
        if n != EACH {
            // Every cell that the pairs count in has it.
            return Ok(if self.is_active { n } else { 0 });
        }
        let (cells, place) = self.places();
        let mut extra = 0;
        match place {
            Some(place) => {
                self.cursor.skip(place)?;
                extra = get_count(&mut self.cursor)?;
                self.cursor.skip(cells - place - 1)?;
            }
            None => self.cursor.skip(cells)?,
        }
        for _ in 0..self.cursor.u64()? {
            let (team, service, n) = (self.cursor.u32()?, self.cursor.u32()?, get_count(&mut self.cursor)?);
            if (team, service) == (self.cell.team(), self.cell.service()) {
                extra = n;
            }
        }
        Ok(extra)
    }

    /// How many cells the pairs count in, and the place of the cell among them, if they count in it. Cells are in order: all
    /// users; each service; of each team itself, then its pairs.
    fn places(&mut self) -> (usize, Option<usize>) {
        self.services.clear();
        self.services.extend(self.pairs.iter().map(|(_, service)| *service));
        self.services.sort_unstable();
        self.services.dedup();
        let services = self.services.len();
        let cells = 1 + services + teams_of(&self.pairs) + self.pairs.len();
        if !self.is_active {
            return (cells, None);
        }
        let (team, service) = (self.cell.team(), self.cell.service());
        let below = |service: u32| self.services.partition_point(|other| *other < service);
        let place = match (team, service) {
            (ANY, ANY) => 0,
            (ANY, service) => 1 + below(service),
            (team, service) => {
                let before = self.pairs.partition_point(|(other, _)| *other < team);
                let within = self.pairs[before..].partition_point(|pair| *pair < (team, service));
                1 + services + teams_of(&self.pairs[..before]) + before + if service == ANY { 0 } else { 1 + within }
            }
        };
        (cells, Some(place))
    }
}

/// `pairs`: sorted.
fn teams_of(pairs: &[(u32, u32)]) -> usize {
    pairs.chunk_by(|a, b| a.0 == b.0).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::history_codec::tests::history;
    use super::*;

    fn uses(packed: &[u8], cell: Cell, range: DateRange) -> Result<Vec<DayUse>> {
        let mut uses = vec![];
        for_each_use(packed, cell, range, |one| uses.push(one))?;
        Ok(uses)
    }

    proptest! {
        #[test]
        fn a_packed_history_tells_of_a_cell_what_it_tells_unpacked(
            history in history(),
            (team, service) in (0..5u32, 0..5u32),
            (start, len) in (699_990..700_060u32, 0..70u32),
        ) {
            let day = |index| Day::from_index(index).unwrap();
            let everything = DateRange::new(Day::MIN, Day::MAX).unwrap();
            let packed = history.encode()?;
            for range in [DateRange::new(day(start), day(start + len)).unwrap(), everything] {
                let cell = Cell::new(team, service);
                // Neither knows of less than no sessions.
                prop_assert_eq!(uses(&packed, cell, range).ok(), history.uses(cell, range).ok());
            }
        }

        #[test]
        fn damaged_bytes_never_panic(history in history(), at: usize, with: u8, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let everything = DateRange::new(Day::MIN, Day::MAX).unwrap();
            let _ = uses(&bytes, Cell::ALL, everything);
            let mut packed = history.encode()?;
            if !packed.is_empty() {
                let at = at % packed.len();
                packed[at] = with;
                for cell in [Cell::ALL, Cell::new(2, 2), Cell::new(2, ANY), Cell::new(ANY, 3)] {
                    let _ = uses(&packed, cell, everything);
                    let _ = uses(&packed[..at], cell, everything);
                }
            }
        }
    }
}
