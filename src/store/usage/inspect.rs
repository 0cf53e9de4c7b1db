//! One user's base facts unpacked, with the names that ids stand for: the way to look inside packed rows.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::day_codec::runs;
use super::explicit::ExplicitSession;
use super::figures::UsageSnapshot;
use super::horizon::Horizon;
use super::lattice::NONE;
use super::user::{Pair, User};
use super::user_day::{Activity, GapSession, UserDay};
use crate::error::Result;
use crate::model::{
    DateRange, Day, FirstUse, GapSessionRecord, Id, IdSession, PairActivity, QuarterRange, TeamService, Timestamp,
    UserDayRecord, UserRecord,
};
use crate::store::varint::damaged;

/// None if there is no such user. `range` bounds the days, and the starts of the sessions with an id; the rest is told
/// whole. Reads one row for each day, so it may take long without a range.
pub fn user_record(snapshot: &UsageSnapshot, user_id: &Id, range: Option<DateRange>) -> Result<Option<UserRecord>> {
    let new_keys = &snapshot.overlay.new_keys;
    let Some(user) = User::find(snapshot.conn, new_keys, snapshot.key, user_id)? else { return Ok(None) };
    let is_asked = |day: Day| range.is_none_or(|range| range.contains(day));
    let mut names = Names { conn: snapshot.conn, teams: HashMap::new(), services: HashMap::new() };
    let horizon = Horizon::load(snapshot.conn)?;
    Ok(Some(UserRecord {
        user_id: user_id.clone(),
        team_id: names.team(user.home_team)?,
        registered_at: user.registered_at,
        cleared_at: user.cleared_at,
        first_event_at: user.first_event_at,
        deactivated_at: user.deactivated_at,
        registration_day: user.registration_day(),
        first_uses: first_uses(&user, &mut names)?,
        facts_from: horizon.facts_from(),
        days: days(snapshot, user.ord, &horizon, is_asked, &mut names)?,
        id_sessions: id_sessions(snapshot.conn, user.ord, is_asked, &mut names)?,
    }))
}

fn first_uses(user: &User, names: &mut Names) -> Result<Vec<FirstUse>> {
    let first_use = |pair: &Pair| -> Result<FirstUse> {
        Ok(FirstUse { pair: names.pair((pair.team, pair.service))?, day: pair.first_day })
    };
    let mut first_uses = user.pairs.iter().map(first_use).collect::<Result<Vec<_>>>()?;
    first_uses.sort_unstable_by(|a, b| (a.day, &a.pair).cmp(&(b.day, &b.pair)));
    Ok(first_uses)
}

fn days(
    snapshot: &UsageSnapshot,
    ord: u32,
    horizon: &Horizon,
    is_asked: impl Fn(Day) -> bool,
    names: &mut Names,
) -> Result<Vec<UserDayRecord>> {
    let mut days = snapshot.overlay.history(snapshot.conn, ord)?.active_days();
    days.retain(|day| is_asked(*day));
    let mut records = vec![];
    for day in days {
        let Some(user_day) = UserDay::load(snapshot.conn, day, ord)? else {
            if day < horizon.whole_from { continue } else { return Err(damaged()) }
        };
        let (activity, sessions) = (activity(&user_day, names)?, gap_sessions(&user_day, names)?);
        records.push(UserDayRecord { day, activity, sessions });
    }
    Ok(records)
}

/// Without the pairs that only a session touched, on a later day: they show in the session.
fn activity(user_day: &UserDay, names: &mut Names) -> Result<Vec<PairActivity>> {
    let seen = user_day.activities.iter().filter(|activity| activity.quarters != 0);
    let unpack = |activity: &Activity| -> Result<PairActivity> {
        let ranges = runs(activity.quarters).map(|(start, len)| QuarterRange { start, end: start + len });
        Ok(PairActivity { pair: names.pair((activity.team, activity.service))?, seen: ranges.collect() })
    };
    let mut activity = seen.map(unpack).collect::<Result<Vec<_>>>()?;
    activity.sort_unstable_by(|a, b| a.pair.cmp(&b.pair));
    Ok(activity)
}

fn gap_sessions(user_day: &UserDay, names: &mut Names) -> Result<Vec<GapSessionRecord>> {
    let instant = |micros: i64| Timestamp::from_unix_micros(micros).ok_or_else(damaged);
    let unpack = |session: &GapSession| -> Result<GapSessionRecord> {
        let pairs = names.pairs(user_day.pairs(session))?;
        Ok(GapSessionRecord { start: instant(session.start)?, end: instant(session.end)?, pairs })
    };
    user_day.sessions.iter().map(unpack).collect()
}

fn id_sessions(
    conn: &Connection,
    ord: u32,
    is_asked: impl Fn(Day) -> bool,
    names: &mut Names,
) -> Result<Vec<IdSession>> {
    let mut sessions = ExplicitSession::of_user(conn, ord)?;
    sessions.retain(|session| is_asked(session.start_at.day()));
    let unpack = |session: ExplicitSession| -> Result<IdSession> {
        Ok(IdSession { start: session.start_at, pairs: names.pairs(session.pairs.into_iter())? })
    };
    let mut sessions = sessions.into_iter().map(unpack).collect::<Result<Vec<_>>>()?;
    // The rows lie in the order of their digests, which means nothing to anybody.
    sessions.sort_unstable_by(|a, b| (a.start, &a.pairs).cmp(&(b.start, &b.pairs)));
    Ok(sessions)
}

/// The names of the few teams and services of one user, each read once.
struct Names<'c> {
    conn: &'c Connection,
    teams: HashMap<u32, Id>,
    services: HashMap<u32, Id>,
}

impl Names<'_> {
    fn pairs(&mut self, pairs: impl Iterator<Item = (u32, u32)>) -> Result<Vec<TeamService>> {
        let mut pairs = pairs.map(|pair| self.pair(pair)).collect::<Result<Vec<_>>>()?;
        pairs.sort_unstable();
        Ok(pairs)
    }

    fn pair(&mut self, (team, service): (u32, u32)) -> Result<TeamService> {
        Ok(TeamService { team_id: self.team(team)?, service: self.service(service)? })
    }

    fn team(&mut self, id: u32) -> Result<Option<Id>> {
        const SELECT_TEAM: &str = "select team_id as name from usage_team where id = :id";
        name_of(self.conn, SELECT_TEAM, id, &mut self.teams)
    }

    fn service(&mut self, id: u32) -> Result<Option<Id>> {
        const SELECT_SERVICE: &str = "select service as name from usage_service where id = :id";
        name_of(self.conn, SELECT_SERVICE, id, &mut self.services)
    }
}

fn name_of(conn: &Connection, select: &str, id: u32, known: &mut HashMap<u32, Id>) -> Result<Option<Id>> {
    if id == NONE {
        return Ok(None);
    }
    if let Some(name) = known.get(&id) {
        return Ok(Some(name.clone()));
    }
    let mut statement = conn.prepare_cached(select)?;
    let name: Option<String> = statement.query_row(named_params! {":id": id}, |row| row.get("name")).optional()?;
    let name = Id::new(name.ok_or_else(damaged)?).map_err(|_| damaged())?;
    known.insert(id, name.clone());
    Ok(Some(name))
}

#[cfg(test)]
#[path = "inspect_test.rs"]
mod tests;
