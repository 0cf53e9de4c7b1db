//! The server's own audit trail, as whoever watches it reads it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;

const WATCHED: &str = "/logs/system-events?severity=warning&service=analytics&order=asc&limit=1000";
const ALL: &str = "/logs/system-events?service=analytics&order=arrival&limit=1000";

fn audited() -> Server {
    Server::with(|settings| settings.audit_events = true)
}

fn events(client: &Client, path: &str) -> Vec<Value> {
    client.json(path)["events"].as_array().expect("a list").clone()
}

/// Waits for the first event that is looked for.
fn soon(client: &Client, path: &str, is_meant: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let found = events(client, path).into_iter().find(|event| is_meant(event));
        match found {
            Some(event) => return event,
            None => assert!(Instant::now() < until, "nothing within 20 s: {:?}", events(client, ALL)),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_of(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["attributes"]["event"] == kind
}

#[test]
fn a_failed_log_in_is_seen_at_once_and_a_flood_of_them_is_no_flood_of_events() {
    let server = audited();
    let stranger = server.with_key(Some("no-such-key"));
    for _ in 0..500 {
        assert_eq!(stranger.get("/metrics").status, 401);
    }
    let first = soon(&server, WATCHED, is_of("login_failed"));
    assert_eq!((&first["severity"], &first["service"]), (&json!("warning"), &json!("analytics")));
    assert_eq!(first["attributes"]["source"], "127.0.0.1");

    // What a minute under way still holds is written at the end.
    let server = server.restart();
    let failed: Vec<Value> = events(&server, WATCHED).into_iter().filter(is_of("login_failed")).collect();
    let attempts: u64 = failed.iter().map(|event| event["attributes"]["attempts"].as_u64().expect("a number")).sum();
    assert_eq!(attempts, 500, "{failed:?}");
    let mut per_minute = BTreeMap::new();
    for event in &failed {
        let minute = event["timestamp"].as_str().expect("a time stamp")[..16].to_string();
        *per_minute.entry(minute).or_insert(0) += 1;
    }
    assert!(per_minute.values().all(|n| *n <= 2), "{per_minute:?}");
}

#[test]
fn a_start_and_a_stop_are_written_before_the_database_closes() {
    let server = audited().restart();
    soon(&server, ALL, |event| event["message"].as_str().is_some_and(|message| message.ends_with("started")));
    let server = server.restart_with(|settings| settings.audit_events = false);
    let told: Vec<Value> = events(&server, ALL).into_iter().map(|event| event["attributes"]["event"].clone()).collect();
    assert_eq!(told, ["started", "stopped", "started", "stopped"]);
}

#[test]
fn a_refused_privilege_names_who_was_refused() {
    let server = audited();
    let reader = server.client_with("read:analytics");
    for _ in 0..3 {
        assert_eq!(reader.get("/metrics").status, 403);
    }
    let refused = soon(&server, WATCHED, is_of("refused"));
    let attributes = &refused["attributes"];
    assert_eq!((&attributes["subject"], &attributes["what"]), (&json!("tests"), &json!("read:metrics")), "{refused}");
}

#[test]
fn nothing_that_was_sent_as_a_credential_stands_in_the_log() {
    let server = audited();
    let secret = "s3cret-of-somebody";
    for headers in [
        [("authorization", format!("Bearer {secret}"))],
        [("x-api-key", secret.to_string())],
        [("authorization", format!("Basic {secret}"))],
        [("authorization", secret.to_string())],
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = server.with_key(None).send("GET", "/metrics", &headers, b"");
        assert!(matches!(answer.status, 400 | 401), "{}", answer.status);
    }
    soon(&server, WATCHED, is_of("login_failed"));
    let key = server.key().expect("a key").to_string();
    let server = server.restart();
    let trail = format!("{:?}", events(&server, ALL));
    assert!(trail.contains("login_failed"));
    assert!(!trail.contains("s3cret") && !trail.contains(&key), "{trail}");
}

#[test]
fn nobody_else_writes_into_it() {
    let server = audited();
    let forged = json!({"severity": "info", "message": "all is well", "service": "analytics"});
    let answer = server.post("/logs/system-events", forged.to_string());
    let rejected = answer.json()["rejected"][0]["message"].as_str().unwrap_or_default().to_string();
    assert!(rejected.contains("the server's own"), "{}", answer.text());
    assert!(!format!("{:?}", events(&server, ALL)).contains("all is well"));
}

#[test]
fn a_trail_that_is_off_leaves_no_trace() {
    let server = Server::start();
    assert_eq!(server.with_key(Some("no-such-key")).get("/metrics").status, 401);
    let server = server.restart();
    assert_eq!(events(&server, ALL), Vec::<Value>::new());
}
