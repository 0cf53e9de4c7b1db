use super::Settings;
use crate::audit::Audit;
use crate::auth::{Auth, IssuerSettings, SigningAlgorithm};
use crate::clock::Clock;
use crate::error::Result;
use crate::limits::{self, Limits};
use crate::store::{ExportDirectory, Store, beside};

/// What a service is made of.
pub struct Wiring {
    pub store: Store,
    pub auth: Auth,
    pub limits: Limits,
    pub audit: Audit,
    pub exports: ExportDirectory,
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
        let exports = ExportDirectory::new(beside(store.path(), ".exports"));
        Ok(Wiring { store, auth, limits, audit: Audit::off(), exports, clock, settings })
    }
}
