//! One request, one answer: the steps that every request takes, in order.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use super::admit::Visit;
use super::body::{self, Received};
use super::budget::Budget;
use super::file_body::ResponseBody;
use super::metrics::Metrics;
use super::path::{self, Entrance, Route};
use super::query::{self, Query};
use super::request_body::RequestBody;
use super::request_id::RequestIds;
use super::respond::Reply;
use super::wiring::Wiring;
use super::{
    Settings, admin, cors, downloads, encoding, exports, ingest, login, metrics, oauth_token, openapi, probes,
    system_events, usage_summary, users, well_known, whoami,
};
use crate::audit::Audit;
use crate::auth::Auth;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::limits::Limits;
use crate::model::Timestamp;
use crate::store::{ExportDirectory, Store};

/// What the large answers on their way to clients may hold in memory together.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Reads that take long run beside each other at most so often; the rest waits in line. SQLite keeps the states of four
/// readers apart. One more would share, and so prolong, the oldest: with four that never pause the WAL could not be cut.
const LONG_READS_MAX: usize = 3;
/// hyper closes a connection where more than about this of a request's body was left unread.
const LEFT_UNREAD_BYTES_MAX: u64 = 4 * 1024;
/// A client that was told to come back finds a server with time again.
pub(super) const RETRY_AFTER_S: u64 = 1;

/// A log-in, or a request for a token, in full.
const SMALL_BODY_BYTES_MAX: usize = 16 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where a request comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    Network(IpAddr),
    /// The local socket, or this very process: the administrator.
    Local,
}

/// Everything that answering takes. Needs no socket.
pub struct Service {
    pub(super) store: Store,
    pub(super) auth: Auth,
    pub(super) limits: Limits,
    pub(super) audit: Audit,
    pub(super) exports: ExportDirectory,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) metrics: Metrics,
    pub(super) bodies: body::Limits,
    answers: Arc<Budget>,
    long_reads: Arc<Semaphore>,
    pub(super) request_ids: RequestIds,
    stopping: AtomicBool,
}

impl Service {
    pub fn new(parts: Wiring) -> Arc<Service> {
        const REFUSAL: &str =
            "the server holds as many large answers as it can; ask for fewer at once, or again after Retry-After";
        let Wiring { store, auth, limits, audit, exports, clock, settings } = parts;
        let bodies = body::Limits::new(settings.bounds.body_bytes_max, settings.body_timeout);
        Arc::new(Service {
            store,
            auth,
            limits,
            audit,
            exports,
            clock,
            settings,
            metrics: Metrics::default(),
            bodies,
            answers: Budget::new(ANSWER_BYTES_MAX, REFUSAL),
            long_reads: Arc::new(Semaphore::new(LONG_READS_MAX)),
            request_ids: RequestIds::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Absolute address under which clients reach the server.
    pub fn public_url(&self) -> &str {
        &self.settings.public_url
    }

    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Answers a request; a failure is an answer, too.
    pub async fn answer(
        self: &Arc<Self>,
        request: Request<impl Into<RequestBody>>,
        peer: Peer,
    ) -> Response<ResponseBody> {
        self.answer_one(request.map(Into::into), peer).await
    }

    async fn answer_one(self: &Arc<Self>, request: Request<RequestBody>, peer: Peer) -> Response<ResponseBody> {
        let started = self.clock.monotonic();
        let _under_way = self.metrics.request();
        let request_id = self.request_ids.next();
        let (head, mut body) = request.into_parts();
        let route = path::decode(&head.method, head.uri.path(), peer.entrance());
        let index = route.as_ref().ok().map(Route::index);
        let is_long = body.size_hint().upper().is_none_or(|bytes| bytes > LEFT_UNREAD_BYTES_MAX);
        let mut visit = Visit::new(peer, &head.headers, &self.settings.trusted_proxies);
        let outcome = self.in_time(&head, &mut body, route, peer, &mut visit).await;
        let reply = outcome.unwrap_or_else(|error| self.refusal(&self.naming_contact(error), &head, &request_id));
        let mut reply = self.dress(visit.dress(reply), &head, &request_id).await;
        // A body that was left unread ends the connection: the client must not send its next request where nobody listens.
        if reply.status.as_u16() >= 400 && (is_long || !body::drain(&mut body).await) {
            reply = reply.with(header::CONNECTION, "close");
        }
        self.metrics.answered(index, reply.status, self.clock.monotonic() - started);
        reply.into_response()
    }

    /// From now on /readyz says that nothing new should be sent here.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    pub(super) fn now(&self) -> Result<Timestamp> {
        let now = Timestamp::from_unix_micros(self.clock.unix_micros());
        now.ok_or_else(|| Error::internal("the system's clock stands outside the years 0001 to 9999"))
    }

    /// Makes an answer of what the database holds; `is_long`: off the async workers, beside a few others at most. Errors
    /// with `Busy` if the answer is large and too many such are under way.
    pub(super) async fn read<F>(self: &Arc<Self>, is_long: bool, read: F) -> Result<Reply>
    where
        F: FnOnce(&Store) -> Result<Reply> + Send + 'static,
    {
        if !is_long {
            return read(&self.store)?.within(&self.answers);
        }
        // Within the long read, so that no more answers are finished at once than may be made at once.
        let answers = Arc::clone(&self.answers);
        self.long_read(move |store| read(store)?.within(&answers)).await
    }

    /// Runs a read that may take long off the async workers, beside a few others at most.
    pub(super) async fn long_read<T, F>(self: &Arc<Self>, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.long_reads).acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("the permits for long reads are closed"))?;
        let store = self.store.clone();
        blocking(move || {
            let read = read(&store);
            drop(permit);
            read
        })
        .await
    }

