use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{Id, Severity};

const USAGE: &str =
    r#"{"report_type":"usage-summary","format":"csv","start_date":"2025-01-01","end_date":"2025-01-31"}"#;

fn read(json: &str) -> ExportRequest {
    export_request(json.as_bytes()).unwrap_or_else(|e| panic!("{json}: {e}"))
}

fn refusal(json: &str) -> String {
    export_request(json.as_bytes()).err().unwrap_or_else(|| panic!("{json} was taken")).message
}

/// The usage request above with one field set.
fn with(field: &str, value: serde_json::Value) -> String {
    let mut object: serde_json::Value = serde_json::from_str(USAGE).unwrap();
    object[field] = value;
    object.to_string()
}

fn at(text: &str) -> Option<Timestamp> {
    Some(Timestamp::parse(text).unwrap())
}

#[test]
fn the_request_of_the_reference_gives_a_row_a_day() {
    let request = read(USAGE);
    assert_eq!(request.format, ExportFormat::Csv(CsvOptions::default()));
    let ExportReport::Usage(usage) = request.report else { panic!("{request:?}") };
    assert_eq!((usage.range.start().to_string(), usage.range.days()), ("2025-01-01".into(), 31));
    assert_eq!((usage.filter, usage.rows), (UsageFilter::default(), UsageRows::Periods(Interval::Day)));
}

#[test]
fn filters_and_options_are_read() {
    let full = json!({"report_type": "usage-summary", "format": "csv", "start_date": "2025-01-01", "end_date": "2025-01-01",
        "user_id": "a/b", "team_id": "🦀", "service": null, "group_by": "user", "bom": true, "raw": false, "gzip": true});
    let request = read(&full.to_string());
    assert_eq!(request.format, ExportFormat::Csv(CsvOptions { bom: true, raw: false, gzip: true }));
    let ExportReport::Usage(usage) = request.report else { panic!("{request:?}") };
    let id = |text: &str| Some(Id::new(text).unwrap());
    assert_eq!(usage.filter, UsageFilter { user_id: id("a/b"), team_id: id("🦀"), service: None });
    assert_eq!(usage.rows, UsageRows::Groups(GroupBy::User));
}

