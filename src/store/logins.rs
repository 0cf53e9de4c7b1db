//! Log-ins at rest: each is a family of refresh tokens of which only the newest is good.
//!
//! Whether a log-in begins or goes on is decided by the one writer, within the transaction that does it: of two requests
//! with one refresh token only one can win, and none can pass an account that is being disabled.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::accounts::{Account, account, note_login};
use super::{Snapshot, Store};
use crate::error::Result;

/// Log-ins of one account that live at once; a further one ends the one that was longest unused.
const LIVE_MAX: i64 = 50;
/// How long a log-in that has expired or was revoked is kept, for whoever looks into the database.
const KEPT_MICROS: i64 = 86_400_000_000;

/// A row of login. Times are Unix microseconds, digests SHA-256.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// Stands in its access tokens as `sid`.
    pub id: String,
    pub account: String,
    /// Of the part that all refresh tokens of the family share.
    pub family_digest: [u8; 32],
    /// Of the newest refresh token.
    pub secret_digest: [u8; 32],
    pub created_at: i64,
    pub refreshed_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
}

impl Login {
    pub fn is_live(&self, now_unix_micros: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at > now_unix_micros
    }
}

/// A refresh token sent, and what takes its place. Times are Unix microseconds, digests SHA-256.
#[derive(Clone, Debug)]
pub struct Refresh {
    pub family_digest: [u8; 32],
    pub secret_digest: [u8; 32],
    pub next_secret_digest: [u8; 32],
    pub now: i64,
    pub expires_at: i64,
}

/// What became of a refresh.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refreshed {
    /// The next refresh token is the good one now.
    Swapped,
    /// An older token of a log-in that was live: whoever holds the newest may be a thief, so the log-in has been ended.
    Reused { id: String, account: String },
    /// No such log-in, or it has ended.
    Refused,
}

impl Store {
    /// Begins a log-in, if the account is still as it was `seen` when its password was verified. Gives the ids of older
    /// log-ins that ended to make room; None, and nothing is done, if the account has changed or was disabled. Durable
    /// when it returns.
    pub async fn begin_login(&self, login: Login, seen: Account) -> Result<Option<Vec<String>>> {
        self.control(move |conn| begin(conn, &login, &seen)).await
    }

    /// Swaps a refresh token for the next one. Durable when it returns.
    pub async fn refresh_login(&self, refresh: Refresh) -> Result<Refreshed> {
        self.control(move |conn| swap(conn, &refresh)).await
    }
}

impl Snapshot<'_> {
    /// A log-in by its id, in any state; None if it ended long ago.
    pub fn login(&self, id: &str) -> Result<Option<Login>> {
        const LOGIN: &str = "
            select id, account, family_digest, secret_digest, created_at, refreshed_at, expires_at, revoked_at
            from login where id = :id";
        Ok(self.conn().prepare_cached(LOGIN)?.query_row(named_params! { ":id": id }, from_row).optional()?)
    }

    /// The log-in that a refresh token belongs to, in any state.
    pub fn login_of_family(&self, family_digest: &[u8; 32]) -> Result<Option<Login>> {
        of_family(self.conn(), family_digest)
    }
}

fn begin(conn: &Connection, login: &Login, seen: &Account) -> Result<Option<Vec<String>>> {
    let is_as_seen = |now: &Account| {
        now.disabled_at.is_none() && (&now.password_hash, now.grants) == (&seen.password_hash, seen.grants)
    };
    if !account(conn, &login.account)?.as_ref().is_some_and(is_as_seen) {
        return Ok(None);
    }
    purge(conn, &login.account, login.created_at)?;
    let ended = make_room(conn, &login.account, login.created_at)?;
    insert(conn, login)?;
    note_login(conn, &login.account, login.created_at)?;
    Ok(Some(ended))
}

// Of this account alone, by the index: another's rows are as few, and go when somebody logs in there.
const PURGE: &str = "
    delete from login where account = :account and min(expires_at, coalesce(revoked_at, expires_at)) <= :ended_by";

