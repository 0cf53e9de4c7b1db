//! How many events of each cell a run of the log holds. Immutable: more events make new counts.

use std::sync::Arc;

use super::cell::{Cell, CellFilter};
use crate::error::Result;
use crate::model::{Severity, SeveritySet};
use crate::store::varint::{self, Cursor, damaged};

/// A run is bounded by its splitting (a leaf, or a group of leaves), so that 32 bits hold every count; sums over runs
/// have 64.
///
/// Cells stay packed, as the database has them: a log has a leaf for every thousand events, and a start reads them all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Answers the most frequent filters without looking at cells.
    by_severity: [u32; Severity::ALL.len()],
    /// Varints: for each cell, ascending, the step from the one before, and its count. Some two bytes a cell; none zero.
    packed: Arc<[u8]>,
}

impl Counts {
    pub fn of(cells: impl Iterator<Item = Cell>) -> Counts {
        let mut sorted: Vec<Cell> = cells.collect();
        sorted.sort_unstable();
        let runs = sorted.chunk_by(|a, b| a == b);
        Counts::from_sorted(runs.map(|run| (run[0], run.len() as u32)))
    }

    fn from_sorted(cells: impl Iterator<Item = (Cell, u32)>) -> Counts {
        let mut by_severity = [0; Severity::ALL.len()];
        let mut packed = vec![];
        let mut before = 0;
        for (cell, n) in cells {
            by_severity[cell.severity().index()] += n;
            varint::put(&mut packed, (cell.index() - before) as u64);
            varint::put(&mut packed, u64::from(n));
            before = cell.index();
        }
        Counts { by_severity, packed: packed.into() }
    }

    /// Ascending.
    #[inline]
    fn cells(&self) -> impl Iterator<Item = (Cell, u32)> {
        let mut cursor = Cursor::new(&self.packed);
        let mut index = 0;
        std::iter::from_fn(move || {
            if cursor.is_empty() {
                return None;
            }
            let mut next = || cursor.u32().expect("only whole pairs of varints are packed");
            index += next() as usize;
            Some((Cell::from_index(index), next()))
        })
    }

