//! `GET /admin/users/{user_id}`: what the base facts hold of a user, for the command line behind the local socket.

use std::sync::Arc;

use hyper::StatusCode;
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::http::query::Query;
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::model::{
    DateRange, Day, FirstUse, GapSessionRecord, Id, IdSession, PairActivity, TeamService, Timestamp, UserDayRecord,
    UserRecord,
};

/// Times are RFC 3339, dates YYYY-MM-DD; a team or service is null where an event came without.
#[derive(Serialize)]
struct UserBody {
    user_id: String,
    /// The home team.
    team_id: Option<String>,
    registered_at: Option<String>,
    registration_cleared_at: Option<String>,
    first_event_at: Option<String>,
    deactivated_at: Option<String>,
    registration_day: String,
    first_uses: Vec<FirstUseBody>,
    /// Of days before it base facts are gone, but for few; null if all are there.
    facts_from: Option<String>,
    days: Vec<DayBody>,
    sessions_with_id: Vec<IdSessionBody>,
}

#[derive(Serialize)]
struct PairBody {
    team_id: Option<String>,
    service: Option<String>,
}

#[derive(Serialize)]
struct FirstUseBody {
    #[serde(flatten)]
    pair: PairBody,
    first_day: String,
}

#[derive(Serialize)]
struct DayBody {
    day: String,
    activity: Vec<ActivityBody>,
    /// Those without an id that start on this day.
    sessions: Vec<SessionBody>,
}

#[derive(Serialize)]
struct ActivityBody {
    #[serde(flatten)]
    pair: PairBody,
    /// Quarters of an hour with an event, joined where they touch: "10:15-10:45".
    seen: Vec<String>,
}

#[derive(Serialize)]
struct SessionBody {
    start: String,
    end: String,
    pairs: Vec<PairBody>,
}

#[derive(Serialize)]
struct IdSessionBody {
    start: String,
    pairs: Vec<PairBody>,
}

/// `start_date` and `end_date` bound the days and the starts of sessions; either may be left out. Errors with
/// `NotFound` if there is no such user, `Invalid` for dates that are none or reversed.
pub async fn show(service: &Arc<Service>, query: &Query, id: Id) -> Result<Reply> {
    let (start, end) = (query.date("start_date")?, query.date("end_date")?);
    let range = DateRange::new(start.unwrap_or(Day::MIN), end.unwrap_or(Day::MAX))
        .ok_or_else(|| Error::invalid("\"start_date\" lies after \"end_date\"; a range begins before it ends"))?;
    let range = (start.is_some() || end.is_some()).then_some(range);
    let record = service.long_read(move |store| store.snapshot()?.user(&id, range)).await?;
    let record = record.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            "there is no such user: this id was never seen, or was erased; ids are compared byte for byte",
        )
    })?;
    let json = serde_json::to_vec(&UserBody::from(record)).map_err(|e| Error::internal(format!("JSON: {e}")))?;
    Ok(Reply::json(StatusCode::OK, json))
}

impl From<UserRecord> for UserBody {
    fn from(record: UserRecord) -> UserBody {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        UserBody {
            user_id: record.user_id.to_string(),
            team_id: record.team_id.map(|id| id.to_string()),
            registered_at: time(record.registered_at),
            registration_cleared_at: time(record.cleared_at),
            first_event_at: time(record.first_event_at),
            deactivated_at: time(record.deactivated_at),
            registration_day: record.registration_day.to_string(),
            first_uses: bodies(record.first_uses),
            facts_from: record.facts_from.map(|day| day.to_string()),
            days: bodies(record.days),
            sessions_with_id: bodies(record.id_sessions),
        }
    }
}

impl From<TeamService> for PairBody {
    fn from(pair: TeamService) -> PairBody {
        let text = |id: Option<Id>| id.map(|id| id.to_string());
        PairBody { team_id: text(pair.team_id), service: text(pair.service) }
    }
}

impl From<FirstUse> for FirstUseBody {
    fn from(first: FirstUse) -> FirstUseBody {
        FirstUseBody { pair: first.pair.into(), first_day: first.day.to_string() }
    }
}

impl From<UserDayRecord> for DayBody {
    fn from(day: UserDayRecord) -> DayBody {
        DayBody { day: day.day.to_string(), activity: bodies(day.activity), sessions: bodies(day.sessions) }
    }
}

impl From<PairActivity> for ActivityBody {
    fn from(activity: PairActivity) -> ActivityBody {
        let seen = activity.seen.iter().map(ToString::to_string).collect();
        ActivityBody { pair: activity.pair.into(), seen }
    }
}

impl From<GapSessionRecord> for SessionBody {
    fn from(session: GapSessionRecord) -> SessionBody {
        let (start, end) = (session.start.to_string(), session.end.to_string());
        SessionBody { start, end, pairs: bodies(session.pairs) }
    }
}

impl From<IdSession> for IdSessionBody {
    fn from(session: IdSession) -> IdSessionBody {
        IdSessionBody { start: session.start.to_string(), pairs: bodies(session.pairs) }
    }
}

fn bodies<T, B: From<T>>(values: Vec<T>) -> Vec<B> {
    values.into_iter().map(B::from).collect()
}
