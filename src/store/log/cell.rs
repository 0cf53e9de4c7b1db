//! What a log filter can tell apart: a cell is a service and a severity.

use super::names::{NONE, Names};
use crate::error::Result;
use crate::model::{LogFilter, Severity, SeveritySet};
use crate::store::varint::damaged;

/// service << 2 | severity: the severities of one service lie together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cell(u32);

impl Cell {
    pub fn new(service: u32, severity: Severity) -> Cell {
        debug_assert!((NONE..1 << 30).contains(&service));
        Cell(service << 2 | severity.index() as u32)
    }

    pub fn service(self) -> u32 {
        self.0 >> 2
    }

    pub fn severity(self) -> Severity {
        Severity::ALL[(self.0 & 3) as usize]
    }

    /// A small integer, as services are.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The cell with this [`Cell::index`].
    pub fn from_index(index: usize) -> Cell {
        Cell(index as u32)
    }

    pub fn to_sql(self) -> i64 {
        i64::from(self.0)
    }

    /// Errors on a number that is no cell: a fault of the database file.
    pub fn from_sql(cell: i64) -> Result<Cell> {
        match u32::try_from(cell) {
            Ok(cell) if cell >> 2 >= NONE && cell & 3 < Severity::ALL.len() as u32 => Ok(Cell(cell)),
            _ => Err(damaged()),
        }
    }
}

/// A filter by everything but time.
#[derive(Clone, Copy, Debug)]
pub struct CellFilter {
    pub severities: SeveritySet,
    /// None: every service, and events without one.
    pub service: Option<u32>,
}

impl CellFilter {
    /// None if the filter names a service that no event has: it matches nothing.
    pub fn resolve(filter: &LogFilter, names: &Names) -> Option<CellFilter> {
        let service = match &filter.service {
            Some(service) => Some(names.id(service)?),
            None => None,
        };
        Some(CellFilter { severities: filter.severities, service })
    }

    /// Of what a leaf may hold, only what it keeps: what is below its floor is gone for every reader.
    pub fn kept(&self, kept: SeveritySet) -> CellFilter {
        CellFilter { severities: self.severities.and(kept), ..*self }
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.severities == SeveritySet::ALL && self.service.is_none()
    }

    /// The lowest and the highest cell that can match, as the database keeps them.
    pub fn span(&self) -> (i64, i64) {
        match self.service {
            Some(service) => (i64::from(service) << 2, i64::from(service) << 2 | 3),
            None => (0, i64::from(u32::MAX)),
        }
    }

    /// Bit i stands for severity i.
    pub fn severity_bits(&self) -> i64 {
        i64::from(self.severities.bits())
    }

    #[cfg(test)]
    pub fn matches(&self, cell: Cell) -> bool {
        self.severities.contains(cell.severity()) && self.service.is_none_or(|service| service == cell.service())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_gives_back_its_parts_and_a_number_that_is_none_is_refused() {
        for severity in Severity::ALL {
            for service in [NONE, 2, (1 << 30) - 1] {
                let cell = Cell::new(service, severity);
                assert_eq!((cell.service(), cell.severity()), (service, severity));
                assert_eq!(Cell::from_sql(cell.to_sql()), Ok(cell));
            }
        }
        for bad in [-1, 0, 3, 7, i64::from(u32::MAX), 1 << 32 | 4, i64::MIN] {
            assert!(Cell::from_sql(bad).is_err(), "{bad}");
        }
    }
}
