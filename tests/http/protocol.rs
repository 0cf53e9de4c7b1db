//! Requests that break the rules of HTTP/1.1, and some that keep them in unusual ways.

use super::server::{Server, is_closed, read_answer, send};

#[test]
fn malformed_requests_get_an_error_of_ours_and_the_connection_is_closed() {
    let server = Server::start();
    let table: [(&[u8], u16, &str, &str); 14] = [
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "Bad Request",
            "exclude",
        ),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, "Bad Request", "once"),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "Bad Request", "Host"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400, "Bad Request", "Host"),
        (b"GET /healthz HTTP/1.1\nHost: x\n\n", 400, "Bad Request", "line feed"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n", 400, "Bad Request", "control character"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400, "Bad Request", "folded"),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request", "CONNECT"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 400, "Bad Request", "h2c"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "Bad Request", "HTTP/1.1"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "Bad Request", "TLS"),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request", "first line"),
        (b"GET /[\" HTTP/9\r\nHost: x\r\n\r\n", 400, "Bad Request", ""),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "Not Found", "openapi.json"),
    ];
    for (bytes, status, name, part) in table {
        let shown = String::from_utf8_lossy(bytes);
        let mut stream = server.connect();
        send(&mut stream, bytes);
        let message = read_answer(&mut stream).unwrap_or_else(|| panic!("{shown:?}")).error(status, name);
        assert!(message.contains(part), "{shown:?}: {message}");
        assert!(is_closed(&mut stream), "{shown:?}");
    }
}

#[test]
fn a_head_too_large_is_431_even_while_it_is_still_being_sent() {
    let server = Server::start();
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    let long_header = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(2_000_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(64));
    for text in [long_target, long_header, many] {
        server.raw(text.as_bytes()).error(431, "Request Header Fields Too Large");
    }
}

#[test]
fn unusual_but_proper_requests_are_answered() {
    let server = Server::start();
    let good: [&[u8]; 5] = [
        b"GET http://anywhere/healthz HTTP/1.1\r\nHost: anywhere\r\n\r\n",
        b"\r\n\r\nGET /healthz HTTP/1.1\r\nhost:\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    ];
    for bytes in good {
        let answer = server.raw(bytes);
        assert_eq!((answer.status, answer.text()), (200, r#"{"status":"ok"}"#), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_and_a_refusal_in_its_turn() {
    let server = Server::start();
    let mut stream = server.connect();
    let (health, missing) = ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /missing HTTP/1.1\r\nHost: x\r\n\r\n");
    let refused = "GET /healthz HTTP/1.1\r\n\r\n";
    send(&mut stream, format!("{health}{missing}{health}{refused}{health}").as_bytes());
    let statuses: Vec<u16> = (0..4).map(|_| read_answer(&mut stream).unwrap().status).collect();
    assert_eq!(statuses, [200, 404, 200, 400]);
    assert!(is_closed(&mut stream), "nothing behind a refused request is looked at");
}

#[test]
fn a_request_cut_into_single_bytes_is_the_same_request() {
    let server = Server::start();
    let mut stream = server.connect();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "POST /usage/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.key
    );
    let body = "5\r\n{\"use\r\n9;ext=\"1\"\r\nr_id\":\"u\"\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n";
    let next = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for byte in format!("{head}{body}{next}").bytes() {
        send(&mut stream, &[byte]);
    }
    assert_eq!(read_answer(&mut stream).unwrap().text(), r#"{"accepted":1,"rejected":[]}"#);
    assert_eq!(read_answer(&mut stream).unwrap().status, 200);
}

#[test]
fn a_body_with_broken_chunks_is_400_and_stores_nothing() {
    let server = Server::start();
    let head = format!(
        "POST /usage/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.key
    );
    for body in ["zz\r\n", "5\r\n{\"use\nrest", "f\r\n{\"user_id\":\"u\"}\n0\r\n\r\n", "-1\r\n"] {
        let message = server.raw(format!("{head}{body}").as_bytes()).error(400, "Bad Request");
        assert!(message.contains("chunks"), "{body:?}: {message}");
    }
    let figures = server.get("/reports/usage-summary?start_date=2025-06-01&end_date=2025-06-01").json();
    assert_eq!(figures["active_users"], 0);
}

#[test]
fn the_stand_in_for_refused_requests_means_nothing_when_a_client_sends_it() {
    let server = Server::start();
    server.raw(b"REFUSED / HTTP/1.1\r\nHost: x\r\n\r\n").error(404, "Not Found");
    server.raw(b"REFUSED /healthz HTTP/1.1\r\nHost: x\r\n\r\n").error(405, "Method Not Allowed");
}
