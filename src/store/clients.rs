//! Clients of the embedded issuer at rest.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::keys::grants;
use super::{Snapshot, Store};
use crate::error::Result;
use crate::model::Grants;

/// A row of client. Times are Unix microseconds.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    pub id: String,
    pub name: String,
    pub grants: Grants,
    pub secret_tag: i64,
    /// argon2id as a PHC string.
    pub secret_hash: String,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
    pub last_used_at: Option<i64>,
}

impl Store {
    /// Durable when it returns.
    pub async fn create_client(&self, client: Client) -> Result<()> {
        self.control(move |conn| insert(conn, &client)).await
    }

    /// False if there is no such client, or it is revoked already.
    pub async fn revoke_client(&self, id: String, now_unix_micros: i64) -> Result<bool> {
        self.control(move |conn| revoke(conn, &id, now_unix_micros)).await
    }

    /// Notes when a client last fetched a token. Never moves back.
    pub async fn touch_client(&self, id: String, now_unix_micros: i64) -> Result<()> {
        self.control(move |conn| touch(conn, &id, now_unix_micros)).await
    }
}

impl Snapshot<'_> {
    pub fn client(&self, id: &str) -> Result<Option<Client>> {
        const CLIENT: &str =
            "select id, name, scopes, roles, secret_tag, secret_hash, created_at, revoked_at, last_used_at
            from client where id = :id";
        Ok(self.conn().prepare_cached(CLIENT)?.query_row(named_params! { ":id": id }, from_row).optional()?)
    }

    /// Every client, revoked ones too, oldest first.
    pub fn clients(&self) -> Result<Vec<Client>> {
        const CLIENTS: &str =
            "select id, name, scopes, roles, secret_tag, secret_hash, created_at, revoked_at, last_used_at
            from client order by created_at, id";
        let mut statement = self.conn().prepare_cached(CLIENTS)?;
        let clients = statement.query_map([], from_row)?.collect::<rusqlite::Result<_>>()?;
        Ok(clients)
    }
}

const INSERT: &str = "insert into client (id, name, scopes, roles, secret_tag, secret_hash, created_at)
    values (:id, :name, :scopes, :roles, :secret_tag, :secret_hash, :created_at)";

fn insert(conn: &Connection, client: &Client) -> Result<()> {
    let row = named_params! {
        ":id": client.id, ":name": client.name, ":scopes": client.grants.scopes.to_string(),
        ":roles": client.grants.roles.to_string(), ":secret_tag": client.secret_tag,
        ":secret_hash": client.secret_hash, ":created_at": client.created_at,
    };
    conn.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

const REVOKE: &str = "update client set revoked_at = :now where id = :id and revoked_at is null";

fn revoke(conn: &Connection, id: &str, now: i64) -> Result<bool> {
    Ok(conn.prepare_cached(REVOKE)?.execute(named_params! { ":id": id, ":now": now })? > 0)
}

const TOUCH: &str = "update client set last_used_at = max(coalesce(last_used_at, :at), :at) where id = :id";

fn touch(conn: &Connection, id: &str, at: i64) -> Result<()> {
    conn.prepare_cached(TOUCH)?.execute(named_params! { ":id": id, ":at": at })?;
    Ok(())
}

fn from_row(row: &Row) -> rusqlite::Result<Client> {
    Ok(Client {
        id: row.get("id")?,
        name: row.get("name")?,
        grants: grants(row)?,
        secret_tag: row.get("secret_tag")?,
        secret_hash: row.get("secret_hash")?,
        created_at: row.get("created_at")?,
        revoked_at: row.get("revoked_at")?,
        last_used_at: row.get("last_used_at")?,
    })
}

/// Without what is known of the secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}
