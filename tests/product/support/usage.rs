//! Short ways to tell a story in usage events.

use serde_json::{Value, json};

use super::client::{Client, url};

/// Sends events given as `user team service session timestamp`, words with blanks between; `-` is absent.
pub fn send(client: &Client, events: &[&str]) {
    let events: Vec<Value> = events.iter().map(|line| event(line)).collect();
    client.post_all("/usage/events", &[], json!(events).to_string(), events.len());
}

fn event(line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    let [user, team, service, session, timestamp] = words[..] else { panic!("five words: {line}") };
    let mut event = json!({"user_id": user, "timestamp": timestamp});
    for (name, value) in [("team_id", team), ("service", service), ("session_id", session)] {
        if value != "-" {
            event[name] = json!(value);
        }
    }
    event
}

/// `[total_users, active_users, total_sessions]` of the days `start..end` (both inclusive) under filters.
pub fn summary(client: &Client, days: &str, filters: &[(&str, &str)]) -> [u64; 3] {
    figures(&report(client, days, filters))
}

/// The whole answer.
pub fn report(client: &Client, days: &str, parameters: &[(&str, &str)]) -> Value {
    let (start, end) = days.split_once("..").unwrap_or((days, days));
    let parameters = [&[("start_date", start), ("end_date", end)], parameters].concat();
    client.json(&url("/reports/usage-summary", &parameters))
}

pub fn figures(json: &Value) -> [u64; 3] {
    ["total_users", "active_users", "total_sessions"].map(|name| json[name].as_u64().expect("a figure"))
}
