//! `export` of a database on this machine, served or not.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{Ended, Place, Server};

const USAGE: &str = "\
user_id,timestamp,team_id,service
u-1,2025-01-10T10:00:00Z,design,web
u-1,2025-01-20T10:00:00Z,design,api
u-2,2025-01-20T10:00:00Z,=sum(A1),web
";
/// Messages that are hard on CSV and on spreadsheets.
const EVENTS: [&str; 5] = ["plain", "a \"quoted\", text", "two\r\nlines", "=1+1", "Größe 😀"];
/// The server's own events come later.
const LOG: [&str; 5] = ["export", "system-events", "--to", "2026-01-01", "--raw"];
const JANUARY: [&str; 6] = ["export", "usage-summary", "--start", "2025-01-01", "--end", "2025-01-31"];

fn place() -> Place {
    let place = Place::new();
    let usage = place.file("usage.csv", USAGE);
    place.run(&["import", "usage", &usage]).ok();
    let event = |(n, message): (usize, &&str)| {
        json!({"timestamp": format!("2025-01-10T10:00:0{n}Z"), "severity": "warning", "message": message}).to_string()
    };
    let events = place.file("events.ndjson", EVENTS.iter().enumerate().map(event).collect::<Vec<_>>().join("\n"));
    place.run(&["import", "events", &events]).ok();
    place
}

/// The files that exports have made, and what is left of those that did not end well.
fn made(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut made: Vec<_> = names.filter(|name| name.contains("summary") || name.contains("system-")).collect();
    made.sort();
    made
}

