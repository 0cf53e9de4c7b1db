//! The token endpoint, and what the embedded issuer publishes.

use analytics::http::Wiring;
use analytics::limits::{Limits, Settings as LimitSettings};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::server::{Answer, Server};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Changes the limits of a server that has none.
pub fn limited(settings: LimitSettings) -> impl FnOnce(&mut Wiring) {
    move |wiring| wiring.limits = Limits::new(wiring.store.clone(), wiring.clock.clone(), settings).unwrap()
}

fn fetch(server: &Server, headers: &[(&str, &str)], form: &str) -> Answer {
    server.request_as("POST", "/oauth/token", &[&[FORM], headers].concat(), form.as_bytes())
}

/// Asserts the status and the exact shape of an OAuth error, and gives its description.
#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let json = answer.json();
    let description = json["error_description"].as_str().unwrap().to_string();
    assert_eq!(json, json!({"error": error, "error_description": description}));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-request-id").map(str::len), Some(16));
    let challenge = (status == 401).then_some("Basic realm=\"analytics\"");
    assert_eq!(answer.header("www-authenticate"), challenge);
    description
}

/// A client of its own: id and secret.
fn client(server: &Server) -> (String, String) {
    let body = r#"{"name":"nightly","scopes":["read:analytics","read:metrics"],"roles":["report_admin"]}"#;
    let (status, made) = server.admin("POST", "/admin/clients", body);
    assert_eq!(status, 201, "{made}");
    (made["id"].as_str().unwrap().into(), made["secret"].as_str().unwrap().into())
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

/// The refresh token of a fresh log-in of ann.
fn log_in(server: &Server) -> serde_json::Value {
    let body = r#"{"username":"ann","password":"correct horse battery"}"#;
    let answer = server.request_as("POST", "/auth/login", &[("Content-Type", "application/json")], body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn account(server: &Server) {
    let body = r#"{"name":"ann","password":"correct horse battery","scopes":["read:analytics"]}"#;
    assert_eq!(server.admin("POST", "/admin/accounts", body).0, 201);
}

#[test]
fn a_client_fetches_a_token_by_basic_or_in_the_form() {
    let server = Server::start();
    let (id, secret) = client(&server);
    let by_basic = fetch(&server, &[("Authorization", &basic(&id, &secret))], "grant_type=client_credentials");
    let in_form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let unlabelled = server.request_as("POST", "/oauth/token", &[], in_form.as_bytes());
    for answer in [by_basic, fetch(&server, &[], &in_form), unlabelled] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let headers = ["cache-control", "pragma", "content-type"].map(|name| answer.header(name).unwrap());
        assert_eq!(headers, ["no-store", "no-cache", "application/json"]);
        let json = answer.json();
        assert_eq!((&json["token_type"], &json["expires_in"]), (&json!("Bearer"), &json!(600)));
        assert_eq!(json["scope"], "read:analytics read:metrics report_admin");
        assert!(json.get("refresh_token").is_none());
        let who = server.whoami(json["access_token"].as_str().unwrap()).json();
        let expected = json!({"issuer": "local", "subject": id, "scopes": ["read:analytics", "read:metrics"],
            "roles": ["report_admin"], "expires_at": "2025-06-01T12:10:00Z"});
        assert_eq!(who, expected);
    }
}

#[test]
fn a_token_may_be_asked_for_less_and_never_for_more() {
    let server = Server::start();
    let (id, secret) = client(&server);
    let fetch = |scope: &str| {
        let form = format!("grant_type=client_credentials&scope={scope}");
        fetch(&server, &[("Authorization", &basic(&id, &secret))], &form)
    };
    let narrow = fetch("report_admin+read:analytics").json();
    assert_eq!(narrow["scope"], "read:analytics report_admin");
    let token = narrow["access_token"].as_str().unwrap();
    let bearer = [("Authorization", format!("Bearer {token}"))];
    let bearer = bearer.each_ref().map(|(name, value)| (*name, value.as_str()));
    server.request_as("GET", "/metrics", &bearer, b"").error(403, "Forbidden");
    for beyond in ["admin", "read:analytics+write:events", "read", "READ:ANALYTICS"] {
        refused(&fetch(beyond), 400, "invalid_scope");
    }
}

#[test]
fn what_is_wrong_is_told_as_rfc_6749_names_it() {
    let server = Server::start();
    let (id, secret) = client(&server);
    let good = basic(&id, &secret);
    let wrong = basic(&id, "cs_wrong");
    let both = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let only_id = format!("grant_type=client_credentials&client_id={id}");
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, u16, &'a str);
    let table: [Case; 14] = [
        (&[], "", 400, "invalid_request"),
        (&[], "grant_type=", 400, "invalid_request"),
        (&[], "grant_type=password&username=ann&password=x", 400, "unsupported_grant_type"),
        (&[], "grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        (&[], "grant_type=%ff", 400, "invalid_request"),
        (&[], "grant_type=client_credentials", 401, "invalid_client"),
        (&[], &only_id, 401, "invalid_client"),
        (&[], "grant_type=client_credentials&client_id=%00&client_secret=x", 401, "invalid_client"),
        (&[("Authorization", &wrong)], "grant_type=client_credentials", 401, "invalid_client"),
        (&[("Authorization", "Bearer x")], "grant_type=client_credentials", 401, "invalid_client"),
        (&[("Authorization", &good)], &both, 400, "invalid_request"),
        (&[], "grant_type=refresh_token", 400, "invalid_request"),
        (&[], "grant_type=refresh_token&refresh_token=rt_none", 400, "invalid_grant"),
        (&[("Authorization", &wrong)], "grant_type=refresh_token&refresh_token=rt_none", 401, "invalid_client"),
    ];
    for (headers, form, status, error) in table {
        let description = refused(&fetch(&server, headers, form), status, error);
        assert!(!description.contains(&secret) && !description.contains("cs_"), "{form}: {description}");
    }
    let json = [("Content-Type", "application/json")];
    refused(&server.request_as("POST", "/oauth/token", &json, b"{}"), 400, "invalid_request");
}

#[test]
fn errors_that_any_path_may_have_come_in_the_same_shape() {
    let server = Server::start();
    let in_query = format!("/oauth/token?client_id=c&client_secret={}", "s".repeat(40));
    let description = refused(&server.request_as("POST", &in_query, &[FORM], b""), 400, "invalid_request");
    assert!(!description.contains("sss"), "{description}");
    let get = server.request_as("GET", "/oauth/token", &[], b"");
    refused(&get, 405, "invalid_request");
    assert_eq!(get.header("allow"), Some("POST, OPTIONS"));
    refused(&server.request_as("POST", "/oauth/tokens", &[], b""), 404, "invalid_request");
    let long = fetch(&server, &[], &format!("scope={}", "x".repeat(17_000)));
    refused(&long, 413, "invalid_request");
    let options = server.request_as("OPTIONS", "/oauth/token", &[], b"");
    assert_eq!((options.status, options.header("allow")), (204, Some("POST, OPTIONS")));
}

#[test]
fn a_refresh_token_is_good_once_and_using_it_again_ends_the_log_in() {
    let server = Server::start();
    account(&server);
    let first = log_in(&server);
    let refresh = |token: &serde_json::Value| {
        fetch(&server, &[], &format!("grant_type=refresh_token&refresh_token={}", token.as_str().unwrap()))
    };
    let second = refresh(&first["refresh_token"]).json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let access = second["access_token"].as_str().unwrap();
    assert_eq!(server.whoami(access).json()["subject"], "ann");
    refused(&refresh(&first["refresh_token"]), 400, "invalid_grant");
    server.whoami(access).error(401, "Unauthorized");
    refused(&refresh(&second["refresh_token"]), 400, "invalid_grant");
}

#[test]
fn a_revoked_client_fetches_nothing_and_its_tokens_end() {
    let server = Server::start();
    let (id, secret) = client(&server);
    let fetch = || fetch(&server, &[("Authorization", &basic(&id, &secret))], "grant_type=client_credentials");
    let token = fetch().json()["access_token"].as_str().unwrap().to_string();
    assert_eq!(server.whoami(&token).status, 200);
    assert_eq!(server.admin("DELETE", &format!("/admin/clients/{id}"), "").0, 204);
    server.whoami(&token).error(401, "Unauthorized");
    refused(&fetch(), 401, "invalid_client");
}

#[test]
fn a_fresh_token_every_second_does_not_evade_the_limits() {
    let server = Server::start_wired(limited(LimitSettings { tokens_per_minute: 2, ..LimitSettings::none() }));
    let (id, secret) = client(&server);
    let fetch = || fetch(&server, &[("Authorization", &basic(&id, &secret))], "grant_type=client_credentials");
    let (first, second, third) = (fetch(), fetch(), fetch());
    assert_eq!([first.status, second.status], [200, 200]);
    refused(&third, 429, "temporarily_unavailable");
    for (answer, remaining) in [(&first, 1), (&second, 0), (&third, 0)] {
        assert_eq!(answer.header("ratelimit-policy"), Some("\"tokens\";q=2;w=60"));
        let told = answer.header("ratelimit").unwrap();
        assert!(told.starts_with(&format!("\"tokens\";r={remaining};t=")), "{told}");
    }
    server.pass(third.header("retry-after").unwrap().parse().unwrap());
    assert_eq!(fetch().status, 200);
}

#[test]
fn a_used_up_limit_leaves_the_refresh_token_good() {
    let server = Server::start_wired(limited(LimitSettings { tokens_per_minute: 1, ..LimitSettings::none() }));
    account(&server);
    let token = log_in(&server)["refresh_token"].as_str().unwrap().to_string();
    let refresh = || fetch(&server, &[], &format!("grant_type=refresh_token&refresh_token={token}"));
    let early = refresh();
    refused(&early, 429, "temporarily_unavailable");
    server.pass(early.header("retry-after").unwrap().parse().unwrap());
    assert_eq!(refresh().status, 200);
}

#[test]
fn guessing_ends_in_429() {
    let server = Server::start_wired(limited(LimitSettings { failures_per_minute: 3, ..LimitSettings::none() }));
    let (id, _) = client(&server);
    let guess = || fetch(&server, &[("Authorization", &basic(&id, "cs_guess"))], "grant_type=client_credentials");
    let statuses: Vec<u16> = (0..6).map(|_| guess().status).collect();
    assert_eq!(statuses.first(), Some(&401), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    let refusal = guess();
    refused(&refusal, 429, "temporarily_unavailable");
    assert!(refusal.header("retry-after").is_some());
}

#[test]
fn the_issuer_publishes_where_it_is_and_its_keys() {
    let server = Server::start();
    let metadata = server.request_as("GET", "/.well-known/oauth-authorization-server", &[], b"");
    let expected = json!({
        "issuer": "http://127.0.0.1",
        "token_endpoint": "http://127.0.0.1/oauth/token",
        "jwks_uri": "http://127.0.0.1/.well-known/jwks.json",
        "scopes_supported": ["read:analytics", "read:metrics", "write:events", "admin", "report_admin"],
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    });
    assert_eq!((metadata.status, metadata.json()), (200, expected));

    let keys = || server.request_as("GET", "/.well-known/jwks.json", &[], b"");
    assert_eq!(keys().json(), json!({"keys": []}));
    let kid = server.admin("POST", "/admin/issuer/rotate", "").1["kid"].clone();
    let published = keys();
    assert_eq!(published.header("cache-control"), Some("public, max-age=300"));
    let published = published.json();
    let key = published["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap();
    assert_eq!((&key["kty"], &key["use"]), (&json!("OKP"), &json!("sig")));
    assert!(key.get("d").is_none());
}