    pub(super) async fn receive<B>(&self, head: &Parts, body: B) -> Result<Received>
    where
        B: Body<Data = Bytes>,
    {
        body::read(&head.headers, body, &self.bodies).await
    }

    /// Reads a body that holds no more than a log-in, or a request for a token.
    pub(super) async fn receive_small<B>(&self, head: &Parts, body: B) -> Result<Received>
    where
        B: Body<Data = Bytes>,
    {
        let received = body::read(&head.headers, body, &self.bodies.up_to(SMALL_BODY_BYTES_MAX)).await;
        received.map_err(|error| match error.kind {
            Kind::TooLarge => {
                Error::new(Kind::TooLarge, format!("the body may hold at most {SMALL_BODY_BYTES_MAX} bytes"))
            }
            _ => error,
        })
    }

    async fn in_time<B>(
        self: &Arc<Self>,
        head: &Parts,
        body: B,
        route: Result<Route>,
        peer: Peer,
        visit: &mut Visit,
    ) -> Result<Reply>
    where
        B: Body<Data = Bytes>,
    {
        // A body has a time of its own; what it takes must not count against the work.
        let timeout = match body.is_end_stream() {
            true => self.settings.handler_timeout,
            false => self.settings.handler_timeout + self.settings.body_timeout,
        };
        let answer = self.try_answer(head, body, route, peer, visit);
        // A check reads everything there is, and whoever asks for it waits.
        if peer == Peer::Local && matches!(head.uri.path(), "/admin/check" | "/admin/prune") {
            return answer.await;
        }
        tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| {
            let message = "the server did not finish in time; ask for less at once, or try again later";
            Err(Error::new(Kind::Busy { retry_after_s: RETRY_AFTER_S }, message))
        })
    }

    async fn try_answer<B>(
        self: &Arc<Self>,
        head: &Parts,
        body: B,
        route: Result<Route>,
        peer: Peer,
        visit: &mut Visit,
    ) -> Result<Reply>
    where
        B: Body<Data = Bytes>,
    {
        let route = match route {
            Err(Error { kind: Kind::MethodNotAllowed(methods), .. }) if head.method == Method::OPTIONS => {
                return Ok(cors::options(methods, &head.headers, &self.settings.cors_origins));
            }
            route => route?,
        };
        let text = head.uri.query().unwrap_or_default();
        query::refuse_credentials(text)?;
        self.admit(&route, head, peer, visit).await?;
        let query = Query::parse(text, query::known(&route))?;
        match route {
            Route::UsageSummary => usage_summary::get(self, head, query).await,
            Route::ReadSystemEvents => system_events::get(self, head, query).await,
            Route::AppendSystemEvents => ingest::append(self, head, body).await,
            Route::RecordUsage => ingest::record(self, head, body).await,
            Route::RegisterUsers => ingest::register(self, head, body).await,
            Route::RegisterUser(id) => users::register(self, head, body, id).await,
            Route::EraseUser(id) => users::erase(self, head, body, &query, id).await,
            Route::Health => Ok(probes::health()),
            Route::Ready => probes::ready(self),
            Route::OpenApi => Ok(openapi::get()),
            Route::Metrics => Ok(metrics::get(self)),
            Route::FetchToken => oauth_token::post(self, head, body, visit).await,
            Route::LogIn => login::post(self, head, body, visit).await,
            Route::WhoAmI => whoami::get(visit.caller.as_deref()),
            Route::IssuerMetadata => well_known::metadata(self),
            Route::IssuerKeys => well_known::keys(self),
            Route::RequestExport => exports::create(self, head, body, visit).await,
            Route::ListExports => exports::list(self, visit, query).await,
            Route::ShowExport(id) => exports::show(self, visit, &query, &id).await,
            Route::RemoveExport(id) => exports::remove(self, visit, &id).await,
            Route::Download(file) => downloads::get(self, head, &query, &file, visit).await,
            Route::Admin(route) => admin::answer(self, route, head, body, &query).await,
        }
    }

    /// What every answer carries, whatever it says.
    async fn dress(&self, reply: Reply, head: &Parts, request_id: &str) -> Reply {
        let origins = &self.settings.cors_origins;
        let reply = cors::allow(reply, &head.method, &head.headers, origins);
        let mut reply = seal(encoding::compress(reply, &head.headers).await, request_id);
        let vary = if origins.is_empty() { "Accept-Encoding" } else { "Accept-Encoding, Origin" };
        reply.headers.insert(header::VARY, HeaderValue::from_static(vary));
        if head.method == Method::HEAD && reply.status != StatusCode::NOT_MODIFIED {
            // The length that GET would have (RFC 9110, 9.3.2); that of a 304 would be one that we have not looked up.
            reply.headers.insert(header::CONTENT_LENGTH, reply.len().into());
            (reply.body, reply.file) = (Bytes::new(), None);
        }
        reply
    }
}

impl Peer {
    fn entrance(self) -> Entrance {
        match self {
            Peer::Network(_) => Entrance::Network,
            Peer::Local => Entrance::Local,
        }
    }
}

/// Runs work off the async workers.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(Error::internal(format!("a blocking task: {e}"))))
}

pub(super) fn seal(mut reply: Reply, request_id: &str) -> Reply {
    reply.headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply.headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    reply.with(REQUEST_ID, request_id)
}

#[cfg(test)]
mod tests;
