//! A server for one test, and the client's side of a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use analytics::auth::Keys;
use analytics::clock::Clock;
use analytics::http::{self, Local, Service, Settings, Wiring};
use analytics::ingest::Bounds;
use analytics::model::{Grants, Roles, Scope, Timestamp};
use analytics::store::{Durability, Settings as StoreSettings, Store};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// No wait of a test takes longer; what does is a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub address: SocketAddr,
    pub service: Arc<Service>,
    /// Holds every scope.
    pub key: String,
    /// Stands at 2025-06-01T12:00:00Z until it is moved.
    pub clock: Clock,
    keys: Keys,
    pub runtime: Runtime,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
    directory: TempDir,
}

pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Server {
    pub fn start() -> Server {
        Server::start_with(|_| {})
    }

    /// A server on a fresh database and a free port, with settings changed to the test's needs.
    pub fn start_with(change: impl FnOnce(&mut Settings)) -> Server {
        Server::start_changed(change, |_| {})
    }

    /// A server of parts changed to the test's needs.
    pub fn start_wired(change: impl FnOnce(&mut Wiring)) -> Server {
        Server::start_changed(|_| {}, change)
    }

    fn start_changed(settings_change: impl FnOnce(&mut Settings), wiring_change: impl FnOnce(&mut Wiring)) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::parse("2025-06-01T12:00:00Z").unwrap().unix_micros());
        let store = Store::open(&store_settings(&directory), clock.clone()).unwrap();
        let mut settings = settings();
        settings_change(&mut settings);
        let mut wiring = Wiring::plain(store, clock.clone(), settings).unwrap();
        wiring_change(&mut wiring);
        let service = Service::new(wiring);
        let keys = service.auth().keys.clone();
        let key = keys.create_for_session("test", Grants::ALL).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = watch::channel(false);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let threads = http::Threads::start().unwrap();
        let serving = runtime.spawn(http::serve_tcp(listener, threads, Arc::clone(&service), stopping(stopped)));
        Server { address, service, key, clock, keys, runtime, stop, serving: Some(serving), directory }
    }

    /// A key of its own with just this scope.
    pub fn key_for(&self, scope: Scope) -> String {
        self.keys
            .create_for_session("test", Grants { scopes: [scope].into_iter().collect(), roles: Roles::default() })
            .unwrap()
    }

    /// A key of its own for this owner.
    pub fn key_of(&self, owner: &str, grants: Grants) -> String {
        self.keys.create_for_session(owner, grants).unwrap()
    }

    /// Asks as the administrator, without a socket.
    #[track_caller]
    pub fn admin(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let local = Local::InProcess(Arc::clone(&self.service));
        let body = bytes::Bytes::copy_from_slice(body.as_bytes());
        let answer = self.runtime.block_on(local.send(method, path, Some("application/json"), body)).unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// What the server takes a bearer token for.
    pub fn whoami(&self, token: &str) -> Answer {
        self.request_as("GET", "/auth/whoami", &[("Authorization", &format!("Bearer {token}"))], b"")
    }

    /// Moves the clock on.
    pub fn pass(&self, seconds: i64) {
        self.clock.set(self.clock.unix_micros() + seconds * 1_000_000);
    }

    /// Serves the local socket, too, and gives a client of it.
    pub fn local(&self) -> Local {
        let path: PathBuf = self.directory.path().join("analytics.sock");
        let _inside = self.runtime.enter();
        let listener = UnixListener::bind(&path).unwrap();
        self.runtime.spawn(http::serve_local(listener, Arc::clone(&self.service), stopping(self.stop.subscribe())));
        Local::socket(path)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends exactly these bytes on a connection of their own and reads one answer.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        send(&mut stream, bytes);
        read_answer(&mut stream).expect("an answer")
    }

    /// A request with the server's key.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        self.request_as(method, target, &[&[("Authorization", bearer.as_str())], headers].concat(), body)
    }

    pub fn request_as(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = self.connect();
        send(&mut stream, &[head.as_bytes(), b"\r\n", body].concat());
        if method == "HEAD" {
            return read_head(&mut stream).expect("an answer");
        }
        read_answer(&mut stream).expect("an answer")
    }

    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], b"")
    }

    pub fn post(&self, target: &str, body: &str) -> Answer {
        self.request("POST", target, &[], body.as_bytes())
    }

    /// Asks the server to stop; [`Server::stopped`] waits until it has.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub fn stopped(&mut self) {
        let serving = self.serving.take().expect("a server stops once");
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, serving).await }).unwrap().unwrap();
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Asserts the status and the exact shape of an error, and gives its message.
    #[track_caller]
    pub fn error(&self, status: u16, name: &str) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let json = self.json();
        let message = json["message"].as_str().unwrap().to_string();
        assert_eq!(json, serde_json::json!({ "error": name, "message": message }));
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("x-request-id").map(str::len), Some(16));
        message
    }
}

/// A server may answer and close before all is sent; what matters is the answer.
pub fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// One answer with its body, by Content-Length. None if the connection was closed without one.
pub fn read_answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut answer = read_head(stream)?;
    let len = answer.header("content-length").map_or(0, |len| len.parse().unwrap());
    answer.body = vec![0; len];
    stream.read_exact(&mut answer.body).unwrap();
    Some(answer)
}

fn read_head(stream: &mut TcpStream) -> Option<Answer> {
    let mut head = vec![];
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(0) if head.is_empty() => return None,
            Ok(1) => head.push(byte[0]),
            other => panic!("{other:?} behind {:?}", String::from_utf8_lossy(&head)),
        }
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer { status, head, body: vec![] })
}

/// Whether the server has closed its side; panics on more bytes.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Err(e) if e.kind() == ErrorKind::ConnectionReset => true,
        other => panic!("{other:?}"),
    }
}

fn store_settings(directory: &TempDir) -> StoreSettings {
    StoreSettings {
        path: directory.path().join("analytics.db"),
        durability: Durability::None,
        bytes_max: 0,
        teams_max: 1000,
        services_max: 1000,
        queue_items_max: 100_000,
        span_cache_bytes: 1 << 20,
    }
}

fn settings() -> Settings {
    Settings {
        public_url: "http://127.0.0.1".into(),
        contact: String::new(),
        cors_origins: vec![],
        trusted_proxies: vec![],
        connections_max: 100,
        connections_per_peer_max: 100,
        header_timeout: PATIENCE,
        body_timeout: PATIENCE,
        handler_timeout: PATIENCE,
        write_timeout: PATIENCE,
        connection_age_max: PATIENCE,
        drain_timeout: PATIENCE,
        metrics_public: false,
        bounds: Bounds {
            body_bytes_max: 1024 * 1024,
            items_max: 1000,
            nesting_max: 8,
            message_bytes_max: 64 * 1024,
            attributes_bytes_max: 16 * 1024,
        },
    }
}

async fn stopping(mut stopped: watch::Receiver<bool>) {
    // An error means that the test is over, which is a reason to stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
