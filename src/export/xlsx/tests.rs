use std::io::Read;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use zip::ZipArchive;

use super::book::Limits;
use super::{events, usage};
use crate::clock::Clock;
use crate::error::{Kind, Result};
use crate::export::{Assignment, Stop, Watch, Written};
use crate::model::{
    DateRange, Day, ExportFormat, ExportReport, ExportRequest, GroupBy, Id, Interval, LogFilter, Severity, SystemEvent,
    Timestamp, UsageEvent, UsageExport, UsageFilter, UsageRows,
};
use crate::store::Store;
use crate::store::testing::settings;

/// A database, and a file for the workbook.
struct Place {
    runtime: Runtime,
    store: Store,
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = TempDir::new().unwrap();
        let settings = crate::store::Settings { queue_items_max: 100_000, ..settings(&directory) };
        let store = Store::open(&settings, Clock::system()).unwrap();
        Place { runtime: Builder::new_current_thread().build().unwrap(), store, directory }
    }

    fn append(&self, events: &[SystemEvent]) {
        assert!(self.runtime.block_on(self.store.append(events.to_vec())).unwrap().is_empty());
    }

    fn record(&self, events: &[UsageEvent]) {
        assert!(self.runtime.block_on(self.store.record(events.to_vec())).unwrap().is_empty());
    }

    fn assignment(&self, report: ExportReport) -> Assignment {
        let file = self.directory.path().join("export");
        std::fs::write(&file, "").unwrap();
        Assignment {
            request: ExportRequest { report, format: ExportFormat::Xlsx },
            log_seq: i64::MAX,
            made_for: "alice".into(),
            made_at: Timestamp::parse("2025-02-01T06:00:00.5Z").unwrap(),
            file,
            scratch: self.directory.path().into(),
            bytes_max: u64::MAX,
        }
    }

    fn events(&self, filter: &LogFilter, limits: Limits) -> Result<Written> {
        let assignment = self.assignment(ExportReport::Events(filter.clone()));
        events::write_within(&self.store, &assignment, filter, &Watch::alone(2), limits)
    }

    fn usage(&self, usage: &UsageExport, limits: Limits) -> Result<Written> {
        let assignment = self.assignment(ExportReport::Usage(usage.clone()));
        usage::write_within(&self.store, &assignment, usage, &Watch::alone(2), limits)
    }

    fn book(&self) -> ZipArchive<std::fs::File> {
        ZipArchive::new(std::fs::File::open(self.directory.path().join("export")).unwrap()).unwrap()
    }

    /// How many data sheets there are.
    fn sheets(&self) -> usize {
        self.book().file_names().filter(|name| name.as_ref().unwrap().starts_with("xl/worksheets/sheet")).count() - 1
    }

    fn part(&self, name: &str) -> String {
        let mut xml = String::new();
        self.book().by_name(name).unwrap().read_to_string(&mut xml).unwrap();
        xml
    }

    /// The rows of a sheet, each cell as its text or its number.
    fn sheet(&self, number: usize) -> Vec<Vec<(String, String)>> {
        let xml = self.part(&format!("xl/worksheets/sheet{number}.xml"));
        let rows = xml.split("<row ").skip(1).enumerate();
        let read = |(at, row): (usize, &str)| {
            assert!(row.starts_with(&format!("r=\"{}\"", at + 1)), "{row}");
            row.split("<c r=\"").skip(1).map(|cell| read_cell(at + 1, cell)).collect()
        };
        rows.map(read).collect()
    }
}

