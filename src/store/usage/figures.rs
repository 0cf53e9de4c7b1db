//! Reads of the usage side, each from one snapshot: a read transaction and the overlay of the same commit.

use rusqlite::Connection;

use super::rollup::Overlay;
use crate::error::Result;
use crate::model::{DateRange, Figures, GroupBy, GroupPage, Interval, Period, UsageFilter};
use crate::store::digest::DigestKey;

/// One consistent state of the usage side.
pub struct UsageSnapshot<'a> {
    pub conn: &'a Connection,
    pub overlay: &'a Overlay,
    pub key: &'a DigestKey,
}

/// The three figures of a range under a filter. An id nobody has sent gives zeros.
pub fn figures(_snapshot: &UsageSnapshot, _range: DateRange, _filter: &UsageFilter) -> Result<Figures> {
    todo!()
}

/// One entry per period of the range, in order, none left out.
pub fn series(
    _snapshot: &UsageSnapshot,
    _range: DateRange,
    _filter: &UsageFilter,
    _interval: Interval,
) -> Result<Vec<Period>> {
    todo!()
}

/// Groups with at least one figure above zero, by active users, then sessions, descending, then id (none last);
/// `offset` of them skipped, at most `limit` given.
pub fn groups(
    _snapshot: &UsageSnapshot,
    _range: DateRange,
    _filter: &UsageFilter,
    _by: GroupBy,
    _offset: u64,
    _limit: usize,
) -> Result<GroupPage> {
    todo!()
}

/// Recomputes every rollup from the base facts and says what differs, one line each.
pub fn check(_snapshot: &UsageSnapshot) -> Result<Vec<String>> {
    todo!()
}
