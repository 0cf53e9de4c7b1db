//! Workbooks.

use super::{Assignment, Watch, Written};
use crate::error::Result;
use crate::model::{LogFilter, UsageExport};
use crate::store::Store;

pub fn write_events(store: &Store, assignment: &Assignment, filter: &LogFilter, watch: &Watch) -> Result<Written> {
    let _ = (store, assignment, filter, watch);
    todo!()
}

pub fn write_usage(store: &Store, assignment: &Assignment, usage: &UsageExport, watch: &Watch) -> Result<Written> {
    let _ = (store, assignment, usage, watch);
    todo!()
}
