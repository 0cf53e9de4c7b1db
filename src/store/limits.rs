//! Overrides of limits, and the count of exports, at rest.

use rusqlite::Connection;

use super::{Snapshot, Store};
use crate::error::Result;
use crate::model::{Day, Target};

/// The administrator's exceptions for one target: None leaves the setting in place, 0 lifts the limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    pub requests_per_minute: Option<u32>,
    pub ingest_requests_per_minute: Option<u32>,
    pub exports_per_day: Option<u32>,
    pub tokens_per_minute: Option<u32>,
    pub tokens_per_hour: Option<u32>,
}

impl Store {
    /// Durable when it returns. Replaces what was set for the target before.
    pub async fn set_override(&self, _target: Target, _overrides: Overrides, _now_unix_micros: i64) -> Result<()> {
        todo!()
    }

    /// False if there was none.
    pub async fn clear_override(&self, _target: Target) -> Result<bool> {
        todo!()
    }
}

impl Snapshot<'_> {
    /// By kind and name.
    pub fn overrides(&self) -> Result<Vec<(Target, Overrides)>> {
        todo!()
    }

    /// How many exports a principal was charged for on a UTC day.
    pub fn export_count(&self, _issuer: &str, _subject: &str, _day: Day) -> Result<u32> {
        todo!()
    }
}

/// Charges one export within a transaction of the writer: the one that makes the job. False, and nothing is charged, if
/// the principal has had `max` (0: no limit) on that day.
pub fn charge_export(_conn: &Connection, _issuer: &str, _subject: &str, _day: Day, _max: u32) -> Result<bool> {
    todo!()
}
