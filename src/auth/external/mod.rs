//! Tokens of issuers that the settings name: an identity provider, any OAuth 2.0 authorization server.

mod settings;

pub use settings::{Introspection, IssuerSettings, KeySource, RoleRule};

use std::sync::Arc;

use crate::clock::Clock;
use crate::error::Result;
use crate::model::Caller;

/// The issuers that are trusted. Cheap to clone.
#[derive(Clone)]
pub struct Issuers(Arc<Inner>);

struct Inner {
    _settings: Vec<IssuerSettings>,
    _clock: Clock,
}

/// What has been asked of issuers, over all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fetches {
    /// Documents of metadata or keys asked for.
    pub keys: u64,
    /// Tokens introspected.
    pub introspections: u64,
}

impl Issuers {
    /// Reads key files; errors with `Invalid` and a message for the operator if one cannot be read. Nothing is fetched yet.
    pub fn new(settings: Vec<IssuerSettings>, clock: Clock) -> Result<Issuers> {
        Ok(Issuers(Arc::new(Inner { _settings: settings, _clock: clock })))
    }

    pub fn knows(&self, _issuer: &str) -> bool {
        todo!()
    }

    /// Whether opaque tokens can be asked about.
    pub fn introspects(&self) -> bool {
        todo!()
    }

    /// Verifies a JWT that claims to be of `issuer`. Errors with `Unauthorized` if it does not hold, `Busy` if the
    /// issuer's keys are not known and cannot be fetched.
    pub async fn verify(&self, _issuer: &str, _token: &str) -> Result<Arc<Caller>> {
        todo!()
    }

    /// Asks about an opaque token. `is_suspect`: the peer has failed often, and waits in a line of its own. Errors as
    /// [`Issuers::verify`].
    pub async fn introspect(&self, _token: &str, _is_suspect: bool) -> Result<Arc<Caller>> {
        todo!()
    }

    pub fn fetches(&self) -> Fetches {
        todo!()
    }
}
