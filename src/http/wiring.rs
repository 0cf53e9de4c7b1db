use super::Settings;
use crate::audit::Audit;
use crate::auth::{Auth, Hasher, Issuer, IssuerSettings, Issuers, Keys, SigningAlgorithm};
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
        let (secrets, passwords) = (Hasher::default(), Hasher::default());
        let issuer = issuer.at(&settings.public_url);
        let issuer = Issuer::new(store.clone(), clock.clone(), issuer, secrets.clone(), passwords);
        let keys = Keys::new(store.clone(), clock.clone(), secrets);
        let auth = Auth::new(keys, issuer, Issuers::new(vec![], clock.clone())?);
        let limits = Limits::new(store.clone(), clock.clone(), limits::Settings::none())?;
        Ok(Wiring { store, auth, limits, audit: Audit::off(), clock, settings })
    }
}
