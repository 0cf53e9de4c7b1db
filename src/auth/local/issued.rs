//! Tokens that the administrator issues for scripts.

use super::{Issuer, NewToken};
use crate::error::Result;
use crate::model::Grants;
use crate::store::IssuedToken;

impl Issuer {
    pub async fn issue_token(&self, _subject: &str, _grants: Grants, _ttl_s: u32) -> Result<NewToken> {
        todo!()
    }

    /// Every issued token that has not expired, revoked ones too, oldest first.
    pub fn issued_tokens(&self) -> Result<Vec<IssuedToken>> {
        todo!()
    }

    /// At once. False if there is no such token, or it is revoked already.
    pub async fn revoke_token(&self, _id: &str) -> Result<bool> {
        todo!()
    }
}
