//! A report for spreadsheets: RFC 4180.

use super::answer::{Answer, Figures};
use super::{GroupName, Report};
use crate::error::{Error, Result};
use crate::model::DateRange;

/// `start_date,end_date[,team_id|service|user_id],total_users,active_users,total_sessions`: a row per period, per group
/// or per compared range, else a single one.
pub fn csv(range: DateRange, arguments: &Report, answer: &Answer) -> Result<String> {
    let id_column = arguments.group_by.map(|by| match by {
        GroupName::Team => "team_id",
        GroupName::Service => "service",
        GroupName::User => "user_id",
    });
    let head = ["start_date", "end_date"].into_iter().chain(id_column);
    let head = head.chain(["total_users", "active_users", "total_sessions"]).map(String::from).collect();
    write(std::iter::once(head).chain(rows(range, answer)))
}

fn rows(range: DateRange, answer: &Answer) -> Vec<Vec<String>> {
    let dates = |range: DateRange| [range.start().to_string(), range.end().to_string()];
    if let Some(series) = &answer.series {
        let row = series.iter().map(|p| row([p.start_date.clone(), p.end_date.clone()], None, &p.figures));
        return row.collect();
    }
    if let Some(groups) = &answer.groups {
        return groups.iter().map(|g| row(dates(range), Some(g.key.id().unwrap_or("")), &g.figures)).collect();
    }
    let before = range.previous().zip(answer.previous.as_ref());
    let before = before.map(|(range, figures)| row(dates(range), None, figures));
    before.into_iter().chain([row(dates(range), None, &answer.figures)]).collect()
}

fn row(dates: [String; 2], id: Option<&str>, figures: &Figures) -> Vec<String> {
    let numbers = [figures.total_users, figures.active_users, figures.total_sessions].map(|n| n.to_string());
    dates.into_iter().chain(id.map(neutral)).chain(numbers).collect()
}

/// An id that a spreadsheet would run as a formula gets a leading apostrophe, which it shows as text.
fn neutral(id: &str) -> String {
    match id.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        true => format!("'{id}"),
        false => id.to_string(),
    }
}

fn write(rows: impl Iterator<Item = Vec<String>>) -> Result<String> {
    let failed = |e: &dyn std::error::Error| Error::internal(format!("cannot write CSV: {e}"));
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    for row in rows {
        writer.write_record(&row).map_err(|e| failed(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(&e))?;
    String::from_utf8(bytes).map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::report::answer::decode;
    use crate::cli::report::tests::{january, report};

    const FIGURES: &str = r#""total_users":1148,"active_users":97,"total_sessions":642"#;

    fn shown(line: &str, body: &str) -> String {
        csv(january(), &report(line), &decode(body.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_summary_is_one_row_with_plain_numbers() {
        let expected = "start_date,end_date,total_users,active_users,total_sessions\r\n\
                        2025-01-01,2025-01-31,1148,97,642\r\n";
        assert_eq!(shown("--csv", &format!("{{{FIGURES}}}")), expected);
    }

    #[test]
    fn the_range_before_stands_before_with_its_own_dates() {
        let body = format!(r#"{{{FIGURES},"previous":{{{FIGURES}}}}}"#);
        let shown = shown("--csv --compare", &body);
        assert_eq!(shown.lines().nth(1), Some("2024-12-01,2024-12-31,1148,97,642"));
        assert_eq!(shown.lines().count(), 3);
    }

    #[test]
    fn groups_have_their_id_and_no_id_runs_as_a_formula() {
        let ids = [r#""a,b""#, r#""=1+1""#, "null"].map(|id| format!(r#"{{"team_id":{id},{FIGURES}}}"#));
        let shown = shown("--csv --group-by team", &format!(r#"{{{FIGURES},"groups":[{}]}}"#, ids.join(",")));
        let expected = "start_date,end_date,team_id,total_users,active_users,total_sessions\r\n\
                        2025-01-01,2025-01-31,\"a,b\",1148,97,642\r\n\
                        2025-01-01,2025-01-31,'=1+1,1148,97,642\r\n\
                        2025-01-01,2025-01-31,,1148,97,642\r\n";
        assert_eq!(shown, expected);
    }
}
