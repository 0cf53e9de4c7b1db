//! Tokens of `analytics token issue` at rest.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::keys::grants;
use super::{Snapshot, Store};
use crate::error::Result;
use crate::model::Grants;

/// Rows are kept so long after their tokens have expired: well past any leeway of a verification.
const KEPT_MICROS: i64 = 86_400_000_000;

/// A row of issued_token. Times are Unix microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssuedToken {
    /// The token's `jti`.
    pub id: String,
    pub subject: String,
    pub grants: Grants,
    /// The signing key that it needs.
    pub kid: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
}

impl Store {
    /// Durable when it returns. Drops the rows of tokens that have long expired.
    pub async fn create_issued_token(&self, token: IssuedToken) -> Result<()> {
        self.control(move |conn| {
            purge(conn, token.created_at - KEPT_MICROS)?;
            insert(conn, &token)
        })
        .await
    }

    /// False if there is no such token, or it is revoked already.
    pub async fn revoke_issued_token(&self, id: String, now_unix_micros: i64) -> Result<bool> {
        self.control(move |conn| revoke(conn, &id, now_unix_micros)).await
    }
}

impl Snapshot<'_> {
    pub fn issued_token(&self, id: &str) -> Result<Option<IssuedToken>> {
        const TOKEN: &str = "select id, subject, scopes, roles, kid, created_at, expires_at, revoked_at
            from issued_token where id = :id";
        Ok(self.conn().prepare_cached(TOKEN)?.query_row(named_params! { ":id": id }, from_row).optional()?)
    }

    /// Every token that has not expired, revoked ones too, oldest first.
    pub fn issued_tokens(&self, now_unix_micros: i64) -> Result<Vec<IssuedToken>> {
        const TOKENS: &str = "select id, subject, scopes, roles, kid, created_at, expires_at, revoked_at
            from issued_token where expires_at > :now order by created_at, id";
        let mut statement = self.conn().prepare_cached(TOKENS)?;
        let tokens = statement.query_map(named_params! { ":now": now_unix_micros }, from_row)?;
        Ok(tokens.collect::<rusqlite::Result<_>>()?)
    }
}

const PURGE: &str = "delete from issued_token where expires_at < :before";

fn purge(conn: &Connection, before: i64) -> Result<()> {
    conn.prepare_cached(PURGE)?.execute(named_params! { ":before": before })?;
    Ok(())
}

const INSERT: &str = "insert into issued_token (id, subject, scopes, roles, kid, created_at, expires_at)
    values (:id, :subject, :scopes, :roles, :kid, :created_at, :expires_at)";

fn insert(conn: &Connection, token: &IssuedToken) -> Result<()> {
    let row = named_params! {
        ":id": token.id, ":subject": token.subject, ":scopes": token.grants.scopes.to_string(),
        ":roles": token.grants.roles.to_string(), ":kid": token.kid, ":created_at": token.created_at,
        ":expires_at": token.expires_at,
    };
    conn.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

const REVOKE: &str = "update issued_token set revoked_at = :now where id = :id and revoked_at is null";

fn revoke(conn: &Connection, id: &str, now: i64) -> Result<bool> {
    Ok(conn.prepare_cached(REVOKE)?.execute(named_params! { ":id": id, ":now": now })? > 0)
}

fn from_row(row: &Row) -> rusqlite::Result<IssuedToken> {
    Ok(IssuedToken {
        id: row.get("id")?,
        subject: row.get("subject")?,
        grants: grants(row)?,
        kid: row.get("kid")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}