#[test]
fn the_log_is_cut_by_days_or_by_instants_or_not_at_all() {
    let filter = |fields: serde_json::Value| {
        let mut object = json!({"report_type": "system-events", "format": "xlsx"});
        object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        match read(&object.to_string()).report {
            ExportReport::Events(filter) => (filter.from, filter.to, filter.severities),
            other => panic!("{other:?}"),
        }
    };
    let all = SeveritySet::ALL;
    assert_eq!(filter(json!({})), (None, None, all));
    let january = (at("2025-01-01T00:00:00Z"), at("2025-02-01T00:00:00Z"), all);
    assert_eq!(filter(json!({"start_date": "2025-01-01", "end_date": "2025-01-31"})), january);
    assert_eq!(filter(json!({"from": "2025-01-01", "to": "2025-02-01T01:00:00+01:00"})), january);
    assert_eq!(filter(json!({"end_date": "2025-01-31"})), (None, january.1, all));
    assert_eq!(filter(json!({"start_date": "2025-01-01", "end_date": "9999-12-31"})), (january.0, None, all));
    let some: SeveritySet = [Severity::Warning, Severity::Error].into_iter().collect();
    for severity in [json!("warning,error"), json!("error,warning"), json!(["error", "warning"])] {
        assert_eq!(filter(json!({"severity": severity})), (None, None, some));
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let events = |rest: &str| format!(r#"{{"report_type":"system-events","format":"csv"{rest}}}"#);
    let table = [
        ("".into(), "the body is empty"),
        (" \n".into(), "the body is empty"),
        ("[]".into(), "the body must be one JSON object"),
        (format!("{USAGE}{USAGE}"), "the body must be one JSON object"),
        ("{".into(), "the body must be one JSON object"),
        ("[".repeat(100_000), "the body must be one JSON object"),
        ("{}".into(), "\"report_type\" is required: \"usage-summary\" or \"system-events\""),
        (
            with("report_type", json!("usage")),
            "\"report_type\" must be \"usage-summary\" or \"system-events\", not \"usage\"",
        ),
        (with("report_type", json!(7)), "\"report_type\" must be a string, not a number"),
        (with("format", json!(null)), "\"format\" is required: \"csv\" or \"xlsx\""),
        (with("format", json!("CSV")), "\"format\" must be \"csv\" or \"xlsx\", not \"CSV\""),
        (with("start_date", json!(null)), "\"start_date\" is required"),
        (with("end_date", json!("2025-02-30")), "\"end_date\" must be a calendar date"),
        (with("end_date", json!("2024-12-31")), "\"start_date\" must not lie after \"end_date\""),
        (with("end_date", json!(20250131)), "\"end_date\" must be a string, not a number"),
        (with("colour", json!("red")), "export has no field \"colour\"; known: report_type, format"),
        (
            with("severity", json!("info")),
            "report_type \"usage-summary\" has no field \"severity\"; known: report_type",
        ),
        (with("user_id", json!("")), "\"user_id\" must not be empty"),
        (with("team_id", json!(["a"])), "\"team_id\" must be a string, not an array"),
        (with("service", json!("a\nb")), "\"service\" must not contain control characters"),
        (with("interval", json!("year")), "\"interval\" must be \"day\" or \"week\" or \"month\""),
        (with("group_by", json!(true)), "\"group_by\" must be a string, not a boolean"),
        (with("raw", json!("yes")), "\"raw\" must be true or false, not a string"),
        (
            r#"{"report_type":"usage-summary","format":"csv","start_date":"2025-01-01","end_date":"2025-01-31",
            "interval":"day","group_by":"team"}"#
                .into(),
            "\"interval\" and \"group_by\" exclude each other",
        ),
        (events(r#","interval":"day""#), "report_type \"system-events\" has no field \"interval\""),
        (events(r#","from":"2025-01-01","end_date":"2025-01-31""#), "\"start_date\" and \"end_date\""),
        (events(r#","from":"2025-01-02","to":"2025-01-01""#), "\"from\" must not lie after \"to\""),
        (events(r#","from":"yesterday""#), "\"from\" must be an RFC 3339 time"),
        (events(r#","severity":"fatal""#), "\"severity\" must be info, warning or error"),
        (events(r#","severity":[]"#), "\"severity\" must be info, warning or error"),
        (events(r#","severity":["info",1]"#), "\"severity\" must be info, warning or error"),
        (events(r#","severity":"info,info""#), "\"severity\" names \"info\" more than once"),
        (events(r#","service":"a","service":"b""#), "\"service\" is given twice"),
        (events(r#","gzip":{"level":9}"#), "\"gzip\" must be true or false, not an object"),
        (
            r#"{"report_type":"system-events","format":"xlsx","gzip":true}"#.into(),
            "\"gzip\" goes with format \"csv\" only",
        ),
    ];
    for (json, told) in table {
        let message = refusal(&json);
        assert!(message.contains(told) && message.len() < 400, "{json}: {message}");
    }
    assert!(export_request(b"{\"format\":\"\xff\"}").is_err());
}

#[test]
fn one_request_has_one_text_however_it_was_asked_for() {
    let same = [
        json!({"report_type": "system-events", "format": "csv", "start_date": "2025-01-01", "end_date": "2025-01-31",
            "severity": ["info", "error", "warning"]}),
        json!({"to": "2025-02-01T00:00:00Z", "from": "2025-01-01", "gzip": false, "format": "csv", "service": null,
            "report_type": "system-events"}),
    ];
    let [one, other] = same.map(|json| write_export_request(&read(&json.to_string())));
    assert_eq!(one, other);
    let expected = r#"{"report_type":"usage-summary","start_date":"2025-01-01","end_date":"2025-01-31","interval":"day","format":"csv"}"#;
    assert_eq!(write_export_request(&read(USAGE)), expected);
    assert_eq!(write_export_request(&read(&with("user_id", json!("ann")))), expected);
}

#[test]
fn a_stored_request_that_is_damaged_is_a_fault_of_ours() {
    for text in ["", "{}", "[1]", r#"{"report_type":"usage-summary"}"#] {
        assert_eq!(stored_export_request(text, None).unwrap_err().kind, crate::error::Kind::Internal, "{text}");
    }
}

fn any_id() -> impl Strategy<Value = Option<Id>> {
    proptest::option::of("[^\\p{Cc}]{1,40}".prop_map(|text| Id::new(text).unwrap()))
}

fn any_usage() -> impl Strategy<Value = ExportReport> {
    let rows = proptest::sample::select(vec![
        UsageRows::Periods(Interval::Day),
        UsageRows::Periods(Interval::Week),
        UsageRows::Periods(Interval::Month),
        UsageRows::Groups(GroupBy::Team),
        UsageRows::Groups(GroupBy::Service),
        UsageRows::Groups(GroupBy::User),
    ]);
    let days = 0..=Day::MAX.index();
    (days.clone(), days, any_id(), any_id(), any_id(), rows).prop_map(|(a, b, user_id, team_id, service, rows)| {
        let day = |index: u32| Day::from_index(index).unwrap();
        let range = DateRange::new(day(a.min(b)), day(a.max(b))).unwrap();
        ExportReport::Usage(UsageExport { range, filter: UsageFilter { user_id, team_id, service }, rows })
    })
}

fn any_events() -> impl Strategy<Value = ExportReport> {
    let micros = Timestamp::MIN.unix_micros()..=Timestamp::MAX.unix_micros();
    let instant = || proptest::option::of(micros.clone());
    (instant(), instant(), any_id(), 1_u8..8).prop_map(|(a, b, service, mask)| {
        let (from, to) = match (a, b) {
            (Some(a), Some(b)) => (Some(a.min(b)), Some(a.max(b))),
            open => open,
        };
        let severities = Severity::ALL.into_iter().filter(|severity| mask >> severity.index() & 1 == 1).collect();
        let at = |micros: Option<i64>| micros.and_then(Timestamp::from_unix_micros);
        ExportReport::Events(LogFilter { severities, service, from: at(from), to: at(to) })
    })
}

proptest! {
    #[test]
    fn what_is_stored_is_read_again_as_it_was(
        report in prop_oneof![any_usage(), any_events()],
        csv in proptest::option::of((any::<bool>(), any::<bool>(), any::<bool>())),
    ) {
        let format = match csv {
            Some((bom, raw, gzip)) => ExportFormat::Csv(CsvOptions { bom, raw, gzip }),
            None => ExportFormat::Xlsx,
        };
        let user_id = match &report {
            ExportReport::Usage(usage) => usage.filter.user_id.clone(),
            ExportReport::Events(_) => None,
        };
        let request = ExportRequest { report, format };
        let text = write_export_request(&request);
        prop_assert_eq!(&stored_export_request(&text, user_id), &Ok(request.clone()));
        prop_assert_eq!(write_export_request(&request), text);
    }

    #[test]
    fn no_body_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = export_request(&bytes);
    }
}
