//! What every answer carries, and the endpoints over the real engine.

use std::io::Read;

use analytics::model::Scope;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use serde_json::json;

use super::server::Server;

const SUMMARY: &str = "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31";

#[test]
fn a_credential_is_asked_for_checked_and_held_to_its_scopes() {
    let server = Server::start();
    let as_nobody = server.request_as("GET", SUMMARY, &[], b"");
    as_nobody.error(401, "Unauthorized");
    assert_eq!(as_nobody.header("www-authenticate"), Some("Bearer realm=\"analytics\""));
    let wrong = server.request_as("GET", SUMMARY, &[("Authorization", "Bearer nonsense")], b"");
    wrong.error(401, "Unauthorized");
    assert_eq!(wrong.header("www-authenticate"), Some("Bearer realm=\"analytics\", error=\"invalid_token\""));

    let (reader, writer) = (server.key_for(Scope::ReadAnalytics), server.key_for(Scope::WriteEvents));
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("any:{reader}")));
    assert_eq!(server.request_as("GET", SUMMARY, &[("Authorization", &basic)], b"").status, 200);
    assert_eq!(server.request_as("GET", SUMMARY, &[("X-API-Key", &reader)], b"").status, 200);
    server.request_as("GET", SUMMARY, &[("X-API-Key", &writer)], b"").error(403, "Forbidden");
    server.request_as("DELETE", "/users/u", &[("X-API-Key", &writer)], b"").error(403, "Forbidden");
    server.request_as("GET", "/metrics", &[("X-API-Key", &reader)], b"").error(403, "Forbidden");
    let both = [("X-API-Key", reader.as_str()), ("Authorization", &format!("Bearer {writer}"))];
    server.request_as("GET", SUMMARY, &both, b"").error(400, "Bad Request");
    let message = server.request_as("GET", &format!("{SUMMARY}&api_key={reader}"), &[], b"").error(400, "Bad Request");
    assert!(message.contains("X-API-Key") && !message.contains(&reader), "{message}");
}

