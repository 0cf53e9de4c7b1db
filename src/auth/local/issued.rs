//! Tokens that the administrator issues for scripts.

use std::sync::Arc;

use super::super::unbroken::unbroken;
use super::token::{Mint, OWN_CLIENT_ID, Purpose, mint};
use super::{Issuer, NewToken};
use crate::error::{Error, Result};
use crate::model::{Grants, Id, Origin};
use crate::store::IssuedToken;

const TTL_MIN_S: u32 = 60;
/// Ten years.
const TTL_MAX_S: u32 = 10 * 366 * 86_400;

impl Issuer {
    /// Errors with `Invalid` if the subject is no id, or the time is less than a minute or more than ten years.
    pub async fn issue_token(&self, subject: &str, grants: Grants, ttl_s: u32) -> Result<NewToken> {
        let subject = Id::new(subject).map_err(|rule| Error::invalid(format!("\"subject\" {rule}")))?;
        if !(TTL_MIN_S..=TTL_MAX_S).contains(&ttl_s) {
            return Err(Error::invalid("a token may last from a minute (60 s) to ten years (316224000 s)"));
        }
        let asked =
            Mint { purpose: Purpose::Issued, subject: subject.as_str(), client_id: OWN_CLIENT_ID, grants, ttl_s };
        let created_at = self.0.clock.unix_micros();
        let minted = mint(&self.0, asked).await?;
        let row = IssuedToken {
            id: minted.jti.clone(),
            subject: subject.to_string(),
            grants,
            kid: minted.kid,
            created_at,
            expires_at: minted.expires_at,
            revoked_at: None,
        };
        self.0.store.create_issued_token(row).await?;
        Ok(NewToken { id: minted.jti, token: minted.token, expires_at: minted.expires_at })
    }

    /// Every issued token that has not expired, revoked ones too, oldest first.
    pub fn issued_tokens(&self) -> Result<Vec<IssuedToken>> {
        self.0.store.snapshot()?.issued_tokens(self.0.clock.unix_micros())
    }

    /// At once. False if there is no such token, or it is revoked already.
    pub async fn revoke_token(&self, id: &str) -> Result<bool> {
        let (issuer, id) = (Arc::clone(&self.0), id.to_string());
        unbroken(async move {
            let revoked = issuer.store.revoke_issued_token(id.clone(), issuer.clock.unix_micros()).await?;
            // After the commit: whoever verifies from now on reads the revoked row.
            issuer.cache.forget(|origin| *origin == Origin::Issued(id.clone()));
            Ok(revoked)
        })
        .await
    }
}
