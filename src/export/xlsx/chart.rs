//! Native charts of usage.

use std::ops::Range;

use rust_xlsxwriter::{
    Chart, ChartAxis, ChartAxisCrossing, ChartAxisDateUnitType, ChartFont, ChartFormat, ChartLegendPosition, ChartLine,
    ChartMarker, ChartMarkerType, ChartSolidFill, ChartType, Color,
};

use super::cells::day_serial;
use crate::model::{Day, GroupBy, Interval};

/// Groups in a bar chart.
pub const GROUPS_MAX: u64 = 20;
/// Points of a line chart beyond which it shows only the time in which there was something.
pub const POINTS_MAX: u64 = 5_000;
/// Rows drawn at most.
pub const ROWS_MAX: u64 = 32_000;
/// Points of a line that bear marks.
const MARKED_POINTS_MAX: u32 = 45;
/// Days from which labels name months instead of days.
const MONTHS_FROM_DAYS: u32 = 100;

const MONTH_DAYS: u32 = 30;
/// Labels below a line that can be read without turning one's head: of days, and of months with their year.
const DAY_LABELS_MAX: u32 = 14;
const MONTH_LABELS_MAX: u32 = 12;
/// Months from one label to the next: years are divided evenly.
const MONTH_STEPS: [u32; 6] = [1, 2, 3, 6, 12, 24];
/// Weeks that always lead into another month, even where the first one is cut to a day.
const WEEKS_PER_MONTH: u32 = 6;

/// What is drawn, and in which colour.
#[derive(Clone, Copy)]
struct Measure {
    name: &'static str,
    color: Color,
}

const ACTIVE_USERS: Measure = Measure { name: "Active users", color: Color::RGB(0x1F6FB5) };
const SESSIONS: Measure = Measure { name: "Sessions", color: Color::RGB(0xE08A1E) };
const GRID_COLOR: Color = Color::RGB(0xE3E7EC);

/// Rows of a data sheet (the header is row 0) that are to be drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    pub sheet: String,
    pub rows: Range<u32>,
}

/// `start`, `end`: days of the first and the last row.
pub fn of_periods(source: &Source, interval: Interval, start: Day, end: Day) -> Chart {
    let points = source.rows.len() as u32;
    // A single point makes no line.
    let mut chart = Chart::new(if points == 1 { ChartType::Column } else { ChartType::Line });
    let by = interval.as_str();
    let is_marked = points <= MARKED_POINTS_MAX;
    add_series(&mut chart, source, 0, ACTIVE_USERS, 3, is_marked);
    add_series(&mut chart, source, 0, SESSIONS, 4, is_marked);
    set_up(&mut chart, &format!("Active users and sessions by {by}, {start} to {end}"));
    label_periods(chart.x_axis(), labels(interval, start, end, points));
    chart.y_axis().set_name("Users, sessions").set_num_format("#,##0").set_min(0);
    chart
}

/// What stands below a line: months, or days; and after how much of what the next label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Labels {
    Days(u32),
    Months(u32),
    /// In rows, as they say when they begin.
    RowsByDay(u32),
    RowsByMonth(u32),
}

/// `rows`: from the one that begins at `start` to the one that ends at `end`.
fn labels(interval: Interval, start: Day, end: Day, rows: u32) -> Labels {
    let days = end.index() - start.index();
    let has_dates = day_serial(start).is_some();
    match interval {
        // Weeks begin on days that an even step from the first one would miss.
        Interval::Week if rows > DAY_LABELS_MAX * (WEEKS_PER_MONTH - 1) => {
            Labels::RowsByMonth(rows.div_ceil(MONTH_LABELS_MAX))
        }
        Interval::Week => Labels::RowsByDay(rows.div_ceil(DAY_LABELS_MAX)),
        // A single row has no step, and texts have none in days.
        _ if rows == 1 || !has_dates => match interval {
            Interval::Month => Labels::RowsByMonth(rows.div_ceil(MONTH_LABELS_MAX)),
            _ => Labels::RowsByDay(rows.div_ceil(MONTH_LABELS_MAX)),
        },
        Interval::Month => Labels::Months(month_step(rows)),
        Interval::Day if days >= MONTHS_FROM_DAYS => Labels::Months(month_step(days / MONTH_DAYS)),
        Interval::Day => Labels::Days(days.div_ceil(DAY_LABELS_MAX)),
    }
}

fn month_step(months: u32) -> u32 {
    let least = months.div_ceil(MONTH_LABELS_MAX);
    let coarsest = MONTH_STEPS[MONTH_STEPS.len() - 1];
    MONTH_STEPS.into_iter().find(|step| *step >= least).unwrap_or(least.next_multiple_of(coarsest))
}

fn label_periods(axis: &mut ChartAxis, labels: Labels) {
    let by_month = matches!(labels, Labels::Months(_) | Labels::RowsByMonth(_));
    axis.set_name("Start of the period (UTC)").set_num_format(if by_month { "mmm yyyy" } else { "d mmm" });
    let mut by_date = |unit, units| {
        // Without a step of ours, LibreOffice names a month as often as there is room.
        axis.set_date_axis(true).set_major_unit_date_type(unit).set_major_unit(f64::from(units));
    };
    match labels {
        Labels::Days(days) => by_date(ChartAxisDateUnitType::Days, days),
        Labels::Months(months) => by_date(ChartAxisDateUnitType::Months, months),
        Labels::RowsByDay(rows) | Labels::RowsByMonth(rows) => {
            let rows = u16::try_from(rows).unwrap_or(u16::MAX);
            axis.set_text_axis(true).set_label_interval(rows).set_tick_interval(rows);
        }
    }
}

