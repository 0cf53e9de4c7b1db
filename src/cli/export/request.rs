//! What was typed, as the body of `POST /reports/export`: the same rules and the same words for a database here and a
//! server elsewhere.

use serde_json::{Map, Value, json};

use super::super::arguments::{Days, ExportCommand, ExportFile, FormatName, SystemEvents, UsageSummary};
use super::super::output::{Failure, Outcome};
use super::super::report::{GroupName, IntervalName, from_to};
use crate::ingest;
use crate::model::{DateRange, Day, ExportRequest, Severity};

/// A request that holds, and how it is asked for.
pub struct Wanted {
    pub request: ExportRequest,
    pub body: String,
}

/// Errors with `Usage` if it cannot be meant.
pub fn wanted(command: &ExportCommand, today: Day) -> Outcome<Wanted> {
    let (mut fields, file) = match command {
        ExportCommand::UsageSummary(arguments) => (usage(arguments, today)?, &arguments.file),
        ExportCommand::SystemEvents(arguments) => (events(arguments, today)?, &arguments.file),
    };
    fields.extend(format(file)?);
    let body = Value::Object(fields).to_string();
    let request = ingest::export_request(body.as_bytes()).map_err(|error| Failure::Usage(error.message))?;
    Ok(Wanted { request, body })
}

type Fields = Map<String, Value>;

fn usage(arguments: &UsageSummary, today: Day) -> Outcome<Fields> {
    let Some(range) = range(&arguments.days, today)? else {
        return Err(Failure::Usage("say which days: --start and --end, or --range last-month".into()));
    };
    let mut fields = fields(json!({"report_type": "usage-summary"}));
    add_days(&mut fields, range);
    let ids = [("user_id", &arguments.user), ("team_id", &arguments.team), ("service", &arguments.service)];
    fields.extend(ids.into_iter().filter_map(|(name, id)| Some((name.into(), json!(id.as_ref()?.as_str())))));
    if let Some(interval) = arguments.interval {
        let word = match interval {
            IntervalName::Day => "day",
            IntervalName::Week => "week",
            IntervalName::Month => "month",
        };
        fields.insert("interval".into(), json!(word));
    }
    if let Some(group) = arguments.group_by {
        let word = match group {
            GroupName::Team => "team",
            GroupName::Service => "service",
            GroupName::User => "user",
        };
        fields.insert("group_by".into(), json!(word));
    }
    Ok(fields)
}

fn events(arguments: &SystemEvents, today: Day) -> Outcome<Fields> {
    let mut fields = fields(json!({"report_type": "system-events"}));
    if let Some(range) = range(&arguments.days, today)? {
        add_days(&mut fields, range);
    }
    let instants = [("from", &arguments.from), ("to", &arguments.to)];
    fields.extend(instants.into_iter().filter_map(|(name, at)| Some((name.into(), json!(at.as_ref()?)))));
    if !arguments.severity.is_empty() {
        let words: Vec<&str> = arguments.severity.iter().copied().map(Severity::as_str).collect();
        fields.insert("severity".into(), json!(words.join(",")));
    }
    if let Some(service) = &arguments.service {
        fields.insert("service".into(), json!(service.as_str()));
    }
    Ok(fields)
}

fn range(days: &Days, today: Day) -> Outcome<Option<DateRange>> {
    let named = || days.range.and_then(|range| range.on(today));
    Ok(from_to(days.start, days.end)?.or_else(named))
}

fn add_days(fields: &mut Fields, range: DateRange) {
    fields.insert("start_date".into(), json!(range.start().to_string()));
    fields.insert("end_date".into(), json!(range.end().to_string()));
}

