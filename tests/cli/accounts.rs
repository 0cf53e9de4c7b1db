use serde_json::{Value, json};

use crate::support::{Ended, Place, SUMMARY, Server, post_json};

const PASSWORD: &str = "correct horse battery";

fn create(place: &Place) -> Ended {
    let arguments = ["account", "create", "alice", "--scope", "read:analytics", "--password-stdin"];
    place.run_with_input(&arguments, format!("{PASSWORD}\n").as_bytes())
}

fn log_in(server: &Server, password: &str) -> (u16, Value) {
    post_json(&format!("{}/auth/login", server.url), &json!({"username": "alice", "password": password}))
}

/// An access token of a log-in that must do well, seen to work.
fn token(server: &Server, password: &str) -> String {
    let (status, answer) = log_in(server, password);
    assert_eq!(status, 200, "{answer}");
    let token = answer["access_token"].as_str().unwrap().to_string();
    assert_eq!(server.get(SUMMARY, &token).0, 200);
    token
}

#[test]
fn a_password_over_standard_input_opens_a_server_that_is_started_later() {
    let place = Place::new();
    let made = create(&place);
    assert!(made.stderr.contains("Account alice is made"), "{}", made.stderr);
    assert!(!made.stderr.contains(PASSWORD), "{}", made.stderr);
    assert_eq!(made.ok(), "");
    token(&place.serve(), PASSWORD);
}

#[test]
fn disabling_an_account_ends_its_tokens_on_a_running_server_at_once() {
    let place = Place::new();
    let server = place.serve();
    create(&place).ok();
    let token = token(&server, PASSWORD);
    place.run(&["account", "disable", "alice"]).ok();
    assert_eq!(server.get(SUMMARY, &token).0, 401);
    assert_eq!(log_in(&server, PASSWORD).0, 401);
    assert!(place.run(&["account", "list"]).ok().contains("disabled"));

    place.run(&["account", "enable", "alice"]).ok();
    assert_eq!(server.get(SUMMARY, &token).0, 401);
    assert_eq!(log_in(&server, PASSWORD).0, 200);
}

#[test]
fn a_new_password_takes_the_place_of_the_old_one_and_ends_its_tokens() {
    let place = Place::new();
    let server = place.serve();
    create(&place).ok();
    let old = token(&server, PASSWORD);
    let new = "another horse, another battery";
    place.run_with_input(&["account", "password", "alice", "--password-stdin"], new.as_bytes()).ok();
    assert_eq!(server.get(SUMMARY, &old).0, 401);
    assert_eq!(log_in(&server, PASSWORD).0, 401);
    token(&server, new);
}

#[test]
fn other_scopes_and_roles_replace_those_that_an_account_had() {
    let place = Place::new();
    let server = place.serve();
    create(&place).ok();
    let old = token(&server, PASSWORD);
    place.run(&["account", "role", "alice", "--scope", "read:metrics", "--role", "report_admin"]).ok();
    assert_eq!(server.get(SUMMARY, &old).0, 401);
    let (_, answer) = log_in(&server, PASSWORD);
    assert_eq!(server.get(SUMMARY, answer["access_token"].as_str().unwrap()).0, 403);

    let list = place.run(&["account", "list", "--json"]).json();
    let alice = &list["accounts"][0];
    assert_eq!((&alice["scopes"], &alice["roles"]), (&json!(["read:metrics"]), &json!(["report_admin"])));
    assert!(!list.to_string().contains("argon2"), "{list}");
    assert!(place.run(&["account", "list"]).ok().contains("read:metrics report_admin"));
}

#[test]
fn a_password_that_cannot_be_taken_is_refused_with_a_word_about_it() {
    let place = Place::new();
    let arguments = ["account", "create", "alice", "--scope", "read:analytics", "--password-stdin"];
    let short = place.run_with_input(&arguments, b"short\n");
    assert_eq!(short.code, 1);
    assert!(short.stderr.contains("12") && !short.stderr.contains("short\n"), "{}", short.stderr);
    let none = place.run_with_input(&arguments, b"");
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("no password"), "{}", none.stderr);
    // Standard input is no terminal here.
    let unasked = place.run(&arguments[..5]);
    assert_eq!(unasked.code, 2);
    assert!(unasked.stderr.contains("--password-stdin"), "{}", unasked.stderr);
    let as_argument = place.run(&["account", "create", "alice", "--scope", "admin", "--password", PASSWORD]);
    assert_eq!(as_argument.code, 2);
}

#[test]
fn a_name_is_taken_once_and_an_unknown_one_is_said_to_be_so() {
    let place = Place::new();
    create(&place).ok();
    let again = create(&place);
    assert_eq!(again.code, 1);
    assert!(again.stderr.starts_with("error: ") && again.stderr.contains("alice"), "{}", again.stderr);
    for arguments in [&["account", "disable", "bob"][..], &["account", "role", "bob", "--scope", "admin"]] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, 1, "{arguments:?}");
        assert!(ended.stderr.contains("account list"), "{}", ended.stderr);
    }
}
