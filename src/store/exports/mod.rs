//! Export jobs at rest. The rows are the queue: whoever accepts, cancels or finishes a job does so in one transaction, and
//! everybody else finds out by reading. A file is never found but through its row.

mod accept;
mod directory;
mod erase;
mod hold;
mod remove;
mod run;
#[cfg(test)]
mod tests;
mod users;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, named_params};

pub use self::accept::{Accepted, Idempotency, NewExport};
pub use self::directory::ExportDirectory;
pub(super) use self::erase::forget_user;
pub(super) use self::hold::{end_waiting, note_waiting};
pub use self::remove::Removed;
pub(super) use self::run::is_log_read;
pub use self::run::{Finished, Recovered};
use super::{Snapshot, Store};
use crate::error::{Error, Result};
use crate::model::{Id, JobState};

/// An export job, as its row has it. Times are Unix microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportJob {
    pub id: String,
    pub issuer: String,
    pub subject: String,
    /// Canonical JSON, without the user that the report is filtered by.
    pub request: String,
    pub user_id: Option<Id>,
    pub extension: String,
    pub log_seq: i64,
    pub state: JobState,
    pub attempt: u32,
    pub generation: i64,
    pub rows_done: u64,
    pub rows_expected: Option<u64>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    /// Lower-case hexadecimal.
    pub sha256: Option<String>,
    pub error: Option<ExportError>,
    /// Its file may be downloaded until `expires_at`.
    pub has_file: bool,
    pub link_key: Option<[u8; 32]>,
}

/// Why a job failed: a code for machines, a sentence for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportError {
    pub code: String,
    pub message: String,
}

impl ExportJob {
    /// The name of its file, for downloads and in the directory.
    pub fn file_name(&self) -> String {
        format!("export-{}.{}", self.id, self.extension)
    }

    /// Whether there is something to download.
    pub fn is_available(&self, now_unix_micros: i64) -> bool {
        self.has_file && self.expires_at.is_none_or(|at| at > now_unix_micros)
    }
}

/// A page of jobs, newest first, and how many there are in all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportPage {
    pub jobs: Vec<ExportJob>,
    pub total: u64,
}

/// Which jobs are asked for. None: all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExportFilter {
    /// Issuer and subject.
    pub owner: Option<(String, String)>,
    pub state: Option<JobState>,
}

/// Wakes those who wait for a change of the jobs.
#[derive(Default)]
pub(super) struct ExportBell {
    rung: Mutex<u64>,
    ringing: Condvar,
    failed: AtomicU64,
}

impl ExportBell {
    pub fn ring(&self) {
        *self.rung.lock() += 1;
        self.ringing.notify_all();
    }
}

impl Store {
    /// How many times the jobs have changed in this process; for [`Store::wait_for_exports`].
    pub fn exports_changed(&self) -> u64 {
        *self.inner.exports.rung.lock()
    }

    /// Blocks until the jobs have changed since `seen` was read, or the time is over.
    pub fn wait_for_exports(&self, seen: u64, timeout: Duration) {
        let bell = &self.inner.exports;
        bell.ringing.wait_while_for(&mut bell.rung.lock(), |rung| *rung == seen, timeout);
    }

    /// Wakes whoever waits, without a change.
    pub fn wake_exports(&self) {
        self.inner.exports.ring();
    }

    /// Jobs that have failed since the start, other than by being cancelled.
    pub fn exports_failed(&self) -> u64 {
        self.inner.exports.failed.load(Relaxed)
    }
}

/// `export_job.file_state`: the file may be downloaded; it was given up for good. 0 where there is none.
const FILE_KEPT: i64 = 1;
const FILE_GIVEN_UP: i64 = 2;

/// The columns of a job; `user_id` stands in a table of its own (`users`).
const COLUMNS: &str = "
    id, issuer, subject, request, extension, log_seq, state, attempt, generation, rows_done, rows_expected, created_at,
    started_at, finished_at, expires_at, row_count, bytes, sha256, error_code, error_message, file_state, link_key,
    (select user_id from export_job_user where slot = user_slot) as user_id";

