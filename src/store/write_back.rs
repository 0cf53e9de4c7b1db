//! The thread that writes WAL pages back into the file while the writer goes on: waiting for the disk to take pages that
//! are durable already is nothing that an acknowledgement should wait for.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::Settings;
use super::checkpoint::checkpoint;
use super::open::open_write_back;
use crate::error::{Error, Result};

/// Started when it is first rung for; ends with its value.
pub struct WriteBack {
    settings: Settings,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Asked for, and not begun yet.
    wanted: bool,
    /// Begun, and not done yet.
    under_way: bool,
    closed: bool,
    failure: Option<Error>,
}

impl WriteBack {
    pub fn new(settings: &Settings) -> WriteBack {
        WriteBack { settings: settings.clone(), bell: Arc::default(), thread: None }
    }

    /// Asks for what waits in the WAL to be written back; returns at once. False if there can be no thread for it now (it may
    /// be for want of file descriptors): who rings may write back itself, and the next time it is tried again. Errors with
    /// what has gone wrong the last time: after a failed fsync nobody knows what is in the file.
    pub fn ring(&mut self) -> Result<bool> {
        let mut state = self.bell.state.lock();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if self.thread.is_none() {
            self.thread = self.start();
        }
        state.wanted = self.thread.is_some();
        self.bell.changed.notify_all();
        Ok(state.wanted)
    }

    fn start(&self) -> Option<JoinHandle<()>> {
        let conn = open_write_back(&self.settings).ok()?;
        let bell = Arc::clone(&self.bell);
        std::thread::Builder::new().name("write-back".into()).spawn(move || bell.answer(&conn)).ok()
    }

    /// Waits until all that was asked for is done: a checkpoint of another kind gives up at once beside this one. Errors as
    /// [`WriteBack::ring`].
    pub fn wait(&self) -> Result<()> {
        let mut state = self.bell.state.lock();
        while self.thread.is_some() && (state.wanted || state.under_way) && state.failure.is_none() {
            self.bell.changed.wait(&mut state);
        }
        state.failure.clone().map_or(Ok(()), Err)
    }

    /// Waits for what is under way, and closes the file: whoever closes it last must be the writer.
    pub fn stop(&mut self) {
        self.bell.state.lock().closed = true;
        self.bell.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for WriteBack {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Bell {
    fn answer(&self, conn: &Connection) {
        while self.begin() {
            // Readers that still need what stands in the file are not waited for: what they hold back is for the next time.
            let done = checkpoint(conn, "passive");
            let mut state = self.state.lock();
            state.under_way = false;
            state.failure = done.err();
            self.changed.notify_all();
        }
    }

    /// Waits until it is rung for; false once closed, or after a failure.
    fn begin(&self) -> bool {
        let mut state = self.state.lock();
        while !state.wanted && !state.closed && state.failure.is_none() {
            self.changed.wait(&mut state);
        }
        let begins = !state.closed && state.failure.is_none();
        (state.wanted, state.under_way) = (false, begins);
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::settings;
    use super::*;

    #[test]
    fn what_waits_in_the_wal_is_in_the_file_once_the_thread_has_been_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir);
        let conn = Connection::open(&settings.path).unwrap();
        conn.execute_batch("pragma journal_mode = wal; pragma wal_autocheckpoint = 0; create table t (a)").unwrap();
        let pages = |conn: &Connection| -> (i64, i64) {
            let read = |row: &rusqlite::Row| Ok((row.get(1)?, row.get(2)?));
            conn.query_row("pragma wal_checkpoint(noop)", [], read).unwrap()
        };
        let mut write_back = WriteBack::new(&settings);
        for _ in 0..20 {
            conn.execute_batch("insert into t values (zeroblob(40000))").unwrap();
            assert!(pages(&conn).1 < pages(&conn).0);
            assert!(write_back.ring().unwrap());
            write_back.wait().unwrap();
            let (all, done) = pages(&conn);
            assert_eq!(all, done);
        }
        write_back.stop();
    }

    #[test]
    fn where_there_can_be_no_thread_now_there_may_be_one_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir);
        let mut write_back = WriteBack::new(&settings);
        // No such file yet, and this connection makes none.
        assert!(!write_back.ring().unwrap());
        write_back.wait().unwrap();
        let conn = Connection::open(&settings.path).unwrap();
        conn.execute_batch("pragma journal_mode = wal; create table t (a)").unwrap();
        assert!(write_back.ring().unwrap());
        write_back.wait().unwrap();
    }

    #[test]
    fn a_failure_is_told_to_whoever_rings_next() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir);
        let conn = Connection::open(&settings.path).unwrap();
        conn.execute_batch("pragma journal_mode = wal; create table t (a)").unwrap();
        let mut write_back = WriteBack::new(&settings);
        write_back.ring().unwrap();
        write_back.wait().unwrap();
        write_back.bell.state.lock().failure = Some(Error::internal("the disk is gone"));
        assert!(write_back.ring().is_err() && write_back.wait().is_err());
    }
}
