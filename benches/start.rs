//! How long it takes from starting the server's process to its first 200, beside starting `/bin/true` and waiting for its
//! end with the same launcher, by turns.
//!
//! ```sh
//! cargo bench --bench start -- --program target/release/analytics [--database big.db] [--rounds 30]
//! ```
//!
//! Prints JSON: the times in microseconds of each round, of `/bin/true`, of `serve --ephemeral` and, where a database is
//! named, of `serve --database`.

#[path = "shared/client.rs"]
mod client;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use client::Client;
use serde_json::{Value, json};

const USAGE: &str = "usage: cargo bench --bench start -- --program PROGRAM [--database FILE] [--rounds N]";
/// How often a server is knocked at that does not say when it is ready.
const KNOCK: Duration = Duration::from_micros(100);
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let Some(program) = option("--program") else {
        return println!("{USAGE}");
    };
    let rounds = option("--rounds").map_or(30, |text| text.parse::<usize>().expect("a whole number"));
    let (mut nothing, mut ephemeral, mut file) = (vec![], vec![], vec![]);
    for _ in 0..rounds {
        nothing.push(micros(start_nothing()));
        ephemeral.push(micros(start_ephemeral(&program)));
        if let Some(database) = option("--database") {
            file.push(micros(start_on(&program, &database)));
        }
    }
    let found: Value = json!({ "true": nothing, "ephemeral": ephemeral, "file": file });
    println!("{found}");
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

fn start_nothing() -> Duration {
    let begun = Instant::now();
    let status = Command::new("/bin/true").stdin(Stdio::null()).status().expect("/bin/true is there");
    assert!(status.success());
    begun.elapsed()
}

/// Until the first 200; the line on standard output says where.
fn start_ephemeral(program: &str) -> Duration {
    let mut command = Command::new(program);
    command.args(["serve", "--ephemeral"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let ready: Value = serde_json::from_str(&line).expect("a line of JSON");
    let mut client = Client::connect(ready["url"].as_str().expect("a URL"), "").expect("it listens");
    assert!(is_ready(&mut client), "a server that says that it is ready answers 200");
    let took = begun.elapsed();
    stop(child);
    took
}

fn start_on(program: &str, database: &str) -> Duration {
    let address = free_address();
    let mut command = Command::new(program);
    command.args(["serve", "--database", database, "--listen", &address]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let child = command.spawn().expect("it starts");
    while !Client::connect(&address, "").is_ok_and(|mut client| is_ready(&mut client)) {
        assert!(begun.elapsed() < PATIENCE, "no 200 on {address} from {program} serve --database {database}");
        std::thread::sleep(KNOCK);
    }
    let took = begun.elapsed();
    stop(child);
    took
}

/// A port that was free a moment ago.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

fn is_ready(client: &mut Client) -> bool {
    let request = client.request("GET", "/readyz", "");
    client.ask(&request).is_ok_and(|(status, _)| status == 200)
}

/// Tidily: the next round finds the file as an operator would.
fn stop(mut child: std::process::Child) {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own child");
    child.wait().expect("our own child");
}
