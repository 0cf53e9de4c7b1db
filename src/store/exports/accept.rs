//! A job comes in: its row, the charge and what its Idempotency-Key stands for are one transaction.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::users::take_slot;
use super::{ExportJob, find};
use crate::error::Result;
use crate::model::{Day, Id};
use crate::store::{Store, charge_export};

/// An Idempotency-Key stands for its job so long (microseconds).
const IDEMPOTENCY_MICROS: i64 = Day::MICROS;

/// A job to be accepted. The times are Unix microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewExport {
    /// Random, 128 bits at least.
    pub id: String,
    pub issuer: String,
    pub subject: String,
    /// Canonical JSON, without the user that the report is filtered by.
    pub request: String,
    pub user_id: Option<Id>,
    pub extension: &'static str,
    /// Whether the file will hold ids of users.
    pub names_users: bool,
    pub idempotency: Option<Idempotency>,
    pub now: i64,
    /// The UTC day to charge, and how many there may be; 0: no limit. None: nothing is charged.
    pub charge: Option<(Day, u32)>,
}

/// What a request is recognised by when it comes again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    pub key: String,
    /// SHA-256 of everything that was asked for.
    pub request_digest: [u8; 32],
}

/// What became of a request for a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    New(ExportJob),
    /// The same was asked for before, under the same key.
    Repeated(ExportJob),
    /// It was, and the job has been removed since.
    RepeatedButGone,
    /// The key stands for another request.
    KeyInUse,
    /// The day's exports are used up. Nothing was written.
    OverQuota,
}

impl Store {
    /// Takes a job in; durable when it returns, together with its charge. Errors as [`Store::record`].
    pub async fn accept_export(&self, new: NewExport) -> Result<Accepted> {
        let accepted = self.control(move |conn| accept(conn, &new)).await?;
        self.inner.exports.ring();
        Ok(accepted)
    }
}

fn accept(conn: &Connection, new: &NewExport) -> Result<Accepted> {
    forget_old_keys(conn, new.now)?;
    if let Some(known) = known_by_key(conn, new)? {
        return Ok(known);
    }
    if let Some((day, max)) = new.charge
        && !charge_export(conn, &new.issuer, &new.subject, day, max)?
    {
        return Ok(Accepted::OverQuota);
    }
    insert(conn, new)?;
    remember_key(conn, new)?;
    let job = find(conn, &new.id)?.ok_or_else(crate::store::varint::damaged)?;
    Ok(Accepted::New(job))
}

fn forget_old_keys(conn: &Connection, now: i64) -> Result<()> {
    const FORGET: &str = "delete from export_idempotency where created_at <= :ended_by";
    let ended_by = now.saturating_sub(IDEMPOTENCY_MICROS);
    conn.prepare_cached(FORGET)?.execute(named_params! { ":ended_by": ended_by })?;
    Ok(())
}

fn known_by_key(conn: &Connection, new: &NewExport) -> Result<Option<Accepted>> {
    const KNOWN: &str = "
        select request_digest, job_id from export_idempotency
        where issuer = :issuer and subject = :subject and key = :key";
    let Some(idempotency) = &new.idempotency else { return Ok(None) };
    let key = named_params! { ":issuer": new.issuer, ":subject": new.subject, ":key": idempotency.key };
    let read = |row: &rusqlite::Row| Ok((row.get::<_, [u8; 32]>("request_digest")?, row.get::<_, String>("job_id")?));
    let known = conn.prepare_cached(KNOWN)?.query_row(key, read).optional()?;
    let Some((digest, job_id)) = known else { return Ok(None) };
    if digest != idempotency.request_digest {
        return Ok(Some(Accepted::KeyInUse));
    }
    Ok(Some(find(conn, &job_id)?.map_or(Accepted::RepeatedButGone, Accepted::Repeated)))
}

fn insert(conn: &Connection, new: &NewExport) -> Result<()> {
    const INSERT: &str = "
        insert into export_job (id, issuer, subject, request, extension, user_slot, names_users, log_seq, state, attempt, generation,
            rows_done, created_at, file_state)
        values (:id, :issuer, :subject, :request, :extension, :user_slot, :names_users,
            (select coalesce(max(seq), 0) from log_event), 'queued', 0, 0, 0, :now, 0)";
    let user_slot = new.user_id.as_ref().map(|user_id| take_slot(conn, user_id)).transpose()?;
    conn.prepare_cached(INSERT)?.execute(named_params! {
        ":id": new.id,
        ":issuer": new.issuer,
        ":subject": new.subject,
        ":request": new.request,
        ":extension": new.extension,
        ":user_slot": user_slot,
        ":names_users": new.names_users,
        ":now": new.now,
    })?;
    Ok(())
}

fn remember_key(conn: &Connection, new: &NewExport) -> Result<()> {
    const REMEMBER: &str = "
        insert into export_idempotency (issuer, subject, key, request_digest, job_id, created_at)
        values (:issuer, :subject, :key, :request_digest, :job_id, :now)";
    let Some(idempotency) = &new.idempotency else { return Ok(()) };
    conn.prepare_cached(REMEMBER)?.execute(named_params! {
        ":issuer": new.issuer,
        ":subject": new.subject,
        ":key": idempotency.key,
        ":request_digest": idempotency.request_digest,
        ":job_id": new.id,
        ":now": new.now,
    })?;
    Ok(())
}
