//! A seeded log in memory, of any size, in order of time.

use analytics::model::{Id, Severity, SystemEvent, Timestamp};

use super::random::Random;

/// 2023-01-01T00:00:00Z.
const FIRST_MILLI: i64 = 1_672_531_200_000;
/// A log covers three years; a larger one is denser.
const LOG_SPAN_MILLIS: u64 = 3 * 365 * 86_400_000;
const SERVICES: u64 = 20;

/// The nth event of a log that holds so many in three years: a message of 80 bytes, without id or attributes.
pub fn log_event(n: u64, in_all: u64) -> SystemEvent {
    let millis = (u128::from(LOG_SPAN_MILLIS) * u128::from(n) / u128::from(in_all)) as i64;
    let mut random = Random(n);
    let severity = match random.below(100) {
        0 => Severity::Error,
        1..=9 => Severity::Warning,
        _ => Severity::Info,
    };
    let message = format!("GET /items/{:08} took {:4} ms for user", n % 99_999_999, random.below(2_000));
    SystemEvent {
        at: Timestamp::from_unix_micros((FIRST_MILLI + millis) * 1_000).expect("a time within the calendar"),
        severity,
        service: Some(Id::new(format!("service-{:02}", random.below(SERVICES))).expect("an id")),
        message: format!("{message:.<80}"),
        event_id: None,
        attributes: None,
    }
}
