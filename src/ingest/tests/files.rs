//! Files as the command line's `import` reads them.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::{Bounds, Import, Item};
use super::{BOUNDS, at, id, now};
use crate::model::{Change, Registration, SystemEvent, UsageEvent};

/// Items with their lines, messages with theirs, and the error that ended the file, if one did.
type Outcome<T> = (Vec<(usize, T)>, Vec<(usize, String)>, Option<String>);

fn import<T: Item>(file: impl AsRef<[u8]>, bounds: &Bounds) -> Outcome<T> {
    let file = std::io::Cursor::new(file.as_ref().to_vec());
    let mut outcome = (Vec::new(), Vec::new(), None);
    let mut import = match Import::<T>::open(file, now(), bounds) {
        Ok(import) => import,
        Err(e) => return (outcome.0, outcome.1, Some(e.message)),
    };
    loop {
        match import.next_batch(2, usize::MAX) {
            Ok(Some(batch)) => {
                assert!((1..=2).contains(&(batch.items.len() + batch.rejected.len())));
                outcome.0.extend(batch.origins.into_iter().zip(batch.items));
                outcome.1.extend(batch.rejected.into_iter().map(|rejected| (rejected.index, rejected.message)));
            }
            Ok(None) => return outcome,
            Err(e) => {
                assert!(matches!(import.next_batch(2, usize::MAX), Ok(None)), "after an error the file has ended");
                outcome.2 = Some(e.message);
                return outcome;
            }
        }
    }
}

