use crate::support::{Place, SUMMARY};

const CREATE: [&str; 6] = ["key", "create", "--owner", "me", "--scope", "read:analytics"];

#[test]
fn a_key_made_while_the_server_is_stopped_opens_it() {
    let place = Place::new();
    let key = place.run(&CREATE).ok();
    let server = place.serve();
    assert_eq!(server.get(SUMMARY, key.trim_end()).0, 200);
}

#[test]
fn a_running_server_obeys_at_once() {
    let place = Place::new();
    let server = place.serve();
    let made = place.run(&[&CREATE[..], &["--json"]].concat()).json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(server.get(SUMMARY, key).0, 200);

    place.run(&["key", "revoke", id]).ok();
    assert_eq!(server.get(SUMMARY, key).0, 401);
    let again = place.run(&["key", "revoke", id]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("key list"), "{}", again.stderr);
}

#[test]
fn the_key_alone_stands_on_standard_output() {
    let place = Place::new();
    let made = place.run(&CREATE);
    assert!(made.stderr.contains("shown this once"), "{}", made.stderr);
    let stdout = made.ok();
    assert!(stdout.starts_with("ak_") && stdout.lines().count() == 1, "{stdout}");
}

#[test]
fn a_list_tells_who_may_do_what_and_until_when() {
    let place = Place::new();
    place.run(&["key", "create", "--owner", "grafana", "--scope", "read:analytics", "--expires-in", "90d"]).ok();
    place.run(&["key", "create", "--owner", "backend", "--scope", "write:events", "--scope", "admin"]).ok();
    let list = place.run(&["key", "list", "--json"]).json();
    let keys = list["keys"].as_array().unwrap();
    assert_eq!((&keys[0]["owner"], &keys[1]["owner"]), (&"grafana".into(), &"backend".into()));
    assert!(keys[0]["expires_at"].is_string() && keys[1]["expires_at"].is_null());

    let table = place.run(&["key", "list"]).ok();
    let backend = table.lines().find(|line| line.contains("backend")).unwrap();
    assert!(backend.contains("write:events admin") && backend.contains("valid"), "{table}");
    assert!(!table.contains("ak_"), "{table}");
}

#[test]
fn a_keys_role_is_listed_with_its_scopes() {
    let place = Place::new();
    let made = place.run(&[&CREATE[..], &["--role", "report_admin", "--json"]].concat()).json();
    assert_eq!((&made["scopes"][0], &made["roles"][0]), (&"read:analytics".into(), &"report_admin".into()));
    let list = place.run(&["key", "list", "--json"]).json();
    assert_eq!(list["keys"][0]["roles"], made["roles"]);
    assert!(place.run(&["key", "list"]).ok().contains("read:analytics report_admin"));
}

#[test]
fn a_rotated_key_works_beside_its_successor_until_the_overlap_ends() {
    let place = Place::new();
    let server = place.serve();
    let made = place.run(&[&CREATE[..], &["--role", "report_admin", "--json"]].concat()).json();
    let (id, old) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(server.get(SUMMARY, old).0, 200);
    let rotated = place.run(&["key", "rotate", id, "--overlap", "1s"]);
    assert!(rotated.stderr.contains(&format!("Key {id} works until 20")), "{}", rotated.stderr);
    let new = rotated.ok();
    assert!(new.starts_with("ak_") && new.lines().count() == 1, "{new}");
    assert_eq!(server.get(SUMMARY, new.trim_end()).0, 200);
    // The overlap is real time, so its end is waited for and not assumed.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while server.get(SUMMARY, old).0 != 401 {
        assert!(std::time::Instant::now() < deadline, "the old key never ends");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(server.get(SUMMARY, new.trim_end()).0, 200);

    let list = place.run(&["key", "list", "--json"]).json();
    assert_eq!((&list["keys"][1]["owner"], &list["keys"][1]["roles"]), (&"me".into(), &made["roles"]));
    let unknown = place.run(&["key", "rotate", "4fJ2kLm9QxYz"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("key list"), "{}", unknown.stderr);
}

#[test]
fn a_key_with_its_end_in_the_past_is_refused_with_a_word_about_it() {
    let place = Place::new();
    let made = place.run(&[&CREATE[..], &["--expires-at", "2020-01-01T00:00:00Z"]].concat());
    assert_eq!(made.code, 1, "{}", made.stdout);
    assert!(made.stderr.starts_with("error: ") && made.stdout.is_empty(), "{}", made.stderr);
}

#[test]
fn listing_the_keys_of_no_database_says_what_to_do() {
    let place = Place::new();
    let ended = place.run(&["key", "list"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(
        ended.stderr.starts_with("error: no database at ") && ended.stderr.contains("--database"),
        "{}",
        ended.stderr
    );
    assert!(!place.database().exists());
}
