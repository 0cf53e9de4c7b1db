//! A server in this process: the product's own wiring, a real file, a port of its own.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use analytics::app::settings::{Settings, Sources};
use analytics::app::{self, Running};
use analytics::clock::Clock;
use analytics::limits;
use analytics::model::{Grants, Roles, Scopes};
use analytics::store::Durability;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::client::Client;

pub const ALL_SCOPES: &[&str] = &["read:analytics", "read:metrics", "write:events", "admin"];

/// One for all servers of all tests: dozens of them share the cores.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// A running server that reads as a client with every scope. Stopped when dropped.
pub struct Server {
    client: Client,
    running: Option<Running>,
    settings: Settings,
    directory: TempDir,
}

impl Server {
    pub fn start() -> Server {
        Server::with(|_| {})
    }

    /// With settings other than the defaults.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        let mut settings = settings(directory.path().join("analytics.db"));
        change(&mut settings);
        Server::open(settings, directory)
    }

    fn open(settings: Settings, directory: TempDir) -> Server {
        let started = RUNTIME.block_on(app::start(settings.clone(), Clock::system()));
        let running = started.unwrap_or_else(|e| panic!("the server does not start: {e}"));
        let key = running.auth.keys.create_for_session("tests", Grants::ALL).expect("a key");
        let client = Client::new(&format!("http://{}", running.address), Some(&key));
        Server { client, running: Some(running), settings, directory }
    }

    /// Stops the server and starts another on the same file.
    pub fn restart(self) -> Server {
        self.restart_with(|_| {})
    }

    /// The same with other settings.
    pub fn restart_with(mut self, change: impl FnOnce(&mut Settings)) -> Server {
        self.stop();
        change(&mut self.settings);
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"));
        Server::open(self.settings.clone(), directory)
    }

    /// A client with a key that holds these scopes alone.
    pub fn client_with(&self, scopes: &str) -> Client {
        let scopes = Scopes::parse(scopes).expect("scopes");
        let grants = Grants { scopes, roles: Roles::default() };
        let key = self.running().auth.keys.create_for_session("tests", grants).expect("a key");
        self.client.with_key(Some(&key))
    }

    /// A client of somebody else who may do everything.
    pub fn client_of(&self, owner: &str) -> Client {
        let key = self.running().auth.keys.create_for_session(owner, Grants::ALL).expect("a key");
        self.client.with_key(Some(&key))
    }

    /// Where the database lies.
    pub fn database(&self) -> &Path {
        &self.settings.store.path
    }

    pub fn address(&self) -> SocketAddr {
        self.running().address
    }

    /// Recomputes every rollup and count; gives what differs.
    pub fn check(&self) -> Vec<String> {
        self.running().store().snapshot().and_then(|snapshot| snapshot.check()).expect("the database can be read")
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs until it is stopped")
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            RUNTIME.block_on(running.stop());
        }
    }
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The defaults, whatever the environment says; any port, and no waiting for the disk, since nothing here is killed.
pub fn settings(database: PathBuf) -> Settings {
    let flags =
        vec![("database.path", database.to_string_lossy().into_owned()), ("server.listen", "127.0.0.1:0".to_string())];
    let sources = Sources { config: None, environment: std::iter::empty(), flags };
    let mut settings = Settings::load(sources).expect("the defaults are valid");
    settings.store.durability = Durability::None;
    // Where they are not what a test is about, they are not to be met either.
    settings.limits = limits::Settings::none();
    settings.audit_events = false;
    settings
}
