//! `/reports/export`: jobs are asked for, looked at, listed and removed. Whoever may not see a job is answered as if there
//! were none.

mod create;
mod job_body;
mod list;
mod signed_link;

pub use self::create::{JOB_ID_LEN, create};
pub use self::list::list;

use std::sync::Arc;

use hyper::StatusCode;

use self::job_body::JobBody;
use super::admit::Visit;
use super::query::Query;
use super::respond::Reply;
use super::service::{self, Service};
use crate::auth::unbroken;
use crate::error::{Error, Kind, Result};
use crate::model::{ADMINISTRATOR_ISSUER, ADMINISTRATOR_SUBJECT, Caller, Role};
use crate::store::{ExportJob, Removed};

const PATH: &str = "/reports/export";

/// Who asks for exports.
pub enum Asker {
    /// Behind the local socket.
    Administrator,
    Caller(Arc<Caller>),
}

impl Asker {
    pub fn of(visit: &Visit) -> Result<Asker> {
        match (&visit.caller, visit.address) {
            (Some(caller), _) => Ok(Asker::Caller(Arc::clone(caller))),
            (None, None) => Ok(Asker::Administrator),
            (None, Some(_)) => Err(Error::internal("an export was asked for without a credential")),
        }
    }

    /// Issuer and subject, as jobs have them.
    pub fn principal(&self) -> (&str, &str) {
        match self {
            Asker::Administrator => (ADMINISTRATOR_ISSUER, ADMINISTRATOR_SUBJECT),
            Asker::Caller(caller) => (&caller.principal.issuer, &caller.principal.subject),
        }
    }

    /// Whether they may see, and remove, the jobs of others.
    pub fn sees_all(&self) -> bool {
        match self {
            Asker::Administrator => true,
            Asker::Caller(caller) => caller.principal.grants.roles.contains(Role::ReportAdmin),
        }
    }

    fn may_see(&self, job: &ExportJob) -> bool {
        self.sees_all() || self.principal() == (&job.issuer, &job.subject)
    }
}

/// `GET /reports/export/{job_id}[?link=signed[&link_ttl_s]]`. Errors with `NotFound`; with `Conflict` if a link is asked
/// for and there is nothing to download.
pub async fn show(service: &Service, visit: &Visit, query: &Query, id: &str) -> Result<Reply> {
    let asker = Asker::of(visit)?;
    let wanted = signed_link::Wanted::read(query)?;
    let job = find(service, &asker, id)?;
    let mut body = JobBody::new(&job, service, asker.sees_all())?;
    if let Some(wanted) = wanted {
        let link = signed_link::make(service, &asker, &job, wanted).await?;
        body.signed_url = Some(link.url);
        body.signed_url_expires_at = Some(link.expires_at.to_string());
    }
    Reply::json_of(StatusCode::OK, &body)
}

/// `DELETE /reports/export/{job_id}`: 204; an unfinished job is cancelled, a finished one removed with its file.
pub async fn remove(service: &Service, visit: &Visit, id: &str) -> Result<Reply> {
    let job = find(service, &Asker::of(visit)?, id)?;
    let (store, directory, now) = (service.store.clone(), service.exports.clone(), service.clock.unix_micros());
    // A file that was given up goes, and its row behind it, whether the client still waits or not.
    unbroken(async move {
        match store.remove_export(&job.id, now).await? {
            Removed::Missing => Err(not_found()),
            Removed::Cancelled | Removed::Removed => Ok(()),
            Removed::FileFirst { file_name } => {
                service::blocking(move || directory.remove(&file_name)).await?;
                store.note_exports_unlinked(vec![job.id.clone()]).await?;
                store.remove_export(&job.id, now).await.map(drop)
            }
        }
    })
    .await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// The job of this id. Errors with `NotFound` if there is none that they may see.
pub fn find(service: &Service, asker: &Asker, id: &str) -> Result<ExportJob> {
    service.store.snapshot()?.export_job(id)?.filter(|job| asker.may_see(job)).ok_or_else(not_found)
}

pub fn not_found() -> Error {
    Error::new(Kind::NotFound, "there is no export of this id that you may see; GET /reports/export lists yours")
}
