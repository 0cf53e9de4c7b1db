use super::{DateRange, GroupBy, Interval, LogFilter, UsageFilter};

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
