//! A request as a job keeps it.

use serde_json::{Map, Value};

use super::export_request;
use crate::error::{Error, Result};
use crate::model::{
    CsvOptions, ExportFormat, ExportReport, ExportRequest, Id, LogFilter, Severity, SeveritySet, UsageExport, UsageRows,
};

/// The request as canonical JSON: equal requests are equal texts. The user that a usage report is filtered by is left out;
/// [`stored_export_request`] puts it back.
pub fn write_export_request(request: &ExportRequest) -> String {
    let mut fields = Map::new();
    put(&mut fields, "report_type", Some(request.report.name()));
    match &request.report {
        ExportReport::Usage(usage) => put_usage(&mut fields, usage),
        ExportReport::Events(filter) => put_events(&mut fields, filter),
    }
    put_format(&mut fields, request.format);
    Value::Object(fields).to_string()
}

/// Reads what [`write_export_request`] wrote. Errors with `Internal`: a fault of the database file.
pub fn stored_export_request(text: &str, user_id: Option<Id>) -> Result<ExportRequest> {
    let mut request = export_request(text.as_bytes())
        .map_err(|e| Error::internal(format!("the database holds an export job whose request cannot be read: {e}")))?;
    if let ExportReport::Usage(usage) = &mut request.report {
        usage.filter.user_id = user_id;
    }
    Ok(request)
}

fn put_usage(fields: &mut Map<String, Value>, usage: &UsageExport) {
    put(fields, "start_date", Some(usage.range.start().to_string()));
    put(fields, "end_date", Some(usage.range.end().to_string()));
    put(fields, "team_id", usage.filter.team_id.as_ref().map(Id::as_str));
    put(fields, "service", usage.filter.service.as_ref().map(Id::as_str));
    match usage.rows {
        UsageRows::Periods(interval) => put(fields, "interval", Some(interval.as_str())),
        UsageRows::Groups(by) => put(fields, "group_by", Some(by.as_str())),
    }
}

fn put_events(fields: &mut Map<String, Value>, filter: &LogFilter) {
    put(fields, "from", filter.from.map(|at| at.to_string()));
    put(fields, "to", filter.to.map(|at| at.to_string()));
    if filter.severities != SeveritySet::ALL {
        let wanted = Severity::ALL.into_iter().filter(|severity| filter.severities.contains(*severity));
        put(fields, "severity", Some(wanted.map(Severity::as_str).collect::<Vec<_>>()));
    }
    put(fields, "service", filter.service.as_ref().map(Id::as_str));
}

fn put_format(fields: &mut Map<String, Value>, format: ExportFormat) {
    match format {
        ExportFormat::Xlsx => put(fields, "format", Some("xlsx")),
        ExportFormat::Csv(CsvOptions { bom, raw, gzip }) => {
            put(fields, "format", Some("csv"));
            for (name, is_on) in [("bom", bom), ("raw", raw), ("gzip", gzip)] {
                put(fields, name, is_on.then_some(true));
            }
        }
    }
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_string(), value.into());
    }
}
