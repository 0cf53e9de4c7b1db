//! What is refused, and how: status, headers and body, to the letter.

mod access;
mod bodies;
mod parameters;
mod wire;

use crate::support::client::Answer;

/// An error has exactly two fields in this order, names its status as RFC 9110 does, says in its message what is wrong
/// (`told`), gives a request id, and gives nothing of the server's inside away.
fn expect_error(what: &str, answer: &Answer, status: u16, told: &str) {
    let text = answer.text();
    assert_eq!(answer.status, status, "{what}: {text}");
    let json = answer.json();
    let fields: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["error", "message"], "{what}: {text}");
    assert_eq!(json["error"], name(status), "{what}");
    let message = json["message"].as_str().expect("a message");
    assert!(message.contains(told), "{what}: the message does not say {told:?}: {message}");
    assert!(message.chars().count() < 500, "{what}: a message for a person is short: {message}");
    for inside in ["panicked", "src/", ".rs:", "SQLite", "sqlite", "select ", "/tmp"] {
        assert!(!message.contains(inside), "{what}: {message}");
    }
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    assert!(answer.header("x-request-id").is_some_and(|id| id.len() >= 8), "{what}");
    assert!(answer.header("cache-control").is_some_and(|rule| rule.contains("no-store")), "{what}");
}

fn name(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        other => panic!("no name for status {other}"),
    }
}
