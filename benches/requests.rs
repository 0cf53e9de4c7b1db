//! Requests per second: what it costs that a request is let in by a known credential and counted, beside a bare hyper
//! that gives the same bytes to everybody. The servers are processes of their own, measured in turn, round after round.
//!
//! ```sh
//! cargo bench --bench requests -- [--rounds 9] [--seconds 2] [--connections 32]
//! ```
//!
//! - `bare`: hyper, the same settings, the same bytes.
//! - `key`, `token`: the same, after `authenticate` and `take`, with the rate-limit headers.
//! - `whoami`: the product, which also routes, guards, times, counts and dresses the answer.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use analytics::app::settings::{Settings, Sources};
use analytics::app::{self, Running};
use analytics::auth::{Auth, Credential};
use analytics::clock::Clock;
use analytics::limits::{Limits, Policy, Settings as LimitSettings, Standing};
use analytics::model::Grants;
use analytics::store::Durability;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const VARIANTS: [&str; 4] = ["bare", "key", "token", "whoami"];
const ROLE: &str = "BENCH_REQUESTS_SERVE";
/// Never reached, but counted like any other.
const QUOTA: u32 = 100_000_000;
/// What every server but the product answers; as long as the product's.
const ANSWER: &[u8] =
    br#"{"issuer":"local","subject":"bench","scopes":["read:analytics","read:metrics","write:events","admin"],"roles":["report_admin"],"expires_at":null}"#;

fn main() {
    match std::env::var(ROLE) {
        Ok(variant) => serve(&variant),
        Err(_) => drive(),
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The side that asks.

struct Server {
    child: Child,
    address: String,
    credential: String,
}

fn drive() {
    let (rounds, seconds, connections) = (option("--rounds", 9), option("--seconds", 2), option("--connections", 32));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let servers: Vec<Server> = VARIANTS.iter().map(|variant| Server::start(variant)).collect();
    let mut found: Vec<Vec<(f64, f64)>> = vec![vec![]; servers.len()];
    for round in 0..=rounds {
        for (server, found) in servers.iter().zip(&mut found) {
            let (cpu, begun) = (server.cpu(), Instant::now());
            let requests = runtime.block_on(ask(server, connections, Duration::from_secs(seconds)));
            let (took, cpu) = (begun.elapsed(), server.cpu() - cpu);
            // The first round warms up.
            if round > 0 {
                found.push((requests as f64 / took.as_secs_f64(), cpu.as_secs_f64() * 1e6 / requests as f64));
            }
        }
    }
    println!("medians of {rounds} rounds of {seconds} s, {connections} connections");
    println!("{:<8} {:>12} {:>8} {:>14} {:>8}", "server", "requests/s", "of bare", "CPU us/request", "of bare");
    let medians: Vec<(f64, f64)> =
        found.iter().map(|found| (median(found, |it| it.0), median(found, |it| it.1))).collect();
    for (variant, (rate, cpu)) in VARIANTS.iter().zip(&medians) {
        let (bare_rate, bare_cpu) = medians[0];
        println!(
            "{variant:<8} {rate:>12.0} {:>7.1}% {cpu:>14.2} {:>7.1}%",
            100.0 * rate / bare_rate,
            100.0 * cpu / bare_cpu
        );
    }
}

impl Server {
    fn start(variant: &str) -> Server {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child =
            Command::new(program).env(ROLE, variant).stdout(Stdio::piped()).spawn().expect("it starts again");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let (address, credential) = line.trim().split_once(' ').expect("an address and a credential");
        Server { address: address.into(), credential: credential.into(), child }
    }

    /// User and system time so far, in ticks of 10 ms.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("our child");
        let (_, rest) = stat.rsplit_once(") ").expect("a name in brackets");
        let ticks: u64 = rest.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn ask(server: &Server, connections: u64, for_so_long: Duration) -> u64 {
    let request = format!(
        "GET /auth/whoami HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        server.address, server.credential
    );
    let (request, until): (Arc<str>, _) = (request.into(), Instant::now() + for_so_long);
    let one = |_| tokio::spawn(one_connection(server.address.clone(), Arc::clone(&request), until));
    let tasks: Vec<_> = (0..connections).map(one).collect();
    let mut requests = 0;
    for task in tasks {
        requests += task.await.expect("a connection does its work");
    }
    requests
}

async fn one_connection(address: String, request: Arc<str>, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("an option");
    let mut buffer = [0; 4096];
    let mut requests = 0;
    while Instant::now() < until {
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let read = stream.read(&mut buffer).await.expect("the server answers");
        let answer = &buffer[..read];
        // Small answers come whole, in one piece.
        assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"}"), "{}", String::from_utf8_lossy(answer));
        requests += 1;
    }
    requests
}

fn median(found: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = found.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn option(name: &str, default: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(default, |value| value.parse().expect("a whole number"))
}

// ---------------------------------------------------------------------------------------------------------------------
// The side that answers.

fn serve(variant: &str) {
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let running = runtime.block_on(product(&directory));
    let issuer = &running.auth.issuer;
    let credential = match variant {
        "token" => runtime.block_on(issuer.issue_token("bench", Grants::ALL, 3_600)).expect("a token").token,
        _ => runtime.block_on(running.auth.keys.create("bench", Grants::ALL, None)).expect("a key").key,
    };
    if variant == "whoami" {
        println!("{} {credential}", running.address);
    } else {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        println!("{} {credential}", listener.local_addr().expect("an address"));
        let check = (variant != "bare").then(|| Arc::new((running.auth.clone(), limits(&running))));
        runtime.spawn(accept(listener, check));
    }
    // Until the other side ends us.
    std::thread::park();
}

async fn product(directory: &tempfile::TempDir) -> Running {
    let database = directory.path().join("analytics.db").to_string_lossy().into_owned();
    let flags = vec![("database.path", database), ("server.listen", "127.0.0.1:0".to_string())];
    let mut settings =
        Settings::load(Sources { config: None, environment: std::iter::empty(), flags }).expect("settings");
    settings.store.durability = Durability::None;
    settings.audit_events = false;
    settings.limits.requests_per_minute = QUOTA;
    app::start(settings, Clock::system()).await.expect("the server starts")
}

fn limits(running: &Running) -> Limits {
    let settings = LimitSettings { requests_per_minute: QUOTA, ..LimitSettings::none() };
    Limits::new(running.store().clone(), Clock::system(), settings).expect("limits")
}

type Check = Option<Arc<(Auth, Limits)>>;

async fn accept(listener: TcpListener, check: Check) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let check = check.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, check.clone()));
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10)).max_headers(64);
            // The other side hangs up when it is done.
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(request: Request<Incoming>, check: Check) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(check) = &check {
        let standing = let_in(&request, &check.0, &check.1).await;
        let header = |text: String| HeaderValue::try_from(text).expect("ASCII");
        response.headers_mut().insert("ratelimit-policy", header(standing.policy_header()));
        response.headers_mut().insert("ratelimit", header(standing.limit_header()));
    }
    Ok(response)
}

async fn let_in(request: &Request<Incoming>, auth: &Auth, limits: &Limits) -> Standing {
    let sent = request.headers()[AUTHORIZATION].to_str().expect("ASCII");
    let credential = Credential::Bearer(sent.strip_prefix("Bearer ").expect("a bearer").to_string());
    let caller = auth.authenticate(Some(&credential), false).await.expect("a good credential");
    limits.take(&caller, Policy::Requests).expect("within the quota").expect("a limit")
}
