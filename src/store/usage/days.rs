//! The days of one user as far as a batch has looked at them.

use super::delta::{Delta, Fact};
use super::lattice::Cell;
use super::many_pairs::{MANY, ManyPairs};
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
    /// Made when there are many pairs.
    many: Option<Box<ManyPairs>>,
}

impl Seen {
    fn many(&mut self) -> Option<(&mut ManyPairs, &UserDay)> {
        let record = &self.record;
        if record.activities.len() < MANY {
            return None;
        }
        Some((self.many.get_or_insert_with(|| Box::new(ManyPairs::new(record))), record))
    }

    fn position(&mut self, team: u32, service: u32) -> Option<usize> {
        match self.many() {
            Some((many, record)) => many.position(record, (team, service)),
            None => self.record.position(team, service),
        }
    }

    /// Of the first event in a pair: which of its cells had none before.
    fn activate(&mut self, team: u32, service: u32) -> u8 {
        match self.many() {
            Some((many, _)) => many.activate((team, service)),
            None => Cell::first_touched(self.record.active_pairs(), team, service),
        }
    }

    fn touch(&mut self, session: usize, team: u32, service: u32) -> u8 {
        match self.many() {
            Some((many, record)) => many.touch(record, &record.sessions[session], (team, service)),
            None => Cell::first_touched(self.record.pairs(&self.record.sessions[session]), team, service),
        }
    }
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
        let (ord, seen) = (self.ord, self.seen(day)?);
        let index = seen.position(event.team, event.service);
        let quarters = index.map_or(0, |index| seen.record.activities[index].quarters);
        if quarters & quarter != 0 {
            return Ok(());
        }
        if quarters == 0 {
            let cells = seen.activate(event.team, event.service);
            delta.add(Fact { day, ord, team: event.team, service: event.service, cells });
        }
        let index = index.unwrap_or_else(|| seen.record.append(event.team, event.service));
        seen.record.activities[index].quarters |= quarter;
        seen.changed = true;
        Ok(())
    }

    /// Adds a pair to a session of the day. Returns the bits of those of its cells that the session had not touched before.
    pub fn touch(&mut self, day: Day, session: usize, (team, service): (u32, u32)) -> Result<u8> {
        let seen = self.seen(day)?;
        let cells = seen.touch(session, team, service);
        if cells != 0 {
            let index = seen.position(team, service).unwrap_or_else(|| seen.record.append(team, service)) as u32;
            let touched = &mut seen.record.sessions[session].touched;
            touched.insert(touched.partition_point(|other| *other < index), index);
            seen.changed = true;
        }
        Ok(cells)
    }

    fn seen(&mut self, day: Day) -> Result<&mut Seen> {
        let index = match self.seen.binary_search_by_key(&day, |seen| seen.day) {
            Ok(index) => index,
            Err(index) => {
                let record = (self.load)(day)?.unwrap_or_default();
                self.seen.insert(index, Seen { day, record, changed: false, many: None });
                index
            }
        };
        Ok(&mut self.seen[index])
    }
}
