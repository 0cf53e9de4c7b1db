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
    pairs: Pairs,
    /// Whether an event of these counts in the cell.
    is_active: bool,
}

/// Of the last day that told its own: what says where extras of cells stand.
#[derive(Default)]
struct Pairs {
    len: usize,
    teams: usize,
    /// Of these, those before the cell's.
    len_before: usize,
    teams_before: usize,
    /// The services below [`u64::BITS`], which are all as a rule, as bits; the others, of which some may stand twice.
    low_services: u64,
    high_services: Vec<u32>,
}

impl<'a> Walk<'a> {
    fn new(packed: &'a [u8], cell: Cell) -> Walk<'a> {
        Walk { cursor: Cursor::new(packed), cell, index: 0, team: ANY, pairs: Pairs::default(), is_active: false }
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

    #[inline]
    fn take_pairs(&mut self) -> Result<()> {
        self.pairs.clear();
        self.is_active = false;
        loop {
            let head = self.cursor.u64()?;
            let is_other = head & OTHER_TEAM != 0;
            if is_other {
                self.team = self.cursor.u32()?;
            }
            let service = u32::try_from(head >> FLAG_BITS).map_err(|_| damaged())?;
            self.is_active |= self.cell.covers(self.team, service);
            self.pairs.add(self.team, service, is_other, self.cell);
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
        let services = self.pairs.services();
        let mut cells = 1 + services + self.pairs.teams + self.pairs.len;
        let mut extra = 0;
        if self.is_active {
            let place = self.pairs.place(self.cell, services);
            self.cursor.skip(place)?;
            extra = get_count(&mut self.cursor)?;
            cells -= place + 1;
        }
        self.cursor.skip(cells)?;
        for _ in 0..self.cursor.u64()? {
            let (team, service, n) = (self.cursor.u32()?, self.cursor.u32()?, get_count(&mut self.cursor)?);
            if (team, service) == (self.cell.team(), self.cell.service()) {
                extra = n;
            }
        }
        Ok(extra)
    }
}

impl Pairs {
    fn clear(&mut self) {
        let mut high_services = std::mem::take(&mut self.high_services);
        high_services.clear();
        *self = Pairs { high_services, ..Pairs::default() };
    }

    /// `is_other`: of another team than the pair before, on whatever day.
    #[inline]
    fn add(&mut self, team: u32, service: u32, is_other: bool, cell: Cell) {
        let is_new_team = is_other || self.len == 0;
        self.len += 1;
        self.teams += usize::from(is_new_team);
        self.len_before += usize::from((team, service) < (cell.team(), cell.service()));
        self.teams_before += usize::from(is_new_team && team < cell.team());
        match service {
            0..u64::BITS => self.low_services |= 1 << service,
            _ => self.high_services.push(service),
        }
    }

    /// How many there are.
    fn services(&mut self) -> usize {
        self.high_services.sort_unstable();
        self.high_services.dedup();
        self.low_services.count_ones() as usize + self.high_services.len()
    }

    /// The place of a cell that they count in among all such. Cells are in order: all users; each service; of each team
    /// itself, then its pairs. `services`: as just counted.
    fn place(&self, cell: Cell, services: usize) -> usize {
        let (team, service) = (cell.team(), cell.service());
        match (team, service) {
            (ANY, ANY) => 0,
            (ANY, 0..u64::BITS) => 1 + (self.low_services & ((1 << service) - 1)).count_ones() as usize,
            (ANY, _) => {
                let high = self.high_services.partition_point(|other| *other < service);
                1 + self.low_services.count_ones() as usize + high
            }
            (_, ANY) => 1 + services + self.teams_before + self.len_before,
            _ => 1 + services + self.teams_before + 1 + self.len_before,
        }
    }
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
