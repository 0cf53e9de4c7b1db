//! The event log: its order, its pages and its cursors, one sentence each.

use serde_json::{Value, json};

use crate::support::client::{Client, NDJSON, url};
use crate::support::server::Server;

const EVENTS: &str = "/logs/system-events";

/// Sends events given as `severity service timestamp message`, words with blanks between; `-` is absent.
fn send(client: &Client, events: &[&str]) {
    let event = |line: &&str| {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let [severity, service, timestamp, message] = words[..] else { panic!("four words: {line}") };
        let mut event = json!({"timestamp": timestamp, "severity": severity, "message": message});
        if service != "-" {
            event["service"] = json!(service);
        }
        event
    };
    let lines: Vec<Value> = events.iter().map(event).collect();
    client.post_all(EVENTS, &[], json!(lines).to_string(), events.len());
}

fn page(client: &Client, parameters: &[(&str, &str)]) -> Value {
    client.json(&url(EVENTS, parameters))
}

fn messages(page: &Value) -> Vec<&str> {
    let events = page["events"].as_array().expect("events");
    events.iter().map(|event| event["message"].as_str().expect("a message")).collect()
}

#[test]
fn a_page_has_the_shape_of_the_reference() {
    let server = Server::start();
    let empty = server.get(EVENTS);
    assert_eq!((empty.status, empty.text()), (200, r#"{"events":[],"page":1,"total_pages":0}"#.to_string()));
    send(&server, &["warning - 2025-05-21T10:15:30Z Login failed"]);
    assert_eq!(
        server.get(EVENTS).text(),
        r#"{"events":[{"timestamp":"2025-05-21T10:15:30Z","severity":"warning","message":"Login failed"}],"page":1,"total_pages":1}"#
    );
}

#[test]
fn the_newest_instant_comes_first_and_of_equal_ones_the_later_ingested() {
    let server = Server::start();
    send(&server, &["info - 2025-05-21T10:00:00Z a", "info - 2025-05-21T10:00:01Z b", "info - 2025-05-21T10:00:00Z c"]);
    // The same instant as c, written with an offset; then one of which the text sorts before it.
    send(&server, &["info - 2025-05-21T12:00:00+02:00 d", "info - 2025-05-21T10:00:00.5Z e"]);
    assert_eq!(messages(&page(&server, &[])), ["b", "e", "d", "c", "a"]);
    assert_eq!(messages(&page(&server, &[("order", "asc")])), ["a", "c", "d", "e", "b"]);
    assert_eq!(messages(&page(&server, &[("order", "arrival")])), ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_page_past_the_end_is_empty_however_far() {
    let server = Server::start();
    send(&server, &["info - 2025-05-21T10:00:00Z a"]);
    for number in ["2", "4294967297", "9223372036854775807", "9223372036854775808", "18446744073709551615"] {
        let answer = page(&server, &[("page", number), ("limit", "1000")]);
        assert_eq!((messages(&answer).len(), &answer["total_pages"]), (0, &json!(1)), "page {number}");
        assert_eq!(answer["page"].to_string(), number);
    }
}

#[test]
fn severity_may_be_a_list_and_combines_with_the_other_filters() {
    let server = Server::start();
    send(
        &server,
        &[
            "info api 2025-05-21T10:00:00Z a",
            "warning api 2025-05-21T10:00:01Z b",
            "error api 2025-05-21T10:00:02Z c",
            "warning mail 2025-05-21T10:00:03Z d",
            "error - 2025-05-22T00:00:00Z e",
        ],
    );
    let asked = |parameters: &[(&str, &str)]| messages(&page(&server, parameters)).join("");
    assert_eq!(asked(&[("severity", "warning")]), "db");
    assert_eq!(asked(&[("severity", "warning,error")]), "edcb");
    assert_eq!(asked(&[("severity", "error,warning,info")]), "edcba");
    assert_eq!(asked(&[("severity", "warning,error"), ("service", "api")]), "cb");
    assert_eq!(asked(&[("service", "nobody")]), "");
    assert_eq!(asked(&[("from", "2025-05-21T10:00:01Z"), ("to", "2025-05-21T10:00:03Z")]), "cb");
    assert_eq!(asked(&[("from", "2025-05-22")]), "e");
    assert_eq!(asked(&[("to", "2025-05-22")]), "dcba");
}

#[test]
fn an_event_shows_its_service_and_attributes_where_it_has_them() {
    let server = Server::start();
    let event = json!({
        "timestamp": "2025-05-21T10:00:00.123456789+01:00", "severity": "error", "service": "api", "message": "x",
        "attributes": {"b": 1.50, "a": "text", "none": null, "yes": true, "big": 12345678901234567890u64},
    });
    server.post_all(EVENTS, &[], event.to_string(), 1);
    let shown = &page(&server, &[])["events"][0];
    assert_eq!(shown["timestamp"], json!("2025-05-21T09:00:00.123456Z"));
    assert_eq!((&shown["service"], &shown["attributes"]), (&event["service"], &event["attributes"]));
}

#[test]
fn a_message_comes_back_as_it_was() {
    let server = Server::start();
    let long = "x".repeat(65_536);
    let wild = ["=1+1", "\u{0}\u{1}\u{7f}", "line\r\nfeed\ttab", "\"quoted\\\"", "é🦊\u{202e}\u{feff}", " ", &long];
    for message in wild {
        let event = json!({"severity": "info", "message": message, "timestamp": "2025-05-21T10:00:00Z"});
        server.post_all(EVENTS, &[], event.to_string(), 1);
        assert_eq!(messages(&page(&server, &[("limit", "1")])), [message]);
    }
}

#[test]
fn equal_lines_are_different_events_unless_they_carry_the_same_id_and_time() {
    let server = Server::start();
    let line = |id: &str, time: &str, message: &str| {
        json!({"event_id": id, "timestamp": time, "severity": "info", "message": message}).to_string()
    };
    send(&server, &["info - 2025-05-21T10:00:00Z same", "info - 2025-05-21T10:00:00Z same"]);
    server.post_all(EVENTS, &[], line("1", "2025-05-21T10:00:01Z", "first"), 1);
    server.post_all(EVENTS, &[], line("1", "2025-05-21T10:00:02Z", "other time"), 1);
    server.post_all(EVENTS, &[], line("1", "2025-05-21T12:00:01+02:00", "again"), 1);
    assert_eq!(messages(&page(&server, &[])), ["other time", "first", "same", "same"]);
}

#[test]
fn a_cursor_keeps_its_place_while_newer_events_arrive() {
    let server = Server::start();
    send(&server, &["info - 2025-05-21T10:00:00Z a", "info - 2025-05-21T10:00:01Z b", "info - 2025-05-21T10:00:02Z c"]);
    let first = page(&server, &[("limit", "2")]);
    assert_eq!(messages(&first), ["c", "b"]);
    send(&server, &["info - 2025-05-21T10:00:03Z d"]);
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let rest = page(&server, &[("limit", "2"), ("cursor", cursor)]);
    assert_eq!(messages(&rest), ["a"]);
    assert_eq!(rest.get("next_cursor"), None);
}

#[test]
fn a_poller_by_arrival_sees_a_late_event() {
    let server = Server::start();
    send(&server, &["info - 2025-05-21T10:00:00Z a"]);
    let first = page(&server, &[("order", "arrival")]);
    let place = first["next_cursor"].as_str().expect("a cursor at the end, too");
    let nothing = page(&server, &[("order", "arrival"), ("cursor", place)]);
    assert_eq!(messages(&nothing).len(), 0);
    send(&server, &["info - 1999-12-31T23:59:59Z late by years"]);
    let place = nothing["next_cursor"].as_str().expect("a cursor at the end, too");
    assert_eq!(messages(&page(&server, &[("order", "arrival"), ("cursor", place)])), ["late by years"]);
}

#[test]
fn a_cursor_with_a_page_another_order_or_other_filters_is_refused_but_the_limit_may_change() {
    let server = Server::start();
    send(&server, &["info - 2025-05-21T10:00:00Z a", "info - 2025-05-21T10:00:01Z b", "info - 2025-05-21T10:00:02Z c"]);
    let first = page(&server, &[("limit", "1")]);
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    for changed in [("page", "2"), ("severity", "info"), ("order", "asc"), ("order", "arrival"), ("service", "x")] {
        let answer = server.get(&url(EVENTS, &[("cursor", cursor), changed]));
        assert_eq!(answer.status, 400, "{changed:?}: {}", answer.text());
        assert!(answer.text().contains("cursor"), "{changed:?}: {}", answer.text());
    }
    assert_eq!(messages(&page(&server, &[("cursor", cursor), ("limit", "5")])), ["b", "a"]);
    for garbage in ["", "x", "AAAA", &cursor[1..], &format!("{cursor}A")] {
        assert_eq!(server.get(&url(EVENTS, &[("cursor", garbage)])).status, 400, "{garbage:?}");
    }
}

#[test]
fn links_lead_through_the_pages() {
    let server = Server::start();
    let lines: String = (0..10).map(|n| format!("{{\"severity\":\"error\",\"message\":\"{n}\"}}\n")).collect();
    server.post_all(EVENTS, &[NDJSON], lines, 10);
    let mut path = url(EVENTS, &[("severity", "error,info"), ("limit", "3")]);
    let (mut seen, mut number) = (0, 1);
    loop {
        let answer = server.get(&path);
        let events = answer.json()["events"].as_array().expect("events").len();
        seen += events;
        let links = links(answer.header("link").expect("links"));
        let target = |rel: &str| links.iter().find(|(_, name)| name == rel).map(|(target, _)| target.clone());
        assert_eq!((target("first").is_some(), target("prev").is_some()), (true, number > 1), "{links:?}");
        match target("next") {
            Some(next) => path = resolved(&next),
            None => break,
        }
        number += 1;
    }
    assert_eq!((number, seen), (4, 10));
}

/// `<target>; rel="name", ..` as (target, name).
fn links(header: &str) -> Vec<(String, String)> {
    let link = |part: &str| {
        let (target, rel) = part.trim().split_once("; ").expect("a link");
        let name = rel.trim_start_matches("rel=").trim_matches('"');
        (target.trim_matches(['<', '>']).to_string(), name.to_string())
    };
    // A list of severities may hold a comma inside the brackets.
    header.split(", <").map(link).collect()
}

/// A relative reference may be the query alone.
fn resolved(target: &str) -> String {
    if target.starts_with('?') { format!("{EVENTS}{target}") } else { target.to_string() }
}
