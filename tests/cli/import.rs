use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Ended, Place, SUMMARY, Server};

/// Two users in three sessions: u-2's explicit one, and two of u-1.
const USAGE: &str = "\
{\"user_id\":\"u-1\",\"timestamp\":\"2025-01-10T10:00:00Z\",\"team_id\":\"design\",\"service\":\"web\"}
{\"user_id\":\"u-1\",\"timestamp\":\"2025-01-10T10:30:00Z\",\"team_id\":\"design\",\"service\":\"api\"}
{\"user_id\":\"u-1\",\"timestamp\":\"2025-01-11T10:00:00Z\",\"team_id\":\"sales\"}
{\"user_id\":\"u-2\",\"timestamp\":\"2025-01-12T10:00:00Z\",\"session_id\":\"s\"}
";
const EVENTS_CSV: &str = "\
timestamp,severity,message,service,attributes
2025-01-10T10:00:00Z,warning,\"Slow, very slow\",api,\"{\"\"ms\"\":1200}\"
2025-01-10T10:00:01Z,info,fine,,
";
const USERS: &str = r#"[{"user_id":"u-1","registered_at":"2024-12-01T00:00:00Z"},{"user_id":"u-3","registered_at":"2025-01-01T00:00:00Z"}]"#;

fn summary(place: &Place) -> serde_json::Value {
    place.run(&["report", "--start", "2025-01-01", "--end", "2025-01-31", "--json"]).json()
}

#[test]
fn files_of_every_form_are_taken_in_without_a_server() {
    let place = Place::new();
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(USAGE.as_bytes()).unwrap();
    let usage = place.file("usage.ndjson.gz", gzip.finish().unwrap());
    let (events, users) = (place.file("events.csv", EVENTS_CSV), place.file("users.json", USERS));

    let imported = place.run(&["import", "usage", "--json", &usage]).json();
    assert_eq!((&imported["accepted"], &imported["rejected"]), (&json!(4), &json!(0)));
    place.run(&["import", "users", &users]).ok();
    place.run(&["import", "events", &events]).ok();
    assert_eq!(summary(&place), json!({"total_users": 3, "active_users": 2, "total_sessions": 3}));

    let server = place.serve();
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "read:analytics"]).ok();
    let (_, log) = server.get("/logs/system-events?to=2026-01-01", key.trim_end());
    assert_eq!(log["events"][0]["message"], "fine");
    assert_eq!(log["events"][1]["message"], "Slow, very slow");
    assert_eq!(log["events"][1]["attributes"], json!({"ms": 1200}));
}

#[test]
fn a_running_server_takes_a_file_in_as_well_and_twice_changes_nothing() {
    let place = Place::new();
    let _server = place.serve();
    let users = place.file("users.json", USERS);
    for _ in 0..2 {
        let imported = place.run_with_input(&["import", "usage", "--json", "-"], USAGE.as_bytes()).json();
        assert_eq!((&imported["accepted"], &imported["rejected"]), (&json!(4), &json!(0)));
        place.run(&["import", "users", &users]).ok();
        assert_eq!(summary(&place), json!({"total_users": 3, "active_users": 2, "total_sessions": 3}));
    }
}

#[test]
fn bad_lines_are_named_and_the_others_taken() {
    let place = Place::new();
    let file = place.file("usage.ndjson", format!("{{\"user\":1}}\n\n{USAGE}not json\n"));
    let ended = place.run(&["import", "usage", &file]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("{file}:1: ")), "{}", ended.stderr);
    assert!(lines[1].starts_with(&format!("{file}:7: ")), "{}", ended.stderr);
    assert!(lines[2].starts_with("4 accepted, 2 rejected"), "{}", ended.stderr);
    assert_eq!(summary(&place)["total_sessions"], 3);
}

