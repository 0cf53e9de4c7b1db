//! A server from start to stop.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::settings::Settings;
use super::socket::LocalSocket;
use crate::audit::{Audit, Entry};
use crate::auth::Auth;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::export::Exporter;
use crate::http;
use crate::maintenance::Maintenance;
use crate::store::Store;

/// A server that answers. Dropping it without [`Running::stop`] ends it without a drain; nothing acknowledged is lost.
pub struct Running {
    /// Where it listens; the port is the real one, even if the settings asked for any.
    pub address: SocketAddr,
    /// Absolute address for clients, without a slash at the end: `server.public_url`, or the bound address.
    pub url: String,
    pub auth: Auth,
    audit: Audit,
    /// A set, because it ends with us: a task of its own would hold the database for ever.
    auditing: JoinSet<()>,
    /// Stands before the store, so that it goes before the lock: whoever takes the lock next finds no socket of ours.
    socket: LocalSocket,
    serving: JoinSet<()>,
    exporter: Exporter,
    maintenance: Maintenance,
    stopping: watch::Sender<bool>,
    store: Store,
}

/// Opens the database, then listens on the address of the settings and on the local socket `<database>.sock`. Prints
/// nothing. Must be called within the runtime.
///
/// Errors with a message for the operator: `Conflict` if another process holds the database or the port, `Internal` for
/// everything else that stands in the way.
pub async fn start(settings: Settings, clock: Clock) -> Result<Running> {
    let store = Store::open(&settings.store, clock.clone())?;
    let (socket, local) = LocalSocket::bind(store.path())?;
    let listener = listen(settings.listen).await?;
    let address = listener.local_addr().map_err(|e| Error::internal(format!("no local address: {e}")))?;
    let bound = format!("http://{address}");
    let audit = match settings.audit_events {
        true => Audit::new(store.clone(), clock.clone()),
        false => Audit::off(),
    };
    let exports = (settings.export_directory(), settings.exports.clone());
    let exporter = Exporter::start(store.clone(), exports.0, exports.1, audit.clone(), clock.clone()).await?;
    let maintenance = Maintenance::start(store.clone(), settings.retention.clone(), audit.clone(), clock.clone());
    let service = super::wiring::service(store.clone(), &settings, &bound, audit.clone(), clock)?;
    let (url, auth) = (service.public_url().to_string(), service.auth().clone());
    let threads = http::Threads::start()?;
    let stopping = watch::Sender::new(false);
    let mut serving = JoinSet::new();
    serving.spawn(http::serve_tcp(listener, threads, Arc::clone(&service), stopped(&stopping)));
    serving.spawn(http::serve_local(local, service, stopped(&stopping)));
    let mut auditing = JoinSet::new();
    auditing.spawn(audit.clone().run());
    audit.note(Entry::Started { version: env!("CARGO_PKG_VERSION") });
    Ok(Running { address, url, auth, audit, auditing, socket, serving, exporter, maintenance, stopping, store })
}

impl Running {
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Resolves with the reason once the database can no longer be written to. The process should end then.
    pub async fn failure(&self) -> String {
        self.store.failure().await
    }

    /// Takes no more connections, lets requests under way end (`server.drain_timeout_s` at most), closes the database and
    /// removes the local socket.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        while self.serving.join_next().await.is_some() {}
        self.maintenance.stop().await;
        self.exporter.stop().await;
        self.audit.note(Entry::Stopped);
        // Before its task ends: what that has begun to write would otherwise be written again.
        self.audit.flush().await;
        self.auditing.shutdown().await;
        let store = self.store.clone();
        // Waits for the writer's thread; on a blocking thread, so that a second signal is still heard.
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
        drop(self.socket);
    }
}

/// Resolves once the server is to stop.
fn stopped(stopping: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + use<> {
    let mut stopping = stopping.subscribe();
    async move {
        // A sender that is gone says the same: nobody holds the server any more.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| match e.kind() {
        ErrorKind::AddrInUse => Error::new(
            Kind::Conflict,
            format!(
                "{address} is taken by another program; stop that one, or listen elsewhere: `--listen 127.0.0.1:0` \
                 takes any free port"
            ),
        ),
        ErrorKind::PermissionDenied => Error::internal(format!(
            "may not listen on {address}: ports below 1024 need special rights; try `--listen {}:8080`",
            address.ip()
        )),
        ErrorKind::AddrNotAvailable => Error::internal(format!(
            "cannot listen on {address}: this machine has no such address; `--listen 0.0.0.0:{}` listens on all it has",
            address.port()
        )),
        _ => Error::internal(format!("cannot listen on {address}: {e}")),
    })
}
