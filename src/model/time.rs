use std::fmt;

use chrono::{DateTime, Datelike, SecondsFormat, Timelike};

use super::Day;

/// An instant in microseconds since 1970-01-01T00:00:00Z, within the years 0001 to 9999 (UTC).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const MIN: Timestamp = Timestamp(-62_135_596_800_000_000);
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999_999);

    /// Microseconds in a second.
    pub const SECOND_MICROS: i64 = 1_000_000;

    /// What a time stamp may be, to be set behind the field's name.
    pub const RULE: &str = "must be an RFC 3339 time such as \"2025-05-21T10:15:30Z\" in the years 0001 to 9999";

    /// Parses RFC 3339 with any offset. Digits past the microsecond are cut; second 60 reads as 59.
    /// Errors with [`Timestamp::RULE`].
    pub fn parse(text: &str) -> Result<Timestamp, &'static str> {
        // chrono also takes a blank for the T, which RFC 3339 leaves to agreement; we take what the contract names.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
            return Err(Timestamp::RULE);
        }
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| Timestamp::RULE)?;
        // chrono tells second 60 as a nanosecond of a full second or more.
        let micros = i64::from(at.nanosecond() % 1_000_000_000 / 1_000);
        Timestamp::from_unix_micros(at.timestamp() * 1_000_000 + micros).ok_or(Timestamp::RULE)
    }

    /// None outside the years 0001 to 9999.
    pub fn from_unix_micros(micros: i64) -> Option<Timestamp> {
        (Timestamp::MIN.0..=Timestamp::MAX.0).contains(&micros).then_some(Timestamp(micros))
    }

    pub fn unix_micros(self) -> i64 {
        self.0
    }

    /// The UTC day of the instant.
    pub fn day(self) -> Day {
        Day::from_unix_days(self.0.div_euclid(Day::MICROS)).expect("a time stamp lies within the calendar")
    }

    /// Microseconds since the start of its UTC day.
    pub fn micros_of_day(self) -> i64 {
        self.0.rem_euclid(Day::MICROS)
    }
}

/// RFC 3339 in UTC, with as many digits of a second (0, 3 or 6) as it takes.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = DateTime::from_timestamp_micros(self.0).expect("a time stamp lies within the calendar");
        debug_assert!((1..=9999).contains(&at.year()));
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stamp_is_read_as_an_instant_and_written_in_utc() {
        let cases = [
            ("2025-05-21T10:15:30Z", "2025-05-21T10:15:30Z"),
            ("2025-05-21t10:15:30z", "2025-05-21T10:15:30Z"),
            ("2025-05-21T10:15:30.5+05:45", "2025-05-21T04:30:30.500Z"),
            ("2025-05-21T10:15:30.1234569Z", "2025-05-21T10:15:30.123456Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
            ("2016-12-31T23:59:60.25Z", "2016-12-31T23:59:59.250Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ];
        for (text, shown) in cases {
            assert_eq!(Timestamp::parse(text).map(|at| at.to_string()), Ok(shown.to_string()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let bad = [
            "",
            "now",
            "2025-05-21",
            "2025-05-21T10:15:30",
            "2025-05-21 10:15:30Z",
            "2025-02-30T00:00:00Z",
            "2025-05-21T24:00:00Z",
            "2025-05-21T10:60:00Z",
            "2025-05-21T10:15:61Z",
            "10000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "1747822530",
            "2025-05-21T10:15:30Zx",
        ];
        for text in bad {
            assert!(Timestamp::parse(text).is_err(), "{text:?}");
        }
    }
}
