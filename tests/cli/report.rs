use crate::support::{Ended, Place};

const USAGE: &str = "\
user_id,timestamp,team_id
u-1,2025-01-10T10:00:00Z,design
u-1,2025-01-20T10:00:00Z,design
u-2,2025-01-20T10:00:00Z,=sum(A1)
u-3,2025-02-01T10:00:00Z,
";
const JANUARY: [&str; 5] = ["report", "--start", "2025-01-01", "--end", "2025-01-31"];

fn place() -> Place {
    let place = Place::new();
    let file = place.file("usage.csv", USAGE);
    place.run(&["import", "usage", &file]).ok();
    place
}

fn january(place: &Place, arguments: &[&str]) -> String {
    place.run(&[&JANUARY, arguments].concat()).ok()
}

#[test]
fn a_summary_is_a_table_for_people() {
    let expected = "2025-01-01 to 2025-01-31, 31 days\n\ntotal users   2\nactive users  2\nsessions      3\n";
    assert_eq!(january(&place(), &[]), expected);
}

#[test]
fn a_report_is_the_same_with_a_server_as_without() {
    let place = place();
    let ask = ["--interval", "week", "--group-by", "team", "--compare"];
    let without = january(&place, &ask);
    let _server = place.serve();
    assert_eq!(january(&place, &ask), without);
    assert!(without.contains("2025-01-20  2025-01-26"), "{without}");
}

#[test]
fn groups_are_listed_and_limited() {
    let place = place();
    let table = january(&place, &["--group-by", "team"]);
    let rows: Vec<&str> = table.lines().skip(6).collect();
    assert_eq!(
        rows,
        [
            "team      total users  active users  sessions",
            "design              1             1         2",
            "=sum(A1)            1             1         1",
        ]
    );
    assert_eq!(january(&place, &["--group-by", "team", "--limit", "1"]).lines().count(), 8);
}

#[test]
fn json_is_what_the_api_answers() {
    let place = place();
    let text = january(&place, &["--json", "--compare"]);
    assert_eq!(
        text,
        "{\"total_users\":2,\"active_users\":2,\"total_sessions\":3,\
         \"previous\":{\"total_users\":0,\"active_users\":0,\"total_sessions\":0}}\n"
    );
}

#[test]
fn csv_is_safe_to_open_in_a_spreadsheet() {
    let expected = "start_date,end_date,team_id,total_users,active_users,total_sessions\r\n\
                    2025-01-01,2025-01-31,design,1,1,2\r\n2025-01-01,2025-01-31,'=sum(A1),1,1,1\r\n";
    assert_eq!(january(&place(), &["--csv", "--group-by", "team"]), expected);
}

#[test]
fn filters_and_ranges_reach_the_answer() {
    let place = place();
    assert!(january(&place, &["--user", "u-1"]).contains("sessions      2"));
    assert!(january(&place, &["--team", "=sum(A1)"]).contains("sessions      1"));
    // Nothing has happened lately.
    let lately = place.run(&["report", "--range", "last-month", "--json"]).json();
    assert_eq!((&lately["total_users"], &lately["active_users"]), (&3.into(), &0.into()));
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let place = place();
    let cases: [(&[&str], &str); 4] = [
        (&["report", "--start", "2025-02-01", "--end", "2025-01-31"], "lies after"),
        (&["report", "--start", "2025-02-30", "--end", "2025-03-01"], "YYYY-MM-DD"),
        (&["report", "--range", "sometimes"], "last-month"),
        (&["report", "--csv", "--compare", "--interval", "day"], "one table"),
    ];
    for (arguments, hint) in cases {
        let Ended { code, stdout, stderr } = place.run(arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(stderr.starts_with("error: ") && stderr.contains(hint), "{stderr}");
    }
}

#[test]
fn a_reader_that_goes_early_is_no_error() {
    let place = place();
    let mut command = place.command();
    command.args(["report", "--interval", "day", "--start", "2015-01-01", "--end", "2025-01-31", "--database"]);
    command.arg(place.database()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}
