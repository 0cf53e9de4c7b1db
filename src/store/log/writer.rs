use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use rusqlite::Connection;

use super::cell::Cell;
use super::directory::{Directory, Key, START};
use super::event::NewEvent;
use super::floors::{self, Sweep};
use super::leaves::{self, Pace, Unsaved};
use super::names::{self, NONE, Names};
use super::{event, ids, order, retire, size};
use crate::error::Result;
use crate::model::{EventCutoffs, Id, Position, Rejected, SystemEvent, Timestamp};
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
    appended_bytes: u64,
    directory: Arc<Directory>,
    unsaved: Unsaved,
    sweep: Sweep,
    /// The run in which rows were removed and leaves may be joined.
    untidy: Option<Range<Position>>,
    /// Floors were raised in the transaction under way.
    is_raised: bool,
    /// The leaves must be written in it.
    must_save: bool,
}

/// Events of one append whose rows are still to be inserted, all by few statements.
#[derive(Default)]
struct Taken<'e> {
    events: Vec<NewEvent<'e>>,
    /// Who comes with one of these must find the row.
    ids: HashSet<(Timestamp, i64)>,
}

impl Taken<'_> {
    fn insert(&mut self, conn: &Connection) -> Result<()> {
        event::insert(conn, &self.events)?;
        self.events.clear();
        self.ids.clear();
        Ok(())
    }
}

/// Joining leaves writes all that have changed; where late events have changed very many, it waits for its turn.
const TIDY_LEAVES_MAX: usize = 256;

impl LogWriter {
    pub fn load(conn: &Connection, key: DigestKey, services_max: u32) -> Result<LogWriter> {
        LogWriter::load_paced(conn, key, services_max, Pace::DEFAULT)
    }

    /// The same with leaves of another length, which is for tests.
    pub(super) fn load_paced(conn: &Connection, key: DigestKey, services_max: u32, pace: Pace) -> Result<LogWriter> {
        let names = Arc::new(names::load(conn)?);
        let sweep = floors::load(conn)?;
        let (directory, unsaved) = leaves::load(conn, names.clone(), pace.shape, sweep.floors)?;
        // Whether the leaves there were joined before the process ended, nobody knows.
        let highest = floors::before(sweep.floors.highest());
        let untidy = (sweep.is_done() && highest > START).then_some(START..highest);
        Ok(LogWriter {
            key,
            services_max,
            pace,
            names,
            last_seq: directory.last_seq(),
            appended: vec![],
            appended_bytes: 0,
            directory: Arc::new(directory),
            unsaved,
            sweep,
            untidy,
            is_raised: false,
            must_save: false,
        })
    }

    /// Appends in the order given. Rejects (by index) what lies before the floor of its severity, and what would pass the
    /// bound on service names.
    /// An event whose (time stamp, event_id) is known is accepted and changes nothing.
    pub fn append(&mut self, conn: &Connection, events: &[SystemEvent]) -> Result<Vec<Rejected>> {
        let (mut rejected, mut taken) = (vec![], Taken::default());
        for (index, event) in events.iter().enumerate() {
            if let Err(message) = self.append_one(conn, event, &mut taken)? {
                rejected.push(Rejected { index, message });
            }
        }
        event::insert(conn, &taken.events)?;
        Ok(rejected)
    }

