//! Tokens of `analytics token issue` at rest.

use crate::model::Grants;

/// A row of issued_token. Times are Unix microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssuedToken {
    /// The token's `jti`.
    pub id: String,
    pub subject: String,
    pub grants: Grants,
    pub created_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
}
