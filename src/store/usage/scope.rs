//! How events and commands change a user, and what that does to the counts of users that enter and leave each scope.
//!
//! A user counts in Entered once in every cell it has entered, on the day it did. If it is deactivated and regular, it
//! counts in Left once in the same cells, on the day of its deactivation.

use super::days::Touch;
use super::delta::{CountKind, Delta};
use super::lattice::{Cell, NONE};
use super::user::{Pair, User};
use crate::model::{Change, Day, Registration, Timestamp};

impl User {
    /// A user of whom nothing is known yet; it enters its first scopes by [`User::observe`] or [`User::register`].
    pub fn new(ord: u32) -> User {
        User {
            ord,
            home_team: NONE,
            registered_at: None,
            cleared_at: None,
            first_event_at: None,
            last_day: None,
            deactivated_at: None,
            pairs: vec![],
        }
    }

    /// Takes in events. False if they tell nothing new about the user.
    pub fn observe_all(&mut self, events: impl ExactSizeIterator<Item = Touch> + Clone, delta: &mut Delta) -> bool {
        // Each new pair is compared with all others: of very many, all are counted anew instead.
        const MANY: usize = 64;
        let has_many = events.len() >= MANY && events.clone().filter(|event| !self.knows(*event)).count() >= MANY;
        if !has_many {
            return events.filter(|event| self.observe(*event, delta)).count() > 0;
        }
        let before = self.clone();
        for event in events.clone() {
            self.observe_time(event.at, &mut Delta::default());
        }
        let firsts = events.map(|event| Pair { team: event.team, service: event.service, first_day: event.at.day() });
        self.pairs.extend(firsts);
        self.pairs.sort_unstable_by_key(|pair| (pair.team, pair.service, pair.first_day));
        self.pairs.dedup_by_key(|pair| (pair.team, pair.service));
        let is_new = *self != before;
        if is_new {
            before.count_all(-1, delta);
            self.count_all(1, delta);
        }
        is_new
    }

    /// Takes in an event. False if it tells nothing new about the user, which is the usual case and costs nothing.
    pub fn observe(&mut self, event: Touch, delta: &mut Delta) -> bool {
        let is_new = self.observe_time(event.at, delta);
        self.observe_pair(event, delta) || is_new
    }

    fn observe_time(&mut self, at: Timestamp, delta: &mut Delta) -> bool {
        let is_first = self.first_event_at.is_none_or(|first| at < first);
        let is_last = self.last_day.is_none_or(|last| at.day() > last);
        if !is_first && !is_last {
            return false;
        }
        let before = Standing::of(self);
        if is_first {
            self.first_event_at = Some(at);
        }
        if is_last {
            let is_exact = self.deactivated_at.is_some();
            self.last_day = Some(if is_exact { at.day() } else { at.day().month_end() });
        }
        // Hundreds of pairs are counted anew only when it matters to all of them.
        let after = Standing::of(self);
        if before != after {
            self.count(before, -1, delta);
            self.count(after, 1, delta);
        }
        true
    }

    /// Whether its pair is known from that day on, or an earlier one.
    fn knows(&self, event: Touch) -> bool {
        let found = self.pairs.binary_search_by_key(&(event.team, event.service), |pair| (pair.team, pair.service));
        found.is_ok_and(|index| self.pairs[index].first_day <= event.at.day())
    }

    fn observe_pair(&mut self, event: Touch, delta: &mut Delta) -> bool {
        let first_day = event.at.day();
        let found = self.pairs.binary_search_by_key(&(event.team, event.service), |pair| (pair.team, pair.service));
        if found.is_ok_and(|index| self.pairs[index].first_day <= first_day) {
            return false;
        }
        let [_, cells @ ..] = Cell::touched(event.team, event.service);
        let before = cells.map(|cell| self.enters(cell));
        match found {
            Ok(index) => self.pairs[index].first_day = first_day,
            Err(index) => self.pairs.insert(index, Pair { team: event.team, service: event.service, first_day }),
        }
        for (cell, before) in cells.into_iter().zip(before) {
            self.count_entry(cell, before, delta);
        }
        true
    }

