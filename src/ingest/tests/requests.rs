//! What each body comes to, and every message about one that comes to nothing.

use super::super::{Batch, registration_of, registrations, system_events, usage_events};
use super::{BOUNDS, at, id, now};
use crate::error::{Error, Kind};
use crate::model::{Change, Registration, Severity, SystemEvent, UsageEvent};

fn usage(body: impl AsRef<[u8]>) -> Result<Batch<UsageEvent>, Error> {
    usage_events(body.as_ref(), now(), &BOUNDS)
}

fn log(body: impl AsRef<[u8]>) -> Result<Batch<SystemEvent>, Error> {
    system_events(body.as_ref(), now(), &BOUNDS)
}

fn plain_event(user_id: &str) -> UsageEvent {
    UsageEvent { user_id: id(user_id), at: now(), team_id: None, service: None, session_id: None }
}

/// The one message about the one item of a body.
fn rejection<T: std::fmt::Debug>(batch: Result<Batch<T>, Error>) -> String {
    let batch = batch.expect("the body as a whole can be read");
    assert_eq!((batch.items.len(), batch.rejected.len()), (0, 1), "{batch:?}");
    batch.rejected[0].message.clone()
}

fn refusal<T: std::fmt::Debug>(batch: Result<Batch<T>, Error>) -> String {
    let error = batch.expect_err("nothing can be read");
    assert_eq!(error.kind, Kind::Invalid);
    error.message
}

