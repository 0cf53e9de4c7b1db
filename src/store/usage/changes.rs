//! What a batch has changed in the base facts, written at its end: each row once, in order of key.

use std::ops::Range;

use rusqlite::{Connection, named_params};

use super::explicit::ExplicitSession;
use super::user_day::{UserDay, row_key};
use super::users::Users;
use crate::error::Result;
use crate::model::Day;

#[derive(Default)]
pub struct Changes<'a> {
    /// By ord and id.
    users: Vec<(u32, &'a str)>,
    /// Keys of usage_user_day, and where in `packed` the record is.
    days: Vec<(i64, Range<usize>)>,
    packed: Vec<u8>,
    /// By ord and digest.
    sessions: Vec<(u32, [u8; 16], ExplicitSession)>,
}

impl<'a> Changes<'a> {
    /// The same user may come twice.
    pub fn user(&mut self, ord: u32, user_id: &'a str) {
        self.users.push((ord, user_id));
    }

    pub fn day(&mut self, day: Day, ord: u32, mut record: UserDay) {
        let from = self.packed.len();
        record.encode(day, &mut self.packed);
        self.days.push((row_key(day, ord), from..self.packed.len()));
    }

    pub fn session(&mut self, ord: u32, digest: [u8; 16], session: ExplicitSession) {
        self.sessions.push((ord, digest, session));
    }

    pub fn write(mut self, conn: &Connection, users: &mut Users) -> Result<()> {
        users.store(conn, self.users)?;
        self.days.sort_unstable_by_key(|(key, _)| *key);
        let mut store = conn.prepare_cached(STORE_DAY)?;
        for (key, range) in self.days {
            store.execute(named_params! {":key": key, ":facts": &self.packed[range]})?;
        }
        self.sessions.sort_unstable_by_key(|(ord, digest, _)| (*ord, *digest));
        self.sessions.iter().try_for_each(|(ord, digest, session)| session.store(conn, *ord, digest))
    }
}

const STORE_DAY: &str = "insert or replace into usage_user_day (key, facts) values (:key, :facts)";
