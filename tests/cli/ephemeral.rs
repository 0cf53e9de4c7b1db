//! `--ephemeral` and `--demo`: servers that are thrown away.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{ChildStdout, Stdio};

use serde_json::Value;

use crate::support::{Place, SUMMARY, Server, get, post};

pub struct ThrowAway {
    place: Place,
    server: Server,
    stdout: BufReader<ChildStdout>,
    ready: Value,
}

impl ThrowAway {
    pub fn start(arguments: &[&str]) -> ThrowAway {
        ThrowAway::start_with(arguments, &[])
    }

    fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> ThrowAway {
        let place = Place::new();
        fs::create_dir(place.path().join("tmp")).unwrap();
        let mut command = place.command();
        command.arg("serve").args(arguments).env("TMPDIR", place.path().join("tmp")).stdout(Stdio::piped());
        command.envs(environment.iter().copied());
        let mut server = Server::start(command);
        let mut stdout = server.stdout();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        ThrowAway { place, server, stdout, ready }
    }

    pub fn word(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.ready))
    }

    /// The answer to a GET, or to a POST of a body, whatever its status.
    pub fn send(&self, path: &str, body: Option<&str>) -> Value {
        let (url, token) = (format!("{}{path}", self.word("url")), self.word("token"));
        match body {
            None => get(&url, token).1,
            Some(body) => post(&url, token, body).1,
        }
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = get(&format!("{}{path}", self.word("url")), self.word("token"));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.place.path().join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// What is left of it, and what more it said on standard output.
    fn stop(mut self, signal: &str) -> (Option<i32>, Vec<PathBuf>, String) {
        let (place, server) = (self.place, self.server);
        let code = server.stop(signal).0;
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        let left = fs::read_dir(place.path().join("tmp")).unwrap();
        (code, left.map(|entry| entry.unwrap().path()).collect(), rest)
    }
}

#[test]
fn an_ephemeral_server_says_one_line_and_leaves_nothing_behind() {
    for signal in ["TERM", "INT", "HUP"] {
        let server = ThrowAway::start(&["--ephemeral"]);
        assert_eq!(server.ready.as_object().unwrap().keys().collect::<Vec<_>>(), ["url", "token", "api_key"]);
        assert_eq!(server.files().len(), 1);
        assert_eq!(server.stop(signal), (Some(0), vec![], String::new()), "{signal}");
    }
}

#[test]
fn the_token_and_the_key_of_an_ephemeral_server_may_do_everything() {
    let server = ThrowAway::start(&["--ephemeral"]);
    assert_ne!(server.word("token"), server.word("api_key"));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = |path: &str| format!("{}{path}", server.word("url"));
    let event = r#"{"user_id":"u-1","timestamp":"2025-01-10T10:00:00Z"}"#;
    let sent = agent.post(url("/usage/events")).header("X-API-Key", server.word("api_key")).send(event).unwrap();
    assert_eq!(sent.status(), 200);
    assert_eq!(server.get(SUMMARY)["total_sessions"], 1);
    let erased = agent.delete(url("/users/u-1")).header("X-API-Key", server.word("api_key")).call().unwrap();
    assert_eq!(erased.status(), 204);
    let metrics = agent.get(url("/metrics")).header("X-API-Key", server.word("api_key")).call().unwrap();
    assert_eq!(metrics.status(), 200);
}

#[test]
fn the_token_of_an_ephemeral_server_is_an_access_token_and_nothing_limits_it() {
    let server = ThrowAway::start(&["--ephemeral"]);
    let whoami = server.get("/auth/whoami");
    assert_eq!((&whoami["subject"], &whoami["roles"]), (&"token".into(), &serde_json::json!(["report_admin"])));
    assert_eq!(server.word("token").split('.').count(), 3, "a JWT");
    for _ in 0..150 {
        server.get("/auth/whoami");
    }
    let limited = ThrowAway::start_with(&["--ephemeral"], &[("ANALYTICS_LIMITS_REQUESTS_PER_MINUTE", "3")]);
    let url = format!("{}/auth/whoami", limited.word("url"));
    let statuses = [(); 4].map(|()| get(&url, limited.word("token")).0);
    assert_eq!(statuses, [200, 200, 200, 429], "a limit that is set holds");
}

