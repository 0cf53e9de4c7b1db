//! Retention of the log: the face that `maintenance` sees.

use std::ops::ControlFlow;

use rusqlite::params;

use super::job::Job;
use super::log;
use super::{Snapshot, Store};
use crate::error::Result;
use crate::model::{EventCutoffs, Retirable, Retired, Timestamp};

/// What the writer is asked to do of a retirement: one bounded piece.
#[derive(Clone, Copy, Debug)]
pub struct Retirement {
    pub cutoffs: EventCutoffs,
    /// An export of the log that is unfinished and was begun at or after this instant spares what it may read.
    pub exports_since: Timestamp,
    pub rows_max: usize,
}

impl Store {
    /// Retires events that lie before the cutoffs of their severity: one bounded piece, to be called until it is done.
    ///
    /// The first piece raises the floors: from its commit on no reader sees an event below them, whatever it asks for, and
    /// none is taken in any more. It waits while an export of the log is unfinished that was begun (or is queued since) at
    /// or after `exports_since`, which is now less `exports.time_limit`: such a job reads in several snapshots. Once it has been
    /// asked for an hour in vain, no export of the log begins before it has risen, and those that wait are not waited for. Every piece
    /// removes rows below the floors, at most `items_max`, the oldest first; nobody can tell when. Floors never fall: a
    /// cutoff below one changes nothing. A cutoff must not lie in the future.
    ///
    /// Errors as [`Store::record`].
    pub async fn retire_events(
        &self,
        cutoffs: EventCutoffs,
        exports_since: Timestamp,
        items_max: usize,
    ) -> Result<Retired> {
        let retirement = Retirement { cutoffs, exports_since, rows_max: items_max };
        let retired = self.submit(|reply| Job::Retire { retirement, reply }).await?;
        self.inner.stats.retired_events(retired.removed);
        Ok(retired)
    }

    /// Keeps what the clock said, for [`Snapshot::retention_believed_at`] of a later process.
    pub async fn keep_retention_believed_at(&self, unix_micros: i64) -> Result<()> {
        const KEEP: &str = "update retention set believed_at = :unix_micros";
        self.control(move |conn| Ok(conn.prepare_cached(KEEP)?.execute(params![unix_micros]).map(drop)?)).await
    }

    /// The instant before which events have to go, of all severities, so that the log takes no more than so many bytes; None
    /// if it does not, or if rows are still to be removed: it takes less then. With the last event that has to go goes what
    /// shares its instant.
    ///
    /// Blocks: it reads the events that have to go, oldest first, in short snapshots. None, too, once `goes_on`, asked before
    /// each of them, says that nobody waits for the answer: where much has to go it takes minutes.
    pub fn log_cutoff_for(&self, bytes_max: u64, goes_on: impl Fn() -> bool) -> Result<Option<Timestamp>> {
        let (mut from, mut excess) = (None, None);
        while goes_on() {
            let snapshot = self.bulk_snapshot()?;
            let left = excess.unwrap_or_else(|| snapshot.log_size().saturating_sub(bytes_max));
            let oldest = log::take_bytes(&snapshot.log(), from, left)?;
            match oldest {
                ControlFlow::Break(cutoff) => return Ok(cutoff),
                ControlFlow::Continue((position, left)) => (from, excess) = (Some(position), Some(left)),
            }
        }
        Ok(None)
    }
}

impl Snapshot<'_> {
    /// What the log takes in the file, in bytes, rows that were retired but are still to be removed with it: texts and a
    /// fixed share for each event, which follows the file's pages.
    pub fn log_size(&self) -> u64 {
        self.log().directory.bytes()
    }

    /// What the clock said, in Unix microseconds, when retention last believed it; None if it never looked.
    pub fn retention_believed_at(&self) -> Result<Option<i64>> {
        const BELIEVED_AT: &str = "select believed_at from retention";
        Ok(self.conn().prepare_cached(BELIEVED_AT)?.query_row([], |row| row.get(0))?)
    }

    /// Of each severity, the instant before which events were retired; None: none were.
    pub fn event_floors(&self) -> EventCutoffs {
        self.log().directory.floors().to_cutoffs()
    }

    /// Of each severity, what a retirement to these cutoffs would take from readers. Reads hardly any rows.
    pub fn retirable(&self, cutoffs: EventCutoffs) -> Result<[Retirable; 3]> {
        log::retirable(&self.log(), cutoffs)
    }
}

#[cfg(test)]
#[path = "retire_test.rs"]
mod tests;
