//! Workbooks (ECMA-376).
//!
//! `frame` is the workbook without its rows, made by rust_xlsxwriter; `book` puts it and the rows, as `cells` formats them,
//! into one file while they come. `usage` and `events` say what is in them, `summary` and `chart` how it looks.

mod book;
mod cells;
mod chart;
mod events;
mod frame;
mod summary;
mod usage;

#[cfg(test)]
mod tests;

pub use self::events::write as write_events;
pub use self::usage::write as write_usage;
