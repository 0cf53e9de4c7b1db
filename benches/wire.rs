//! What a request takes over HTTP beside a bare hyper that answers the same bytes, on one kept-alive connection each, by
//! turns, request by request.
//!
//! ```sh
//! analytics serve --database big.db &
//! cargo bench --bench wire -- --url http://127.0.0.1:8080 --key ak_... --kinds kinds.json [--requests 100] [--rounds 5]
//! cargo bench --bench wire -- --bare answer.json           # only the bare server: prints its URL
//! ```
//!
//! `kinds.json` is a list of `{"name": .., "paths": [..]}`: the paths of a kind are asked for in turn, each as often as there
//! is need. Prints JSON: of each kind and round the median and the 99th percentile in microseconds, ours and bare.

#[path = "shared/client.rs"]
mod client;

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::Client;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const USAGE: &str =
    "usage: cargo bench --bench wire -- --url URL --key KEY --kinds FILE [--requests N] [--rounds N] | --bare FILE";
/// Requests of each kind and round that are not counted.
const WARM_UP: usize = 20;
/// A kind that is slow is asked for less often: so long a round, warming up apart.
const ROUND_MAX: Duration = Duration::from_millis(1_500);

fn main() {
    if let Some(file) = option("--bare") {
        return serve_bare(&file);
    }
    let (Some(url), Some(key), Some(kinds)) = (option("--url"), option("--key"), option("--kinds")) else {
        return println!("{USAGE}");
    };
    let kinds: Vec<Kind> =
        serde_json::from_slice(&std::fs::read(kinds).expect("a file of kinds")).expect("a list of kinds");
    let number = |name, default| option(name).map_or(default, |text| text.parse().expect("a whole number"));
    println!("{}", compare(&url, &key, &kinds, number("--rounds", 5), number("--requests", 100)));
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

#[derive(Deserialize)]
struct Kind {
    name: String,
    paths: Vec<String>,
}

// ---------------------------------------------------------------------------------------------------------------------
// The side that asks.

fn compare(url: &str, key: &str, kinds: &[Kind], rounds: usize, requests: usize) -> Value {
    let mut ours = Client::connect(url, key).expect("the server listens");
    let bodies: Vec<String> = kinds.iter().map(|kind| body(&mut ours, &kind.paths[0])).collect();
    let bare_server = Bare::start(&bodies);
    let mut bare = Client::connect(&bare_server.url, key).expect("it listens");
    let mut found: Vec<Vec<Value>> = vec![vec![]; kinds.len()];
    for _ in 0..rounds {
        for (n, kind) in kinds.iter().enumerate() {
            // Rounds go on where the one before ended.
            let (ours_at, bare_path) = (found[n].len() * (WARM_UP + requests), format!("/{n}"));
            let path = |request: usize| kind.paths[(ours_at + request) % kind.paths.len()].as_str();
            let turns = by_turns(&mut ours, &mut bare, path, &bare_path, requests);
            found[n].push(
                json!({ "ours": percentiles(&turns, |turn| turn.0), "bare": percentiles(&turns, |turn| turn.1) }),
            );
        }
    }
    let line = |((kind, body), rounds): ((&Kind, &String), Vec<Value>)| json!({ "name": kind.name, "bytes": body.len(), "rounds": rounds });
    kinds.iter().zip(&bodies).zip(found).map(line).collect()
}

fn body(client: &mut Client, path: &str) -> String {
    let request = client.request("GET", path, "");
    let (status, body) = client.ask(&request).expect("the server answers");
    let text = String::from_utf8_lossy(body).into_owned();
    assert_eq!(status, 200, "{path}: {text}");
    text
}

/// The times of each, request by request.
fn by_turns<'a>(
    ours: &mut Client,
    bare: &mut Client,
    path: impl Fn(usize) -> &'a str,
    bare_path: &str,
    requests: usize,
) -> Vec<(Duration, Duration)> {
    let bare_request = bare.request("GET", bare_path, "");
    let (mut turns, mut begun) = (vec![], Instant::now());
    for nth in 0..WARM_UP + requests {
        let our_request = ours.request("GET", path(nth), "");
        let turn = (time(ours, &our_request), time(bare, &bare_request));
        if nth < WARM_UP {
            begun = Instant::now();
        } else if turns.is_empty() || begun.elapsed() < ROUND_MAX {
            turns.push(turn);
        } else {
            break;
        }
    }
    turns
}

fn time(client: &mut Client, request: &[u8]) -> Duration {
    let begun = Instant::now();
    let (status, _) = client.ask(request).expect("the server answers");
    let took = begun.elapsed();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(request));
    took
}

/// `[median, 99th percentile]` in microseconds.
fn percentiles(turns: &[(Duration, Duration)], of: impl Fn(&(Duration, Duration)) -> Duration) -> [f64; 2] {
    let mut times: Vec<f64> = turns.iter().map(|turn| of(turn).as_nanos() as f64 / 1e3).collect();
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[times.len() * 99 / 100]]
}

/// The bare server, a process of its own.
struct Bare {
    child: Child,
    url: String,
    _answers: tempfile::NamedTempFile,
}

impl Bare {
    fn start(bodies: &[String]) -> Bare {
        let answers = tempfile::NamedTempFile::new().expect("a file");
        serde_json::to_writer(&answers, bodies).expect("a file");
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        let mut child =
            command.arg("--bare").arg(answers.path()).stdout(Stdio::piped()).spawn().expect("it starts again");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut url).expect("a line");
        Bare { child, url: url.trim().into(), _answers: answers }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The side that answers: a list of bodies; `/3` gets the fourth, whatever is no number the first.

fn serve_bare(file: &str) {
    let bodies: Vec<String> = serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("a list of bodies");
    let bodies: Arc<[Bytes]> = bodies.into_iter().map(Bytes::from).collect();
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("an address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("an option");
            let bodies = Arc::clone(&bodies);
            tokio::spawn(async move {
                let answer = service_fn(|request| std::future::ready(answer(&request, &bodies)));
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10)).max_headers(64);
                // The other side hangs up when it is done.
                let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
}

fn answer<B>(request: &Request<B>, bodies: &[Bytes]) -> Result<Response<Full<Bytes>>, Infallible> {
    let nth = request.uri().path()[1..].parse::<usize>().ok();
    let body = nth.and_then(|nth| bodies.get(nth)).unwrap_or(&bodies[0]);
    let mut response = Response::new(Full::new(body.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
