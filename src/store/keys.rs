//! API keys at rest.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{Snapshot, Store};
use crate::error::{Error, Result};
use crate::model::{Grants, Roles, Scopes};

/// A row of api_key. Times are Unix microseconds.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The public part of the key.
    pub id: String,
    pub owner: String,
    pub grants: Grants,
    /// A keyed digest of the secret: a wrong one is told apart without argon2.
    pub secret_tag: i64,
    /// argon2id as a PHC string.
    pub secret_hash: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub last_used_at: Option<i64>,
}

impl Store {
    /// Durable when it returns.
    pub async fn create_key(&self, key: ApiKey) -> Result<()> {
        self.control(move |conn| insert(conn, &key)).await
    }

    /// False if there is no such key, or it is revoked already.
    pub async fn revoke_key(&self, id: String, now_unix_micros: i64) -> Result<bool> {
        self.control(move |conn| revoke(conn, &id, now_unix_micros)).await
    }

    /// Lets a key work no longer than `at`; one that ends before keeps its end.
    pub async fn expire_key(&self, id: String, at_unix_micros: i64) -> Result<()> {
        self.control(move |conn| expire(conn, &id, at_unix_micros)).await
    }

    /// Notes when keys were last used. Never moves back.
    pub async fn touch_keys(&self, used: Vec<(String, i64)>) -> Result<()> {
        self.control(move |conn| used.iter().try_for_each(|(id, at)| touch(conn, id, *at))).await
    }
}

impl Snapshot<'_> {
    pub fn key(&self, id: &str) -> Result<Option<ApiKey>> {
        const KEY: &str =
            "select id, owner, scopes, roles, secret_tag, secret_hash, created_at, expires_at, revoked_at, last_used_at
            from api_key where id = :id";
        Ok(self.conn().prepare_cached(KEY)?.query_row(named_params! { ":id": id }, from_row).optional()?)
    }

    /// Every key, revoked ones too, oldest first.
    pub fn keys(&self) -> Result<Vec<ApiKey>> {
        const KEYS: &str =
            "select id, owner, scopes, roles, secret_tag, secret_hash, created_at, expires_at, revoked_at, last_used_at
            from api_key order by created_at, id";
        let mut statement = self.conn().prepare_cached(KEYS)?;
        let keys = statement.query_map([], from_row)?.collect::<rusqlite::Result<_>>()?;
        Ok(keys)
    }
}

const INSERT: &str = "insert into api_key (id, owner, scopes, roles, secret_tag, secret_hash, created_at, expires_at)
    values (:id, :owner, :scopes, :roles, :secret_tag, :secret_hash, :created_at, :expires_at)";

fn insert(conn: &Connection, key: &ApiKey) -> Result<()> {
    let row = named_params! {
        ":id": key.id, ":owner": key.owner, ":scopes": key.grants.scopes.to_string(),
        ":roles": key.grants.roles.to_string(), ":secret_tag": key.secret_tag, ":secret_hash": key.secret_hash,
        ":created_at": key.created_at, ":expires_at": key.expires_at,
    };
    conn.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

const REVOKE: &str = "update api_key set revoked_at = :now where id = :id and revoked_at is null";

fn revoke(conn: &Connection, id: &str, now: i64) -> Result<bool> {
    Ok(conn.prepare_cached(REVOKE)?.execute(named_params! { ":id": id, ":now": now })? > 0)
}

const EXPIRE: &str = "update api_key set expires_at = min(coalesce(expires_at, :at), :at) where id = :id";

fn expire(conn: &Connection, id: &str, at: i64) -> Result<()> {
    conn.prepare_cached(EXPIRE)?.execute(named_params! { ":id": id, ":at": at })?;
    Ok(())
}

const TOUCH: &str = "update api_key set last_used_at = max(coalesce(last_used_at, :at), :at) where id = :id";

fn touch(conn: &Connection, id: &str, at: i64) -> Result<()> {
    conn.prepare_cached(TOUCH)?.execute(named_params! { ":id": id, ":at": at })?;
    Ok(())
}

fn from_row(row: &Row) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: row.get("id")?,
        owner: row.get("owner")?,
        grants: grants(row)?,
        secret_tag: row.get("secret_tag")?,
        secret_hash: row.get("secret_hash")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
        last_used_at: row.get("last_used_at")?,
    })
}

/// The columns `scopes` and `roles` of any control table.
pub(super) fn grants(row: &Row) -> rusqlite::Result<Grants> {
    let (scopes, roles): (String, String) = (row.get("scopes")?, row.get("roles")?);
    let unknown = |word: String| {
        let error = Error::internal(format!("the database holds the unknown scope or role {word:?}"));
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    };
    Ok(Grants { scopes: Scopes::parse(&scopes).map_err(unknown)?, roles: Roles::parse(&roles).map_err(unknown)? })
}

/// Without what is known of the secret.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).field("owner", &self.owner).finish_non_exhaustive()
    }
}
