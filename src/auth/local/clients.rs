//! Clients of the embedded issuer: programs that fetch tokens with an id and a secret.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::cache::{Fingerprint, fingerprint};
use super::super::secret::CLIENT_SECRET;
use super::super::touched::Touched;
use super::super::unbroken::unbroken;
use super::token::{Mint, Purpose, mint, narrow};
use super::{Denied, Inner, Issuer, NewClient, TokenAnswer};
use crate::error::{Error, Result};
use crate::model::{Grants, Id, Origin};
use crate::store::Client;

/// Clients remembered at once. There are as many as the administrator made; yet nothing grows without a bound.
const PROVEN_MAX: usize = 10_000;

/// What is known of clients since the start.
#[derive(Default)]
pub(super) struct ClientsInUse {
    /// The secret of each client that argon2 has found right. It spares argon2 alone: the row is read every time.
    proven: Mutex<HashMap<String, Fingerprint>>,
    touched: Touched,
}

impl Issuer {
    /// Errors with `Invalid` if the name is none.
    pub async fn create_client(&self, name: &str, grants: Grants) -> Result<NewClient> {
        let name = Id::new(name).map_err(|rule| Error::invalid(format!("\"name\" {rule}")))?;
        let secret = CLIENT_SECRET.generate()?;
        let parts = CLIENT_SECRET.parse(&secret).expect("a fresh secret is well-formed");
        let row = Client {
            id: parts.id.to_string(),
            name: name.to_string(),
            grants,
            secret_tag: self.0.store.secret_tag(parts.secret),
            secret_hash: self.0.secrets.hash(parts.secret.to_string()).await?,
            created_at: self.0.clock.unix_micros(),
            revoked_at: None,
            last_used_at: None,
        };
        let id = row.id.clone();
        self.0.store.create_client(row).await?;
        Ok(NewClient { id, secret })
    }

    /// Every client, revoked ones too, oldest first.
    pub fn clients(&self) -> Result<Vec<Client>> {
        self.0.store.snapshot()?.clients()
    }

    /// Revokes a client and its tokens at once. False if there is no such client, or it is revoked already.
    pub async fn revoke_client(&self, id: &str) -> Result<bool> {
        let (issuer, id) = (Arc::clone(&self.0), id.to_string());
        unbroken(async move {
            let revoked = issuer.store.revoke_client(id.clone(), issuer.clock.unix_micros()).await?;
            // After the commit: whoever verifies from now on reads the revoked row.
            issuer.clients.proven.lock().remove(&id);
            issuer.cache.forget(|origin| *origin == Origin::Client(id.clone()));
            Ok(revoked)
        })
        .await
    }

    /// The client behind an id and a secret; a wrong secret reaches no argon2.
    pub async fn verify_client(&self, id: &str, secret: &str) -> std::result::Result<Client, Denied> {
        let parts = CLIENT_SECRET.parse(secret).filter(|parts| parts.id == id).ok_or(Denied::Client)?;
        let tag = self.0.store.secret_tag(parts.secret);
        let mut client = self.0.good_client(id, tag)?;
        let fingerprint = fingerprint(secret);
        if !self.0.clients.is_proven(id, &fingerprint) {
            if !self.0.secrets.matches(parts.secret.to_string(), client.secret_hash).await? {
                return Err(Denied::Client);
            }
            self.0.clients.prove(id, fingerprint);
            // It may have been revoked while argon2 ran.
            client = self.0.good_client(id, tag)?;
        }
        self.0.touch_client(id);
        Ok(client)
    }

    /// The client credentials grant (RFC 6749, 4.4). `scope`: words, roles among them; None for all that it may have.
    pub async fn client_token(&self, client: &Client, scope: Option<&str>) -> std::result::Result<TokenAnswer, Denied> {
        let (grants, ttl_s) = (narrow(client.grants, scope)?, self.0.settings.token_ttl_s);
        let asked = Mint { purpose: Purpose::Client, subject: &client.id, client_id: &client.id, grants, ttl_s };
        Ok(TokenAnswer::new(mint(&self.0, asked).await?, grants, ttl_s, None))
    }
}

impl Inner {
    fn good_client(&self, id: &str, secret_tag: i64) -> std::result::Result<Client, Denied> {
        let client = self.store.snapshot()?.client(id)?;
        client.filter(|row| row.revoked_at.is_none() && row.secret_tag == secret_tag).ok_or(Denied::Client)
    }

    /// Notes that a client is used, in the background: no request waits for a note about itself.
    fn touch_client(&self, id: &str) {
        let now = self.clock.unix_micros();
        if self.clients.touched.is_due(id, now) {
            let (store, id) = (self.store.clone(), id.to_string());
            tokio::spawn(async move { store.touch_client(id, now).await });
        }
    }
}

impl ClientsInUse {
    fn is_proven(&self, id: &str, secret: &Fingerprint) -> bool {
        self.proven.lock().get(id) == Some(secret)
    }

    fn prove(&self, id: &str, secret: Fingerprint) {
        let mut proven = self.proven.lock();
        if proven.len() >= PROVEN_MAX {
            proven.clear();
        }
        proven.insert(id.to_string(), secret);
    }
}
