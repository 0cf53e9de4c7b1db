//! A file for the command line's `import`: NDJSON, CSV or a JSON array, plain or gzip, told apart by content.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use serde_json::value::RawValue;

use super::Bounds;
use super::batch::Batch;
use super::body::{LineError, read_line, utf8, without_bom};
use super::cells::{Decoded, Item, Rules};
use super::csv_file::CsvFile;
use super::message::reason_and_place;
use super::ndjson_file::NdjsonFile;
use crate::error::{Error, Result};
use crate::model::Timestamp;

/// So much of a file is looked at to tell what it is.
const HEAD_BYTES: u64 = 4096;
/// An array is read whole; larger ones should come as NDJSON, which is streamed.
const ARRAY_BYTES_MAX: u64 = 256 << 20;
const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

/// Reads a file as items of one kind, in batches. Memory is bounded: NDJSON and CSV are streamed, with lines (CSV:
/// records) of at most `limits.body_bytes_max`; a JSON array may have 256 MiB.
///
/// The first byte that is not blank tells `{` (NDJSON) and `[` (array) from CSV, whose first line names the fields;
/// columns are parted by comma, semicolon or tab, an empty cell is an absent field, and the column `attributes` holds
/// JSON.
pub struct Import<T> {
    source: Source,
    rules: Rules,
    bytes_read: Arc<AtomicU64>,
    /// Found while a batch was under way that could still be given out.
    failure: Option<Error>,
    kind: PhantomData<fn() -> T>,
}

enum Source {
    Ndjson(NdjsonFile),
    Csv(CsvFile),
    Array(ArrayFile),
    Ended,
}

impl<T: Item> Import<T> {
    /// `now` stands in for absent time stamps. Errors with `Invalid` if the file cannot be read, is broken gzip or a
    /// broken array, or is CSV with a header that names no such fields.
    pub fn open(input: impl Read + Send + 'static, now: Timestamp, bounds: &Bounds) -> Result<Import<T>> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { input, bytes_read: Arc::clone(&bytes_read) };
        let source = open_source(counted, T::FIELDS, T::REQUIRED, bounds.body_bytes_max)?;
        Ok(Import { source, rules: Rules { now, bounds: *bounds }, bytes_read, failure: None, kind: PhantomData })
    }

    /// The next items, at most `items_max` of them, good ones and rejected ones together, and none behind the one whose
    /// texts fill `bytes_max`; None at the end. Origins and indexes are numbers of lines, from 1. Errors with `Invalid` where reading cannot go on; then the file has ended.
    pub fn next_batch(&mut self, items_max: usize, bytes_max: usize) -> Result<Option<Batch<T>>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut batch = Batch::new();
        let mut bytes = 0;
        while batch.len() < items_max && bytes < bytes_max {
            match self.next_item() {
                Ok(Some((line, read))) => {
                    bytes += read.as_ref().map_or_else(String::len, T::text_bytes);
                    batch.add(line, read);
                }
                Ok(None) => break,
                Err(failure) => {
                    self.source = Source::Ended;
                    if batch.len() == 0 {
                        return Err(failure);
                    }
                    self.failure = Some(failure);
                    break;
                }
            }
        }
        Ok((batch.len() > 0).then_some(batch))
    }

    /// How many bytes of the file as it is (compressed, if it is) have been read, for a progress bar. Shared, so that
    /// another thread can show it.
    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_read)
    }

    fn next_item(&mut self) -> Result<Option<(usize, Decoded<T>)>> {
        match &mut self.source {
            Source::Ndjson(file) => file.next_item(&self.rules),
            Source::Csv(file) => file.next_item(&self.rules),
            Source::Array(file) => Ok(file.next_item(&self.rules)),
            Source::Ended => Ok(None),
        }
    }
}

fn open_source(
    input: impl Read + Send + 'static,
    fields: &'static [&'static str],
    required: &[&str],
    line_bytes_max: usize,
) -> Result<Source> {
    let (magic, rest) = peek(input, GZIP_MAGIC.len() as u64)?;
    let is_gzip = magic == GZIP_MAGIC;
    let input = BufReader::with_capacity(1 << 16, Cursor::new(magic).chain(rest));
    let plain: Box<dyn Read + Send> = if is_gzip { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
    let (head, rest) = peek(plain, HEAD_BYTES)?;
    let is_whole = head.len() < HEAD_BYTES as usize;
    let head = without_bom(&head).to_vec();
    let first = head.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    let plain: Box<dyn BufRead + Send> =
        Box::new(BufReader::with_capacity(1 << 16, Cursor::new(head.clone()).chain(rest)));
    match first {
        None if is_whole => Ok(Source::Ended),
        None | Some(b'{') => Ok(Source::Ndjson(NdjsonFile::new(plain, line_bytes_max))),
        Some(b'[') => ArrayFile::read(plain).map(Source::Array),
        Some(_) => CsvFile::open(plain, &head, fields, required, line_bytes_max).map(Source::Csv),
    }
}

/// The first bytes, as many as there are up to `bytes_max`, and a reader of what follows them.
fn peek<R: Read>(mut input: R, bytes_max: u64) -> Result<(Vec<u8>, R)> {
    let mut head = Vec::new();
    input.by_ref().take(bytes_max).read_to_end(&mut head).map_err(|e| cannot_read(1, &e))?;
    Ok((head, input))
}

/// `line`: the one that could not be read to its end.
pub fn cannot_read(line: usize, error: &std::io::Error) -> Error {
    Error::invalid(format!("line {line}: the file cannot be read any further: {error}"))
}

struct Counted<R> {
    input: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.input.read(buffer)?;
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

struct ArrayFile {
    text: String,
    /// Where items stand in `text`, last one first.
    items: Vec<Range<usize>>,
    /// Up to where lines have been counted, and how many.
    counted: usize,
    line: usize,
}

impl ArrayFile {
    fn read(input: impl Read) -> Result<ArrayFile> {
        let mut bytes = Vec::new();
        input.take(ARRAY_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| cannot_read(1, &e))?;
        if bytes.len() as u64 > ARRAY_BYTES_MAX {
            let message = "a JSON array of more than 256 MiB is not read; turn it into NDJSON (jq -c '.[]' does)";
            return Err(Error::invalid(message));
        }
        let text = utf8(&bytes)?;
        let items: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|e| Error::invalid(format!("the array cannot be read: {}", reason_and_place(&e))))?;
        let place = |item: &&RawValue| {
            let start = item.get().as_ptr() as usize - text.as_ptr() as usize;
            start..start + item.get().len()
        };
        let items = items.iter().rev().map(place).collect();
        let text = String::from_utf8(bytes).expect("it has just been looked at");
        Ok(ArrayFile { text, items, counted: 0, line: 1 })
    }

    fn next_item<T: Item>(&mut self, rules: &Rules) -> Option<(usize, Decoded<T>)> {
        let place = self.items.pop()?;
        self.line += self.text[self.counted..place.start].matches('\n').count();
        self.counted = place.start;
        Some((self.line, read_line(self.text[place].as_bytes(), rules).map_err(LineError::into_message)))
    }
}
