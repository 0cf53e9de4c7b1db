//! What exports cost those who read meanwhile: the 99th percentile of a usage summary, idle and while two exports of the
//! whole log (CSV and XLSX) are under way, by turns.
//!
//! ```sh
//! analytics serve --database big.db &
//! cargo bench --bench beside_exports -- --url http://127.0.0.1:8080 --key ak_... [--rounds 5] [--requests 2000]
//! ```
//!
//! It expects the data of `benches/generate.rs`, and a key with `read:analytics` and `report_admin` under no limits (0). Times
//! are of whole requests on one kept-alive connection. Jobs are cancelled when their turn is over.

use std::time::{Duration, Instant};

const USAGE: &str = "usage: cargo bench --bench beside_exports -- --url URL --key KEY [--rounds N] [--requests N]";
const SUMMARY: &str = "/reports/usage-summary?start_date=2025-11-14&end_date=2025-12-13";
const FORMATS: [&str; 2] = ["csv", "xlsx"];
/// How long jobs may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let Some(target) = Target::from_arguments() else {
        println!("{USAGE}");
        return;
    };
    let (mut idle, mut busy) = (Round::default(), Round::default());
    for _ in 0..target.rounds {
        idle.add(target.measure());
        let jobs = FORMATS.map(|format| target.begin(format));
        busy.add(target.measure());
        let under_way = jobs.iter().filter(|job| target.status(job) == "processing").count();
        println!("  {under_way} of {} exports were still under way at the end of the turn", FORMATS.len());
        jobs.iter().for_each(|job| target.cancel(job));
    }
    println!("{:<28} {:>10} {:>10}", "usage summary, 30 days", "median ms", "p99 ms");
    for (name, round) in [("idle", &idle), ("beside two exports", &busy)] {
        println!("{name:<28} {:>10.3} {:>10.3}", median(&round.medians), median(&round.p99s));
    }
    println!("{:<28} {:>10} {:>10.2}", "ratio of the p99s", "", median(&busy.p99s) / median(&idle.p99s));
}

/// Of each turn, in milliseconds.
#[derive(Default)]
struct Round {
    medians: Vec<f64>,
    p99s: Vec<f64>,
}

impl Round {
    fn add(&mut self, mut times: Vec<Duration>) {
        times.sort();
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        self.medians.push(millis(times[times.len() / 2]));
        self.p99s.push(millis(times[times.len() * 99 / 100]));
    }
}

struct Target {
    agent: ureq::Agent,
    url: String,
    key: String,
    rounds: usize,
    requests: usize,
}

impl Target {
    /// None without `--url` and `--key`: `cargo bench` alone runs every bench, and there is no server to measure.
    fn from_arguments() -> Option<Target> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let (url, key) = (String::new(), String::new());
        let mut target = Target { agent: config.into(), url, key, rounds: 5, requests: 2_000 };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--url" => target.url = arguments.next()?.trim_end_matches('/').to_string(),
                "--key" => target.key = arguments.next()?,
                "--rounds" => target.rounds = arguments.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
                "--requests" => target.requests = arguments.next()?.parse().ok().filter(|requests| *requests > 0)?,
                // cargo bench says so itself.
                "--bench" => {}
                _ => return None,
            }
        }
        (!target.url.is_empty() && !target.key.is_empty()).then_some(target)
    }

    fn measure(&self) -> Vec<Duration> {
        let request = || {
            let begun = Instant::now();
            let (status, body) = self.get(SUMMARY);
            assert_eq!(status, 200, "{body}");
            begun.elapsed()
        };
        (0..self.requests).map(|_| request()).collect()
    }

    /// Gives the job's path once it is under way.
    fn begin(&self, format: &str) -> String {
        let body = format!("{{\"report_type\":\"system-events\",\"format\":\"{format}\"}}");
        let request = self.agent.post(format!("{}/reports/export", self.url)).header("x-api-key", &self.key);
        let mut response = request.send(&body).expect("the server answers");
        let text = response.body_mut().read_to_string().expect("an answer is text");
        assert_eq!(response.status().as_u16(), 202, "{text}");
        let path = response.headers()["location"].to_str().expect("a location is text").to_string();
        let path = path.strip_prefix(&self.url).unwrap_or(&path).to_string();
        let begun = Instant::now();
        while self.status(&path) == "queued" {
            assert!(begun.elapsed() < PATIENCE, "the export does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        path
    }

    fn status(&self, job: &str) -> String {
        let (_, body) = self.get(job);
        let json: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        json["status"].as_str().unwrap_or_default().to_string()
    }

    fn cancel(&self, job: &str) {
        let request = self.agent.delete(format!("{}{job}", self.url)).header("x-api-key", &self.key);
        request.call().expect("the server answers");
    }

    fn get(&self, path: &str) -> (u16, String) {
        let request = self.agent.get(format!("{}{path}", self.url)).header("x-api-key", &self.key);
        let mut response = request.call().expect("the server answers");
        let body = response.body_mut().read_to_string().expect("an answer is text");
        (response.status().as_u16(), body)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