#[test]
fn a_body_is_known_by_its_content() {
    let shapes: [(&[u8], &[&str], &[usize]); 13] = [
        (br#"{"user_id":"a"}"#, &["a"], &[0]),
        (b"\xef\xbb\xbf \r\n{\"user_id\":\"a\"}\r\n\r\n", &["a"], &[0]),
        (b"{\n  \"user_id\": \"a\",\r\n  \"team_id\": null\n}\n", &["a"], &[0]),
        (b"{\"user_id\":\"a\"}\n{\"user_id\":\"b\"}\n", &["a", "b"], &[0, 1]),
        (b"{\"user_id\":\"a\"}\r\n\r\n \t\r\n{\"user_id\":\"b\"}", &["a", "b"], &[0, 1]),
        (b"{\"user_id\":\"a\"}\nrubbish\n{\"user_id\":\"b\"}", &["a", "b"], &[0, 2]),
        (b"{\"user_id\":\n{\"user_id\":\"b\"}", &["b"], &[1]),
        (b"{\"user_id\":\"\xff\"}\n{\"user_id\":\"b\"}", &["b"], &[1]),
        (b"{\"user_id\":\"a\"}{\"user_id\":\"b\"}\n{\"user_id\":\"c\"}", &["c"], &[1]),
        (b"[]", &[], &[]),
        (b" [\n{\"user_id\":\"a\"} , {\"user_id\":\"b\"}\n]\n ", &["a", "b"], &[0, 1]),
        (b"[1,{\"user_id\":\"a\"},{},{\"user_id\":\"b\"}]", &["a", "b"], &[1, 3]),
        (b"\xef\xbb\xbf[{\"user_id\":\"\\u00e9\\ud83e\\udd80\"}]", &["\u{e9}\u{1f980}"], &[0]),
    ];
    for (body, users, origins) in shapes {
        let shown = String::from_utf8_lossy(body);
        let batch = usage(body).unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert_eq!(batch.items, users.iter().map(|user| plain_event(user)).collect::<Vec<_>>(), "{shown}");
        assert_eq!(batch.origins, origins, "{shown}");
    }
}

#[test]
fn a_body_of_which_nothing_can_be_read_is_refused_with_the_place() {
    let cases: [(&[u8], &str); 15] = [
        (b"", "the body is empty; send a JSON object, an array of objects, or NDJSON (one object a line)"),
        (b"\xef\xbb\xbf \r\n", "the body is empty; "),
        (
            b"user_id=a",
            "the body must be a JSON object, an array of objects, or NDJSON (one object a line); it starts with \"user_id=a\"",
        ),
        (b"null", "it starts with \"null\""),
        (b"\xff\xfe{\0", "it starts with \"\u{fffd}\u{fffd}{\\0\""),
        (b"[{\"user_id\":\"a\"},\n{\"user_id\" \"b\"}]", "the array cannot be read: expected `:` at line 2, column 12"),
        (b"[{\"user_id\":\"a\"}", "the array cannot be read: EOF while parsing a list at line 1, column 16"),
        (b"[{\"user_id\":\"a\"}] x", "the array cannot be read: trailing characters at line 1, column 19"),
        (b"[{\"user_id\":NaN}]", "the array cannot be read: expected value at line 1, column 13"),
        (b"[\"\xff\"]", "the body is not UTF-8: byte 2 is wrong"),
        (b"{\"user_id\":\"a\",\n\"team_id\" }", "the body is not JSON: expected `:` at line 2, column 11"),
        (b"{\n\"team_id\":\n7\n\"user_id\":\"a\"}", "the body is not JSON: expected `,` or `}` at line 4, column 1"),
        (b"{\"user_id\":\"a\"} x", "line 1: not JSON: trailing characters at column 17"),
        (b"{\"user_id\":\"\xff\"}", "the body is not UTF-8: byte 12 is wrong"),
        (
            b"{\n\"user_id\":\"a\"}\n{\"user_id\":\"b\"}",
            "an object that spans several lines is followed by more on line 3; send ",
        ),
    ];
    for (body, message) in cases {
        let refusal = refusal(usage(body));
        assert!(refusal.contains(message), "{:?}: {refusal}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_bad_usage_event_is_told_what_may_stand_there() {
    let long = "x".repeat(257);
    let cases = [
        ("{}", "user_id is missing"),
        (r#"{"user_id":null}"#, "user_id is missing"),
        (r#"{"user_id":7}"#, "user_id must be a string, not a number"),
        (r#"{"user_id":true}"#, "user_id must be a string, not a boolean"),
        (r#"{"user_id":["a"]}"#, "user_id must be a string, not an array"),
        (r#"{"user_id":{"id":"a"}}"#, "user_id must be a string, not an object"),
        (r#"{"user_id":""}"#, "user_id must not be empty"),
        (r#"{"user_id":"a\u0000"}"#, "user_id must not contain control characters"),
        (&format!(r#"{{"user_id":"{long}"}}"#), "user_id must be at most 256 bytes long"),
        (r#"{"user_id":"a","user_id":"a"}"#, "user_id is given twice"),
        (r#"{"user_id":"a","team_id":null,"team_id":"t"}"#, "team_id is given twice"),
        (
            r#"{"user":"a"}"#,
            r#"unknown field "user"; known: user_id, timestamp, team_id, service, session_id, event_id"#,
        ),
        (r#"{"user_id":"a","team_id":""}"#, "team_id must not be empty"),
        (r#"{"user_id":"a","service":1e5}"#, "service must be a string, not a number"),
        (r#"{"user_id":"a","session_id":"\n"}"#, "session_id must not contain control characters"),
        (r#"{"user_id":"a","event_id":""}"#, "event_id must not be empty"),
        (
            r#"{"user_id":"a","timestamp":"yesterday"}"#,
            r#"timestamp must be an RFC 3339 time such as "2025-05-21T10:15:30Z" in the years 0001 to 9999, not "yesterday""#,
        ),
        (
            r#"{"user_id":"a","timestamp":1747822530}"#,
            r#"timestamp must be an RFC 3339 time such as "2025-05-21T10:15:30Z" in the years 0001 to 9999, not a number"#,
        ),
    ];
    for (item, message) in cases {
        assert_eq!(rejection(usage(item)), message, "{item}");
        assert_eq!(rejection(usage(format!("[{item}]"))), message, "{item}");
        let lines = usage(format!("{{\"user_id\":\"good\"}}\n{item}\n")).unwrap();
        assert_eq!((lines.items.len(), lines.rejected[0].index, &*lines.rejected[0].message), (1, 1, message));
    }
}

#[test]
fn an_item_that_is_no_object_is_rejected_alone() {
    let cases =
        [("[]", "an array"), ("\"a\"", "a string"), ("null", "null"), ("1e999", "a number"), ("false", "a boolean")];
    for (item, what) in cases {
        let message = format!("an item must be a JSON object, not {what}");
        assert_eq!(rejection(usage(format!("[{item}]"))), message);
        let lines = usage(format!("{{\"user_id\":\"good\"}}\n{item}")).unwrap();
        assert_eq!((lines.items.len(), &*lines.rejected[0].message), (1, &*message));
    }
}

#[test]
fn what_json_allows_but_nobody_can_hold_is_rejected_alone() {
    let cases = [
        (r#"{"user_id":"a","team_id":1e999}"#, "not JSON: number out of range"),
        (r#"{"user_id":"\ud800"}"#, "not JSON: unexpected end of hex escape"),
    ];
    for (item, message) in cases {
        let batch = usage(format!(r#"[{{"user_id":"good"}},{item}]"#)).unwrap();
        assert_eq!(batch.items, [plain_event("good")]);
        assert!(batch.rejected[0].message.starts_with(message), "{:?}", batch.rejected);
    }
}

#[test]
fn nesting_of_any_depth_is_read_without_recursion_and_rejected() {
    let depth = 300_000;
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let message = format!("nests {} deep; at most 16 are read (limits.nesting_max)", depth + 1);
    assert_eq!(rejection(usage(format!(r#"{{"user_id":{deep}}}"#))), message);
    assert_eq!(rejection(usage(format!(r#"[{{"user_id":"a","x":{deep}}}]"#))), message);
    assert_eq!(rejection(log(format!(r#"{{"severity":"info","message":"m","attributes":{deep}}}"#))), message);
    assert_eq!(
        rejection(usage(format!("[{deep}]"))),
        format!("nests {depth} deep; at most 16 are read (limits.nesting_max)")
    );
    assert!(refusal(usage("[".repeat(depth))).starts_with("the array cannot be read"));
    // Brackets in a string are no nesting.
    assert_eq!(
        rejection(usage(format!(r#"{{"user":"\"{}"}}"#, "[".repeat(99)))),
        "unknown field \"user\"; known: user_id, timestamp, team_id, service, session_id, event_id"
    );
}

#[test]
fn no_message_carries_more_than_a_little_of_the_input() {
    let long = "secret ".repeat(1000);
    for body in [
        format!(r#"{{"{long}":1}}"#),
        format!(r#"{{"user_id":"a","timestamp":"{long}"}}"#),
        format!(r#"{{"user_id":"{long}"}}"#),
    ] {
        let message = rejection(usage(body));
        assert!(message.len() < 250, "{message}");
    }
    assert!(refusal(usage(long)).len() < 250);
}

#[test]
fn more_items_than_the_bound_are_too_large_in_every_shape() {
    let item = r#"{"user_id":"a"}"#;
    for (items, fits) in [(1000, true), (1001, false)] {
        for body in [format!("[{}]", vec![item; items].join(",")), vec![item; items].join("\n")] {
            match usage(body) {
                Ok(batch) => assert!(fits && batch.items.len() == items),
                Err(e) => {
                    assert!(!fits && e.kind == Kind::TooLarge);
                    assert_eq!(
                        e.message,
                        "more than 1000 items in one request (limits.items_max); send them in several"
                    );
                }
            }
        }
    }
}

#[test]
fn a_system_event_is_kept_as_it_came() {
    let body = r#"{"timestamp":"2025-05-21T12:15:30.25+02:00","severity":"warning","message":"=a\tb\u0000\n🦀 \"q\"",
        "service":"api","event_id":"e-1","attributes":{ "b" : 1.50, "a":"x\u0041\n", "n":null, "t":true,
        "big":123456789012345678901234567890 }}"#;
    // The bound of this module's tests is smaller.
    let bounds = super::Bounds { attributes_bytes_max: 100, ..BOUNDS };
    let batch = system_events(body.as_bytes(), now(), &bounds).unwrap();
    let attributes = r#"{"b":1.50,"a":"xA\n","n":null,"t":true,"big":123456789012345678901234567890}"#;
    let expected = SystemEvent {
        at: at("2025-05-21T10:15:30.25Z"),
        severity: Severity::Warning,
        service: Some(id("api")),
        message: "=a\tb\u{0}\n🦀 \"q\"".into(),
        event_id: Some(id("e-1")),
        attributes: Some(attributes.into()),
    };
    assert_eq!((batch.items, batch.rejected), (vec![expected], vec![]));
    let plain = log(r#"{"severity":"info","message":" ","attributes":{ },"service":null}"#).unwrap();
    let expected = SystemEvent {
        at: now(),
        severity: Severity::Info,
        service: None,
        message: " ".into(),
        event_id: None,
        attributes: None,
    };
    assert_eq!(plain.items, [expected]);
}

#[test]
fn a_bad_system_event_is_told_what_may_stand_there() {
    let long = "é".repeat(51);
    let fields = [
        (r#""message":"m""#, "severity is missing"),
        (r#""severity":"fatal","message":"m""#, r#"severity must be info, warning or error, not "fatal""#),
        (r#""severity":3,"message":"m""#, "severity must be a string, not a number"),
        (r#""severity":"info""#, "message is missing"),
        (r#""severity":"info","message":"""#, "message must not be empty"),
        (r#""severity":"info","message":{"a":1}"#, "message must be a string, not an object"),
        (
            &format!(r#""severity":"info","message":"{long}""#),
            "message must be at most 100 bytes long (limits.message_bytes_max), not 102",
        ),
        (
            r#""severity":"info","message":"m","service":"analytics""#,
            r#"service "analytics" is the server's own; name another"#,
        ),
        (
            r#""severity":"info","message":"m","event_id":"e""#,
            "event_id needs a timestamp: a re-delivery is known by both",
        ),
        (
            r#""severity":"info","message":"m","level":1"#,
            r#"unknown field "level"; known: timestamp, severity, message, service, event_id, attributes"#,
        ),
    ];
    for (item, message) in fields {
        assert_eq!(rejection(log(format!("{{{item}}}"))), message, "{item}");
    }
}

#[test]
fn bad_attributes_are_told_what_may_stand_there() {
    let cases = [
        ("[1]", "attributes must be a flat JSON object"),
        ("\"x\"", "attributes must be a flat JSON object"),
        ("7", "attributes must be a flat JSON object"),
        (r#"{"a":{}}"#, r#"attributes must be a flat JSON object; "a" holds an object"#),
        (r#"{"a":[1]}"#, r#"attributes must be a flat JSON object; "a" holds an array"#),
        (r#"{"a":1,"b":2,"\u0061":3}"#, r#"attributes give "a" twice"#),
        (r#"{"":1}"#, r#"keys of attributes must be 1 to 256 bytes long, not """#),
        (r#"{"a":-1e999}"#, r#"attributes must hold numbers of at most 64-bit floating point size; "a" does not"#),
        (
            &format!(r#"{{"a":"{}"}}"#, "x".repeat(57)),
            "attributes must be at most 64 bytes of compact JSON (limits.attributes_bytes_max)",
        ),
        (r#"{"a":"\udc00"}"#, "attributes cannot be read: lone leading surrogate in hex escape"),
    ];
    for (attributes, message) in cases {
        let item = format!(r#"{{"severity":"info","message":"m","attributes":{attributes}}}"#);
        assert_eq!(rejection(log(item)), message, "{attributes}");
    }
    // Blanks do not count: the bound is on what is kept.
    let wide =
        format!(r#"{{"severity":"info","message":"m","attributes":{{ {} "a":"{}"}}}}"#, " ".repeat(99), "x".repeat(56));
    assert_eq!(log(wide).unwrap().items[0].attributes.as_ref().map(String::len), Some(64));
}

#[test]
fn a_registration_keeps_what_is_absent_and_clears_what_is_null() {
    let body = br#"{"user_id":"a","team_id":null,"registered_at":"2025-01-02T00:00:00+01:00"}"#;
    let expected = Registration {
        user_id: id("a"),
        team_id: Change::Clear,
        registered_at: Change::Set(at("2025-01-01T23:00:00Z")),
        deactivated_at: Change::Keep,
    };
    assert_eq!(registrations(body, &BOUNDS).unwrap().items, [expected]);
    let cases = [
        (r#"{"team_id":"t"}"#, "user_id is missing"),
        (r#"{"user_id":"a","registered_at":"2025-01-02"}"#, "registered_at must be an RFC 3339 time"),
        (r#"{"user_id":"a","deactivated_at":0}"#, "deactivated_at must be an RFC 3339 time"),
        (r#"{"user_id":"a","team_id":""}"#, "team_id must not be empty"),
        (
            r#"{"user_id":"a","name":"A"}"#,
            "unknown field \"name\"; known: user_id, team_id, registered_at, deactivated_at",
        ),
    ];
    for (item, message) in cases {
        let rejection = rejection(registrations(item.as_bytes(), &BOUNDS));
        assert!(rejection.starts_with(message), "{item}: {rejection}");
    }
}

#[test]
fn a_put_names_its_user_in_the_path_and_may_do_so_again() {
    let put = |body: &str| registration_of(id("a/b"), body.as_bytes(), &BOUNDS);
    let nothing = Registration {
        user_id: id("a/b"),
        team_id: Change::Keep,
        registered_at: Change::Keep,
        deactivated_at: Change::Keep,
    };
    for empty in ["{}", "", " \n", "\u{feff}"] {
        assert_eq!(put(empty), Ok(nothing.clone()), "{empty:?}");
    }
    assert_eq!(put("\u{feff} {\n\"user_id\":\"a/b\"}\n"), Ok(nothing.clone()));
    assert_eq!(put(r#"{"team_id":"t"}"#), Ok(Registration { team_id: Change::Set(id("t")), ..nothing }));
    let cases = [
        ("[]", "an item must be a JSON object, not an array"),
        (r#"{"user_id":"b"}"#, r#"user_id must be left out or be the path's "a/b""#),
        (r#"{"user_id":1}"#, "user_id must be a string, not a number"),
        (r#"{"user_id":null}"#, "user_id is missing"),
        ("{} {}", "the body is not one JSON object: trailing characters at line 1, column 4"),
        (r#"{"team":"t"}"#, r#"unknown field "team"; known: user_id, team_id, registered_at, deactivated_at"#),
    ];
    for (body, message) in cases {
        assert_eq!(put(body), Err(Error::invalid(message)), "{body}");
    }
}
