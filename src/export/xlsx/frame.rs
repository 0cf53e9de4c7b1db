//! All of a workbook but the rows of its data sheets: styles, the summary with its chart, heads and tails of sheets.
//!
//! It is made in memory, and rows flow past it straight into the file. The library could stream rows, too, but through a
//! file of its own, and where the disk is full it panics.

use std::io::{Cursor, Read};

use rust_xlsxwriter::{
    Color, DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, IgnoreError, Workbook, Worksheet, XlsxError,
};
use zip::ZipArchive;

use super::cells::{self, Style};
use crate::error::{Error, Result};
use crate::model::Timestamp;

/// What the library answers.
pub type XlsxResult<T> = std::result::Result<T, XlsxError>;

/// What a sheet holds at most, its header among them.
pub const SHEET_ROWS_MAX: u32 = 1_048_576;
/// A shade for headers, and for rules.
pub const HEADER_COLOR: Color = Color::RGB(0xDCE6F1);
pub const RULE_COLOR: Color = Color::RGB(0x9DB2CF);

/// Columns of so many characters in all are printed side by side; more would be too small to be read.
const PRINTED_WIDTH_MAX: f64 = 240.0;

/// A column of the data sheets.
#[derive(Clone, PartialEq, Debug)]
pub struct Column {
    pub name: String,
    /// In characters.
    pub width: f64,
    pub style: Style,
}

/// A data sheet, and how many rows it holds without its header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataSheet {
    pub name: String,
    pub rows: u32,
}

