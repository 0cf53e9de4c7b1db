//! Log-ins with a password, and what the server takes a credential for.

use std::time::{Duration, Instant};

use analytics::limits::Settings as LimitSettings;
use analytics::model::Scope;
use serde_json::{Value, json};

use super::oauth::limited;
use super::server::{Answer, PATIENCE, Server, send};

const PASSWORD: &str = "correct horse battery";
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn server() -> Server {
    let server = Server::start();
    account(&server);
    server
}

fn account(server: &Server) {
    let body = json!({"name": "ann", "password": PASSWORD, "scopes": ["read:analytics"], "roles": ["report_admin"]});
    let (status, made) = server.admin("POST", "/admin/accounts", &body.to_string());
    assert_eq!((status, made), (201, json!({"name": "ann"})));
}

fn log_in(server: &Server, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password}).to_string();
    server.request_as("POST", "/auth/login", &[JSON], body.as_bytes())
}

#[test]
fn a_password_gives_a_pair_of_tokens() {
    let server = server();
    let answer = log_in(&server, "ann", PASSWORD);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let tokens = answer.json();
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("Bearer"), &json!("read:analytics report_admin")));
    assert!(tokens["refresh_token"].as_str().unwrap().starts_with("rt_"));
    let who = server.whoami(tokens["access_token"].as_str().unwrap()).json();
    let expected = json!({"issuer": "local", "subject": "ann", "scopes": ["read:analytics"], "roles": ["report_admin"],
        "expires_at": "2025-06-01T12:10:00Z"});
    assert_eq!(who, expected);
    server.pass(700);
    server.whoami(tokens["access_token"].as_str().unwrap()).error(401, "Unauthorized");
}

#[test]
fn a_refusal_does_not_say_whether_there_is_such_an_account() {
    let server = server();
    assert_eq!(
        server
            .admin(
                "POST",
                "/admin/accounts",
                &json!({"name": "bob", "password": PASSWORD,
        "scopes": ["admin"]})
                .to_string()
            )
            .0,
        201
    );
    assert_eq!(server.admin("PATCH", "/admin/accounts/bob", r#"{"disabled":true}"#).0, 204);
    let pairs = [("ann", "wrong horse battery"), ("nobody", PASSWORD), ("bob", PASSWORD), ("", PASSWORD), ("ann", "")];
    for (name, password) in pairs {
        let answer = log_in(&server, name, password);
        assert_eq!(answer.error(401, "Unauthorized"), "wrong name or password", "{name}");
        assert!(answer.header("www-authenticate").is_some());
    }
}

#[test]
fn what_is_no_log_in_is_refused_without_a_word_of_the_password() {
    let server = server();
    let post =
        |headers: &[(&str, &str)], body: &str| server.request_as("POST", "/auth/login", headers, body.as_bytes());
    let good = json!({"username": "ann", "password": PASSWORD}).to_string();
    for label in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"] {
        post(&[("Content-Type", label)], &good).error(415, "Unsupported Media Type");
    }
    post(&[], &good).error(415, "Unsupported Media Type");
    assert_eq!(post(&[("Content-Type", "application/json; charset=utf-8")], &good).status, 200);
    let table = [
        (json!({"username": "ann", "password": PASSWORD, "otp": 1}), "unknown field `otp`"),
        (json!({"username": "ann"}), "missing field `password`"),
        (json!({"username": "ann", "password": [PASSWORD]}), "wrong type"),
        (json!(PASSWORD), "wrong type"),
    ];
    for (body, told) in table {
        let message = post(&[JSON], &body.to_string()).error(400, "Bad Request");
        assert!(message.contains(told) && !message.contains("horse"), "{message}");
    }
    let long = json!({"username": "ann", "password": "x".repeat(17_000)}).to_string();
    post(&[JSON], &long).error(413, "Content Too Large");
    let in_query = server.request_as("POST", "/auth/login?password=correct", &[JSON], good.as_bytes());
    assert!(!in_query.error(400, "Bad Request").contains("correct"));
}

#[test]
fn whatever_changes_an_account_ends_its_log_ins_at_once() {
    let changes = [json!({"disabled": true}), json!({"password": "another good one"}), json!({"scopes": ["admin"]})];
    for change in changes {
        let server = server();
        let token = log_in(&server, "ann", PASSWORD).json()["access_token"].as_str().unwrap().to_string();
        assert_eq!(server.whoami(&token).status, 200);
        assert_eq!(server.admin("PATCH", "/admin/accounts/ann", &change.to_string()).0, 204, "{change}");
        server.whoami(&token).error(401, "Unauthorized");
    }
}

#[test]
fn wrong_passwords_use_up_no_tokens_and_right_ones_do() {
    let limits = LimitSettings { tokens_per_minute: 1, ..LimitSettings::none() };
    let server = Server::start_wired(limited(limits));
    account(&server);
    for _ in 0..3 {
        assert_eq!(log_in(&server, "ann", "wrong horse battery").status, 401);
    }
    assert_eq!(log_in(&server, "ann", PASSWORD).status, 200);
    let refused = log_in(&server, "ann", PASSWORD);
    refused.error(429, "Too Many Requests");
    server.pass(refused.header("retry-after").unwrap().parse().unwrap());
    assert_eq!(log_in(&server, "ann", PASSWORD).status, 200);
}

#[test]
fn guessing_ends_in_429_and_a_good_token_of_the_same_address_passes() {
    let limits = LimitSettings { failures_per_minute: 3, ..LimitSettings::none() };
    let server = Server::start_wired(limited(limits));
    account(&server);
    let token = log_in(&server, "ann", PASSWORD).json()["access_token"].as_str().unwrap().to_string();
    let statuses: Vec<u16> = (0..6).map(|_| log_in(&server, "ann", "wrong horse battery").status).collect();
    assert_eq!((statuses.first(), statuses.last()), (Some(&401), Some(&429)), "{statuses:?}");
    assert_eq!(server.whoami(&token).status, 200);
}

#[test]
fn whoever_hangs_up_before_the_answer_has_tried_all_the_same() {
    let server = server();
    let body = json!({"username": "ann", "password": "wrong horse battery"}).to_string();
    let head = "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let tries: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = server.connect();
            send(&mut stream, request.as_bytes());
            stream
        })
        .collect();
    // Whoever hangs up before the server has even begun has not tried. The request for the figures is under way, too.
    wait_for(|| {
        metric(&server, "auth_failures_total") + metric(&server, "http_requests_in_flight") > tries.len() as u64
    });
    drop(tries);
    wait_for(|| metric(&server, "auth_failures_total") == 10);
    log_in(&server, "ann", "wrong horse battery").error(429, "Too Many Requests");
}

