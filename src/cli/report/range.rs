use clap::ValueEnum;

use crate::cli::output::{Failure, Outcome};
use crate::model::{DateRange, Day};

/// A range of whole UTC days, told by its relation to today.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum NamedRange {
    /// Today so far
    Today,
    Yesterday,
    /// The seven complete days before today
    #[value(name = "last-7-days")]
    Last7Days,
    /// The thirty complete days before today
    #[value(name = "last-30-days")]
    Last30Days,
    /// From the 1st of this month to today
    ThisMonth,
    /// The calendar month before this one
    LastMonth,
    /// From 1 January to today
    ThisYear,
    /// The calendar year before this one
    LastYear,
}

/// What `--start` and `--end` say together; None if they were not given. Errors with `Usage` if they are the wrong way round.
pub fn from_to(start: Option<Day>, end: Option<Day>) -> Outcome<Option<DateRange>> {
    let Some((start, end)) = start.zip(end) else { return Ok(None) };
    let reversed = || Failure::Usage(format!("--start {start} lies after --end {end}; give the earlier day first"));
    DateRange::new(start, end).ok_or_else(reversed).map(Some)
}

impl NamedRange {
    /// None if it would begin before 0001-01-01.
    pub fn on(self, today: Day) -> Option<DateRange> {
        let back = |days| today.index().checked_sub(days).and_then(Day::from_index);
        let (start, end) = match self {
            NamedRange::Today => (today, today),
            NamedRange::Yesterday => (back(1)?, back(1)?),
            NamedRange::Last7Days => (back(7)?, back(1)?),
            NamedRange::Last30Days => (back(30)?, back(1)?),
            NamedRange::ThisMonth => (today.month_start(), today),
            NamedRange::LastMonth => {
                let end = today.month_start().previous()?;
                (end.month_start(), end)
            }
            NamedRange::ThisYear => (today.year_start(), today),
            NamedRange::LastYear => {
                let end = today.year_start().previous()?;
                (end.year_start(), end)
            }
        };
        DateRange::new(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(range: NamedRange, today: &str) -> String {
        let range = range.on(Day::parse(today).unwrap()).unwrap();
        format!("{}/{}", range.start(), range.end())
    }

    #[test]
    fn a_named_range_is_whole_days_in_relation_to_today() {
        let cases = [
            (NamedRange::Today, "2025-03-01", "2025-03-01/2025-03-01"),
            (NamedRange::Yesterday, "2025-03-01", "2025-02-28/2025-02-28"),
            (NamedRange::Last7Days, "2025-03-01", "2025-02-22/2025-02-28"),
            (NamedRange::Last30Days, "2025-03-01", "2025-01-30/2025-02-28"),
            (NamedRange::ThisMonth, "2025-03-01", "2025-03-01/2025-03-01"),
            (NamedRange::LastMonth, "2025-03-31", "2025-02-01/2025-02-28"),
            (NamedRange::LastMonth, "2025-01-15", "2024-12-01/2024-12-31"),
            (NamedRange::LastMonth, "2024-03-01", "2024-02-01/2024-02-29"),
            (NamedRange::ThisYear, "2025-03-01", "2025-01-01/2025-03-01"),
            (NamedRange::LastYear, "2025-03-01", "2024-01-01/2024-12-31"),
        ];
        for (range, today, expected) in cases {
            assert_eq!(shown(range, today), expected, "{range:?} on {today}");
        }
    }

    #[test]
    fn no_range_begins_before_the_calendar_does() {
        assert_eq!(NamedRange::LastMonth.on(Day::MIN), None);
        assert!(NamedRange::Today.on(Day::MIN).is_some());
    }
}
