use std::borrow::Cow;
use std::io::{BufRead, Read};

use csv::{ByteRecord, ReaderBuilder};

use super::cells::{ATTRIBUTES, Cell, Cells, Decoded, Item, Rules, unknown};
use super::import::cannot_read;
use super::message::quoted;
use crate::error::{Error, Result};

/// Reads CSV (RFC 4180) record by record; the first one names the fields.
pub struct CsvFile {
    reader: csv::Reader<Bounded>,
    record: ByteRecord,
    /// Which field each column holds, as an index into the kind's fields.
    columns: Vec<usize>,
}

impl CsvFile {
    /// `head`: how the input begins; it tells what parts the columns. Errors with `Invalid` if the first record does
    /// not name fields.
    pub fn open(
        input: Box<dyn BufRead + Send>,
        head: &[u8],
        fields: &'static [&'static str],
        required: &[&str],
        record_bytes_max: usize,
    ) -> Result<CsvFile> {
        let input = Bounded { input, bytes_max: record_bytes_max, bytes_left: record_bytes_max };
        let delimiter = head.iter().copied().find(|byte| matches!(byte, b',' | b';' | b'\t' | b'\n')).unwrap_or(b',');
        let delimiter = if delimiter == b'\n' { b',' } else { delimiter };
        let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(input);
        let header = reader.byte_headers().map_err(|e| unreadable(1, &e))?;
        let columns = columns(header, fields, required)?;
        Ok(CsvFile { reader, record: ByteRecord::new(), columns })
    }

    /// The item of the next record, with the number of the line it begins on; None at the end.
    pub fn next_item<T: Item>(&mut self, rules: &Rules) -> Result<Option<(usize, Decoded<T>)>> {
        let input = self.reader.get_mut();
        input.bytes_left = input.bytes_max;
        let before = self.reader.position().line() as usize;
        if !self.reader.read_byte_record(&mut self.record).map_err(|e| unreadable(before, &e))? {
            return Ok(None);
        }
        let line = self.record.position().map_or(before, |position| position.line() as usize);
        let item = self.cells(T::FIELDS).and_then(|cells| T::from_cells(cells, rules));
        Ok(Some((line, item)))
    }

    fn cells(&self, fields: &[&str]) -> Decoded<Cells<'_>> {
        if self.record.len() != self.columns.len() {
            let (here, header) = (self.record.len(), self.columns.len());
            return Err(format!("the line has {here} columns where the header has {header}"));
        }
        let mut cells = Cells::default();
        for (bytes, column) in self.record.iter().zip(&self.columns) {
            let text = std::str::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", fields[*column]))?;
            cells[*column] = match text {
                "" => Cell::Absent,
                json if fields[*column] == ATTRIBUTES => Cell::Json(json),
                text => Cell::Text(Cow::Borrowed(text)),
            };
        }
        Ok(cells)
    }
}

fn columns(header: &ByteRecord, fields: &'static [&'static str], required: &[&str]) -> Result<Vec<usize>> {
    let mut columns = Vec::new();
    for name in header {
        let name = String::from_utf8_lossy(name);
        let column = fields.iter().position(|field| *field == name.trim()).ok_or_else(|| {
            Error::invalid(format!(
                "line 1: {}; a CSV file's first line names its columns",
                unknown("column", &name, fields)
            ))
        })?;
        if columns.contains(&column) {
            return Err(Error::invalid(format!("line 1: the column {} is given twice", quoted(&name))));
        }
        columns.push(column);
    }
    match required.iter().find(|name| !columns.iter().any(|column| fields[*column] == **name)) {
        Some(missing) => Err(Error::invalid(format!("line 1: the column {missing} is missing"))),
        None => Ok(columns),
    }
}

fn unreadable(line: usize, error: &csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(e) => cannot_read(line, e),
        _ => Error::invalid(format!("line {line}: {error}")),
    }
}

/// Gives out so many bytes for one record and no more: a quotation mark that is never closed would make a record of
/// all the rest of the file. What the CSV reader has in its buffer already is not counted.
struct Bounded {
    input: Box<dyn BufRead + Send>,
    bytes_max: usize,
    bytes_left: usize,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.bytes_left == 0 {
            let message = format!(
                "a record is longer than {} bytes (limits.body_bytes_max); is a quotation mark left open?",
                self.bytes_max
            );
            return Err(std::io::Error::other(message));
        }
        let bytes = self.input.read(buffer)?;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        Ok(bytes)
    }
}
