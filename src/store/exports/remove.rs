//! The end of jobs and their files. A file is first given up by its row, then unlinked; what a crash leaves between the
//! two is found by whoever looks next.

use rusqlite::{Connection, named_params};

use super::{ExportJob, find};
use crate::error::Result;
use crate::model::{Day, JobState};
use crate::store::{Snapshot, Store};

/// Rows of jobs that ended longer ago are forgotten: a year, for those who ask who exported what.
const JOBS_KEPT_MICROS: i64 = 366 * Day::MICROS;

/// What became of a job that was to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Removed {
    /// There is no such job.
    Missing,
    /// It was unfinished: now it has failed with the code `cancelled`.
    Cancelled,
    /// It was finished: its row is gone. The file of this name has to go, if there is one.
    Removed { file_name: String },
}

impl Store {
    /// Cancels an unfinished job, removes a finished one; durable when it returns.
    pub async fn remove_export(&self, id: &str, now: i64) -> Result<Removed> {
        let id = id.to_string();
        let removed = self.control(move |conn| remove(conn, &id, now)).await?;
        self.inner.exports.ring();
        Ok(removed)
    }

    /// Gives up files that have expired, and the oldest ones while all together are larger than `bytes_max`; forgets jobs
    /// of long ago.
    pub async fn expire_exports(&self, bytes_max: u64, now: i64) -> Result<()> {
        self.control(move |conn| expire(conn, bytes_max, now)).await
    }

    /// Notes that a file given up is gone.
    pub async fn note_export_unlinked(&self, id: &str) -> Result<()> {
        const UNLINKED: &str = "update export_job set has_file = 0 where id = :id and state = 'completed'";
        let id = id.to_string();
        self.control(move |conn| Ok(drop(conn.prepare_cached(UNLINKED)?.execute(named_params! { ":id": id })?))).await
    }

    /// Gives a job the key that signs its links, unless it has one, and gives the key that it has then. None if there is
    /// no such job.
    pub async fn export_link_key(&self, id: &str, fresh: [u8; 32]) -> Result<Option<[u8; 32]>> {
        const SET: &str = "update export_job set link_key = coalesce(link_key, :fresh) where id = :id";
        let id = id.to_string();
        self.control(move |conn| {
            conn.prepare_cached(SET)?.execute(named_params! { ":fresh": fresh, ":id": id })?;
            Ok(find(conn, &id)?.and_then(|job| job.link_key))
        })
        .await
    }

    /// Ends every link of a job. False if there is no such job.
    pub async fn end_export_links(&self, id: &str) -> Result<bool> {
        const END: &str = "update export_job set link_key = null where id = :id";
        let id = id.to_string();
        self.control(move |conn| Ok(conn.prepare_cached(END)?.execute(named_params! { ":id": id })? > 0)).await
    }
}

impl Snapshot<'_> {
    /// Completed jobs whose file has expired or was given up, and is still there as far as we know.
    pub fn exports_to_unlink(&self, now: i64) -> Result<Vec<ExportJob>> {
        let sql = format!(
            "select {} from export_job where has_file = 1 and expires_at <= :now order by finished_at",
            super::COLUMNS
        );
        let mut statement = self.conn().prepare_cached(&sql)?;
        let jobs = statement.query_map(named_params! { ":now": now }, super::from_row)?;
        Ok(jobs.collect::<rusqlite::Result<_>>()?)
    }

    /// The names of all files that have a right to be in the directory.
    pub fn export_file_names(&self) -> Result<Vec<String>> {
        const NAMES: &str = "select 'export-' || id || '.' || extension from export_job where has_file = 1";
        let mut statement = self.conn().prepare_cached(NAMES)?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }
}

fn remove(conn: &Connection, id: &str, now: i64) -> Result<Removed> {
    const CANCEL: &str = "
        update export_job set state = 'failed', generation = generation + 1, finished_at = :now, error_code = 'cancelled',
            error_message = 'the export was cancelled; ask for it anew if it is still wanted'
        where id = :id";
    const DELETE_USER: &str = "
        delete from export_job_user where seq = (select seq from export_job where id = :id)";
    const DELETE: &str = "delete from export_job where id = :id";
    let Some(job) = find(conn, id)? else { return Ok(Removed::Missing) };
    match job.state {
        JobState::Queued | JobState::Processing => {
            conn.prepare_cached(CANCEL)?.execute(named_params! { ":id": id, ":now": now })?;
            Ok(Removed::Cancelled)
        }
        JobState::Completed | JobState::Failed => {
            conn.prepare_cached(DELETE_USER)?.execute(named_params! { ":id": id })?;
            conn.prepare_cached(DELETE)?.execute(named_params! { ":id": id })?;
            Ok(Removed::Removed { file_name: job.file_name() })
        }
    }
}

fn expire(conn: &Connection, bytes_max: u64, now: i64) -> Result<()> {
    // The newest files that fit together stay; what is older goes. Running sums over an index of files that are there.
    const TOO_MUCH: &str = "
        update export_job set expires_at = :now where has_file = 1 and expires_at > :now and seq in (
            select seq from (
                select seq, sum(bytes) over (order by finished_at desc, seq desc) as together
                from export_job where has_file = 1 and expires_at > :now
            ) where together > :bytes_max
        )";
    const FORGET_USERS: &str = "
        delete from export_job_user where seq in (
            select seq from export_job where has_file = 0 and finished_at <= :ended_by
        )";
    const FORGET: &str = "delete from export_job where has_file = 0 and finished_at <= :ended_by";
    let bytes_max = i64::try_from(bytes_max).unwrap_or(i64::MAX);
    conn.prepare_cached(TOO_MUCH)?.execute(named_params! { ":now": now, ":bytes_max": bytes_max })?;
    let ended_by = now.saturating_sub(JOBS_KEPT_MICROS);
    conn.prepare_cached(FORGET_USERS)?.execute(named_params! { ":ended_by": ended_by })?;
    conn.prepare_cached(FORGET)?.execute(named_params! { ":ended_by": ended_by })?;
    Ok(())
}
