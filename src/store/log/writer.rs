use std::sync::Arc;

use rusqlite::{Connection, params};

use super::cell::Cell;
use super::directory::{Directory, Key};
use super::leaves::{self, Pace, Unsaved};
use super::names::{self, NONE, Names};
use super::{event, ids};
use crate::error::Result;
use crate::model::{Id, Position, Rejected, SystemEvent};
use crate::store::digest::DigestKey;
use crate::store::varint::damaged;

/// The writer's side of the log. Everything it does belongs to the transaction of the connection it is given; after a
/// rollback it must be loaded anew.
pub struct LogWriter {
    key: DigestKey,
    services_max: u32,
    pace: Pace,
    names: Arc<Names>,
    last_seq: i64,
    /// Events of the transaction under way, still to be put in order of time and counted.
    appended: Vec<Key>,
    directory: Arc<Directory>,
    unsaved: Unsaved,
}

impl LogWriter {
    pub fn load(conn: &Connection, key: DigestKey, services_max: u32) -> Result<LogWriter> {
        LogWriter::load_paced(conn, key, services_max, Pace::DEFAULT)
    }

    /// The same with leaves of another length, which is for tests.
    pub(super) fn load_paced(conn: &Connection, key: DigestKey, services_max: u32, pace: Pace) -> Result<LogWriter> {
        let names = Arc::new(names::load(conn)?);
        let (directory, unsaved) = leaves::load(conn, names.clone(), pace.shape)?;
        Ok(LogWriter {
            key,
            services_max,
            pace,
            names,
            last_seq: directory.last_seq(),
            appended: vec![],
            directory: Arc::new(directory),
            unsaved,
        })
    }

    /// Appends in the order given. Rejects (by index) only what would pass the bound on service names.
    /// An event whose (time stamp, event_id) is known is accepted and changes nothing.
    pub fn append(&mut self, conn: &Connection, events: &[SystemEvent]) -> Result<Vec<Rejected>> {
        let mut rejected = vec![];
        for (index, event) in events.iter().enumerate() {
            if let Err(message) = self.append_one(conn, event)? {
                rejected.push(Rejected { index, message });
            }
        }
        Ok(rejected)
    }

    /// The inner result says why the event is rejected.
    fn append_one(&mut self, conn: &Connection, event: &SystemEvent) -> Result<std::result::Result<(), String>> {
        let digest = event.event_id.as_ref().map(|id| (ids::digest(&self.key, id), id));
        if let Some((digest, id)) = digest
            && ids::is_known(conn, event.at, digest, id)?
        {
            return Ok(Ok(()));
        }
        let service = match self.service(conn, event.service.as_ref())? {
            Ok(service) => service,
            Err(message) => return Ok(Err(message)),
        };
        self.last_seq = self.last_seq.checked_add(1).ok_or_else(damaged)?;
        let cell = Cell::new(service, event.severity);
        event::insert(conn, self.last_seq, cell, event)?;
        if let Some((digest, _)) = digest {
            ids::insert(conn, event.at, digest, self.last_seq)?;
        }
        self.appended.push(Key { position: Position { at: event.at, seq: self.last_seq }, cell });
        Ok(Ok(()))
    }

    fn service(&mut self, conn: &Connection, service: Option<&Id>) -> Result<std::result::Result<u32, String>> {
        let Some(service) = service else { return Ok(Ok(NONE)) };
        if let Some(id) = self.names.id(service) {
            return Ok(Ok(id));
        }
        if self.names.len() >= self.services_max as usize {
            return Ok(Err(format!(
                "service: {service:?} would be a new one, and the log already has {}, which is as many as it may have; \
                 raise limits.services_max, or use a known service",
                self.names.len()
            )));
        }
        Ok(Ok(names::add(conn, Arc::make_mut(&mut self.names), service)?))
    }

    /// Ends the transaction's work: what was appended stands in order of time and is counted. Returns whether any
    /// answer can change.
    pub fn finish(&mut self, conn: &Connection) -> Result<bool> {
        if self.appended.is_empty() {
            return Ok(false);
        }
        // Sorted first: neighbours go to the same page of the tree, and to the same leaf.
        self.appended.sort_unstable();
        insert_order(conn, &self.appended)?;
        // Readers hold the directory of an earlier commit: this makes a new one, which shares what does not change.
        let directory = Arc::make_mut(&mut self.directory);
        directory.set_names(self.names.clone());
        leaves::count(conn, directory, &self.appended, &mut self.unsaved)?;
        self.appended.clear();
        if self.unsaved.is_due(&self.pace) {
            leaves::save(conn, directory, &mut self.unsaved)?;
        }
        Ok(true)
    }

    /// The directory that belongs to everything appended and finished so far.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.clone()
    }
}

const INSERT_ORDER: &str = "insert into log_order (at, seq, cell) values (:at, :seq, :cell)";

fn insert_order(conn: &Connection, keys: &[Key]) -> Result<()> {
    let mut statement = conn.prepare_cached(INSERT_ORDER)?;
    for Key { position, cell } in keys {
        statement.execute(params![position.at.unix_micros(), position.seq, cell.to_sql()])?;
    }
    Ok(())
}
