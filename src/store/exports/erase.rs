//! What erasing a person does to exports: files that may hold the id go, and jobs that would write it again.

use rusqlite::{Connection, named_params};

use super::users::{FREE, padded};
use crate::error::Result;
use crate::model::Id;

/// Part of the transaction that erases: from its commit on no file with ids of users can be downloaded that was begun
/// before. Jobs about this very person fail with the code `erased`; others that name users and are under way are begun
/// anew, without counting as an attempt.
pub fn forget_user(conn: &Connection, user_id: &Id, now: i64) -> Result<()> {
    give_up_files(conn, user_id, now)?;
    end_jobs_about(conn, user_id, now)?;
    begin_others_anew(conn)?;
    blank_id(conn, user_id)
}

const ABOUT: &str = "user_slot in (select slot from export_job_user where user_id = :user_id)";

fn give_up_files(conn: &Connection, user_id: &Id, now: i64) -> Result<()> {
    let sql = format!(
        "update export_job set file_state = 2, expires_at = min(expires_at, :now)
        where file_state = 1 and (names_users = 1 or {ABOUT})"
    );
    conn.prepare_cached(&sql)?.execute(named_params! { ":user_id": padded(user_id), ":now": now })?;
    Ok(())
}

fn end_jobs_about(conn: &Connection, user_id: &Id, now: i64) -> Result<()> {
    let sql = format!(
        "update export_job set state = 'failed', generation = generation + 1, finished_at = :now, error_code = 'erased',
            error_message = 'the person whom this export was about has been erased'
        where state in ('queued', 'processing') and {ABOUT}"
    );
    conn.prepare_cached(&sql)?.execute(named_params! { ":user_id": padded(user_id), ":now": now })?;
    Ok(())
}

fn begin_others_anew(conn: &Connection) -> Result<()> {
    const ANEW: &str = "
        update export_job set state = 'queued', attempt = attempt - 1, generation = generation + 1, rows_done = 0,
            rows_expected = null
        where state = 'processing' and names_users = 1";
    conn.prepare_cached(ANEW)?.execute([])?;
    Ok(())
}

fn blank_id(conn: &Connection, user_id: &Id) -> Result<()> {
    const BLANK: &str = "update export_job_user set user_id = :free where user_id = :user_id";
    let forget = format!("update export_job set user_slot = null where {ABOUT}");
    let user_id = padded(user_id);
    // In this order: a row that is free may be another's soon.
    conn.prepare_cached(&forget)?.execute(named_params! { ":user_id": user_id })?;
    conn.prepare_cached(BLANK)?.execute(named_params! { ":user_id": user_id, ":free": FREE })?;
    Ok(())
}
