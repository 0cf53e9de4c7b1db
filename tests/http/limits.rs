//! Bounds in bytes, time and connections, and the end of a server.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::{PATIENCE, Server, is_closed, read_answer, send};

const SHORT: Duration = Duration::from_millis(150);

#[test]
fn a_head_that_does_not_arrive_is_408() {
    let server = Server::start_with(|settings| settings.header_timeout = SHORT);
    let mut stream = server.connect();
    send(&mut stream, b"GET /healthz HTTP/1.1\r\nHost:");
    read_answer(&mut stream).unwrap().error(408, "Request Timeout");
    assert!(is_closed(&mut stream));
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let server = Server::start_with(|settings| settings.header_timeout = SHORT);
    let mut silent = server.connect();
    let mut used = server.connect();
    send(&mut used, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(read_answer(&mut used).unwrap().status, 200);
    assert!(is_closed(&mut silent) && is_closed(&mut used));
}

#[test]
fn a_body_that_does_not_arrive_is_408() {
    let server = Server::start_with(|settings| settings.body_timeout = SHORT);
    let head = format!("POST /users HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Length: 9\r\n\r\n[", server.key);
    server.raw(head.as_bytes()).error(408, "Request Timeout");
}

#[test]
fn a_body_too_large_is_413_however_it_is_sent() {
    let server = Server::start_with(|settings| settings.bounds.body_bytes_max = 100_000);
    let large = vec![b' '; 3_000_000];
    let refused = server.request("POST", "/usage/events", &[], &large);
    let message = refused.error(413, "Content Too Large");
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(message.contains("limits.body_bytes_max"), "{message}");
    let mut chunked = format!(
        "POST /usage/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        server.key,
        large.len()
    )
    .into_bytes();
    chunked.extend_from_slice(&large);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    server.raw(&chunked).error(413, "Content Too Large");
    let gzip = [("Content-Encoding", "gzip")];
    server.request("POST", "/usage/events", &gzip, &gzipped(&large)).error(413, "Content Too Large");
}

#[test]
fn gzip_that_is_none_is_400_and_other_encodings_are_415() {
    let server = Server::start();
    let send =
        |encoding: &str, body: &[u8]| server.request("POST", "/usage/events", &[("Content-Encoding", encoding)], body);
    assert_eq!(send("gzip", &gzipped(br#"{"user_id":"u"}"#)).text(), r#"{"accepted":1,"rejected":[]}"#);
    send("gzip", b"not gzip").error(400, "Bad Request");
    send("br", b"{}").error(415, "Unsupported Media Type");
    let form = [("Content-Type", "multipart/form-data; boundary=x")];
    server.request("POST", "/usage/events", &form, b"--x").error(415, "Unsupported Media Type");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(server.request("POST", "/usage/events", &form, br#"{"user_id":"u"}"#).status, 200);
}

#[test]
fn a_peer_with_too_many_connections_is_turned_away_until_one_closes() {
    let server = Server::start_with(|settings| settings.connections_per_peer_max = 2);
    let health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut held: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut held {
        send(stream, health);
        assert_eq!(read_answer(stream).unwrap().status, 200);
    }
    let mut third = server.connect();
    let refused = read_answer(&mut third).unwrap();
    refused.error(503, "Service Unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(held);
    let started = Instant::now();
    while server.raw(health).status != 200 {
        assert!(started.elapsed() < PATIENCE, "the places were not given back");
    }
}

#[test]
fn a_connection_beyond_the_limit_waits_for_its_turn() {
    let server = Server::start_with(|settings| settings.connections_max = 1);
    let health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut first = server.connect();
    send(&mut first, health);
    assert_eq!(read_answer(&mut first).unwrap().status, 200);
    let mut second = server.connect();
    send(&mut second, health);
    // The first is still served while the second waits.
    send(&mut first, health);
    assert_eq!(read_answer(&mut first).unwrap().status, 200);
    drop(first);
    assert_eq!(read_answer(&mut second).unwrap().status, 200);
}

#[test]
fn an_old_connection_is_closed_between_requests() {
    let server = Server::start_with(|settings| settings.connection_age_max = SHORT);
    let mut stream = server.connect();
    send(&mut stream, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(read_answer(&mut stream).unwrap().status, 200);
    assert!(is_closed(&mut stream));
}

#[test]
fn an_answer_that_is_never_read_ends_with_its_connection() {
    // Long enough for the answer to be made, on a busy machine too: then it is for the client to read.
    let server = Server::start_with(|settings| settings.connection_age_max = Duration::from_secs(2));
    let event = format!("{{\"severity\":\"info\",\"message\":\"{}\"}}\n", "a".repeat(60_000));
    for _ in 0..20 {
        assert_eq!(server.post("/logs/system-events", &event.repeat(16)).status, 200);
    }
    let mut stream = server.connect();
    let page = format!("GET /logs/system-events?limit=1000 HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\n\r\n", server.key);
    send(&mut stream, page.as_bytes());
    // The answer is made; and then, one connection is that which asks.
    let answered = "analytics_http_requests_total{method=\"GET\",route=\"/logs/system-events\",status=\"200\"} 1\n";
    for figure in [answered, "\nanalytics_http_connections 1\n"] {
        let started = Instant::now();
        while !server.get("/metrics").text().contains(figure) {
            assert!(started.elapsed() < PATIENCE, "it does not come to {figure}");
        }
    }
    let mut read = vec![];
    let _ = stream.read_to_end(&mut read);
    assert!(read.starts_with(b"HTTP/1.1 200 OK") && read.len() < 19_200_000, "{} bytes", read.len());
}

#[test]
fn a_stopping_server_answers_what_is_under_way_and_takes_nothing_new() {
    let mut server = Server::start();
    let mut under_way = server.connect();
    let body = br#"{"user_id":"u"}"#;
    let head = format!(
        "POST /usage/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        server.key,
        body.len()
    );
    send(&mut under_way, head.as_bytes());
    // The go-ahead tells that the request is being handled.
    assert_eq!(read_answer(&mut under_way).unwrap().status, 100);
    let mut idle = server.connect();
    send(&mut idle, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(read_answer(&mut idle).unwrap().status, 200);
    server.stop();
    assert!(is_closed(&mut idle));
    send(&mut under_way, body);
    assert_eq!(read_answer(&mut under_way).unwrap().text(), r#"{"accepted":1,"rejected":[]}"#);
    assert!(is_closed(&mut under_way));
    server.stopped();
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

#[test]
fn a_request_that_never_ends_does_not_keep_a_server_from_stopping() {
    let mut server = Server::start_with(|settings| settings.drain_timeout = SHORT);
    let mut stream = server.connect();
    let head = format!("POST /users HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Length: 9\r\n\r\n[", server.key);
    send(&mut stream, head.as_bytes());
    server.stop();
    server.stopped();
    assert!(is_closed(&mut stream));
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
