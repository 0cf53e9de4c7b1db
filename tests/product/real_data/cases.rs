use std::io::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::files::Files;
use crate::support::client::{Answer, Client, url};

/// What did not match, of how many; told all at once, since one cause often breaks many cases.
#[derive(Default)]
pub struct Mismatches {
    cases: usize,
    lines: Vec<String>,
}

impl Mismatches {
    fn case(&mut self, name: String, outcome: Result<(), String>) {
        self.cases += 1;
        if let Err(why) = outcome {
            self.lines.push(format!("{name}: {why}"));
        }
    }

    pub fn report(self, how: &str) {
        let matched = self.cases - self.lines.len();
        // Past the harness, which keeps to itself what a test that succeeds prints.
        let _ = writeln!(std::io::stdout().lock(), "{matched} of {} cases match ({how})", self.cases);
        let shown = self.lines.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.lines.is_empty(), "{how}: {matched} of {} cases match\n{shown}", self.cases);
    }
}

pub fn usage_cases(client: &Client, files: &Files, mismatches: &mut Mismatches) {
    for case in files.usage_cases() {
        let parameters: Vec<(&str, &str)> =
            object(&case["params"]).map(|(name, value)| (name, value.as_str().expect("text"))).collect();
        let answer = client.get(&url("/reports/usage-summary", &parameters));
        mismatches.case(format!("usage {} {parameters:?}", case["case"]), usage_matches(&case, &answer));
    }
}

fn usage_matches(case: &Value, answer: &Answer) -> Result<(), String> {
    same("status", &json!(answer.status), &case["expect_status"])?;
    if answer.status == 400 {
        return same("error", &answer.json()["error"], &json!("Bad Request"));
    }
    same("figures", &answer.json(), &case["expected"])
}

pub fn log_cases(client: &Client, files: &Files, mismatches: &mut Mismatches) {
    let lines = files.log();
    for case in files.log_cases() {
        let text = |name: &str| case[name].as_u64().map(|number| number.to_string());
        let (limit, page) = (text("limit").expect("a limit"), text("page").unwrap_or_else(|| "1".into()));
        let mut parameters = vec![("limit", limit.as_str()), ("page", page.as_str())];
        parameters.extend(case["severity"].as_str().map(|severity| ("severity", severity)));
        let answer = client.get(&url("/logs/system-events", &parameters));
        mismatches.case(format!("log {parameters:?}"), log_matches(&case, &answer, &lines));
    }
}

fn log_matches(case: &Value, answer: &Answer, lines: &[String]) -> Result<(), String> {
    same("status", &json!(answer.status), &json!(200))?;
    let answer = answer.json();
    same("total_pages", &answer["total_pages"], &case["total_pages"])?;
    if case["type"] == "totals" {
        return Ok(());
    }
    same("page", &answer["page"], &case["page"])?;
    let events = answer["events"].as_array().ok_or("no events")?;
    same("count", &json!(events.len()), &case["count"])?;
    for (event, number) in events.iter().zip(case["lines"].as_array().expect("line numbers")) {
        let line = &lines[number.as_u64().expect("a line number") as usize - 1];
        same("event", &with_micros(event), &with_micros(&serde_json::from_str(line).expect("a line is JSON")))?;
    }
    if let Some(expected) = case.get("events") {
        let events: Vec<Value> = events.iter().map(with_micros).collect();
        let expected: Vec<Value> = expected.as_array().expect("events").iter().map(with_micros).collect();
        same("events", &json!(events), &json!(expected))?;
    }
    let time = |event: &Value| with_micros(event)["timestamp"].as_str().expect("a time").to_string();
    let times: String = events.iter().map(|event| time(event) + "\n").collect();
    same("sha256_timestamps", &json!(sha256(&times)), &case["sha256_timestamps"])?;
    let text = |event: &Value, name: &str| event[name].as_str().expect("text").to_string();
    let whole = |event: &Value| [time(event), text(event, "severity"), text(event, "message")].join("\t") + "\n";
    let wholes: String = events.iter().map(whole).collect();
    same("sha256_events", &json!(sha256(&wholes)), &case["sha256_events"])
}

/// The event with all six digits of a second, so that times compare as text.
fn with_micros(event: &Value) -> Value {
    let mut event = event.clone();
    let time = event["timestamp"].as_str().expect("a time").trim_end_matches('Z').to_string();
    let (seconds, digits) = time.split_once('.').unwrap_or((&time, ""));
    event["timestamp"] = json!(format!("{seconds}.{digits:0<6}Z"));
    event
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn same(what: &str, found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found}, must be {expected}")) }
}

fn object(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().expect("an object").iter().map(|(name, value)| (name.as_str(), value))
}
