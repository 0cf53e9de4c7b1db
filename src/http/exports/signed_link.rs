//! Links to a file for tools that cannot send headers.

use super::Asker;
use super::job_body::url;
use crate::auth::links::{self, Claim};
use crate::error::{Error, Kind, Result};
use crate::http::query::{Query, invalid, percent_encode};
use crate::http::service::Service;
use crate::model::{Caller, Origin, Timestamp};
use crate::store::ExportJob;

const TTL_S_DEFAULT: u64 = 900;
const TTL_S_MAX: u64 = 86_400;

/// What kind of link is asked for.
pub struct Wanted {
    ttl_s: i64,
}

/// Whoever holds it may download the file.
pub struct SignedLink {
    pub url: String,
    pub expires_at: Timestamp,
}

impl Wanted {
    /// None if no link is asked for.
    pub fn read(query: &Query) -> Result<Option<Wanted>> {
        let is_wanted = query.choice("link", &[("signed", ())])?.is_some();
        match query.number("link_ttl_s", TTL_S_MAX)? {
            Some(_) if !is_wanted => Err(invalid("link_ttl_s", "needs link=signed")),
            ttl_s => Ok(is_wanted.then_some(Wanted { ttl_s: ttl_s.unwrap_or(TTL_S_DEFAULT) as i64 })),
        }
    }
}

/// Errors with `Conflict` if there is nothing to download.
pub async fn make(service: &Service, asker: &Asker, job: &ExportJob, wanted: Wanted) -> Result<SignedLink> {
    let now = service.clock.unix_micros();
    if !job.is_available(now) {
        let message = "there is no file to link to: the export is not completed, has failed, or its file has expired; \
                       look at \"status\", and ask for a link once it is \"completed\", or for the export anew";
        return Err(Error::new(Kind::Conflict, message));
    }
    let key = service.store.export_link_key(&job.id, links::random_key()?).await?.ok_or_else(super::not_found)?;
    let expires_at_s = ends_at(asker, job, now, wanted.ttl_s).div_euclid(Timestamp::SECOND_MICROS);
    let by = match asker {
        Asker::Administrator => links::ADMINISTRATOR.to_string(),
        Asker::Caller(caller) => links::named(&caller.origin),
    };
    let file_name = job.file_name();
    let claim = Claim { job_id: &job.id, file_name: &file_name, expires_at_s, by: &by };
    let signature = links::sign(&key, &claim);
    let by = percent_encode(&by);
    let expires_at = Timestamp::from_unix_micros(expires_at_s.saturating_mul(Timestamp::SECOND_MICROS));
    Ok(SignedLink {
        url: format!("{}?expires={expires_at_s}&by={by}&signature={signature}", url(service, job)),
        expires_at: expires_at.ok_or_else(|| Error::internal("a link would end outside the calendar"))?,
    })
}

/// Unix microseconds: after the time asked for, not after the file, nor after what cannot be asked about later.
fn ends_at(asker: &Asker, job: &ExportJob, now: i64, ttl_s: i64) -> i64 {
    let wanted = now.saturating_add(ttl_s * Timestamp::SECOND_MICROS);
    let of_access = match asker {
        Asker::Administrator => None,
        Asker::Caller(caller) => end_of_access(caller, now),
    };
    [job.expires_at, of_access].into_iter().flatten().fold(wanted, i64::min)
}

fn end_of_access(caller: &Caller, now: i64) -> Option<i64> {
    match caller.origin {
        Origin::Key(_) | Origin::Issued(_) => caller.expires_at,
        // These give short tokens that are followed by others; the link lasts as long as what gives them.
        Origin::Client(_) | Origin::Login { .. } => None,
        // An opaque token may say nothing of its end.
        Origin::Trusted(_) => {
            caller.expires_at.or(Some(now.saturating_add(TTL_S_DEFAULT as i64 * Timestamp::SECOND_MICROS)))
        }
    }
}
