//! Who a request is from, whether it may do what it asks for, and how its caller stands with the limits.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::http::request::Parts;

use super::credentials;
use super::path::Route;
use super::respond::Reply;
use super::service::{Peer, Service};
use crate::error::Result;
use crate::limits::{Policy, Standing};
use crate::model::{Caller, Scope};

/// What becomes known of a request on its way, and is told with its answer, a refusal too.
pub struct Visit {
    /// The client's: the peer's address, or what a trusted proxy says of it. None behind the local socket.
    pub address: Option<IpAddr>,
    /// None where no credential is needed, and for the administrator behind the local socket.
    pub caller: Option<Arc<Caller>>,
    standing: Option<Standing>,
}

impl Visit {
    pub fn new(peer: Peer, _head: &Parts) -> Visit {
        let address = match peer {
            Peer::Network(address) => Some(address),
            Peer::Local => None,
        };
        Visit { address, caller: None, standing: None }
    }

    /// The rate-limit headers of an answer.
    pub fn dress(&self, reply: Reply) -> Reply {
        let _ = self.standing;
        reply
    }
}

impl Service {
    /// Errors unless the request's caller may use the route, and as often as this.
    pub(super) async fn admit(&self, route: &Route, head: &Parts, peer: Peer, visit: &mut Visit) -> Result<()> {
        let Some(need) = self.need(route).filter(|_| peer != Peer::Local) else { return Ok(()) };
        let credential = credentials::find(&head.headers)?;
        if let Some(sent) = &credential {
            credentials::refuse_cross_site(&head.method, &head.headers, sent, &self.settings.public_url)?;
        }
        let caller = self.auth.authenticate(credential.as_ref(), false).await?;
        let taken = self.limits.take(&caller, need.policy);
        visit.standing = taken.map_err(|(error, standing)| {
            visit.standing = Some(standing);
            error
        })?;
        if let Some(scope) = need.scope {
            caller.principal.require(scope)?;
        }
        visit.caller = Some(caller);
        Ok(())
    }

    /// What a route needs over the network; None if it is open to all.
    fn need(&self, route: &Route) -> Option<Need> {
        let requests = |scope| Some(Need { scope: Some(scope), policy: Policy::Requests });
        match route {
            Route::UsageSummary | Route::ReadSystemEvents => requests(Scope::ReadAnalytics),
            Route::AppendSystemEvents | Route::RecordUsage | Route::RegisterUsers | Route::RegisterUser(_) => {
                Some(Need { scope: Some(Scope::WriteEvents), policy: Policy::Ingest })
            }
            Route::Metrics if self.settings.metrics_public => None,
            Route::Metrics => requests(Scope::ReadMetrics),
            Route::WhoAmI => Some(Need { scope: None, policy: Policy::Requests }),
            Route::Health | Route::Ready | Route::OpenApi | Route::IssuerMetadata | Route::IssuerKeys => None,
            // They look at the credentials in the body themselves, and have limits of their own.
            Route::FetchToken | Route::LogIn => None,
            Route::EraseUser(_) | Route::Admin(_) => requests(Scope::Admin),
        }
    }
}

/// What a caller must have, and what the request counts against.
struct Need {
    /// None: any good credential will do.
    scope: Option<Scope>,
    policy: Policy,
}