/// The column, and what is in the cell.
fn read_cell(row: usize, xml: &str) -> (String, String) {
    let (name, rest) = xml.split_once('"').unwrap();
    let column = name.strip_suffix(&row.to_string()).unwrap().to_string();
    let (_, rest) = rest
        .split_once("<v>")
        .or_else(|| rest.split_once("<t>"))
        .unwrap_or_else(|| rest.split_once("<t xml:space=\"preserve\">").unwrap());
    let value = rest.split_once("</").unwrap().0.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    (column, value)
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn event(time: &str, severity: Severity, message: impl Into<String>) -> SystemEvent {
    SystemEvent { at: at(time), severity, service: None, message: message.into(), event_id: None, attributes: None }
}

fn use_of(user: &str, time: &str, team: Option<&str>) -> UsageEvent {
    UsageEvent { user_id: id(user), at: at(time), team_id: team.map(id), service: None, session_id: None }
}

fn january(rows: UsageRows) -> UsageExport {
    let range = DateRange::new(Day::parse("2025-01-01").unwrap(), Day::parse("2025-01-31").unwrap()).unwrap();
    UsageExport { range, filter: UsageFilter::default(), rows }
}

fn texts(row: &[(String, String)]) -> Vec<&str> {
    row.iter().map(|(_, value)| value.as_str()).collect()
}

#[test]
fn events_stand_in_their_cells_on_as_many_sheets_as_they_need() {
    let place = Place::new();
    let with = SystemEvent {
        service: Some(id("007")),
        attributes: Some("{\"a\":\"<b>\"}".into()),
        ..event("2025-01-01T12:00:00Z", Severity::Error, "=1+1")
    };
    place.append(&[
        event("1899-12-31T00:00:00Z", Severity::Info, "before spreadsheets"),
        with,
        event("2025-01-02T00:00:00Z", Severity::Info, " kept & _x000D_ \r\n"),
        event("9999-12-31T23:59:59.999Z", Severity::Warning, "last"),
    ]);
    let written = place.events(&LogFilter::default(), Limits { rows: 3, ..Limits::USUAL }).unwrap();
    assert_eq!(written.rows, 4);
    let (first, second) = (place.sheet(2), place.sheet(3));
    let header = ["timestamp", "severity", "service", "message", "attributes"];
    assert_eq!((first.len(), second.len(), texts(&first[0]), texts(&second[0])), (4, 2, header.into(), header.into()));
    assert_eq!(texts(&first[1]), ["1899-12-31T00:00:00Z", "info", "before spreadsheets"]);
    assert_eq!(texts(&first[2]), ["45658.5", "error", "007", "=1+1", "{\"a\":\"<b>\"}"]);
    assert_eq!(texts(&first[3]), ["45659", "info", " kept & _x005F_x000D_ _x000D_\n"]);
    assert_eq!(first[3][2].0, "D", "a cell that is empty moves no other");
    assert_eq!(texts(&second[1]), ["2958465.9999999884", "warning", "last"]);
    let workbook = place.part("xl/workbook.xml");
    assert!(workbook.contains("name=\"Events\"") && workbook.contains("name=\"Events 2\""), "{workbook}");
    assert!(place.part("xl/worksheets/sheet3.xml").contains("<autoFilter ref=\"A1:E2\"/>"));
}

#[test]
fn a_sheet_ends_with_the_row_by_which_it_is_large_enough() {
    let place = Place::new();
    let long = "x".repeat(60_000);
    place.append(
        &(1..=6).map(|n| event(&format!("2025-01-0{n}T00:00:00Z"), Severity::Info, &*long)).collect::<Vec<_>>(),
    );
    place.events(&LogFilter::default(), Limits { bytes: 150_000, ..Limits::USUAL }).unwrap();
    let rows: Vec<usize> = (2..).map_while(|n| (n < 2 + place.sheets()).then(|| place.sheet(n).len() - 1)).collect();
    assert!(rows.len() > 1 && rows.iter().all(|rows| *rows > 0), "{rows:?}");
    assert_eq!(rows.iter().sum::<usize>(), 6);
}

#[test]
fn a_message_too_long_for_a_cell_goes_on_in_columns_that_are_there_for_it_alone() {
    let place = Place::new();
    let long = "🦀é".repeat(11_000);
    let ascii = "y".repeat(65_536);
    place.append(&[
        event("2025-01-01T00:00:00Z", Severity::Info, &*long),
        event("2025-01-02T00:00:00Z", Severity::Info, "short"),
        event("2025-01-03T00:00:00Z", Severity::Info, &*ascii),
    ]);
    place.events(&LogFilter::default(), Limits::USUAL).unwrap();
    let rows = place.sheet(2);
    assert_eq!(texts(&rows[0])[4..], ["attributes", "message_2", "message_3"]);
    assert_eq!(texts(&rows[1])[2..].concat(), long);
    assert_eq!(rows[2].len(), 3);
    assert_eq!(texts(&rows[3])[2..].concat(), ascii);
    let columns: Vec<&str> = rows[3].iter().map(|(column, _)| column.as_str()).collect();
    assert_eq!(columns, ["A", "B", "D", "F", "G"]);

    let first = LogFilter { to: Some(at("2025-01-02T00:00:00Z")), ..LogFilter::default() };
    place.events(&first, Limits::USUAL).unwrap();
    assert_eq!(texts(&place.sheet(2)[0])[4..], ["attributes", "message_2"]);
}

#[test]
fn usage_rows_are_what_the_endpoint_says_and_the_summary_has_a_chart() {
    let place = Place::new();
    place.record(&[
        use_of("u1", "2025-01-03T10:00:00Z", Some("b")),
        use_of("u2", "2025-01-03T10:00:00Z", Some("a")),
        use_of("u2", "2025-01-20T10:00:00Z", None),
    ]);
    place.usage(&january(UsageRows::Periods(Interval::Week)), Limits { rows: 2, ..Limits::USUAL }).unwrap();
    assert_eq!(texts(&place.sheet(2)[1]), ["45658", "45662", "2", "2", "2"]);
    assert_eq!(texts(&place.sheet(4)[1]), ["45684", "45688", "2", "0", "0"]);
    assert!(place.part("xl/charts/chart1.xml").contains("Active users and sessions by week"));

    place.usage(&january(UsageRows::Groups(GroupBy::Team)), Limits::USUAL).unwrap();
    let rows = place.sheet(2);
    assert_eq!(texts(&rows[0]), ["start_date", "end_date", "team_id", "total_users", "active_users", "total_sessions"]);
    assert_eq!(texts(&rows[1]), ["45658", "45688", "a", "1", "1", "1"]);
    assert_eq!(texts(&rows[2]), ["45658", "45688", "b", "1", "1", "1"]);
    assert_eq!(texts(&rows[3]), ["45658", "45688", "1", "1", "1"]);
    assert!(place.part("docProps/core.xml").contains("2025-02-01T06:00:00Z"));
    let shown = place.part("xl/sharedStrings.xml");
    let expected = [
        "2025-01-01 to 2025-01-31",
        "alice",
        "2025-02-01 06:00:00 UTC",
        "none: all users, teams and services",
        "without a name: events of no team",
    ];
    for text in expected {
        assert!(shown.contains(text), "{text} in {shown}");
    }
}

#[test]
fn columns_are_printed_side_by_side_where_they_can_be_read_then() {
    let place = Place::new();
    place.usage(&january(UsageRows::Groups(GroupBy::Team)), Limits::USUAL).unwrap();
    let fits = |place: &Place| {
        let sheet = place.part("xl/worksheets/sheet2.xml");
        (sheet.contains("<pageSetUpPr fitToPage=\"1\"/>"), sheet.contains("fitToHeight=\"0\""))
    };
    assert_eq!(fits(&place), (true, true));
    place.append(&[event("2025-01-01T00:00:00Z", Severity::Info, "short")]);
    place.events(&LogFilter::default(), Limits::USUAL).unwrap();
    assert_eq!(fits(&place), (true, true));
    place.append(&[event("2025-01-01T00:00:00Z", Severity::Info, &*"x".repeat(65_536))]);
    place.events(&LogFilter::default(), Limits::USUAL).unwrap();
    assert_eq!(fits(&place), (false, false));
}

#[test]
fn every_bar_of_a_chart_has_a_row_for_its_name() {
    let place = Place::new();
    let rows_of_chart = |users: u32| {
        let names: Vec<String> = (0..users).map(|n| format!("u{n}")).collect();
        place.record(&names.iter().map(|name| use_of(name, "2025-01-03T10:00:00Z", None)).collect::<Vec<_>>());
        place.usage(&january(UsageRows::Groups(GroupBy::User)), Limits::USUAL).unwrap();
        let drawing = place.part("xl/drawings/drawing1.xml");
        let rows =
            drawing.split("<xdr:row>").skip(1).map(|rest| rest.split('<').next().unwrap().parse::<u32>().unwrap());
        let rows: Vec<u32> = rows.collect();
        rows[1] - rows[0]
    };
    assert_eq!([3, 10, 11, 20, 300].map(rows_of_chart), [18, 18, 19, 28, 28]);
}

#[test]
fn a_report_without_rows_is_a_workbook_with_headers() {
    let place = Place::new();
    for rows in [UsageRows::Groups(GroupBy::User), UsageRows::Groups(GroupBy::Service)] {
        assert_eq!(place.usage(&january(rows), Limits::USUAL).unwrap().rows, 0);
        assert_eq!((place.sheets(), place.sheet(2).len()), (1, 1));
    }
    assert_eq!(place.events(&LogFilter::default(), Limits::USUAL).unwrap().rows, 0);
    assert_eq!((place.sheets(), place.sheet(2).len()), (1, 1));
    assert!(place.part("xl/worksheets/sheet2.xml").contains("<autoFilter ref=\"A1:E1\"/>"));
}

#[test]
fn all_days_of_the_calendar_fit_and_the_chart_shows_when_there_was_something() {
    let place = Place::new();
    place.record(&[use_of("u1", "2025-01-03T10:00:00Z", None), use_of("u1", "2025-03-04T10:00:00Z", None)]);
    let range = DateRange::new(Day::MIN, Day::MAX).unwrap();
    let usage = UsageExport { range, ..january(UsageRows::Periods(Interval::Month)) };
    assert_eq!(place.usage(&usage, Limits::USUAL).unwrap().rows, 9_999 * 12);
    assert_eq!(texts(&place.sheet(2)[1])[0], "0001-01-01");
    let chart = place.part("xl/charts/chart1.xml");
    assert!(chart.contains("by month, 2025-01-01 to 2025-03-31"), "{chart}");
    assert!(chart.contains("<c:f>Usage!$D$24290:$D$24292</c:f>"), "{chart}");
}

#[test]
fn a_workbook_that_has_no_room_or_is_told_to_stop_is_given_up() {
    let place = Place::new();
    place.append(&[event("2025-01-01T00:00:00Z", Severity::Info, "x")]);
    let filter = LogFilter::default();
    let assignment = place.assignment(ExportReport::Events(filter.clone()));
    for bytes_max in [0, 100, 5_000] {
        let assignment = Assignment { bytes_max, ..assignment.clone() };
        let refused = super::write_events(&place.store, &assignment, &filter, &Watch::alone(1));
        assert_eq!(refused.unwrap_err().kind, Kind::TooLarge, "{bytes_max}");
    }
    let full = Assignment { file: "/dev/full".into(), ..assignment.clone() };
    let refused = super::write_events(&place.store, &full, &filter, &Watch::alone(1));
    assert_eq!(refused.unwrap_err().kind, Kind::StorageFull);
    let watch = Watch::alone(1);
    watch.stop(Stop::Taken);
    assert!(super::write_events(&place.store, &assignment, &filter, &watch).is_err());
    let usage = january(UsageRows::Periods(Interval::Day));
    assert!(super::write_usage(&place.store, &assignment, &usage, &watch).is_err());
}

#[test]
fn what_is_said_of_a_file_is_true_of_it() {
    use sha2::{Digest, Sha256};
    let place = Place::new();
    let written = place.usage(&january(UsageRows::Periods(Interval::Day)), Limits::USUAL).unwrap();
    let bytes = std::fs::read(place.directory.path().join("export")).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(written, Written { rows: 31, bytes: bytes.len() as u64, sha256 });
}
