//! The parts of a service, put together.

use std::sync::Arc;

use super::settings::Settings;
use crate::audit::Audit;
use crate::auth::Auth;
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
    let issuer = settings.issuer.clone().at(&http.public_url);
    let auth = Auth::new(store.clone(), clock.clone(), issuer, settings.trusted_issuers.clone())?;
    let limits = Limits::new(store.clone(), clock.clone(), settings.limits.clone())?;
    let exports = settings.export_directory();
    Ok(Service::new(Wiring { store, auth, limits, audit, exports, clock, settings: http }))
}
