use std::fmt;

use chrono::{Datelike, NaiveDate};

use super::Timestamp;

/// A UTC calendar day in the years 0001 to 9999, kept as days since 0001-01-01 (that day is 0). Fits in 22 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(u32);

impl Day {
    pub const MICROS: i64 = 86_400_000_000;
    pub const MIN: Day = Day(0);
    pub const MAX: Day = Day(3_652_058);
    /// 1970-01-01.
    pub const UNIX_EPOCH: Day = Day(719_162);

    /// Parses `YYYY-MM-DD`, digits only. Errors with what a date may be, to be set behind the parameter's name.
    pub fn parse(text: &str) -> Result<Day, &'static str> {
        const RULE: &str = "must be a calendar date as YYYY-MM-DD in the years 0001 to 9999";
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes.iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() });
        if !shaped {
            return Err(RULE);
        }
        let number = |from: usize, to: usize| text[from..to].parse::<u32>().expect("ASCII digits");
        Day::from_ymd(number(0, 4) as i32, number(5, 7), number(8, 10)).ok_or(RULE)
    }

    /// None for a date that does not exist or lies outside the years 0001 to 9999.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Day> {
        if !(1..=9999).contains(&year) {
            return None;
        }
        NaiveDate::from_ymd_opt(year, month, day).map(|date| Day(date.num_days_from_ce() as u32 - 1))
    }

    /// `index`: days since 0001-01-01. None past 9999-12-31.
    pub fn from_index(index: u32) -> Option<Day> {
        (index <= Day::MAX.0).then_some(Day(index))
    }

    /// Days since 0001-01-01.
    pub fn index(self) -> u32 {
        self.0
    }

    /// `days`: days since 1970-01-01.
    pub fn from_unix_days(days: i64) -> Option<Day> {
        u32::try_from(days + i64::from(Day::UNIX_EPOCH.0)).ok().and_then(Day::from_index)
    }

    /// Midnight at which the day begins.
    pub fn start(self) -> Timestamp {
        let micros = (i64::from(self.0) - i64::from(Day::UNIX_EPOCH.0)) * Day::MICROS;
        Timestamp::from_unix_micros(micros).expect("a day lies within the calendar")
    }

    /// None past 9999-12-31.
    pub fn next(self) -> Option<Day> {
        Day::from_index(self.0 + 1)
    }

    /// None before 0001-01-01.
    pub fn previous(self) -> Option<Day> {
        self.0.checked_sub(1).map(Day)
    }

    fn date(self) -> NaiveDate {
        NaiveDate::from_num_days_from_ce_opt(self.0 as i32 + 1).expect("a day lies within the calendar")
    }

    pub fn year_start(self) -> Day {
        Day(self.0 - self.date().ordinal0())
    }

    pub fn year_end(self) -> Day {
        let date = self.date();
        let days = if date.leap_year() { 366 } else { 365 };
        Day(self.0 - date.ordinal0() + days - 1)
    }

    pub fn month_start(self) -> Day {
        Day(self.0 - self.date().day0())
    }

    pub fn month_end(self) -> Day {
        let date = self.date();
        Day(self.0 - date.day0() + u32::from(date.num_days_in_month()) - 1)
    }

    /// The first day of January, April, July or October.
    pub fn quarter_start(self) -> Day {
        let mut start = self.month_start();
        for _ in 0..self.date().month0() % 3 {
            start = Day(start.0 - 1).month_start();
        }
        start
    }

    pub fn quarter_end(self) -> Day {
        let mut end = self.month_end();
        for _ in self.date().month0() % 3..2 {
            end = Day(end.0 + 1).month_end();
        }
        end
    }

    /// A month has three thirds: they begin on its 1st, 11th and 21st day.
    pub fn third_start(self) -> Day {
        let day = self.date().day0();
        Day(self.0 - (day - (day / 10).min(2) * 10))
    }

    pub fn third_end(self) -> Day {
        match self.date().day0() / 10 {
            0 | 1 => Day(self.third_start().0 + 9),
            _ => self.month_end(),
        }
    }

    /// The Sunday that ends its week (a week starts on Monday), or the calendar's last day.
    pub fn week_end(self) -> Day {
        Day((self.0 + 6 - self.date().weekday().num_days_from_monday()).min(Day::MAX.0))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
    }
}

/// Days from `start` to `end`, both inclusive; `start <= end` always.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DateRange {
    start: Day,
    end: Day,
}

