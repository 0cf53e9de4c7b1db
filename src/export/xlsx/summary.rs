//! The first sheet: what a reader in a hurry wants to know, and where it comes from.

use rust_xlsxwriter::{Chart, Color, Format, FormatAlign, FormatBorder, Worksheet};

use super::frame::{HEADER_COLOR, RULE_COLOR, XlsxResult};
use crate::model::Timestamp;

/// Dark, for titles and figures; and grey, for what explains them.
const INK: Color = Color::RGB(0x1F3A5F);
const GREY: Color = Color::RGB(0x5A6675);
/// As many columns carry the page, all of one width.
const COLUMNS: u16 = 4;
const COLUMN_WIDTH: f64 = 25.0;
/// What a row takes on the screen.
const ROW_PIXELS: u32 = 20;
/// What a column of that width takes on the screen.
const COLUMN_PIXELS: u32 = 180;
/// Characters in a line of a detail, with some room to spare, and what a line takes in points.
const LINE_CHARS: usize = 88;
const LINE_POINTS: usize = 15;

pub struct Summary {
    pub title: String,
    /// The range, as a reader would say it.
    pub subtitle: String,
    /// The figures that stand large on top, each with its name; at most as many as there are columns.
    pub figures: Vec<(&'static str, u64)>,
    pub drawing: Option<Drawing>,
    pub sections: Vec<Section>,
}

/// A chart, and how many rows it lies over.
pub struct Drawing {
    pub chart: Chart,
    pub rows: u32,
}

/// A table of names and texts.
pub struct Section {
    pub title: &'static str,
    pub lines: Vec<(&'static str, String)>,
}

pub fn write(sheet: &mut Worksheet, summary: Summary) -> XlsxResult<()> {
    set_up_page(sheet)?;
    write_title(sheet, &summary)?;
    write_figures(sheet, &summary.figures)?;
    let mut row = 6;
    if let Some(Drawing { mut chart, rows }) = summary.drawing {
        chart.set_width(COLUMN_PIXELS * u32::from(COLUMNS)).set_height(rows * ROW_PIXELS);
        sheet.insert_chart(row, 0, &chart)?;
        row += rows + 1;
    }
    for section in &summary.sections {
        row = write_section(sheet, row, section)? + 1;
    }
    sheet.set_print_area(0, 0, row.saturating_sub(2), COLUMNS - 1)?;
    Ok(())
}

/// An instant to the second, as a reader would say it.
pub fn instant(at: Timestamp) -> String {
    let seconds = at.micros_of_day() / 1_000_000;
    format!("{} {:02}:{:02}:{:02} UTC", at.day(), seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn set_up_page(sheet: &mut Worksheet) -> XlsxResult<()> {
    sheet.set_column_range_width(0, COLUMNS - 1, COLUMN_WIDTH)?;
    sheet.set_screen_gridlines(false);
    // A4, upright, on one page.
    sheet.set_paper_size(9).set_print_fit_to_pages(1, 1).set_print_center_horizontally(true);
    Ok(())
}

fn write_title(sheet: &mut Worksheet, summary: &Summary) -> XlsxResult<()> {
    let title = Format::new().set_bold().set_font_size(20).set_font_color(INK);
    let subtitle = Format::new().set_font_size(12).set_font_color(GREY);
    sheet.set_row_height(0, 30)?;
    sheet.write_string_with_format(0, 0, &summary.title, &title)?;
    sheet.write_string_with_format(1, 0, &summary.subtitle, &subtitle)?;
    Ok(())
}

/// A tile each.
fn write_figures(sheet: &mut Worksheet, figures: &[(&'static str, u64)]) -> XlsxResult<()> {
    let tile = Format::new().set_background_color(HEADER_COLOR).set_align(FormatAlign::Left).set_indent(1);
    let name = tile.clone().set_font_color(GREY).set_align(FormatAlign::Bottom);
    let figure = tile.set_bold().set_font_size(20).set_font_color(INK).set_num_format("#,##0");
    let rule = |format: Format| format.set_border_right(FormatBorder::Thick).set_border_right_color(Color::White);
    let (name, figure) = (rule(name), rule(figure));
    sheet.set_row_height(3, 22)?;
    sheet.set_row_height(4, 34)?;
    for (column, (text, count)) in (0..COLUMNS).zip(figures) {
        sheet.write_string_with_format(3, column, *text, &name)?;
        sheet.write_number_with_format(4, column, *count as f64, &figure)?;
    }
    Ok(())
}

/// Gives the first row behind.
fn write_section(sheet: &mut Worksheet, start: u32, section: &Section) -> XlsxResult<u32> {
    let title = Format::new()
        .set_bold()
        .set_font_size(12)
        .set_font_color(INK)
        .set_border_bottom(FormatBorder::Thin)
        .set_border_bottom_color(RULE_COLOR);
    let top = Format::new().set_align(FormatAlign::Top);
    let name = top.clone().set_font_color(GREY);
    let text = top.set_text_wrap();
    sheet.merge_range(start, 0, start, COLUMNS - 1, section.title, &title)?;
    let mut row = start + 1;
    for (label, value) in &section.lines {
        let lines = value.chars().count().div_ceil(LINE_CHARS).max(1);
        sheet.set_row_height(row, (lines * LINE_POINTS) as f64)?;
        sheet.write_string_with_format(row, 0, *label, &name)?;
        sheet.merge_range(row, 1, row, COLUMNS - 1, value, &text)?;
        row += 1;
    }
    Ok(row)
}
