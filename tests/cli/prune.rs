use rusqlite::Connection;
use serde_json::json;

use crate::support::Place;

const USAGE: &str = "\
user_id,timestamp,team_id
u-1,2023-01-10T10:00:00Z,red
u-1,2023-12-31T23:45:00Z,red
u-2,2023-02-11T10:00:00Z,blue
u-2,2024-03-01T10:00:00Z,blue
";

fn place() -> Place {
    let place = Place::new();
    let file = place.file("usage.csv", USAGE);
    place.run(&["import", "usage", &file]).ok();
    place
}

fn report(place: &Place) -> String {
    place.run(&["report", "--start", "2023-01-01", "--end", "2024-12-31", "--interval", "month", "--json"]).ok()
}

fn user_days(place: &Place) -> i64 {
    let conn = Connection::open(place.database()).unwrap();
    conn.query_row("select count(*) from usage_user_day", [], |row| row.get(0)).unwrap()
}

const BEFORE: [&str; 5] = ["prune", "--before", "2024-01-31", "--only", "usage"];

#[test]
fn a_dry_run_shows_what_then_goes_and_no_summary_changes() {
    let place = place();
    let summary = report(&place);
    let shown = place.run(&[&BEFORE[..], &["--dry-run", "--json"]].concat()).json();
    let usage = &shown["usage"];
    assert_eq!((&usage["before"], &usage["horizon"]), (&json!("2024-01-01"), &json!(null)));
    assert_eq!((&usage["user_days"], &usage["days"]), (&json!(2), &json!(2)));
    assert_eq!((&usage["start_date"], &usage["end_date"]), (&json!("2023-01-10"), &json!("2023-02-11")));
    let told = place.run(&[&BEFORE[..], &["--dry-run"]].concat()).ok();
    assert!(told.contains("2 user-days on 2 days would go, 2023-01-10 to 2023-02-11"), "{told}");
    assert_eq!(user_days(&place), 4);

    assert_eq!(place.run(&[&BEFORE[..], &["--json"]].concat()).json(), json!({"usage": 2, "events": 0}));
    // The session of New Year's Eve may still go on.
    assert_eq!((user_days(&place), report(&place)), (2, summary));
    let again = place.run(&BEFORE);
    assert!(again.stderr.contains("usage events before 2024-01-01 are rejected"), "{}", again.stderr);
    assert!(place.run(&["check"]).ok().contains("kept from 2024-01-01 on"));
    assert_eq!(place.run(&["user", "show", "u-1"]).json()["facts_from"], "2024-01-01");
    place.run(&["check", "--repair"]).ok();
}

#[test]
fn a_running_server_obeys_and_rejects_older_events() {
    let place = place();
    let _server = place.serve();
    place.run(&BEFORE).ok();
    let file = place.file("late.csv", "user_id,timestamp\nu-1,2023-12-31T23:50:00Z\nu-1,2024-01-01T00:10:00Z\n");
    let late = place.run(&["import", "usage", &file]);
    assert_eq!(late.code, 1);
    assert!(late.stderr.contains("timestamp is before 2024-01-01"), "{}", late.stderr);
    let start = ["report", "--start", "2023-12-31", "--end", "2024-01-31", "--json"];
    assert_eq!(place.run(&start).json()["total_sessions"], 1);
}

const EVENTS: &str = "\
timestamp,severity,message
2023-01-10T10:00:00Z,info,a
2023-01-11T10:00:00Z,error,b
2023-12-31T23:59:59.999999Z,info,c
2024-01-01T00:00:00Z,info,d
";

#[test]
fn system_events_go_by_severity() {
    let place = Place::new();
    let file = place.file("events.csv", EVENTS);
    place.run(&["import", "events", &file]).ok();
    let prune = ["prune", "--before", "2024-01-01", "--only", "info,warning"];
    let shown = place.run(&[&prune[..], &["--dry-run", "--json"]].concat()).json();
    let info = json!({"severity": "info", "before": "2024-01-01T00:00:00Z", "count": 2,
        "oldest": "2023-01-10T10:00:00Z", "newest": "2023-12-31T23:59:59.999999Z"});
    assert_eq!((&shown["events"][0], &shown["usage"]), (&info, &json!(null)));
    assert_eq!((&shown["events"][1]["count"], &shown["events"][2]["before"]), (&json!(0), &json!(null)));
    let told = place.run(&[&prune[..], &["--dry-run"]].concat()).ok();
    assert!(told.contains("error: all events stay"), "{told}");
    assert_eq!(place.run(&[&prune[..], &["--json"]].concat()).json(), json!({"usage": 0, "events": 2}));
    let again = place.run(&["import", "events", &file]);
    assert!(again.code == 1 && again.stderr.contains("retention.log_info"), "{}", again.stderr);
    assert!(place.run(&["check"]).ok().contains("everything agrees"));
    let future = place.run(&["prune", "--before", "9999-01-01", "--only", "error"]);
    assert!(future.code == 1 && future.stderr.contains("the future"), "{}", future.stderr);
}

#[test]
fn the_settings_say_what_goes_where_nothing_else_does() {
    let place = place();
    let kept = place.run(&["prune", "--dry-run"]).ok();
    assert!(kept.contains("usage: all base facts stay"), "{kept}");
    place.file("analytics.toml", "[retention]\nusage_facts = '365 d'\n");
    // All that is older than a year by now.
    assert_eq!(place.run(&["prune", "--dry-run", "--json"]).json()["usage"]["user_days"], 4);
    assert_eq!(place.run(&["prune", "--json"]).json(), json!({"usage": 4, "events": 0}));
}

#[test]
fn a_date_needs_to_be_told_what_it_is_about() {
    let place = place();
    for arguments in [&["prune", "--before", "2024-01-01"][..], &["prune", "--only", "usage"]] {
        assert_eq!(place.run(arguments).code, 2, "{arguments:?}");
    }
    assert_eq!(user_days(&place), 4);
    let none = Place::new().run(&BEFORE);
    assert!(none.code == 1 && none.stderr.contains("no database at"), "{}", none.stderr);
}