fn purge(conn: &Connection, account: &str, now: i64) -> Result<()> {
    let bounds = named_params! { ":account": account, ":ended_by": now.saturating_sub(KEPT_MICROS) };
    conn.prepare_cached(PURGE)?.execute(bounds)?;
    Ok(())
}

const MAKE_ROOM: &str = "
    update login set revoked_at = :now where id in (
        select id from login where account = :account and revoked_at is null and expires_at > :now
        order by refreshed_at desc, id limit -1 offset :keep
    ) returning id";

fn make_room(conn: &Connection, account: &str, now: i64) -> Result<Vec<String>> {
    let bounds = named_params! { ":account": account, ":now": now, ":keep": LIVE_MAX - 1 };
    let mut statement = conn.prepare_cached(MAKE_ROOM)?;
    let ended = statement.query_map(bounds, |row| row.get("id"))?.collect::<rusqlite::Result<_>>()?;
    Ok(ended)
}

const INSERT: &str = "
    insert into login (id, account, family_digest, secret_digest, created_at, refreshed_at, expires_at)
    values (:id, :account, :family_digest, :secret_digest, :created_at, :refreshed_at, :expires_at)";

fn insert(conn: &Connection, login: &Login) -> Result<()> {
    let row = named_params! {
        ":id": login.id, ":account": login.account, ":family_digest": login.family_digest,
        ":secret_digest": login.secret_digest, ":created_at": login.created_at, ":refreshed_at": login.refreshed_at,
        ":expires_at": login.expires_at,
    };
    conn.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

const SWAP: &str = "
    update login set secret_digest = :next, refreshed_at = :now, expires_at = :expires_at where id = :id";

fn swap(conn: &Connection, refresh: &Refresh) -> Result<Refreshed> {
    let login = of_family(conn, &refresh.family_digest)?.filter(|login| login.is_live(refresh.now));
    let Some(login) = login else { return Ok(Refreshed::Refused) };
    // Digests of 256 random bits: how long it takes to compare them tells nothing of use.
    if login.secret_digest != refresh.secret_digest {
        end_login(conn, &login.id, refresh.now)?;
        return Ok(Refreshed::Reused { id: login.id, account: login.account });
    }
    let next = named_params! {
        ":id": login.id, ":next": refresh.next_secret_digest, ":now": refresh.now, ":expires_at": refresh.expires_at,
    };
    conn.prepare_cached(SWAP)?.execute(next)?;
    Ok(Refreshed::Swapped)
}

const OF_FAMILY: &str = "
    select id, account, family_digest, secret_digest, created_at, refreshed_at, expires_at, revoked_at
    from login where family_digest = :family_digest";

fn of_family(conn: &Connection, family_digest: &[u8; 32]) -> Result<Option<Login>> {
    let family = named_params! { ":family_digest": family_digest };
    Ok(conn.prepare_cached(OF_FAMILY)?.query_row(family, from_row).optional()?)
}

const END_LOGIN: &str = "update login set revoked_at = :now where id = :id and revoked_at is null";

fn end_login(conn: &Connection, id: &str, now: i64) -> Result<()> {
    conn.prepare_cached(END_LOGIN)?.execute(named_params! { ":id": id, ":now": now })?;
    Ok(())
}

const END_LOGINS: &str = "update login set revoked_at = :now where account = :account and revoked_at is null";

/// Ends every log-in of an account, within the transaction that changes the account.
pub(super) fn end_logins(conn: &Connection, account: &str, now: i64) -> Result<()> {
    conn.prepare_cached(END_LOGINS)?.execute(named_params! { ":account": account, ":now": now })?;
    Ok(())
}

fn from_row(row: &Row) -> rusqlite::Result<Login> {
    Ok(Login {
        id: row.get("id")?,
        account: row.get("account")?,
        family_digest: row.get("family_digest")?,
        secret_digest: row.get("secret_digest")?,
        created_at: row.get("created_at")?,
        refreshed_at: row.get("refreshed_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

#[cfg(test)]
#[path = "logins_test.rs"]
mod tests;
