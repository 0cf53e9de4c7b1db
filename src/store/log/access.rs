//! How the keys of a leaf are read under a filter: all, or through an index that holds a rare severity alone.
//!
//! SQLite finds the beginning of `(at, seq) >= (..)` by its key, but compares both once more at every row. So keys are
//! asked for in two parts: those of the bound's instant by `seq`, and those of all other instants by `at` alone.

use rusqlite::Statement;

use super::cell::CellFilter;
use crate::error::{Error, Result};
use crate::model::{Severity, SeveritySet};

macro_rules! warnings {
    () => {
        "select at, seq, cell from log_order indexed by log_order_warning where cell & 3 = 1"
    };
}
macro_rules! errors {
    () => {
        "select at, seq, cell from log_order indexed by log_order_error where cell & 3 = 2"
    };
}
/// One statement under each access: what is asked of the matching keys, which of them, and in what order.
macro_rules! matching {
    ($access:expr, $select:literal, $bounds:literal, $order:literal) => {
        match $access {
            Access::Everything => concat!($select, " from log_order where ", $bounds, $order),
            // The span of cells comes first: it alone turns away most keys under a filter by service.
            Access::Filtered => concat!(
                $select,
                " from log_order where ",
                $bounds,
                " and cell between :cell_min and :cell_max and :severities >> (cell & 3) & 1",
                $order
            ),
            Access::Warnings => matching!($select, warnings!(), $bounds, $order),
            Access::Errors => matching!($select, errors!(), $bounds, $order),
            Access::WarningsAndErrors => {
                matching!($select, concat!(warnings!(), " union all ", errors!()), $bounds, $order)
            }
        }
    };
    ($select:literal, $rare:expr, $bounds:literal, $order:literal) => {
        concat!($select, " from (", $rare, ") where ", $bounds, " and cell between :cell_min and :cell_max", $order)
    };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Everything,
    Filtered,
    Warnings,
    Errors,
    WarningsAndErrors,
}

/// Which way keys are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From a bound on, which is among them.
    Forward,
    /// Before a bound, the nearest to it first.
    Backward,
}

impl Access {
    pub fn of(filter: &CellFilter) -> Access {
        let is = |severities: &[Severity]| filter.severities == SeveritySet::from_iter(severities.iter().copied());
        if filter.is_everything() {
            Access::Everything
        } else if is(&[Severity::Warning]) {
            Access::Warnings
        } else if is(&[Severity::Error]) {
            Access::Errors
        } else if is(&[Severity::Warning, Severity::Error]) {
            Access::WarningsAndErrors
        } else {
            Access::Filtered
        }
    }

    /// Counts the matching keys of the instant `:at` with `:from_seq <= seq < :to_seq`.
    pub fn count_instant(self) -> &'static str {
        matching!(self, "select count(*)", "at = :at and seq >= :from_seq and seq < :to_seq", "")
    }

    /// Counts the matching keys between two instants, `:from_at` and `:to_at`, none of theirs among them.
    pub fn count_between(self) -> &'static str {
        matching!(self, "select count(*)", "at > :from_at and at < :to_at", "")
    }

    /// Gives `at` and `seq` of the first `:take` matching keys of the bound's own instant: `:at` and `:seq`.
    pub fn of_instant(self, direction: Direction) -> &'static str {
        match direction {
            Direction::Forward => {
                matching!(self, "select at, seq", "at = :at and seq >= :seq", " order by seq limit :take")
            }
            Direction::Backward => {
                matching!(self, "select at, seq", "at = :at and seq < :seq", " order by seq desc limit :take")
            }
        }
    }

    /// The same of all instants behind `:at` in the direction, and passes over the first `:skip`.
    pub fn of_others(self, direction: Direction) -> &'static str {
        match direction {
            Direction::Forward => {
                matching!(self, "select at, seq", "at > :at", " order by at, seq limit :take offset :skip")
            }
            Direction::Backward => {
                matching!(self, "select at, seq", "at < :at", " order by at desc, seq desc limit :take offset :skip")
            }
        }
    }

    /// Binds what the statement needs of the filter, and the bounds.
    pub fn bind(self, statement: &mut Statement, filter: &CellFilter, bounds: &[(&str, i64)]) -> Result<()> {
        let (cell_min, cell_max) = filter.span();
        let cells = [(":cell_min", cell_min), (":cell_max", cell_max), (":severities", filter.severity_bits())];
        let cells = match self {
            Access::Everything => &cells[..0],
            Access::Warnings | Access::Errors | Access::WarningsAndErrors => &cells[..2],
            Access::Filtered => &cells[..],
        };
        for (name, value) in bounds.iter().chain(cells) {
            let index =
                statement.parameter_index(name)?.ok_or_else(|| Error::internal(format!("no parameter {name}")))?;
            statement.raw_bind_parameter(index, value)?;
        }
        Ok(())
    }
}
