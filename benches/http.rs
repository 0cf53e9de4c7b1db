//! Measures a running server over HTTP and prints a table of medians:
//!
//! ```sh
//! analytics serve --database big.db &
//! cargo bench --bench http -- --url http://127.0.0.1:8080 --key ak_... [--rounds 200] [--end 2025-12-31]
//! ```
//!
//! It expects the data of `benches/generate.rs`. Times are of whole requests on one kept-alive connection, as a client on
//! this machine sees them; the first request of each kind is not counted. `If-None-Match` is not sent: every answer is
//! computed.

use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};

const USAGE: &str =
    "usage: cargo bench --bench http -- --url http://ADDRESS:PORT --key KEY [--rounds N] [--end YYYY-MM-DD]";

fn main() {
    let Some(target) = Target::from_arguments() else {
        println!("{USAGE}");
        return;
    };
    println!("{:<58} {:>10} {:>10} {:>10}", "request", "median ms", "p99 ms", "bytes");
    for (name, path) in summaries(target.end).into_iter().chain(pages()) {
        target.measure(&name, &path);
    }
}

struct Target {
    agent: ureq::Agent,
    url: String,
    key: String,
    rounds: usize,
    end: NaiveDate,
}

impl Target {
    /// None without `--url` and `--key`: `cargo bench` alone runs every bench, and there is no server to measure.
    fn from_arguments() -> Option<Target> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let end = NaiveDate::from_ymd_opt(2025, 12, 31)?;
        let mut target = Target { agent: config.into(), url: String::new(), key: String::new(), rounds: 200, end };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--url" => target.url = arguments.next()?.trim_end_matches('/').to_string(),
                "--key" => target.key = arguments.next()?,
                "--rounds" => target.rounds = arguments.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
                "--end" => target.end = arguments.next()?.parse().ok()?,
                // cargo bench says so itself.
                "--bench" => {}
                _ => return None,
            }
        }
        (!target.url.is_empty() && !target.key.is_empty()).then_some(target)
    }

    fn measure(&self, name: &str, path: &str) {
        let bytes = match self.request(path) {
            Ok(bytes) => bytes,
            Err(why) => return println!("{name:<58} {why}"),
        };
        let mut times = Vec::new();
        for _ in 0..self.rounds {
            let begun = Instant::now();
            if let Err(why) = self.request(path) {
                return println!("{name:<58} {why}");
            }
            times.push(begun.elapsed());
        }
        times.sort();
        let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!("{name:<58} {:>10.3} {:>10.3} {bytes:>10}", millis(median), millis(p99));
    }

    /// Bytes of the answer's body.
    fn request(&self, path: &str) -> Result<usize, String> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("x-api-key", &self.key);
        let mut response = request.call().map_err(|e| e.to_string())?;
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().map_err(|e| e.to_string())?;
        match response.status().as_u16() {
            200 => Ok(body.len()),
            status => Err(format!("{status}: {}", String::from_utf8_lossy(&body))),
        }
    }
}

/// Each range ends at `end` but for the 30 and 365 days that are not aligned to months.
fn summaries(end: NaiveDate) -> Vec<(String, String)> {
    let ago = |days: u64| end - Days::new(days);
    let ranges = [
        ("1 day", ago(0), end),
        ("30 days", ago(47), ago(18)),
        ("365 days", ago(382), ago(18)),
        ("3 years", ago(1095), end),
    ];
    let filters = [
        ("all", ""),
        ("a team", "&team_id=team-007"),
        ("a service", "&service=service-03"),
        ("team and service", "&team_id=team-007&service=service-03"),
        ("a user", "&user_id=user-000042"),
        ("series by month", "&interval=month"),
        ("by team", "&group_by=team"),
        ("by user, page 1", "&group_by=user"),
    ];
    let mut requests = Vec::new();
    for (filter, parameters) in filters {
        for (range, start, end) in ranges {
            let path = format!("/reports/usage-summary?start_date={start}&end_date={end}{parameters}");
            requests.push((format!("usage-summary, {filter}, {range}"), path));
        }
    }
    let series = format!("/reports/usage-summary?start_date={}&end_date={end}&interval=day", ago(1095));
    requests.push(("usage-summary, series by day, 3 years".into(), series));
    requests
}

fn pages() -> Vec<(String, String)> {
    let filters = [
        ("all", ""),
        ("info", "&severity=info"),
        ("warning", "&severity=warning"),
        ("error", "&severity=error"),
        ("warning,error", "&severity=warning,error"),
        ("a service", "&service=service-03"),
    ];
    let mut requests = Vec::new();
    for (filter, parameters) in filters {
        // A severity of one percent has no page 100,000 of a hundred each: its last pages are asked for by a small limit.
        for (page, limit) in [(1, 100), (100_000, if filter == "all" || filter == "info" { 100 } else { 1 })] {
            let path = format!("/logs/system-events?page={page}&limit={limit}{parameters}");
            requests.push((format!("system-events, {filter}, page {page} of {limit} each"), path));
        }
    }
    requests
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
