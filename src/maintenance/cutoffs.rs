//! What has grown too old: pure, from settings and the time.

use super::Settings;
use crate::model::{Day, EventCutoffs, Timestamp};

/// What is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cutoffs {
    /// Base facts of usage before this day, the first of a month; None: none.
    pub usage_before: Option<Day>,
    /// System events by age; what the log's size demands comes on top.
    pub events: EventCutoffs,
}

impl Cutoffs {
    /// The same with the last month that has base facts of usage left as it is: what the clock says or nobody sends must
    /// not leave a history without an end.
    pub fn sparing_month_of(self, last: Option<Day>) -> Cutoffs {
        let usage_before = self.usage_before.zip(last).map(|(before, last)| before.min(last.month_start()));
        Cutoffs { usage_before, ..self }
    }

    /// What is older than the settings keep it; never less than a whole month of usage. Nothing where the system's clock
    /// stands outside the calendar.
    pub fn of(settings: &Settings, now_unix_micros: i64) -> Cutoffs {
        let ago = |age: std::time::Duration| {
            let age = i64::try_from(age.as_micros()).ok()?;
            Timestamp::from_unix_micros(now_unix_micros.checked_sub(age)?)
        };
        let month = settings.usage_facts_age.and_then(ago).map(|at| at.day().month_start());
        Cutoffs {
            usage_before: month.filter(|day| *day > Day::MIN),
            events: EventCutoffs(settings.log_ages.map(|age| age.and_then(ago))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn settings(log_ages: [Option<Duration>; 3], usage_facts_age: Option<Duration>) -> Settings {
        Settings { log_ages, log_bytes_max: None, usage_facts_age, interval: DAY, exports_time_limit: DAY }
    }

    #[test]
    fn usage_goes_by_whole_months_and_events_to_the_microsecond() {
        let now = Timestamp::parse("2025-03-31T10:00:00.000001Z").unwrap().unix_micros();
        let day = |text| Day::parse(text).ok();
        for (days, before) in [(1, "2025-03-01"), (31, "2025-02-01"), (365, "2024-03-01")] {
            let cutoffs = Cutoffs::of(&settings([None; 3], Some(days * DAY)), now);
            assert_eq!(cutoffs, Cutoffs { usage_before: day(before), ..Cutoffs::default() }, "{days}");
        }
        let ages = [Some(30 * DAY), None, Some(Duration::from_secs(60))];
        let EventCutoffs([info, warning, error]) = Cutoffs::of(&settings(ages, None), now).events;
        assert_eq!(info.unwrap().to_string(), "2025-03-01T10:00:00.000001Z");
        assert_eq!((warning, error.unwrap().to_string().as_str()), (None, "2025-03-31T09:59:00.000001Z"));
    }

    #[test]
    fn nothing_is_older_than_the_calendar() {
        let ages = Some(36_500 * DAY);
        for now in [Timestamp::MIN.unix_micros(), i64::MIN, i64::MAX] {
            assert_eq!(Cutoffs::of(&settings([ages; 3], ages), now), Cutoffs::default(), "{now}");
        }
    }
}
