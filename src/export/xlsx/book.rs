//! A workbook that is written while its rows come: straight into the file, with nothing of it kept.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use rust_xlsxwriter::Worksheet;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::cells::{ROW_BEGINS, ROW_NUMBER};
use super::frame::{self, Column, DataSheet, Part, Properties, SHEET_ROWS_MAX, Tail, XlsxResult};
use crate::clock::give_way;
use crate::error::{Error, Result};
use crate::export::Written;
use crate::export::sink::Sink;

/// Measured on a million events: level 6 makes the file 13 % smaller, and all of the export takes 2.3 times the CPU time.
const COMPRESSION_LEVEL: i64 = 2;
/// What is compressed at a time.
const BUFFER_BYTES: usize = 64 << 10;
/// A package may hold larger files, but spreadsheets want to repair it then.
const SHEET_BYTES_MAX: u64 = 3 << 30;
/// So that a file is known for what it is by its first bytes, these parts go first.
const FIRST_PARTS: [&str; 3] = ["_rels/.rels", "docProps/core.xml", "xl/theme/theme1.xml"];

/// How much goes into one sheet.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without the header.
    pub rows: u32,
    /// Uncompressed; reached by the last row.
    pub bytes: u64,
}

impl Limits {
    pub const USUAL: Limits = Limits { rows: SHEET_ROWS_MAX - 1, bytes: SHEET_BYTES_MAX };
}

pub struct Book {
    zip: ZipWriter<StreamWriter<Package>>,
    failure: Failure,
    properties: Properties,
    columns: Vec<Column>,
    limits: Limits,
    /// What stands before the first row of a data sheet and behind its last.
    head: Vec<u8>,
    tail: Tail,
    sheet_name: &'static str,
    /// The last one is being written.
    sheets: Vec<DataSheet>,
    sheet_bytes: u64,
    rows: u64,
    buffer: Vec<u8>,
}

impl Book {
    /// Data sheets are called "Events", "Events 2", ..
    pub fn open(
        sink: Sink,
        properties: Properties,
        sheet_name: &'static str,
        columns: Vec<Column>,
        limits: Limits,
    ) -> Result<Book> {
        let sample = DataSheet { name: sheet_name.into(), rows: SHEET_ROWS_MAX - 1 };
        let parts = frame::parts(&properties, &columns, &[sample], |_| Ok(()))?;
        let (head, tail) = frame::head_and_tail(&parts, &columns)?;
        let failure = Failure::default();
        let mut book = Book {
            zip: ZipWriter::new_stream(Package { sink, failure: failure.clone() }),
            failure,
            properties,
            columns,
            limits,
            head,
            tail,
            sheet_name,
            sheets: vec![],
            sheet_bytes: 0,
            rows: 0,
            buffer: Vec::with_capacity(BUFFER_BYTES * 2),
        };
        for name in FIRST_PARTS {
            book.write_part(frame::find(&parts, name)?)?;
        }
        book.begin_sheet()?;
        Ok(book)
    }

    /// Writes whole rows, as `cells` formats them. Errors as [`Sink::write`].
    pub fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        let mut number = Digits::default();
        let mut rest = rows;
        while let Some(mark) = rest.iter().position(|byte| matches!(*byte, ROW_BEGINS | ROW_NUMBER)) {
            self.buffer.extend_from_slice(&rest[..mark]);
            if rest[mark] == ROW_BEGINS {
                number = Digits::of(self.begin_row()?);
                self.buffer.extend_from_slice(b"<row r=\"");
                self.buffer.extend_from_slice(number.as_bytes());
                self.buffer.extend_from_slice(b"\">");
            } else {
                self.buffer.extend_from_slice(number.as_bytes());
            }
            rest = &rest[mark + 1..];
        }
        self.buffer.extend_from_slice(rest);
        Ok(())
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes what is left of the workbook; `summary` fills the first sheet. Errors as [`Sink::write`].
    pub fn finish(mut self, summary: impl FnOnce(&mut Worksheet, &[DataSheet]) -> XlsxResult<()>) -> Result<Written> {
        self.end_sheet()?;
        let sheets = self.sheets.as_slice();
        let parts = frame::parts(&self.properties, &self.columns, sheets, |sheet| summary(sheet, sheets))?;
        let written: Vec<String> = (0..sheets.len()).map(frame::data_sheet_part).collect();
        let is_written = |name: &str| FIRST_PARTS.contains(&name) || written.iter().any(|part| part == name);
        for part in parts.iter().filter(|part| !is_written(&part.name)) {
            self.write_part(part)?;
        }
        let package = self.zip.finish().map_err(cannot_pack)?.into_inner();
        self.failure.check()?;
        package.sink.finish(self.rows)
    }

    /// Gives the row's number in its sheet, from 2 on: the header is the first.
    fn begin_row(&mut self) -> Result<u32> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        let is_full = |sheet: &DataSheet| sheet.rows >= self.limits.rows || self.sheet_bytes >= self.limits.bytes;
        if self.sheets.last().is_some_and(is_full) {
            self.end_sheet()?;
            self.begin_sheet()?;
        }
        let sheet = self.sheets.last_mut().expect("a book has a sheet from its beginning");
        sheet.rows += 1;
        self.rows += 1;
        Ok(sheet.rows + 1)
    }

    fn begin_sheet(&mut self) -> Result<()> {
        let index = self.sheets.len();
        self.zip.start_file(frame::data_sheet_part(index), options()).map_err(cannot_pack)?;
        let name = if index == 0 { self.sheet_name.into() } else { format!("{} {}", self.sheet_name, index + 1) };
        self.sheets.push(DataSheet { name, rows: 0 });
        self.sheet_bytes = 0;
        self.buffer.extend_from_slice(&self.head);
        Ok(())
    }

    fn end_sheet(&mut self) -> Result<()> {
        let rows = self.sheets.last().map_or(0, |sheet| sheet.rows);
        self.buffer.extend_from_slice(self.tail.for_rows(rows).as_bytes());
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.zip.write_all(&self.buffer).map_err(|e| cannot_pack(e.into()))?;
        give_way();
        self.sheet_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        self.failure.check()
    }

    fn write_part(&mut self, part: &Part) -> Result<()> {
        self.zip.start_file(part.name.as_str(), options()).map_err(cannot_pack)?;
        self.zip.write_all(&part.bytes).map_err(|e| cannot_pack(e.into()))?;
        self.failure.check()
    }
}

fn options() -> SimpleFileOptions {
    let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    options.compression_method(CompressionMethod::Deflated).compression_level(Some(COMPRESSION_LEVEL))
}

fn cannot_pack(error: zip::result::ZipError) -> Error {
    Error::internal(format!("cannot pack a workbook: {error}"))
}

/// What went wrong with the file. Told aside: the archive would put our errors into words of its own, and on its way out
/// complain on stderr.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    fn check(&self) -> Result<()> {
        self.0.lock().clone().map_or(Ok(()), Err)
    }
}

/// The file as the archive sees it: takes everything, if only to drop it once something went wrong.
struct Package {
    sink: Sink,
    failure: Failure,
}

impl Write for Package {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut failure = self.failure.0.lock();
        if failure.is_none() {
            *failure = self.sink.write(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A row's number in decimal digits.
#[derive(Default)]
struct Digits {
    digits: [u8; 10],
    start: usize,
}

impl Digits {
    fn of(mut number: u32) -> Digits {
        let (mut digits, mut start) = ([0; 10], 10);
        while start == 10 || number > 0 {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        Digits { digits, start }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}
