//! The administration's way in: the socket beside the database.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

/// Makes a key that holds `scopes`; it works as soon as this returns.
pub fn create_key(database: &Path, scopes: &[&str]) -> String {
    create(database, json!({"owner": "tests", "scopes": scopes}))
}

/// Makes a key that may do everything, exports too.
pub fn create_full_key(database: &Path, owner: &str) -> String {
    create(database, json!({"owner": owner, "scopes": super::server::ALL_SCOPES, "roles": ["report_admin"]}))
}

fn create(database: &Path, asked: Value) -> String {
    let (status, answer) = send(database, "POST", "/admin/keys", &asked.to_string());
    assert_eq!(status, 201, "{answer}");
    answer["key"].as_str().expect("a key").to_string()
}

fn send(database: &Path, method: &str, path: &str, body: &str) -> (u16, Value) {
    let socket = format!("{}.sock", database.display());
    let mut stream = UnixStream::connect(&socket).unwrap_or_else(|e| panic!("{socket}: {e}"));
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}
