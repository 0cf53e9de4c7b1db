//! Retention at the administrator's word: what would go, and slices of it. The command line asks for one slice after the
//! other, so that no request takes long and whoever asks may stop.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::note;
use crate::error::{Error, Result};
use crate::http::query::Query;
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::http::strict_json;
use crate::model::{Day, EventCutoffs, LogFilter, Retirable, Retired, Timestamp};
use crate::store::{PrunableUsage, Snapshot, Store};

/// User-days that one slice may look at: more would hold other writes up.
const USER_DAYS_MAX: usize = 10_000;
/// The same for events.
const EVENTS_MAX: usize = 10_000;
const LOG_BYTES_MAX: u64 = 1 << 60;

/// `GET /admin/prune`: what pruning with the same bounds would remove; the database stays as it is.
#[derive(Deserialize, Serialize)]
pub struct Prunable {
    /// Null unless `usage_before` was given.
    pub usage: Option<UsageToPrune>,
    /// By severity.
    pub events: Vec<EventsToPrune>,
    /// An estimate of what all these events take.
    pub events_bytes: u64,
    /// What the log takes as it is.
    pub log_bytes: u64,
    /// The size of the file.
    pub file_bytes: u64,
}

/// Dates are YYYY-MM-DD.
#[derive(Deserialize, Serialize)]
pub struct UsageToPrune {
    /// Events before it will be rejected: the first of a month.
    pub before: String,
    /// The one there is; null if there is none.
    pub horizon: Option<String>,
    pub days: u64,
    pub user_days: u64,
    /// The first and the last of the days; null if there are none.
    pub start_date: Option<String>,
    pub end_date: Option<String>,
    /// An estimate of what their rows take.
    pub bytes: u64,
}

#[derive(Deserialize, Serialize)]
pub struct EventsToPrune {
    pub severity: Cow<'static, str>,
    /// Earlier ones would go; null: none would. With `log_bytes_max` it is what that asks for, where that is later.
    pub before: Option<String>,
    pub count: u64,
    /// Null if there are none.
    pub oldest: Option<String>,
    pub newest: Option<String>,
}

pub async fn show(service: &Arc<Service>, query: &Query) -> Result<Reply> {
    let before = query.date("usage_before")?;
    let [info, warning, error] = ["info_before", "warning_before", "error_before"].map(|name| query.instant(name));
    let cutoffs = EventCutoffs([info?, warning?, error?]);
    let log_bytes_max = query.number("log_bytes_max", LOG_BYTES_MAX)?;
    let now = Timestamp::from_unix_micros(service.clock.unix_micros());
    refuse_future_events(&cutoffs, now)?;
    refuse_future_usage(before.unwrap_or(Day::MIN), now)?;
    let prunable = move |store: &Store| {
        let by_size = log_bytes_max.map(|bytes| store.log_cutoff_for(bytes, || true)).transpose()?.flatten().min(now);
        prunable(store, before, cutoffs.or(by_size.map(EventCutoffs::all).unwrap_or_default()))
    };
    Reply::json_of(StatusCode::OK, &service.long_read(prunable).await?)
}

fn refuse_future_events(cutoffs: &EventCutoffs, now: Option<Timestamp>) -> Result<()> {
    if cutoffs.0.into_iter().max().flatten() > now {
        return Err(Error::invalid("events of the future cannot be removed: a cutoff lies after the present"));
    }
    Ok(())
}

/// Horizons never fall: behind one in the future no usage event would be taken in until then.
fn refuse_future_usage(before: Day, now: Option<Timestamp>) -> Result<()> {
    if before.month_start() > now.map_or(Day::MIN, Timestamp::day) {
        return Err(Error::invalid(format!(
            "usage of the future cannot be pruned: {} lies after today, and until then every usage event would be rejected",
            before.month_start()
        )));
    }
    Ok(())
}

fn prunable(store: &Store, before: Option<Day>, cutoffs: EventCutoffs) -> Result<Prunable> {
    let snapshot = store.snapshot()?;
    let usage = match before {
        None => None,
        Some(before) => Some(usage_body(before, snapshot.usage_horizon()?, &snapshot.prunable_usage(before)?)),
    };
    let retirable = snapshot.retirable(cutoffs)?;
    Ok(Prunable {
        usage,
        events_bytes: events_bytes(&snapshot, &retirable)?,
        events: retirable.iter().map(|retirable| events_body(retirable, &cutoffs)).collect(),
        log_bytes: snapshot.log_size(),
        file_bytes: store.stats().file_bytes,
    })
}