/// Runs an export to its end where its standard output may be no text.
fn bytes(mut command: Command) -> Vec<u8> {
    let ended = command.stdin(Stdio::null()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    ended.stdout
}

fn here(place: &Place, arguments: &[&str]) -> Vec<u8> {
    let mut command = place.command();
    command.args(arguments).arg("--database").arg(place.database());
    bytes(command)
}

fn from(server: &Server, place: &Place, key: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = place.command();
    command.args(arguments).args(["--url", &server.url]).env("ANALYTICS_TOKEN", key);
    bytes(command)
}

fn report_key(place: &Place) -> String {
    let create = ["key", "create", "--owner", "auditor", "--scope", "read:analytics", "--role", "report_admin"];
    place.run(&create).ok().trim_end().to_string()
}

#[test]
fn an_export_leaves_no_wal_beside_a_database_that_nobody_serves() {
    let place = place();
    for n in 0..5 {
        place.run(&[&LOG[..], &["-o", &format!("{n}.csv")]].concat()).ok();
        for left in ["-wal", "-shm"] {
            let companion = format!("{}{left}", place.database().display());
            assert!(!std::fs::exists(&companion).unwrap(), "{companion} after export {n}");
        }
    }
}

#[test]
fn a_file_is_named_by_its_report_and_days_and_is_its_owners_alone() {
    let place = place();
    let told = place.run(&JANUARY);
    assert_eq!((told.code, told.stdout.as_str()), (0, ""), "{}", told.stderr);
    assert_eq!(told.stderr, "wrote 31 rows, 960 B, to usage-summary_2025-01-01_2025-01-31.csv\n");
    assert_eq!(made(&place), ["usage-summary_2025-01-01_2025-01-31.csv"]);
    let path = place.path().join("usage-summary_2025-01-01_2025-01-31.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("start_date,end_date,total_users,active_users,total_sessions\r\n"), "{text}");
    assert!(text.contains("2025-01-20,2025-01-20,2,2,2\r\n"), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_same_bytes_come_from_the_database_through_its_server_and_from_elsewhere() {
    let place = place();
    let cases: [&[&str]; 4] = [
        &LOG,
        &[&LOG[..], &["--gzip"]].concat(),
        &JANUARY,
        &[&JANUARY[..], &["--group-by", "team", "--raw", "--bom"]].concat(),
    ];
    let cases = cases.map(|arguments| [arguments, &["-o", "-"]].concat());
    let alone = cases.each_ref().map(|arguments| here(&place, arguments));
    let key = report_key(&place);
    let server = place.serve();
    for (arguments, alone) in cases.iter().zip(&alone) {
        assert_eq!(here(&place, arguments), *alone, "{arguments:?}");
        assert_eq!(from(&server, &place, &key, arguments), *alone, "{arguments:?}");
    }
    for message in EVENTS {
        let written = message.replace('"', "\"\"");
        assert!(String::from_utf8_lossy(&alone[0]).contains(&written), "{message}");
    }
    assert!(String::from_utf8_lossy(&alone[3]).contains("=sum(A1)"));
    // Through the socket a job is made and removed; elsewhere it stays.
    let jobs = place.run(&["jobs", "list", "--json"]).json();
    let owners: Vec<_> = jobs["jobs"].as_array().unwrap().iter().map(|job| &job["owner"]["subject"]).collect();
    assert_eq!(owners, ["auditor"; 4], "{jobs}");
}

#[test]
fn a_workbook_is_made_by_the_name_of_the_file() {
    let place = place();
    let key = report_key(&place);
    let path = place.path().join("january.xlsx");
    let write = |more: &[&str]| {
        let arguments = [&JANUARY[..], &["-o", "january.xlsx", "--force"], more].concat();
        let mut command = place.command();
        command.args(arguments).env("ANALYTICS_TOKEN", &key);
        assert_eq!(bytes(command), b"");
        std::fs::read(&path).unwrap()
    };
    let database = place.database();
    let database = ["--database", database.to_str().unwrap()];
    assert!(write(&database).starts_with(b"PK\x03\x04"));
    let server = place.serve();
    assert!(write(&database).starts_with(b"PK\x03\x04"));
    assert!(write(&["--url", &server.url]).starts_with(b"PK\x03\x04"));
}

#[test]
fn the_outcome_is_json_for_scripts() {
    let place = place();
    let told = place.run(&[&LOG[..], &["-o", "log.csv", "--json"]].concat()).json();
    let bytes = std::fs::read(place.path().join("log.csv")).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(told, json!({"file": "log.csv", "rows": 5, "bytes": bytes.len(), "sha256": sha256}));
}

#[test]
fn a_file_that_is_there_is_overwritten_only_by_force_and_the_database_never() {
    let place = place();
    let ask = [&LOG[..], &["-o", "log.csv"]].concat();
    place.file("log.csv", "precious");
    let refused = place.run(&ask);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("log.csv is there already") && refused.stderr.contains("--force"),
        "{}",
        refused.stderr
    );
    assert_eq!(std::fs::read(place.path().join("log.csv")).unwrap(), b"precious");
    place.run(&[&ask[..], &["--force"]].concat()).ok();
    assert!(std::fs::read(place.path().join("log.csv")).unwrap().starts_with(b"timestamp,"));

    for _server in [None, Some(place.serve())] {
        let refused = place.run(&[&LOG[..], &["-o", "analytics.db", "--force", "--format", "csv"]].concat());
        assert_eq!(refused.code, 1);
        assert!(refused.stderr.contains("belongs to the database"), "{}", refused.stderr);
    }
    let refused = place.run(&[&LOG[..], &["-o", "/dev/null", "--force"]].concat());
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("-o -"), "{}", refused.stderr);
}

#[test]
fn a_link_stays_a_link_and_one_to_nothing_is_refused() {
    let place = place();
    let at = |name: &str| place.path().join(name);
    place.file("target.csv", "old");
    std::os::unix::fs::symlink("target.csv", at("link.csv")).unwrap();
    std::os::unix::fs::symlink("nothing.csv", at("loose.csv")).unwrap();
    let ask = |name: &str| place.run(&[&LOG[..], &["-o", name, "--force"]].concat());
    ask("link.csv").ok();
    assert!(std::fs::read(at("target.csv")).unwrap().starts_with(b"timestamp,"));
    let refused = ask("loose.csv");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("link to nothing"), "{}", refused.stderr);
    for link in ["link.csv", "loose.csv"] {
        assert!(std::fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
    }
}

#[test]
fn the_names_of_the_databases_files_are_its_own_even_while_they_are_not_there() {
    let place = place();
    for name in ["analytics.db-wal", "./analytics.db-shm", "analytics.db.sock"] {
        assert!(!place.path().join(name).exists(), "{name}");
        let refused = place.run(&[&LOG[..], &["-o", name]].concat());
        assert_eq!((refused.code, place.path().join(name).exists()), (1, false), "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains("belongs to the database"), "{}", refused.stderr);
    }
}

#[test]
fn a_directory_gets_a_file_of_that_name() {
    let place = place();
    std::fs::create_dir(place.path().join("reports")).unwrap();
    let told = place.run(&[&JANUARY[..], &["--group-by", "team", "-o", "reports", "--json"]].concat()).json();
    assert_eq!(told["file"], "reports/usage-summary-by-team_2025-01-01_2025-01-31.csv");
    let missing = place.run(&[&JANUARY[..], &["-o", "no-such-place/"]].concat());
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("directory does not exist"), "{}", missing.stderr);
}

#[test]
fn what_cannot_be_meant_is_a_usage_error_and_leaves_nothing() {
    let place = place();
    let cases: [(&[&str], &str); 8] = [
        (&["usage-summary"], "--range last-month"),
        (&["usage-summary", "--start", "2025-02-01", "--end", "2025-01-31"], "lies after"),
        (&["usage-summary", "--range", "last-month", "--interval", "day", "--group-by", "team"], "--interval"),
        (&["system-events", "--from", "yesterday"], "from"),
        (&["system-events", "--from", "2025-01-01", "--range", "last-month"], "--range"),
        (&["system-events", "--severity", "bad"], "info, warning or error"),
        (&["system-events", "-o", "-", "--json"], "-o -"),
        (&["system-events", "--remove"], "--url"),
    ];
    for (arguments, hint) in cases {
        let Ended { code, stdout, stderr } = place.run(&[&["export"], arguments].concat());
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(hint), "{arguments:?}: {stderr}");
    }
    assert_eq!(made(&place), [""; 0]);
    let missing = Place::new().run(&LOG);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("no database at") && missing.stderr.contains("--database"), "{}", missing.stderr);
}

