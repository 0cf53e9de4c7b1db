//! `GET /downloads/export-{job_id}.{extension}`: the file of a job. Where it lies is said by the job's row alone.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::admit::Visit;
use super::etag::IfNoneMatch;
use super::exports::{self, Asker};
use super::file_body::FilePart;
use super::http_date;
use super::query::{Query, invalid};
use super::range::{self, Validators, Wanted};
use super::respond::Reply;
use super::service::{self, Service};
use crate::auth::links::{self, Claim};
use crate::error::{Error, Kind, Result};
use crate::ingest;
use crate::model::{ExportRequest, JobState, Timestamp};
use crate::store::ExportJob;

/// The name under which a file is downloaded, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportFile {
    pub job_id: String,
    pub extension: String,
}

impl ExportFile {
    /// None for anything but `export-{job_id}.{csv|csv.gz|xlsx}`: nothing else has a way into the directory.
    pub fn parse(segment: &str) -> Option<ExportFile> {
        let (job_id, extension) = segment.strip_prefix("export-")?.split_once('.')?;
        let is_id = job_id.len() == exports::JOB_ID_LEN && job_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_file = is_id && matches!(extension, "csv" | "csv.gz" | "xlsx");
        is_file.then(|| ExportFile { job_id: job_id.to_string(), extension: extension.to_string() })
    }
}

/// Whether a request for a download comes by a signed link.
pub fn is_signed(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair.split('=').next() == Some("signature"))
}

/// The file, or the part that `Range` names. Errors with `NotFound` for whoever may not see it, and for a link that is not
/// good; `Conflict` if the job is unfinished, `Gone` if there is no file any more, or never will be.
pub async fn get(service: &Service, head: &Parts, query: &Query, file: &ExportFile, visit: &Visit) -> Result<Reply> {
    let job = match (query.get("signature"), query.pairs().next()) {
        (Some(signature), _) => by_link(service, query, signature, file)?,
        (None, None) => exports::find(service, &Asker::of(visit)?, &file.job_id)?,
        (None, Some((name, _))) => return Err(invalid(name, "goes with \"signature\" only; use the whole link")),
    };
    if job.extension != file.extension {
        return Err(exports::not_found());
    }
    check_available(&job, service.clock.unix_micros())?;
    let request = ingest::stored_export_request(&job.request, job.user_id.clone())?;
    send(service, head, &job, &request).await
}

/// The job of a link. Whatever is wrong with it, and if there is no such job, it is `NotFound` in the same words.
fn by_link(service: &Service, query: &Query, signature: &str, file: &ExportFile) -> Result<ExportJob> {
    good_link(service, query, signature, file)?.ok_or_else(|| {
        let message = "this link is not good, or not any more; ask for a new one with GET \
                       /reports/export/{job_id}?link=signed";
        Error::new(Kind::NotFound, message)
    })
}

fn good_link(service: &Service, query: &Query, signature: &str, file: &ExportFile) -> Result<Option<ExportJob>> {
    let (Some(expires), Some(by)) = (query.get("expires"), query.get("by")) else { return Ok(None) };
    let Ok(expires_at_s) = expires.parse::<i64>() else { return Ok(None) };
    let Some(job) = service.store.snapshot()?.export_job(&file.job_id)? else { return Ok(None) };
    let Some(key) = &job.link_key else { return Ok(None) };
    let file_name = format!("export-{}.{}", file.job_id, file.extension);
    let claim = Claim { job_id: &file.job_id, file_name: &file_name, expires_at_s, by };
    // As it was written: no second text is the same link.
    let is_genuine = expires_at_s.to_string() == expires && links::is_genuine(key, &claim, signature);
    let is_in_time = service.clock.unix_micros() < expires_at_s.saturating_mul(Timestamp::SECOND_MICROS);
    let is_good = is_genuine && is_in_time && service.auth.still_may_download(by, (&job.issuer, &job.subject))?;
    Ok(is_good.then_some(job))
}

fn check_available(job: &ExportJob, now_unix_micros: i64) -> Result<()> {
    match job.state {
        JobState::Queued | JobState::Processing => {
            let message = format!("this export is not completed yet; look at /reports/export/{} until it is", job.id);
            Err(Error::new(Kind::Conflict, message))
        }
        JobState::Failed => {
            let why = job.error.as_ref().map_or("for a reason that is not known", |error| &error.message);
            Err(Error::new(Kind::Gone, format!("this export has failed, so there is no file: {why}")))
        }
        JobState::Completed if job.is_available(now_unix_micros) => Ok(()),
        JobState::Completed => Err(expired()),
    }
}

fn expired() -> Error {
    Error::new(Kind::Gone, "this file has expired and was removed; ask for the export anew with POST /reports/export")
}

