//! Accounts and their log-ins at rest.

use crate::model::Grants;

/// A row of account. Times are Unix microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub name: String,
    pub grants: Grants,
    /// argon2id as a PHC string.
    pub password_hash: String,
    pub created_at: i64,
    pub disabled_at: Option<i64>,
    pub last_login_at: Option<i64>,
}
