use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::header::LOCATION;
use hyper::http::request::Parts;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Asker, PATH};
use crate::audit::Entry;
use crate::auth::{random_text, unbroken};
use crate::error::{Error, Kind, Result};
use crate::http::admit::{Visit, limited_name};
use crate::http::idempotency_key;
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::ingest;
use crate::limits::{Policy, Standing};
use crate::model::{
    Caller, Day, ExportReport, ExportRequest, GroupBy, Id, Principal, Timestamp, UsageExport, UsageRows,
};
use crate::store::{Accepted, ExportJob, Idempotency, NewExport};

/// 22 characters of 62 hold 131 bits.
pub const JOB_ID_LEN: usize = 22;
const DAY_S: u32 = 86_400;

#[derive(Serialize)]
struct AcceptedBody<'j> {
    job_id: &'j str,
    status: &'static str,
}

/// `POST /reports/export`: 202 once the job and its charge are durable; the same again under the same Idempotency-Key.
/// Errors with `Invalid`, `TooManyRequests` if the day's exports are used up, `Unprocessable` for a key that stands for
/// another request, `Gone` for one whose job has been removed.
pub async fn create<B: Body<Data = Bytes>>(service: &Service, head: &Parts, body: B, visit: &Visit) -> Result<Reply> {
    let asker = Asker::of(visit)?;
    let key = idempotency_key::of(&head.headers)?;
    let received = service.receive_small(head, body).await?;
    let request = ingest::export_request(&received.bytes)?;
    let now = service.now()?;
    let quota = match &asker {
        Asker::Administrator => None,
        Asker::Caller(caller) => Some(service.limits.exports_per_day(caller)),
    };
    let new = new_export(&asker, &request, key, now, quota)?;
    let store = service.store.clone();
    // Whoever does the jobs hears of each at once, whether the client still waits for the answer or not.
    let outcome = unbroken(async move { store.accept_export(new).await }).await?;
    if let (Asker::Caller(caller), Some(quota @ 1..)) = (&asker, quota) {
        visit.stands_with_exports(standing(service, caller, quota, now)?);
    }
    match outcome {
        Accepted::New(job) | Accepted::Repeated(job) => accepted(&job),
        Accepted::RepeatedButGone => {
            let message =
                "the job that was asked for under this Idempotency-Key has been removed since; send a new key";
            Err(Error::new(Kind::Gone, message))
        }
        Accepted::KeyInUse => {
            let message = "this Idempotency-Key stands for another request of the last 24 hours; send a new key";
            Err(Error::new(Kind::Unprocessable, message))
        }
        Accepted::OverQuota => Err(over_quota(service, &asker, visit, quota.unwrap_or_default(), now)),
    }
}

fn new_export(
    asker: &Asker,
    request: &ExportRequest,
    key: Option<String>,
    now: Timestamp,
    quota: Option<u32>,
) -> Result<NewExport> {
    let (issuer, subject) = asker.principal();
    let stored = ingest::write_export_request(request);
    let user_id = user_of(request);
    let request_digest = digest(&stored, user_id.as_ref());
    Ok(NewExport {
        id: random_text(JOB_ID_LEN)?,
        issuer: issuer.to_string(),
        subject: subject.to_string(),
        extension: request.format.extension(),
        names_users: names_users(request),
        idempotency: key.map(|key| Idempotency { key, request_digest }),
        now: now.unix_micros(),
        charge: quota.map(|quota| (now.day(), quota)),
        request: stored,
        user_id,
    })
}

fn user_of(request: &ExportRequest) -> Option<Id> {
    match &request.report {
        ExportReport::Usage(usage) => usage.filter.user_id.clone(),
        ExportReport::Events(_) => None,
    }
}

fn names_users(request: &ExportRequest) -> bool {
    matches!(&request.report, ExportReport::Usage(UsageExport { rows: UsageRows::Groups(GroupBy::User), .. }))
}

/// Neither the canonical request nor an id holds a line feed.
fn digest(stored: &str, user_id: Option<&Id>) -> [u8; 32] {
    Sha256::digest(format!("{stored}\n{}", user_id.map_or("", Id::as_str))).into()
}

fn accepted(job: &ExportJob) -> Result<Reply> {
    let body = AcceptedBody { job_id: &job.id, status: job.state.as_str() };
    Ok(Reply::json_of(StatusCode::ACCEPTED, &body)?.with(LOCATION, &format!("{PATH}/{}", job.id)))
}

/// How a caller stands with the exports of the day, after this request.
fn standing(service: &Service, caller: &Caller, quota: u32, now: Timestamp) -> Result<Standing> {
    let Principal { issuer, subject, .. } = &caller.principal;
    let charged = service.store.snapshot()?.export_count(issuer, subject, now.day())?;
    Ok(Standing {
        policy: "exports",
        quota,
        window_s: DAY_S,
        remaining: quota.saturating_sub(charged),
        reset_s: left_of_day_s(now),
        at_micros: 0,
    })
}

/// Until midnight UTC, rounded up.
fn left_of_day_s(now: Timestamp) -> u64 {
    (Day::MICROS - now.micros_of_day()).unsigned_abs().div_ceil(Timestamp::SECOND_MICROS.unsigned_abs())
}

fn over_quota(service: &Service, asker: &Asker, visit: &Visit, quota: u32, now: Timestamp) -> Error {
    if let Asker::Caller(caller) = asker {
        service.take_back(caller, Policy::Requests, visit);
        service.audit.note(Entry::LimitExceeded { name: limited_name(caller), policy: "exports" });
    }
    let retry_after_s = left_of_day_s(now);
    let message = format!(
        "{quota} exports a day are used up; there are more at midnight UTC, in {retry_after_s} s; the administrator can \
         raise the limit with `analytics limit set`"
    );
    Error::new(Kind::TooManyRequests { retry_after_s }, message)
}
