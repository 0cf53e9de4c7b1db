use super::expect_error;
use crate::support::client::url;
use crate::support::server::Server;

#[test]
fn a_summary_parameter_that_breaks_a_rule_is_named_with_what_it_may_be() {
    let server = Server::start();
    let long_id = "x".repeat(257);
    // Parameters beside a good `end_date`, and what the message must name.
    let table = [
        ("", "start_date"),
        ("start_date=", "start_date"),
        ("start_date=2025-01-01&start_date=2025-01-01", "start_date"),
        ("start_date=01.01.2025", "YYYY-MM-DD"),
        ("start_date=2025-1-1", "start_date"),
        ("start_date=2025-02-29", "start_date"),
        ("start_date=0000-01-01", "start_date"),
        ("start_date=10000-01-01", "start_date"),
        ("start_date=2025-01-01T00:00:00Z", "start_date"),
        ("start_date=2025-02-01", "start_date"),
        ("start_date=%ff", "start_date"),
        ("start_date=2025-01-01&interval=hour", "day"),
        ("start_date=2025-01-01&interval=DAY", "interval"),
        ("start_date=2025-01-01&group_by=session", "team"),
        ("start_date=2025-01-01&compare=next", "previous"),
        ("start_date=2025-01-01&limit=5", "group_by"),
        ("start_date=2025-01-01&page=2", "group_by"),
        ("start_date=2025-01-01&group_by=team&limit=0", "limit"),
        ("start_date=2025-01-01&group_by=team&limit=1001", "1000"),
        ("start_date=2025-01-01&group_by=team&page=0", "page"),
        ("start_date=2025-01-01&group_by=team&page=-1", "page"),
        ("start_date=2025-01-01&user=ann", "known: start_date, end_date, user_id"),
        ("start_date=2025-01-01&team_id=", "team_id"),
        ("start_date=2025-01-01&team_id=a%0ab", "team_id"),
        ("start_date=2025-01-01&service=%00", "service"),
        ("start_date=2025-01-01&user_id=%C3", "user_id"),
        ("start_date=2025-01-01&user_id=%", "user_id"),
        (&format!("start_date=2025-01-01&user_id={long_id}"), "256"),
    ];
    for (parameters, told) in table {
        let answer = server.get(&format!("/reports/usage-summary?end_date=2025-01-31&{parameters}"));
        expect_error(parameters, &answer, 400, told);
    }
}

#[test]
fn a_comparison_with_days_before_the_calendar_is_refused() {
    let server = Server::start();
    let parameters = [("start_date", "0001-01-02"), ("end_date", "0001-01-03"), ("compare", "previous")];
    expect_error("before year 1", &server.get(&url("/reports/usage-summary", &parameters)), 400, "compare");
}

#[test]
fn a_log_parameter_that_breaks_a_rule_is_named_with_what_it_may_be() {
    let server = Server::start();
    let table = [
        ("limit=0", "limit"),
        ("limit=1001", "1000"),
        ("limit=-1", "limit"),
        ("limit=1e2", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=5&limit=5", "limit"),
        ("limti=5", "unknown parameter \"limti\"; known: limit, page, severity"),
        ("page=0", "page"),
        ("page=1.5", "page"),
        ("page=18446744073709551616", "page"),
        ("page=NaN", "page"),
        ("page=1e999", "page"),
        ("severity=fatal", "info"),
        ("severity=", "severity"),
        ("severity=warning,", "severity"),
        ("severity=info,error,info", "\"severity\" names \"info\" more than once"),
        ("severity=Warning", "severity"),
        ("service=", "service"),
        ("from=yesterday", "from"),
        ("to=2025-02-30", "to"),
        ("from=2025-01-02&to=2025-01-01", "from"),
        ("order=newest", "desc"),
        ("order=arrival&page=2", "page"),
        ("cursor=", "cursor"),
        ("cursor=%F0%9F%A6%8A", "cursor"),
    ];
    for (parameters, told) in table {
        let answer = server.get(&format!("/logs/system-events?{parameters}"));
        expect_error(parameters, &answer, 400, told);
    }
}

#[test]
fn a_parameter_where_none_is_taken_is_named() {
    let server = Server::start();
    let event = r#"{"user_id":"ann"}"#;
    for (method, path, body) in
        [("POST", "/usage/events?x=1", event), ("GET", "/healthz?x=1", ""), ("PUT", "/users/a?x=1", "{}")]
    {
        expect_error(path, &server.send(method, path, &[], body.as_bytes()), 400, "\"x\"");
    }
    expect_error("history", &server.send("DELETE", "/users/a?history=all", &[], b""), 400, "keep");
}

#[test]
fn a_bad_parameter_is_refused_even_if_the_answer_did_not_change() {
    let server = Server::start();
    let good = "/logs/system-events?limit=5";
    let tag = server.get(good).header("etag").expect("an ETag").to_string();
    let headers = [("if-none-match", tag.as_str())];
    assert_eq!(server.send("GET", good, &headers, b"").status, 304);
    expect_error("limit=0", &server.send("GET", "/logs/system-events?limit=0", &headers, b""), 400, "limit");
}
