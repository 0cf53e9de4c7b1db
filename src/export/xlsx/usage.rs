//! Usage workbooks: a summary with a chart, and the rows.

use std::ops::Range;

use super::book::{Book, Limits};
use super::cells::{self, Style};
use super::chart::{self, Source};
use super::frame::{Column, DataSheet, Properties};
use super::summary::{self, Drawing, Section, Summary};
use crate::error::Result;
use crate::export::sink::Sink;
use crate::export::usage::{self, UsageReport, UsageRow};
use crate::export::{Assignment, Watch, Written};
use crate::model::{Figures, GroupBy, Interval, UsageExport, UsageRows};
use crate::store::Store;

const SHEET_NAME: &str = "Usage";
/// Rows that a chart lies over at least; and of one with bars those for its title and axes, beside one for each bar's name.
const CHART_ROWS: u32 = 18;
const ROWS_BESIDE_BARS: u32 = 8;

/// Errors as [`crate::export::write`].
pub fn write(store: &Store, assignment: &Assignment, usage: &UsageExport, watch: &Watch) -> Result<Written> {
    write_within(store, assignment, usage, watch, Limits::USUAL)
}

/// The same, with sheets of another size.
pub fn write_within(
    store: &Store,
    assignment: &Assignment,
    usage: &UsageExport,
    watch: &Watch,
    limits: Limits,
) -> Result<Written> {
    let mut report = usage::load(store, assignment, usage, watch)?;
    let sink = Sink::open(&assignment.file, false, assignment.bytes_max)?;
    let title = format!("Usage summary, {} to {}", usage.range.start(), usage.range.end());
    let properties = Properties { title, made_at: assignment.made_at };
    let mut book = Book::open(sink, properties, SHEET_NAME, columns(usage.rows), limits)?;
    let mut busy = Busy::default();
    let is_grouped = matches!(usage.rows, UsageRows::Groups(_));
    let mut line = vec![];
    usage::for_each_row(&mut report.rows, watch, |row| {
        line.clear();
        push_row(&mut line, row, is_grouped);
        book.write_rows(&line)?;
        busy.see(row, book.rows() - 1);
        Ok(())
    })?;
    let _turn = watch.turn()?;
    book.finish(|sheet, sheets| {
        let drawing = draw(usage, sheets, &busy);
        summary::write(sheet, contents(assignment, usage, &report, drawing))
    })
}

fn columns(rows: UsageRows) -> Vec<Column> {
    let column = |name: &str| {
        let (width, style) = match name {
            "start_date" | "end_date" => (13.0, Style::Date),
            "total_users" | "active_users" | "total_sessions" => (16.0, Style::Count),
            _ => (36.0, Style::Text),
        };
        Column { name: name.into(), width, style }
    };
    usage::columns(rows).into_iter().map(column).collect()
}

fn push_row(out: &mut Vec<u8>, row: &UsageRow, is_grouped: bool) {
    let Figures { total_users, active_users, total_sessions } = row.figures;
    cells::begin_row(out);
    cells::push_day(out, 0, row.range.start());
    cells::push_day(out, 1, row.range.end());
    if let Some(id) = &row.id {
        cells::push_text(out, 2, Style::Text, id.as_str());
    }
    let first = if is_grouped { 3 } else { 2 };
    for (column, figure) in (first..).zip([total_users, active_users, total_sessions]) {
        cells::push_count(out, column, figure);
    }
    cells::end_row(out);
}

/// The first and the last row with activity, counted from 0.
#[derive(Default)]
struct Busy(Option<(u64, u64)>);

impl Busy {
    fn see(&mut self, row: &UsageRow, index: u64) {
        if row.figures.active_users > 0 || row.figures.total_sessions > 0 {
            self.0 = Some((self.0.map_or(index, |(first, _)| first), index));
        }
    }
}

/// None where there is nothing to be drawn.
fn draw(usage: &UsageExport, sheets: &[DataSheet], busy: &Busy) -> Option<Drawing> {
    let rows = sheets.iter().map(|sheet| u64::from(sheet.rows)).sum::<u64>();
    match usage.rows {
        UsageRows::Groups(by) => {
            let (source, _) = source(sheets, 0..rows.min(chart::GROUPS_MAX))?;
            let height = CHART_ROWS.max(ROWS_BESIDE_BARS + source.rows.len() as u32);
            Some(Drawing { chart: chart::of_groups(&source, by, rows), rows: height })
        }
        UsageRows::Periods(interval) => {
            let shown = if rows <= chart::POINTS_MAX { Some((0, rows - 1)) } else { busy.0 };
            let (source, first) = source(sheets, shown.map(|(first, last)| first..last + 1)?)?;
            let mut periods = usage.range.periods(interval).skip(first as usize).take(source.rows.len());
            let start = periods.next()?;
            let end = periods.last().unwrap_or(start);
            let chart = chart::of_periods(&source, interval, start.start(), end.end());
            Some(Drawing { chart, rows: CHART_ROWS })
        }
    }
}

