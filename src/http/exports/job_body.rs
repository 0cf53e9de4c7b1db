use serde::Serialize;

use crate::error::Result;
use crate::http::service::Service;
use crate::ingest;
use crate::model::{ExportFormat, Timestamp};
use crate::store::ExportJob;

/// No job is done before its file is.
const PERCENT_MAX: u64 = 99;

/// A job as the API shows it.
#[derive(Serialize)]
pub struct JobBody {
    job_id: String,
    status: &'static str,
    report_type: &'static str,
    format: &'static str,
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    /// While it is unfinished.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<ProgressBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// As long as there is something to download.
    #[serde(skip_serializing_if = "Option::is_none")]
    download_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_url_expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    /// For those who see the jobs of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<OwnerBody>,
}

#[derive(Serialize)]
struct ProgressBody {
    rows_done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_expected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u64>,
}

#[derive(Serialize)]
struct ErrorBody {
    code: String,
    message: String,
}

#[derive(Serialize)]
struct OwnerBody {
    issuer: String,
    subject: String,
}

impl JobBody {
    /// Errors with `Internal` if the row cannot be read.
    pub fn new(job: &ExportJob, service: &Service, shows_owner: bool) -> Result<JobBody> {
        let request = ingest::stored_export_request(&job.request, job.user_id.clone())?;
        let owner = OwnerBody { issuer: job.issuer.clone(), subject: job.subject.clone() };
        let error = job.error.as_ref().map(|e| ErrorBody { code: e.code.clone(), message: e.message.clone() });
        Ok(JobBody {
            job_id: job.id.clone(),
            status: job.state.as_str(),
            report_type: request.report.name(),
            format: format_name(request.format),
            created_at: time(Some(job.created_at)),
            started_at: time(job.started_at),
            progress: progress(job),
            rows: job.rows,
            bytes: job.bytes,
            sha256: job.sha256.clone(),
            finished_at: time(job.finished_at),
            expires_at: time(job.expires_at),
            download_url: job.is_available(service.clock.unix_micros()).then(|| url(service, job)),
            signed_url: None,
            signed_url_expires_at: None,
            error,
            owner: shows_owner.then_some(owner),
        })
    }
}

/// Where the file is downloaded.
pub fn url(service: &Service, job: &ExportJob) -> String {
    format!("{}/downloads/{}", service.public_url(), job.file_name())
}

fn progress(job: &ExportJob) -> Option<ProgressBody> {
    let (rows_done, rows_expected) = (job.rows_done, job.rows_expected);
    let percent = rows_expected.map(|expected| (rows_done.saturating_mul(100) / expected.max(1)).min(PERCENT_MAX));
    (!job.state.is_finished()).then_some(ProgressBody { rows_done, rows_expected, percent })
}

fn format_name(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Csv(_) => "csv",
        ExportFormat::Xlsx => "xlsx",
    }
}

/// RFC 3339.
fn time(unix_micros: Option<i64>) -> Option<String> {
    unix_micros.and_then(Timestamp::from_unix_micros).map(|at| at.to_string())
}
