//! Who stands behind what tokens rest on, and what they may do by now.

use super::{Issuer, logins};
use crate::error::Result;
use crate::model::Principal;

impl Issuer {
    /// None if there is no such client, or it is revoked.
    pub fn principal_of_client(&self, id: &str) -> Result<Option<Principal>> {
        let client = self.0.store.snapshot()?.client(id)?.filter(|client| client.revoked_at.is_none());
        Ok(client.map(|client| Principal::local(client.id, client.grants)))
    }

    /// None if there is no such log-in, it has ended, or its account may not log in.
    pub fn principal_of_login(&self, sid: &str) -> Result<Option<Principal>> {
        let snapshot = self.0.store.snapshot()?;
        let Some(login) = snapshot.login(sid)? else { return Ok(None) };
        if !logins::is_good(&snapshot, sid, &login.account, self.0.clock.unix_micros())? {
            return Ok(None);
        }
        Ok(snapshot.account(&login.account)?.map(|account| Principal::local(account.name, account.grants)))
    }

    /// None if there is no such issued token, or it has expired or was revoked.
    pub fn principal_of_issued(&self, jti: &str) -> Result<Option<Principal>> {
        let now = self.0.clock.unix_micros();
        let token = self.0.store.snapshot()?.issued_token(jti)?;
        let token = token.filter(|token| token.revoked_at.is_none() && token.expires_at > now);
        Ok(token.map(|token| Principal::local(token.subject, token.grants)))
    }
}
