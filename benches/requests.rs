//! Requests per second: what it costs that a request is let in by a known credential and counted, beside a bare hyper
//! that gives the same bytes to everybody. The servers are processes of their own, measured in turn, round after round.
//!
//! ```sh
//! cargo bench --bench requests -- [--rounds 9] [--seconds 2] [--connections 32] [--database file] [--only whoami]
//! ```
//!
//! - `bare`: hyper, the same settings, bytes as many.
//! - `key`, `token`: the same, after `authenticate` and `take`, with the rate-limit headers.
//! - `whoami`: the product, which also routes, guards, times, counts and dresses the answer.
//! - `summary`: the product, the same summary of a year each time; `teams`, `users`, `ranges`: of another team, user or
//!   range each time. Without a database of yours (a copy: it is opened for writing) there are 20,000 events of 2,000 users.

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
use analytics::model::{Day, Grants, Id, Timestamp, UsageEvent};
use analytics::store::{Durability, Store};
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

const VARIANTS: [&str; 8] = ["bare", "key", "token", "whoami", "summary", "teams", "users", "ranges"];
/// Those that one process serves: a database has one owner.
const OF_PRODUCT: [&str; 5] = ["whoami", "summary", "teams", "users", "ranges"];
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
    variants: Vec<&'static str>,
}

fn drive() {
    let (rounds, seconds, connections) = (option("--rounds", 9), option("--seconds", 2), option("--connections", 32));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let only = text_option("--only");
    let is_wanted = |variant: &&str| *variant == "bare" || only.as_deref().is_none_or(|only| only == *variant);
    let variants: Vec<&'static str> = VARIANTS.into_iter().filter(is_wanted).collect();
    let (of_product, others): (Vec<_>, Vec<_>) = variants.iter().partition(|variant| OF_PRODUCT.contains(variant));
    let mut servers: Vec<Server> = others.into_iter().map(|variant| Server::start(vec![variant])).collect();
    if !of_product.is_empty() {
        servers.push(Server::start(of_product));
    }
    let asked: Vec<(&Server, &'static str)> =
        servers.iter().flat_map(|server| server.variants.iter().map(move |variant| (server, *variant))).collect();
    let mut found: Vec<Vec<(f64, f64)>> = vec![vec![]; asked.len()];
    for round in 0..=rounds {
        for ((server, variant), found) in asked.iter().zip(&mut found) {
            let (cpu, begun) = (server.cpu(), Instant::now());
            let requests = runtime.block_on(ask(server, variant, connections, Duration::from_secs(seconds)));
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
    for ((_, variant), (rate, cpu)) in asked.iter().zip(&medians) {
        let (bare_rate, bare_cpu) = medians[0];
        println!(
            "{variant:<8} {rate:>12.0} {:>7.1}% {cpu:>14.2} {:>7.1}%",
            100.0 * rate / bare_rate,
            100.0 * cpu / bare_cpu
        );
    }
}

impl Server {
    fn start(variants: Vec<&'static str>) -> Server {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args(std::env::args_os().skip(1)).env(ROLE, variants[0]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts again");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let (address, credential) = line.trim().split_once(' ').expect("an address and a credential");
        Server { address: address.into(), credential: credential.into(), child, variants }
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

async fn ask(server: &Server, variant: &str, connections: u64, for_so_long: Duration) -> u64 {
    let request = |target: String| {
        let Server { address, credential, .. } = server;
        format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {credential}\r\n\r\n")
    };
    let requests: Arc<[String]> = targets(variant).into_iter().map(request).collect();
    let until = Instant::now() + for_so_long;
    let one = |n| tokio::spawn(one_connection(server.address.clone(), Arc::clone(&requests), n as usize * 31, until));
    let tasks: Vec<_> = (0..connections).map(one).collect();
    let mut requests = 0;
    for task in tasks {
        requests += task.await.expect("a connection does its work");
    }
    requests
}

/// What is asked for in turn.
fn targets(variant: &str) -> Vec<String> {
    const YEAR: &str = "/reports/usage-summary?start_date=2024-01-16&end_date=2025-01-14";
    let day = |n: u32| Day::from_index(Day::parse("2023-01-01").expect("a date").index() + n).expect("a day");
    match variant {
        "summary" => vec![YEAR.into()],
        "teams" => (0..200).map(|n| format!("{YEAR}&team_id=team-{n:03}")).collect(),
        "users" => (0..2_000).map(|n| format!("{YEAR}&user_id=user-{n:06}")).collect(),
        // More than are kept.
        "ranges" => (0..50_000u32)
            .map(|n| (n * 7 % 700, 1 + n * 13 % 390))
            .map(|(start, days)| {
                format!("/reports/usage-summary?start_date={}&end_date={}", day(start), day(start + days))
            })
            .collect(),
        _ => vec!["/auth/whoami".into()],
    }
}

async fn one_connection(address: String, of: Arc<[String]>, first: usize, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("an option");
    let mut buffer = [0; 4096];
    let mut requests = 0;
    while Instant::now() < until {
        let request = &of[(first + requests as usize) % of.len()];
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
    text_option(name).map_or(default, |value| value.parse().expect("a whole number"))
}

fn text_option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
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
    if OF_PRODUCT.contains(&variant) {
        if text_option("--database").is_none() {
            runtime.block_on(fill(running.store()));
        }
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
    let is_product = std::env::var(ROLE).is_ok_and(|variant| OF_PRODUCT.contains(&variant.as_str()));
    let database = text_option("--database").filter(|_| is_product).unwrap_or(database);
    let flags = vec![("database.path", database), ("server.listen", "127.0.0.1:0".to_string())];
    let mut settings =
        Settings::load(Sources { config: None, environment: std::iter::empty(), flags }).expect("settings");
    settings.store.durability = Durability::None;
    settings.audit_events = false;
    settings.limits.requests_per_minute = QUOTA;
    app::start(settings, Clock::system()).await.expect("the server starts")
}

/// Ten events of each of 2,000 users, over two years, in 200 teams.
async fn fill(store: &Store) {
    let start = Timestamp::parse("2023-01-01T12:00:00Z").expect("a time").unix_micros();
    let id = |text: String| Id::new(text).expect("an id");
    let event = |n: i64| UsageEvent {
        user_id: id(format!("user-{:06}", n % 2_000)),
        at: Timestamp::from_unix_micros(start + n * 3_150_000_000).expect("a time"),
        team_id: Some(id(format!("team-{:03}", n % 200))),
        service: None,
        session_id: None,
    };
    for batch in 0..20 {
        let events = (batch * 1_000..(batch + 1) * 1_000).map(event).collect();
        assert_eq!(store.record(events).await, Ok(vec![]));
    }
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