    /// The inner result says why the event is rejected.
    fn append_one<'e>(
        &mut self,
        conn: &Connection,
        event: &'e SystemEvent,
        taken: &mut Taken<'e>,
    ) -> Result<std::result::Result<(), String>> {
        let floors = &self.sweep.floors;
        if !floors.keep(event.at, event.severity) {
            return Ok(Err(floors.rejection(event.severity)));
        }
        let digest = event.event_id.as_ref().map(|id| (ids::digest(&self.key, id), id));
        if let Some((digest, id)) = digest {
            if taken.ids.contains(&(event.at, digest)) {
                taken.insert(conn)?;
            }
            if ids::is_known(conn, floors, event.at, digest, id)? {
                return Ok(Ok(()));
            }
        }
        let service = match self.service(conn, event.service.as_ref())? {
            Ok(service) => service,
            Err(message) => return Ok(Err(message)),
        };
        self.last_seq = self.last_seq.checked_add(1).ok_or_else(damaged)?;
        let cell = Cell::new(service, event.severity);
        taken.events.push(NewEvent { seq: self.last_seq, cell, event });
        if let Some((digest, _)) = digest {
            ids::insert(conn, event.at, digest, self.last_seq)?;
            taken.ids.insert((event.at, digest));
        }
        self.appended_bytes += size::of_event(event);
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

    /// Raises the floors to the cutoffs where these are higher: from the commit on no reader sees an event below them, and
    /// none is taken in. Must come before the transaction's appends. Returns whether a floor rose.
    pub fn raise(&mut self, conn: &Connection, cutoffs: &EventCutoffs) -> Result<bool> {
        debug_assert!(self.appended.is_empty());
        let floors = self.sweep.floors.raised_to(cutoffs);
        if floors == self.sweep.floors {
            return Ok(false);
        }
        retire::raise(conn, Arc::make_mut(&mut self.directory), floors, &mut self.unsaved)?;
        self.sweep.floors = floors;
        floors::save(conn, &self.sweep)?;
        // A start must find leaves that begin at the floors.
        (self.is_raised, self.must_save) = (true, true);
        Ok(true)
    }

    /// Whether the floors stand at the cutoffs, or higher.
    pub fn is_raised_to(&self, cutoffs: &EventCutoffs) -> bool {
        self.sweep.floors.raised_to(cutoffs) == self.sweep.floors
    }

    /// Removes at most so many rows below the floors, the oldest first. Returns how many, and whether none is left.
    pub fn sweep(&mut self, conn: &Connection, rows_max: usize) -> Result<(u64, bool)> {
        let Some(swept) = retire::sweep(conn, &self.key, &mut self.sweep, rows_max)? else { return Ok((0, true)) };
        let directory = Arc::make_mut(&mut self.directory);
        directory.set_bytes(directory.bytes().saturating_sub(swept.bytes));
        leaves::take_bytes(conn, swept.bytes)?;
        // Its sequence number must not be given again after a start.
        self.must_save |= swept.last_seq > self.unsaved.counted_seq();
        self.untidy = Some(match self.untidy.take() {
            Some(untidy) => untidy.start.min(swept.run.start)..untidy.end.max(swept.run.end),
            None => swept.run,
        });
        Ok((swept.removed, self.sweep.is_done()))
    }

    /// Ends the transaction's work: what was appended stands in order of time and is counted. Returns whether any
    /// answer can change.
    pub fn finish(&mut self, conn: &Connection) -> Result<bool> {
        let is_changed = !self.appended.is_empty() || self.is_raised;
        if !self.appended.is_empty() {
            self.count_appended(conn)?;
        }
        let is_tidy = self.untidy.is_none();
        if self.must_save || self.unsaved.is_due(&self.pace) || (!is_tidy && self.unsaved.leaves() <= TIDY_LEAVES_MAX) {
            self.save(conn)?;
        }
        self.is_raised = false;
        Ok(is_changed)
    }

    fn count_appended(&mut self, conn: &Connection) -> Result<()> {
        // Sorted first: neighbours go to the same page of the tree, and to the same leaf.
        self.appended.sort_unstable();
        order::insert(conn, &self.appended)?;
        // Readers hold the directory of an earlier commit: this makes a new one, which shares what does not change.
        let directory = Arc::make_mut(&mut self.directory);
        directory.set_names(self.names.clone());
        directory.set_bytes(directory.bytes() + self.appended_bytes);
        leaves::count(conn, directory, &self.appended, &mut self.unsaved)?;
        self.appended.clear();
        self.appended_bytes = 0;
        Ok(())
    }

    fn save(&mut self, conn: &Connection) -> Result<()> {
        let directory = Arc::make_mut(&mut self.directory);
        if let Some(run) = self.untidy.take() {
            retire::tidy(conn, directory, &run, &mut self.unsaved)?;
        }
        leaves::save(conn, directory, &mut self.unsaved)?;
        self.must_save = false;
        Ok(())
    }

    /// The directory that belongs to everything appended and finished so far.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.clone()
    }
}
