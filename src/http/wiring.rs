use super::Settings;
use crate::audit::Audit;
use crate::auth::{Auth, IssuerSettings, SigningAlgorithm};
use crate::clock::Clock;
use crate::error::Result;
use crate::limits::{self, Limits};
use crate::store::Store;

/// What a service is made of.
pub struct Wiring {
    pub store: Store,
    pub auth: Auth,
    pub limits: Limits,
    pub audit: Audit,
    pub clock: Clock,
    pub settings: Settings,
}

impl Wiring {
    /// No trusted issuer, no limit, no audit trail.
    pub fn plain(store: Store, clock: Clock, settings: Settings) -> Result<Wiring> {
        let issuer = IssuerSettings {
            url: String::new(),
            audience: String::new(),
            algorithm: SigningAlgorithm::EdDsa,
            token_ttl_s: 600,
            login_ttl_s: 3600,
        };
        let auth = Auth::new(store.clone(), clock.clone(), issuer.at(&settings.public_url), vec![])?;
        let limits = Limits::new(store.clone(), clock.clone(), limits::Settings::none())?;
        Ok(Wiring { store, auth, limits, audit: Audit::off(), clock, settings })
    }
}