#[test]
fn strict_stops_at_the_first_bad_line() {
    let place = Place::new();
    let (first, rest) = USAGE.split_once('\n').unwrap();
    let file = place.file("usage.ndjson", format!("{first}\nnot json\n{rest}"));
    let ended = place.run(&["import", "usage", "--strict", &file, &file]);
    assert_eq!(ended.code, 1);
    assert_eq!(ended.stderr.matches(":2: ").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("1 accepted, 1 rejected"), "{}", ended.stderr);
    assert_eq!(summary(&place)["total_sessions"], 1);
}

#[test]
fn what_the_store_rejects_is_named_by_its_line_with_a_server_and_without() {
    let place = Place::new();
    let file = place.file("usage.ndjson", format!("{{\"user\":1}}\n\n{USAGE}"));
    let import = || {
        let mut command = place.command();
        command.args(["import", "usage", "--database"]).arg(place.database()).arg(&file);
        Ended::of(with_one_team(command), b"")
    };
    // The first team takes the only place there is; the second, three lines further on, is one too many.
    let without = import();
    let lines: Vec<&str> = without.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("{file}:1: ")), "{}", without.stderr);
    assert!(lines[1].starts_with(&format!("{file}:5: ")), "{}", without.stderr);
    assert!(lines[2].starts_with("3 accepted, 2 rejected"), "{}", without.stderr);

    let mut serve = place.command();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--database"]).arg(place.database());
    let _server = Server::start(with_one_team(serve));
    let through = import();
    assert_eq!(through.stderr.lines().take(2).collect::<Vec<_>>(), lines[..2]);
}

fn with_one_team(mut command: Command) -> Command {
    command.env("ANALYTICS_LIMITS_TEAMS_MAX", "1");
    command
}

#[test]
fn a_server_with_lower_limits_is_sent_smaller_requests() {
    let place = Place::new();
    let mut serve = place.command();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--database"]).arg(place.database());
    serve.env("ANALYTICS_LIMITS_ITEMS_MAX", "3");
    let _server = Server::start(serve);
    let file = place.file("usage.ndjson", USAGE);
    let imported = place.run(&["import", "usage", "--json", &file]).json();
    assert_eq!((&imported["accepted"], &imported["rejected"]), (&json!(4), &json!(0)));
    assert_eq!(summary(&place)["total_sessions"], 3);
}

#[test]
fn a_file_that_is_not_there_stops_before_anything_is_taken() {
    let place = Place::new();
    let file = place.file("usage.ndjson", USAGE);
    let ended = place.run(&["import", "usage", &file, "missing.ndjson"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.starts_with("error: cannot read missing.ndjson: "), "{}", ended.stderr);
    assert!(!place.database().exists());
}

#[test]
fn a_broken_file_does_not_keep_the_next_one_out() {
    let place = Place::new();
    let broken = place.file("broken.json", "[{\"user_id\":\"u-1\"},");
    let file = place.file("usage.ndjson", USAGE);
    let ended = place.run(&["import", "usage", &broken, &file]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.starts_with(&broken), "{}", ended.stderr);
    assert_eq!(summary(&place)["total_sessions"], 3);
}

#[test]
fn an_interrupted_import_says_how_far_it_came() {
    let place = Place::new();
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "read:analytics"]).ok();
    let server = place.serve();
    let mut command = place.command();
    command.args(["import", "usage", "-", "--database"]).arg(place.database());
    let mut import = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = import.stdin.take().unwrap();
    let line = "{\"user_id\":\"u-1\",\"timestamp\":\"2025-01-10T10:00:00Z\"}\n";
    stdin.write_all(line.repeat(32_100).as_bytes()).unwrap();
    while server.get(SUMMARY, key.trim_end()).1["active_users"] != 1 {}
    // The pipe stays open: the import waits for more.
    let interrupted = Command::new("kill").args(["-s", "INT", &import.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let code = import.wait().unwrap().code();
    let mut said = String::new();
    import.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("standard input: interrupted; lines up to 32000 are done with"), "{said}");
    assert!(said.contains("32,000 accepted, 0 rejected"), "{said}");
    drop(stdin);
}
