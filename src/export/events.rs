//! The log as CSV.

use super::csv::{self, BYTE_ORDER_MARK, LINE_END};
use super::pieces::{self, Source};
use super::sink::Sink;
use super::stamps::Stamps;
use super::{Assignment, Watch, Written};
use crate::error::{Error, Result};
use crate::model::{CsvOptions, LogFilter};
use crate::store::{EventRow, Store};

const HEADER: &[u8] = b"timestamp,severity,service,message,attributes\r\n";

/// Oldest first. Errors as [`super::write`].
pub fn write_csv(
    store: &Store,
    assignment: &Assignment,
    filter: &LogFilter,
    options: CsvOptions,
    watch: &Watch,
) -> Result<Written> {
    let mut sink = Sink::open(&assignment.file, options.gzip, assignment.bytes_max)?;
    if options.bom {
        sink.write(BYTE_ORDER_MARK)?;
    }
    sink.write(HEADER)?;
    let source = Source { store, filter, last_seq: assignment.log_seq, watch };
    let expected = source.count()?;
    watch.expect_rows(expected);
    let mut rows = 0;
    let row = |stamps: &mut Stamps, piece: &mut Vec<u8>, event: &EventRow| push_row(piece, stamps, event, options.raw);
    pieces::write(&source, row, |piece| {
        sink.write(&piece.bytes)?;
        rows += piece.rows;
        watch.add_rows(piece.rows);
        Ok(())
    })?;
    if rows != expected {
        return Err(Error::internal(format!("an export of {expected} events found {rows}: run `analytics check`")));
    }
    sink.finish(rows)
}

fn push_row(line: &mut Vec<u8>, stamps: &mut Stamps, event: &EventRow, raw: bool) {
    stamps.push(line, event.position.at);
    line.push(b',');
    line.extend_from_slice(event.severity.as_str().as_bytes());
    line.push(b',');
    csv::push_text(line, event.service.unwrap_or_default(), raw);
    line.push(b',');
    csv::push_text(line, event.message, raw);
    line.push(b',');
    csv::push_text(line, event.attributes.unwrap_or_default(), raw);
    line.extend_from_slice(LINE_END);
}

#[cfg(test)]
#[path = "events_test.rs"]
mod tests;
