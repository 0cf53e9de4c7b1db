//! Makes every rollup anew from the base facts: the way back when one of them is damaged. Before the horizon, the users'
//! histories stand in for base facts.

use std::sync::Arc;

use rusqlite::{Connection, named_params};

use super::delta::Delta;
use super::explicit::ExplicitSession;
use super::history::UserHistory;
use super::horizon::Horizon;
use super::new_keys;
use super::rollup::{Overlay, Rollups, Tuning, load_ord_end};
use super::user::User;
use super::user_day::UserDay;
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::digest::DigestKey;

const FORGET: &str = "
    delete from usage_delta;
    delete from usage_node;
    delete from usage_count;
    update usage_fold set seq = 0, folded_seq = 0, sealed_seq = 0, cell_cursor = 0, user_cursor = 0";

/// Part of the caller's transaction. Errors if the base facts cannot be read; where some have gone, if a history or a
/// delta cannot.
pub fn rebuild(conn: &Connection, key: &DigestKey) -> Result<()> {
    rebuild_in_pieces(conn, Tuning::default(), 100_000)?;
    new_keys::rebuild(conn, key, load_ord_end(conn)?)
}

/// `piece`: about how many extras and counts one delta holds before it is netted, so that memory does not grow with the database.
pub(super) fn rebuild_in_pieces(conn: &Connection, tuning: Tuning, piece: usize) -> Result<()> {
    let mut horizon = Horizon::load(conn)?;
    let older = Older::load(conn, &horizon, tuning)?;
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
        if let Some(older) = &older {
            older.take_history(conn, user.ord)?.count_all(user.ord, 1, &mut pieces.delta)?;
        }
        pieces.next()
    })?;
    let whole = DateRange::new(horizon.whole_from, Day::MAX).expect("a horizon lies within the calendar");
    UserDay::for_each(conn, whole, |day, ord, record| {
        record.facts(day, ord).for_each(|fact| pieces.delta.add(fact));
        record.count_sessions(day, ord, 1, &mut pieces.delta);
        pieces.next()
    })?;
    ExplicitSession::for_each(conn, |ord, session| {
        if session.start_at.day() >= horizon.whole_from {
            session.count(ord, 1, &mut pieces.delta);
        }
        pieces.next()
    })?;
    pieces.apply()?;
    if older.is_some() {
        pieces.fold_all()?;
    }
    horizon.await_delta(conn, pieces.rollups.seq())
}

/// What is known by histories alone.
struct Older {
    before: Day,
    /// As it was: what of the histories is not folded yet.
    overlay: Arc<Overlay>,
}

impl Older {
    /// None if every base fact is there; histories are forgotten then.
    fn load(conn: &Connection, horizon: &Horizon, tuning: Tuning) -> Result<Option<Older>> {
        const FORGET_HISTORIES: &str = "delete from usage_user_history";
        // Of a user who was removed but a moment ago.
        const FORGET_ORPHANS: &str = "delete from usage_user_history where ord not in (select ord from usage_user)";
        let Some(before) = horizon.facts_from() else {
            conn.execute(FORGET_HISTORIES, [])?;
            return Ok(None);
        };
        let overlay = Rollups::load_tuned(conn, tuning)?.overlay();
        conn.execute(FORGET_ORPHANS, [])?;
        Ok(Some(Older { before, overlay }))
    }

    /// Takes the row out: it is made anew.
    fn take_history(&self, conn: &Connection, ord: u32) -> Result<UserHistory> {
        const DELETE_HISTORY: &str = "delete from usage_user_history where ord = :ord";
        let mut history = self.overlay.history(conn, ord)?;
        history.keep_before(self.before);
        conn.prepare_cached(DELETE_HISTORY)?.execute(named_params! {":ord": ord})?;
        Ok(history)
    }
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
        if self.len() < self.len_max { Ok(()) } else { self.apply() }
    }

    /// Facts of histories come without an extra each, those of base facts with one.
    fn len(&self) -> usize {
        self.delta.added.len().max(self.delta.extras.len()) + self.delta.counts.len()
    }

    /// Histories of days before the horizon are folded, always: there is nothing else to know such a day by.
    fn fold_all(&mut self) -> Result<()> {
        let last = self.rollups.seq();
        self.rollups.fold_soon(last);
        while !self.rollups.has_folded(last) {
            self.rollups.apply(self.conn, Delta::default(), self.ord_end)?;
        }
        Ok(())
    }

    fn apply(&mut self) -> Result<()> {
        let mut delta = std::mem::take(&mut self.delta);
        delta.net();
        self.rollups.apply(self.conn, delta, self.ord_end)
    }
}
