use serde_json::{Value, json};

use super::expect_error;
use crate::support::client::{Answer, Client, GZIP, NDJSON, gzip};
use crate::support::server::Server;
use crate::support::usage::summary;

const USAGE: &str = "/usage/events";
const EVENTS: &str = "/logs/system-events";
const USERS: &str = "/users";

/// One item that is rejected among two that are taken: the answer names it by its index and says what is wrong.
fn expect_rejected(client: &Client, path: &str, item: &[u8], told: &str) {
    let good = match path {
        EVENTS => r#"{"severity":"info","message":"good"}"#,
        _ => r#"{"user_id":"good"}"#,
    };
    let body = [good.as_bytes(), b"\n", item, b"\n", good.as_bytes()].concat();
    let answer = client.send("POST", path, &[NDJSON], &body);
    let shown = String::from_utf8_lossy(item);
    let shown: String = shown.chars().take(120).collect();
    assert_eq!(answer.status, 200, "{path} {shown}: {}", answer.text());
    let json = answer.json();
    assert_eq!((&json["accepted"], &json["rejected"][0]["index"]), (&json!(2), &json!(1)), "{path} {shown}: {json}");
    let message = json["rejected"][0]["message"].as_str().expect("a message");
    assert!(message.contains(told), "{path} {shown}: {message:?} does not say {told:?}");
    assert!(message.chars().count() < 400, "{path}: {message}");
}

