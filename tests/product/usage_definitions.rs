//! What counts as active, as a session, as a user: one sentence each.

use serde_json::json;

use crate::support::client::{NDJSON, percent_encoded};
use crate::support::server::Server;
use crate::support::usage::{send, summary};

const EVERYTHING: &str = "0001-01-01..9999-12-31";

#[test]
fn an_unknown_user_team_or_service_gives_zeros() {
    let server = Server::start();
    send(&server, &["ann core api - 2025-05-21T10:00:00Z"]);
    for filter in [("user_id", "nobody"), ("team_id", "none"), ("service", "?"), ("team_id", "CORE")] {
        assert_eq!(summary(&server, EVERYTHING, &[filter]), [0, 0, 0], "{filter:?}");
    }
}

#[test]
fn exactly_thirty_minutes_still_belong_to_a_session_and_a_microsecond_more_does_not() {
    let server = Server::start();
    send(&server, &["ann - - - 2025-05-21T10:00:00Z", "ann - - - 2025-05-21T10:30:00Z"]);
    assert_eq!(summary(&server, EVERYTHING, &[]), [1, 1, 1]);
    send(&server, &["ann - - - 2025-05-21T11:00:00.000001Z"]);
    assert_eq!(summary(&server, EVERYTHING, &[]), [1, 1, 2]);
}

#[test]
fn a_late_event_joins_two_sessions() {
    let server = Server::start();
    send(&server, &["ann - - - 2025-05-21T10:00:00Z", "ann - - - 2025-05-21T10:50:00Z"]);
    assert_eq!(summary(&server, EVERYTHING, &[]), [1, 1, 2]);
    send(&server, &["ann - - - 2025-05-21T10:25:00Z"]);
    assert_eq!(summary(&server, EVERYTHING, &[]), [1, 1, 1]);
}

#[test]
fn a_session_over_midnight_counts_once_on_the_day_it_began() {
    let server = Server::start();
    send(&server, &["ann - - - 2025-05-21T23:50:00Z", "ann - - - 2025-05-22T00:10:00Z"]);
    assert_eq!(summary(&server, "2025-05-21", &[]), [1, 1, 1]);
    assert_eq!(summary(&server, "2025-05-22", &[]), [1, 1, 0]);
    assert_eq!(summary(&server, "2025-05-21..2025-05-22", &[]), [1, 1, 1]);
}

#[test]
fn a_late_event_before_midnight_moves_a_session_to_the_day_before() {
    let server = Server::start();
    send(&server, &["ann - - - 2025-05-22T00:10:00Z"]);
    assert_eq!(summary(&server, "2025-05-22", &[]), [1, 1, 1]);
    send(&server, &["ann - - - 2025-05-21T23:50:00Z"]);
    assert_eq!(summary(&server, "2025-05-22", &[]), [1, 1, 0]);
    assert_eq!(summary(&server, "2025-05-21", &[]), [1, 1, 1]);
}

#[test]
fn a_session_by_gaps_goes_over_teams_and_services_but_not_over_users() {
    let server = Server::start();
    send(&server, &["ann core api - 2025-05-21T10:00:00Z", "ann docs mail - 2025-05-21T10:20:00Z"]);
    send(&server, &["bob core api - 2025-05-21T10:10:00Z"]);
    assert_eq!(summary(&server, EVERYTHING, &[]), [2, 2, 2]);
}

#[test]
fn a_session_counts_under_a_filter_by_any_single_event_that_matches_all_of_it() {
    let server = Server::start();
    send(&server, &["ann core api - 2025-05-21T10:00:00Z", "ann docs mail - 2025-05-21T10:20:00Z"]);
    assert_eq!(summary(&server, EVERYTHING, &[("team_id", "core")]), [1, 1, 1]);
    assert_eq!(summary(&server, EVERYTHING, &[("team_id", "docs"), ("service", "mail")]), [1, 1, 1]);
    // One event is of the team, another of the service: none is of both.
    assert_eq!(summary(&server, EVERYTHING, &[("team_id", "core"), ("service", "mail")]), [0, 0, 0]);
}

