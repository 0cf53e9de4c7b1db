//! (in the making: overlay, nodes, folding)

use std::sync::Arc;

use rusqlite::Connection;

use super::delta::Delta;
use crate::error::Result;
use crate::model::Day;

/// What the nodes in the database lack: deltas not folded yet. Immutable; each commit makes the next one.
pub struct Overlay {}

/// The writer's side of the rollups.
pub struct Rollups {}

impl Rollups {
    pub fn load(_conn: &Connection) -> Result<Rollups> {
        todo!()
    }

    /// The overlay that belongs to the state in the database and all deltas applied so far.
    pub fn overlay(&self) -> Arc<Overlay> {
        todo!()
    }

    /// Stores the commit's delta, folds a bounded slice if folding is under way, and moves on to the next overlay.
    /// `ord_end`: as [`super::facts::Facts::ord_end`] says.
    pub fn apply(&mut self, _conn: &Connection, _delta: Delta, _ord_end: u32) -> Result<()> {
        todo!()
    }

    /// Whether a commit with an empty delta would fold something.
    pub fn is_folding(&self) -> bool {
        todo!()
    }

    /// Folds everything, however long it takes.
    pub fn fold_all(&mut self, _conn: &Connection) -> Result<()> {
        todo!()
    }
}

impl Overlay {
    /// The days on which the user was active, sorted.
    pub fn active_days(&self, _conn: &Connection, _ord: u32) -> Result<Vec<Day>> {
        todo!()
    }
}
