//! Time stamps in large numbers, as the API writes them.

use crate::model::{Day, Timestamp};

const SECONDS_OF_DAY: i64 = Day::MICROS / 1_000_000;

/// Writes what [`Timestamp`] displays. Neighbours in the log mostly share a day, and often a second: what they share is
/// not worked out again.
pub struct Stamps {
    /// Since 1970; the text is this second's.
    second: i64,
    /// `YYYY-MM-DDThh:mm:ss`
    text: [u8; 19],
}

impl Default for Stamps {
    fn default() -> Stamps {
        Stamps { second: 0, text: *b"1970-01-01T00:00:00" }
    }
}

impl Stamps {
    /// Appends the time stamp: RFC 3339 in UTC, with as many digits of a second (0, 3 or 6) as it takes.
    pub fn push(&mut self, line: &mut Vec<u8>, at: Timestamp) {
        let second = at.unix_micros().div_euclid(1_000_000);
        if second != self.second {
            self.turn_to(second, at);
        }
        line.extend_from_slice(&self.text);
        let micros = at.unix_micros().rem_euclid(1_000_000) as u32;
        if micros > 0 {
            line.push(b'.');
            push_digits(line, micros / 1_000);
            if !micros.is_multiple_of(1_000) {
                push_digits(line, micros % 1_000);
            }
        }
        line.push(b'Z');
    }

    fn turn_to(&mut self, second: i64, at: Timestamp) {
        if second.div_euclid(SECONDS_OF_DAY) != self.second.div_euclid(SECONDS_OF_DAY) {
            let midnight = at.day().start().to_string();
            let date = 0.."YYYY-MM-DDT".len();
            self.text[date.clone()].copy_from_slice(&midnight.as_bytes()[date]);
        }
        let of_day = second.rem_euclid(SECONDS_OF_DAY);
        for (place, number) in [(11, of_day / 3_600), (14, of_day / 60 % 60), (17, of_day % 60)] {
            self.text[place] = b'0' + (number / 10) as u8;
            self.text[place + 1] = b'0' + (number % 10) as u8;
        }
        self.second = second;
    }
}

/// Three digits.
fn push_digits(line: &mut Vec<u8>, number: u32) {
    line.extend([number / 100, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(stamps: &mut Stamps, at: Timestamp) -> String {
        let mut line = vec![];
        stamps.push(&mut line, at);
        String::from_utf8(line).unwrap()
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_unix_micros(micros).unwrap()
    }

    #[test]
    fn the_ends_of_days_years_and_the_calendar_are_written_as_the_api_does() {
        let mut stamps = Stamps::default();
        let day = Day::MICROS;
        for micros in [0, -1, 1, day - 1, day, day + 1_000, -day, 951_782_400_000_000, 4_102_444_799_999_000, 999_999] {
            assert_eq!(written(&mut stamps, at(micros)), at(micros).to_string());
        }
        for at in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(written(&mut stamps, at), at.to_string());
        }
    }

    /// A first instant, and steps of every size from there.
    fn instants() -> impl Strategy<Value = Vec<Timestamp>> {
        let step = prop_oneof![-5i64..5, -2_000_000i64..2_000_000, -Day::MICROS * 2..Day::MICROS * 2]
            .prop_map(|step| step / 1_000 * 1_000 + if step % 3 == 0 { 0 } else { step % 1_000 });
        let first = Timestamp::MIN.unix_micros()..Timestamp::MAX.unix_micros();
        (first, proptest::collection::vec(step, 0..20)).prop_map(|(first, steps)| {
            let walked = steps.iter().scan(first, |micros, step| {
                *micros += step;
                Some(*micros)
            });
            walked.filter_map(Timestamp::from_unix_micros).collect()
        })
    }

    proptest! {
        #[test]
        fn any_instants_in_any_order_are_written_as_the_api_does(instants in instants()) {
            let mut stamps = Stamps::default();
            for at in instants {
                prop_assert_eq!(written(&mut stamps, at), at.to_string());
            }
        }
    }
}
