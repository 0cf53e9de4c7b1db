//! `report`: a usage summary for the terminal, for scripts (JSON) and for spreadsheets (CSV).

mod answer;
mod csv;
mod range;
mod table;
mod text;

use clap::ValueEnum;

pub use self::range::{NamedRange, from_to};
pub use self::table::{Align, grouped, table};

use self::answer::{Answer, GroupEntry};
use super::arguments::{Global, Report};
use super::output::{Failure, Outcome, print, print_json};
use crate::app::{Access, Admin};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::http::percent_encode;
use crate::model::{DateRange, Id, Timestamp};

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum IntervalName {
    Day,
    Week,
    Month,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum GroupName {
    Team,
    Service,
    User,
}

/// The most that one answer of the API holds.
const GROUPS_PER_PAGE: u64 = 1_000;
/// While a server takes events in, pages may be of different states: so often all are asked for anew.
const WHOLE_TRIES: u32 = 10;

pub fn run(global: Global, arguments: &Report) -> Outcome {
    let clock = Clock::system();
    let range = range_of(arguments, &clock)?;
    let tables = [arguments.interval.is_some(), arguments.group_by.is_some(), arguments.compare];
    if arguments.csv && tables.iter().filter(|wanted| **wanted).count() > 1 {
        let message = "--csv writes one table: choose one of --interval, --group-by and --compare";
        return Err(Failure::Usage(message.into()));
    }
    let settings = super::settings(global, vec![])?;
    super::block_on(async {
        let admin = Admin::open(&settings, Access::Existing, clock).await?;
        let answer = ask(&admin, range, arguments).await;
        admin.close().await;
        let answer = answer?;
        match (arguments.json, arguments.csv) {
            (true, _) => print_json(&answer),
            (_, true) => print(&csv::csv(range, arguments, &answer)?),
            _ => print(&text::text(range, arguments, &answer)),
        }
    })
}

fn range_of(arguments: &Report, clock: &Clock) -> Outcome<DateRange> {
    if let Some(range) = range::from_to(arguments.start, arguments.end)? {
        return Ok(range);
    }
    let now = Timestamp::from_unix_micros(clock.unix_micros());
    let range = now.and_then(|now| arguments.range.unwrap_or(NamedRange::Last30Days).on(now.day()));
    range.ok_or_else(|| {
        Error::internal("this machine's clock stands outside the calendar; give --start and --end").into()
    })
}

/// The whole answer; groups come in as many pages as there are, up to `--limit`.
async fn ask(admin: &Admin, range: DateRange, arguments: &Report) -> Result<Answer> {
    let path = path_of(range, arguments);
    if arguments.group_by.is_none() {
        return answer::decode(&admin.send("GET", &path, "").await?.body);
    }
    for _ in 0..WHOLE_TRIES {
        if let Some(whole) = ask_whole(admin, &path, arguments.limit.unwrap_or(u64::MAX)).await? {
            return Ok(whole);
        }
    }
    Err(Error::new(
        Kind::Busy { retry_after_s: 1 },
        "the figures change faster than all groups can be read; use --limit",
    ))
}

/// None if the figures changed between two pages: parts of different answers make no whole.
async fn ask_whole(admin: &Admin, path: &str, groups_max: u64) -> Result<Option<Answer>> {
    let per_page = groups_max.min(GROUPS_PER_PAGE);
    let first = admin.send("GET", &format!("{path}&limit={per_page}&page=1"), "").await?;
    let mut whole = answer::decode(&first.body)?;
    let pages = whole.total_pages.unwrap_or(0).min(groups_max.div_ceil(per_page));
    let groups: &mut Vec<GroupEntry> = whole.groups.get_or_insert_default();
    for page in 2..=pages {
        let next = admin.send("GET", &format!("{path}&limit={per_page}&page={page}"), "").await?;
        if next.etag != first.etag {
            return Ok(None);
        }
        groups.extend(answer::decode(&next.body)?.groups.unwrap_or_default());
    }
    groups.truncate(groups_max.try_into().unwrap_or(usize::MAX));
    // What is given is one list: the pages it came in are nobody's concern.
    (whole.page, whole.total_pages) = (None, None);
    Ok(Some(whole))
}

fn path_of(range: DateRange, arguments: &Report) -> String {
    let mut path = format!("/reports/usage-summary?start_date={}&end_date={}", range.start(), range.end());
    let mut add = |name: &str, value: &str| path.push_str(&format!("&{name}={}", percent_encode(value)));
    let filters: [(&str, &Option<Id>); 3] =
        [("user_id", &arguments.user), ("team_id", &arguments.team), ("service", &arguments.service)];
    for (name, id) in filters {
        if let Some(id) = id {
            add(name, id.as_str());
        }
    }
    match arguments.interval {
        None => {}
        Some(IntervalName::Day) => add("interval", "day"),
        Some(IntervalName::Week) => add("interval", "week"),
        Some(IntervalName::Month) => add("interval", "month"),
    }
    match arguments.group_by {
        None => {}
        Some(GroupName::Team) => add("group_by", "team"),
        Some(GroupName::Service) => add("group_by", "service"),
        Some(GroupName::User) => add("group_by", "user"),
    }
    if arguments.compare {
        add("compare", "previous");
    }
    path
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::arguments::{Arguments, Command};
    use crate::model::Day;

    pub fn january() -> DateRange {
        let day = |text| Day::parse(text).unwrap();
        DateRange::new(day("2025-01-01"), day("2025-01-31")).unwrap()
    }

    pub fn report(line: &str) -> Report {
        let line = format!("analytics report {line}");
        match Arguments::parse_from(line.split_whitespace()).command {
            Some(Command::Report(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn filters_reach_the_api_whatever_they_hold() {
        let arguments = report("--start 2025-01-01 --end 2025-01-31 --team a/b&c=d+é --interval week --compare");
        let range = range_of(&arguments, &Clock::system()).unwrap();
        assert_eq!(
            path_of(range, &arguments),
            "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31&team_id=a%2Fb%26c%3Dd%2B%C3%A9\
             &interval=week&compare=previous"
        );
    }

    #[test]
    fn without_days_a_report_is_about_the_last_thirty() {
        let clock = Clock::manual(Timestamp::parse("2025-03-01T00:00:00Z").unwrap().unix_micros());
        let range = range_of(&report(""), &clock).unwrap();
        assert_eq!((range.start().to_string(), range.days()), ("2025-01-30".into(), 30));
    }

    #[test]
    fn a_reversed_range_is_a_usage_error() {
        let arguments = report("--start 2025-02-01 --end 2025-01-31");
        assert!(matches!(range_of(&arguments, &Clock::system()), Err(Failure::Usage(_))));
    }
}
