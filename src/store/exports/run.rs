//! A job's way from the queue to its end. Each step holds only for the generation that it was begun with: what was
//! cancelled, or given to somebody else, is not brought back by whoever still works on it.

use std::sync::atomic::Ordering::Relaxed;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::{COLUMNS, ExportError, ExportJob, from_row, hold};
use crate::error::Result;
use crate::model::Timestamp;
use crate::store::{Snapshot, Store};

/// A job is begun so often at most; one that the process ended under each time would be begun for ever.
const ATTEMPTS_MAX: u32 = 3;

/// A whole file that has its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
    /// Unix microseconds.
    pub expires_at: i64,
}

/// What was found of a process that has ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    pub requeued: usize,
    /// As they were before.
    pub failed: Vec<ExportJob>,
}

impl Store {
    /// Begins the next job: of the principal with the fewest under way, of those whoever was served longest ago (in
    /// commits, not by the clock), and of its jobs the oldest; none of the log where a retirement has waited long for such. None if there is none, or all who wait have `per_principal_max` under way.
    pub async fn begin_export(&self, per_principal_max: u32, now: i64) -> Result<Option<ExportJob>> {
        self.control(move |conn| begin(conn, per_principal_max, now)).await
    }

    /// Tells how far a job is. False if it is not the caller's any more.
    pub async fn note_export_progress(&self, job: &ExportJob, rows_done: u64, expected: Option<u64>) -> Result<bool> {
        let (id, generation) = (job.id.clone(), job.generation);
        self.control(move |conn| note_progress(conn, &id, generation, rows_done, expected)).await
    }

    /// Ends a job well. False if it is not the caller's any more: its file has to go then.
    pub async fn complete_export(&self, job: &ExportJob, finished: Finished, now: i64) -> Result<bool> {
        let (id, generation) = (job.id.clone(), job.generation);
        let done = self.control(move |conn| complete(conn, &id, generation, &finished, now)).await?;
        self.inner.exports.ring();
        Ok(done)
    }

    /// Ends a job badly. False if it is not the caller's any more.
    pub async fn fail_export(&self, job: &ExportJob, error: ExportError, now: i64) -> Result<bool> {
        let (id, generation) = (job.id.clone(), job.generation);
        let done = self.control(move |conn| fail(conn, &id, generation, &error, now)).await?;
        self.inner.exports.failed.fetch_add(u64::from(done), Relaxed);
        self.inner.exports.ring();
        Ok(done)
    }

    /// Puts a job back into the queue, as if it had not been begun. False if it is not the caller's any more.
    pub async fn put_export_back(&self, job: &ExportJob) -> Result<bool> {
        let (id, generation) = (job.id.clone(), job.generation);
        self.control(move |conn| put_back(conn, &id, generation)).await
    }

    /// To be called before the first job is begun: what an ended process was at goes back into the queue, or fails if
    /// that has happened too often.
    pub async fn recover_exports(&self, now: i64) -> Result<Recovered> {
        let recovered = self.control(move |conn| recover(conn, now)).await?;
        self.inner.exports.failed.fetch_add(recovered.failed.len() as u64, Relaxed);
        self.inner.exports.ring();
        Ok(recovered)
    }
}

impl Snapshot<'_> {
    /// Whether [`Store::begin_export`] has something to begin: it costs a commit.
    pub fn is_export_due(&self, per_principal_max: u32, now: i64) -> Result<bool> {
        Ok(next(self.conn(), per_principal_max, now)?.is_some())
    }
}

/// Whether an export of the log is under way, or waits and may begin, that was begun at or after the instant (or accepted,
/// where it was never begun) and may read any event acknowledged before it.
pub fn is_log_read(conn: &Connection, since: Timestamp, now: i64) -> Result<bool> {
    // The request is canonical JSON. A service of such a name spares more than it needs to, and nothing else.
    const LOG_READER: &str = r#"
        select 1 from export_job
        where (state = 'processing' or state = 'queued' and not :held) and coalesce(started_at, created_at) >= :since
          and request like '%"report_type":"system-events"%'"#;
    let values = named_params! { ":since": since.unix_micros(), ":held": hold::is_held(conn, now)? };
    Ok(conn.prepare_cached(LOG_READER)?.exists(values)?)
}

fn begin(conn: &Connection, per_principal_max: u32, now: i64) -> Result<Option<ExportJob>> {
    const BEGIN: &str = "
        update export_job set state = 'processing', attempt = attempt + 1, generation = generation + 1,
            begun_seq = (select commit_seq from database), started_at = :now, rows_done = 0, rows_expected = null
        where seq = :seq";
    let Some(seq) = next(conn, per_principal_max, now)? else { return Ok(None) };
    conn.prepare_cached(BEGIN)?.execute(named_params! { ":now": now, ":seq": seq })?;
    let sql = format!("select {COLUMNS} from export_job where seq = :seq");
    Ok(Some(conn.prepare_cached(&sql)?.query_row(named_params! { ":seq": seq }, from_row)?))
}

