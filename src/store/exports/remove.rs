//! The end of jobs and their files. A file is first given up by its row, then unlinked; what a crash leaves between the
//! two is found by whoever looks next.

use rusqlite::{Connection, named_params};

use super::users::FREE;
use super::{COLUMNS, ExportJob, FILE_GIVEN_UP, FILE_KEPT, find, from_row};
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
    /// It is finished, and nobody can download its file any more. The file of this name has to be unlinked, and that to be
    /// noted; then the job can be removed. Until then its row stays: a file without one would be found by nobody.
    FileFirst { file_name: String },
    /// It was finished: its row is gone.
    Removed,
}

impl Store {
    /// Cancels an unfinished job, removes a finished one that has no file; durable when it returns.
    pub async fn remove_export(&self, id: &str, now: i64) -> Result<Removed> {
        let id = id.to_string();
        let removed = self.control(move |conn| remove(conn, &id, now)).await?;
        self.inner.exports.ring();
        Ok(removed)
    }

    /// Gives up files that have expired, and the oldest ones while all together are larger than `bytes_max`; forgets jobs
    /// of long ago. What is given up once stays so, whatever becomes of the clock.
    pub async fn expire_exports(&self, bytes_max: u64, now: i64) -> Result<()> {
        self.control(move |conn| expire(conn, bytes_max, now)).await
    }

    /// Notes that files are gone, those of jobs that are not there any more, too.
    pub async fn note_exports_unlinked(&self, ids: Vec<String>) -> Result<()> {
        const UNLINKED: &str = "update export_job set file_state = 0 where id = :id and state = 'completed'";
        self.control(move |conn| {
            let mut statement = conn.prepare_cached(UNLINKED)?;
            for id in &ids {
                statement.execute(named_params! { ":id": id })?;
            }
            Ok(())
        })
        .await
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
    /// Whether [`Store::expire_exports`] has something to do: it costs a commit.
    pub fn is_export_expiry_due(&self, bytes_max: u64, now: i64) -> Result<bool> {
        const DUE: &str = "
            select coalesce(sum(bytes), 0) > :bytes_max or coalesce(min(expires_at), :now + 1) <= :now
                or exists (select 1 from export_job where file_state = 0 and finished_at <= :ended_by)
            from export_job where file_state = 1";
        let row = named_params! { ":bytes_max": bounded(bytes_max), ":now": now, ":ended_by": forgotten_by(now) };
        Ok(self.conn().prepare_cached(DUE)?.query_row(row, |row| row.get(0))?)
    }

    /// Jobs whose file was given up and is still there, as far as we know; at most so many.
    pub fn exports_to_unlink(&self, limit: usize) -> Result<Vec<ExportJob>> {
        self.exports_by_file(FILE_GIVEN_UP, limit)
    }

    /// Jobs whose files have a right to be in the directory.
    pub fn exports_with_files(&self) -> Result<Vec<ExportJob>> {
        self.exports_by_file(FILE_KEPT, usize::MAX)
    }

    fn exports_by_file(&self, state: i64, limit: usize) -> Result<Vec<ExportJob>> {
        let sql = format!(
            "select {COLUMNS} from export_job where file_state = :state order by finished_at, seq limit :limit"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.conn().prepare_cached(&sql)?;
        let jobs = statement.query_map(named_params! { ":state": state, ":limit": limit }, from_row)?;
        Ok(jobs.collect::<rusqlite::Result<_>>()?)
    }
}

fn bounded(bytes_max: u64) -> i64 {
    i64::try_from(bytes_max).unwrap_or(i64::MAX)
}

fn forgotten_by(now: i64) -> i64 {
    now.saturating_sub(JOBS_KEPT_MICROS)
}

fn remove(conn: &Connection, id: &str, now: i64) -> Result<Removed> {
    const CANCEL: &str = "
        update export_job set state = 'failed', generation = generation + 1, finished_at = :now, error_code = 'cancelled',
            error_message = 'the export was cancelled; ask for it anew if it is still wanted'
        where id = :id";
    const FREE_USER: &str = "
        update export_job_user set user_id = :free where slot = (select user_slot from export_job where id = :id)";
    const DELETE: &str = "delete from export_job where id = :id";
    if give_up_file(conn, id, now)? {
        return Ok(find(conn, id)?.map_or(Removed::Missing, |job| Removed::FileFirst { file_name: job.file_name() }));
    }
    let Some(job) = find(conn, id)? else { return Ok(Removed::Missing) };
    match job.state {
        JobState::Queued | JobState::Processing => {
            conn.prepare_cached(CANCEL)?.execute(named_params! { ":id": id, ":now": now })?;
            Ok(Removed::Cancelled)
        }
        JobState::Completed | JobState::Failed => {
            conn.prepare_cached(FREE_USER)?.execute(named_params! { ":free": FREE, ":id": id })?;
            conn.prepare_cached(DELETE)?.execute(named_params! { ":id": id })?;
            Ok(Removed::Removed)
        }
    }
}

/// True if there is a file, as far as we know, that was given up now or before.
fn give_up_file(conn: &Connection, id: &str, now: i64) -> Result<bool> {
    const GIVE_UP: &str = "
        update export_job set file_state = 2, expires_at = min(expires_at, :now) where id = :id and file_state <> 0";
    Ok(conn.prepare_cached(GIVE_UP)?.execute(named_params! { ":id": id, ":now": now })? > 0)
}

fn expire(conn: &Connection, bytes_max: u64, now: i64) -> Result<()> {
    const EXPIRED: &str = "update export_job set file_state = 2 where file_state = 1 and expires_at <= :now";
    // The newest files that fit together stay; what is older goes. A running sum over an index of files that are there.
    const TOO_MUCH: &str = "
        update export_job set file_state = 2, expires_at = min(expires_at, :now) where file_state = 1 and seq in (
            select seq from (
                select seq, sum(bytes) over (order by finished_at desc, seq desc) as together
                from export_job where file_state = 1
            ) where together > :bytes_max
        )";
    const FREE_USERS: &str = "
        update export_job_user set user_id = :free where slot in (
            select user_slot from export_job where file_state = 0 and finished_at <= :ended_by
        )";
    const FORGET: &str = "delete from export_job where file_state = 0 and finished_at <= :ended_by";
    conn.prepare_cached(EXPIRED)?.execute(named_params! { ":now": now })?;
    conn.prepare_cached(TOO_MUCH)?.execute(named_params! { ":now": now, ":bytes_max": bounded(bytes_max) })?;
    let ended_by = forgotten_by(now);
    conn.prepare_cached(FREE_USERS)?.execute(named_params! { ":free": FREE, ":ended_by": ended_by })?;
    conn.prepare_cached(FORGET)?.execute(named_params! { ":ended_by": ended_by })?;
    Ok(())
}
