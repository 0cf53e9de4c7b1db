//! Connections: accepted within limits, served by hyper, and let go in order.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioTimer;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::file_body::ResponseBody;
use super::guard::{HEADERS_MAX, Violation};
use super::guarded::{Guarded, REFUSED};
use super::peers::Peers;
use super::service::{Peer, Service};
use super::threads::Threads;

/// hyper's bound on what it buffers of one connection.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// hyper closes in silence when its own timer fires, so the guard's, which answers 408, gets a head start.
const SILENT_CLOSE_AFTER: Duration = Duration::from_secs(1);
/// Accepting fails when descriptors run out; trying again at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves TCP connections until `shutdown` resolves, then lets requests under way end, for `drain_timeout` at most.
pub async fn serve_tcp(
    listener: TcpListener,
    threads: Threads,
    service: Arc<Service>,
    shutdown: impl Future<Output = ()>,
) {
    let settings = &service.settings;
    let peers = Peers::new(settings.connections_per_peer_max, settings.trusted_proxies.clone());
    let mut shutdown = pin!(shutdown);
    let mut open = Connections::new(Arc::clone(&service), service.settings.connections_max);
    loop {
        // The permit first: a connection that cannot be served waits in the kernel's queue, not in our memory.
        let accepted = async { (open.permit().await, listener.accept().await) };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = peers.enter(address.ip()) else {
            turn_away(&stream, &service);
            continue;
        };
        set_options(&stream, &service);
        // A stream belongs to the runtime it is made in. One that cannot be moved is closed, as if it had broken off.
        let Ok(stream) = stream.into_std() else { continue };
        let (runtime, place_on_thread) = threads.take_place();
        let here = async move { TcpStream::from_std(stream) };
        open.spawn_on(runtime, here, Peer::Network(address.ip()), (permit, place, place_on_thread));
    }
    drop(listener);
    open.drain().await;
}

/// Serves the local socket as [`serve_tcp`] does, for processes of the same user only: whoever gets in may do everything.
pub async fn serve_local(listener: UnixListener, service: Arc<Service>, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let mut open = Connections::new(Arc::clone(&service), service.settings.connections_max);
    loop {
        let accepted = async { (open.permit().await, listener.accept().await) };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, _)) if is_same_user(&stream) => {
                open.spawn_on(&Handle::current(), std::future::ready(Ok(stream)), Peer::Local, permit);
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    open.drain().await;
}

/// The open connections of one listener.
struct Connections {
    service: Arc<Service>,
    permits: Arc<Semaphore>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Connections {
    fn new(service: Arc<Service>, max: usize) -> Connections {
        let permits = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Connections { service, permits, tasks: JoinSet::new(), stop: watch::Sender::new(false) }
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// `stream` is awaited on the runtime; `held` is given back when the connection ends.
    fn spawn_on<S, H>(
        &mut self,
        runtime: &Handle,
        stream: impl Future<Output = io::Result<S>> + Send + 'static,
        peer: Peer,
        held: H,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Send + 'static,
    {
        // Tasks that have ended are reaped here, or the set would only grow.
        while self.tasks.try_join_next().is_some() {}
        let (service, stopping) = (Arc::clone(&self.service), self.stop.subscribe());
        let serving = async move {
            let _open = service.metrics.connection();
            if let Ok(stream) = stream.await {
                serve(stream, peer, Arc::clone(&service), stopping).await;
            }
            drop(held);
        };
        self.tasks.spawn_on(serving, runtime);
    }

    /// Ends every connection after the request it is in, and drops those that take too long.
    async fn drain(mut self) {
        self.service.stop();
        self.stop.send_replace(true);
        let timeout = self.service.settings.drain_timeout;
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(timeout, ended).await;
    }
}

async fn serve<S>(stream: S, peer: Peer, service: Arc<Service>, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let refusal = Arc::new(OnceLock::new());
    let io = Guarded::new(stream, service.settings.header_timeout, Arc::clone(&refusal));
    let age_max = service.settings.connection_age_max;
    let builder = builder(&service);
    let handler = service_fn(move |request| handle(Arc::clone(&service), request, peer, Arc::clone(&refusal)));
    let mut connection = pin!(builder.serve_connection(io, handler));
    tokio::select! {
        // A connection that breaks off is the client's business: every request that was answered has been counted.
        _ = connection.as_mut() => return,
        () = tokio::time::sleep(age_max) => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A client that takes an answer byte by byte must not hold it for ever.
    let _ = tokio::time::timeout(age_max, connection).await;
}

fn builder(service: &Service) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Without a timer hyper's timeouts are off, and it does not say so.
        .timer(TokioTimer::new())
        .header_read_timeout(service.settings.header_timeout + SILENT_CLOSE_AFTER)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .half_close(false);
    builder
}

async fn handle(
    service: Arc<Service>,
    request: Request<Incoming>,
    peer: Peer,
    refusal: Arc<OnceLock<Violation>>,
) -> Result<Response<ResponseBody>, Infallible> {
    match refusal.get().filter(|_| request.method().as_str() == REFUSED) {
        Some(violation) => Ok(service.refuse(*violation)),
        None => Ok(service.answer(request, peer).await),
    }
}

fn set_options(stream: &TcpStream, service: &Service) {
    // Either may be unknown to the platform; the connection works without, only less well.
    let _ = stream.set_nodelay(true);
    // hyper has no bound on how long a client may leave an answer unread.
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(service.settings.write_timeout));
}

/// Answers without reading or waiting: whoever holds too many connections gets no more of our time.
fn turn_away(stream: &TcpStream, service: &Service) {
    let _ = stream.try_write(&service.turn_away().into_bytes());
}

fn is_same_user(stream: &UnixStream) -> bool {
    // Both ends of a fresh pair are ours: so the system tells who we are.
    let ours = UnixStream::pair().and_then(|(one, _other)| one.peer_cred());
    match (ours, stream.peer_cred()) {
        (Ok(ours), Ok(theirs)) => ours.uid() == theirs.uid(),
        _ => false,
    }
}