/// Where these rows lie, and the index of the first: of many rows the last, and only those of one sheet.
fn source(sheets: &[DataSheet], rows: Range<u64>) -> Option<(Source, u64)> {
    let mut sheet_start = 0;
    for sheet in sheets {
        let sheet_end = sheet_start + u64::from(sheet.rows);
        if (sheet_start + 1..=sheet_end).contains(&rows.end) {
            let first = rows.start.max(sheet_start).max(rows.end.saturating_sub(chart::ROWS_MAX));
            // The header is row 0.
            let row = |index: u64| (index - sheet_start) as u32 + 1;
            return Some((Source { sheet: sheet.name.clone(), rows: row(first)..row(rows.end) }, first));
        }
        sheet_start = sheet_end;
    }
    None
}

fn contents(assignment: &Assignment, usage: &UsageExport, report: &UsageReport, drawing: Option<Drawing>) -> Summary {
    let Figures { total_users, active_users, total_sessions } = report.totals;
    let range = format!("{} to {}", usage.range.start(), usage.range.end());
    Summary {
        title: "Usage summary".into(),
        figures: vec![("Total users", total_users), ("Active users", active_users), ("Sessions", total_sessions)],
        drawing,
        sections: vec![
            Section { title: "What this report covers", lines: coverage(usage, report.rows.len(), &range) },
            Section { title: "What the figures mean", lines: definitions() },
            Section { title: "Where it comes from", lines: origin(assignment, report) },
        ],
        subtitle: range,
    }
}

fn coverage(usage: &UsageExport, rows: u64, range: &str) -> Vec<(&'static str, String)> {
    let per = match usage.rows {
        UsageRows::Periods(Interval::Day) => "one per day",
        UsageRows::Periods(Interval::Week) => "one per week; a week starts on Monday",
        UsageRows::Periods(Interval::Month) => "one per month",
        UsageRows::Groups(GroupBy::Team) => {
            "one per team, by active users, then sessions; without a name: events of no team"
        }
        UsageRows::Groups(GroupBy::Service) => {
            "one per service, by active users, then sessions; without a name: events of no service"
        }
        UsageRows::Groups(GroupBy::User) => "one per user, by activity, then sessions",
    };
    let filter = &usage.filter;
    let filters = [("User", &filter.user_id), ("Team", &filter.team_id), ("Service", &filter.service)];
    let mut lines = vec![("Range", format!("{range}; both days are included, in UTC"))];
    lines.extend(filters.iter().filter_map(|(name, id)| Some((*name, format!("only {}", (*id).as_ref()?)))));
    if lines.len() == 1 {
        lines.push(("Filters", "none: all users, teams and services".into()));
    }
    let empty = if rows == 0 { "; nothing was used in this range" } else { "" };
    lines.push(("Rows", format!("{rows}, {per}{empty}")));
    lines
}

fn definitions() -> Vec<(&'static str, String)> {
    let lines = [
        (
            "Total users",
            "Users registered by the end of the range and not deactivated before its start, as far as the filters reach. \
             Whoever counts as active counts here, too.",
        ),
        ("Active users", "Different users with at least one event in the range that matches the filters."),
        (
            "Sessions",
            "Sessions that began in the range and hold a matching event. A session is what a user does under one session id \
             or, without one, with pauses of at most 30 minutes.",
        ),
        (
            "Sums",
            "Users of several rows do not add up to the totals: whoever was active on two days is one active user.",
        ),
    ];
    lines.into_iter().map(|(name, text)| (name, text.to_string())).collect()
}

fn origin(assignment: &Assignment, report: &UsageReport) -> Vec<(&'static str, String)> {
    let revision = &report.revision;
    vec![
        ("Data as of", format!("usage revision {} of database {}", revision.number, revision.database_id)),
        ("Made at", summary::instant(assignment.made_at)),
        ("Made for", assignment.made_for.clone()),
    ]
}
