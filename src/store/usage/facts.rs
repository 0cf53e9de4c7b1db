//! Base facts of usage: turns events, registrations and erasures into rows and into the [`Delta`] they mean.

use rusqlite::Connection;

use super::delta::Delta;
use super::lattice::Cell;
use crate::error::Result;
use crate::model::{Day, History, Id, Registration, Rejected, Timestamp, UsageEvent};
use crate::store::digest::DigestKey;

/// The writer's working memory over the base facts: names, the next ord, users seen lately. Lost on a failed commit
/// and loaded anew.
pub struct Facts {}

impl Facts {
    pub fn load(_conn: &Connection, _key: DigestKey, _bounds: Bounds) -> Result<Facts> {
        todo!()
    }

    /// Takes events in any order. Rejects (by index) only what would pass a bound on names.
    pub fn record(&mut self, _conn: &Connection, _events: &[UsageEvent], _delta: &mut Delta) -> Result<Vec<Rejected>> {
        todo!()
    }

    /// Takes commands in their order of arrival; `now` is their registration date where none is known.
    pub fn register(
        &mut self,
        _conn: &Connection,
        _registrations: &[Registration],
        _now: Timestamp,
        _delta: &mut Delta,
    ) -> Result<Vec<Rejected>> {
        todo!()
    }

    /// False if there is no such user. `days`: the days on which a user (by ord) was active.
    pub fn erase(
        &mut self,
        _conn: &Connection,
        _user_id: &Id,
        _history: History,
        _days: &dyn Fn(u32) -> Result<Vec<Day>>,
        _delta: &mut Delta,
    ) -> Result<bool> {
        todo!()
    }

    /// One more than the highest ord given; bitsets over users need so many bits.
    pub fn ord_end(&self) -> u32 {
        todo!()
    }
}

/// How many distinct names are taken.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub teams_max: u32,
    pub services_max: u32,
}

/// The starts (days) of the user's sessions with an id that touch the cell.
pub fn explicit_session_days(_conn: &Connection, _ord: u32, _cell: Cell) -> Result<Vec<Day>> {
    todo!()
}
