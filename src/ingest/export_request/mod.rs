//! What is asked for in an export: the body of the API, and the form in which a job keeps it, which is the same with one
//! spelling for each request.

mod fields;
mod stored;
#[cfg(test)]
mod tests;

pub use self::stored::{stored_export_request, write_export_request};

use self::fields::Fields;
use crate::error::{Error, Result};
use crate::model::{
    CsvOptions, DateRange, Day, ExportFormat, ExportReport, ExportRequest, GroupBy, Interval, LogFilter, SeveritySet,
    Timestamp, UsageExport, UsageFilter, UsageRows,
};

const USAGE_FIELDS: &[&str] = &[
    "report_type",
    "format",
    "start_date",
    "end_date",
    "user_id",
    "team_id",
    "service",
    "interval",
    "group_by",
    "bom",
    "raw",
    "gzip",
];
const EVENTS_FIELDS: &[&str] =
    &["report_type", "format", "start_date", "end_date", "from", "to", "severity", "service", "bom", "raw", "gzip"];
/// Those of either report, for whoever has not said which.
const ALL_FIELDS: &[&str] = &[
    "report_type",
    "format",
    "start_date",
    "end_date",
    "from",
    "to",
    "user_id",
    "team_id",
    "service",
    "severity",
    "interval",
    "group_by",
    "bom",
    "raw",
    "gzip",
];

#[derive(Clone, Copy)]
enum ReportType {
    Usage,
    Events,
}

/// Reads the body of `POST /reports/export`. Errors with `Invalid`, naming the field and what it may be.
pub fn export_request(json: &[u8]) -> Result<ExportRequest> {
    const REPORTS: [(&str, ReportType); 2] =
        [("usage-summary", ReportType::Usage), ("system-events", ReportType::Events)];
    let fields = Fields::read(json)?;
    fields.must_be_known("export", ALL_FIELDS)?;
    let report = match fields.required_choice("report_type", &REPORTS)? {
        ReportType::Usage => {
            fields.must_be_known("report_type \"usage-summary\"", USAGE_FIELDS)?;
            ExportReport::Usage(read_usage(&fields)?)
        }
        ReportType::Events => {
            fields.must_be_known("report_type \"system-events\"", EVENTS_FIELDS)?;
            ExportReport::Events(read_events(&fields)?)
        }
    };
    Ok(ExportRequest { report, format: read_format(&fields)? })
}

fn read_usage(fields: &Fields) -> Result<UsageExport> {
    let start = fields.required_date("start_date")?;
    let end = fields.required_date("end_date")?;
    let range = read_range(start, end)?;
    let filter =
        UsageFilter { user_id: fields.id("user_id")?, team_id: fields.id("team_id")?, service: fields.id("service")? };
    let rows = match (fields.choice("interval", &Interval::WORDS)?, fields.choice("group_by", &GroupBy::WORDS)?) {
        (Some(_), Some(_)) => return Err(invalid("interval", "and \"group_by\" exclude each other; send one")),
        (None, Some(by)) => UsageRows::Groups(by),
        (interval, None) => UsageRows::Periods(interval.unwrap_or(Interval::Day)),
    };
    Ok(UsageExport { range, filter, rows })
}

fn read_events(fields: &Fields) -> Result<LogFilter> {
    let severities = fields.severities("severity")?.unwrap_or(SeveritySet::ALL);
    let (from, to) = read_instants(fields)?;
    Ok(LogFilter { severities, service: fields.id("service")?, from, to })
}

/// `from` (inclusive) and `to` (exclusive), or the days from `start_date` to `end_date` (both inclusive); either end may
/// stay open.
fn read_instants(fields: &Fields) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
    let (start, end) = (fields.date("start_date")?, fields.date("end_date")?);
    let (from, to) = (fields.instant("from")?, fields.instant("to")?);
    if (start.is_some() || end.is_some()) && (from.is_some() || to.is_some()) {
        let rule = "and \"end_date\" (days, both inclusive) do not go with \"from\" and \"to\" (instants, \"to\" exclusive); \
                    send one pair";
        return Err(invalid("start_date", rule));
    }
    if start.is_some() || end.is_some() {
        let range = read_range(start.unwrap_or(Day::MIN), end.unwrap_or(Day::MAX))?;
        // Nothing comes after the calendar's last day, so its end needs no telling.
        return Ok((start.map(|_| range.start().start()), end.and_then(|end| end.next()).map(Day::start)));
    }
    match from.zip(to).is_some_and(|(from, to)| from > to) {
        true => Err(invalid("from", "must not lie after \"to\"; from is inclusive, to is exclusive")),
        false => Ok((from, to)),
    }
}

fn read_range(start: Day, end: Day) -> Result<DateRange> {
    DateRange::new(start, end)
        .ok_or_else(|| invalid("start_date", "must not lie after \"end_date\"; both days are inclusive"))
}

fn read_format(fields: &Fields) -> Result<ExportFormat> {
    #[derive(Clone, Copy)]
    enum Format {
        Csv,
        Xlsx,
    }
    const OPTIONS: [&str; 3] = ["bom", "raw", "gzip"];
    let format = fields.required_choice("format", &[("csv", Format::Csv), ("xlsx", Format::Xlsx)])?;
    let [bom, raw, gzip] = OPTIONS.map(|name| fields.flag(name));
    let options = [bom?, raw?, gzip?];
    match format {
        Format::Csv => {
            let [bom, raw, gzip] = options.map(|option| option.unwrap_or(false));
            Ok(ExportFormat::Csv(CsvOptions { bom, raw, gzip }))
        }
        Format::Xlsx => match OPTIONS.iter().zip(options).find(|(_, option)| option.is_some()) {
            Some((name, _)) => Err(invalid(name, "goes with format \"csv\" only; leave it out for xlsx")),
            None => Ok(ExportFormat::Xlsx),
        },
    }
}

/// `"<field>" <rule>`
fn invalid(field: &str, rule: &str) -> Error {
    Error::invalid(format!("\"{field}\" {rule}"))
}
