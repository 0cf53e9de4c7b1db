//! Retention at the administrator's word: what would go, and slices of it. The command line asks for one slice after the
//! other, so that no request takes long and whoever asks may stop.

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
use crate::model::Day;
use crate::store::PrunableUsage;

/// User-days that one slice may look at: more would hold other writes up.
const USER_DAYS_MAX: usize = 10_000;

/// `GET /admin/prune`: what pruning with the same bounds would remove; the database stays as it is.
#[derive(Serialize)]
struct PrunableBody {
    /// Null unless `usage_before` was given.
    usage: Option<UsageBody>,
    /// The size of the file.
    file_bytes: u64,
}

/// Dates are YYYY-MM-DD.
#[derive(Serialize)]
struct UsageBody {
    /// Events before it will be rejected: the first of a month.
    before: String,
    /// The one there is; null if there is none.
    horizon: Option<String>,
    days: u64,
    user_days: u64,
    /// The first and the last of the days; null if there are none.
    start_date: Option<String>,
    end_date: Option<String>,
    /// An estimate of what their rows take.
    bytes: u64,
}

pub async fn show(service: &Arc<Service>, query: &Query) -> Result<Reply> {
    let before = query.date("usage_before")?;
    let body = service
        .long_read(move |store| {
            let snapshot = store.snapshot()?;
            let usage = match before {
                None => None,
                Some(before) => Some(usage_body(before, snapshot.usage_horizon()?, &snapshot.prunable_usage(before)?)),
            };
            Ok(PrunableBody { usage, file_bytes: store.stats().file_bytes })
        })
        .await?;
    Reply::json_of(StatusCode::OK, &body)
}

fn usage_body(before: Day, horizon: Option<Day>, prunable: &PrunableUsage) -> UsageBody {
    let before = before.month_start().max(horizon.unwrap_or(Day::MIN));
    let text = |day: Day| day.to_string();
    UsageBody {
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

#[derive(Serialize)]
struct SliceBody {
    removed: u64,
    is_done: bool,
}

/// `POST /admin/prune/usage`: raises the horizon, and removes some of what lies behind it. To be asked again until it is
/// done.
pub async fn usage(service: &Service, json: &Bytes) -> Result<Reply> {
    let asked: UsageSlice = strict_json::read(json)?;
    let before = Day::parse(&asked.before).map_err(|rule| Error::invalid(format!("\"before\" {rule}")))?;
    if !(1..=USER_DAYS_MAX).contains(&asked.user_days_max) {
        return Err(Error::invalid(format!("\"user_days_max\" must be a whole number from 1 to {USER_DAYS_MAX}")));
    }
    let pruned = service.store.prune_usage(before, asked.user_days_max).await?;
    if pruned.is_raised {
        note(service, "horizon of usage facts", "raised", &before.month_start().to_string(), "");
    }
    Reply::json_of(StatusCode::OK, &SliceBody { removed: pruned.removed, is_done: pruned.is_done })
}