#[test]
fn a_bad_usage_event_is_rejected_by_index_and_the_others_are_taken() {
    let server = Server::start();
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep_field = format!(r#"{{"user_id":"a","x":{deep}}}"#);
    let long = format!(r#"{{"user_id":"{}"}}"#, "x".repeat(257));
    let table: &[(&[u8], &str)] = &[
        (b"{}", "user_id"),
        (br#"{"user_id":""}"#, "user_id"),
        (br#"{"user_id":null}"#, "user_id"),
        (br#"{"user_id":7}"#, "user_id"),
        (br#"{"user_id":"a\nb"}"#, "control"),
        (br#"{"user_id":"\u0000"}"#, "control"),
        (br#"{"user_id":"\ud800"}"#, ""),
        (b"{\"user_id\":\"\xff\"}", "UTF-8"),
        (long.as_bytes(), "256"),
        (br#"{"user":"a"}"#, "unknown field \"user\"; known: user_id"),
        (br#"{"user_id":"a","user_id":"b"}"#, "user_id"),
        (br#"{"user_id":"a","team_id":""}"#, "team_id"),
        (br#"{"user_id":"a","service":["x"]}"#, "service"),
        (br#"{"user_id":"a","session_id":1e999}"#, ""),
        (br#"{"user_id":"a","timestamp":1747822530}"#, "timestamp"),
        (br#"{"user_id":"a","timestamp":1e999}"#, ""),
        (br#"{"user_id":"a","timestamp":NaN}"#, ""),
        (br#"{"user_id":"a","timestamp":""}"#, "timestamp"),
        (br#"{"user_id":"a","timestamp":"2025-05-21"}"#, "RFC 3339"),
        (br#"{"user_id":"a","timestamp":"2025-05-21T10:15:30"}"#, "RFC 3339"),
        (br#"{"user_id":"a","timestamp":"2025-02-30T00:00:00Z"}"#, "timestamp"),
        (br#"{"user_id":"a","timestamp":"2025-05-21T10:15:61Z"}"#, "timestamp"),
        (br#"{"user_id":"a","timestamp":"10000-01-01T00:00:00Z"}"#, "timestamp"),
        (br#"{"user_id":"a","timestamp":"9999-12-31T23:59:59-00:01"}"#, "timestamp"),
        (br#"{"user_id":"a","timestamp":"0001-01-01T00:00:00+00:01"}"#, "timestamp"),
        (deep_field.as_bytes(), ""),
        (deep.as_bytes(), ""),
        (b"[]", ""),
        (b"null", ""),
        (b"\"text\"", ""),
        (b"{\"user_id\":\"a\"", ""),
        (b"{\"user_id\":\"a\"} x", ""),
        (b"{'user_id':'a'}", ""),
    ];
    for (item, told) in table {
        expect_rejected(&server, USAGE, item, told);
    }
    assert_eq!(summary(&server, "0001-01-01..9999-12-31", &[("user_id", "a")]), [0, 0, 0]);
}

#[test]
fn a_bad_system_event_is_rejected_by_index_and_the_others_are_taken() {
    let server = Server::start();
    let event = |change: Value| {
        let mut event = json!({"severity": "info", "message": "x"});
        for (name, value) in change.as_object().expect("an object") {
            event[name] = value.clone();
        }
        event.to_string().into_bytes()
    };
    let with = |text: &str| format!(r#"{{"severity":"info","message":"x",{text}}}"#).into_bytes();
    let table: Vec<(Vec<u8>, &str)> = vec![
        (br#"{"message":"x"}"#.to_vec(), "severity"),
        (br#"{"severity":"info"}"#.to_vec(), "message"),
        (event(json!({"severity": "fatal"})), "info"),
        (event(json!({"severity": "INFO"})), "severity"),
        (event(json!({"severity": null})), "severity"),
        (event(json!({"message": 5})), "message"),
        (event(json!({"message": "x".repeat(65_537)})), "65536"),
        (event(json!({"service": "analytics"})), "analytics"),
        (event(json!({"service": ""})), "service"),
        (event(json!({"event_id": "1"})), "timestamp"),
        (event(json!({"timestamp": "yesterday"})), "timestamp"),
        (event(json!({"attributes": "x"})), "attributes"),
        (event(json!({"attributes": [1]})), "attributes"),
        (event(json!({"attributes": {"a": {"b": 1}}})), "attributes"),
        (event(json!({"attributes": {"a": [1]}})), "attributes"),
        (event(json!({"attributes": {"a": "x".repeat(16_384)}})), "16384"),
        (event(json!({"level": "info"})), "unknown field \"level\""),
        (with(r#""attributes":{"a":1e999}"#), ""),
        (with(r#""attributes":{"a":NaN}"#), ""),
        (with(r#""attributes":{"a":Infinity}"#), ""),
        (with(r#""attributes":{"a":1,"a":2}"#), "attributes"),
        (with(r#""message":"y""#), "message"),
    ];
    for (item, told) in &table {
        expect_rejected(&server, EVENTS, item, told);
    }
}

#[test]
fn a_bad_registration_is_rejected_by_index_and_the_others_are_taken() {
    let server = Server::start();
    let table: &[(&[u8], &str)] = &[
        (b"{}", "user_id"),
        (br#"{"user_id":"a","registered_at":"soon"}"#, "registered_at"),
        (br#"{"user_id":"a","deactivated_at":5}"#, "deactivated_at"),
        (br#"{"user_id":"a","team_id":""}"#, "team_id"),
        (br#"{"user_id":"a","name":"Ann"}"#, "unknown field \"name\""),
    ];
    for (item, told) in table {
        expect_rejected(&server, USERS, item, told);
    }
    let put = |body: &str| server.send("PUT", "/users/ann", &[], body.as_bytes());
    expect_error("another id", &put(r#"{"user_id":"bob"}"#), 400, "user_id");
    expect_error("unknown field", &put(r#"{"name":"Ann"}"#), 400, "\"name\"");
    expect_error("a list", &put("[]"), 400, "");
    assert_eq!(put(r#"{"user_id":"ann"}"#).status, 204);
    assert_eq!(put("").status, 204);
}

#[test]
fn instants_at_the_edges_of_the_rules_are_taken() {
    let server = Server::start();
    let edges = [
        "2016-12-31T23:59:60Z",
        "9999-12-31T23:59:59.999999999Z",
        "0001-01-01T00:00:00Z",
        "2025-05-21t10:15:30.5z",
        "2025-05-21T10:15:30-23:59",
    ];
    for edge in edges {
        server.post_all(USAGE, &[], json!({"user_id": edge, "timestamp": edge}).to_string(), 1);
    }
    assert_eq!(summary(&server, "2016-12-31", &[("user_id", "2016-12-31T23:59:60Z")]), [1, 1, 1]);
    assert_eq!(summary(&server, "9999-12-31", &[]), [5, 1, 1]);
}

#[test]
fn one_object_an_array_and_lines_are_all_read_whatever_they_are_labelled() {
    let server = Server::start();
    let one = r#"{"user_id":"a"}"#;
    let spread = "{\n  \"user_id\": \"a\"\n}\n";
    let two = format!("{one}\r\n\r\n{one}");
    let array = format!("[{one} , {one}]");
    let with_mark = format!("\u{feff}{one}");
    let bodies = [(one, 1), (spread, 1), (&two, 2), (&array, 2), (&with_mark, 1), ("[]", 0)];
    for label in ["application/json", "application/x-ndjson", "application/x-www-form-urlencoded", "text/plain"] {
        for (body, items) in bodies {
            server.post_all(USAGE, &[("content-type", label)], body, items);
            server.post_all(USAGE, &[("content-type", label), GZIP], gzip(body.as_bytes()), items);
        }
    }
}

#[test]
fn a_body_of_which_nothing_can_be_read_is_400() {
    let server = Server::start();
    let table: &[&[u8]] =
        &[b"", b" \n ", b"hello", b"\xff\xfe\x00", b"[{\"user_id\":\"a\"},", b"[1 2]", b"7", b"\x1f\x8b\x08"];
    for path in [USAGE, EVENTS, USERS] {
        for body in table {
            expect_error(&format!("{path} {:?}", String::from_utf8_lossy(body)), &server.post(path, body), 400, "");
        }
    }
    let deep = "[".repeat(100_000);
    expect_error("deep", &server.post(USAGE, &deep), 400, "");
}

#[test]
fn a_body_that_is_not_what_its_encoding_says_is_refused() {
    let server = Server::start();
    let body = gzip(br#"{"user_id":"a"}"#);
    let cut = &body[..body.len() - 4];
    let mut damaged = body.clone();
    damaged[12] ^= 0xff;
    for (what, bytes) in [("plain", &b"{\"user_id\":\"a\"}"[..]), ("cut", cut), ("damaged", &damaged), ("empty", b"")] {
        expect_error(what, &server.send("POST", USAGE, &[GZIP], bytes), 400, "");
    }
    for encoding in ["br", "zstd", "gzip, gzip", "x"] {
        let answer = server.send("POST", USAGE, &[("content-encoding", encoding)], &body);
        expect_error(encoding, &answer, 415, "gzip");
    }
    for label in ["multipart/form-data; boundary=x", "application/xml", "application/x-protobuf"] {
        let answer = server.send("POST", USAGE, &[("content-type", label)], br#"{"user_id":"a"}"#);
        expect_error(label, &answer, 415, "");
    }
    assert_eq!(server.send("POST", USAGE, &[("content-encoding", "identity")], br#"{"user_id":"a"}"#).status, 200);
}

#[test]
fn a_body_past_the_bound_is_413_plain_or_once_unpacked() {
    let bound = 64 * 1024;
    let server = Server::with(|settings| settings.http.bounds.body_bytes_max = bound);
    let filled = |len: usize| {
        let event = br#"{"user_id":"a"}"#;
        [&event[..], &vec![b' '; len - event.len()]].concat()
    };
    server.post_all(USAGE, &[], filled(bound), 1);
    server.post_all(USAGE, &[GZIP], gzip(&filled(bound)), 1);
    let expect_too_large = |what: &str, answer: Answer| expect_error(what, &answer, 413, "65536 bytes");
    expect_too_large("plain", server.post(USAGE, filled(bound + 1)));
    expect_too_large("one byte", server.send("POST", USAGE, &[GZIP], &gzip(&filled(bound + 1))));
    // A bomb: a hundred million blanks in a few hundred bytes (packed twice it is smaller, and is not unpacked twice).
    expect_too_large("bomb", server.send("POST", USAGE, &[GZIP], &gzip(&vec![b' '; 100_000_000])));
    let members: Vec<u8> = (0..200).flat_map(|_| gzip(&vec![b' '; 1_000])).collect();
    expect_too_large("many members", server.send("POST", USAGE, &[GZIP], &members));
}

#[test]
fn more_items_than_the_bound_are_413_and_none_is_taken() {
    let server = Server::with(|settings| settings.http.bounds.items_max = 10);
    let events = |count: usize| (0..count).map(|n| format!("{{\"user_id\":\"u{n}\"}}\n")).collect::<String>();
    expect_error("eleven", &server.post(USAGE, events(11)), 413, "items_max");
    server.post_all(USAGE, &[], events(10), 10);
}

#[test]
fn more_services_than_the_bound_are_rejected_by_index() {
    let server = Server::with(|settings| settings.store.services_max = 3);
    let usage = |n: usize| json!({"user_id": "a", "service": format!("s{n}"), "timestamp": "2025-05-21T10:00:00Z"});
    let answer = server.post(USAGE, json!((0..5).map(usage).collect::<Vec<_>>()).to_string()).json();
    assert_eq!((&answer["accepted"], &answer["rejected"][0]["index"]), (&json!(3), &json!(3)), "{answer}");
    assert!(answer["rejected"][1]["message"].as_str().expect("a message").contains("services_max"), "{answer}");
    let event = |n: usize| json!({"severity": "info", "message": "x", "service": format!("s{n}")});
    let answer = server.post(EVENTS, json!((0..5).map(event).collect::<Vec<_>>()).to_string()).json();
    assert_eq!((&answer["accepted"], &answer["rejected"][0]["index"]), (&json!(3), &json!(3)), "{answer}");
}
