//! Access tokens of the embedded issuer (RFC 9068): signed, and verified against the rows that they rest on.

use std::sync::Arc;

use super::{Denied, Inner, Issuer, TokenAnswer};
use crate::error::Result;
use crate::model::{Caller, Grants};

/// `client_id` of tokens that no client has asked for.
pub(super) const OWN_CLIENT_ID: &str = "analytics";

/// What a verified token rests on: by it the cache forgets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    Client(String),
    Login {
        sid: String,
        account: String,
    },
    /// By `jti`.
    Issued(String),
}

/// What a token is for; the claim `use`.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'m> {
    Client,
    Login { sid: &'m str },
    Issued,
}

/// A token to be made.
pub(super) struct Mint<'m> {
    pub purpose: Purpose<'m>,
    pub subject: &'m str,
    pub client_id: &'m str,
    pub grants: Grants,
    pub ttl_s: u32,
}

/// A token just made.
pub(super) struct Minted {
    pub token: String,
    pub jti: String,
    /// The key that signed it.
    pub kid: String,
    /// Unix microseconds, of a whole second.
    pub expires_at: i64,
}

impl Issuer {
    /// Verifies one of its own tokens: signature, time, and that nothing it rests on was revoked. Errors with
    /// `Unauthorized`.
    pub fn verify(&self, _token: &str) -> Result<Arc<Caller>> {
        todo!()
    }
}

/// Signs a token, with a key that is made if there is none. Whatever it rests on is the caller's to write.
pub(super) async fn mint(_issuer: &Inner, _mint: Mint<'_>) -> Result<Minted> {
    todo!()
}

/// What is given of `most` when `scope` is asked for: words, roles among them; none, or no words, ask for all of it.
pub(super) fn narrow(_most: Grants, _scope: Option<&str>) -> std::result::Result<Grants, Denied> {
    todo!()
}

impl TokenAnswer {
    pub(super) fn new(_minted: Minted, _grants: Grants, _ttl_s: u32, _refresh_token: Option<String>) -> TokenAnswer {
        todo!()
    }
}
