//! Asking for exports, waiting for them, and what lies in their directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{Answer, Client};

/// A bound on waiting for exports of a few thousand rows beside many other tests.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL_EVERY: Duration = Duration::from_millis(20);

/// All of the log.
pub fn log_csv() -> Value {
    json!({"report_type": "system-events", "format": "csv"})
}

pub fn log_xlsx() -> Value {
    json!({"report_type": "system-events", "format": "xlsx"})
}

/// Figures of a month, a row for each of `by`.
pub fn usage_csv(by: &str) -> Value {
    let month =
        json!({"report_type": "usage-summary", "format": "csv", "start_date": "2025-03-01", "end_date": "2025-03-31"});
    let mut request = month;
    request["group_by"] = json!(by);
    request
}

/// Asks for an export that must be accepted; gives the job's id.
pub fn ask(client: &Client, request: &Value) -> String {
    let answer = client.post("/reports/export", request.to_string());
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["job_id"].as_str().expect("an id").to_string()
}

pub fn look(client: &Client, id: &str) -> Value {
    client.json(&format!("/reports/export/{id}"))
}

pub fn is_finished(job: &Value) -> bool {
    ["completed", "failed"].contains(&job["status"].as_str().expect("a status"))
}

/// Waits until a job is finished.
pub fn wait(client: &Client, id: &str) -> Value {
    wait_until(&format!("export {id} is finished"), || Some(look(client, id)).filter(is_finished))
}

/// Waits until there is something.
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "in vain we waited: {what}");
        std::thread::sleep(POLL_EVERY);
    }
}

/// The file's name, as `download_url` has it.
pub fn file_name(job: &Value) -> String {
    let url = job["download_url"].as_str().unwrap_or_else(|| panic!("no download of {job}"));
    url.rsplit('/').next().expect("a path").to_string()
}

pub fn download(client: &Client, job: &Value) -> Answer {
    client.get(&format!("/downloads/{}", file_name(job)))
}

/// Downloads a whole file and compares it with what the job says of it.
pub fn expect_whole(job: &Value, answer: &Answer) {
    assert_eq!(answer.status, 200, "{job}: {}", answer.text());
    assert_eq!(Some(answer.body.len() as u64), job["bytes"].as_u64(), "{job}");
    let sha256: String = Sha256::digest(&answer.body).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(Some(sha256.as_str()), job["sha256"].as_str(), "{job}");
}

/// `<database>.exports`.
pub fn directory(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_os_string();
    name.push(".exports");
    PathBuf::from(name)
}

/// Names of what lies in the directory of exports, but for its lock.
pub fn files(database: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory(database)).expect("the directory of exports");
    let names = entries.map(|entry| entry.expect("the directory can be read").file_name());
    let names = names.map(|name| name.into_string().expect("our names are ASCII"));
    names.filter(|name| name != ".lock").collect()
}

/// Events of the log, one line each, and usage events of as many users.
pub fn seed(client: &Client, events: usize) {
    let lines: String = (0..events).map(|n| format!("{}\n", log_event(n))).collect();
    client.post_all("/logs/system-events", &[super::client::NDJSON], lines, events);
    let lines: String = (0..events).map(|n| format!("{}\n", usage_event(n))).collect();
    client.post_all("/usage/events", &[super::client::NDJSON], lines, events);
}

fn log_event(n: usize) -> Value {
    let at = chrono::DateTime::from_timestamp(1_741_000_000 + n as i64, 0).expect("a time");
    json!({"message": format!("event {n}, {}", "x".repeat(n % 90)), "severity": "info", "timestamp": at.to_rfc3339()})
}

fn usage_event(n: usize) -> Value {
    let at = chrono::DateTime::from_timestamp(1_741_000_000 + n as i64, 0).expect("a time");
    json!({"user_id": format!("user {}", n % 500), "team_id": format!("team {}", n % 7), "timestamp": at.to_rfc3339()})
}