/// Name and content of one file of the package.
pub struct Part {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What the workbook says of itself.
#[derive(Clone, Debug)]
pub struct Properties {
    pub title: String,
    pub made_at: Timestamp,
}

/// The parts of a workbook with a summary and these data sheets, in order; data sheets have no rows.
pub fn parts(
    properties: &Properties,
    columns: &[Column],
    sheets: &[DataSheet],
    summary: impl FnOnce(&mut Worksheet) -> XlsxResult<()>,
) -> Result<Vec<Part>> {
    let mut workbook = Workbook::new();
    let bytes = write(&mut workbook, properties, columns, sheets, summary).map_err(cannot_write)?;
    read_parts(bytes).map_err(|e| Error::internal(format!("cannot read a workbook made in memory: {e}")))
}

/// Where a data sheet lies in the package; they are counted from 0.
pub fn data_sheet_part(index: usize) -> String {
    // The summary is the first sheet.
    format!("xl/worksheets/sheet{}.xml", index + 2)
}

fn write(
    workbook: &mut Workbook,
    properties: &Properties,
    columns: &[Column],
    sheets: &[DataSheet],
    summary: impl FnOnce(&mut Worksheet) -> XlsxResult<()>,
) -> XlsxResult<Vec<u8>> {
    // Registered first, and in this order, each format has the number that cells name.
    Style::ALL.iter().skip(1).for_each(|style| workbook.register_format(&format(*style)));
    workbook.set_properties(&about(properties));
    summary(workbook.add_worksheet().set_name("Summary")?)?;
    for sheet in sheets {
        lay_out(workbook.add_worksheet().set_name(&sheet.name)?, columns, sheet.rows)?;
    }
    workbook.save_to_buffer()
}

fn about(properties: &Properties) -> DocProperties {
    let about = DocProperties::new().set_title(&properties.title);
    // A clock that is centuries wrong is no reason to write nothing.
    match ExcelDateTime::from_timestamp(properties.made_at.unix_micros().div_euclid(1_000_000)) {
        Ok(made_at) => about.set_creation_datetime(&made_at),
        Err(_) => about,
    }
}

/// How the cells of a style look.
pub fn format(style: Style) -> Format {
    match style {
        Style::Text => Format::new(),
        Style::Header => Format::new()
            .set_bold()
            .set_background_color(HEADER_COLOR)
            .set_border_bottom(FormatBorder::Thin)
            .set_border_bottom_color(RULE_COLOR)
            .set_align(FormatAlign::VerticalCenter),
        Style::Date => Format::new().set_num_format("yyyy-mm-dd").set_align(FormatAlign::Left),
        Style::Stamp => Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000").set_align(FormatAlign::Left),
        Style::Count => Format::new().set_num_format("#,##0"),
    }
}

fn lay_out(sheet: &mut Worksheet, columns: &[Column], rows: u32) -> XlsxResult<()> {
    let last_column = columns.len() as u16 - 1;
    for (at, column) in (0..).zip(columns) {
        sheet.set_column_width(at, column.width)?;
        if column.style == Style::Text {
            // An id such as "007" is a text on purpose.
            sheet.ignore_error_range(0, at, SHEET_ROWS_MAX - 1, at, IgnoreError::NumberStoredAsText)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    sheet.autofilter(0, 0, rows, last_column)?;
    sheet.set_landscape().set_paper_size(9);
    if columns.iter().map(|column| column.width).sum::<f64>() <= PRINTED_WIDTH_MAX {
        sheet.set_print_fit_to_pages(1, 0);
    }
    sheet.set_repeat_rows(0, 0)?;
    Ok(())
}

/// What stands in a data sheet before its first row, the header included, and behind its last. `parts`: with one such sheet.
pub fn head_and_tail(parts: &[Part], columns: &[Column]) -> Result<(Vec<u8>, Tail)> {
    let name = data_sheet_part(0);
    let xml = String::from_utf8_lossy(&find(parts, &name)?.bytes);
    let (head, tail) = xml.split_once("<sheetData/>").ok_or_else(|| missing(&name))?;
    // How far the cells reach is not known yet, and need not be said.
    let (before, dimension) = head.split_once("<dimension").ok_or_else(|| missing(&name))?;
    let (_, behind) = dimension.split_once("/>").ok_or_else(|| missing(&name))?;
    let mut head = format!("{before}{behind}<sheetData>").into_bytes();
    head.extend(header_row(columns));
    let (before, filter) = tail.split_once("<autoFilter ref=\"A1:").ok_or_else(|| missing(&name))?;
    let (last_cell, behind) = filter.split_once('"').ok_or_else(|| missing(&name))?;
    let last_column = last_cell.trim_end_matches(|char: char| char.is_ascii_digit()).to_string();
    Ok((head, Tail { before: before.into(), last_column, behind: behind.into() }))
}

/// The end of a data sheet, but for the number of its rows.
pub struct Tail {
    before: String,
    last_column: String,
    behind: String,
}

impl Tail {
    pub fn for_rows(&self, rows: u32) -> String {
        let Tail { before, last_column, behind } = self;
        format!("</sheetData>{before}<autoFilter ref=\"A1:{last_column}{}\"{behind}", rows + 1)
    }
}

fn header_row(columns: &[Column]) -> Vec<u8> {
    let mut row = vec![];
    for (at, column) in columns.iter().enumerate() {
        cells::push_text(&mut row, at, Style::Header, &column.name);
    }
    cells::end_row(&mut row);
    row.iter_mut().filter(|byte| **byte == cells::ROW_NUMBER).for_each(|mark| *mark = b'1');
    [b"<row r=\"1\">".to_vec(), row].concat()
}

pub fn find<'p>(parts: &'p [Part], name: &str) -> Result<&'p Part> {
    parts.iter().find(|part| part.name == name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::internal(format!("a workbook made in memory has no {name}, or not in the form that is known"))
}

fn read_parts(bytes: Vec<u8>) -> zip::result::ZipResult<Vec<Part>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let mut parts = vec![];
    for at in 0..archive.len() {
        let mut file = archive.by_index(at)?;
        let mut part = Part { name: file.name()?.into_owned(), bytes: vec![] };
        file.read_to_end(&mut part.bytes)?;
        parts.push(part);
    }
    Ok(parts)
}

fn cannot_write(error: XlsxError) -> Error {
    Error::internal(format!("cannot make a workbook: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_name_formats_by_the_numbers_that_they_have() {
        let properties = Properties { title: "t".into(), made_at: Timestamp::MAX };
        let columns = [Column { name: "a".into(), width: 9.0, style: Style::Text }];
        let parts = parts(&properties, &columns, &[], |sheet| {
            // Formats of its own, before those of data sheets are used.
            sheet.write_string_with_format(0, 0, "title", &Format::new().set_italic())?;
            for (row, style) in (1..).zip(Style::ALL) {
                sheet.write_blank(row, 0, &format(style))?;
            }
            Ok(())
        });
        let parts = parts.unwrap();
        let xml = String::from_utf8(find(&parts, "xl/worksheets/sheet1.xml").unwrap().bytes.clone()).unwrap();
        for (row, style) in (2..).zip(Style::ALL).skip(1) {
            assert!(xml.contains(&format!("<c r=\"A{row}\" s=\"{}\"/>", style as u8)), "{style:?} in {xml}");
        }
    }
}
