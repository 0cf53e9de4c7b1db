//! What is pruned leaves every answer as it was, whatever happens meanwhile.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Client, NDJSON, url};
use crate::support::process::{self, Process};
use crate::support::usage::{report, send, summary};

const USERS: usize = 120;
const DAYS: usize = 150;
const USER_DAYS: u64 = (USERS * DAYS) as u64;
/// How long after the pruning began the server is killed, in milliseconds; each time it comes a bit further.
const KILLED_AFTER_MS: [u64; 5] = [20, 90, 40, 160, 250];

#[test]
fn pruning_that_is_killed_again_and_again_changes_no_answer_and_comes_to_its_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    let server = Process::serve(&database);
    let client = server.client();
    fill(&client);
    let before = answers(&client);
    let key = client.key().expect("a key").to_string();
    server.kill();
    for after in KILLED_AFTER_MS {
        let server = Process::serve(&database);
        let path = database.clone();
        let pruning = std::thread::spawn(move || prune(&path, &[]));
        // Whenever it falls: there is nothing to wait for.
        std::thread::sleep(Duration::from_millis(after));
        assert_eq!(answers(&server.client_with(&key)), before);
        server.kill();
        let _ = pruning.join();
    }
    let server = Process::serve(&database);
    let client = server.client_with(&key);
    assert_eq!(answers(&client), before);
    let ended = prune(&database, &[]);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(answers(&client), before);
    let left: Value = serde_json::from_slice(&prune(&database, &["--dry-run", "--json"]).stdout).expect("JSON");
    assert_eq!((&left["usage"]["user_days"], &left["usage"]["horizon"]), (&json!(0), &json!("2024-04-01")));
    let metrics = client.get("/metrics").text();
    assert!(metrics.contains("analytics_usage_horizon_timestamp_seconds 1711929600"), "{metrics}");
    server.terminate();
    let checked = process::run(&["check", "--database", &database.display().to_string()]);
    let told = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && told.contains("2024-04-01"), "{told}");
}

#[test]
fn what_touches_the_horizon_stays_whole_and_what_lies_before_it_is_rejected() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    let server = Process::serve(&database);
    let client = server.client();
    send(
        &client,
        &[
            "ann red web - 2024-03-31T23:45:00Z",
            "ann red web - 2024-03-30T10:00:00Z",
            "bob red web s 2024-01-01T10:00:00Z",
        ],
    );
    assert!(prune(&database, &[]).status.success());
    let late = json!([
        {"user_id": "ann", "timestamp": "2024-03-31T23:59:59Z"},
        {"user_id": "ann", "team_id": "blue", "timestamp": "2024-04-01T00:10:00Z"},
        {"user_id": "bob", "team_id": "blue", "session_id": "s", "timestamp": "2024-04-02T00:10:00Z"},
    ]);
    let receipt = client.post("/usage/events", late.to_string()).json();
    let message = "timestamp is before 2024-04-01, from which on usage facts are kept (retention.usage_facts)";
    assert_eq!(receipt, json!({"accepted": 2, "rejected": [{"index": 0, "message": message}]}));
    // Ann's session goes on across the horizon, bob's months later: both began, and are blue, before it.
    assert_eq!(summary(&client, "2024-01-01..2024-03-31", &[]), [2, 2, 3]);
    assert_eq!(summary(&client, "2024-01-01..2024-03-31", &[("team_id", "blue")]), [0, 0, 2]);
    assert_eq!(summary(&client, "2024-04-01..2024-04-30", &[]), [2, 2, 0]);
    assert_eq!(summary(&client, "2024-01-01..2024-04-30", &[("user_id", "ann"), ("team_id", "blue")]), [1, 1, 1]);
}

#[test]
fn nobody_prunes_into_the_future_which_would_reject_every_event_until_then() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    let server = Process::serve(&database);
    let client = server.client();
    let path = database.display().to_string();
    for more in [&["--only", "usage"][..], &["--only", "usage", "--dry-run"], &["--only", "error", "--dry-run"]] {
        let refused = process::run(&[&["prune", "--before", "9999-01-01", "--database", &path], more].concat());
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && told.contains("the future"), "{more:?}: {told}");
    }
    send(&client, &["ann red web - 2024-05-30T10:00:00Z"]);
    assert_eq!(summary(&client, "2024-01-01..2024-12-31", &[]), [1, 1, 1]);
}

#[test]
fn a_person_is_erased_with_a_history_whose_base_facts_are_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    let server = Process::serve(&database);
    let client = server.client();
    send(&client, &["ann red web - 2024-01-30T10:00:00Z", "bob red web - 2024-01-30T10:00:00Z"]);
    send(&client, &["ann red web - 2024-05-30T10:00:00Z"]);
    assert!(prune(&database, &[]).status.success());
    assert_eq!(client.send("DELETE", "/users/ann?history=remove", &[], b"").status, 204);
    assert_eq!(summary(&client, "2024-01-01..2024-12-31", &[]), [1, 1, 1]);
    server.terminate();
    let checked = process::run(&["check", "--repair", "--database", &database.display().to_string()]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let server = Process::serve(&database);
    assert_eq!(summary(&server.client(), "2024-01-01..2024-12-31", &[("team_id", "red")]), [1, 1, 1]);
}

/// With the horizon at the first of April 2024.
fn prune(database: &Path, more: &[&str]) -> std::process::Output {
    let database = database.display().to_string();
    process::run(&[&["prune", "--before", "2024-04-01", "--only", "usage", "--database", &database], more].concat())
}

/// A session of each user on each day from 2024-01-01 on, on some days two, around midnight now and then.
fn fill(client: &Client) {
    let start = chrono::DateTime::parse_from_rfc3339("2024-01-01T00:00:00Z").expect("a time stamp");
    for user in 0..USERS {
        let event = |day: usize, minute: usize| {
            let at = start + chrono::Duration::minutes((day * 1_440 + minute) as i64);
            let (team, service) = (format!("t{}", (user + day) % 5), format!("s{}", day % 3));
            json!({"user_id": format!("u{user}"), "timestamp": at.to_rfc3339(), "team_id": team, "service": service})
        };
        let lines = (0..DAYS).flat_map(|day| {
            let second = (user + day).is_multiple_of(7).then(|| event(day, 1_430));
            [Some(event(day, 5 + user)), second].into_iter().flatten()
        });
        let lines: String = lines.map(|event| format!("{event}\n")).collect();
        let count = lines.lines().count();
        client.post_all("/usage/events", &[NDJSON], lines, count);
    }
    assert_eq!(summary(client, "2024-01-01..2024-12-31", &[])[1], USERS as u64);
    const { assert!(USER_DAYS > 8_000, "pruning takes many slices") };
}

/// Of every kind, over days that go, days that stay, and both.
fn answers(client: &Client) -> Vec<Value> {
    let mut answers = vec![];
    for days in ["2024-01-10..2024-02-20", "2024-03-31..2024-04-01", "2024-01-01..2024-06-30"] {
        for parameters in [
            &[][..],
            &[("interval", "month")],
            &[("group_by", "team")],
            &[("group_by", "user"), ("limit", "200")],
            &[("user_id", "u7"), ("interval", "week")],
            &[("user_id", "u7"), ("team_id", "t1")],
            &[("team_id", "t2"), ("service", "s1")],
        ] {
            answers.push(report(client, days, parameters));
        }
    }
    answers
        .push(client.json(&url("/reports/usage-summary", &[("start_date", "2023-01-01"), ("end_date", "2023-12-31")])));
    answers
}
