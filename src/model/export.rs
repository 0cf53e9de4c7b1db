use super::{DateRange, Day, GroupBy, Interval, LogFilter, Timestamp, UsageFilter};

/// What an export is to hold, and how it is to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportRequest {
    pub report: ExportReport,
    pub format: ExportFormat,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportReport {
    Usage(UsageExport),
    Events(LogFilter),
}

/// Usage figures, a row per period or per group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageExport {
    pub range: DateRange,
    pub filter: UsageFilter,
    pub rows: UsageRows,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsageRows {
    Periods(Interval),
    Groups(GroupBy),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportFormat {
    Csv(CsvOptions),
    Xlsx,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CsvOptions {
    /// A byte order mark in front, by which Excel knows UTF-8.
    pub bom: bool,
    /// Cells as they are, even where a spreadsheet would take them for formulas.
    pub raw: bool,
    pub gzip: bool,
}

impl ExportRequest {
    /// A name under which a person finds the file again: the report, its days, the ending. Plain ASCII; nothing in it was
    /// typed by anybody.
    pub fn file_name(&self) -> String {
        let (by, days) = match &self.report {
            ExportReport::Usage(usage) => (usage.rows.by(), days(Some(usage.range.start()), Some(usage.range.end()))),
            ExportReport::Events(filter) => ("", days_of(filter)),
        };
        format!("{}{by}{days}.{}", self.report.name(), self.format.extension())
    }
}

/// The first and the last day on which events of the filter may lie; `to` is exclusive.
fn days_of(filter: &LogFilter) -> String {
    let first = filter.from.map(Timestamp::day);
    let last = filter.to.map(|to| Timestamp::from_unix_micros(to.unix_micros() - 1).unwrap_or(Timestamp::MIN).day());
    days(first, last.map(|last| first.map_or(last, |first| last.max(first))))
}

fn days(first: Option<Day>, last: Option<Day>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!("_{first}_{last}"),
        (Some(first), None) => format!("_from_{first}"),
        (None, Some(last)) => format!("_until_{last}"),
        (None, None) => String::new(),
    }
}

impl UsageRows {
    /// For the name of a file: what is not the rule.
    fn by(self) -> &'static str {
        match self {
            UsageRows::Periods(Interval::Day) => "",
            UsageRows::Periods(Interval::Week) => "-by-week",
            UsageRows::Periods(Interval::Month) => "-by-month",
            UsageRows::Groups(GroupBy::Team) => "-by-team",
            UsageRows::Groups(GroupBy::Service) => "-by-service",
            UsageRows::Groups(GroupBy::User) => "-by-user",
        }
    }
}

impl ExportReport {
    /// As the API names it.
    pub fn name(&self) -> &'static str {
        match self {
            ExportReport::Usage(_) => "usage-summary",
            ExportReport::Events(_) => "system-events",
        }
    }
}

impl ExportFormat {
    /// What the file's name ends with, without the dot in front.
    pub fn extension(self) -> &'static str {
        match self {
            ExportFormat::Csv(CsvOptions { gzip: true, .. }) => "csv.gz",
            ExportFormat::Csv(_) => "csv",
            ExportFormat::Xlsx => "xlsx",
        }
    }
}

/// How far an export is. On the wire there are no others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobState {
    Queued,
    Processing,
    Completed,
    /// For whatever reason; one that was cancelled, too.
    Failed,
}

impl JobState {
    pub const ALL: [JobState; 4] = [JobState::Queued, JobState::Processing, JobState::Completed, JobState::Failed];

    pub fn parse(text: &str) -> Option<JobState> {
        JobState::ALL.into_iter().find(|state| state.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Processing => "processing",
            JobState::Completed => "completed",
            JobState::Failed => "failed",
        }
    }

    pub fn is_finished(self) -> bool {
        matches!(self, JobState::Completed | JobState::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Id;

    fn usage(rows: UsageRows) -> String {
        let day = |text| Day::parse(text).unwrap();
        let range = DateRange::new(day("2025-01-01"), day("2025-01-31")).unwrap();
        let report = ExportReport::Usage(UsageExport { range, filter: UsageFilter::default(), rows });
        ExportRequest { report, format: ExportFormat::Xlsx }.file_name()
    }

    fn events(from: Option<&str>, to: Option<&str>) -> String {
        let at = |text: Option<&str>| text.map(|text| Timestamp::parse(text).unwrap());
        let service = Id::new("a\"b").ok();
        let report = ExportReport::Events(LogFilter { from: at(from), to: at(to), service, ..LogFilter::default() });
        let format = ExportFormat::Csv(CsvOptions { gzip: true, ..CsvOptions::default() });
        ExportRequest { report, format }.file_name()
    }

    #[test]
    fn a_files_name_tells_the_report_and_its_days() {
        assert_eq!(usage(UsageRows::Periods(Interval::Day)), "usage-summary_2025-01-01_2025-01-31.xlsx");
        assert_eq!(usage(UsageRows::Groups(GroupBy::User)), "usage-summary-by-user_2025-01-01_2025-01-31.xlsx");
        let (midnight, noon, next) = ("2025-05-01T00:00:00Z", "2025-05-01T12:00:00Z", "2025-06-01T00:00:00Z");
        assert_eq!(events(Some(midnight), Some(next)), "system-events_2025-05-01_2025-05-31.csv.gz");
        assert_eq!(events(Some(noon), Some(noon)), "system-events_2025-05-01_2025-05-01.csv.gz");
        assert_eq!(events(Some(midnight), Some(midnight)), "system-events_2025-05-01_2025-05-01.csv.gz");
        assert_eq!(events(Some(noon), None), "system-events_from_2025-05-01.csv.gz");
        assert_eq!(events(None, Some(midnight)), "system-events_until_2025-04-30.csv.gz");
        assert_eq!(events(None, None), "system-events.csv.gz");
        assert_eq!(events(None, Some("0001-01-01T00:00:00Z")), "system-events_until_0001-01-01.csv.gz");
    }
}
