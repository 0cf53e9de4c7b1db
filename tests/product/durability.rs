//! What was acknowledged is there, whatever happens to the process.

use std::collections::HashSet;
use std::path::Path;
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::support::client::{Client, NDJSON, url};
use crate::support::process::{self, Process};
use crate::support::usage::report;

const CLIENTS: usize = 8;
const ROUNDS: usize = 4;
/// Batches acknowledged before the process is killed, in the midst of others.
const ACKNOWLEDGED_BEFORE_THE_KILL: usize = 120;
const BATCH: usize = 20;

#[test]
fn whatever_was_acknowledged_is_there_after_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    let mut acknowledged = Vec::<String>::new();
    for round in 0..ROUNDS {
        let server = Process::serve(&database);
        let client = server.client();
        expect_all(&client, &acknowledged);
        acknowledged.extend(post_until_killed(round, server, &client));
    }
    let server = Process::serve(&database);
    expect_all(&server.client(), &acknowledged);
    expect_clean_check(&database);
    server.terminate();
    expect_clean_check(&database);
}

#[test]
fn a_second_server_on_the_same_file_is_refused_and_the_first_serves_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    let first = Process::serve(&database);
    let client = first.client();
    let second = Process::refused(&database);
    let told = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{told}");
    assert!(told.contains("in use by another process"), "{told}");
    assert_eq!(post(&client, "mine", 0), Some(names("mine", 0)));
}

#[test]
fn a_server_takes_over_what_a_killed_one_left_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    Process::serve(&database).kill();
    // The dead one's socket file is still there.
    assert!(database.with_file_name("analytics.db.sock").exists());
    let server = Process::serve(&database);
    assert_eq!(server.client().get("/readyz").status, 200);
    server.terminate();
    assert!(!database.with_file_name("analytics.db.sock").exists());
}

/// Eight clients post until the server dies under them; gives the names that it had acknowledged.
fn post_until_killed(round: usize, server: Process, client: &Client) -> Vec<String> {
    let (acknowledge, acknowledged) = mpsc::channel();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let acknowledge = acknowledge.clone();
            scope.spawn(move || {
                let who = format!("{round}-{number}");
                for batch in 0.. {
                    let Some(names) = post(client, &who, batch) else { return };
                    if acknowledge.send(names).is_err() {
                        return;
                    }
                }
            });
        }
        drop(acknowledge);
        let mut names: Vec<String> = acknowledged.iter().take(ACKNOWLEDGED_BEFORE_THE_KILL).flatten().collect();
        server.kill();
        // Some were acknowledged while the signal was under way.
        names.extend(acknowledged.iter().flatten());
        names
    })
}

/// One batch of usage or of the log, in turn. None if the server did not acknowledge it.
fn post(client: &Client, who: &str, batch: usize) -> Option<Vec<String>> {
    let names = names(who, batch);
    let (path, event): (_, fn(&String) -> Value) =
        if batch.is_multiple_of(2) { ("/usage/events", usage_event) } else { ("/logs/system-events", log_event) };
    let lines: String = names.iter().map(|name| format!("{}\n", event(name))).collect();
    let answer = client.try_send("POST", path, &[NDJSON], lines.as_bytes()).ok()?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Some(names)
}

fn names(who: &str, batch: usize) -> Vec<String> {
    let kind = if batch.is_multiple_of(2) { "user" } else { "line" };
    (0..BATCH).map(|n| format!("{kind} {who}-{batch}-{n}")).collect()
}

fn usage_event(name: &String) -> Value {
    json!({"user_id": name, "team_id": "core", "service": "api", "timestamp": "2025-03-04T23:59:00Z"})
}

fn log_event(name: &String) -> Value {
    json!({"message": name, "severity": "warning", "timestamp": "2025-03-04T23:59:00Z"})
}

fn expect_all(client: &Client, acknowledged: &[String]) {
    let kept: HashSet<String> = users(client).into_iter().chain(lines(client)).collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|name| !kept.contains(*name)).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged are lost: {lost:?}", lost.len(), acknowledged.len());
}

/// Every user who counts as active, with a session.
fn users(client: &Client) -> Vec<String> {
    let mut users = Vec::new();
    for page in 1.. {
        let page = page.to_string();
        let answer = report(client, "2025-03-04", &[("group_by", "user"), ("limit", "1000"), ("page", &page)]);
        let groups = answer["groups"].as_array().expect("groups");
        if groups.is_empty() {
            break;
        }
        let whole = groups.iter().filter(|group| group["active_users"] == 1 && group["total_sessions"] == 1);
        users.extend(whole.map(|group| group["user_id"].as_str().expect("an id").to_string()));
    }
    users
}

/// Every message of the log.
fn lines(client: &Client) -> Vec<String> {
    let mut lines = Vec::new();
    for page in 1.. {
        let page = page.to_string();
        let answer = client.json(&url("/logs/system-events", &[("limit", "1000"), ("page", &page)]));
        let events = answer["events"].as_array().expect("events");
        if events.is_empty() {
            break;
        }
        lines.extend(events.iter().map(|event| event["message"].as_str().expect("a message").to_string()));
    }
    lines
}

fn expect_clean_check(database: &Path) {
    let checked = process::run(&["check", "--database", &database.to_string_lossy()]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