    /// Reports that the user now enters a cell on another day than before, or for the first time.
    fn count_entry(&self, cell: Cell, before: Option<Day>, delta: &mut Delta) {
        let after = self.enters(cell);
        if before == after {
            return;
        }
        for (day, n) in [(before, -1), (after, 1)] {
            if let Some(day) = day {
                delta.count(CountKind::Entered, cell, day, n);
            }
        }
        if let (None, Some(left)) = (before, self.leaves()) {
            delta.count(CountKind::Left, cell, left, 1);
        }
    }

    /// Obeys a command; `home_team` is the command's team by its id. What a command leaves out is kept, except that the
    /// first command about a user registers it now. False if nothing changes. Where [`User::becomes_deactivated`], the
    /// caller has made `last_day` exact before.
    pub fn register(&mut self, command: &Registration, home_team: u32, now: Timestamp, delta: &mut Delta) -> bool {
        let before = self.clone();
        match command.team_id {
            Change::Keep => {}
            Change::Clear => self.home_team = NONE,
            Change::Set(_) => self.home_team = home_team,
        }
        match command.registered_at {
            Change::Keep if self.registered_at.is_none() && self.cleared_at.is_none() => self.registered_at = Some(now),
            Change::Keep => {}
            Change::Clear => (self.registered_at, self.cleared_at) = (None, Some(now)),
            Change::Set(at) => (self.registered_at, self.cleared_at) = (Some(at), None),
        }
        match command.deactivated_at {
            Change::Keep => {}
            Change::Clear => {
                self.deactivated_at = None;
                self.last_day = self.last_day.map(Day::month_end);
            }
            Change::Set(at) => self.deactivated_at = Some(at),
        }
        if (Standing::of(&before), before.home_team) != (Standing::of(self), self.home_team) {
            before.count_all(-1, delta);
            self.count_all(1, delta);
        }
        *self != before
    }

    pub fn becomes_deactivated(&self, command: &Registration) -> bool {
        self.deactivated_at.is_none() && matches!(command.deactivated_at, Change::Set(_))
    }

    /// Takes the user out of every count, or back in (`n` is -1 or 1).
    pub fn count_all(&self, n: i32, delta: &mut Delta) {
        self.count(Standing::of(self), n, delta);
    }

    fn count(&self, standing: Standing, n: i32, delta: &mut Delta) {
        for (cell, day) in self.entries(standing.known_since) {
            delta.count(CountKind::Entered, cell, day, n);
            if let Some(left) = standing.leaves {
                delta.count(CountKind::Left, cell, left, n);
            }
        }
    }

    /// Every cell that the user has entered, once, with the day: what [`User::enters`] says of each.
    fn entries(&self, known_since: Option<Day>) -> Vec<(Cell, Day)> {
        let mut entries = Vec::with_capacity(2 + 3 * self.pairs.len());
        if let Some(day) = known_since {
            entries.push((Cell::ALL, day));
            entries.extend(self.home_cell().map(|cell| (cell, day)));
        }
        for pair in &self.pairs {
            let [_, cells @ ..] = Cell::touched(pair.team, pair.service);
            entries.extend(cells.map(|cell| (cell, pair.first_day)));
        }
        entries.sort_unstable();
        entries.dedup_by_key(|(cell, _)| *cell);
        entries
    }
}

/// What, apart from home team and pairs, the counts of a user depend on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Standing {
    known_since: Option<Day>,
    leaves: Option<Day>,
}

impl Standing {
    fn of(user: &User) -> Standing {
        Standing { known_since: user.known_since(), leaves: user.leaves() }
    }
}

#[cfg(test)]
#[path = "scope_test.rs"]
mod tests;
