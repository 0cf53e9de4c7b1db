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
    /// On which the record ends.
    last_line: usize,
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
        let delimiter = head.iter().copied().find(|byte| matches!(byte, b',' | b';' | b'\t' | b'\n')).unwrap_or(b',');
        let delimiter = if delimiter == b'\n' { b',' } else { delimiter };
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(Bounded::new(input, record_bytes_max));
        let header = reader.byte_headers().map_err(|e| unreadable(1, &e))?;
        let columns = columns(header, fields, required)?;
        let last_line = last_line(&reader);
        Ok(CsvFile { reader, record: ByteRecord::new(), columns, last_line })
    }

    /// The item of the next record, with the number of the line it begins on; None at the end.
    pub fn next_item<T: Item>(&mut self, rules: &Rules) -> Result<Option<(usize, Decoded<T>)>> {
        self.reader.get_mut().allow_one_record();
        let next_line = self.last_line + 1;
        if !self.reader.read_byte_record(&mut self.record).map_err(|e| unreadable(next_line, &e))? {
            return Ok(None);
        }
        self.last_line = last_line(&self.reader);
        let lines_within = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        let item = self.cells(T::FIELDS).and_then(|cells| T::from_cells(cells, rules));
        Ok(Some((self.last_line - lines_within, item)))
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

/// On which the record ends that was just read. (Where it begins, by the reader's own account, lies before blank lines
/// and before the line feed of the CRLF that ended the record before; so we count from the end.)
fn last_line(reader: &csv::Reader<Bounded>) -> usize {
    let end = reader.position();
    let counted_its_end = reader.get_ref().byte_before(end.byte()) == Some(b'\n');
    end.line() as usize - usize::from(counted_its_end)
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
    /// What was given out last, and where in the input it ends.
    last: Vec<u8>,
    last_end: u64,
}

impl Bounded {
    fn new(input: Box<dyn BufRead + Send>, bytes_max: usize) -> Bounded {
        Bounded { input, bytes_max, bytes_left: bytes_max, last: Vec::new(), last_end: 0 }
    }

    fn allow_one_record(&mut self) {
        self.bytes_left = self.bytes_max;
    }

    /// The byte before `position`, which lies in what was given out last.
    fn byte_before(&self, position: u64) -> Option<u8> {
        let from_end = self.last_end.checked_sub(position)? as usize;
        self.last.iter().nth_back(from_end).copied()
    }
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
        if bytes > 0 {
            self.last.clear();
            self.last.extend_from_slice(&buffer[..bytes]);
            self.last_end += bytes as u64;
        }
        Ok(bytes)
    }
}
