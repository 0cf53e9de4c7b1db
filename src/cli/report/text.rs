//! A report for people.

use super::answer::{Answer, Figures, GroupEntry, Period};
use super::table::{Align, grouped, table};
use super::{GroupName, Report};
use crate::model::DateRange;

const FIGURES: [(&str, Align); 3] =
    [("total users", Align::Right), ("active users", Align::Right), ("sessions", Align::Right)];

/// A heading that says what is counted, the figures, then what else was asked for.
pub fn text(range: DateRange, arguments: &Report, answer: &Answer) -> String {
    let mut parts = vec![heading(range, arguments)];
    parts.push(match &answer.previous {
        Some(previous) => comparison(&answer.figures, previous),
        None => summary(&answer.figures),
    });
    parts.extend(answer.series.as_deref().map(series));
    if let (Some(by), Some(groups)) = (arguments.group_by, &answer.groups) {
        parts.push(by_group(by, groups));
    }
    parts.join("\n")
}

fn heading(range: DateRange, arguments: &Report) -> String {
    let days = if range.days() == 1 { "1 day".to_string() } else { format!("{} days", grouped(range.days().into())) };
    let mut heading = format!("{} to {}, {days}", range.start(), range.end());
    let filters = [("user", &arguments.user), ("team", &arguments.team), ("service", &arguments.service)];
    for (name, id) in filters {
        if let Some(id) = id {
            heading.push_str(&format!(", {name} {id}"));
        }
    }
    heading + "\n"
}

fn summary(figures: &Figures) -> String {
    let numbers = numbers(figures);
    let width = numbers.iter().map(String::len).max().unwrap_or(0);
    let lines = FIGURES.iter().zip(numbers);
    lines.map(|((name, _), number)| format!("{name:<12}  {number:>width$}\n")).collect()
}

fn comparison(now: &Figures, before: &Figures) -> String {
    let columns = [("", Align::Left), ("now", Align::Right), ("before", Align::Right), ("change", Align::Right)];
    let changes = [
        change(now.total_users, before.total_users),
        change(now.active_users, before.active_users),
        change(now.total_sessions, before.total_sessions),
    ];
    let numbers = numbers(now).into_iter().zip(numbers(before)).zip(changes);
    let rows = FIGURES.iter().zip(numbers);
    let rows: Vec<_> =
        rows.map(|((name, _), ((now, before), change))| vec![name.to_string(), now, before, change]).collect();
    table(&columns, &rows)
}

/// In percent; there is none from nothing.
fn change(now: u64, before: u64) -> String {
    match before {
        0 => "-".into(),
        _ => format!("{:+.1} %", (now as f64 - before as f64) / before as f64 * 100.0),
    }
}

fn series(periods: &[Period]) -> String {
    let columns = [("start", Align::Left), ("end", Align::Left)].into_iter().chain(FIGURES).collect::<Vec<_>>();
    let row = |period: &Period| {
        let dates = [period.start_date.clone(), period.end_date.clone()];
        dates.into_iter().chain(numbers(&period.figures)).collect()
    };
    table(&columns, &periods.iter().map(row).collect::<Vec<_>>())
}

fn by_group(by: GroupName, groups: &[GroupEntry]) -> String {
    let name = match by {
        GroupName::Team => "team",
        GroupName::Service => "service",
        GroupName::User => "user",
    };
    let columns = [(name, Align::Left)].into_iter().chain(FIGURES).collect::<Vec<_>>();
    let row = |group: &GroupEntry| {
        let id = group.key.id().unwrap_or("(none)").to_string();
        [id].into_iter().chain(numbers(&group.figures)).collect()
    };
    table(&columns, &groups.iter().map(row).collect::<Vec<_>>())
}

/// In the order of [`FIGURES`].
fn numbers(figures: &Figures) -> [String; 3] {
    [figures.total_users, figures.active_users, figures.total_sessions].map(grouped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::report::answer::decode;
    use crate::cli::report::tests::{january, report};

    const FIGURES: &str = r#""total_users":1148,"active_users":97,"total_sessions":642"#;

    fn shown(line: &str, body: &str) -> String {
        text(january(), &report(line), &decode(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_summary_is_three_lines_under_a_heading() {
        let expected = "2025-01-01 to 2025-01-31, 31 days, team design, service web\n\n\
                        total users   1,148\nactive users     97\nsessions        642\n";
        assert_eq!(shown("--team design --service web", &format!("{{{FIGURES}}}")), expected);
    }

    #[test]
    fn a_comparison_tells_the_change_in_percent() {
        let previous = r#""previous":{"total_users":1000,"active_users":100,"total_sessions":0}"#;
        let expected = "2025-01-01 to 2025-01-31, 31 days\n\n                now  before   change\n\
                        total users   1,148   1,000  +14.8 %\nactive users     97     100   -3.0 %\n\
                        sessions        642       0        -\n";
        assert_eq!(shown("--compare", &format!("{{{FIGURES},{previous}}}")), expected);
    }

    #[test]
    fn periods_and_groups_stand_in_tables() {
        let series = format!(r#""series":[{{"start_date":"2025-01-01","end_date":"2025-01-05",{FIGURES}}}]"#);
        let groups = format!(r#""groups":[{{"user_id":"u-1",{FIGURES}}},{{"user_id":null,{FIGURES}}}]"#);
        let expected = "2025-01-01 to 2025-01-31, 31 days\n\n\
                        total users   1,148\nactive users     97\nsessions        642\n\n\
                        start       end         total users  active users  sessions\n\
                        2025-01-01  2025-01-05        1,148            97       642\n\n\
                        user    total users  active users  sessions\n\
                        u-1           1,148            97       642\n\
                        (none)        1,148            97       642\n";
        let body = format!("{{{FIGURES},{series},{groups}}}");
        assert_eq!(shown("--interval week --group-by user", &body), expected);
    }
}
