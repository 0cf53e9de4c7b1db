use serde_json::{Value, json};

use crate::support::{Place, SUMMARY};

/// The id of a new key, and the key.
fn key(place: &Place) -> (String, String) {
    let made = place.run(&["key", "create", "--owner", "me", "--scope", "read:analytics", "--json"]).json();
    let text = |name: &str| made[name].as_str().unwrap().to_string();
    (text("id"), text("key"))
}

fn limits(place: &Place) -> Value {
    place.run(&["limit", "list", "--json"]).json()["limits"].clone()
}

#[test]
fn a_running_server_obeys_a_limit_at_once_for_that_key_alone() {
    let place = Place::new();
    let server = place.serve();
    let ((id, limited), (_, other)) = (key(&place), key(&place));
    let set = place.run(&["limit", "set", "--key", &id, "--requests-per-minute", "2"]);
    assert!(set.stderr.contains("requests per minute 2"), "{}", set.stderr);
    set.ok();
    let statuses = [1, 2, 3].map(|_| server.get(SUMMARY, &limited).0);
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!([1, 2, 3].map(|_| server.get(SUMMARY, &other).0), [200; 3]);

    place.run(&["limit", "set", "--key", &id, "--requests-per-minute", "none"]).ok();
    assert_eq!(server.get(SUMMARY, &limited).0, 200);
}

#[test]
fn a_limit_set_while_the_server_is_stopped_holds_when_it_runs() {
    let place = Place::new();
    let (id, key) = key(&place);
    place.run(&["limit", "set", "--key", &id, "--requests-per-minute", "1"]).ok();
    let server = place.serve();
    assert_eq!([1, 2].map(|_| server.get(SUMMARY, &key).0), [200, 429]);
}

#[test]
fn limits_that_are_not_named_stay_and_default_takes_one_back() {
    let place = Place::new();
    let (id, _) = key(&place);
    let set = |limits: &[&str]| place.run(&[&["limit", "set", "--key", &id], limits].concat()).ok();
    for _server in [None, Some(place.serve())] {
        set(&["--requests-per-minute", "600", "--exports-per-day", "none"]);
        set(&["--ingest-requests-per-minute", "5"]);
        let expected = json!([{
            "kind": "key", "name": id, "requests_per_minute": 600, "ingest_requests_per_minute": 5,
            "exports_per_day": 0, "tokens_per_minute": null, "tokens_per_hour": null,
        }]);
        assert_eq!(limits(&place), expected);
        let table = place.run(&["limit", "list"]).ok();
        let line = table.lines().find(|line| line.contains(&id)).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["key", &id, "600", "5", "none", "default", "default"]);

        set(&["--requests-per-minute", "default", "--exports-per-day", "default"]);
        assert_eq!(limits(&place)[0]["requests_per_minute"], json!(null));
        set(&["--ingest-requests-per-minute", "default"]);
        assert_eq!(limits(&place), json!([]));
    }
}

#[test]
fn a_cleared_limit_is_gone_and_clearing_none_is_said() {
    let place = Place::new();
    key(&place);
    let whom = ["--subject", "a b/c?", "--issuer", "https://id.example.com"];
    place.run(&[&["limit", "set"], &whom[..], &["--requests-per-minute", "5"]].concat()).ok();
    assert_eq!(limits(&place)[0]["name"], "https://id.example.com a b/c?");
    let clear = [&["limit", "clear"], &whom[..]].concat();
    place.run(&clear).ok();
    assert_eq!(limits(&place), json!([]));
    let again = place.run(&clear);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("limit list"), "{}", again.stderr);
}

#[test]
fn a_limit_for_nobody_is_refused() {
    let place = Place::new();
    key(&place);
    for (flag, list) in [("--key", "key list"), ("--client", "client list"), ("--account", "account list")] {
        let ended = place.run(&["limit", "set", flag, "mistyped", "--requests-per-minute", "5"]);
        assert_eq!(ended.code, 1, "{flag}");
        assert!(ended.stderr.contains("mistyped") && ended.stderr.contains(list), "{}", ended.stderr);
    }
    assert_eq!(limits(&place), json!([]));
}
