//! Reading much of the log in time order, for exports: run by run, each in a snapshot of its own.

use std::ops::{ControlFlow, Range};

use super::LogSnapshot;
use crate::error::Result;
use crate::model::{LogFilter, Position, Severity};

/// An event as the row has it, borrowed for as long as it is visited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventRow<'r> {
    pub position: Position,
    pub severity: Severity,
    pub service: Option<&'r str>,
    pub message: &'r str,
    /// Compact JSON text of a flat object.
    pub attributes: Option<&'r str>,
}

/// How many events up to a sequence number match.
pub fn count_events(snapshot: &LogSnapshot, filter: &LogFilter, last_seq: i64) -> Result<u64> {
    let _ = (snapshot, filter, last_seq);
    todo!()
}

/// See [`crate::store::Snapshot::events_run_end`].
pub fn run_end(snapshot: &LogSnapshot, filter: &LogFilter, from: Position, wanted: u64) -> Option<Position> {
    let _ = (snapshot, filter, from, wanted);
    todo!()
}

/// See [`crate::store::Snapshot::visit_events`].
pub fn visit_events(
    snapshot: &LogSnapshot,
    filter: &LogFilter,
    last_seq: i64,
    run: Range<Position>,
    visit: impl FnMut(&EventRow) -> Result<ControlFlow<()>>,
) -> Result<Option<Position>> {
    let _ = (snapshot, filter, last_seq, run, visit);
    todo!()
}
