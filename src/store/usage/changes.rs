//! What a batch has changed in the base facts, written at its end: each row once, in order of key.

use std::ops::Range;

use rusqlite::{Connection, params};

use super::explicit::{ExplicitSession, STORE_SESSION};
use super::user::{STORE_USER, User, UserRow};
use super::user_day::{UserDay, row_key};
use crate::error::Result;
use crate::model::Day;

#[derive(Default)]
pub struct Changes {
    /// In order of change: a user that comes twice is last as it is to stay.
    users: Vec<UserRow>,
    /// Keys of usage_user_day, and where in `packed` the record is.
    days: Vec<(i64, Range<usize>)>,
    packed: Vec<u8>,
    /// By ord and digest.
    sessions: Vec<(u32, [u8; 16], ExplicitSession)>,
}

impl Changes {
    /// The same user may come twice.
    pub fn user(&mut self, user: &User) {
        self.users.push(UserRow::new(user));
    }

    pub fn day(&mut self, day: Day, ord: u32, mut record: UserDay) {
        let from = self.packed.len();
        record.encode(day, &mut self.packed);
        self.days.push((row_key(day, ord), from..self.packed.len()));
    }

    pub fn session(&mut self, ord: u32, digest: [u8; 16], session: ExplicitSession) {
        self.sessions.push((ord, digest, session));
    }

    pub fn write(mut self, conn: &Connection) -> Result<()> {
        self.users.sort_by_key(|row| row.ord);
        let mut store = conn.prepare_cached(STORE_USER)?;
        for rows in self.users.chunk_by(|one, next| one.ord == next.ord) {
            rows[rows.len() - 1].store(&mut store)?;
        }
        self.days.sort_unstable_by_key(|(key, _)| *key);
        let mut store = conn.prepare_cached(STORE_DAY)?;
        for (key, range) in self.days {
            store.execute(params![key, &self.packed[range]])?;
        }
        self.sessions.sort_unstable_by_key(|(ord, digest, _)| (*ord, *digest));
        let mut store = conn.prepare_cached(STORE_SESSION)?;
        self.sessions.iter().try_for_each(|(ord, digest, session)| session.store(&mut store, *ord, digest))
    }
}

const STORE_DAY: &str = "insert or replace into usage_user_day (key, facts) values (:key, :facts)";