#[test]
fn a_page_of_another_site_changes_nothing_with_basic() {
    let server = Server::start();
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:", server.key)));
    let send = |more: (&str, &str)| {
        server.request_as("POST", "/users", &[("Authorization", &basic), more], br#"{"user_id":"u"}"#)
    };
    send(("Origin", "https://evil.example")).error(403, "Forbidden");
    send(("Sec-Fetch-Site", "cross-site")).error(403, "Forbidden");
    assert_eq!(send(("Sec-Fetch-Site", "none")).status, 200);
}

#[test]
fn every_answer_carries_its_id_and_is_not_stored() {
    let server = Server::start();
    let answers = [server.get("/healthz"), server.get("/missing"), server.get(SUMMARY), server.post("/users", "")];
    for answer in &answers {
        assert_eq!(answer.header("x-request-id").map(str::len), Some(16));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_ne!(answers[0].header("x-request-id"), answers[1].header("x-request-id"));
    assert_eq!(answers[0].header("cache-control"), Some("no-store"));
    assert_eq!(answers[2].header("cache-control"), Some("private, no-cache"));
}

#[test]
fn an_erasure_told_in_a_body_what_to_do_is_refused() {
    let server = Server::start();
    server.post("/users", r#"{"user_id":"u"}"#);
    let message = server.request("DELETE", "/users/u", &[], br#"{"history":"remove"}"#).error(400, "Bad Request");
    assert!(message.contains("?history="), "{message}");
    assert_eq!(server.request("DELETE", "/users/u", &[], b"\n").status, 204);
}

#[test]
fn paths_know_their_methods() {
    let server = Server::start();
    let answer = server.request("PATCH", "/logs/system-events", &[], b"");
    answer.error(405, "Method Not Allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    let options = server.request_as("OPTIONS", "/users/u", &[], b"");
    assert_eq!((options.status, options.header("allow")), (204, Some("PUT, DELETE, OPTIONS")));
    let (get, head) = (server.get(SUMMARY), server.request("HEAD", SUMMARY, &[], b""));
    assert_eq!((head.status, head.header("content-length")), (200, get.header("content-length")));
    assert_eq!(head.header("etag"), get.header("etag"));
}

#[test]
fn a_listed_origin_may_read() {
    let server = Server::start_with(|settings| settings.cors_origins = vec!["https://team.example".into()]);
    let origin = ("Origin", "https://team.example");
    let answer = server.request("GET", SUMMARY, &[origin], b"");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://team.example"));
    assert_eq!(answer.header("vary"), Some("Accept-Encoding, Origin"));
    let preflight = [origin, ("Access-Control-Request-Method", "GET")];
    let answer = server.request_as("OPTIONS", SUMMARY, &preflight, b"");
    assert_eq!((answer.status, answer.header("access-control-allow-methods")), (204, Some("GET, HEAD")));
    let foreign = server.request("GET", SUMMARY, &[("Origin", "https://evil.example")], b"");
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[test]
fn what_was_acknowledged_is_in_the_next_answer_and_its_tag_is_new() {
    let server = Server::start();
    let before = server.get(SUMMARY);
    assert_eq!(before.text(), r#"{"total_users":0,"active_users":0,"total_sessions":0}"#);
    let tag = before.header("etag").unwrap();
    let unchanged = server.request("GET", SUMMARY, &[("If-None-Match", tag)], b"");
    assert_eq!((unchanged.status, unchanged.header("etag"), unchanged.body.len()), (304, Some(tag), 0));
    // A length of 0 would be that of the answer which a client has in its cache (RFC 9110, 8.6).
    let unchanged = server.request("HEAD", SUMMARY, &[("If-None-Match", tag)], b"");
    assert_eq!((unchanged.status, unchanged.header("content-length")), (304, None));
    let misspelt = format!("{SUMMARY}&limti=5");
    server.request("GET", &misspelt, &[("If-None-Match", tag)], b"").error(400, "Bad Request");

    let batch = r#"[{"user_id":"a","timestamp":"2025-01-10T10:00:00Z","team_id":"x"},
        {"user_id":""}, {"user_id":"b","timestamp":"2025-01-20T10:00:00Z"}]"#;
    let receipt = server.post("/usage/events", batch).json();
    assert_eq!((&receipt["accepted"], &receipt["rejected"][0]["index"]), (&json!(2), &json!(1)));
    let after = server.request("GET", SUMMARY, &[("If-None-Match", tag)], b"");
    assert_eq!(after.text(), r#"{"total_users":2,"active_users":2,"total_sessions":2}"#);
}

#[test]
fn a_summary_adds_what_is_asked_for() {
    let server = Server::start();
    let batch = r#"[{"user_id":"a","timestamp":"2025-01-10T10:00:00Z","team_id":"x"},
        {"user_id":"b","timestamp":"2025-01-20T10:00:00Z"}, {"user_id":"a","timestamp":"2024-12-20T10:00:00Z"}]"#;
    assert_eq!(server.post("/usage/events", batch).status, 200);
    let all = server.get(&format!("{SUMMARY}&interval=month&group_by=team&limit=1&compare=previous"));
    let expected = concat!(
        r#"{"total_users":2,"active_users":2,"total_sessions":2,"#,
        r#""series":[{"start_date":"2025-01-01","end_date":"2025-01-31","#,
        r#""total_users":2,"active_users":2,"total_sessions":2}],"#,
        r#""groups":[{"team_id":"x","total_users":1,"active_users":1,"total_sessions":1}],"page":1,"total_pages":2,"#,
        r#""previous":{"total_users":1,"active_users":1,"total_sessions":1}}"#
    );
    assert_eq!(all.text(), expected);
    assert!(all.header("link").unwrap().contains("&page=2>; rel=\"next\""));
    let second = server.get(&format!("{SUMMARY}&group_by=team&limit=1&page=2")).json();
    assert_eq!(second["groups"][0]["team_id"], json!(null));
}

#[test]
fn the_log_is_read_by_page_by_cursor_and_by_arrival() {
    let server = Server::start();
    let lines: String = (0..25)
        .map(|i| {
            let severity = ["info", "warning", "error"][i % 3];
            format!(
                "{{\"timestamp\":\"2025-05-21T10:{:02}:00Z\",\"severity\":\"{severity}\",\"message\":\"m{i}\"}}\n",
                i / 2
            )
        })
        .collect();
    assert_eq!(server.post("/logs/system-events", &lines).json()["accepted"], 25);
    let page = server.get("/logs/system-events?limit=10&page=2");
    assert_eq!((&page.json()["page"], &page.json()["total_pages"]), (&json!(2), &json!(3)));
    assert!(page.header("link").unwrap().contains("</logs/system-events?limit=10&page=3>; rel=\"next\""));
    let past = server.get("/logs/system-events?page=9223372036854775808").json();
    assert_eq!((&past["events"], &past["total_pages"]), (&json!([]), &json!(1)));
    for order in ["desc", "asc", "arrival"] {
        let expected: Vec<String> = match order {
            "desc" => (0..25).rev().map(|i| format!("m{i}")).collect(),
            _ => (0..25).map(|i| format!("m{i}")).collect(),
        };
        assert_eq!(walk(&server, &format!("/logs/system-events?limit=4&order={order}")), expected, "{order}");
    }
    let warnings = walk(&server, "/logs/system-events?limit=3&severity=warning,error&from=2025-05-21T12:05:00%2B02:00");
    assert_eq!(warnings.len(), 10, "{warnings:?}");
}

/// Follows next_cursor to the end and gives every message.
fn walk(server: &Server, first: &str) -> Vec<String> {
    let mut messages = vec![];
    let mut target = first.to_string();
    loop {
        let page = server.get(&target).json();
        let events = page["events"].as_array().unwrap();
        messages.extend(events.iter().map(|event| event["message"].as_str().unwrap().to_string()));
        match page["next_cursor"].as_str() {
            Some(cursor) if !events.is_empty() => target = format!("{first}&cursor={cursor}"),
            _ => return messages,
        }
    }
}

#[test]
fn users_are_registered_and_erased_under_any_id() {
    let server = Server::start();
    let total = || server.get(SUMMARY).json()["total_users"].as_u64().unwrap();
    for (index, id) in ["plain", "a%2Fb%20c", "%F0%9F%A6%80", "..", "a+b"].iter().enumerate() {
        let body = br#"{"registered_at":"2025-01-01T00:00:00Z","team_id":"x"}"#;
        assert_eq!(server.request("PUT", &format!("/users/{id}"), &[], body).status, 204, "{id}");
        assert_eq!(total(), index as u64 + 1, "{id}");
    }
    server.request("PUT", "/users/plain", &[], br#"{"user_id":"other"}"#).error(400, "Bad Request");
    assert_eq!(server.request("PUT", "/users/new", &[], b"").status, 204);
    let erase = |target: &str| server.request("DELETE", target, &[], b"");
    erase("/users/unknown").error(404, "Not Found");
    erase("/users/plain?history=burn").error(400, "Bad Request");
    assert_eq!(erase("/users/a%2Fb%20c?history=remove").status, 204);
    assert_eq!(total(), 4);
    erase("/users/a%2Fb%20c").error(404, "Not Found");
}

#[test]
fn long_answers_are_compressed_for_those_who_accept_it() {
    let server = Server::start();
    let plain = server.get("/openapi.json");
    let packed = server.request("GET", "/openapi.json", &[("Accept-Encoding", "gzip, br")], b"");
    assert_eq!((packed.header("content-encoding"), plain.header("content-encoding")), (Some("gzip"), None));
    assert_eq!(packed.header("vary"), Some("Accept-Encoding"));
    let mut unpacked = vec![];
    GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain.body && packed.body.len() * 4 < plain.body.len());
}

#[test]
fn metrics_need_their_scope_unless_they_are_public() {
    let server = Server::start();
    server.request_as("GET", "/metrics", &[], b"").error(401, "Unauthorized");
    let open = Server::start_with(|settings| settings.metrics_public = true);
    assert_eq!(open.post("/users", "[{\"user_id\":\"u\"},{}]").status, 200);
    let metrics = open.request_as("GET", "/metrics", &[], b"");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "analytics_http_requests_total{method=\"POST\",route=\"/users\",status=\"200\"} 1",
        "analytics_ingest_items_total{kind=\"registrations\",outcome=\"accepted\"} 1",
        "analytics_ingest_items_total{kind=\"registrations\",outcome=\"rejected\"} 1",
        "analytics_http_requests_in_flight 1",
    ] {
        assert!(metrics.text().lines().any(|found| found == line), "{line} is not in\n{}", metrics.text());
    }
}
