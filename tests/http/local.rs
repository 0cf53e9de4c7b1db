//! The administrator's way in.

use std::sync::Arc;

use analytics::http::Local;
use bytes::Bytes;
use serde_json::Value;

use super::jobs::{Jobs, USAGE};
use super::server::Server;

const SUMMARY: &str = "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31";

#[test]
fn a_key_made_over_the_local_socket_works_at_once_and_a_revoked_one_no_more() {
    let server = Server::start();
    keys_come_and_go(&server, &server.local());
}

#[test]
fn the_same_holds_without_a_socket() {
    let server = Server::start();
    keys_come_and_go(&server, &Local::InProcess(Arc::clone(&server.service)));
}

fn keys_come_and_go(server: &Server, local: &Local) {
    let body = r#"{"owner":"dashboard","scopes":["read:analytics"],"expires_at":"2025-07-01T00:00:00Z"}"#;
    let (status, made) = send(server, local, "POST", "/admin/keys", body);
    assert_eq!(status, 201, "{made}");
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let headers = [("X-API-Key", key)];
    assert_eq!(server.request_as("GET", SUMMARY, &headers, b"").status, 200);
    server.request_as("POST", "/usage/events", &headers, b"{}").error(403, "Forbidden");

    let (_, listed) = send(server, local, "GET", "/admin/keys", "");
    let listed = &listed["keys"][0];
    assert_eq!((&listed["id"], &listed["owner"]), (&Value::from(id), &Value::from("dashboard")));
    assert_eq!((&listed["expires_at"], &listed["revoked_at"]), (&Value::from("2025-07-01T00:00:00Z"), &Value::Null));
    assert!(!listed.to_string().contains(key));

    let revoke = format!("/admin/keys/{id}");
    assert_eq!(send(server, local, "DELETE", &revoke, "").0, 204);
    server.request_as("GET", SUMMARY, &headers, b"").error(401, "Unauthorized");
    assert_eq!(send(server, local, "DELETE", &revoke, "").0, 404);
}

#[test]
fn a_bad_key_order_is_refused_by_name() {
    let server = Server::start();
    let local = server.local();
    let table = [
        (r#"{"owner":"x","scopes":[]}"#, "at least one of read:analytics"),
        (r#"{"owner":"x","scopes":["read"]}"#, "unknown scope \"read\""),
        (r#"{"owner":"","scopes":["admin"]}"#, "\"owner\" must not be empty"),
        (r#"{"owner":"x","scopes":["admin"],"expires_at":"2025-01-01T00:00:00Z"}"#, "must lie in the future"),
        (r#"{"owner":"x","scopes":["admin"],"colour":"red"}"#, "colour"),
        ("", "the body"),
    ];
    for (body, part) in table {
        let (status, error) = send(&server, &local, "POST", "/admin/keys", body);
        assert_eq!(status, 400, "{body}");
        assert!(error["message"].as_str().unwrap().contains(part), "{body}: {error}");
    }
}

#[test]
fn the_administrator_may_do_everything_locally_and_nobody_administers_over_the_network() {
    let server = Server::start();
    let local = server.local();
    let event = r#"{"user_id":"u","timestamp":"2025-01-15T09:00:00Z"}"#;
    assert_eq!(send(&server, &local, "POST", "/usage/events", event).0, 200);
    let (_, figures) = send(&server, &local, "GET", SUMMARY, "");
    assert_eq!(figures["active_users"], 1);
    assert_eq!(send(&server, &local, "POST", "/admin/check", "").1, serde_json::json!({ "differs": [] }));
    assert_eq!(send(&server, &local, "DELETE", "/users/u", "").0, 204);
    for (method, path) in [("POST", "/admin/keys"), ("GET", "/admin/keys"), ("POST", "/admin/check")] {
        server.request(method, path, &[], b"").error(404, "Not Found");
    }
}

fn send(server: &Server, local: &Local, method: &str, path: &str, body: &str) -> (u16, Value) {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let response = server.runtime.block_on(local.send(method, path, Some("application/json"), body)).unwrap();
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

#[test]
fn the_administrator_downloads_through_the_socket_and_without() {
    let jobs = Jobs::start();
    let id = jobs.order(&jobs.report_admin("ann"), USAGE);
    let path = format!("/downloads/export-{id}.csv");
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    let download = |local: &Local| {
        let mut out = vec![];
        let answer = jobs.server.runtime.block_on(local.download(&path, &mut out)).unwrap();
        (answer.status, answer.body, out)
    };
    let ways = [jobs.server.local(), Local::InProcess(Arc::clone(&jobs.server.service))];
    for local in &ways {
        let (status, body, out) = download(local);
        assert!(status == 409 && out.is_empty() && body.starts_with(b"{\"error\":\"Conflict\""), "{status}");
    }
    jobs.complete(&id, &bytes);
    for local in &ways {
        let (status, body, out) = download(local);
        assert!(status == 200 && body.is_empty() && out == bytes, "{status}");
    }
}
