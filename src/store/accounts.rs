//! Accounts at rest. What changes an account's rights or password ends its log-ins in the same transaction, so that no
//! log-in ever rests on what an account was.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::keys::grants;
use super::logins::end_logins;
use super::{Snapshot, Store};
use crate::error::Result;
use crate::model::Grants;

/// A row of account. Times are Unix microseconds.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub grants: Grants,
    /// argon2id as a PHC string.
    pub password_hash: String,
    pub created_at: i64,
    pub disabled_at: Option<i64>,
    pub last_login_at: Option<i64>,
}

impl Store {
    /// Durable when it returns. False if the name is taken.
    pub async fn create_account(&self, account: Account) -> Result<bool> {
        self.control(move |conn| insert(conn, &account)).await
    }

    /// Disables an account and ends its log-ins, or enables it again. False if there is no such account.
    pub async fn set_account_disabled(&self, name: String, disabled: bool, now_unix_micros: i64) -> Result<bool> {
        self.control(move |conn| match disabled {
            true => disable(conn, &name, now_unix_micros),
            false => enable(conn, &name),
        })
        .await
    }

    /// `password_hash`: argon2id as a PHC string. Ends the account's log-ins. False if there is no such account.
    pub async fn set_account_password(
        &self,
        name: String,
        password_hash: String,
        now_unix_micros: i64,
    ) -> Result<bool> {
        self.control(move |conn| set_password(conn, &name, &password_hash, now_unix_micros)).await
    }

    /// Ends the account's log-ins. False if there is no such account.
    pub async fn set_account_grants(&self, name: String, grants: Grants, now_unix_micros: i64) -> Result<bool> {
        self.control(move |conn| set_grants(conn, &name, grants, now_unix_micros)).await
    }
}

impl Snapshot<'_> {
    pub fn account(&self, name: &str) -> Result<Option<Account>> {
        account(self.conn(), name)
    }

    /// Every account, disabled ones too, by name.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        const ACCOUNTS: &str = "
            select name, scopes, roles, password_hash, created_at, disabled_at, last_login_at
            from account order by name";
        let mut statement = self.conn().prepare_cached(ACCOUNTS)?;
        let accounts = statement.query_map([], from_row)?.collect::<rusqlite::Result<_>>()?;
        Ok(accounts)
    }
}

const ACCOUNT: &str = "
    select name, scopes, roles, password_hash, created_at, disabled_at, last_login_at
    from account where name = :name";

pub(super) fn account(conn: &Connection, name: &str) -> Result<Option<Account>> {
    Ok(conn.prepare_cached(ACCOUNT)?.query_row(named_params! { ":name": name }, from_row).optional()?)
}

// A name that is taken is an answer, not a failure: a job that fails would end the writer.
const INSERT: &str = "
    insert into account (name, scopes, roles, password_hash, created_at)
    values (:name, :scopes, :roles, :password_hash, :created_at) on conflict (name) do nothing";

fn insert(conn: &Connection, account: &Account) -> Result<bool> {
    let row = named_params! {
        ":name": account.name, ":scopes": account.grants.scopes.to_string(), ":roles": account.grants.roles.to_string(),
        ":password_hash": account.password_hash, ":created_at": account.created_at,
    };
    Ok(conn.prepare_cached(INSERT)?.execute(row)? > 0)
}

const DISABLE: &str = "update account set disabled_at = coalesce(disabled_at, :now) where name = :name";

fn disable(conn: &Connection, name: &str, now: i64) -> Result<bool> {
    let exists = conn.prepare_cached(DISABLE)?.execute(named_params! { ":name": name, ":now": now })? > 0;
    end_logins(conn, name, now)?;
    Ok(exists)
}

const ENABLE: &str = "update account set disabled_at = null where name = :name";

/// What was ended by disabling it stays ended.
fn enable(conn: &Connection, name: &str) -> Result<bool> {
    Ok(conn.prepare_cached(ENABLE)?.execute(named_params! { ":name": name })? > 0)
}

const SET_PASSWORD: &str = "update account set password_hash = :password_hash where name = :name";

fn set_password(conn: &Connection, name: &str, password_hash: &str, now: i64) -> Result<bool> {
    let row = named_params! { ":name": name, ":password_hash": password_hash };
    let exists = conn.prepare_cached(SET_PASSWORD)?.execute(row)? > 0;
    end_logins(conn, name, now)?;
    Ok(exists)
}

const SET_GRANTS: &str = "update account set scopes = :scopes, roles = :roles where name = :name";

fn set_grants(conn: &Connection, name: &str, grants: Grants, now: i64) -> Result<bool> {
    let row = named_params! { ":name": name, ":scopes": grants.scopes.to_string(), ":roles": grants.roles.to_string() };
    let exists = conn.prepare_cached(SET_GRANTS)?.execute(row)? > 0;
    end_logins(conn, name, now)?;
    Ok(exists)
}

const NOTE_LOGIN: &str = "update account set last_login_at = max(coalesce(last_login_at, :at), :at) where name = :name";

/// Notes when somebody last logged in. Never moves back.
pub(super) fn note_login(conn: &Connection, name: &str, at: i64) -> Result<()> {
    conn.prepare_cached(NOTE_LOGIN)?.execute(named_params! { ":name": name, ":at": at })?;
    Ok(())
}

fn from_row(row: &Row) -> rusqlite::Result<Account> {
    Ok(Account {
        name: row.get("name")?,
        grants: grants(row)?,
        password_hash: row.get("password_hash")?,
        created_at: row.get("created_at")?,
        disabled_at: row.get("disabled_at")?,
        last_login_at: row.get("last_login_at")?,
    })
}

/// Without what is known of the password.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("name", &self.name).finish_non_exhaustive()
    }
}
