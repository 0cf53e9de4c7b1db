//! Who a request is from, whether it may do what it asks for, and how its caller stands with the limits.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use ipnet::IpNet;
use parking_lot::Mutex;

use super::attempt::Attempt;
use super::client_address::client_address;
use super::credentials;
use super::downloads;
use super::path::Route;
use super::respond::Reply;
use super::service::{Peer, Service};
use crate::audit::Entry;
use crate::auth::Credential;
use crate::error::{Kind, Result};
use crate::limits::{Policy, Standing};
use crate::model::{Caller, Role, Scope};

/// draft-ietf-httpapi-ratelimit-headers.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What becomes known of a request on its way, and is told with its answer, a refusal too.
pub struct Visit {
    /// The client's: the peer's address, or what a trusted proxy says of it. None behind the local socket.
    pub address: Option<IpAddr>,
    /// None where no credential is needed, and for the administrator behind the local socket.
    pub caller: Option<Arc<Caller>>,
    /// None where nothing was counted.
    standing: Mutex<Option<Standing>>,
    /// With the exports of the day; of requests for one.
    exports: Mutex<Option<Standing>>,
    /// The scope, or role, for want of which the caller was refused.
    lacking: Option<&'static str>,
}

impl Visit {
    pub fn new(peer: Peer, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> Visit {
        let address = match peer {
            Peer::Network(address) => Some(client_address(address, headers, trusted_proxies)),
            Peer::Local => None,
        };
        Visit { address, caller: None, standing: Mutex::default(), exports: Mutex::default(), lacking: None }
    }

    /// To be told with the answer.
    pub fn stands(&self, standing: Option<Standing>) {
        *self.standing.lock() = standing;
    }

    /// To be told beside it.
    pub fn stands_with_exports(&self, standing: Standing) {
        *self.exports.lock() = Some(standing);
    }

    /// The rate-limit headers of an answer, and what a credential would need that did not reach far enough (RFC 6750, 3.1).
    pub fn dress(&self, mut reply: Reply) -> Reply {
        if let Some(what) = self.lacking {
            let challenge = format!("Bearer realm=\"analytics\", error=\"insufficient_scope\", scope=\"{what}\"");
            reply = reply.with(WWW_AUTHENTICATE, &challenge);
        }
        let standings = [*self.standing.lock(), *self.exports.lock()];
        let list =
            |write: fn(&Standing) -> String| standings.iter().flatten().map(write).collect::<Vec<_>>().join(", ");
        if standings.iter().any(Option::is_some) {
            let headers =
                [(RATE_LIMIT_POLICY, list(Standing::policy_header)), (RATE_LIMIT, list(Standing::limit_header))];
            let written = headers.map(|(name, text)| (name, HeaderValue::try_from(text).expect("ASCII of our own")));
            reply.headers.extend(written);
        }
        reply
    }
}

impl Service {
    /// Errors unless the request's caller may use the route, and as often as this. From then on the request has been
    /// counted, whatever it is answered; 401 cannot come any more, and whoever answers 429 takes it back.
    pub(super) async fn admit(&self, route: &Route, head: &Parts, peer: Peer, visit: &mut Visit) -> Result<()> {
        // A link proves by itself what it is good for, where the file is found; no credential is looked at beside it.
        if matches!(route, Route::Download(_)) && downloads::is_signed(head) {
            return Ok(());
        }
        let Some(need) = self.need(route).filter(|_| peer != Peer::Local) else { return Ok(()) };
        let caller = self.caller(head, visit).await?;
        self.count(&caller, need.policy, visit)?;
        if let Some(scope) = need.scope {
            caller.principal.require(scope).inspect_err(|_| self.note_refusal(&caller, scope.as_str(), visit))?;
        }
        if let Some(role) = need.role {
            caller.principal.require_role(role).inspect_err(|_| self.note_refusal(&caller, role.as_str(), visit))?;
        }
        visit.caller = Some(caller);
        Ok(())
    }

