use rusqlite::Connection;
use serde_json::json;

use crate::support::Place;

const USAGE: &str = "user_id,timestamp\nu-1,2025-01-10T10:00:00Z\nu-2,2025-01-11T10:00:00Z\n";

fn place() -> Place {
    let place = Place::new();
    let file = place.file("usage.csv", USAGE);
    place.run(&["import", "usage", &file]).ok();
    place
}

#[test]
fn a_sound_database_is_said_to_be_one_with_a_server_and_without() {
    let place = place();
    assert!(place.run(&["check"]).ok().contains("everything agrees"));
    let _server = place.serve();
    assert!(place.run(&["check"]).ok().contains("everything agrees"));
    assert_eq!(place.run(&["check", "--json"]).json(), json!({"differs": []}));
}

#[test]
fn rollups_that_say_more_than_the_base_facts_are_found() {
    let place = place();
    let conn = Connection::open(place.database()).unwrap();
    conn.execute("delete from usage_user_day where key = (select min(key) from usage_user_day)", []).unwrap();
    drop(conn);
    let ended = place.run(&["check"]);
    assert_eq!(ended.code, 1);
    assert!(!ended.stdout.is_empty() && ended.stderr.starts_with("error: "), "{}{}", ended.stdout, ended.stderr);

    let ended = place.run(&["check", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    let findings: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(!findings["differs"].as_array().unwrap().is_empty());
}

#[test]
fn there_is_nothing_to_check_where_there_is_no_database() {
    let ended = Place::new().run(&["check"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("no database at"), "{}", ended.stderr);
}
