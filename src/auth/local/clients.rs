//! Clients of the embedded issuer: programs that fetch tokens with an id and a secret.

use super::{Denied, Issuer, NewClient, TokenAnswer};
use crate::error::Result;
use crate::model::Grants;
use crate::store::Client;

impl Issuer {
    pub async fn create_client(&self, _name: &str, _grants: Grants) -> Result<NewClient> {
        todo!()
    }

    /// Every client, revoked ones too, oldest first.
    pub fn clients(&self) -> Result<Vec<Client>> {
        todo!()
    }

    /// Revokes a client and its tokens at once. False if there is no such client, or it is revoked already.
    pub async fn revoke_client(&self, _id: &str) -> Result<bool> {
        todo!()
    }

    /// The client behind an id and a secret; a wrong secret reaches no argon2.
    pub async fn verify_client(&self, _id: &str, _secret: &str) -> std::result::Result<Client, Denied> {
        todo!()
    }

    /// The client credentials grant (RFC 6749, 4.4). `scope`: words, roles among them; None for all that it may have.
    pub async fn client_token(
        &self,
        _client: &Client,
        _scope: Option<&str>,
    ) -> std::result::Result<TokenAnswer, Denied> {
        todo!()
    }
}
