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
/// Labels below a line that can be read without turning one's head.
const LABELS_MAX: u32 = 14;

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
    let by = match interval {
        Interval::Day => "day",
        Interval::Week => "week",
        Interval::Month => "month",
    };
    let is_marked = points <= MARKED_POINTS_MAX;
    add_series(&mut chart, source, 0, ACTIVE_USERS, 3, is_marked);
    add_series(&mut chart, source, 0, SESSIONS, 4, is_marked);
    set_up(&mut chart, &format!("Active users and sessions by {by}, {start} to {end}"));
    label_periods(chart.x_axis(), interval, start, end);
    chart.y_axis().set_name("Users, sessions").set_num_format("#,##0").set_min(0);
    chart
}

fn label_periods(axis: &mut ChartAxis, interval: Interval, start: Day, end: Day) {
    let days = end.index() - start.index();
    let in_months = interval == Interval::Month || days >= MONTHS_FROM_DAYS;
    axis.set_name("Start of the period (UTC)").set_num_format(if in_months { "mmm yyyy" } else { "d mmm" });
    // Weeks begin on days that an even step from the first one would miss; and a single day has no step.
    let by_step = interval != Interval::Week && days > 0 && day_serial(start).is_some();
    if by_step {
        let (unit, units) = match in_months {
            true => (ChartAxisDateUnitType::Months, days / MONTH_DAYS),
            false => (ChartAxisDateUnitType::Days, days),
        };
        // Without a step of ours, LibreOffice names a month as often as there is room.
        axis.set_date_axis(true)
            .set_major_unit_date_type(unit)
            .set_major_unit(f64::from(units.div_ceil(LABELS_MAX).max(1)));
    } else {
        axis.set_text_axis(true);
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