    /// The caller behind the request's credential. One that was sent and does not hold is counted and noted; one that
    /// holds is never held up by others that failed, so failures are looked at last.
    async fn caller(&self, head: &Parts, visit: &Visit) -> Result<Arc<Caller>> {
        let found = credentials::find(&head.headers);
        let way = way(&found);
        match self.authenticate(found, head, visit.address).await {
            Err(error) if error.kind == Kind::Unauthorized && credentials::was_sent(&head.headers) => {
                Attempt::new(self, visit, None, way).failed()?;
                Err(error)
            }
            outcome => outcome,
        }
    }

    async fn authenticate(
        &self,
        found: Result<Option<Credential>>,
        head: &Parts,
        address: Option<IpAddr>,
    ) -> Result<Arc<Caller>> {
        let credential = found?;
        if let Some(sent) = &credential {
            credentials::refuse_cross_site(&head.method, &head.headers, sent, &self.settings.public_url)?;
        }
        let is_suspect = address.is_some_and(|address| self.limits.is_suspect(address));
        self.auth.authenticate(credential.as_ref(), is_suspect).await
    }

    fn count(&self, caller: &Caller, policy: Policy, visit: &mut Visit) -> Result<()> {
        match self.limits.take(caller, policy) {
            Ok(standing) => {
                visit.stands(standing);
                Ok(())
            }
            Err((error, standing)) => {
                visit.stands(Some(standing));
                self.audit.note(Entry::LimitExceeded { name: limited_name(caller), policy: standing.policy });
                Err(error)
            }
        }
    }

    /// For an answer 429 to a request that was counted already: such answers cost nothing.
    pub(super) fn take_back(&self, caller: &Caller, policy: Policy, visit: &Visit) {
        let counted = *visit.standing.lock();
        visit.stands(counted.map(|counted| self.limits.take_back(caller, policy, counted)));
    }

    fn note_refusal(&self, caller: &Caller, what: &'static str, visit: &mut Visit) {
        visit.lacking = Some(what);
        self.audit.note(Entry::Refused {
            issuer: caller.principal.issuer.clone(),
            subject: caller.principal.subject.clone(),
            what,
            source: visit.address,
        });
    }

    /// What a route needs over the network; None if it is open to all.
    fn need(&self, route: &Route) -> Option<Need> {
        let requests = |scope| Some(Need { scope: Some(scope), role: None, policy: Policy::Requests });
        match route {
            Route::UsageSummary | Route::ReadSystemEvents => requests(Scope::ReadAnalytics),
            Route::RequestExport => Some(Need {
                scope: Some(Scope::ReadAnalytics),
                role: Some(Role::ReportAdmin),
                policy: Policy::Requests,
            }),
            // Whose exports these are is looked at where the job is found.
            Route::ListExports | Route::ShowExport(_) | Route::RemoveExport(_) | Route::Download(_) => {
                requests(Scope::ReadAnalytics)
            }
            Route::AppendSystemEvents | Route::RecordUsage | Route::RegisterUsers | Route::RegisterUser(_) => {
                Some(Need { scope: Some(Scope::WriteEvents), role: None, policy: Policy::Ingest })
            }
            Route::Metrics if self.settings.metrics_public => None,
            Route::Metrics => requests(Scope::ReadMetrics),
            Route::WhoAmI => Some(Need { scope: None, role: None, policy: Policy::Requests }),
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
    role: Option<Role>,
    policy: Policy,
}

/// In what form a credential came, for the audit trail.
fn way(found: &Result<Option<Credential>>) -> &'static str {
    match found {
        Ok(Some(Credential::Bearer(_))) => "bearer token",
        Ok(Some(Credential::ApiKey(_) | Credential::Basic { .. })) => "API key",
        Ok(None) | Err(_) => "unreadable credential",
    }
}

/// Whose limit was exceeded, as `analytics limit set` would name it.
pub fn limited_name(caller: &Caller) -> String {
    match caller.targets.first() {
        Some(target) => format!("{} {}", target.kind.as_str(), target.name),
        None => format!("{} {}", caller.principal.issuer, caller.principal.subject),
    }
}
