//! `export --url`: from a server elsewhere, whatever happens on the way.

use std::process::{Command, Stdio};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::scripted::{Asked, Scripted, answer};
use crate::support::{Ended, Place};

const FILE: &[u8] = b"timestamp,severity,service,message,attributes\r\n2025-01-01T00:00:00Z,info,,fine,\r\n";
const POST: &str = "POST /reports/export";
const POLL: &str = "GET /reports/export/7cQw2nVbT5xYk3R8sLm4Hd";
const DELETE: &str = "DELETE /reports/export/7cQw2nVbT5xYk3R8sLm4Hd";
const DOWNLOAD: &str = "GET /downloads/export-7cQw2nVbT5xYk3R8sLm4Hd.csv";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn accepted() -> Vec<u8> {
    answer(202, "", r#"{"job_id":"7cQw2nVbT5xYk3R8sLm4Hd","status":"queued"}"#)
}

fn completed() -> Vec<u8> {
    let job = json!({"status": "completed", "rows": 1, "bytes": FILE.len(), "sha256": sha256(FILE),
        "download_url": "https://elsewhere.example.com/downloads/export-1.csv"});
    answer(200, "", job.to_string())
}

/// What a server says to whom nothing happens on the way.
fn smooth(asked: &Asked) -> Vec<u8> {
    match asked.line.as_str() {
        POST => accepted(),
        POLL => completed(),
        DELETE => answer(204, "", ""),
        DOWNLOAD => answer(200, "", FILE),
        other => panic!("{other}"),
    }
}

fn command(place: &Place, server: &Scripted, more: &[&str]) -> Command {
    let mut command = place.command();
    command.args(["export", "system-events", "-o", "log.csv", "--url", &server.url]).args(more);
    command.env("ANALYTICS_TOKEN", "a-token");
    command
}

fn export(place: &Place, server: &Scripted, more: &[&str]) -> Ended {
    Ended::of(command(place, server, more), b"")
}

fn names(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_comes_from_the_given_address_alone_and_the_job_stays() {
    let (place, server) = (Place::new(), Scripted::start(|asked, _| smooth(asked)));
    let told = export(&place, &server, &["--json"]).json();
    let expected = json!({"file": "log.csv", "rows": 1, "bytes": FILE.len(), "sha256": sha256(FILE),
        "job_id": "7cQw2nVbT5xYk3R8sLm4Hd"});
    assert_eq!(told, expected);
    assert_eq!(std::fs::read(place.path().join("log.csv")).unwrap(), FILE);
    assert_eq!(server.lines(), [POST, POLL, DOWNLOAD]);
    assert!(server.asked().iter().all(|asked| asked.header("authorization") == "Bearer a-token"));
    assert_eq!(server.asked()[0].body, r#"{"report_type":"system-events","format":"csv"}"#);
}

#[test]
fn the_job_is_removed_where_that_is_asked_for() {
    let (place, server) = (Place::new(), Scripted::start(|asked, _| smooth(asked)));
    let told = export(&place, &server, &["--remove", "--json"]).json();
    assert_eq!(told.get("job_id"), None);
    assert_eq!(server.lines(), [POST, POLL, DOWNLOAD, DELETE]);
}

#[test]
fn a_request_whose_answer_was_lost_is_sent_again_under_the_same_key() {
    let server = Scripted::start(|asked, before| match before {
        // A busy proxy, then a connection that breaks before the answer is whole.
        0 => answer(502, "", "<html>"),
        1 => accepted()[..20].to_vec(),
        _ => smooth(asked),
    });
    let ended = export(&Place::new(), &server, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let keys: Vec<_> = server.asked().iter().map(|asked| asked.header("idempotency-key").to_string()).collect();
    assert_eq!(server.lines()[..3], [POST; 3]);
    assert!(keys[0].len() > 20 && keys[0].starts_with('"') && keys[..3].iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let server = Scripted::start(|asked, before| match before {
        1 => answer(429, "retry-after: 1\r\n", r#"{"error":"Too Many Requests","message":"slowly"}"#),
        2 => answer(503, "retry-after: 1\r\n", ""),
        3 => answer(200, "", r#"{"status":"queued"}"#),
        4 => answer(200, "", r#"{"status":"processing","progress":{"rows_done":1,"rows_expected":2,"percent":50}}"#),
        _ => smooth(asked),
    });
    let ended = export(&Place::new(), &server, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(server.lines(), [POST, POLL, POLL, POLL, POLL, POLL, DOWNLOAD]);
}

#[test]
fn a_day_whose_exports_are_used_up_is_not_waited_out() {
    let server = Scripted::start(|_, _| {
        answer(429, "retry-after: 40000\r\n", r#"{"error":"Too Many Requests","message":"10 a day; ask ops"}"#)
    });
    let place = Place::new();
    let ended = export(&place, &server, &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (1, "error: 10 a day; ask ops\n"));
    assert_eq!((server.lines().len(), names(&place).len()), (1, 0));
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    let server = Scripted::start(|asked, before| match (asked.line.as_str(), before) {
        (DOWNLOAD, 2) => {
            let whole = answer(200, "", FILE);
            whole[..whole.len() - 10].to_vec()
        }
        (DOWNLOAD, 3) => {
            let have = FILE.len() - 10;
            assert_eq!(asked.header("range"), format!("bytes={have}-"));
            assert_eq!(asked.header("if-range"), format!("\"{}\"", sha256(FILE)));
            let range = format!("content-range: bytes {have}-{}/{}\r\n", FILE.len() - 1, FILE.len());
            answer(206, &range, &FILE[have..])
        }
        _ => smooth(asked),
    });
    let place = Place::new();
    let ended = export(&place, &server, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(server.lines(), [POST, POLL, DOWNLOAD, DOWNLOAD]);
    assert_eq!(std::fs::read(place.path().join("log.csv")).unwrap(), FILE);
}

#[test]
fn a_broken_download_that_is_sent_whole_again_is_begun_anew() {
    let server = Scripted::start(|asked, before| match (asked.line.as_str(), before) {
        (DOWNLOAD, 2) => answer(200, "", FILE)[..100].to_vec(),
        _ => smooth(asked),
    });
    let place = Place::new();
    assert_eq!(export(&place, &server, &[]).code, 0);
    assert_eq!(std::fs::read(place.path().join("log.csv")).unwrap(), FILE);
}

#[test]
fn what_is_damaged_or_fails_leaves_no_file() {
    type Script = fn(&Asked) -> Vec<u8>;
    let cases: [(&str, Script); 4] = [
        ("differs", |asked| match asked.line.as_str() {
            DOWNLOAD => answer(200, "", vec![b'x'; FILE.len()]),
            _ => smooth(asked),
        }),
        ("more than", |asked| match asked.line.as_str() {
            DOWNLOAD => answer(200, "", [FILE, FILE].concat()),
            _ => smooth(asked),
        }),
        ("no room", |asked| match asked.line.as_str() {
            POLL => answer(200, "", r#"{"status":"failed","error":{"code":"storage_full","message":"no room"}}"#),
            _ => smooth(asked),
        }),
        ("https://elsewhere", |_| answer(301, "location: https://elsewhere/\r\n", "")),
    ];
    for (hint, script) in cases {
        let (place, server) = (Place::new(), Scripted::start(move |asked, _| script(asked)));
        let ended = export(&place, &server, &[]);
        assert_eq!((ended.code, names(&place).len()), (1, 0), "{}", ended.stderr);
        assert!(ended.stderr.contains(hint), "{hint}: {}", ended.stderr);
    }
}

#[test]
fn nothing_that_a_server_says_is_obeyed_by_the_terminal() {
    type Script = fn(&Asked) -> Vec<u8>;
    const EVIL: &str = r"a\u001b]0;b\u0007c\u009b31m\r\n";
    let cases: [Script; 3] = [
        |_| answer(403, "", format!(r#"{{"error":"Forbidden","message":"{EVIL}"}}"#)),
        |asked| match asked.line.as_str() {
            POLL => answer(200, "", format!(r#"{{"status":"failed","error":{{"message":"{EVIL}"}}}}"#)),
            _ => smooth(asked),
        },
        |_| answer(202, "", format!(r#"{{"job_id":"{EVIL}","status":"queued"}}"#)),
    ];
    for script in cases {
        let (place, server) = (Place::new(), Scripted::start(move |asked, _| script(asked)));
        let ended = export(&place, &server, &[]);
        assert_eq!((ended.code, names(&place).len()), (1, 0), "{}", ended.stderr);
        assert!(!ended.stderr.trim_end().contains(|c: char| c.is_control() && c != '\n'), "{:?}", ended.stderr);
    }
}

#[test]
fn an_interrupted_export_leaves_no_file_and_says_where_the_job_is() {
    for (flags, removed) in [(&[][..], 0), (&["--remove"][..], 2)] {
        let server = Scripted::start(|asked, _| match asked.line.as_str() {
            POLL => answer(200, "", r#"{"status":"queued"}"#),
            _ => smooth(asked),
        });
        let place = Place::new();
        let mut command = command(&place, &server, flags);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        server.wait_for(POLL);
        let killed = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), names(&place).len()), (Some(1), 0), "{said}");
        assert!(said.contains("no file was written"), "{said}");
        assert_eq!(server.lines().iter().filter(|line| *line == DELETE).count(), removed, "{said}");
        assert_eq!(said.contains("Job 7cQw2nVbT5xYk3R8sLm4Hd stays"), removed == 0, "{said}");
    }
}

#[test]
fn a_token_comes_from_the_environment_or_a_file_and_goes_over_tls_or_nowhere() {
    let (place, server) = (Place::new(), Scripted::start(|asked, _| smooth(asked)));
    let file = place.file("token", "another-token\n");
    assert_eq!(export(&place, &server, &["--token-file", &file]).code, 0);
    assert_eq!(server.asked()[0].header("authorization"), "Bearer another-token");

    let cases: [(&[&str], &str); 4] = [
        (&["--url", &server.url], "ANALYTICS_TOKEN"),
        (&["--url", &server.url, "--token-file", "missing"], "missing"),
        (&["--url", "http://stats.example.com", "--token-file", &file], "https://"),
        (&["--url", &server.url, "--token-file", &file, "--database", "a.db"], "leave one out"),
    ];
    for (arguments, hint) in cases {
        let mut command = place.command();
        command.args(["export", "system-events", "-o", "other.csv"]).args(arguments);
        let ended = Ended::of(command, b"");
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(hint) && !ended.stderr.contains("another-token"), "{}", ended.stderr);
    }
}

#[test]
fn a_server_that_is_not_there_is_told_of_at_once() {
    let place = Place::new();
    let mut command = place.command();
    command.env("ANALYTICS_TOKEN", "a-token");
    // Port 1 is nobody's.
    command.args(["export", "system-events", "-o", "-", "--url", "http://127.0.0.1:1"]);
    let ended = Ended::of(command, b"");
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(ended.stderr.contains("cannot reach http://127.0.0.1:1"), "{}", ended.stderr);
}
