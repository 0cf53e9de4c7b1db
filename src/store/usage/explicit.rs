//! Sessions that came with an id: all events of one (user, session_id), however far apart.
//!
//! Of such a session only its start and the (team, service) pairs it touched are kept: an event that is not the first
//! and touches nothing new changes nothing, so events in order write nothing.

use rusqlite::{Connection, Statement, named_params, params};

use super::days::Touch;
use super::delta::Delta;
use super::lattice::{NONE, SERVICE_IDS_MAX, TEAM_IDS_MAX};
use crate::error::Result;
use crate::model::Timestamp;
use crate::store::varint::{self, Cursor, damaged};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExplicitSession {
    pub start_at: Timestamp,
    /// Sorted; each once.
    pub pairs: Vec<(u32, u32)>,
}

impl ExplicitSession {
    /// The session as `known` so far with more events; None if they change nothing. Reports to `delta` what changes in
    /// the counts.
    pub fn join(
        ord: u32,
        known: Option<ExplicitSession>,
        events: impl Iterator<Item = Touch>,
        delta: &mut Delta,
    ) -> Option<ExplicitSession> {
        let mut joined = known.clone();
        for event in events {
            let session = joined.get_or_insert_with(|| ExplicitSession { start_at: event.at, pairs: vec![] });
            session.start_at = session.start_at.min(event.at);
            session.pairs.push((event.team, event.service));
        }
        if let Some(session) = &mut joined {
            session.pairs.sort_unstable();
            session.pairs.dedup();
        }
        if joined == known {
            return None;
        }
        known.inspect(|session| session.count(ord, -1, delta));
        joined.inspect(|session| session.count(ord, 1, delta))
    }

    /// Reports that so many more such sessions of the user start.
    pub fn count(&self, ord: u32, n: i32, delta: &mut Delta) {
        delta.count_session(self.start_at.day(), ord, self.pairs.iter().copied(), n);
    }

    /// `select`: [`SELECT_SESSION`].
    pub fn find(select: &mut Statement, ord: u32, digest: &[u8; 16]) -> Result<Option<ExplicitSession>> {
        select.query_and_then(params![ord, digest], from_row)?.next().transpose()
    }

    /// Calls with every session and the ord of its user. Ends with the first error.
    pub fn for_each(conn: &Connection, mut visit: impl FnMut(u32, ExplicitSession) -> Result<()>) -> Result<()> {
        const SELECT_ALL: &str = "select ord, start_at, cells from usage_session";
        let mut statement = conn.prepare_cached(SELECT_ALL)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(row.get("ord")?, from_row(row)?)?;
        }
        Ok(())
    }

    /// The sessions of one user.
    pub fn of_user(conn: &Connection, ord: u32) -> Result<Vec<ExplicitSession>> {
        const SELECT_SESSIONS: &str = "select start_at, cells from usage_session where ord = :ord";
        conn.prepare_cached(SELECT_SESSIONS)?.query_and_then(named_params! {":ord": ord}, from_row)?.collect()
    }

    /// Inserts the row, or overwrites it. `store`: [`STORE_SESSION`].
    pub fn store(&self, store: &mut Statement, ord: u32, digest: &[u8; 16]) -> Result<()> {
        let mut cells = Vec::with_capacity(self.pairs.len() * 3);
        for (team, service) in &self.pairs {
            varint::put(&mut cells, (*team).into());
            varint::put(&mut cells, (*service).into());
        }
        store.execute(params![ord, digest, self.start_at.unix_micros(), cells])?;
        Ok(())
    }

    /// Deletes all sessions with an id of one user.
    pub fn delete_all(conn: &Connection, ord: u32) -> Result<()> {
        const DELETE_SESSIONS: &str = "delete from usage_session where ord = :ord";
        conn.prepare_cached(DELETE_SESSIONS)?.execute(named_params! {":ord": ord})?;
        Ok(())
    }

    /// Cuts the tie between the sessions of an erased user and their ids. They count as before.
    pub fn anonymize_all(conn: &Connection, ord: u32) -> Result<()> {
        const BLANK_DIGESTS: &str = "update usage_session set digest = randomblob(16) where ord = :ord";
        conn.prepare_cached(BLANK_DIGESTS)?.execute(named_params! {":ord": ord})?;
        Ok(())
    }
}

pub const SELECT_SESSION: &str = "select start_at, cells from usage_session where ord = :ord and digest = :digest";
pub const STORE_SESSION: &str = "
    insert or replace into usage_session (ord, digest, start_at, cells) values (:ord, :digest, :start_at, :cells)";

fn from_row(row: &rusqlite::Row) -> Result<ExplicitSession> {
    let mut cursor = Cursor::new(row.get_ref("cells")?.as_blob().map_err(rusqlite::Error::from)?);
    let mut pairs = vec![];
    while !cursor.is_empty() {
        let (team, service) = (cursor.u32()?, cursor.u32()?);
        if !(NONE..TEAM_IDS_MAX).contains(&team) || !(NONE..SERVICE_IDS_MAX).contains(&service) {
            return Err(damaged());
        }
        pairs.push((team, service));
    }
    let start_at = Timestamp::from_unix_micros(row.get("start_at")?).ok_or_else(damaged)?;
    Ok(ExplicitSession { start_at, pairs })
}