fn metric(server: &Server, name: &str) -> u64 {
    let (name, answer) = (format!("analytics_{name} "), server.get("/metrics"));
    let text = answer.text();
    let value = text.lines().find_map(|line| line.strip_prefix(name.as_str())).expect("the metric is there");
    value.parse().expect("a whole number")
}

fn wait_for(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come to pass");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn many_guesses_at_once_count_as_many_one_by_one() {
    let server = server();
    let guess = |password: &'static str| {
        let server = &server;
        move || log_in(server, "ann", password).status
    };
    std::thread::scope(|scope| {
        let server = &server;
        let wrong: Vec<_> = (0..30).map(|_| scope.spawn(guess("wrong horse battery"))).collect();
        // They stand in line then, or have had their answer. The request for the figures is under way, too.
        wait_for(|| {
            let tried = metric(server, "auth_failures_total") + metric(server, "http_requests_in_flight");
            tried > wrong.len() as u64 || wrong.iter().all(|guess| guess.is_finished())
        });
        let right = scope.spawn(guess(PASSWORD));
        let wrong = wrong.into_iter().map(|guess| guess.join().unwrap());
        assert_eq!(wrong.filter(|status| *status == 401).count(), 10);
        assert_eq!(right.join().unwrap(), 429);
    });
}

#[test]
fn the_administrator_logs_in_without_an_address() {
    let server = server();
    let body = json!({"username": "ann", "password": PASSWORD}).to_string();
    assert_eq!(server.admin("POST", "/auth/login", &body).0, 200);
    let wrong = json!({"username": "ann", "password": "wrong horse battery"}).to_string();
    assert_eq!(server.admin("POST", "/auth/login", &wrong).0, 401);
}

#[test]
fn any_good_credential_may_ask_what_it_is() {
    let server = Server::start();
    for scope in Scope::ALL {
        let who = server.whoami(&server.key_for(scope)).json();
        let expected =
            json!({"issuer": "local", "subject": "test", "scopes": [scope.as_str()], "roles": [], "expires_at": null});
        assert_eq!(who, expected);
    }
    server.request_as("GET", "/auth/whoami", &[], b"").error(401, "Unauthorized");
    server.whoami("nonsense").error(401, "Unauthorized");
    let (status, who) = server.admin("GET", "/auth/whoami", "");
    assert_eq!((status, &who["subject"], &who["expires_at"]), (200, &json!("administrator"), &Value::Null));
}

#[test]
fn guesses_that_come_at_once_are_held_up_as_those_one_by_one() {
    let server = Server::start_wired(limited(LimitSettings::none()));
    account(&server);
    let tried = |server: &Server| server.service.auth().issuer.argon2_runs().1;
    let before = tried(&server);
    std::thread::scope(|scope| {
        for _ in 0..60 {
            scope.spawn(|| log_in(&server, "ann", "wrong horse battery"));
        }
    });
    let guesses = tried(&server) - before;
    assert!((10..=12).contains(&guesses), "{guesses}");
    assert_eq!(log_in(&server, "ann", PASSWORD).status, 429);
}