/// How a range is cut into periods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interval {
    Day,
    /// From Monday to Sunday.
    Week,
    Month,
}

impl Interval {
    /// Each with its name in the API.
    pub const WORDS: [(&str, Interval); 3] =
        [("day", Interval::Day), ("week", Interval::Week), ("month", Interval::Month)];

    pub fn as_str(self) -> &'static str {
        match self {
            Interval::Day => "day",
            Interval::Week => "week",
            Interval::Month => "month",
        }
    }
}

impl DateRange {
    /// None if `start` lies after `end`.
    pub fn new(start: Day, end: Day) -> Option<DateRange> {
        (start <= end).then_some(DateRange { start, end })
    }

    pub fn start(self) -> Day {
        self.start
    }

    pub fn end(self) -> Day {
        self.end
    }

    /// How many days; at least 1.
    pub fn days(self) -> u32 {
        self.end.0 - self.start.0 + 1
    }

    pub fn contains(self, day: Day) -> bool {
        self.start <= day && day <= self.end
    }

    /// The range of equal length just before; None if it would begin before 0001-01-01.
    pub fn previous(self) -> Option<DateRange> {
        let start = self.start.0.checked_sub(self.days())?;
        Some(DateRange { start: Day(start), end: self.start.previous()? })
    }

    /// The range cut at the interval's borders, in order; the first and last are clipped to the range.
    pub fn periods(self, interval: Interval) -> impl Iterator<Item = DateRange> {
        let mut next = Some(self.start);
        std::iter::from_fn(move || {
            let start = next.filter(|start| *start <= self.end)?;
            let end = match interval {
                Interval::Day => start,
                Interval::Week => start.week_end(),
                Interval::Month => start.month_end(),
            };
            next = end.next();
            Some(DateRange { start, end: end.min(self.end) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn a_date_is_ten_characters_of_a_real_day() {
        for good in ["0001-01-01", "2024-02-29", "9999-12-31", "1970-01-01"] {
            assert_eq!(day(good).to_string(), good);
        }
        assert_eq!((day("0001-01-01"), day("9999-12-31"), day("1970-01-01")), (Day::MIN, Day::MAX, Day::UNIX_EPOCH));
        let bad = [
            "",
            "2025-1-01",
            "2025-02-29",
            "2025-13-01",
            "0000-01-01",
            "10000-01-01",
            "2025-01-01T00:00:00Z",
            "+025-01-01",
            "２０２５-01-01",
        ];
        for text in bad {
            assert!(Day::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn months_and_years_begin_and_end_where_the_calendar_says() {
        let leap = day("2024-02-29");
        assert_eq!((leap.month_start(), leap.month_end()), (day("2024-02-01"), day("2024-02-29")));
        assert_eq!((leap.year_start(), leap.year_end()), (day("2024-01-01"), day("2024-12-31")));
        assert_eq!((Day::MAX.month_end(), Day::MAX.year_end(), Day::MAX.week_end()), (Day::MAX, Day::MAX, Day::MAX));
    }

    #[test]
    fn periods_cover_the_range_once_and_are_clipped_to_it() {
        let range = DateRange::new(day("2024-12-30"), day("2025-02-03")).unwrap();
        let shown =
            |interval| range.periods(interval).map(|p| format!("{}/{}", p.start(), p.end())).collect::<Vec<_>>();
        assert_eq!(shown(Interval::Month), ["2024-12-30/2024-12-31", "2025-01-01/2025-01-31", "2025-02-01/2025-02-03"]);
        assert_eq!(shown(Interval::Week)[0], "2024-12-30/2025-01-05");
        assert_eq!(shown(Interval::Week).last().unwrap(), "2025-02-03/2025-02-03");
        assert_eq!(shown(Interval::Day).len(), range.days() as usize);
        let last = DateRange::new(day("9999-12-30"), Day::MAX).unwrap();
        assert_eq!(last.periods(Interval::Week).count(), 1);
    }

    #[test]
    fn the_previous_range_has_the_same_length_and_ends_the_day_before() {
        let range = DateRange::new(day("2025-03-01"), day("2025-03-31")).unwrap().previous().unwrap();
        assert_eq!((range.start(), range.end()), (day("2025-01-29"), day("2025-02-28")));
        assert_eq!(DateRange::new(day("0001-01-02"), day("0001-01-03")).unwrap().previous(), None);
    }
}