#[test]
fn an_interrupted_export_leaves_a_whole_file_or_none() {
    let place = place();
    let lines: String = (0..20_000)
        .map(|n| format!("{{\"severity\":\"info\",\"message\":\"{n}\",\"timestamp\":\"2025-02-01T00:00:00Z\"}}\n"))
        .collect();
    let file = place.file("many.ndjson", lines);
    place.run(&["import", "events", &file]).ok();
    for _server in [None, Some(place.serve())] {
        let mut command = place.command();
        command.args([&LOG[..], &["-o", "system-all.csv", "--force", "--database"]].concat()).arg(place.database());
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Its part file shows that it hears signals by now.
        while made(&place).is_empty() && child.try_wait().unwrap().is_none() {}
        let _ = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
        let code = child.wait().unwrap().code();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        // It may have been done before the signal came.
        let (whole, rows) = (code == Some(0), 20_000 + EVENTS.len() + 2);
        assert_eq!(made(&place), if whole { vec!["system-all.csv"] } else { vec![] }, "{code:?} {said}");
        if whole {
            let path = place.path().join("system-all.csv");
            assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), rows);
            std::fs::remove_file(path).unwrap();
        } else {
            assert_eq!((code, said.contains("no file was written")), (Some(1), true), "{said}");
        }
    }
    let jobs = place.run(&["jobs", "list", "--json"]).json();
    assert_eq!(jobs, json!({"jobs": []}));
}

#[test]
fn a_signal_ends_an_export_that_nobody_goes_on_reading() {
    let place = place();
    // More than a pipe holds.
    let event = json!({"severity": "info", "message": "x".repeat(1_000), "timestamp": "2025-02-01T00:00:00Z"});
    let lines = format!("{event}\n").repeat(1_000);
    place.run(&["import", "events", &place.file("many.ndjson", lines)]).ok();
    let scratch = place.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let mut command = place.command();
    command.args([&LOG[..], &["-o", "-", "--database"]].concat()).arg(place.database()).env("TMPDIR", &scratch);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    let _ = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.contains("not all was written")), (Some(1), true), "{said}");
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn a_reader_that_goes_early_is_no_error() {
    let place = place();
    let mut command = place.command();
    command.args([&LOG[..], &["-o", "-", "--database"]].concat()).arg(place.database());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn who_may_not_export_is_told_why_and_gets_no_file() {
    let place = place();
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "read:analytics"]).ok();
    let server = place.serve();
    for (key, hint) in [(key.trim_end(), "report_admin"), ("nonsense", "error: ")] {
        let mut command = place.command();
        command.args(LOG).args(["--url", &server.url]).env("ANALYTICS_TOKEN", key);
        let ended = Ended::of(command, b"");
        assert_eq!((ended.code, made(&place).len()), (1, 0), "{}", ended.stderr);
        assert!(ended.stderr.contains(hint) && !ended.stderr.contains(key), "{}", ended.stderr);
    }
}
