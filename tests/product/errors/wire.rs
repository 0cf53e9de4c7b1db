//! What no HTTP library would send: bytes on a socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::server::Server;

/// A bound on waiting for a server that hangs; nothing here takes a second.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Everything the server says until it closes.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    // A server that refuses may close before it has read all: what it said still counts.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    if let Err(e) = stream.read_to_end(&mut answer) {
        assert_ne!(e.kind(), std::io::ErrorKind::WouldBlock, "the server neither answers nor closes");
    }
    String::from_utf8(answer).expect("answers are text")
}

fn expect_refused(server: &Server, what: &str, bytes: &[u8], status: u16) {
    let answer = raw(server, bytes);
    let status_line = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(&status_line), "{what}: {answer:?}");
    let body = answer.split_once("\r\n\r\n").expect("a head").1;
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{what}: {e}: {answer:?}"));
    assert_eq!(json["error"], super::name(status), "{what}");
    assert!(json["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}");
    let head = answer.to_ascii_lowercase();
    assert!(head.contains("\r\nx-request-id: ") && head.contains("\r\nconnection: close"), "{what}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1 4").count(), 1, "{what}: one refusal and nothing after it: {answer}");
}

#[test]
fn a_plain_request_by_hand_is_answered() {
    let server = Server::start();
    let answer = raw(&server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let absolute = raw(&server, b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(absolute.starts_with("HTTP/1.1 200 "), "{absolute}");
}

#[test]
fn a_request_that_two_readers_could_read_differently_is_refused() {
    let server = Server::start();
    let table: [(&str, &[u8]); 15] = [
        (
            "length and chunks",
            b"POST /usage/events HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "chunks and length",
            b"POST /usage/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        ),
        (
            "two lengths",
            b"POST /usage/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\n{}  ",
        ),
        ("a length that is no number", b"POST /usage/events HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}"),
        (
            "a coding that is not chunked",
            b"POST /usage/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        ),
        (
            "chunked twice",
            b"POST /usage/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        ),
        ("no host", b"GET /healthz HTTP/1.1\r\n\r\n"),
        ("two hosts", b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
        ("a bare line feed", b"GET /healthz HTTP/1.1\nHost: x\n\n"),
        ("a bare line feed in the middle", b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n"),
        ("a NUL", b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n"),
        ("a folded header", b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"),
        ("CONNECT", b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"),
        (
            "an upgrade to HTTP/2",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        ),
        ("a blank before the colon", b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n"),
    ];
    for (what, bytes) in table {
        expect_refused(&server, what, bytes, 400);
    }
}

#[test]
fn a_second_request_on_the_connection_is_held_to_the_same_rules() {
    let server = Server::start();
    let body = r#"{"user_id":"a"}"#;
    let first = format!(
        "POST /usage/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Length: {}\r\n\r\n{body}",
        server.key().expect("a key"),
        body.len()
    );
    let answer = raw(&server, format!("{first}GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n").as_bytes());
    let statuses: Vec<&str> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "400"], "{answer}");
}

#[test]
fn a_body_in_chunks_without_a_length_is_read() {
    let server = Server::start();
    let request = format!(
        "POST /usage/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n\
         9;name=value\r\n{{\"user_id\r\n6\r\n\":\"a\"}}\r\n0\r\nTrailer: x\r\n\r\n",
        server.key().expect("a key")
    );
    let answer = raw(&server, request.as_bytes());
    assert!(answer.contains(r#"{"accepted":1,"rejected":[]}"#), "{answer}");
}

#[test]
fn a_head_that_is_too_long_is_431() {
    let server = Server::start();
    let long = "x".repeat(40_000);
    let many: String = (0..200).map(|n| format!("A{n}: b\r\n")).collect();
    expect_refused(
        &server,
        "a long field",
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n").as_bytes(),
        431,
    );
    expect_refused(&server, "many fields", format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes(), 431);
}

#[test]
fn nonsense_is_refused_or_closed_and_the_server_serves_on() {
    let server = Server::start();
    let nonsense: [&[u8]; 7] = [
        b"\r\n\r\nx\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /usage/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ];
    for bytes in nonsense {
        let answer = raw(&server, bytes);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"),
            "{answer:?}"
        );
    }
    assert_eq!(server.get("/healthz").status, 200);
}
