use tempfile::TempDir;
use tokio::runtime::Builder;

use super::*;
use crate::clock::Clock;
use crate::model::{Day, ExportFormat, ExportReport, ExportRequest, Id, Timestamp, UsageEvent, UsageFilter};
use crate::store::testing::settings;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn use_of(user: &str, time: &str, team: Option<&str>) -> UsageEvent {
    let at = Timestamp::parse(time).unwrap();
    UsageEvent { user_id: id(user), at, team_id: team.map(id), service: None, session_id: None }
}

/// A store in which two users of a team, one of them also without a team, were active.
fn store(directory: &TempDir) -> Store {
    let store = Store::open(&settings(directory), Clock::system()).unwrap();
    let events = vec![
        use_of("=a", "2025-01-03T10:00:00Z", Some("Ops, EU")),
        use_of("b", "2025-01-03T10:00:00Z", Some("Ops, EU")),
        use_of("b", "2025-02-20T10:00:00Z", None),
    ];
    let runtime = Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(store.record(events)).unwrap().is_empty());
    store
}

fn usage(rows: UsageRows) -> UsageExport {
    let range = DateRange::new(Day::parse("2025-01-01").unwrap(), Day::parse("2025-02-28").unwrap()).unwrap();
    UsageExport { range, filter: UsageFilter::default(), rows }
}

fn csv_of(store: &Store, directory: &TempDir, rows: UsageRows, options: CsvOptions) -> String {
    let file = directory.path().join("export");
    std::fs::write(&file, "").unwrap();
    let usage = usage(rows);
    let report = ExportReport::Usage(usage.clone());
    let assignment = Assignment {
        request: ExportRequest { report, format: ExportFormat::Csv(options) },
        log_seq: 0,
        made_for: "alice".into(),
        made_at: Timestamp::MIN,
        file: file.clone(),
        scratch: directory.path().into(),
        bytes_max: u64::MAX,
    };
    let watch = Watch::alone(1);
    let written = write_csv(store, &assignment, &usage, options, &watch).unwrap();
    assert_eq!(watch.progress(), (written.rows, Some(written.rows)));
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!((text.lines().count() as u64, text.len() as u64), (written.rows + 1, written.bytes));
    text
}

#[test]
fn each_period_is_a_line_with_the_figures_of_the_summary() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory);
    let text = csv_of(&store, &directory, UsageRows::Periods(Interval::Month), CsvOptions::default());
    let lines = [
        "start_date,end_date,total_users,active_users,total_sessions",
        "2025-01-01,2025-01-31,2,2,2",
        "2025-02-01,2025-02-28,2,1,1",
        "",
    ];
    assert_eq!(text, lines.join("\r\n"));
}

#[test]
fn each_group_is_a_line_in_the_order_of_the_endpoint_and_one_without_an_id_has_an_empty_cell() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory);
    let text = csv_of(&store, &directory, UsageRows::Groups(GroupBy::Team), CsvOptions::default());
    let lines = [
        "start_date,end_date,team_id,total_users,active_users,total_sessions",
        "2025-01-01,2025-02-28,\"Ops, EU\",2,2,2",
        "2025-01-01,2025-02-28,,1,1,1",
        "",
    ];
    assert_eq!(text, lines.join("\r\n"));
}

#[test]
fn an_id_that_a_spreadsheet_would_run_is_neutralised_unless_it_is_wanted_raw() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory);
    let by_user = UsageRows::Groups(GroupBy::User);
    let text = csv_of(&store, &directory, by_user, CsvOptions::default());
    assert!(text.ends_with(",b,1,1,2\r\n2025-01-01,2025-02-28,'=a,1,1,1\r\n"), "{text}");
    let raw = csv_of(&store, &directory, by_user, CsvOptions { raw: true, bom: true, gzip: false });
    assert!(raw.starts_with("\u{feff}start_date,") && raw.ends_with(",=a,1,1,1\r\n"), "{raw}");
}
