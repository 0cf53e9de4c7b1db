//! Clients of the embedded issuer at rest.

use crate::model::Grants;

/// A row of client. Times are Unix microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
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