#[test]
fn a_server_that_is_thrown_away_keeps_an_audit_trail_only_where_it_is_asked_for() {
    let trail = |environment: &[(&str, &str)]| {
        let server = ThrowAway::start_with(&["--ephemeral"], environment);
        assert_eq!(get(&format!("{}/metrics", server.word("url")), "no-such-key").0, 401);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(2);
        loop {
            let failed = server.get("/logs/system-events?severity=warning&service=analytics")["events"].clone();
            if failed != serde_json::json!([]) || std::time::Instant::now() > until || environment.is_empty() {
                return failed.as_array().unwrap().len();
            }
        }
    };
    assert_eq!(trail(&[("ANALYTICS_AUDIT_EVENTS", "true")]), 1);
    assert_eq!(trail(&[]), 0);
}

#[test]
fn two_ephemeral_servers_know_nothing_of_each_other() {
    let (one, other) = (ThrowAway::start(&["--ephemeral"]), ThrowAway::start(&["--ephemeral"]));
    let (status, _) = get(&format!("{}{SUMMARY}", one.word("url")), other.word("token"));
    assert_eq!(status, 401);
}

#[test]
fn the_demo_reproduces_the_examples_of_the_reference() {
    let demo = ThrowAway::start(&["--demo", "--listen", "127.0.0.1:0"]);
    let summary = demo.get(SUMMARY);
    assert_eq!(summary, serde_json::json!({"total_users": 148, "active_users": 97, "total_sessions": 642}));

    let page = demo.get("/logs/system-events");
    assert_eq!((&page["page"], &page["total_pages"]), (&1.into(), &12.into()));
    assert_eq!(page["events"].as_array().unwrap().len(), 100);
    let first = serde_json::json!({
        "timestamp": "2025-05-21T10:15:30Z",
        "severity": "warning",
        "message": "Login failed for user alice@example.com: wrong password (attempt 3)",
    });
    assert_eq!(page["events"][0], first);
    assert!(!demo.get("/logs/system-events?page=12")["events"].as_array().unwrap().is_empty());
}

#[test]
fn the_demos_other_months_are_those_of_its_plan() {
    let demo = ThrowAway::start(&["--demo", "--listen", "127.0.0.1:0"]);
    let answer = demo.get("/reports/usage-summary?start_date=2024-11-01&end_date=2025-05-31&interval=month");
    let months = answer["series"].as_array().unwrap().iter();
    let figures: Vec<_> =
        months.map(|month| (month["active_users"].as_u64(), month["total_sessions"].as_u64())).collect();
    let plan = [(62, 371), (71, 398), (97, 642), (104, 688), (119, 803), (116, 747), (123, 562)];
    assert_eq!(figures, plan.map(|(users, sessions)| (Some(users), Some(sessions))));
}

#[test]
fn the_demo_says_lines_that_can_be_pasted() {
    let mut demo = ThrowAway::start(&["--demo", "--listen", "127.0.0.1:0"]);
    let mut lines = vec![];
    while !lines.last().is_some_and(|line: &String| line.contains(" export usage-summary ")) {
        lines.push(demo.server.next_line());
    }
    let export = lines.last().unwrap().replace("-o january.xlsx", "-o january.csv");
    let pasted =
        std::process::Command::new("sh").args(["-c", &export]).current_dir(demo.place.path()).output().unwrap();
    assert!(pasted.status.success(), "{export}: {}", String::from_utf8_lossy(&pasted.stderr));
    assert!(fs::read_to_string(demo.place.path().join("january.csv")).unwrap().starts_with("start_date,"));
    let curl: Vec<&String> = lines.iter().filter(|line| line.trim_start().starts_with("curl ")).collect();
    assert!(curl.len() >= 4, "{lines:?}");
    assert!(curl.iter().all(|line| line.contains(demo.word("token")) || line.contains(demo.word("api_key"))));
    assert!(curl.iter().all(|line| line.contains(demo.word("url"))));
}
