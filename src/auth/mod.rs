//! Who asks, and what they may do. Today: API keys. OAuth 2.0 tokens find their room here, beside `keys`.

mod key_format;
mod keys;

pub use keys::{Keys, NewKey};

use crate::error::{Error, Kind, Result};
use crate::model::{Principal, Scope};

/// What a request carries to say who it is from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// `Authorization: Bearer ..`
    Bearer(String),
    /// `X-API-Key: ..`
    ApiKey(String),
    /// `Authorization: Basic ..`: a key may stand in either field.
    Basic { user: String, password: String },
}

/// Finds the principal behind a credential.
#[derive(Clone)]
pub struct Auth {
    pub keys: Keys,
}

impl Auth {
    pub fn new(keys: Keys) -> Auth {
        Auth { keys }
    }

    /// Errors with `Unauthorized` if there is no credential, or it does not hold (any more).
    pub async fn authenticate(&self, credential: Option<&Credential>) -> Result<Principal> {
        const MISSING: &str =
            "a credential is needed: send an API key as \"Authorization: Bearer <key>\" or \"X-API-Key: <key>\"";
        let credential = credential.ok_or_else(|| Error::new(Kind::Unauthorized, MISSING))?;
        match credential {
            Credential::Bearer(key) | Credential::ApiKey(key) => self.keys.verify(key).await,
            // Tools disagree about which field holds a key; an empty or other word in the first is no attempt.
            Credential::Basic { user, .. } if key_format::is_key(user) => self.keys.verify(user).await,
            Credential::Basic { password, .. } => self.keys.verify(password).await,
        }
    }
}

impl Principal {
    /// Errors with `Forbidden` if the credential was not given the scope.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.scopes.contains(scope) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Forbidden,
            format!("this credential does not have the scope {scope}; ask the administrator for one that has"),
        ))
    }
}
