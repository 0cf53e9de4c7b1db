//! Recounts the log from its rows.

use rusqlite::{Connection, Row, params};

use super::LogSnapshot;
use super::cell::Cell;
use super::counts::Counts;
use super::directory::{END, Key, Leaf};
use super::names::Names;
use super::{event, floors, ids, leaves, order, size};
use crate::error::Result;
use crate::model::{Id, Position, Timestamp};
use crate::store::digest::DigestKey;
use crate::store::varint::damaged;

/// Differences told one by one; the rest are only counted.
const TOLD_MAX: usize = 100;

/// Recounts everything from the rows and says what differs, one line each, a bounded number of lines. Reads the log
/// about three times and holds the counts of its leaves.
pub fn check(snapshot: &LogSnapshot) -> Result<Vec<String>> {
    let mut findings = Findings::default();
    check_order(snapshot, &mut findings)?;
    check_events_without_order(snapshot.conn, &mut findings)?;
    check_groups(snapshot, &mut findings);
    check_bytes(snapshot, &mut findings)?;
    let key = digest_key(snapshot.conn)?;
    check_ids(snapshot.conn, &key, &mut findings)?;
    check_events_without_id(snapshot.conn, &key, &mut findings)?;
    Ok(findings.lines())
}

#[derive(Default)]
struct Findings {
    told: Vec<String>,
    untold: u64,
}

impl Findings {
    fn add(&mut self, line: String) {
        if self.told.len() < TOLD_MAX {
            self.told.push(line);
        } else {
            self.untold += 1;
        }
    }

    fn lines(mut self) -> Vec<String> {
        if self.untold > 0 {
            self.told.push(format!("log: and {} more differences", self.untold));
        }
        self.told
    }
}

const ORDER: &str = "
    select o.at, o.seq, o.cell, e.at, e.cell
    from log_order as o left join log_event as e on e.seq = o.seq
    order by o.at, o.seq";

/// Holds each key against its event, and recounts the leaves, those in memory and those in the database.
fn check_order(snapshot: &LogSnapshot, findings: &mut Findings) -> Result<()> {
    let current: Vec<&Leaf> = snapshot.directory.groups().flat_map(|group| &group.leaves).collect();
    let sweep = floors::load(snapshot.conn)?;
    let saved = leaves::saved_leaves(snapshot.conn, snapshot.directory.names()).unwrap_or_else(|error| {
        findings.add(format!("log_leaf: cannot be read: {error}"));
        vec![]
    });
    let saved = leaves::kept(saved, &sweep.floors);
    let counted_seq = leaves::counted(snapshot.conn)?.seq;
    let mut current = Recount::new("leaf in memory", current);
    let mut saved = Recount::new("log_leaf", saved.iter().collect());
    let mut statement = snapshot.conn.prepare(ORDER)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Ok(key) = order::key(row) else {
            findings.add(format!("log_order: {} has no time stamp or cell that can be", row.get::<_, i64>(1)?));
            continue;
        };
        if !is_as_in_event(row, &key, snapshot.directory.names())? {
            findings.add(format!("log_order: {} is not as its event", Shown(key.position)));
        }
        if key.position.seq > snapshot.directory.last_seq() {
            findings.add(format!("log_order: {} lies behind the last event acknowledged", Shown(key.position)));
        }
        if !sweep.floors.keep(key.position.at, key.cell.severity()) {
            if key.position < sweep.swept[key.cell.severity().index()] {
                findings.add(format!("log_order: {} was retired, and is still there", Shown(key.position)));
            }
            continue;
        }
        current.add(key, findings);
        if key.position.seq <= counted_seq {
            saved.add(key, findings);
        }
    }
    current.finish(findings);
    saved.finish(findings);
    Ok(())
}

/// Whether the event is there and has the key's instant, severity and service, which has a name.
fn is_as_in_event(row: &Row, key: &Key, names: &Names) -> Result<bool> {
    let event: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
    let expected = (Some(key.position.at.unix_micros()), Some(key.cell.to_sql()));
    Ok(event == expected && names.name(key.cell.service()).is_ok())
}

/// Walks leaves and keys side by side.
struct Recount<'a> {
    what: &'static str,
    leaves: Vec<&'a Leaf>,
    /// The leaf that is being recounted, and its keys so far.
    current: usize,
    cells: Vec<Cell>,
}