#[test]
fn the_matching_event_of_a_session_may_lie_after_the_range() {
    let server = Server::start();
    send(&server, &["ann core - - 2025-05-21T23:50:00Z", "ann docs - - 2025-05-22T00:10:00Z"]);
    assert_eq!(summary(&server, "2025-05-21", &[("team_id", "docs")]), [0, 0, 1]);
    assert_eq!(summary(&server, "2025-05-22", &[("team_id", "docs")]), [1, 1, 0]);
}

#[test]
fn a_session_id_binds_events_however_far_apart() {
    let server = Server::start();
    send(&server, &["ann - - s1 2025-05-21T10:00:00Z", "ann - - s1 2025-09-01T10:00:00Z"]);
    assert_eq!(summary(&server, "2025-05-21", &[]), [1, 1, 1]);
    assert_eq!(summary(&server, "2025-09-01", &[]), [1, 1, 0]);
    // A late event moves its beginning.
    send(&server, &["ann - - s1 2024-01-01T00:00:00Z"]);
    assert_eq!(summary(&server, "2025-05-21", &[]), [1, 1, 0]);
    assert_eq!(summary(&server, "2024-01-01", &[]), [1, 1, 1]);
}

#[test]
fn events_with_a_session_id_neither_join_nor_bridge_those_without() {
    let server = Server::start();
    send(&server, &["ann - - - 2025-05-21T10:00:00Z", "ann - - - 2025-05-21T10:40:00Z"]);
    send(&server, &["ann - - s1 2025-05-21T10:20:00Z"]);
    assert_eq!(summary(&server, EVERYTHING, &[]), [1, 1, 3]);
}

#[test]
fn the_same_session_id_of_another_user_is_another_session() {
    let server = Server::start();
    send(&server, &["ann - - s1 2025-05-21T10:00:00Z", "bob - - s1 2025-05-21T10:00:00Z"]);
    assert_eq!(summary(&server, EVERYTHING, &[]), [2, 2, 2]);
}

#[test]
fn a_day_is_a_utc_day_whatever_the_offset_of_the_time_stamp() {
    let server = Server::start();
    send(&server, &["ann - - - 2025-05-22T04:00:00+05:45"]);
    assert_eq!(summary(&server, "2025-05-21", &[]), [1, 1, 1]);
    assert_eq!(summary(&server, "2025-05-22", &[]), [1, 0, 0]);
}

#[test]
fn a_duplicate_event_changes_no_figure_with_or_without_an_event_id() {
    let server = Server::start();
    let event = json!({"user_id": "ann", "timestamp": "2025-05-21T10:00:00Z"});
    let mut named = event.clone();
    named["event_id"] = json!("e1");
    for body in [&event, &event, &named, &named] {
        server.post_all("/usage/events", &[], body.to_string(), 1);
        assert_eq!(summary(&server, EVERYTHING, &[]), [1, 1, 1]);
    }
}

#[test]
fn a_user_counts_from_registration_or_the_first_event_whichever_was_earlier() {
    let server = Server::start();
    let registration = json!({"user_id": "ann", "registered_at": "2025-05-10T00:00:00Z"});
    server.post_all("/users", &[], registration.to_string(), 1);
    assert_eq!(summary(&server, "2025-05-09", &[]), [0, 0, 0]);
    assert_eq!(summary(&server, "2025-05-10", &[]), [1, 0, 0]);
    send(&server, &["ann - - - 2025-05-01T12:00:00Z"]);
    assert_eq!(summary(&server, "2025-05-01", &[]), [1, 1, 1]);
    assert_eq!(summary(&server, "2025-05-09", &[]), [1, 0, 0]);
}

#[test]
fn a_deactivated_user_leaves_the_day_after_and_counts_again_where_active() {
    let server = Server::start();
    let registration = json!({
        "user_id": "ann", "registered_at": "2025-05-01T00:00:00Z", "deactivated_at": "2025-05-10T12:00:00Z",
    });
    server.post_all("/users", &[], registration.to_string(), 1);
    assert_eq!(summary(&server, "2025-05-10", &[]), [1, 0, 0]);
    assert_eq!(summary(&server, "2025-05-11", &[]), [0, 0, 0]);
    send(&server, &["ann - - - 2025-05-20T12:00:00Z"]);
    assert_eq!(summary(&server, "2025-05-11", &[]), [0, 0, 0]);
    assert_eq!(summary(&server, "2025-05-11..2025-05-20", &[]), [1, 1, 1]);
}

