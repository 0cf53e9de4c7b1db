//! Makes every rollup anew from the base facts: the way back when one of them is damaged.

use rusqlite::Connection;

use super::delta::Delta;
use super::explicit::ExplicitSession;
use super::rollup::{Rollups, Tuning, load_ord_end};
use super::user::User;
use super::user_day::UserDay;
use crate::error::Result;
use crate::model::{DateRange, Day};

const FORGET: &str = "
    delete from usage_delta;
    delete from usage_node;
    delete from usage_count;
    delete from usage_user_history;
    update usage_fold set seq = 0, folded_seq = 0, sealed_seq = 0, cell_cursor = 0, user_cursor = 0";

/// Part of the caller's transaction. Errors if the base facts cannot be read.
pub fn rebuild(conn: &Connection) -> Result<()> {
    rebuild_in_pieces(conn, Tuning::default(), 100_000)
}

/// `piece`: about how many extras and counts one delta holds before it is netted, so that memory does not grow with the database.
pub(super) fn rebuild_in_pieces(conn: &Connection, tuning: Tuning, piece: usize) -> Result<()> {
    conn.execute_batch(FORGET)?;
    let mut pieces = Pieces {
        conn,
        rollups: Rollups::load_tuned(conn, tuning)?,
        ord_end: load_ord_end(conn)?,
        delta: Delta::default(),
        len_max: piece,
    };
    User::for_each(conn, |user| {
        user.count_all(1, &mut pieces.delta);
        pieces.next()
    })?;
    let all = DateRange::new(Day::MIN, Day::MAX).expect("the calendar ends after it begins");
    UserDay::for_each(conn, all, |day, ord, record| {
        record.facts(day, ord).for_each(|fact| pieces.delta.add(fact));
        record.count_sessions(day, ord, 1, &mut pieces.delta);
        pieces.next()
    })?;
    ExplicitSession::for_each(conn, |ord, session| {
        session.count(ord, 1, &mut pieces.delta);
        pieces.next()
    })?;
    pieces.apply()
}

struct Pieces<'a> {
    conn: &'a Connection,
    rollups: Rollups,
    ord_end: u32,
    delta: Delta,
    len_max: usize,
}

impl Pieces<'_> {
    fn next(&mut self) -> Result<()> {
        if self.delta.extras.len() + self.delta.counts.len() < self.len_max { Ok(()) } else { self.apply() }
    }

    fn apply(&mut self) -> Result<()> {
        let mut delta = std::mem::take(&mut self.delta);
        delta.net();
        self.rollups.apply(self.conn, delta, self.ord_end)
    }
}