fn format(file: &ExportFile) -> Outcome<Fields> {
    if let Some(ending) = file.output.as_deref().and_then(foreign_ending) {
        let message = format!("no {ending} file can be written; let the name end with .xlsx for a workbook, or .csv");
        return Err(Failure::Usage(message));
    }
    let named = file.output.as_deref().and_then(named_format);
    let (format, named_gzip) = match (file.format, named) {
        (None, None) => (FormatName::Csv, false),
        (Some(format), None) => (format, false),
        (None, Some(named)) => named,
        (Some(format), Some(named)) if format == named.0 => named,
        _ => {
            return Err(Failure::Usage(
                "--format and the ending of the file's name disagree; leave --format out".into(),
            ));
        }
    };
    if format == FormatName::Xlsx {
        let csv_only = [("--raw", file.raw), ("--bom", file.bom), ("--gzip", file.gzip)];
        return match csv_only.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Failure::Usage(format!("{flag} is for CSV only; leave it out with xlsx"))),
            None => Ok(fields(json!({"format": "xlsx"}))),
        };
    }
    if file.gzip && named == Some((FormatName::Csv, false)) {
        return Err(Failure::Usage("with --gzip the file's name ends with .csv.gz".into()));
    }
    let options = [("raw", file.raw), ("bom", file.bom), ("gzip", file.gzip || named_gzip)];
    let mut fields = fields(json!({"format": "csv"}));
    fields.extend(options.into_iter().filter(|(_, given)| *given).map(|(name, _)| (name.into(), Value::Bool(true))));
    Ok(fields)
}

/// Of workbooks that a spreadsheet would warn of: the file would not be what its name says.
fn foreign_ending(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    [".xls", ".xlsm", ".xlsb", ".ods"].into_iter().find(|ending| name.ends_with(ending))
}

/// What a file's name says of its format, and whether it says that it is compressed.
fn named_format(name: &str) -> Option<(FormatName, bool)> {
    let name = name.to_ascii_lowercase();
    let endings = [
        (".csv", (FormatName::Csv, false)),
        (".csv.gz", (FormatName::Csv, true)),
        (".xlsx", (FormatName::Xlsx, false)),
    ];
    endings.into_iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, format)| format)
}

fn fields(object: Value) -> Fields {
    match object {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::arguments::{Arguments, Command};

    fn parsed(line: &str) -> ExportCommand {
        match Arguments::try_parse_from(format!("analytics export {line}").split_whitespace()) {
            Ok(Arguments { command: Some(Command::Export { command }), .. }) => command,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn body(line: &str) -> String {
        wanted(&parsed(line), Day::parse("2025-03-15").unwrap()).unwrap_or_else(|e| panic!("{line}: {e:?}")).body
    }

    fn refused(line: &str) -> String {
        match wanted(&parsed(line), Day::parse("2025-03-15").unwrap()) {
            Err(Failure::Usage(message)) => message,
            Err(other) => panic!("{line}: {other:?}"),
            Ok(wanted) => panic!("{line}: {}", wanted.body),
        }
    }

    #[test]
    fn what_is_typed_is_what_the_api_is_asked() {
        let cases = [
            (
                "usage-summary --range last-month --team a,b --interval week",
                r#"{"report_type":"usage-summary","start_date":"2025-02-01","end_date":"2025-02-28","team_id":"a,b","interval":"week","format":"csv"}"#,
            ),
            (
                "usage-summary --start 2025-01-01 --end 2025-01-31 --group-by user -o a.XLSX",
                r#"{"report_type":"usage-summary","start_date":"2025-01-01","end_date":"2025-01-31","group_by":"user","format":"xlsx"}"#,
            ),
            (
                "system-events --from 2025-05-01 --severity warning,error --raw --bom -o a.csv.gz",
                r#"{"report_type":"system-events","from":"2025-05-01","severity":"warning,error","format":"csv","raw":true,"bom":true,"gzip":true}"#,
            ),
            ("system-events --service api -o -", r#"{"report_type":"system-events","service":"api","format":"csv"}"#),
        ];
        for (line, expected) in cases {
            assert_eq!(body(line), expected, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_to_do() {
        let cases = [
            ("usage-summary", "--range last-month"),
            ("usage-summary --start 2025-02-01 --end 2025-01-31", "lies after"),
            ("system-events --format csv -o a.xlsx", "disagree"),
            ("system-events --format xlsx --gzip", "--gzip is for CSV"),
            ("system-events -o a.xls", ".xlsx"),
            ("system-events --format xlsx -o a.ODS", ".xlsx"),
            ("system-events --raw -o a.xlsx", "--raw is for CSV"),
            ("system-events --gzip -o a.csv", ".csv.gz"),
            ("system-events --from yesterday", "from"),
        ];
        for (line, hint) in cases {
            let message = refused(line);
            assert!(message.contains(hint), "{line}: {message}");
        }
    }
}
