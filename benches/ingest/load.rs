//! The product over HTTP, and those who send to it.

use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use analytics::app;
use analytics::app::settings::{Settings, Sources};
use analytics::clock::Clock;
use analytics::model::Grants;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::events::{Arrival, History, Lines};
use super::table::{Rate, Table};
use super::{Plan, cpu_of, first_line, measured_by, start};

/// Never reached, but counted like any other.
const QUOTA: u32 = 100_000_000;
const SINGLE: &str = "64 connections, 1 event a request";
const BATCH: &str = "8 connections, 1,000 events a request";
const BATCH_EVENTS: usize = 1_000;

/// Answers until the other side ends it. Prints its address and a key.
pub fn serve(plan: &Plan) {
    let runtime = Runtime::new().expect("a runtime");
    let directory = plan.directory();
    let database = directory.path().join("analytics.db").to_string_lossy().into_owned();
    let flags = vec![("database.path", database), ("server.listen", "127.0.0.1:0".to_string())];
    let mut settings =
        Settings::load(Sources { config: None, environment: std::iter::empty(), flags }).expect("settings");
    settings.audit_events = false;
    settings.limits.ingest_requests_per_minute = QUOTA;
    let running = runtime.block_on(app::start(settings, Clock::system())).expect("the server starts");
    let key = runtime.block_on(running.auth.keys.create("bench", Grants::ALL, None)).expect("a key").key;
    println!("{} {key}", running.address);
    // A line, or the end of the input, is the sign to go.
    let _ = std::io::stdin().read_line(&mut String::new());
    runtime.block_on(running.stop());
}

struct Server {
    child: Child,
    address: String,
    key: String,
}

impl Server {
    fn start() -> Server {
        let mut child = start("serve");
        let line = first_line(&mut child);
        let (address, key) = line.split_once(' ').expect("an address and a key");
        Server { address: address.into(), key: key.into(), child }
    }

    fn request(&self, path: &str, body: &str) -> Vec<u8> {
        let Server { address, key, .. } = self;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its input has ended with us holding none: it goes by itself, and tidily removes its directory.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

pub fn drive(plan: &Plan, table: &mut Table) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = Server::start();
    let (mut usage, mut lines) = (History::new(7), Lines::new(7));
    let mut usage = || usage.next(Arrival::InOrder).json();
    let mut lines = || lines.next().json();
    let (events, log) = ("/usage/events", "/logs/system-events");
    for round in 0..=plan.rounds {
        let mut add = |group, name, unit, rate: Rate| {
            // The first round warms up.
            if round > 0 {
                table.add(group, name, unit, rate);
            }
        };
        let send = |connections, items, requests| runtime.block_on(ask(&server, connections, items, requests));
        if plan.wants("single") {
            let single = |path, body: &mut dyn FnMut() -> String| {
                let requests = (0..plan.requests).map(|_| server.request(path, &body())).collect();
                send(64, 1, requests)
            };
            add(SINGLE, "empty batch", "requests", single(events, &mut || "[]".into()));
            if plan.takes("usage") {
                add(SINGLE, "usage", "requests", single(events, &mut usage));
            }
            if plan.takes("log") {
                add(SINGLE, "log", "requests", single(log, &mut lines));
            }
        }
        if plan.wants("batch") {
            let batch = |path, body: &mut dyn FnMut() -> String| {
                let body = |_| server.request(path, &(0..BATCH_EVENTS).map(|_| body() + "\n").collect::<String>());
                send(8, BATCH_EVENTS, (0..plan.batches).map(body).collect())
            };
            if plan.takes("usage") {
                add(BATCH, "bare usage table", "events", measured_by("bare-usage"));
                add(BATCH, "usage", "events", batch(events, &mut usage));
            }
            if plan.takes("log") {
                add(BATCH, "bare log table", "events", measured_by("bare-log"));
                add(BATCH, "log", "events", batch(log, &mut lines));
            }
        }
    }
}

/// Sends the requests over so many connections, each the next one as soon as it has its answer.
async fn ask(server: &Server, connections: usize, items: usize, requests: Vec<Vec<u8>>) -> Rate {
    let sent = requests.len() * items;
    let requests = Arc::new(Mutex::new(requests.into_iter()));
    let mut streams = vec![];
    for _ in 0..connections {
        let stream = TcpStream::connect(&server.address).await.expect("the server listens");
        stream.set_nodelay(true).expect("an option");
        streams.push(stream);
    }
    let (cpu, begun) = (cpu_of(server.child.id()), Instant::now());
    let one = |stream| tokio::spawn(one_connection(stream, Arc::clone(&requests)));
    let tasks: Vec<_> = streams.into_iter().map(one).collect();
    for task in tasks {
        task.await.expect("a connection does its work");
    }
    let cpu_seconds = (cpu_of(server.child.id()) - cpu).as_secs_f64();
    Rate { items: sent as f64, seconds: begun.elapsed().as_secs_f64(), cpu_seconds }
}

async fn one_connection(mut stream: TcpStream, requests: Arc<Mutex<std::vec::IntoIter<Vec<u8>>>>) {
    let mut buffer = [0; 4096];
    loop {
        let Some(request) = requests.lock().expect("nobody panics").next() else { return };
        stream.write_all(&request).await.expect("the server reads");
        let read = stream.read(&mut buffer).await.expect("the server answers");
        let answer = String::from_utf8_lossy(&buffer[..read]);
        // Small answers come whole, in one piece.
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\"rejected\":[]}"), "{answer}");
    }
}