async fn send(service: &Service, head: &Parts, job: &ExportJob, request: &ExportRequest) -> Result<Reply> {
    let (Some(bytes), Some(sha256), Some(finished_at)) = (job.bytes, &job.sha256, job.finished_at) else {
        return Err(Error::internal(format!("the completed export {} lacks what it came to", job.id)));
    };
    let etag = format!("\"{sha256}\"");
    let validators = Validators { etag: &etag, last_modified_s: finished_at.div_euclid(Timestamp::SECOND_MICROS) };
    if has_it(&head.headers, &validators) {
        return Ok(dressed(Reply::empty(StatusCode::NOT_MODIFIED), &validators));
    }
    // Only GET knows ranges (RFC 9110, 14.2).
    let wanted = match head.method == Method::HEAD {
        true => Wanted::Whole,
        false => range::wanted(&head.headers, &validators, bytes),
    };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..bytes),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Unsatisfiable => {
            let message = format!("the file holds {bytes} bytes; ask for a range within, or for the whole");
            return Err(Error::new(Kind::RangeNotSatisfiable { bytes }, message));
        }
    };
    let file = open(service, job, bytes).await?;
    // That may have waited for a disk. Whoever erased a person meanwhile was told that nobody gets this file any more.
    let job_now = service.store.snapshot()?.export_job(&job.id)?.ok_or_else(expired)?;
    check_available(&job_now, service.clock.unix_micros())?;
    let mut reply = Reply::new(status, content_type(&job.extension), Bytes::new());
    if status == StatusCode::PARTIAL_CONTENT {
        reply = reply.with(header::CONTENT_RANGE, &format!("bytes {}-{}/{bytes}", range.start, range.end - 1));
    }
    let disposition = format!("attachment; filename=\"{}\"", request.file_name());
    reply.file = Some(FilePart { file: Arc::new(file), range });
    Ok(dressed(reply.with(header::CONTENT_DISPOSITION, &disposition), &validators))
}

/// Whether the client says that it has the file already (RFC 9110, 13.2.2).
fn has_it(headers: &HeaderMap, validators: &Validators) -> bool {
    if headers.contains_key(header::IF_NONE_MATCH) {
        return IfNoneMatch::of(headers).has(validators.etag);
    }
    let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|value| http_date::parse(value.to_str().ok()?));
    since.is_some_and(|since| validators.last_modified_s <= since)
}

/// A file does not change under its name; but who may have it may change with every request.
fn dressed(reply: Reply, validators: &Validators) -> Reply {
    let reply = reply.with(header::ETAG, validators.etag).with(header::ACCEPT_RANGES, "bytes");
    let last_modified = http_date::format(validators.last_modified_s);
    last_modified.into_iter().fold(reply, |reply, date| reply.with(header::LAST_MODIFIED, &date))
}

/// Errors with `Gone` if the file has been removed meanwhile, `Internal` if it is not what was written.
async fn open(service: &Service, job: &ExportJob, bytes: u64) -> Result<File> {
    let (directory, name) = (service.exports.clone(), job.file_name());
    service::blocking(move || {
        let file = directory.open(&name)?.ok_or_else(expired)?;
        let len = file.metadata().map_err(|e| Error::internal(format!("cannot read {name}: {e}")))?.len();
        match len == bytes {
            true => Ok(file),
            false => Err(Error::internal(format!("{name} holds {len} bytes, not the {bytes} that were written"))),
        }
    })
    .await
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        "csv.gz" => "application/gzip",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "text/csv; charset=utf-8; header=present",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_of_ours_is_a_file() {
        let id = "0123456789ABCDEFabcdef";
        for extension in ["csv", "csv.gz", "xlsx"] {
            let expected = ExportFile { job_id: id.into(), extension: extension.into() };
            assert_eq!(ExportFile::parse(&format!("export-{id}.{extension}")), Some(expected));
        }
        let others = [
            String::new(),
            "export-".into(),
            format!("export-{id}"),
            format!("export-{id}."),
            format!("export-{id}.CSV"),
            format!("export-{id}.csv.part-1"),
            format!("export-{id}.csv%00"),
            format!("export-{id}.csv.gz.gz"),
            format!("Export-{id}.csv"),
            format!("export-{}.csv", &id[1..]),
            format!("export-{id}0.csv"),
            format!("export-{}/.csv", &id[1..]),
            format!("export-{}%.csv", &id[1..]),
            format!("export-{}..csv", &id[1..]),
            format!("export-{}é.csv", &id[2..]),
            format!("export-..{}.csv", &id[2..]),
        ];
        for name in others {
            assert_eq!(ExportFile::parse(&name), None, "{name}");
        }
    }
}