/// The first groups of the order, the first on top.
pub fn of_groups(source: &Source, by: GroupBy, groups: u64) -> Chart {
    let mut chart = Chart::new(ChartType::Bar);
    let (one, many) = match by {
        GroupBy::Team => ("Team", "teams"),
        GroupBy::Service => ("Service", "services"),
        GroupBy::User => ("User", "users"),
    };
    // One user is one active user.
    let shows_active = by != GroupBy::User;
    if shows_active {
        add_series(&mut chart, source, 2, ACTIVE_USERS, 4, false);
    }
    add_series(&mut chart, source, 2, SESSIONS, 5, false);
    let measures = if shows_active { "Active users and sessions" } else { "Sessions" };
    let shown = source.rows.len() as u64;
    let which = if groups > shown { format!("the first {shown} of {groups} {many}") } else { format!("all {many}") };
    set_up(&mut chart, &format!("{measures}: {which}"));
    // Bars lie: the axis of names is the upright one. The largest comes first, and figures stay at the bottom.
    let names = chart.y_axis().set_name(one).set_reverse().set_crossing(ChartAxisCrossing::Max);
    names.set_major_gridlines(false).set_label_interval(1).set_font(ChartFont::new().set_size(8));
    let figures = chart.x_axis().set_num_format("#,##0").set_min(0);
    figures.set_name(if shows_active { "Users, sessions" } else { "Sessions" });
    figures.set_major_gridlines(true).set_major_gridlines_line(ChartLine::new().set_color(GRID_COLOR));
    chart
}

/// `categories`, `values`: columns.
fn add_series(chart: &mut Chart, source: &Source, categories: u16, measure: Measure, values: u16, is_marked: bool) {
    let (sheet, first, last) = (source.sheet.as_str(), source.rows.start, source.rows.end - 1);
    let fill = ChartSolidFill::new().set_color(measure.color).clone();
    let line = ChartLine::new().set_color(measure.color).set_width(2.25).clone();
    let mut marker = ChartMarker::new();
    if is_marked {
        marker.set_type(ChartMarkerType::Circle).set_size(5).set_format(ChartFormat::new().set_solid_fill(&fill));
    } else {
        marker.set_none();
    }
    let series = chart.add_series();
    series.set_name(measure.name).set_marker(&marker);
    series.set_format(ChartFormat::new().set_line(&line).set_solid_fill(&fill));
    series.set_categories((sheet, first, categories, last, categories));
    series.set_values((sheet, first, values, last, values));
}

fn set_up(chart: &mut Chart, title: &str) {
    chart.title().set_name(title).set_font(ChartFont::new().set_bold().set_size(12));
    chart.legend().set_position(ChartLegendPosition::Top);
    chart.y_axis().set_major_gridlines(true).set_major_gridlines_line(ChartLine::new().set_color(GRID_COLOR));
    chart.set_alt_text(title);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DateRange;

    fn labelled(interval: Interval, start: &str, end: &str) -> Labels {
        let range = DateRange::new(Day::parse(start).unwrap(), Day::parse(end).unwrap()).unwrap();
        labels(interval, range.start(), range.end(), range.periods(interval).count() as u32)
    }

    #[test]
    fn labels_are_few_enough_to_lie_side_by_side() {
        let cases = [
            (Interval::Day, "2024-03-05", "2024-03-05", Labels::RowsByDay(1)),
            (Interval::Day, "2024-03-05", "2024-03-11", Labels::Days(1)),
            (Interval::Day, "2024-03-01", "2024-03-31", Labels::Days(3)),
            (Interval::Day, "2024-01-01", "2024-05-30", Labels::Months(1)),
            (Interval::Day, "2023-01-01", "2024-12-31", Labels::Months(2)),
            (Interval::Day, "2023-01-01", "2025-03-31", Labels::Months(3)),
            (Interval::Day, "1850-01-01", "1850-01-31", Labels::RowsByDay(3)),
            (Interval::Week, "2024-03-01", "2024-03-31", Labels::RowsByDay(1)),
            (Interval::Week, "2024-01-10", "2024-06-30", Labels::RowsByDay(2)),
            (Interval::Week, "2023-01-01", "2024-12-31", Labels::RowsByMonth(9)),
            (Interval::Month, "2024-01-10", "2024-01-30", Labels::RowsByMonth(1)),
            (Interval::Month, "2024-01-01", "2024-12-31", Labels::Months(1)),
            (Interval::Month, "2023-12-01", "2025-01-31", Labels::Months(2)),
            (Interval::Month, "2021-01-01", "2025-12-31", Labels::Months(6)),
            (Interval::Month, "1900-03-01", "1999-12-31", Labels::Months(120)),
        ];
        for (interval, start, end, expected) in cases {
            assert_eq!(labelled(interval, start, end), expected, "{interval:?} from {start} to {end}");
        }
    }

    #[test]
    fn no_month_is_named_twice_below_weeks() {
        let start = Day::parse("2022-01-01").unwrap();
        for (first, weeks) in (0..370).flat_map(|first| [60, 71, 84, 85, 120, 500].map(|weeks| (first, weeks))) {
            let day = |n: u32| Day::from_index(start.index() + n).unwrap();
            let range = DateRange::new(day(first), day(first + weeks * 7)).unwrap();
            let begins: Vec<Day> = range.periods(Interval::Week).map(|week| week.start()).collect();
            if let Labels::RowsByMonth(step) = labels(Interval::Week, range.start(), range.end(), begins.len() as u32) {
                let mut months: Vec<String> =
                    begins.iter().step_by(step as usize).map(|day| day.to_string()[..7].to_string()).collect();
                let named = months.len();
                months.dedup();
                assert_eq!(months.len(), named, "{range:?}");
            }
        }
    }
}
