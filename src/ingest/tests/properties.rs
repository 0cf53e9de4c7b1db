//! What holds for any input.

use proptest::prelude::*;

use super::super::{Batch, Import, Item, registration_of, registrations, system_events, usage_events, write_ndjson};
use super::{BOUNDS, id, now};
use crate::model::{Change, Id, Registration, Severity, SystemEvent, Timestamp, UsageEvent};

fn any_id() -> impl Strategy<Value = Id> {
    "[^\\p{Cc}]{1,40}".prop_map(|text| Id::new(text).unwrap())
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.unix_micros()..=Timestamp::MAX.unix_micros())
        .prop_map(|micros| Timestamp::from_unix_micros(micros).unwrap())
}

fn any_change<T: std::fmt::Debug + Clone>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Change<T>> {
    prop_oneof![Just(Change::Keep), Just(Change::Clear), value.prop_map(Change::Set)]
}

fn any_usage_event() -> impl Strategy<Value = UsageEvent> {
    let optional = || proptest::option::of(any_id());
    (any_id(), any_time(), optional(), optional(), optional()).prop_map(
        |(user_id, at, team_id, service, session_id)| UsageEvent { user_id, at, team_id, service, session_id },
    )
}

fn any_system_event() -> impl Strategy<Value = SystemEvent> {
    let optional = || proptest::option::of(any_id());
    let severity = (0_usize..3).prop_map(|i| Severity::ALL[i]);
    let attribute = ("[a-z\"\\\\é]{1,8}", "[\\x00-\\x20\"\\\\a-zé]{0,8}", any::<f64>());
    let attributes = proptest::option::of(attribute.prop_map(|(key, text, number)| {
        let [key, text] = [key, text].map(|text| serde_json::to_string(&text).unwrap());
        format!("{{{key}:{text},\"N\":{number}}}")
    }));
    // Any characters at all, control characters too.
    let message = proptest::collection::vec(any::<char>(), 1..25).prop_map(String::from_iter);
    (any_time(), severity, optional(), message, optional(), attributes).prop_map(
        |(at, severity, service, message, event_id, attributes)| SystemEvent {
            at,
            severity,
            service,
            message,
            event_id,
            attributes,
        },
    )
}

fn any_registration() -> impl Strategy<Value = Registration> {
    (any_id(), any_change(any_id()), any_change(any_time()), any_change(any_time())).prop_map(
        |(user_id, team_id, registered_at, deactivated_at)| Registration {
            user_id,
            team_id,
            registered_at,
            deactivated_at,
        },
    )
}

fn ndjson<T: Item>(items: &[T]) -> Vec<u8> {
    let mut out = Vec::new();
    items.iter().for_each(|item| write_ndjson(item, &mut out));
    out
}

fn as_array(ndjson: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = ndjson.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    [b"[", &*lines.join(&b","[..]), b"]"].concat()
}

/// Bytes that come near to being a batch: JSON's own, cut and spliced at random.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\n",
        b"\r\n",
        b" ",
        b"\"",
        b"\\",
        b"\\u00",
        b"\\ud800",
        b"null",
        b"1e999",
        b"-",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\0",
        b"\"user_id\":\"a\"",
        b"\"severity\":\"info\"",
        b"\"message\":\"m\"",
        b"\"attributes\":{",
        b"\"timestamp\":\"2025-01-01T00:00:00Z\"",
        b"{\"user_id\":\"a\"}\n",
        b"user_id,team_id\n",
        b"a,b\n",
        b"\x1f\x8b",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..30).prop_map(|pieces| pieces.concat())
}

fn read_in_every_way(bytes: &[u8]) {
    fn import<T: Item>(bytes: &[u8]) {
        let Ok(mut import) = Import::<T>::open(std::io::Cursor::new(bytes.to_vec()), now(), &BOUNDS) else { return };
        while let Ok(Some(batch)) = import.next_batch(3, 40) {
            assert_eq!(batch.items.len(), batch.origins.len());
        }
    }
    fn consistent<T>(batch: Batch<T>) {
        let mut indexes: Vec<usize> = batch.rejected.iter().map(|rejected| rejected.index).collect();
        indexes.extend(&batch.origins);
        indexes.sort();
        assert_eq!(indexes, (0..indexes.len()).collect::<Vec<_>>(), "each item is taken or rejected, once");
    }
    let _ = usage_events(bytes, now(), &BOUNDS).map(consistent);
    let _ = system_events(bytes, now(), &BOUNDS).map(consistent);
    let _ = registrations(bytes, &BOUNDS).map(consistent);
    let _ = registration_of(id("a"), bytes, &BOUNDS);
    let _ = super::super::gunzip(bytes, 1000);
    import::<UsageEvent>(bytes);
    import::<SystemEvent>(bytes);
    import::<Registration>(bytes);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_in_every_way(&bytes);
    }

    #[test]
    fn bytes_that_are_nearly_json_are_read_or_refused_without_a_panic(bytes in nearly_json()) {
        read_in_every_way(&bytes);
    }

    #[test]
    fn a_usage_event_is_read_as_it_was_written(events in proptest::collection::vec(any_usage_event(), 1..5)) {
        let lines = ndjson(&events);
        prop_assert_eq!(&usage_events(&lines, now(), &BOUNDS).unwrap().items, &events);
        prop_assert_eq!(&usage_events(&as_array(&lines), now(), &BOUNDS).unwrap().items, &events);
    }

    #[test]
    fn a_system_event_is_read_as_it_was_written(events in proptest::collection::vec(any_system_event(), 1..5)) {
        let bounds = super::Bounds { attributes_bytes_max: 1000, ..BOUNDS };
        let lines = ndjson(&events);
        prop_assert_eq!(&system_events(&lines, now(), &bounds).unwrap().items, &events);
        prop_assert_eq!(&system_events(&as_array(&lines), now(), &bounds).unwrap().items, &events);
    }

    #[test]
    fn a_registration_is_read_as_it_was_written(items in proptest::collection::vec(any_registration(), 1..5)) {
        let lines = ndjson(&items);
        prop_assert_eq!(&registrations(&lines, &BOUNDS).unwrap().items, &items);
        prop_assert_eq!(&registrations(&as_array(&lines), &BOUNDS).unwrap().items, &items);
    }
}