    pub fn plus(&self, more: &Counts) -> Counts {
        let (mut left, mut right) = (self.cells().peekable(), more.cells().peekable());
        Counts::from_sorted(std::iter::from_fn(move || {
            let (cell, n) = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.0 <= b.0 => left.next()?,
                (Some(_), None) => left.next()?,
                _ => right.next()?,
            };
            let more = right.next_if(|known| known.0 == cell).map_or(0, |known| known.1);
            Some((cell, n + more))
        }))
    }

    /// Whether there are any of other severities.
    pub fn holds_other_than(&self, severities: SeveritySet) -> bool {
        Severity::ALL
            .into_iter()
            .any(|severity| !severities.contains(severity) && self.by_severity[severity.index()] > 0)
    }

    /// Those of these severities.
    pub fn only(&self, severities: SeveritySet) -> Counts {
        if !self.holds_other_than(severities) {
            return self.clone();
        }
        Counts::from_sorted(self.cells().filter(|(cell, _)| severities.contains(cell.severity())))
    }

    /// Of many at once; a start adds up every leaf.
    pub fn sum<'a>(parts: impl Iterator<Item = &'a Counts>) -> Counts {
        // Cells are small integers without large gaps: a vector that counts by cell is the shortest way.
        let mut by_cell: Vec<u32> = vec![];
        for part in parts {
            for (cell, n) in part.cells() {
                if cell.index() >= by_cell.len() {
                    by_cell.resize(cell.index() + 1, 0);
                }
                by_cell[cell.index()] += n;
            }
        }
        let counted = by_cell.into_iter().enumerate().filter(|(_, n)| *n > 0);
        Counts::from_sorted(counted.map(|(index, n)| (Cell::from_index(index), n)))
    }

    pub fn total(&self) -> u64 {
        self.by_severity.iter().map(|n| u64::from(*n)).sum()
    }

    pub fn matching(&self, filter: &CellFilter) -> u64 {
        let Some(service) = filter.service else {
            // A page asks every group: no branch in here.
            let bits = u64::from(filter.severities.bits());
            return (0..self.by_severity.len()).map(|i| (bits >> i & 1) * u64::from(self.by_severity[i])).sum();
        };
        let from = self.cells().skip_while(|(cell, _)| cell.service() < service);
        let of_service = from.take_while(|(cell, _)| cell.service() == service);
        of_service.filter(|(cell, _)| filter.severities.contains(cell.severity())).map(|(_, n)| u64::from(n)).sum()
    }

    /// As the database keeps them.
    pub fn encode(&self) -> &[u8] {
        &self.packed
    }

    /// Errors on a blob that [`Counts::encode`] did not make, and on one of services beyond the last one known: sums over it
    /// would ask for memory without end.
    pub fn decode(blob: &[u8], last_service: u32) -> Result<Counts> {
        let mut cursor = Cursor::new(blob);
        let (mut cell, mut total) = (0, 0u32);
        let mut by_severity = [0; Severity::ALL.len()];
        while !cursor.is_empty() {
            let (step, n) = (cursor.u32()?, cursor.u32()?);
            total = total.checked_add(n).ok_or_else(damaged)?;
            if step == 0 || n == 0 {
                return Err(damaged());
            }
            cell += i64::from(step);
            by_severity[Cell::from_sql(cell)?.severity().index()] += n;
        }
        let is_known = cell == 0 || Cell::from_sql(cell)?.service() <= last_service;
        if is_known { Ok(Counts { by_severity, packed: blob.into() }) } else { Err(damaged()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::names::NONE;
    use super::*;

    fn cells() -> impl Strategy<Value = Vec<Cell>> {
        let cell = (NONE..40, 0..Severity::ALL.len()).prop_map(|(service, i)| Cell::new(service, Severity::ALL[i]));
        proptest::collection::vec(cell, 0..200)
    }

    proptest! {
        #[test]
        fn counts_say_how_many_cells_match_whichever_way_they_were_added_up(
            first in cells(), second in cells(), bits in 0u8..8, service in proptest::option::of(NONE..41),
        ) {
            let severities: SeveritySet =
                Severity::ALL.into_iter().filter(|severity| bits >> severity.index() & 1 == 1).collect();
            let filter = CellFilter { severities, service };
            let all: Vec<Cell> = first.iter().chain(&second).copied().collect();
            let (first, second) = (Counts::of(first.into_iter()), Counts::of(second.into_iter()));
            let sum = first.plus(&second);
            prop_assert_eq!(&Counts::sum([&first, &second, &Counts::default()].into_iter()), &sum);
            prop_assert_eq!(sum.total(), all.len() as u64);
            let kept = all.iter().filter(|cell| severities.contains(cell.severity())).copied();
            prop_assert_eq!(sum.only(severities), Counts::of(kept));
            prop_assert_eq!(sum.holds_other_than(severities), sum.only(severities) != sum);
            prop_assert_eq!(sum.matching(&filter), all.iter().filter(|cell| filter.matches(**cell)).count() as u64);
            prop_assert_eq!(&Counts::decode(sum.encode(), 40).unwrap(), &sum);
            let last = all.iter().map(|cell| cell.service()).max();
            prop_assert!(last.is_none_or(|last| Counts::decode(sum.encode(), last - 1).is_err()));
            prop_assert_eq!(Counts::of(all.into_iter()), sum);
        }

        #[test]
        fn any_bytes_are_counts_or_an_error(blob in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(counts) = Counts::decode(&blob, u32::MAX) {
                prop_assert_eq!(Counts::decode(counts.encode(), u32::MAX).unwrap(), counts);
            }
        }
    }
}