#[test]
fn a_team_holds_who_calls_it_home_and_who_was_active_for_it_by_then() {
    let server = Server::start();
    let home = json!({"user_id": "ann", "team_id": "core", "registered_at": "2025-05-01T00:00:00Z"});
    server.post_all("/users", &[], home.to_string(), 1);
    send(&server, &["bob core - - 2025-05-05T12:00:00Z"]);
    assert_eq!(summary(&server, "2025-05-04", &[("team_id", "core")]), [1, 0, 0]);
    assert_eq!(summary(&server, "2025-05-05", &[("team_id", "core")]), [2, 1, 1]);
    assert_eq!(summary(&server, "2025-05-06", &[("team_id", "core")]), [2, 0, 0]);
}

#[test]
fn the_last_registration_wins_absent_fields_keep_and_null_clears() {
    let server = Server::start();
    let team = |team: &str| summary(&server, "2025-05-10", &[("team_id", team)])[0];
    let put = |body: &str| {
        let answer = server.send("PUT", "/users/ann", &[], body.as_bytes());
        assert_eq!(answer.status, 204, "{}", answer.text());
    };
    put(r#"{"team_id":"core","registered_at":"2025-05-01T00:00:00Z"}"#);
    assert_eq!((team("core"), team("docs")), (1, 0));
    put(r#"{"team_id":"docs"}"#);
    assert_eq!((team("core"), team("docs")), (0, 1));
    put(r#"{"deactivated_at":"2025-05-05T00:00:00Z"}"#);
    assert_eq!((team("core"), team("docs")), (0, 0));
    put(r#"{"deactivated_at":null}"#);
    assert_eq!((team("core"), team("docs")), (0, 1));
    put(r#"{"team_id":null}"#);
    assert_eq!((team("core"), team("docs")), (0, 0));
    assert_eq!(summary(&server, "2025-05-10", &[]), [1, 0, 0]);
}

#[test]
fn ids_are_opaque_text_of_any_kind() {
    let server = Server::start();
    let long = "é".repeat(128);
    for id in ["a/b", "..", " ", "x y", "🦊", "%2F", "a?b=c&d", "null", &long] {
        let event = json!({"user_id": id, "team_id": id, "service": id, "timestamp": "2025-05-21T10:00:00Z"});
        server.post_all("/usage/events", &[], event.to_string(), 1);
        let filters = [("user_id", id), ("team_id", id), ("service", id)];
        assert_eq!(summary(&server, "2025-05-21", &filters), [1, 1, 1], "{id:?}");
        let erased = server.send("DELETE", &format!("/users/{}?history=remove", percent_encoded(id)), &[], b"");
        assert_eq!(erased.status, 204, "{id:?}: {}", erased.text());
        assert_eq!(summary(&server, "2025-05-21", &filters), [0, 0, 0], "{id:?}");
    }
}

#[test]
fn what_was_just_acknowledged_is_in_the_very_next_answer() {
    let server = Server::start();
    for n in 1..=200 {
        let event = format!("{{\"user_id\":\"u{n}\",\"timestamp\":\"2025-05-21T10:00:00Z\"}}");
        server.post_all("/usage/events", &[NDJSON], event, 1);
        assert_eq!(summary(&server, "2025-05-21", &[]), [n, n, n]);
    }
}

#[test]
fn the_first_and_the_last_day_of_the_calendar_are_days_like_any_other() {
    let server = Server::start();
    send(&server, &["ann a b - 0001-01-01T00:00:00Z", "ann a b - 9999-12-31T23:59:59.999999Z"]);
    assert_eq!(summary(&server, "0001-01-01", &[]), [1, 1, 1]);
    assert_eq!(summary(&server, "9999-12-31", &[("team_id", "a")]), [1, 1, 1]);
    assert_eq!(summary(&server, EVERYTHING, &[("user_id", "ann")]), [1, 1, 2]);
}
