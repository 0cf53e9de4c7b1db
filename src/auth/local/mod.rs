//! The embedded issuer: clients, accounts, log-ins, and the tokens that it signs.

mod accounts;
mod behind;
mod clients;
mod issued;
mod logins;
mod password;
mod signing;
mod token;

use std::sync::Arc;

use serde::Serialize;

use self::clients::ClientsInUse;
use self::signing::Signing;
use super::cache::Cache;
use super::hashing::Hasher;
use crate::clock::Clock;
use crate::error::Error;
use crate::model::Origin;
use crate::store::Store;

/// Verified tokens remembered at once, in each of two generations.
const CACHE_MAX: usize = 10_000;

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

impl SigningAlgorithm {
    /// As JOSE names it (RFC 7518, RFC 8037).
    pub fn as_str(self) -> &'static str {
        match self {
            SigningAlgorithm::EdDsa => "EdDSA",
            SigningAlgorithm::Es256 => "ES256",
        }
    }

    pub fn parse(text: &str) -> Option<SigningAlgorithm> {
        [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256].into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    settings: IssuerSettings,
    /// Access tokens that have proven themselves. To be told, after the commit, of everything that is revoked.
    cache: Cache<Origin>,
    signing: Signing,
    clients: ClientsInUse,
    secrets: Hasher,
    passwords: Hasher,
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
    pub fn new(store: Store, clock: Clock, settings: IssuerSettings, secrets: Hasher, passwords: Hasher) -> Issuer {
        Issuer(Arc::new(Inner {
            store,
            clock,
            settings,
            cache: Cache::new(CACHE_MAX),
            signing: Signing::default(),
            clients: ClientsInUse::default(),
            secrets,
            passwords,
        }))
    }

    /// `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.0.settings.url
    }

    /// How often argon2 has been run, on secrets and on passwords.
    pub fn argon2_runs(&self) -> (u64, u64) {
        (self.0.secrets.runs(), self.0.passwords.runs())
    }
}

impl From<Error> for Denied {
    fn from(error: Error) -> Denied {
        Denied::Failed(error)
    }
}

#[cfg(test)]
mod tests;
