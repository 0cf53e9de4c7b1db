//! The parts of a service, put together.

use std::sync::Arc;

use super::settings::Settings;
use crate::audit::Audit;
use crate::auth::{Auth, Hasher, Issuer, Issuers, Keys};
use crate::clock::Clock;
use crate::error::Result;
use crate::http::{Service, Wiring};
use crate::limits::Limits;
use crate::store::Store;

/// `url`: the server's address for clients, which stands where the settings leave `server.public_url` and `issuer.url` empty.
pub fn service(store: Store, settings: &Settings, url: &str, audit: Audit, clock: Clock) -> Result<Arc<Service>> {
    let mut http = settings.http.clone();
    if http.public_url.is_empty() {
        http.public_url = url.to_string();
    }
    // Keys and secrets of ours wait in one line, passwords in another: a flood of log-ins holds no key up.
    let (secrets, passwords) = (Hasher::default(), Hasher::default());
    let issuer = settings.issuer.clone().at(&http.public_url);
    let issuer = Issuer::new(store.clone(), clock.clone(), issuer, secrets.clone(), passwords);
    let keys = Keys::new(store.clone(), clock.clone(), secrets);
    let trusted = Issuers::new(settings.trusted_issuers.clone(), clock.clone())?;
    let limits = Limits::new(store.clone(), clock.clone(), settings.limits.clone())?;
    Ok(Service::new(Wiring { store, auth: Auth::new(keys, issuer, trusted), limits, audit, clock, settings: http }))
}