impl Snapshot<'_> {
    /// A job by its id, in any state.
    pub fn export_job(&self, id: &str) -> Result<Option<ExportJob>> {
        find(self.conn(), id)
    }

    /// Newest first; `offset` of them skipped, at most `limit` given.
    pub fn export_jobs(&self, filter: &ExportFilter, offset: u64, limit: usize) -> Result<ExportPage> {
        const MATCHING: &str = "
            from export_job
            where (:issuer is null or (issuer = :issuer and subject = :subject)) and (:state is null or state = :state)";
        let (issuer, subject) = filter.owner.as_ref().map(|(issuer, subject)| (issuer, subject)).unzip();
        let state = filter.state.map(JobState::as_str);
        let mut count = self.conn().prepare_cached(&format!("select count(*) {MATCHING}"))?;
        let total: i64 = count
            .query_row(named_params! { ":issuer": issuer, ":subject": subject, ":state": state }, |row| row.get(0))?;
        let page = format!("select {COLUMNS} {MATCHING} order by seq desc limit :limit offset :offset");
        let mut page = self.conn().prepare_cached(&page)?;
        let jobs = page.query_map(
            named_params! {
                ":issuer": issuer, ":subject": subject, ":state": state,
                ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
                ":offset": i64::try_from(offset).unwrap_or(i64::MAX),
            },
            from_row,
        )?;
        Ok(ExportPage { jobs: jobs.collect::<rusqlite::Result<_>>()?, total: total as u64 })
    }

    /// How many jobs are in each state, in the order of [`JobState::ALL`].
    pub fn export_counts(&self) -> Result<[u64; 4]> {
        const COUNTS: &str = "select state, count(*) as n from export_job group by state";
        let mut counts = [0; 4];
        let mut statement = self.conn().prepare_cached(COUNTS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let state = JobState::parse(&row.get::<_, String>("state")?);
            if let Some(index) = JobState::ALL.iter().position(|known| Some(*known) == state) {
                counts[index] = row.get::<_, i64>("n")? as u64;
            }
        }
        Ok(counts)
    }

    /// What all files that may be downloaded take, in bytes.
    pub fn export_bytes(&self) -> Result<u64> {
        const BYTES: &str = "select coalesce(sum(bytes), 0) from export_job where file_state = 1";
        let bytes: i64 = self.conn().prepare_cached(BYTES)?.query_row([], |row| row.get(0))?;
        Ok(bytes as u64)
    }
}

fn find(conn: &rusqlite::Connection, id: &str) -> Result<Option<ExportJob>> {
    let sql = format!("select {COLUMNS} from export_job where id = :id");
    Ok(conn.prepare_cached(&sql)?.query_row(named_params! { ":id": id }, from_row).optional()?)
}

fn from_row(row: &Row) -> rusqlite::Result<ExportJob> {
    let number = |name: &str| row.get::<_, Option<i64>>(name).map(|number| number.map(|n| n as u64));
    let state: String = row.get("state")?;
    let code: Option<String> = row.get("error_code")?;
    let message: Option<String> = row.get("error_message")?;
    let user_id: Option<Vec<u8>> = row.get("user_id")?;
    Ok(ExportJob {
        id: row.get("id")?,
        issuer: row.get("issuer")?,
        subject: row.get("subject")?,
        request: row.get("request")?,
        user_id: user_id.and_then(|row| users::unpadded(&row)),
        extension: row.get("extension")?,
        log_seq: row.get("log_seq")?,
        state: JobState::parse(&state).ok_or_else(|| unknown_state(&state))?,
        attempt: row.get("attempt")?,
        generation: row.get("generation")?,
        rows_done: row.get::<_, i64>("rows_done")? as u64,
        rows_expected: number("rows_expected")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        expires_at: row.get("expires_at")?,
        rows: number("row_count")?,
        bytes: number("bytes")?,
        sha256: row.get("sha256")?,
        error: code.zip(message).map(|(code, message)| ExportError { code, message }),
        has_file: row.get::<_, i64>("file_state")? == FILE_KEPT,
        link_key: row.get("link_key")?,
    })
}

fn unknown_state(state: &str) -> rusqlite::Error {
    let error = Error::internal(format!("the database holds an export job in the unknown state {state:?}"));
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}
