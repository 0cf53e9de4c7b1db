//! A tracked user as the base facts know it: registration, home team, scopes and when it entered each.

use rusqlite::Connection;

use super::lattice::Cell;
use crate::error::Result;
use crate::model::{Day, Id, Timestamp};
use crate::store::digest::DigestKey;

/// The first day with an event of this user in a (team, service) pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    pub team: u32,
    pub service: u32,
    pub first_day: Day,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub ord: u32,
    pub home_team: u32,
    pub registered_at: Option<Timestamp>,
    pub cleared_at: Option<Timestamp>,
    pub first_event_at: Option<Timestamp>,
    pub last_day: Option<Day>,
    pub deactivated_at: Option<Timestamp>,
    pub pairs: Vec<Pair>,
}

impl User {
    /// The day of the earlier of the value last registered and the first event.
    pub fn registration_day(&self) -> Day {
        todo!()
    }

    /// The day on which the user enters the cell's scope (PRODUCT: total_users); None if it never has.
    pub fn enters(&self, _cell: Cell) -> Option<Day> {
        todo!()
    }

    /// Deactivated, yet active or registered on a later day: no count of leavers holds for such a user.
    pub fn is_irregular(&self) -> bool {
        todo!()
    }

    pub fn find(_conn: &Connection, _key: &DigestKey, _user_id: &Id) -> Result<Option<User>> {
        todo!()
    }

    /// Irregular users deactivated before the day began.
    pub fn irregular_before(_conn: &Connection, _day: Day) -> Result<Vec<User>> {
        todo!()
    }

    /// None for an erased user.
    pub fn name(_conn: &Connection, _ord: u32) -> Result<Option<Id>> {
        todo!()
    }
}
