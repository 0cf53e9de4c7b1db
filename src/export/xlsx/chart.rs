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

const ACTIVE_COLOR: Color = Color::RGB(0x1F6FB5);
const SESSIONS_COLOR: Color = Color::RGB(0xE08A1E);
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
    add_series(&mut chart, source, 0, 3, (points <= MARKED_POINTS_MAX).then_some(points));
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
        axis.set_date_axis(true);
        axis.set_major_unit_date_type(if in_months {
            ChartAxisDateUnitType::Months
        } else {
            ChartAxisDateUnitType::Days
        });
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
    add_series(&mut chart, source, 2, 4, None);
    let shown = source.rows.len() as u64;
    let which = if groups > shown { format!("the first {shown} of {groups} {many}") } else { format!("all {many}") };
    set_up(&mut chart, &format!("Active users and sessions: {which}"));
    // Bars lie: the axis of names is the upright one. The largest comes first, and figures stay at the bottom.
    chart.y_axis().set_name(one).set_reverse().set_crossing(ChartAxisCrossing::Max).set_major_gridlines(false);
    let figures = chart.x_axis().set_name("Users, sessions").set_num_format("#,##0").set_min(0);
    figures.set_major_gridlines(true).set_major_gridlines_line(ChartLine::new().set_color(GRID_COLOR));
    chart
}

/// Active users and, in the next column, sessions.
fn add_series(chart: &mut Chart, source: &Source, categories: u16, active: u16, marked: Option<u32>) {
    let (sheet, first, last) = (source.sheet.as_str(), source.rows.start, source.rows.end - 1);
    for (name, column, color) in [("Active users", active, ACTIVE_COLOR), ("Sessions", active + 1, SESSIONS_COLOR)] {
        let fill = ChartSolidFill::new().set_color(color).clone();
        let mut format = ChartFormat::new()
            .set_line(ChartLine::new().set_color(color).set_width(2.25))
            .set_solid_fill(&fill)
            .clone();
        let mut marker = ChartMarker::new();
        match marked {
            Some(_) => marker
                .set_type(ChartMarkerType::Circle)
                .set_size(5)
                .set_format(ChartFormat::new().set_solid_fill(&fill)),
            None => marker.set_none(),
        };
        let series = chart.add_series();
        series.set_name(name).set_format(&mut format).set_marker(&marker);
        series.set_categories((sheet, first, categories, last, categories));
        series.set_values((sheet, first, column, last, column));
    }
}

fn set_up(chart: &mut Chart, title: &str) {
    chart.title().set_name(title).set_font(ChartFont::new().set_bold().set_size(12));
    chart.legend().set_position(ChartLegendPosition::Top);
    chart.y_axis().set_major_gridlines(true).set_major_gridlines_line(ChartLine::new().set_color(GRID_COLOR));
    chart.set_alt_text(title);
}
