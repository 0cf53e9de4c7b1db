//! The embedded issuer: clients, accounts, log-ins, and the tokens that it signs.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::hashing::Hasher;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{Caller, Grants};
use crate::store::{Account, Client, IssuedToken, Store};

/// `[issuer]` of the settings.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// `iss` of its tokens: `issuer.url`, or the server's public address. No slash at the end.
    pub url: String,
    /// `aud` of its tokens: `issuer.audience`, or `url`.
    pub audience: String,
    /// `issuer.algorithm`.
    pub algorithm: SigningAlgorithm,
    /// `issuer.token_ttl_s`: how long access tokens of clients and log-ins last.
    pub token_ttl_s: u32,
    /// `issuer.login_ttl_s`: a log-in ends when its refresh token has not been used for so long.
    pub login_ttl_s: u32,
}

impl IssuerSettings {
    /// The same, with the server's public address where the settings leave `url` and `audience` empty.
    pub fn at(mut self, public_url: &str) -> IssuerSettings {
        if self.url.is_empty() {
            self.url = public_url.to_string();
        }
        if self.audience.is_empty() {
            self.audience = self.url.clone();
        }
        self
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SigningAlgorithm {
    EdDsa,
    Es256,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    _store: Store,
    _clock: Clock,
    settings: IssuerSettings,
}

/// Why the issuer gives no token, as RFC 6749 (5.2) names it.
#[derive(Debug)]
pub enum Denied {
    /// `invalid_client`: unknown, revoked, or a wrong secret; also a wrong name or password.
    Client,
    /// `invalid_grant`: the refresh token is none, has expired or was revoked.
    Grant,
    /// `invalid_grant`: a refresh token was used twice, so it may be stolen; the log-in of this account has been ended.
    Reused {
        account: String,
    },
    /// `invalid_scope`: what was asked for goes beyond what may be given; a message for the client.
    Scope(String),
    Failed(Error),
}

/// A successful answer of the token endpoint (RFC 6749, 5.1).
#[derive(Serialize)]
pub struct TokenAnswer {
    pub access_token: String,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u32,
    /// Scopes and roles, with blanks between.
    pub scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// A client just made, or its new secret. The secret is shown once and kept nowhere.
pub struct NewClient {
    pub id: String,
    pub secret: String,
}

/// A token of `analytics token issue`; shown once and kept nowhere.
pub struct NewToken {
    /// `jti`, by which it is revoked.
    pub id: String,
    pub token: String,
    /// Unix microseconds, of a whole second.
    pub expires_at: i64,
}

impl Issuer {
    /// `secrets` hashes what we made, `passwords` what people did: neither holds the other up.
    pub fn new(store: Store, clock: Clock, settings: IssuerSettings, _secrets: Hasher, _passwords: Hasher) -> Issuer {
        Issuer(Arc::new(Inner { _store: store, _clock: clock, settings }))
    }

    /// `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.0.settings.url
    }

    /// The public keys (RFC 7517), retired ones too while tokens that they signed may live.
    pub fn jwks(&self) -> Result<Value> {
        todo!()
    }

    /// Makes a new signing key at once; the old one stays published. Gives the new `kid`.
    pub async fn rotate(&self) -> Result<String> {
        todo!()
    }

    /// Verifies one of its own tokens: signature, time, and that nothing it rests on was revoked. Errors with
    /// `Unauthorized`.
    pub fn verify(&self, _token: &str) -> Result<Arc<Caller>> {
        todo!()
    }

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

    /// Errors with `Conflict` if the name is taken, `Invalid` if the password is too weak.
    pub async fn create_account(&self, _name: &str, _password: String, _grants: Grants) -> Result<()> {
        todo!()
    }

    /// Every account, disabled ones too, by name.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        todo!()
    }

    /// Disabling ends its log-ins and tokens at once. False if there is no such account.
    pub async fn set_account_disabled(&self, _name: &str, _disabled: bool) -> Result<bool> {
        todo!()
    }

    /// Ends its log-ins and tokens at once. False if there is no such account; `Invalid` if the password is too weak.
    pub async fn set_account_password(&self, _name: &str, _password: String) -> Result<bool> {
        todo!()
    }

    /// Ends its log-ins and tokens at once. False if there is no such account.
    pub async fn set_account_grants(&self, _name: &str, _grants: Grants) -> Result<bool> {
        todo!()
    }

    /// Whether there is an account, of any state, behind a name costs the same time as whether there is none.
    pub async fn log_in(&self, _name: &str, _password: String) -> std::result::Result<TokenAnswer, Denied> {
        todo!()
    }

    /// The refresh token grant (RFC 6749, 6): a new pair; the old refresh token is good no more, and using it again
    /// ends the log-in.
    pub async fn refresh(
        &self,
        _refresh_token: &str,
        _scope: Option<&str>,
    ) -> std::result::Result<TokenAnswer, Denied> {
        todo!()
    }

    /// The account that a refresh token belongs to, if it is of the right form and its log-in is known: to count against.
    pub fn account_of(&self, _refresh_token: &str) -> Result<Option<String>> {
        todo!()
    }

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

impl From<Error> for Denied {
    fn from(error: Error) -> Denied {
        Denied::Failed(error)
    }
}
