//! Series, groups and comparison: what the summary endpoint adds on request.

use serde_json::{Value, json};

use crate::support::client::url;
use crate::support::server::Server;
use crate::support::usage::{figures, report, send, summary};

const SUMMARY: &str = "/reports/usage-summary";

fn seeded() -> Server {
    let server = Server::start();
    send(
        &server,
        &[
            "ann core api - 2025-01-30T10:00:00Z",
            "ann core api - 2025-02-03T10:00:00Z",
            "bob core mail - 2025-02-03T11:00:00Z",
            "cyd docs mail - 2025-02-03T12:00:00Z",
            "cyd docs mail - 2025-02-03T18:00:00Z",
            "dan - - - 2025-02-04T09:00:00Z",
        ],
    );
    server
}

#[test]
fn a_summary_alone_has_exactly_the_three_figures_in_the_order_of_the_reference() {
    let server = seeded();
    let answer = server.get(&url(SUMMARY, &[("start_date", "2025-01-01"), ("end_date", "2025-12-31")]));
    assert_eq!(answer.text(), r#"{"total_users":4,"active_users":4,"total_sessions":6}"#);
}

#[test]
fn a_series_has_an_entry_for_every_period_and_clips_the_first_and_the_last() {
    let server = seeded();
    let answer = report(&server, "2025-01-30..2025-02-04", &[("interval", "month")]);
    let expected = json!([
        {"start_date": "2025-01-30", "end_date": "2025-01-31", "total_users": 1, "active_users": 1, "total_sessions": 1},
        {"start_date": "2025-02-01", "end_date": "2025-02-04", "total_users": 4, "active_users": 4, "total_sessions": 5},
    ]);
    assert_eq!(answer["series"], expected);
    assert_eq!(figures(&answer), [4, 4, 6]);
    let days = report(&server, "2025-01-30..2025-02-04", &[("interval", "day")]);
    let sessions: Vec<u64> = entries(&days, "series").iter().map(|entry| figures(entry)[2]).collect();
    assert_eq!(sessions, [1, 0, 0, 0, 4, 1]);
}

#[test]
fn a_week_starts_on_monday() {
    let answer = report(&seeded(), "2025-01-30..2025-02-04", &[("interval", "week")]);
    let weeks: Vec<[&Value; 2]> =
        entries(&answer, "series").iter().map(|entry| [&entry["start_date"], &entry["end_date"]]).collect();
    assert_eq!(json!(weeks), json!([["2025-01-30", "2025-02-02"], ["2025-02-03", "2025-02-04"]]));
}

#[test]
fn of_many_users_the_few_that_were_there_are_grouped_with_all_their_sessions() {
    let server = Server::start();
    let crowd: Vec<String> = (0..60).map(|user| format!("user-{user:02} - - - 2025-01-01T10:00:00Z")).collect();
    send(&server, &crowd.iter().map(String::as_str).collect::<Vec<_>>());
    send(
        &server,
        &[
            "user-07 core api first 2025-03-01T10:00:00Z",
            "user-07 core api second 2025-03-01T11:00:00Z",
            "user-07 core api - 2025-03-01T12:00:00Z",
            "user-07 core api later 2025-03-02T12:00:00Z",
            "user-41 core api first 2025-03-01T10:00:00Z",
        ],
    );
    let answer = report(&server, "2025-03-01..2025-03-01", &[("group_by", "user"), ("limit", "3")]);
    let expected = json!([
        {"user_id": "user-07", "total_users": 1, "active_users": 1, "total_sessions": 3},
        {"user_id": "user-41", "total_users": 1, "active_users": 1, "total_sessions": 1},
        {"user_id": "user-00", "total_users": 1, "active_users": 0, "total_sessions": 0},
    ]);
    assert_eq!(answer["groups"], expected);
    assert_eq!(answer["total_pages"], 20);
}

#[test]
fn a_series_of_five_thousand_entries_is_answered_and_one_more_is_refused() {
    let server = Server::start();
    let ask = |end: &str| {
        let parameters = [("start_date", "2010-01-01"), ("end_date", end), ("interval", "day")];
        server.get(&url(SUMMARY, &parameters))
    };
    assert_eq!(entries(&ask("2023-09-09").json(), "series").len(), 5000);
    let refused = ask("2023-09-10");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("interval"), "{}", refused.text());
}

#[test]
fn groups_are_ordered_by_activity_then_sessions_then_id_with_none_last() {
    let server = seeded();
    let answer = report(&server, "2025-02-01..2025-02-28", &[("group_by", "team")]);
    let expected = json!([
        {"team_id": "core", "total_users": 2, "active_users": 2, "total_sessions": 2},
        {"team_id": "docs", "total_users": 1, "active_users": 1, "total_sessions": 2},
        {"team_id": null, "total_users": 1, "active_users": 1, "total_sessions": 1},
    ]);
    assert_eq!(answer["groups"], expected);
    let users = report(&server, "2025-02-01..2025-02-28", &[("group_by", "user")]);
    let ids: Vec<&Value> = entries(&users, "groups").iter().map(|group| &group["user_id"]).collect();
    assert_eq!(json!(ids), json!(["cyd", "ann", "bob", "dan"]));
    let services = report(&server, "2025-02-01..2025-02-28", &[("group_by", "service"), ("team_id", "core")]);
    let ids: Vec<&Value> = entries(&services, "groups").iter().map(|group| &group["service"]).collect();
    assert_eq!(json!(ids), json!(["api", "mail"]));
}

#[test]
fn groups_come_in_pages() {
    let server = seeded();
    let page =
        |page: &str| report(&server, "2025-02-01..2025-02-28", &[("group_by", "user"), ("limit", "3"), ("page", page)]);
    let (first, second, third) = (page("1"), page("2"), page("3"));
    assert_eq!((&first["page"], &first["total_pages"]), (&json!(1), &json!(2)));
    assert_eq!(entries(&first, "groups").len(), 3);
    assert_eq!(entries(&second, "groups").len(), 1);
    assert_eq!((entries(&third, "groups").len(), &third["total_pages"]), (0, &json!(2)));
}

#[test]
fn a_comparison_shows_the_period_of_equal_length_just_before() {
    let answer = report(&seeded(), "2025-02-03..2025-02-08", &[("compare", "previous")]);
    assert_eq!(figures(&answer), [4, 4, 5]);
    assert_eq!(answer["previous"], json!({"total_users": 1, "active_users": 1, "total_sessions": 1}));
}

#[test]
fn an_answer_that_did_not_change_is_not_sent_again() {
    let server = seeded();
    let path = url(SUMMARY, &[("start_date", "2025-01-01"), ("end_date", "2025-12-31")]);
    let tag = server.get(&path).header("etag").expect("an ETag").to_string();
    let again = server.send("GET", &path, &[("if-none-match", &tag)], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    // A re-delivery changes nothing, an event of the log is of another side, a new event is news.
    send(&server, &["ann core api - 2025-01-30T10:00:00Z"]);
    server.post_all("/logs/system-events", &[], r#"{"severity":"info","message":"hello"}"#, 1);
    assert_eq!(server.send("GET", &path, &[("if-none-match", &tag)], b"").status, 304);
    send(&server, &["eve core api - 2025-01-30T10:00:00Z"]);
    let changed = server.send("GET", &path, &[("if-none-match", &tag)], b"");
    assert_eq!((changed.status, figures(&changed.json())), (200, [5, 5, 7]));
    assert_eq!(summary(&server, "2025-01-01..2025-12-31", &[]), [5, 5, 7]);
}

fn entries<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().expect("a list")
}
