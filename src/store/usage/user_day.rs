//! One user's activity on one day, and its packed form.

use rusqlite::Connection;

use super::lattice::Cell;
use crate::error::Result;
use crate::model::Day;

/// Activity in one (team, service) pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Activity {
    pub team: u32,
    pub service: u32,
    /// Bit i: there was an event in the i-th quarter of an hour (UTC) of the day, 96 in all. 0 if only a session
    /// that starts on this day touched the pair, on a later day.
    pub quarters: u128,
}

/// A session by gaps of at most 30 minutes, kept on the day it starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GapSession {
    /// Unix microseconds of the first and the last event.
    pub start: i64,
    pub end: i64,
    /// Indices into [`UserDay::activities`], sorted: the pairs that its events touched.
    pub touched: Vec<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserDay {
    pub activities: Vec<Activity>,
    /// How many days before this one the session starts that reaches into it; 0 if none does.
    pub reaches_back: u32,
    /// Sorted by start; those that start on this day.
    pub sessions: Vec<GapSession>,
}

impl UserDay {
    pub fn encode(&mut self, _day: Day, _out: &mut Vec<u8>) {
        todo!()
    }

    pub fn decode(_bytes: &[u8], _day: Day) -> Result<UserDay> {
        todo!()
    }

    pub fn load(_conn: &Connection, _day: Day, _ord: u32) -> Result<Option<UserDay>> {
        todo!()
    }

    /// Whether there was an event on this day that counts in the cell.
    pub fn is_active(&self, cell: Cell) -> bool {
        self.activities.iter().any(|a| a.quarters != 0 && cell.covers(a.team, a.service))
    }

    /// Gap sessions that start on this day and touch the cell.
    pub fn sessions_touching(&self, _cell: Cell) -> u64 {
        todo!()
    }
}

/// usage_user_day.key: days lie together, in order of ord.
pub fn row_key(day: Day, ord: u32) -> i64 {
    i64::from(day.index()) << 28 | i64::from(ord)
}
