//! Base facts of usage: turns events, registrations and erasures into rows and into the [`Delta`] they mean.

use rusqlite::{CachedStatement, Connection};

use super::changes::Changes;
use super::days::{Days, Touch};
use super::delta::Delta;
use super::explicit::{ExplicitSession, SELECT_SESSION};
use super::history::UserHistory;
use super::horizon::Horizon;
use super::names::Names;
use super::sessions;
use super::user::User;
use super::user_day::{SELECT_DAY, UserDay};
use super::users::{FIRST_ORD, ORD_END, UserStatements, Users};
use crate::error::Result;
use crate::model::{Change, DateRange, Day, Id, Registration, Rejected, Timestamp, UsageEvent};
use crate::store::digest::{DigestKey, Kind};
use crate::store::varint::damaged;

/// The writer's working memory over the base facts: names, the next ord, users seen lately. Lost on a failed commit
/// and loaded anew.
pub struct Facts {
    pub(super) key: DigestKey,
    names: Names,
    pub(super) users: Users,
    pub(super) horizon: Horizon,
}

/// How many distinct names are taken.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub teams_max: u32,
    pub services_max: u32,
}

impl Facts {
    pub fn load(conn: &Connection, key: DigestKey, bounds: Bounds) -> Result<Facts> {
        let (names, users) = (Names::load(conn, bounds)?, Users::load(conn, &key)?);
        Ok(Facts { key, names, users, horizon: Horizon::load(conn)? })
    }

    /// Takes events in any order. Rejects (by index) only what lies before the horizon, or would
    /// pass a bound on names or users.
    pub fn record(&mut self, conn: &Connection, events: &[UsageEvent], delta: &mut Delta) -> Result<Vec<Rejected>> {
        let mut rejected = vec![];
        let mut uses = self.resolve(conn, events, &mut rejected)?;
        uses.sort_unstable();
        let mut changes = Changes::default();
        let mut known = Known::prepare(conn)?;
        for uses in uses.chunk_by(|one, next| one.user_id == next.user_id) {
            if !self.record_user(&mut known, uses, &mut changes, delta)? {
                rejected.extend(uses.iter().map(|one| Rejected { index: one.index, message: too_many_users() }));
            }
        }
        changes.write(conn)?;
        self.users.end_batch();
        rejected.sort_unstable_by_key(|rejected| rejected.index);
        Ok(rejected)
    }

    /// Takes commands in their order of arrival; `now` is their registration date where none is known.
    pub fn register(
        &mut self,
        conn: &Connection,
        registrations: &[Registration],
        now: Timestamp,
        delta: &mut Delta,
    ) -> Result<Vec<Rejected>> {
        let mut rejected = vec![];
        let mut changes = Changes::default();
        let mut users = UserStatements::prepare(conn)?;
        for (index, registration) in registrations.iter().enumerate() {
            if let Err(message) = self.register_user(conn, &mut users, registration, now, &mut changes, delta)? {
                rejected.push(Rejected { index, message });
            }
        }
        changes.write(conn)?;
        self.users.end_batch();
        Ok(rejected)
    }

    /// One more than the highest ord given; bitsets over users need so many bits.
    pub fn ord_end(&self) -> u32 {
        self.users.ord_end()
    }

    /// Ends the transaction's work: stores some of the keys of new users, if it is time.
    pub fn store_keys(&mut self, conn: &Connection) -> Result<()> {
        self.users.keys.store_some(conn, self.users.ord_end())
    }

