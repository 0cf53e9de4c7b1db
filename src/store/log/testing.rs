//! A log in memory, for tests.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::directory::Shape;
use super::leaves::Pace;
use super::{Directory, LogSnapshot, LogWriter, check, rebuild};
use crate::model::{EventCutoffs, Id, Rejected, Severity, SystemEvent, Timestamp};
use crate::store::digest::DigestKey;

pub const KEY: [u8; 32] = [7; 32];
pub const SERVICES_MAX: u32 = 3;
/// Leaves and groups so small that a few events split them.
pub const TINY: Pace = Pace {
    shape: Shape { leaf_keys: 4, group_leaves: 3 },
    events_per_save: 10,
    events_per_leaf: 2,
    events_uncounted_max: 30,
};

pub struct TestLog {
    pub conn: Connection,
    pace: Pace,
    writer: LogWriter,
    directory: Arc<Directory>,
}

impl TestLog {
    pub fn new(pace: Pace) -> TestLog {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("../../../schema.sql")).unwrap();
        conn.execute("insert into database values (1, 'a', :key, 0, 0, 0, 0)", params![KEY]).unwrap();
        let writer = load(&conn, pace);
        TestLog { directory: writer.directory(), writer, pace, conn }
    }

    /// One transaction; each request is one append.
    pub fn commit(&mut self, requests: &[Vec<SystemEvent>]) -> Vec<Vec<Rejected>> {
        self.conn.execute_batch("begin immediate").unwrap();
        let rejected = requests.iter().map(|events| self.writer.append(&self.conn, events).unwrap()).collect();
        let revision_before = self.directory.last_seq();
        let changed = self.writer.finish(&self.conn).unwrap();
        self.conn.execute_batch("commit").unwrap();
        self.directory = self.writer.directory();
        assert_eq!(changed, self.directory.last_seq() > revision_before);
        rejected
    }

    /// A transaction that fails after all its work, and the writer that comes after it.
    pub fn fail_to_commit(&mut self, events: &[SystemEvent]) {
        self.conn.execute_batch("begin immediate").unwrap();
        self.writer.append(&self.conn, events).unwrap();
        self.writer.finish(&self.conn).unwrap();
        self.conn.execute_batch("rollback").unwrap();
        self.restart();
    }

    /// One transaction: raises the floors and removes some rows. Whether none is left to be removed.
    pub fn retire(&mut self, cutoffs: &EventCutoffs, rows_max: usize) -> bool {
        self.conn.execute_batch("begin immediate").unwrap();
        let is_raised = self.writer.raise(&self.conn, cutoffs).unwrap();
        let (removed, is_done) = self.writer.sweep(&self.conn, rows_max).unwrap();
        assert!(removed <= rows_max as u64);
        let changed = self.writer.finish(&self.conn).unwrap();
        self.conn.execute_batch("commit").unwrap();
        self.directory = self.writer.directory();
        assert_eq!(changed, is_raised);
        is_done
    }

    /// The same in a transaction that fails after all its work, and the writer that comes after it.
    pub fn fail_to_retire(&mut self, cutoffs: &EventCutoffs, rows_max: usize) {
        self.conn.execute_batch("begin immediate").unwrap();
        self.writer.raise(&self.conn, cutoffs).unwrap();
        self.writer.sweep(&self.conn, rows_max).unwrap();
        self.writer.finish(&self.conn).unwrap();
        self.conn.execute_batch("rollback").unwrap();
        self.restart();
    }

    /// Makes all anew that follows from the events.
    pub fn rebuild(&mut self) {
        rebuild(&self.conn, &DigestKey::new(KEY)).unwrap();
        self.restart();
    }

    pub fn restart(&mut self) {
        self.writer = load(&self.conn, self.pace);
        self.directory = self.writer.directory();
    }

    pub fn snapshot(&self) -> LogSnapshot<'_> {
        LogSnapshot { conn: &self.conn, directory: &self.directory }
    }

    pub fn check(&self) -> Vec<String> {
        check(&self.snapshot()).unwrap()
    }
}

fn load(conn: &Connection, pace: Pace) -> LogWriter {
    LogWriter::load_paced(conn, DigestKey::new(KEY), SERVICES_MAX, pace).unwrap()
}

pub fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

pub fn at(unix_micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(unix_micros).unwrap()
}

/// An info event without anything optional.
pub fn event(unix_micros: i64, message: &str) -> SystemEvent {
    SystemEvent {
        at: at(unix_micros),
        severity: Severity::Info,
        service: None,
        message: message.to_string(),
        event_id: None,
        attributes: None,
    }
}
