//! The signing keys of the embedded issuer at rest.
//!
//! A retired key is deleted once no token that it signed can be good any more: the tokens of clients and log-ins last a day
//! at most, and those that an administrator issued, for years perhaps, name their key.

use std::fmt;

use rusqlite::{Connection, Row, named_params};

use super::{Snapshot, Store};
use crate::error::Result;

/// How long a retired key is kept in any case: the longest that `issuer.token_ttl_s` may ever have been set to, and an
/// hour for clocks.
const KEPT_MICROS: i64 = (86_400 + 3_600) * 1_000_000;

/// A row of signing_key. Times are Unix microseconds.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    pub kid: String,
    /// "EdDSA" or "ES256".
    pub algorithm: String,
    /// PKCS #8.
    pub private_key: Vec<u8>,
    pub created_at: i64,
    /// From then on it signs no more.
    pub retired_at: Option<i64>,
}

impl Store {
    /// Puts a new key in the place of the current one, which is retired, and deletes the keys that are needed no more.
    /// Durable when it returns. Gives all keys, the current one first, then the one last retired.
    pub async fn rotate_signing_key(&self, new: SigningKey) -> Result<Vec<SigningKey>> {
        self.control(move |conn| rotate(conn, &new)).await
    }

    /// The same, unless there is a current key of the same algorithm: that one stays, and `new` is dropped.
    pub async fn ensure_signing_key(&self, new: SigningKey) -> Result<Vec<SigningKey>> {
        self.control(move |conn| ensure(conn, &new)).await
    }
}

impl Snapshot<'_> {
    /// All keys, the current one (if there is one) first, then the one last retired.
    pub fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        read(self.conn())
    }
}

fn rotate(conn: &Connection, new: &SigningKey) -> Result<Vec<SigningKey>> {
    retire(conn, new.created_at)?;
    insert(conn, new)?;
    purge(conn, new.created_at)?;
    read(conn)
}

fn ensure(conn: &Connection, new: &SigningKey) -> Result<Vec<SigningKey>> {
    let keys = read(conn)?;
    if !keys.first().is_some_and(|key| key.retired_at.is_none() && key.algorithm == new.algorithm) {
        return rotate(conn, new);
    }
    purge(conn, new.created_at)?;
    read(conn)
}

const RETIRE: &str = "update signing_key set retired_at = :now where retired_at is null";

fn retire(conn: &Connection, now: i64) -> Result<()> {
    conn.prepare_cached(RETIRE)?.execute(named_params! { ":now": now })?;
    Ok(())
}

const INSERT: &str = "insert into signing_key (kid, algorithm, private_key, created_at)
    values (:kid, :algorithm, :private_key, :created_at)";

fn insert(conn: &Connection, key: &SigningKey) -> Result<()> {
    let row = named_params! {
        ":kid": key.kid, ":algorithm": key.algorithm, ":private_key": key.private_key, ":created_at": key.created_at,
    };
    conn.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

const PURGE: &str = "delete from signing_key where retired_at < :before and not exists (
    select 1 from issued_token as token
    where token.kid = signing_key.kid and token.revoked_at is null and token.expires_at > :now)";

fn purge(conn: &Connection, now: i64) -> Result<()> {
    let bounds = named_params! { ":now": now, ":before": now - KEPT_MICROS };
    conn.prepare_cached(PURGE)?.execute(bounds)?;
    Ok(())
}

const KEYS: &str = "select kid, algorithm, private_key, created_at, retired_at from signing_key
    order by retired_at desc nulls first, created_at desc, kid";

fn read(conn: &Connection) -> Result<Vec<SigningKey>> {
    let mut statement = conn.prepare_cached(KEYS)?;
    let keys = statement.query_map([], from_row)?.collect::<rusqlite::Result<_>>()?;
    Ok(keys)
}

fn from_row(row: &Row) -> rusqlite::Result<SigningKey> {
    Ok(SigningKey {
        kid: row.get("kid")?,
        algorithm: row.get("algorithm")?,
        private_key: row.get("private_key")?,
        created_at: row.get("created_at")?,
        retired_at: row.get("retired_at")?,
    })
}

/// Without the key itself.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SigningKey { kid, algorithm, private_key: _, created_at, retired_at } = self;
        write!(f, "SigningKey {{ kid: {kid:?}, algorithm: {algorithm:?}, created_at: {created_at}, {retired_at:?} }}")
    }
}