impl<'a> Recount<'a> {
    fn new(what: &'static str, leaves: Vec<&'a Leaf>) -> Recount<'a> {
        Recount { what, leaves, current: 0, cells: vec![] }
    }

    /// Keys come in order.
    fn add(&mut self, key: Key, findings: &mut Findings) {
        while self.end() <= key.position {
            self.close(findings);
        }
        // Without leaves there is nothing to hold the keys against.
        if !self.leaves.is_empty() {
            self.cells.push(key.cell);
        }
    }

    fn finish(mut self, findings: &mut Findings) {
        while self.current < self.leaves.len() {
            self.close(findings);
        }
    }

    fn end(&self) -> Position {
        self.leaves.get(self.current + 1).map_or(END, |next| next.first)
    }

    fn close(&mut self, findings: &mut Findings) {
        let leaf = self.leaves[self.current];
        let recounted = Counts::of(self.cells.drain(..));
        if recounted != leaf.counts {
            let (told, found) = (leaf.counts.total(), recounted.total());
            findings.add(format!(
                "{} from {}: counts {told} events, and {found} are there{}",
                self.what,
                Shown(leaf.first),
                if told == found { ", of other services or severities" } else { "" }
            ));
        }
        self.current += 1;
    }
}

const EVENTS_WITHOUT_ORDER: &str = "
    select e.seq from log_event as e
    where not exists (select 1 from log_order as o where o.at = e.at and o.seq = e.seq)";

fn check_events_without_order(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let mut statement = conn.prepare(EVENTS_WITHOUT_ORDER)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        findings.add(format!("log_event: {} is missing in log_order", row.get::<_, i64>(0)?));
    }
    Ok(())
}

fn check_groups(snapshot: &LogSnapshot, findings: &mut Findings) {
    for group in snapshot.directory.groups() {
        let sum = Counts::sum(group.leaves.iter().map(|leaf| &leaf.counts));
        if sum != group.counts {
            findings
                .add(format!("group in memory from {}: is not the sum of its leaves", Shown(group.leaves[0].first)));
        }
    }
}

/// What the events take, as it was counted on the way.
fn check_bytes(snapshot: &LogSnapshot, findings: &mut Findings) -> Result<()> {
    let counted = leaves::counted(snapshot.conn)?;
    let told = [("in memory", i64::MAX, snapshot.directory.bytes()), ("log_counted", counted.seq, counted.bytes)];
    for (what, up_to_seq, told) in told {
        let found = size::recount(snapshot.conn, up_to_seq)?;
        if found != told {
            findings.add(format!("size of the log, {what}: {told} bytes, and the events take {found}"));
        }
    }
    Ok(())
}

const DIGEST_KEY: &str = "select digest_key from database";

fn digest_key(conn: &Connection) -> Result<DigestKey> {
    let key: Vec<u8> = conn.query_row(DIGEST_KEY, [], |row| row.get(0))?;
    Ok(DigestKey::new(key.try_into().map_err(|_| damaged())?))
}

const IDS: &str = "
    select i.at, i.seq, i.digest, e.at, e.event_id, e.cell & 3
    from log_event_id as i left join log_event as e on e.seq = i.seq
    order by i.at, i.digest, i.seq";

/// Each entry has its event, with that instant and an id of that digest, and no event is there twice.
fn check_ids(conn: &Connection, key: &DigestKey, findings: &mut Findings) -> Result<()> {
    let mut statement = conn.prepare(IDS)?;
    let mut rows = statement.query([])?;
    let floors = floors::load(conn)?.floors;
    let mut before: Option<(i64, i64, Id)> = None;
    while let Some(row) = rows.next()? {
        let (at, seq, digest): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let event_at: Option<i64> = row.get(3)?;
        let event_id = row.get::<_, Option<String>>(4)?.and_then(|id| Id::new(id).ok());
        let Some(event_id) = event_id.filter(|id| event_at == Some(at) && ids::digest(key, id) == digest) else {
            findings.add(format!("log_event_id: {seq} is not as its event"));
            continue;
        };
        // One that was retired may have come again in another severity, before its row is gone.
        let instant = Timestamp::from_unix_micros(at).ok_or_else(damaged)?;
        if !floors.keep(instant, event::severity(row.get(5)?)?) {
            continue;
        }
        let entry = (at, digest, event_id);
        if before.as_ref() == Some(&entry) {
            findings.add(format!("log_event: {seq} has the time stamp and the event_id of an earlier one"));
        }
        before = Some(entry);
    }
    Ok(())
}

const EVENTS_WITH_ID: &str = "select seq, at, event_id from log_event where event_id is not null";
const ID: &str = "select 1 from log_event_id where at = :at and digest = :digest and seq = :seq";

/// Each event with an id has its entry.
fn check_events_without_id(conn: &Connection, key: &DigestKey, findings: &mut Findings) -> Result<()> {
    let mut entry = conn.prepare(ID)?;
    let mut statement = conn.prepare(EVENTS_WITH_ID)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        let has_entry = match Id::new(row.get::<_, String>(2)?) {
            Ok(event_id) => entry.exists(params![at, ids::digest(key, &event_id), seq])?,
            Err(_) => false,
        };
        if !has_entry {
            findings.add(format!("log_event: {seq} is missing in log_event_id"));
        }
    }
    Ok(())
}

/// A position, for a person.
struct Shown(Position);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "event {} of {}", self.0.seq, self.0.at)
    }
}