    /// Names become ids in order of arrival, so that it is the late ones that a bound rejects.
    fn resolve<'a>(
        &mut self,
        conn: &Connection,
        events: &'a [UsageEvent],
        rejected: &mut Vec<Rejected>,
    ) -> Result<Vec<Use<'a>>> {
        let mut uses = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            if event.at.day() < self.horizon.day {
                rejected.push(Rejected { index, message: too_old(self.horizon.day) });
                continue;
            }
            match self.names.take(conn, event.team_id.as_ref(), event.service.as_ref())? {
                Ok((team, service)) => uses.push(Use {
                    user_id: event.user_id.as_str(),
                    session_id: event.session_id.as_ref().map(Id::as_str),
                    touch: Touch { at: event.at, team, service },
                    index,
                }),
                Err(message) => rejected.push(Rejected { index, message }),
            }
        }
        Ok(uses)
    }

    /// Takes the events of one user, in order. False, and nothing taken, if the user is new and there is no room.
    fn record_user(
        &mut self,
        known: &mut Known,
        uses: &[Use],
        changes: &mut Changes,
        delta: &mut Delta,
    ) -> Result<bool> {
        let Some(slot) = self.users.find_or_create(&mut known.users, &self.key, uses[0].user_id)? else {
            return Ok(false);
        };
        let user = self.users.get_mut(slot);
        let (ord, known_days) = (user.ord, known_days(user));
        let mut load = |day| match known_days {
            Some(days) if days.contains(day) => UserDay::load_with(&mut known.day, day, ord),
            _ => Ok(None),
        };
        let mut days = Days::new(ord, &mut load);
        let is_changed = user.observe_all(uses.iter().map(|one| one.touch), delta);
        for uses in uses.chunk_by(|one, next| one.session_id == next.session_id) {
            for one in uses {
                days.note_activity(one.touch, delta)?;
            }
            match uses[0].session_id {
                None => uses.iter().try_for_each(|one| sessions::join(&mut days, one.touch, delta))?,
                Some(session_id) => {
                    let digest = self.key.digest(Kind::Session, session_id);
                    let known = ExplicitSession::find(&mut known.session, ord, &digest)?;
                    let joined = ExplicitSession::join(ord, known, uses.iter().map(|one| one.touch), delta);
                    joined.into_iter().for_each(|session| changes.session(ord, digest, session));
                }
            }
        }
        days.into_changed().for_each(|(day, record)| changes.day(day, ord, record));
        if is_changed {
            changes.user(user);
            self.users.weigh(slot);
        }
        Ok(true)
    }

    /// The inner error says why the command is rejected.
    fn register_user(
        &mut self,
        conn: &Connection,
        users: &mut UserStatements,
        command: &Registration,
        now: Timestamp,
        changes: &mut Changes,
        delta: &mut Delta,
    ) -> Result<std::result::Result<(), String>> {
        let team = match &command.team_id {
            Change::Set(team) => Some(team),
            Change::Keep | Change::Clear => None,
        };
        let home_team = match self.names.take(conn, team, None)? {
            Ok((home_team, _)) => home_team,
            Err(message) => return Ok(Err(message)),
        };
        let Some(slot) = self.users.find_or_create(users, &self.key, command.user_id.as_str())? else {
            return Ok(Err(too_many_users()));
        };
        let user = self.users.get_mut(slot);
        if user.becomes_deactivated(command) {
            user.last_day = latest_day(conn, user, &self.horizon)?;
        }
        if user.register(command, home_team, now, delta) {
            changes.user(user);
        }
        Ok(Ok(()))
    }
}

/// An event whose names are known, in the order in which a batch is worked through: by user, then without a session id
/// before each session with one, then by time. So each row is loaded once and written once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Use<'a> {
    user_id: &'a str,
    session_id: Option<&'a str>,
    touch: Touch,
    /// Position in the batch.
    index: usize,
}

/// The look-ups of a batch, prepared once.
struct Known<'a> {
    users: UserStatements<'a>,
    day: CachedStatement<'a>,
    session: CachedStatement<'a>,
}

impl<'a> Known<'a> {
    fn prepare(conn: &'a Connection) -> Result<Known<'a>> {
        let (day, session) = (conn.prepare_cached(SELECT_DAY)?, conn.prepare_cached(SELECT_SESSION)?);
        Ok(Known { users: UserStatements::prepare(conn)?, day, session })
    }
}

/// The days between which the database may hold something of the user; None for a user without events. Whatever lies
/// outside needs no look-up.
fn known_days(user: &User) -> Option<DateRange> {
    DateRange::new(user.first_event_at?.day(), user.last_day?)
}

/// The day of the latest event of a user of whom only its month is known.
fn latest_day(conn: &Connection, user: &User, horizon: &Horizon) -> Result<Option<Day>> {
    let Some(month_end) = user.last_day else { return Ok(None) };
    if month_end < horizon.whole_from {
        // All of it is folded.
        return UserHistory::load(conn, user.ord)?.last_day().map(Some).ok_or_else(damaged);
    }
    for day in (month_end.month_start().index()..=month_end.index()).rev().filter_map(Day::from_index) {
        if UserDay::load(conn, day, user.ord)?.is_some() {
            return Ok(Some(day));
        }
    }
    Err(damaged())
}

fn too_old(horizon: Day) -> String {
    format!("timestamp is before {horizon}, from which on usage facts are kept (retention.usage_facts)")
}

fn too_many_users() -> String {
    format!("user_id is new, and there is no room for more than {} users", ORD_END - FIRST_ORD)
}

#[cfg(test)]
#[path = "facts_test.rs"]
mod tests;