fn users(file: impl AsRef<[u8]>) -> Vec<(usize, String)> {
    let (items, rejected, error) = import::<UsageEvent>(file, &BOUNDS);
    assert_eq!((rejected, error), (vec![], None));
    items.into_iter().map(|(line, event)| (line, event.user_id.to_string())).collect()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_file_is_known_by_its_content_and_told_by_lines() {
    let expected = [(2, "a".to_string()), (4, "b".to_string()), (5, "c".to_string())];
    let ndjson = b"\n{\"user_id\":\"a\"}\r\n\r\n{\"user_id\":\"b\"}\n{\"user_id\":\"c\"}";
    let array = b"[\n{\"user_id\":\n\"a\"},\n{\"user_id\":\"b\"},\n{\"user_id\":\"c\"}]\n";
    let csv = b"service,user_id\n,a\n\n,b\n,c\n";
    assert_eq!(users(ndjson), expected);
    assert_eq!(users(array), expected);
    assert_eq!(users(csv), expected);
    for plain in [&ndjson[..], array, csv] {
        assert_eq!(users([b"\xef\xbb\xbf", plain].concat()), expected, "with a byte order mark");
        assert_eq!(users(gzip(plain)), expected, "compressed");
        let (head, tail) = plain.split_at(plain.len() / 2);
        assert_eq!(users([gzip(head), gzip(tail)].concat()), expected, "compressed in two members");
    }
    for empty in [&b""[..], b"\n \r\n", b"\xef\xbb\xbf", b"[]", b"user_id\n", &gzip(b"")] {
        assert_eq!(users(empty), []);
    }
}

#[test]
fn csv_takes_the_dialects_of_spreadsheets() {
    let event = UsageEvent {
        user_id: id("a, \"b\""),
        at: at("2025-01-01T00:00:00Z"),
        team_id: Some(id("t;1")),
        service: None,
        session_id: None,
    };
    for comma in [",", ";", "\t"] {
        let rows = [
            ["timestamp", "user_id", "team_id", "service"].join(comma),
            ["2025-01-01T00:00:00Z", "\"a, \"\"b\"\"\"", "\"t;1\"", ""].join(comma),
            ["\"2025-01-01T00:00:00Z\"", "\"a, \"\"b\"\"\"", "\"t;1\"", "\"\""].join(comma),
        ];
        for line_end in ["\n", "\r\n"] {
            let (items, rejected, error) = import(rows.join(line_end) + line_end, &BOUNDS);
            assert_eq!((items, rejected, error), (vec![(2, event.clone()), (3, event.clone())], vec![], None));
        }
    }
}

#[test]
fn a_csv_record_may_span_lines_and_is_told_by_its_first() {
    let csv = "severity,message,attributes\r\ninfo,\"two\r\nlines\",\r\nfatal,m,\r\ninfo,m,\"{\"\"a\"\": 1}\"\r\ninfo,m,{\r\n";
    let (items, rejected, error) = import::<SystemEvent>(csv, &BOUNDS);
    assert_eq!(error, None);
    assert_eq!(
        items.iter().map(|(line, event)| (*line, &*event.message)).collect::<Vec<_>>(),
        [(2, "two\r\nlines"), (5, "m")]
    );
    assert_eq!(items[1].1.attributes.as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(rejected[0], (4, r#"severity must be info, warning or error, not "fatal""#.into()));
    assert_eq!(rejected[1].0, 6);
    assert!(rejected[1].1.starts_with("attributes cannot be read: EOF while parsing an object"), "{rejected:?}");
}

#[test]
fn a_bad_line_is_told_and_the_rest_goes_on() {
    let ndjson = b"{\"user_id\":\"a\"}\nrubbish\n{\"user_id\":\"\xff\"}\n{}\n{\"user_id\":\"b\"}\n";
    let (items, rejected, error) = import::<UsageEvent>(ndjson, &BOUNDS);
    assert_eq!((items.len(), error), (2, None));
    assert_eq!(
        rejected,
        [
            (2, "not JSON: expected value at column 1".into()),
            (3, "not UTF-8: byte 12 of the line is wrong".into()),
            (4, "user_id is missing".into()),
        ]
    );
    let csv = b"user_id,team_id\na,t\nb\n,t\n\xff,t\nc,t\n";
    let (items, rejected, error) = import::<UsageEvent>(csv, &BOUNDS);
    assert_eq!((items.len(), error), (2, None));
    assert_eq!(
        rejected,
        [
            (3, "the line has 1 columns where the header has 2".into()),
            (4, "user_id is missing".into()),
            (5, "user_id is not UTF-8".into()),
        ]
    );
}

#[test]
fn a_csv_header_must_name_fields() {
    let cases = [
        (
            "user,team_id\na,t\n",
            r#"line 1: unknown column "user"; known: user_id, team_id, registered_at, deactivated_at; a CSV file's first line names its columns"#,
        ),
        ("user_id,team_id,user_id\na,t,a\n", r#"line 1: the column "user_id" is given twice"#),
        ("team_id,registered_at\nt,\n", "line 1: the column user_id is missing"),
    ];
    for (csv, message) in cases {
        assert_eq!(import::<Registration>(csv, &BOUNDS).2.as_deref(), Some(message));
    }
    let kept = import::<Registration>("user_id,team_id\na,\n", &BOUNDS).0.remove(0).1;
    assert_eq!(kept.team_id, Change::Keep);
}

#[test]
fn a_line_longer_than_the_bound_costs_no_memory_and_no_other_line() {
    let bounds = Bounds { body_bytes_max: 30, ..BOUNDS };
    let line = |bytes: usize| format!("{{\"user_id\":\"{}\"}}", "x".repeat(bytes - 14));
    let file = [line(30), line(31), line(32), line(33), line(100_000), line(29), line(33)].join("\n");
    let (items, rejected, error) = import::<UsageEvent>(file, &bounds);
    assert_eq!((items.iter().map(|(line, _)| *line).collect::<Vec<_>>(), error), (vec![1, 6], None));
    let message = "the line is longer than 30 bytes (limits.body_bytes_max)";
    assert_eq!(rejected, [2, 3, 4, 5, 7].map(|line| (line, message.to_string())));
}

#[test]
fn an_open_quotation_mark_does_not_swallow_the_file() {
    let bounds = Bounds { body_bytes_max: 1000, ..BOUNDS };
    let message = "line 3: the file cannot be read any further: a record is longer than 1000 bytes (limits.body_bytes_max); is a quotation mark left open?";
    for line_end in ["\n", "\r\n"] {
        let csv = ["user_id,team_id", "a,t", "\"b,t"].join(line_end) + &format!("{line_end}c,t").repeat(100_000);
        let (items, _, error) = import::<UsageEvent>(csv, &bounds);
        assert_eq!((items.len(), error.as_deref()), (1, Some(message)));
    }
}

#[test]
fn what_stood_before_a_broken_end_is_still_taken() {
    let plain = "{\"user_id\":\"a\"}\n".repeat(3) + &"x".repeat(100_000);
    let mut cut = gzip(plain.as_bytes());
    cut.truncate(cut.len() - 9);
    let (items, _, error) = import::<UsageEvent>(&cut, &BOUNDS);
    assert_eq!(items.len(), 3);
    assert!(error.unwrap().starts_with("line 4: the file cannot be read any further: "));
    let (_, _, error) = import::<UsageEvent>("[{\"user_id\":\"a\"},\n{]", &BOUNDS);
    assert_eq!(error.as_deref(), Some("the array cannot be read: key must be a string at line 2, column 2"));
}

#[test]
fn progress_is_in_bytes_of_the_file_as_it_is() {
    let file = gzip("{\"user_id\":\"a\"}\n".repeat(10_000).as_bytes());
    let bytes = file.len() as u64;
    let mut import = Import::<UsageEvent>::open(std::io::Cursor::new(file).take(bytes), now(), &BOUNDS).unwrap();
    let bytes_read = import.bytes_read();
    while import.next_batch(1000, usize::MAX).unwrap().is_some() {}
    assert_eq!(bytes_read.load(Ordering::Relaxed), bytes);
}