/// Their share of what the log takes.
fn events_bytes(snapshot: &Snapshot, retirable: &[Retirable]) -> Result<u64> {
    let all = snapshot.count_events(&LogFilter::default())?.max(1);
    let count: u64 = retirable.iter().map(|retirable| retirable.count).sum();
    Ok((u128::from(snapshot.log_size()) * u128::from(count) / u128::from(all)) as u64)
}

fn events_body(retirable: &Retirable, cutoffs: &EventCutoffs) -> EventsToPrune {
    let text = |at: Timestamp| at.to_string();
    EventsToPrune {
        severity: retirable.severity.as_str().into(),
        before: cutoffs.of(retirable.severity).map(text),
        count: retirable.count,
        oldest: retirable.span.map(|(oldest, _)| text(oldest)),
        newest: retirable.span.map(|(_, newest)| text(newest)),
    }
}

fn usage_body(before: Day, horizon: Option<Day>, prunable: &PrunableUsage) -> UsageToPrune {
    let before = before.month_start().max(horizon.unwrap_or(Day::MIN));
    let text = |day: Day| day.to_string();
    UsageToPrune {
        before: text(before),
        horizon: horizon.map(text),
        days: prunable.days,
        user_days: prunable.user_days,
        start_date: prunable.span.map(|(first, _)| text(first)),
        end_date: prunable.span.map(|(_, last)| text(last)),
        bytes: prunable.bytes,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageSlice {
    /// YYYY-MM-DD; its month stays.
    before: String,
    /// How many user-days to look at.
    user_days_max: usize,
}

/// What one slice came to.
#[derive(Deserialize, Serialize)]
pub struct Slice {
    pub removed: u64,
    pub is_done: bool,
    /// Nothing goes before an export of the log that is under way; never so of usage.
    pub waits_for_exports: bool,
}

/// `POST /admin/prune/usage`: raises the horizon, and removes some of what lies behind it. To be asked again until it is
/// done.
pub async fn usage(service: &Service, json: &Bytes) -> Result<Reply> {
    let asked: UsageSlice = strict_json::read(json)?;
    let before = Day::parse(&asked.before).map_err(|rule| Error::invalid(format!("\"before\" {rule}")))?;
    if !(1..=USER_DAYS_MAX).contains(&asked.user_days_max) {
        return Err(Error::invalid(format!("\"user_days_max\" must be a whole number from 1 to {USER_DAYS_MAX}")));
    }
    refuse_future_usage(before, Timestamp::from_unix_micros(service.clock.unix_micros()))?;
    let pruned = service.store.prune_usage(before, asked.user_days_max).await?;
    if pruned.is_raised {
        note(service, "horizon of usage facts", "raised", &before.month_start().to_string(), "");
    }
    let slice = Slice { removed: pruned.removed, is_done: pruned.is_done, waits_for_exports: false };
    Reply::json_of(StatusCode::OK, &slice)
}

/// Times are RFC 3339.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsSlice {
    /// Null or absent: none of these.
    info_before: Option<String>,
    warning_before: Option<String>,
    error_before: Option<String>,
    /// An export of the log that is unfinished and was begun earlier is not waited for.
    exports_since: String,
    /// How many events to remove.
    events_max: usize,
}

/// `POST /admin/prune/events`: hides the events from before from everybody, and removes some of their rows. To be asked again
/// until it is done.
pub async fn events(service: &Service, json: &Bytes) -> Result<Reply> {
    let asked: EventsSlice = strict_json::read(json)?;
    let instant =
        |field: &str, text: &str| Timestamp::parse(text).map_err(|rule| Error::invalid(format!("\"{field}\" {rule}")));
    let optional = |field, text: &Option<String>| text.as_deref().map(|text| instant(field, text)).transpose();
    let cutoffs = EventCutoffs([
        optional("info_before", &asked.info_before)?,
        optional("warning_before", &asked.warning_before)?,
        optional("error_before", &asked.error_before)?,
    ]);
    refuse_future_events(&cutoffs, Timestamp::from_unix_micros(service.clock.unix_micros()))?;
    if !(1..=EVENTS_MAX).contains(&asked.events_max) {
        return Err(Error::invalid(format!("\"events_max\" must be a whole number from 1 to {EVENTS_MAX}")));
    }
    let since = instant("exports_since", &asked.exports_since)?;
    let before = service.store.snapshot()?.event_floors();
    let retired = service.store.retire_events(cutoffs, since, asked.events_max).await?;
    if before.or(cutoffs) != before && !retired.waits_for_exports {
        note(service, "floors of system events", "raised", &cutoffs.to_string(), "");
    }
    let Retired { removed, is_done, waits_for_exports } = retired;
    Reply::json_of(StatusCode::OK, &Slice { removed, is_done, waits_for_exports })
}