fn next(conn: &Connection, per_principal_max: u32, now: i64) -> Result<Option<i64>> {
    const NEXT: &str = r#"
        with waiting as (
            select issuer, subject, min(seq) as seq from export_job
            where state = 'queued' and not (:held and request like '%"report_type":"system-events"%')
            group by issuer, subject
        ), standing as (
            select waiting.seq,
                (select count(*) from export_job where state = 'processing' and issuer = waiting.issuer
                    and subject = waiting.subject) as under_way,
                (select max(begun_seq) from export_job where issuer = waiting.issuer and subject = waiting.subject)
                    as last_served
            from waiting
        )
        select seq from standing where under_way < :per_principal_max order by under_way, last_served, seq limit 1"#;
    let bound = named_params! { ":per_principal_max": per_principal_max, ":held": hold::is_held(conn, now)? };
    Ok(conn.prepare_cached(NEXT)?.query_row(bound, |row| row.get("seq")).optional()?)
}

fn note_progress(conn: &Connection, id: &str, generation: i64, done: u64, expected: Option<u64>) -> Result<bool> {
    const PROGRESS: &str = "
        update export_job set rows_done = :done, rows_expected = :expected
        where id = :id and generation = :generation and state = 'processing'";
    let row = named_params! {
        ":id": id, ":generation": generation, ":done": done as i64, ":expected": expected.map(|n| n as i64),
    };
    Ok(conn.prepare_cached(PROGRESS)?.execute(row)? > 0)
}

fn complete(conn: &Connection, id: &str, generation: i64, finished: &Finished, now: i64) -> Result<bool> {
    const COMPLETE: &str = "
        update export_job set state = 'completed', finished_at = :now, expires_at = :expires_at, row_count = :rows,
            rows_done = :rows, rows_expected = :rows, bytes = :bytes, sha256 = :sha256, file_state = 1
        where id = :id and generation = :generation and state = 'processing'";
    let row = named_params! {
        ":id": id, ":generation": generation, ":now": now, ":expires_at": finished.expires_at,
        ":rows": finished.rows as i64, ":bytes": finished.bytes as i64, ":sha256": finished.sha256,
    };
    Ok(conn.prepare_cached(COMPLETE)?.execute(row)? > 0)
}

fn fail(conn: &Connection, id: &str, generation: i64, error: &ExportError, now: i64) -> Result<bool> {
    const FAIL: &str = "
        update export_job set state = 'failed', finished_at = :now, error_code = :code, error_message = :message
        where id = :id and generation = :generation and state = 'processing'";
    let row = named_params! {
        ":id": id, ":generation": generation, ":now": now, ":code": error.code, ":message": error.message,
    };
    Ok(conn.prepare_cached(FAIL)?.execute(row)? > 0)
}

fn put_back(conn: &Connection, id: &str, generation: i64) -> Result<bool> {
    const PUT_BACK: &str = "
        update export_job set state = 'queued', attempt = attempt - 1, generation = generation + 1, rows_done = 0,
            rows_expected = null
        where id = :id and generation = :generation and state = 'processing'";
    let row = named_params! { ":id": id, ":generation": generation };
    Ok(conn.prepare_cached(PUT_BACK)?.execute(row)? > 0)
}

fn recover(conn: &Connection, now: i64) -> Result<Recovered> {
    const GIVE_UP: &str = "
        update export_job set state = 'failed', finished_at = :now, generation = generation + 1,
            error_code = 'interrupted', error_message = :message
        where state = 'processing' and attempt >= :attempts_max";
    const REQUEUE: &str = "
        update export_job set state = 'queued', generation = generation + 1, rows_done = 0, rows_expected = null
        where state = 'processing'";
    let message = format!(
        "the server ended {ATTEMPTS_MAX} times while it was at this export, and it is not tried again; ask for it anew, \
         or for a shorter range"
    );
    let bounds = named_params! { ":now": now, ":message": message, ":attempts_max": ATTEMPTS_MAX };
    let failed = worn_out(conn)?;
    conn.prepare_cached(GIVE_UP)?.execute(bounds)?;
    let requeued = conn.prepare_cached(REQUEUE)?.execute([])?;
    Ok(Recovered { requeued, failed })
}

/// Jobs under way that have been begun as often as a job may be.
fn worn_out(conn: &Connection) -> Result<Vec<ExportJob>> {
    let sql = format!("select {COLUMNS} from export_job where state = 'processing' and attempt >= :attempts_max");
    let mut statement = conn.prepare_cached(&sql)?;
    let jobs = statement.query_map(named_params! { ":attempts_max": ATTEMPTS_MAX }, from_row)?;
    Ok(jobs.collect::<rusqlite::Result<_>>()?)
}
