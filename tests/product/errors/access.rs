use super::expect_error;
use crate::support::client::percent_encoded;
use crate::support::server::Server;

const SUMMARY: &str = "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31";

/// Everything that needs a credential, with the one scope that opens it and a request that is otherwise good.
const GUARDED: [(&str, &str, &str, &str); 9] = [
    ("GET", SUMMARY, "", "read:analytics"),
    ("GET", "/logs/system-events", "", "read:analytics"),
    ("POST", "/usage/events", r#"{"user_id":"ann"}"#, "write:events"),
    ("POST", "/logs/system-events", r#"{"severity":"info","message":"x"}"#, "write:events"),
    ("POST", "/users", r#"{"user_id":"ann"}"#, "write:events"),
    ("PUT", "/users/ann", "{}", "write:events"),
    ("DELETE", "/users/ann", "", "admin"),
    ("GET", "/metrics", "", "read:metrics"),
    ("HEAD", "/metrics", "", "read:metrics"),
];

#[test]
fn without_a_credential_nothing_is_read_or_written() {
    let server = Server::start();
    let stranger = server.with_key(None);
    for (method, path, body, _) in GUARDED {
        let answer = stranger.send(method, path, &[], body.as_bytes());
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"analytics\""), "{method} {path}");
        if method != "HEAD" {
            expect_error(path, &answer, 401, "X-API-Key");
        }
    }
}

#[test]
fn each_endpoint_opens_to_its_own_scope_and_to_no_other() {
    let server = Server::start();
    let clients =
        ["read:analytics", "read:metrics", "write:events", "admin"].map(|scope| (scope, server.client_with(scope)));
    for (method, path, body, needed) in GUARDED {
        for (scope, client) in &clients {
            let answer = client.send(method, path, &[], body.as_bytes());
            if *scope == needed {
                assert!(answer.status < 300, "{method} {path} with {scope}: {} {}", answer.status, answer.text());
            } else if method == "HEAD" {
                assert_eq!(answer.status, 403, "{method} {path} with {scope}");
            } else {
                expect_error(path, &answer, 403, needed);
            }
        }
    }
}

#[test]
fn what_is_marked_open_needs_no_credential() {
    let server = Server::start();
    let stranger = server.with_key(None);
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(stranger.get(path).status, 200, "{path}");
    }
}

#[test]
fn a_key_is_taken_in_every_place_that_tools_can_send_it_from() {
    let server = Server::start();
    let key = server.client_with("read:analytics").key().expect("a key").to_string();
    let stranger = server.with_key(None);
    let basic = |text: String| format!("Basic {}", base64(text.as_bytes()));
    let places = [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer {key}")),
        ("x-api-key", key.clone()),
        ("authorization", basic(format!("{key}:"))),
        ("authorization", basic(format!("{key}:x"))),
        ("authorization", basic(format!(":{key}"))),
        ("authorization", basic(format!("apikey:{key}"))),
    ];
    for (name, value) in &places {
        let answer = stranger.send("GET", SUMMARY, &[(name, value)], b"");
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
}

#[test]
fn a_credential_that_does_not_hold_is_401_and_never_shown_again() {
    let server = Server::start();
    let key = server.key().expect("a key").to_string();
    let other_end = if key.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{other_end}", &key[..key.len() - 1]);
    let stranger = server.with_key(None);
    let long = "x".repeat(4_000);
    for wrong in ["x", &mistyped, &long, "eyJhbGciOiJub25lIn0.e30.", "ak_000000000000_0"] {
        let answer = stranger.send("GET", SUMMARY, &[("authorization", &format!("Bearer {wrong}"))], b"");
        expect_error("a wrong key", &answer, 401, "");
        assert!(wrong == "x" || !answer.text().contains(wrong), "{}", answer.text());
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer ") && challenge.contains("invalid_token"), "{challenge}");
    }
    for malformed in ["Bearer", "Basic !!!", "Digest x", "Basic Og=="] {
        let answer = stranger.send("GET", SUMMARY, &[("authorization", malformed)], b"");
        assert!(matches!(answer.status, 400 | 401), "{malformed}: {}", answer.text());
    }
}

#[test]
fn two_different_credentials_in_one_request_are_refused() {
    let server = Server::start();
    let other = server.client_with("read:analytics").key().expect("a key").to_string();
    let answer = server.send("GET", SUMMARY, &[("x-api-key", &other)], b"");
    expect_error("two keys", &answer, 400, "credential");
}

#[test]
fn a_key_in_the_url_is_refused_with_a_word_about_where_it_goes() {
    let server = Server::start();
    let key = server.key().expect("a key").to_string();
    let stranger = server.with_key(None);
    for name in ["api_key", "access_token", "token"] {
        let answer = stranger.get(&format!("{SUMMARY}&{name}={key}"));
        expect_error(name, &answer, 400, "Authorization");
        assert!(!answer.text().contains(&key));
    }
}

#[test]
fn a_browser_page_of_another_site_changes_nothing_with_remembered_basic_credentials() {
    let server = Server::start();
    let key = server.key().expect("a key").to_string();
    let basic = format!("Basic {}", base64(format!("x:{key}").as_bytes()));
    let stranger = server.with_key(None);
    let event = br#"{"user_id":"ann","timestamp":"2025-01-05T00:00:00Z"}"#;
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let headers = [("authorization", basic.as_str()), (name, value)];
        expect_error(name, &stranger.send("POST", "/usage/events", &headers, event), 403, "");
        assert_eq!(stranger.send("GET", SUMMARY, &headers, b"").status, 200, "reading is no change");
    }
    assert_eq!(server.json(SUMMARY)["active_users"], 0);
    let plain = stranger.send("POST", "/usage/events", &[("authorization", &basic)], event);
    assert_eq!(plain.status, 200, "{}", plain.text());
}

#[test]
fn an_unknown_path_is_404_and_an_unknown_method_405_with_those_allowed() {
    let server = Server::start();
    for path in ["/", "/nothing", "/reports", "/reports/usage-summary/", "/users/ann/x", "/admin/keys", "/admin/check"]
    {
        expect_error(path, &server.get(path), 404, "");
    }
    let table = [
        ("POST", "/reports/usage-summary", "GET"),
        ("DELETE", "/logs/system-events", "GET, HEAD, POST"),
        ("GET", "/usage/events", "POST"),
        ("PUT", "/users", "POST"),
        ("GET", "/users/ann", "PUT, DELETE"),
        ("POST", "/healthz", "GET"),
    ];
    for (method, path, allowed) in table {
        let answer = server.send(method, path, &[], b"");
        expect_error(path, &answer, 405, "");
        let allow = answer.header("allow").expect("Allow");
        assert!(allowed.split(", ").all(|method| allow.contains(method)), "{path}: {allow}");
    }
}

#[test]
fn erasing_an_unknown_user_is_404_and_the_id_is_percent_decoded() {
    let server = Server::start();
    expect_error("unknown", &server.send("DELETE", "/users/ann", &[], b""), 404, "");
    server.post_all("/users", &[], r#"{"user_id":"a/b c"}"#, 1);
    assert_eq!(server.send("DELETE", &format!("/users/{}", percent_encoded("a/b c")), &[], b"").status, 204);
    for (broken, told) in [("%zz", "percent"), ("%ff", "UTF-8"), ("%0a", "control")] {
        expect_error(broken, &server.send("DELETE", &format!("/users/{broken}"), &[], b""), 400, told);
    }
    expect_error("too long", &server.send("PUT", &format!("/users/{}", "x".repeat(257)), &[], b"{}"), 400, "256");
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}
