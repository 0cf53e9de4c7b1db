//! Who asks, and what they may do.
//!
//! A credential is looked up in the cache first; what is not there is told apart by its form: an API key (`keys`), a token
//! of the embedded issuer (`local`), of a trusted one (`external`), or an opaque one that a trusted issuer is asked about.

mod cache;
mod external;
mod hashing;
mod jwt;
mod keys;
pub mod links;
mod local;
mod secret;
mod touched;
mod unbroken;

pub use external::{
    Address, Fetches, HttpClient, Introspection, IssuerSettings as TrustedIssuer, Issuers, KeySource, RoleRule,
    http_client, with_causes,
};
pub use keys::{Keys, NewKey};
pub use local::{Denied, Issuer, IssuerSettings, NewClient, NewToken, SigningAlgorithm, TokenAnswer};
pub use secret::random_text;
pub use unbroken::unbroken;

use std::sync::Arc;

use self::cache::fingerprint;
use self::hashing::Hasher;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Caller, Principal, Role, Scope};
use crate::store::Store;

/// What a request carries to say who it is from.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization: Bearer ..`
    Bearer(String),
    /// `X-API-Key: ..`
    ApiKey(String),
    /// `Authorization: Basic ..`: a key may stand in either field.
    Basic { user: String, password: String },
}

/// Finds the caller behind a credential. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    pub keys: Keys,
    pub issuer: Issuer,
    pub trusted: Issuers,
}

impl Auth {
    /// Reads key files of trusted issuers; errors with `Invalid` and a message for the operator if one cannot be read.
    pub fn new(store: Store, clock: Clock, issuer: IssuerSettings, trusted: Vec<TrustedIssuer>) -> Result<Auth> {
        // Keys and secrets of ours wait in one line, passwords in another: a flood of log-ins holds no key up.
        let (secrets, passwords) = (Hasher::default(), Hasher::default());
        Ok(Auth {
            keys: Keys::new(store.clone(), clock.clone(), secrets.clone()),
            issuer: Issuer::new(store, clock.clone(), issuer, secrets, passwords),
            trusted: Issuers::new(trusted, clock)?,
        })
    }

    /// `is_suspect`: the peer has failed often of late; it waits in a line of its own where an issuer has to be asked.
    /// Errors with `Unauthorized` if there is no credential, or it does not hold (any more); `Busy` if it cannot be
    /// verified just now.
    pub async fn authenticate(&self, credential: Option<&Credential>, is_suspect: bool) -> Result<Arc<Caller>> {
        const MISSING: &str = "a credential is needed: send an access token or an API key as \"Authorization: Bearer \
            <token or key>\", or a key as \"X-API-Key: <key>\"";
        let credential = credential.ok_or_else(|| Error::new(Kind::Unauthorized, MISSING))?;
        match credential {
            Credential::Bearer(token) => self.bearer(token, is_suspect).await,
            Credential::ApiKey(key) => self.keys.verify(key).await,
            // Tools disagree about which field holds a key; an empty or other word in the first is no attempt.
            Credential::Basic { user, .. } if secret::API_KEY.is_one(user) => self.keys.verify(user).await,
            Credential::Basic { password, .. } => self.keys.verify(password).await,
        }
    }

    async fn bearer(&self, token: &str, is_suspect: bool) -> Result<Arc<Caller>> {
        if secret::API_KEY.is_meant(token) {
            return self.keys.verify(token).await;
        }
        // Before it is read who issued it: a known token costs a hash and a look-up.
        let sent = fingerprint(token);
        if let Some(caller) = self.issuer.known(&sent).or_else(|| self.trusted.known(&sent)) {
            return Ok(caller);
        }
        match jwt::claimed_issuer(token) {
            Some(Ok(issuer)) if issuer == self.issuer.url() => self.issuer.verify(token),
            Some(Ok(issuer)) if self.trusted.knows(&issuer) => self.trusted.verify(&issuer, token, is_suspect).await,
            Some(Ok(_)) => Err(refused("its issuer is not trusted here")),
            Some(Err(refusal)) => Err(refused(refusal.reason())),
            None if self.trusted.introspects() => self.trusted.introspect(token, is_suspect).await,
            None => Err(refused("it is neither an API key nor an access token of a known form")),
        }
    }
}

impl Principal {
    /// Errors with `Forbidden` if the credential was not given the scope.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.grants.scopes.contains(scope) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Forbidden,
            format!("this credential does not have the scope {scope}; ask the administrator for one that has"),
        ))
    }

    /// Errors with `Forbidden` if the credential was not given the role, by a claim or as a scope.
    pub fn require_role(&self, role: Role) -> Result<()> {
        if self.grants.roles.contains(role) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Forbidden,
            format!("this credential does not have the privilege {role}; ask the administrator for one that has"),
        ))
    }
}

/// `why` names no secret.
fn refused(why: &str) -> Error {
    Error::new(Kind::Unauthorized, format!("this token is not accepted: {why}"))
}

/// Without what it holds: no secret may reach a log.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credential::Bearer(_) => "Bearer",
            Credential::ApiKey(_) => "ApiKey",
            Credential::Basic { .. } => "Basic",
        })
    }
}
