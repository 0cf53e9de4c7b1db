//! The days of one user as far as a batch has looked at them.

use super::delta::{Delta, Fact};
use super::lattice::Cell;
use super::user_day::{UserDay, quarter};
use crate::error::Result;
use crate::model::{Day, Timestamp};

/// What gap sessions and activity need to know of an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Touch {
    pub at: Timestamp,
    pub team: u32,
    pub service: u32,
}

/// Each day is loaded once, on demand; a day without a record is an empty one.
pub struct Days<'a> {
    pub ord: u32,
    load: &'a mut dyn FnMut(Day) -> Result<Option<UserDay>>,
    /// Sorted by day.
    seen: Vec<Seen>,
}

struct Seen {
    day: Day,
    record: UserDay,
    changed: bool,
}

impl<'a> Days<'a> {
    pub fn new(ord: u32, load: &'a mut dyn FnMut(Day) -> Result<Option<UserDay>>) -> Days<'a> {
        Days { ord, load, seen: vec![] }
    }

    pub fn get(&mut self, day: Day) -> Result<&UserDay> {
        Ok(&self.seen(day)?.record)
    }

    /// The same, to be changed: it will be among [`Days::into_changed`].
    pub fn change(&mut self, day: Day) -> Result<&mut UserDay> {
        let seen = self.seen(day)?;
        seen.changed = true;
        Ok(&mut seen.record)
    }

    /// In order of day.
    pub fn into_changed(self) -> impl Iterator<Item = (Day, UserDay)> {
        self.seen.into_iter().filter(|seen| seen.changed).map(|seen| (seen.day, seen.record))
    }

    /// Notes that there was an event in this quarter of an hour, and reports what is new of it to the rollups.
    pub fn note_activity(&mut self, event: Touch, delta: &mut Delta) -> Result<()> {
        let (day, quarter) = (event.at.day(), quarter(event.at));
        let record = self.get(day)?;
        let quarters = record.position(event.team, event.service).map_or(0, |index| record.activities[index].quarters);
        if quarters & quarter != 0 {
            return Ok(());
        }
        if quarters == 0 {
            let cells = Cell::first_touched(record.active_pairs(), event.team, event.service);
            delta.add(Fact { day, ord: self.ord, team: event.team, service: event.service, cells });
        }
        let record = self.change(day)?;
        let index = record.position_or_insert(event.team, event.service);
        record.activities[index].quarters |= quarter;
        Ok(())
    }

    fn seen(&mut self, day: Day) -> Result<&mut Seen> {
        let index = match self.seen.binary_search_by_key(&day, |seen| seen.day) {
            Ok(index) => index,
            Err(index) => {
                let record = (self.load)(day)?.unwrap_or_default();
                self.seen.insert(index, Seen { day, record, changed: false });
                index
            }
        };
        Ok(&mut self.seen[index])
    }
}
