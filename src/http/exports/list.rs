use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::LINK;
use serde::Serialize;

use super::job_body::JobBody;
use super::{Asker, PATH};
use crate::error::Result;
use crate::http::admit::Visit;
use crate::http::link;
use crate::http::query::Query;
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::model::JobState;
use crate::store::{ExportFilter, Store};

const LIMIT_DEFAULT: u64 = 100;
const LIMIT_MAX: u64 = 1_000;

#[derive(Serialize)]
struct ListBody {
    jobs: Vec<JobBody>,
    page: u64,
    total_pages: u64,
}

/// `GET /reports/export[?limit][&page][&status]`: newest first; one's own, or everybody's for those who see them.
pub async fn list(service: &Arc<Service>, visit: &Visit, query: Query) -> Result<Reply> {
    let asker = Asker::of(visit)?;
    let limit = query.number("limit", LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let page = query.number("page", u64::MAX)?.unwrap_or(1);
    let states = JobState::ALL.map(|state| (state.as_str(), state));
    let (issuer, subject) = asker.principal();
    let owner = (!asker.sees_all()).then(|| (issuer.to_string(), subject.to_string()));
    let filter = ExportFilter { owner, state: query.choice("status", &states)? };
    let described = Arc::clone(service);
    let read = move |store: &Store| {
        // A page so far behind that no number tells how far is behind the end all the same.
        let found = store.snapshot()?.export_jobs(&filter, (page - 1).saturating_mul(limit), limit as usize)?;
        let jobs = found.jobs.iter().map(|job| JobBody::new(job, &described, asker.sees_all()));
        let body = ListBody { jobs: jobs.collect::<Result<_>>()?, page, total_pages: found.total.div_ceil(limit) };
        let reply = Reply::json_of(StatusCode::OK, &body)?;
        let links = link::pages(PATH, &query, page, body.total_pages);
        Ok(links.into_iter().fold(reply, |reply, links| reply.with(LINK, &links)))
    };
    service.read(limit > LIMIT_DEFAULT, read).await
}
