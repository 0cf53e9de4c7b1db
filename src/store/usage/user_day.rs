//! One user's activity on one day. Its packed form is in `day_codec`.

use rusqlite::{Connection, OptionalExtension, Statement, named_params, params};

use super::delta::{Delta, Fact};
use super::lattice::Cell;
use crate::error::Result;
use crate::model::{DateRange, Day, Timestamp};
use crate::store::varint::damaged;

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
    pub touched: Vec<u32>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserDay {
    /// Each pair once. Sorted by (team, service) as read from the database; new ones are appended.
    pub activities: Vec<Activity>,
    /// How many days before this one the session starts that reaches into it; 0 if none does.
    pub reaches_back: u32,
    /// Sorted by start; those that start on this day.
    pub sessions: Vec<GapSession>,
}

impl UserDay {
    pub fn load(conn: &Connection, day: Day, ord: u32) -> Result<Option<UserDay>> {
        UserDay::load_with(&mut *conn.prepare_cached(SELECT_DAY)?, day, ord)
    }

    /// As [`UserDay::load`], for those who load many: `select` is [`SELECT_DAY`], prepared once.
    pub fn load_with(select: &mut Statement, day: Day, ord: u32) -> Result<Option<UserDay>> {
        let decode = |row: &rusqlite::Row| Ok(UserDay::decode(row.get_ref(0)?.as_blob()?, day));
        select.query_row(params![row_key(day, ord)], decode).optional()?.transpose()
    }

    /// Calls with every user-day of the range, in order of day, then ord. Ends with the first error.
    pub fn for_each(
        conn: &Connection,
        range: DateRange,
        mut visit: impl FnMut(Day, u32, UserDay) -> Result<()>,
    ) -> Result<()> {
        const SELECT_DAYS: &str = "select key, facts from usage_user_day where key between :from and :to order by key";
        let mut statement = conn.prepare_cached(SELECT_DAYS)?;
        let mut rows = statement.query(named_params! {
            ":from": row_key(range.start(), 0),
            ":to": row_key(range.end(), (1 << ORD_BITS) - 1),
        })?;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get("key")?;
            let day = u32::try_from(key >> ORD_BITS).ok().and_then(Day::from_index).ok_or_else(damaged)?;
            let ord = (key & ((1 << ORD_BITS) - 1)) as u32;
            let facts = row.get_ref("facts")?.as_blob().map_err(rusqlite::Error::from)?;
            visit(day, ord, UserDay::decode(facts, day)?)?;
        }
        Ok(())
    }

    /// The pairs with an event on this day.
    pub fn active_pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        self.activities.iter().filter(|activity| activity.quarters != 0).map(|a| (a.team, a.service))
    }

    /// The activity as it might have come in: each cell of the day is in exactly one of the facts.
    pub fn facts(&self, day: Day, ord: u32) -> impl Iterator<Item = Fact> {
        let fact = move |((team, service), cells)| Fact { day, ord, team, service, cells };
        Cell::first_touched_by(self.active_pairs()).into_iter().map(fact)
    }

    /// Reports that each session that starts on this day is there `n` times more.
    pub fn count_sessions(&self, day: Day, ord: u32, n: i32, delta: &mut Delta) {
        for session in &self.sessions {
            delta.count_session(day, ord, self.pairs(session), n);
        }
    }

    /// The pairs that a session of this day touched.
    pub fn pairs(&self, session: &GapSession) -> impl Iterator<Item = (u32, u32)> {
        session.touched.iter().map(|index| {
            let activity = &self.activities[*index as usize];
            (activity.team, activity.service)
        })
    }

    /// Where in [`UserDay::activities`] the pair is.
    pub fn position(&self, team: u32, service: u32) -> Option<usize> {
        self.activities.iter().position(|activity| activity.team == team && activity.service == service)
    }

    /// Appends a pair that is not there yet, with no quarter seen. Returns where it is.
    pub fn append(&mut self, team: u32, service: u32) -> usize {
        self.activities.push(Activity { team, service, quarters: 0 });
        self.activities.len() - 1
    }

    /// Sorts the pairs and drops those that neither an event nor a session holds any more. What is kept then depends on
    /// the set of events alone, not on their order.
    pub fn normalise(&mut self) {
        let sorted = self.activities.is_sorted_by_key(|activity| (activity.team, activity.service));
        if sorted && self.activities.iter().all(|activity| activity.quarters != 0) {
            return;
        }
        let mut held: Vec<bool> = self.activities.iter().map(|activity| activity.quarters != 0).collect();
        for index in self.sessions.iter().flat_map(|session| &session.touched) {
            held[*index as usize] = true;
        }
        let mut order: Vec<usize> = (0..held.len()).filter(|index| held[*index]).collect();
        order.sort_unstable_by_key(|index| (self.activities[*index].team, self.activities[*index].service));

        let mut moved_to = vec![0; held.len()];
        for (to, from) in order.iter().enumerate() {
            moved_to[*from] = to as u32;
        }
        self.activities = order.iter().map(|index| self.activities[*index]).collect();
        for session in &mut self.sessions {
            session.touched.iter_mut().for_each(|index| *index = moved_to[*index as usize]);
            session.touched.sort_unstable();
        }
    }
}

/// The quarter of an hour (UTC) of an instant, as a bit of [`Activity::quarters`].
pub fn quarter(at: Timestamp) -> u128 {
    const QUARTER_MICROS: i64 = 900_000_000;
    1 << (at.micros_of_day() / QUARTER_MICROS)
}

/// An ord fits in so many bits of [`row_key`].
pub const ORD_BITS: u32 = 28;

/// usage_user_day.key: days lie together, in order of ord.
pub fn row_key(day: Day, ord: u32) -> i64 {
    i64::from(day.index()) << ORD_BITS | i64::from(ord)
}

pub const SELECT_DAY: &str = "select facts from usage_user_day where key = :key";
