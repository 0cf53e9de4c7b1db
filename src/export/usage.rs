//! Usage figures: rows from one short snapshot, and as CSV.

use super::{Assignment, Watch, Written};
use crate::error::Result;
use crate::model::{CsvOptions, UsageExport};
use crate::store::Store;

pub fn write_csv(
    store: &Store,
    assignment: &Assignment,
    usage: &UsageExport,
    options: CsvOptions,
    watch: &Watch,
) -> Result<Written> {
    let _ = (store, assignment, usage, options, watch);
    todo!()
}
