//! How often a token or key may ask, what each answer says of it, and whom failures hold up.

use analytics::audit::Audit;
use analytics::http::Local;
use analytics::limits::{Limits, Settings};
use analytics::model::Scope;
use bytes::Bytes;
use serde_json::json;

use super::server::{Answer, Server};

const SUMMARY: &str = "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31";
const SECOND: i64 = 1_000_000;

fn start(limits: Settings) -> Server {
    Server::start_wired(|wiring| {
        wiring.limits = Limits::new(wiring.store.clone(), wiring.clock.clone(), limits).unwrap();
        wiring.settings.contact = "ops@example.com".into();
    })
}

fn per_minute(requests_per_minute: u32) -> Settings {
    Settings { requests_per_minute, ingest_requests_per_minute: 600_000, ..Settings::none() }
}

fn failing(failures_per_minute: u32) -> Settings {
    Settings { failures_per_minute, ..Settings::none() }
}

fn pass(server: &Server, seconds: i64) {
    server.clock.set(server.clock.unix_micros() + seconds * SECOND);
}

fn get_as(server: &Server, key: &str) -> Answer {
    server.request_as("GET", SUMMARY, &[("X-API-Key", key)], b"")
}

/// What an answer says of the limit: policy and standing.
fn standing(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

#[test]
fn every_answer_to_a_counted_request_says_how_its_caller_stands() {
    let server = start(per_minute(100));
    let policy = Some("\"minute\";q=100;w=60");
    let ok = server.get(SUMMARY);
    assert_eq!((ok.status, standing(&ok)), (200, (policy, Some("\"minute\";r=99;t=60"))));
    pass(&server, 17);
    let bad = server.get("/reports/usage-summary?start_date=2025-01-01");
    assert_eq!((bad.status, standing(&bad)), (400, (policy, Some("\"minute\";r=98;t=43"))));
    let missing = server.request("DELETE", "/users/nobody", &[], b"");
    assert_eq!((missing.status, standing(&missing)), (404, (policy, Some("\"minute\";r=97;t=43"))));
    let writer = server.key_for(Scope::WriteEvents);
    let forbidden = get_as(&server, &writer);
    assert_eq!((forbidden.status, standing(&forbidden)), (403, (policy, Some("\"minute\";r=99;t=60"))));
    let challenge = "Bearer realm=\"analytics\", error=\"insufficient_scope\", scope=\"read:analytics\"";
    assert_eq!(forbidden.header("www-authenticate"), Some(challenge));
    let ingested = server.post("/usage/events", r#"{"user_id":"u"}"#);
    let ingest = (Some("\"ingest\";q=600000;w=60"), Some("\"ingest\";r=599999;t=60"));
    assert_eq!((ingested.status, standing(&ingested)), (200, ingest));
}

#[test]
fn what_nobody_was_counted_for_says_nothing_of_limits() {
    let server = start(per_minute(1));
    let answers = [server.get("/healthz"), server.get("/nowhere"), get_as(&server, "nonsense")];
    for answer in &answers {
        assert_eq!(standing(answer), (None, None), "{}", answer.status);
    }
    assert_eq!(server.get(SUMMARY).status, 200);
    let unlimited = start(per_minute(0));
    assert_eq!(standing(&unlimited.get(SUMMARY)), (None, None));
}

#[test]
fn two_keys_count_apart() {
    let server = start(per_minute(2));
    let (one, other) = (server.key_for(Scope::ReadAnalytics), server.key_for(Scope::ReadAnalytics));
    let statuses: Vec<u16> =
        [&one, &one, &other, &one, &other, &other].into_iter().map(|key| get_as(&server, key).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 200, 429]);
}

#[test]
fn whoever_obeys_retry_after_succeeds_and_refusals_cost_nothing() {
    let server = start(per_minute(3));
    for _ in 0..3 {
        assert_eq!(server.get(SUMMARY).status, 200);
        pass(&server, 5);
    }
    for _ in 0..5 {
        let refused = server.get(SUMMARY);
        let message = refused.error(429, "Too Many Requests");
        assert_eq!(refused.header("retry-after"), Some("45"));
        assert_eq!(standing(&refused), (Some("\"minute\";q=3;w=60"), Some("\"minute\";r=0;t=45")));
        for part in ["3 requests a minute", "in 45 s", "`analytics limit set`", "(contact: ops@example.com)"] {
            assert!(message.contains(part), "{message}");
        }
    }
    get_as(&server, "nonsense").error(401, "Unauthorized");
    pass(&server, 44);
    assert_eq!(server.get(SUMMARY).header("retry-after"), Some("1"));
    pass(&server, 1);
    assert_eq!(server.get(SUMMARY).status, 200);
    server.get(SUMMARY).error(429, "Too Many Requests");
}

#[test]
fn requests_in_error_cost_as_much_as_others() {
    let server = start(per_minute(2));
    server.get("/reports/usage-summary").error(400, "Bad Request");
    server.request("DELETE", "/users/nobody", &[], b"").error(404, "Not Found");
    server.get(SUMMARY).error(429, "Too Many Requests");
}

#[test]
fn the_administrator_grants_more_while_the_server_runs_and_takes_it_back() {
    let server = start(per_minute(1));
    let local = server.local();
    let send = |method: &str, path: &str, body: String| {
        let sent = local.send(method, path, Some("application/json"), Bytes::from(body));
        let response = server.runtime.block_on(sent).unwrap();
        (response.status, String::from_utf8_lossy(&response.body).into_owned())
    };
    let (status, made) = send("POST", "/admin/keys", r#"{"owner":"me","scopes":["read:analytics"]}"#.into());
    assert_eq!(status, 201, "{made}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!((get_as(&server, key).status, get_as(&server, key).status), (200, 429));
    let wish = json!({ "kind": "key", "name": id, "requests_per_minute": 3 });
    assert_eq!(send("PUT", "/admin/limits", wish.to_string()).0, 204);
    let answer = get_as(&server, key);
    assert_eq!((answer.status, standing(&answer).0), (200, Some("\"minute\";q=3;w=60")));
    assert_eq!(send("DELETE", &format!("/admin/limits?kind=key&name={id}"), String::new()).0, 204);
    get_as(&server, key).error(429, "Too Many Requests");
}

#[test]
fn a_peer_that_fails_too_often_is_held_up_and_a_good_key_from_it_is_not() {
    let server = start(failing(3));
    for _ in 0..3 {
        get_as(&server, "nonsense").error(401, "Unauthorized");
    }
    let refused = server.request_as("GET", SUMMARY, &[("Authorization", "Basic %%")], b"");
    refused.error(429, "Too Many Requests");
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(server.get(SUMMARY).status, 200);
    // Whoever sends nothing has not failed.
    server.request_as("GET", SUMMARY, &[], b"").error(401, "Unauthorized");
    pass(&server, 60);
    get_as(&server, "nonsense").error(401, "Unauthorized");
}

#[test]
fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
    let fails_from = |server: &Server, address: &str| {
        server.request_as("GET", SUMMARY, &[("X-API-Key", "nonsense"), ("X-Forwarded-For", address)], b"").status
    };
    let direct = start(failing(2));
    let spoofed = ["198.51.100.1", "198.51.100.2", "198.51.100.3"].map(|address| fails_from(&direct, address));
    assert_eq!(spoofed, [401, 401, 429]);

    let proxied = Server::start_wired(|wiring| {
        wiring.limits = Limits::new(wiring.store.clone(), wiring.clock.clone(), failing(2)).unwrap();
        wiring.settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let two = ["198.51.100.1", "198.51.100.2"].map(|address| [(); 2].map(|()| fails_from(&proxied, address)));
    assert_eq!(two, [[401, 401], [401, 401]]);
    // The client's own words do not give it another address.
    assert_eq!(fails_from(&proxied, "198.51.100.9, 198.51.100.1"), 429);
    assert_eq!(fails_from(&proxied, "198.51.100.3"), 401);
}

#[test]
fn the_administrator_behind_the_local_socket_is_under_no_limit() {
    let server = start(per_minute(1));
    let local: Local = server.local();
    for _ in 0..5 {
        let response = server.runtime.block_on(local.send("GET", SUMMARY, None, Bytes::new())).unwrap();
        assert_eq!((response.status, response.header("ratelimit")), (200, None));
    }
}

#[test]
fn failures_refusals_and_exceeded_limits_stand_in_the_audit_trail() {
    let mut audit = Audit::off();
    let server = Server::start_wired(|wiring| {
        wiring.limits = Limits::new(wiring.store.clone(), wiring.clock.clone(), per_minute(1)).unwrap();
        audit = Audit::new(wiring.store.clone(), wiring.clock.clone());
        wiring.audit = audit.clone();
    });
    let (reader, writer) = (server.key_for(Scope::ReadAnalytics), server.key_for(Scope::WriteEvents));
    let statuses = ["nonsense", &writer, &reader, &reader].map(|key| get_as(&server, key).status);
    assert_eq!(statuses, [401, 403, 200, 429]);
    server.runtime.block_on(audit.flush());
    let log = server.get("/logs/system-events?service=analytics&severity=warning").json();
    let mut events: Vec<_> =
        log["events"].as_array().unwrap().iter().map(|event| event["attributes"]["event"].as_str().unwrap()).collect();
    events.sort();
    assert_eq!(events, ["limit_exceeded", "login_failed", "refused"]);
    assert!(![reader, writer].iter().any(|key| log.to_string().contains(key)), "{log}");
}
