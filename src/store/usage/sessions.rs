//! Gap sessions: how one more event changes the sessions of a user, whenever it arrives.
//!
//! A session without an id is a longest row of a user's events, over all teams and services, in which none comes more
//! than 1800 s after the one before. Invariants, before and after each [`join`]:
//!
//! - A user's sessions are disjoint and lie more than 1800 s apart; exactly 1800 s joins.
//! - A session is kept on the UTC day of its first event, whole: midnight cuts nothing, and it may last for weeks.
//! - Each later day it reaches into says in `reaches_back` how many days before it starts. At most one session
//!   reaches into a day, and it is the last that starts on its own day.
//! - The state is a function of the set of events: neither order nor repetition leaves a trace.
//!
//! From the first invariant follows that an event joins at most two sessions: the last that starts no later than the
//! event, and the first that starts after it.

use super::days::{Days, Touch};
use super::delta::Delta;
use super::user_day::GapSession;
use crate::error::Result;
use crate::model::{Day, Timestamp};
use crate::store::varint::damaged;

/// Events no further apart than this belong to one session.
pub const GAP_MICROS: i64 = 1_800_000_000;

/// Where a session is kept: its day, and its index in that day's sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    day: Day,
    index: usize,
}

/// Takes in one event and reports to `delta` the signed changes of the user's sessions that start on a day and touch a cell.
/// Errors if a day cannot be loaded, or if the loaded days contradict each other.
pub fn join(days: &mut Days, event: Touch, delta: &mut Delta) -> Result<()> {
    let at = event.at.unix_micros();
    let pair = [(event.team, event.service)];
    match (joined_before(days, event.at)?, joined_after(days, event.at)?) {
        (None, None) => begin(days, event.at, at, &pair, delta),
        (Some(before), None) => extend(days, before, at, &pair, delta),
        (None, Some(after)) if after.day == event.at.day() => {
            days.change(after.day)?.sessions[after.index].start = at;
            touch(days, after, &pair, delta)
        }
        (None, Some(after)) => {
            let (end, mut pairs) = remove(days, after, delta)?;
            pairs.extend(pair);
            begin(days, event.at, end, &pairs, delta)
        }
        (Some(before), Some(after)) => {
            // What comes after goes first: before may be on the same day, where it has the lower index.
            let (end, mut pairs) = remove(days, after, delta)?;
            pairs.extend(pair);
            extend(days, before, end, &pairs, delta)
        }
    }
}

/// The last session that starts no later than `at`, if it ends at most a gap before.
fn joined_before(days: &mut Days, at: Timestamp) -> Result<Option<Place>> {
    let (day, micros) = (at.day(), at.unix_micros());
    let started = days.get(day)?.sessions.partition_point(|session| session.start <= micros);
    let mut last = match started.checked_sub(1) {
        Some(index) => Some(Place { day, index }),
        None => reaching_into(days, day)?,
    };
    if last.is_none() && at.micros_of_day() < GAP_MICROS {
        last = match day.previous() {
            Some(day) => last_started(days, day)?,
            None => None,
        };
    }
    match last {
        Some(place) if micros - days.get(place.day)?.sessions[place.index].end <= GAP_MICROS => Ok(last),
        _ => Ok(None),
    }
}

/// The last session that starts on the day, or else the one that reaches into it.
fn last_started(days: &mut Days, day: Day) -> Result<Option<Place>> {
    match days.get(day)?.sessions.len().checked_sub(1) {
        Some(index) => Ok(Some(Place { day, index })),
        None => reaching_into(days, day),
    }
}

fn reaching_into(days: &mut Days, day: Day) -> Result<Option<Place>> {
    let reaches_back = days.get(day)?.reaches_back;
    if reaches_back == 0 {
        return Ok(None);
    }
    let day = day.index().checked_sub(reaches_back).and_then(Day::from_index).ok_or_else(damaged)?;
    let index = days.get(day)?.sessions.len().checked_sub(1).ok_or_else(damaged)?;
    Ok(Some(Place { day, index }))
}

/// The first session that starts after `at`, if it does so within a gap.
fn joined_after(days: &mut Days, at: Timestamp) -> Result<Option<Place>> {
    let (today, micros) = (at.day(), at.unix_micros());
    let starts_within_gap = |session: &GapSession| session.start - micros <= GAP_MICROS;
    let sessions = &days.get(today)?.sessions;
    let index = sessions.partition_point(|session| session.start <= micros);
    if let Some(session) = sessions.get(index) {
        return Ok(starts_within_gap(session).then_some(Place { day: today, index }));
    }
    match today.next() {
        Some(day) if at.micros_of_day() >= Day::MICROS - GAP_MICROS => {
            let first = days.get(day)?.sessions.first();
            Ok(first.filter(|session| starts_within_gap(session)).map(|_| Place { day, index: 0 }))
        }
        _ => Ok(None),
    }
}

fn begin(days: &mut Days, start: Timestamp, end: i64, pairs: &[(u32, u32)], delta: &mut Delta) -> Result<()> {
    let day = start.day();
    let sessions = &mut days.change(day)?.sessions;
    let index = sessions.partition_point(|session| session.start < start.unix_micros());
    sessions.insert(index, GapSession { start: start.unix_micros(), end, touched: vec![] });
    touch(days, Place { day, index }, pairs, delta)?;
    reach(days, day, start.unix_micros(), end)
}

fn extend(days: &mut Days, place: Place, end: i64, pairs: &[(u32, u32)], delta: &mut Delta) -> Result<()> {
    touch(days, place, pairs, delta)?;
    let old_end = days.get(place.day)?.sessions[place.index].end;
    if end <= old_end {
        return Ok(());
    }
    days.change(place.day)?.sessions[place.index].end = end;
    reach(days, place.day, old_end, end)
}

/// Adds pairs to a session; each cell that it touches for the first time gains a session.
fn touch(days: &mut Days, place: Place, pairs: &[(u32, u32)], delta: &mut Delta) -> Result<()> {
    for (team, service) in pairs.iter().copied() {
        let cells = days.touch(place.day, place.index, (team, service))?;
        if cells != 0 {
            delta.count_pair(place.day, days.ord, (team, service), cells, 1);
        }
    }
    Ok(())
}

/// Takes a session away; gives its end and the pairs it touched. The days it reached into belong to the session that
/// takes its place, which says so anew.
fn remove(days: &mut Days, place: Place, delta: &mut Delta) -> Result<(i64, Vec<(u32, u32)>)> {
    let record = days.change(place.day)?;
    let session = record.sessions.remove(place.index);
    let pairs: Vec<(u32, u32)> = record.pairs(&session).collect();
    delta.count_session(place.day, days.ord, pairs.iter().copied(), -1);
    Ok((session.end, pairs))
}

/// Lets each day after that of `from` and up to that of `to` say that a session of `start_day` reaches into it.
fn reach(days: &mut Days, start_day: Day, from: i64, to: i64) -> Result<()> {
    let index = |micros: i64| Timestamp::from_unix_micros(micros).map(|at| at.day().index()).ok_or_else(damaged);
    for day in index(from)? + 1..=index(to)? {
        let reaches_back = day - start_day.index();
        let day = Day::from_index(day).ok_or_else(damaged)?;
        if days.get(day)?.reaches_back != reaches_back {
            days.change(day)?.reaches_back = reaches_back;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "sessions_test.rs"]
mod tests;
