//! Usage: base facts, and the rollups that answer summaries from them.
//!
//! - Base facts: [`facts`] turns events and commands into rows and a [`delta::Delta`].
//! - Rollups: [`rollup`] stores each delta and keeps it in the `overlay` as sorted `run`s, until `fold` has brought it
//!   into the `node`s (user `sets` and sessions of a cell by day, month and year), the counts and the users' histories.
//! - Reads: [`figures`], `series` and `groups` combine nodes and overlay; `totals` counts who is in scope, `presence`
//!   answers for one user from its `history`; `check` recomputes it all, `rebuild` makes it anew.

#[cfg(test)]
mod brute_force;
mod by_user;
mod changes;
mod check;
mod check_histories;
mod check_nodes;
mod check_older;
mod check_users;
mod counts;
mod day_codec;
mod day_users;
mod days;
pub mod delta;
mod erase;
mod every_user;
mod explicit;
pub mod facts;
pub mod figures;
mod fold;
mod gather;
mod groups;
mod history;
mod history_codec;
mod history_walk;
pub mod horizon;
mod idle_users;
pub mod inspect;
mod kept;
pub mod lattice;
mod many_pairs;
#[cfg(test)]
mod model_test;
mod month_days;
mod most_sessions;
mod names;
mod new_keys;
mod node;
mod node_reads;
mod overlay;
mod packed_delta;
pub mod presence;
mod rebuild;
pub mod rollup;
#[cfg(test)]
mod rollup_test;
mod run;
mod scope;
mod series;
mod sessions;
mod sets;
mod span;
mod span_cache;
mod starts;
#[cfg(test)]
mod test_store;
mod totals;
mod unit;
pub mod user;
pub mod user_day;
mod user_groups;
mod user_sessions;
mod user_set;
mod users;

use std::sync::Arc;

use rusqlite::Connection;

use self::delta::Delta;
pub use self::facts::Bounds;
use self::facts::Facts;
use self::horizon::PrunedUsage;
pub use self::rebuild::rebuild;
pub use self::rollup::Overlay;
use self::rollup::Rollups;
use super::digest::DigestKey;
use super::varint::damaged;
use crate::error::Result;

use crate::model::{Day, History, Id, Registration, Rejected, Timestamp, UsageEvent};

/// The writer's side of usage. Everything it does belongs to the transaction of the connection it is given; after a
/// rollback it must be loaded anew.
pub struct UsageWriter {
    facts: Facts,
    rollups: Rollups,
    /// What the transaction under way has changed since the rollups were last told.
    delta: Delta,
    /// Whether the transaction under way can change an answer.
    is_changed: bool,
}

impl UsageWriter {
    /// `span_cache_bytes`: what reads may keep in memory of the rollups.
    pub fn load(conn: &Connection, key: DigestKey, bounds: Bounds, span_cache_bytes: usize) -> Result<UsageWriter> {
        let facts = Facts::load(conn, key, bounds)?;
        let mut rollups = Rollups::load(conn, span_cache_bytes)?;
        // It would be folded on and on for a delta that never comes.
        if facts.horizon.awaits_more_than(rollups.seq()) {
            return Err(damaged());
        }
        rollups.take_keys(facts.users.keys.keys());
        Ok(UsageWriter { facts, rollups, delta: Delta::default(), is_changed: false })
    }

    pub fn record(&mut self, conn: &Connection, events: &[UsageEvent]) -> Result<Vec<Rejected>> {
        let rows = conn.total_changes();
        let rejected = self.facts.record(conn, events, &mut self.delta)?;
        self.is_changed |= conn.total_changes() != rows;
        Ok(rejected)
    }

    pub fn register(
        &mut self,
        conn: &Connection,
        registrations: &[Registration],
        now: Timestamp,
    ) -> Result<Vec<Rejected>> {
        let rows = conn.total_changes();
        let rejected = self.facts.register(conn, registrations, now, &mut self.delta)?;
        // Not all that changes an answer is in the delta: of irregular users nothing is.
        self.is_changed |= conn.total_changes() != rows;
        Ok(rejected)
    }

    /// False if there is no such user.
    pub fn erase(&mut self, conn: &Connection, user_id: &Id, history: History) -> Result<bool> {
        // The overlay must know what this very transaction has recorded before it can tell the user's history.
        self.apply(conn)?;
        let overlay = self.rollups.overlay();
        let history_of = |ord| overlay.history(conn, ord);
        let erased = self.facts.erase(conn, user_id, history, &history_of, &mut self.delta)?;
        // Without its history too: groups by user no longer show the id.
        self.is_changed |= erased;
        Ok(erased)
    }

    /// Raises the horizon to the month of `before`, unless it is there already, and removes some of what lies behind it.
    pub fn prune(&mut self, conn: &Connection, before: Day, rows_max: usize) -> Result<PrunedUsage> {
        // What this very transaction has recorded must be folded before its rows go, too.
        self.apply(conn)?;
        horizon::prune(conn, &mut self.facts.horizon, &mut self.rollups, before, rows_max)
    }

    /// Ends the transaction's work: rollups are true to the base facts again. Returns whether any answer can change.
    pub fn finish(&mut self, conn: &Connection) -> Result<bool> {
        self.facts.store_keys(conn)?;
        self.apply(conn)?;
        let is_changed = std::mem::take(&mut self.is_changed);
        if is_changed {
            self.rollups.forget_answers();
        }
        Ok(is_changed)
    }

    pub fn overlay(&self) -> Arc<Overlay> {
        self.rollups.overlay()
    }

    /// Nothing has come in for a while.
    pub fn settle_down(&mut self) {
        self.rollups.settle_down();
        self.facts.users.keys.settle_down();
    }

    /// Nothing more will come in: whether there are keys that empty transactions would store, so that the next start need not
    /// make them anew.
    pub fn is_storing_last_keys(&mut self) -> bool {
        self.facts.users.keys.settle_down();
        self.facts.users.keys.is_storing()
    }

    /// Whether there is work that an empty transaction would move on.
    pub fn is_folding(&self) -> bool {
        self.rollups.is_folding() || self.facts.users.keys.is_storing()
    }

    fn apply(&mut self, conn: &Connection) -> Result<()> {
        let mut delta = std::mem::take(&mut self.delta);
        delta.net();
        self.is_changed |= !delta.is_empty();
        self.rollups.take_keys(self.facts.users.keys.keys());
        self.rollups.apply(conn, delta, self.facts.ord_end())
    }
}
