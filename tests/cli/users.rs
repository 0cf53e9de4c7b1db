use serde_json::{Value, json};

use crate::support::{Place, SUMMARY};

const USAGE: &str = "\
user_id,timestamp,team_id,service,session_id
u/1 é,2025-01-10T10:15:00Z,red,web,
u/1 é,2025-01-10T10:40:00+00:00,red,web,
u/1 é,2025-01-10T23:50:00Z,,mail,
u/1 é,2025-01-11T00:10:00Z,red,,
u/1 é,2025-01-12T09:00:00Z,red,web,s-1
u-2,2025-01-10T10:00:00Z,blue,web,
";
const USERS: &str = "user_id,team_id,registered_at\nu/1 é,blue,2025-01-01T00:00:00Z\n";

fn place() -> Place {
    let place = Place::new();
    let (usage, users) = (place.file("usage.csv", USAGE), place.file("users.csv", USERS));
    place.run(&["import", "usage", &usage]).ok();
    place.run(&["import", "users", &users]).ok();
    place
}

fn everything() -> Value {
    json!({
        "user_id": "u/1 é",
        "team_id": "blue",
        "registered_at": "2025-01-01T00:00:00Z",
        "registration_cleared_at": null,
        "first_event_at": "2025-01-10T10:15:00Z",
        "deactivated_at": null,
        "registration_day": "2025-01-01",
        "first_uses": [
            {"team_id": null, "service": "mail", "first_day": "2025-01-10"},
            {"team_id": "red", "service": "web", "first_day": "2025-01-10"},
            {"team_id": "red", "service": null, "first_day": "2025-01-11"},
        ],
        "facts_from": null,
        "days": [
            {
                "day": "2025-01-10",
                "activity": [
                    {"team_id": null, "service": "mail", "seen": ["23:45-24:00"]},
                    {"team_id": "red", "service": "web", "seen": ["10:15-10:45"]},
                ],
                "sessions": [
                    {
                        "start": "2025-01-10T10:15:00Z",
                        "end": "2025-01-10T10:40:00Z",
                        "pairs": [{"team_id": "red", "service": "web"}],
                    },
                    {
                        "start": "2025-01-10T23:50:00Z",
                        "end": "2025-01-11T00:10:00Z",
                        "pairs": [{"team_id": null, "service": "mail"}, {"team_id": "red", "service": null}],
                    },
                ],
            },
            {
                "day": "2025-01-11",
                "activity": [{"team_id": "red", "service": null, "seen": ["00:00-00:15"]}],
                "sessions": [],
            },
            {
                "day": "2025-01-12",
                "activity": [{"team_id": "red", "service": "web", "seen": ["09:00-09:15"]}],
                "sessions": [],
            },
        ],
        "sessions_with_id": [{"start": "2025-01-12T09:00:00Z", "pairs": [{"team_id": "red", "service": "web"}]}],
    })
}

#[test]
fn all_that_is_held_of_a_user_is_shown_with_a_server_and_without() {
    let place = place();
    let show = ["user", "show", "u/1 é"];
    let text = place.run(&show).ok();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), everything());
    assert!(text.starts_with("{\n  \"user_id\": \"u/1 é\",\n  \"team_id\""), "{text}");
    let _server = place.serve();
    assert_eq!(place.run(&show).ok(), text);
}

#[test]
fn either_bound_of_the_days_may_be_given() {
    let place = place();
    let shown = |bounds: &[&str]| place.run(&[&["user", "show", "u/1 é"], bounds].concat()).json();
    let days = |record: &Value| -> Vec<String> {
        record["days"].as_array().unwrap().iter().map(|day| day["day"].as_str().unwrap().into()).collect()
    };
    let from = shown(&["--start", "2025-01-11"]);
    assert_eq!(days(&from), ["2025-01-11", "2025-01-12"]);
    let until = shown(&["--end", "2025-01-10"]);
    assert_eq!((days(&until), &until["sessions_with_id"]), (vec!["2025-01-10".into()], &json!([])));
    assert_eq!(until["first_uses"], everything()["first_uses"]);
    assert_eq!(days(&shown(&["--start", "2025-01-11", "--end", "2025-01-11"])), ["2025-01-11"]);

    let reversed = place.run(&["user", "show", "u-2", "--start", "2025-01-11", "--end", "2025-01-10"]);
    assert_eq!(reversed.code, 2);
    assert!(reversed.stderr.contains("lies after"), "{}", reversed.stderr);
}

#[test]
fn an_unknown_user_is_an_error_that_says_so() {
    let place = place();
    for arguments in [["user", "show", "u-404"], ["user", "erase", "u-404"]] {
        let ended = place.run(&arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{arguments:?}");
        assert!(ended.stderr.starts_with("error: there is no such user"), "{}", ended.stderr);
    }
}

#[test]
fn an_erased_user_is_nowhere_and_its_counts_stay() {
    let place = place();
    let before = january(&place);
    let erased = place.run(&["user", "erase", "u/1 é"]);
    assert!(erased.stderr.contains("User u/1 é is erased"), "{}", erased.stderr);
    assert_eq!(erased.ok(), "");
    assert_eq!(place.run(&["user", "show", "u/1 é"]).code, 1);
    assert_eq!(january(&place), before);
    let file = std::fs::read(place.database()).unwrap();
    assert!(!file.windows(6).any(|bytes| bytes == "u/1 é".as_bytes()));
    assert_eq!(place.run(&["check", "--json"]).json(), json!({"differs": []}));
}

#[test]
fn an_erased_history_leaves_the_figures_of_a_running_server_at_once() {
    let place = place();
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "read:analytics"]).ok();
    let server = place.serve();
    place.run(&["user", "erase", "u/1 é", "--history", "remove"]).ok();
    let figures = json!({"total_users": 1, "active_users": 1, "total_sessions": 1});
    assert_eq!(server.get(SUMMARY, key.trim_end()), (200, figures));
}

#[test]
fn what_is_held_of_a_user_is_not_told_over_the_network() {
    let place = place();
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "admin"]).ok();
    assert_eq!(place.serve().get("/admin/users/u-2", key.trim_end()).0, 404);
}

fn january(place: &Place) -> String {
    place.run(&["report", "--start", "2025-01-01", "--end", "2025-01-31", "--group-by", "team"]).ok()
}
