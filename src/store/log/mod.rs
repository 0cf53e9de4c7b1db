//! The event log: rows in order of acknowledgement, and a directory of counts that makes any page a rank away.

use std::sync::Arc;

use rusqlite::Connection;

use super::digest::DigestKey;
use crate::error::Result;
use crate::model::{ArrivalPage, LogFilter, LogPage, Rejected, Start, SystemEvent, TimeOrder};

/// (in the making) Counts per run of the order; immutable, each commit makes the next one.
pub struct Directory {}

/// The writer's side of the log. Everything it does belongs to the transaction of the connection it is given; after a
/// rollback it must be loaded anew.
pub struct LogWriter {}

impl LogWriter {
    pub fn load(_conn: &Connection, _key: DigestKey, _services_max: u32) -> Result<LogWriter> {
        todo!()
    }

    /// Appends in the order given. Rejects (by index) only what would pass the bound on service names.
    /// An event whose (time stamp, event_id) is known is accepted and changes nothing.
    pub fn append(&mut self, _conn: &Connection, _events: &[SystemEvent]) -> Result<Vec<Rejected>> {
        todo!()
    }

    /// Ends the transaction's work. Returns whether any answer can change.
    pub fn finish(&mut self, _conn: &Connection) -> Result<bool> {
        todo!()
    }

    /// The directory that belongs to everything appended and finished so far.
    pub fn directory(&self) -> Arc<Directory> {
        todo!()
    }
}

/// One consistent state of the log: a read transaction and the directory of the same commit.
pub struct LogSnapshot<'a> {
    pub conn: &'a Connection,
    pub directory: &'a Directory,
}

/// A page in time order. An unknown service matches nothing.
pub fn page(
    _snapshot: &LogSnapshot,
    _filter: &LogFilter,
    _order: TimeOrder,
    _start: Start,
    _limit: usize,
) -> Result<LogPage> {
    todo!()
}

/// Events acknowledged after `after_seq`, in order of arrival. Looks at a bounded number of events, so that a page may
/// hold fewer than `limit`, even none, with more to come behind `next_seq`.
pub fn arrivals(_snapshot: &LogSnapshot, _filter: &LogFilter, _after_seq: i64, _limit: usize) -> Result<ArrivalPage> {
    todo!()
}

/// Recounts everything from the rows and says what differs, one line each.
pub fn check(_snapshot: &LogSnapshot) -> Result<Vec<String>> {
    todo!()
}
