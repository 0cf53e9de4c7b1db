//! How the keys of a leaf are read under a filter: all, or through an index that holds a rare severity alone.

use rusqlite::Statement;

use super::cell::CellFilter;
use crate::error::{Error, Result};
use crate::model::{Severity, SeveritySet};

macro_rules! everything {
    () => {
        "from log_order where (at, seq) >= (:from_at, :from_seq)"
    };
}
// The span of cells comes first: it alone turns away most keys under a filter by service.
macro_rules! filtered {
    () => {
        "from log_order where (at, seq) >= (:from_at, :from_seq)
           and cell between :cell_min and :cell_max and :severities >> (cell & 3) & 1"
    };
}
macro_rules! warnings {
    () => {
        "from log_order indexed by log_order_warning where cell & 3 = 1 and (at, seq) >= (:from_at, :from_seq)
           and cell between :cell_min and :cell_max"
    };
}
macro_rules! errors {
    () => {
        "from log_order indexed by log_order_error where cell & 3 = 2 and (at, seq) >= (:from_at, :from_seq)
           and cell between :cell_min and :cell_max"
    };
}
macro_rules! up_to {
    () => {
        " and (at, seq) < (:to_at, :to_seq)"
    };
}
macro_rules! page {
    () => {
        " order by at, seq limit :take offset :skip"
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

    /// Counts the matching keys of a run.
    pub fn count(self) -> &'static str {
        match self {
            Access::Everything => concat!("select count(*) ", everything!(), up_to!()),
            Access::Filtered => concat!("select count(*) ", filtered!(), up_to!()),
            Access::Warnings => concat!("select count(*) ", warnings!(), up_to!()),
            Access::Errors => concat!("select count(*) ", errors!(), up_to!()),
            Access::WarningsAndErrors => concat!(
                "select (select count(*) ",
                warnings!(),
                up_to!(),
                ") + (select count(*) ",
                errors!(),
                up_to!(),
                ")"
            ),
        }
    }

    /// Gives `at` and `seq` of `:take` matching keys from a position on, behind `:skip` of them.
    pub fn slice(self) -> &'static str {
        match self {
            Access::Everything => concat!("select at, seq ", everything!(), page!()),
            Access::Filtered => concat!("select at, seq ", filtered!(), page!()),
            Access::Warnings => concat!("select at, seq ", warnings!(), page!()),
            Access::Errors => concat!("select at, seq ", errors!(), page!()),
            Access::WarningsAndErrors => {
                concat!("select at, seq ", warnings!(), " union all select at, seq ", errors!(), page!())
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
