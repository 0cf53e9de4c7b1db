//! The administrator's exceptions from the limits.

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::{done, note};
use crate::error::{Error, Result};
use crate::http::query::{self, Query};
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::http::strict_json;
use crate::model::{Target, TargetKind};
use crate::store::Overrides;

/// As much as the settings allow.
const PER_MINUTE_MAX: u32 = 1_000_000;
const INGEST_PER_MINUTE_MAX: u32 = 100_000_000;
/// Room for the address of an issuer and a subject behind it.
const NAME_BYTES_MAX: usize = 2_048;

/// `PUT /admin/limits` takes one, in the place of what was set for the same target; `GET /admin/limits` answers
/// `{"limits":[..]}`, by kind and name. A figure that is null or absent leaves the setting in place, 0 lifts the limit.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitBody {
    /// "token" (by `jti`), "key", "client" (by id), "account" (by name), "subject" (issuer, a blank, subject).
    kind: String,
    name: String,
    requests_per_minute: Option<u32>,
    ingest_requests_per_minute: Option<u32>,
    exports_per_day: Option<u32>,
    tokens_per_minute: Option<u32>,
    tokens_per_hour: Option<u32>,
}

#[derive(Serialize)]
struct LimitsBody {
    limits: Vec<LimitBody>,
}

pub fn list(service: &Service) -> Result<Reply> {
    let limits = service.limits.overrides()?.into_iter().map(LimitBody::from).collect();
    Reply::json_of(StatusCode::OK, &LimitsBody { limits })
}

/// 204; obeyed from then on.
pub async fn set(service: &Service, json: &Bytes) -> Result<Reply> {
    let asked: LimitBody = strict_json::read(json)?;
    let target = Target::new(read_kind(&asked.kind).map_err(in_body("kind"))?, asked.name.as_str());
    check_name(&target).map_err(in_body("name"))?;
    let overrides = read_overrides(&asked)?;
    let detail = described(&overrides);
    service.limits.set_override(target.clone(), overrides).await?;
    note(service, "limit", "set", &named(&target), detail);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `DELETE /admin/limits?kind&name`: 204; from then on the settings hold again.
pub async fn clear(service: &Service, query: &Query) -> Result<Reply> {
    let required = |name| query.get(name).ok_or_else(|| query::invalid(name, "is required"));
    let (kind, name) = (required("kind")?, required("name")?);
    let target = Target::new(read_kind(kind).map_err(|rule| query::invalid("kind", &rule))?, name);
    let cleared = service.limits.clear_override(target.clone()).await?;
    if cleared {
        note(service, "limit", "cleared", &named(&target), "");
    }
    done(cleared, "no limit of its own is set for this one")
}

fn read_kind(text: &str) -> std::result::Result<TargetKind, String> {
    TargetKind::parse(text).ok_or_else(|| format!("must be {}", TargetKind::ALL.map(TargetKind::as_str).join(" or ")))
}

/// Errors with what a name may be, to be set behind the field's name.
fn check_name(target: &Target) -> std::result::Result<(), String> {
    let name = &target.name;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!("must be 1 to {NAME_BYTES_MAX} bytes without control characters"));
    }
    if target.kind == TargetKind::Subject && !name.contains(' ') {
        return Err("must be the issuer's address, a blank, and the subject".into());
    }
    Ok(())
}

fn read_overrides(asked: &LimitBody) -> Result<Overrides> {
    let overrides = Overrides {
        requests_per_minute: asked.requests_per_minute,
        ingest_requests_per_minute: asked.ingest_requests_per_minute,
        exports_per_day: asked.exports_per_day,
        tokens_per_minute: asked.tokens_per_minute,
        tokens_per_hour: asked.tokens_per_hour,
    };
    if overrides == Overrides::default() {
        let known = figures(&overrides).map(|(name, _)| name).join(", ");
        return Err(Error::invalid(format!("name at least one figure: {known}")));
    }
    for (name, figure) in figures(&overrides) {
        let max = if name == "ingest_requests_per_minute" { INGEST_PER_MINUTE_MAX } else { PER_MINUTE_MAX };
        if figure.is_some_and(|figure| figure > max) {
            return Err(Error::invalid(format!("\"{name}\" must be from 0 (no limit) to {max}")));
        }
    }
    Ok(overrides)
}

fn in_body(field: &'static str) -> impl Fn(String) -> Error {
    move |rule| Error::invalid(format!("\"{field}\" {rule}"))
}

fn named(target: &Target) -> String {
    format!("{} {}", target.kind.as_str(), target.name)
}

/// What was set, for the audit trail.
fn described(overrides: &Overrides) -> String {
    let set = figures(overrides).into_iter().filter_map(|(name, figure)| Some(format!("{name} {}", figure?)));
    set.collect::<Vec<_>>().join(", ")
}

fn figures(overrides: &Overrides) -> [(&'static str, Option<u32>); 5] {
    [
        ("requests_per_minute", overrides.requests_per_minute),
        ("ingest_requests_per_minute", overrides.ingest_requests_per_minute),
        ("exports_per_day", overrides.exports_per_day),
        ("tokens_per_minute", overrides.tokens_per_minute),
        ("tokens_per_hour", overrides.tokens_per_hour),
    ]
}

impl From<(Target, Overrides)> for LimitBody {
    fn from((target, overrides): (Target, Overrides)) -> LimitBody {
        LimitBody {
            kind: target.kind.as_str().into(),
            name: target.name,
            requests_per_minute: overrides.requests_per_minute,
            ingest_requests_per_minute: overrides.ingest_requests_per_minute,
            exports_per_day: overrides.exports_per_day,
            tokens_per_minute: overrides.tokens_per_minute,
            tokens_per_hour: overrides.tokens_per_hour,
        }
    }
}
