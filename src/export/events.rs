//! The log as CSV.

use super::{Assignment, Watch, Written};
use crate::error::Result;
use crate::model::{CsvOptions, LogFilter};
use crate::store::Store;

pub fn write_csv(
    store: &Store,
    assignment: &Assignment,
    filter: &LogFilter,
    options: CsvOptions,
    watch: &Watch,
) -> Result<Written> {
    let _ = (store, assignment, filter, options, watch);
    todo!()
}
