//! What the log takes in the file, kept as a running count: it follows from the events alone, so that `check` can recount
//! it, and it never has to be measured.

use rusqlite::{Connection, Row};

use crate::error::Result;
use crate::model::SystemEvent;

/// What an event takes besides its texts: the heads of its rows in log_event and log_order, their time stamps, sequence
/// numbers and cells, its share of pages that are not full, of inner pages and of counts. Measured with dbstat on 20 M
/// events of 80 bytes: the tables and indexes of the log take 128 bytes each.
const EVENT_BYTES: i64 = 48;
/// What an event_id takes besides its text: the entry in log_event_id.
const ID_BYTES: i64 = 28;

pub fn of_event(event: &SystemEvent) -> u64 {
    let text = |text: Option<&str>| text.map_or(0, str::len);
    let event_id = event.event_id.as_ref().map(|id| id.as_str());
    let texts = event.message.len() + text(event.attributes.as_deref()) + text(event_id);
    let id_bytes = if event_id.is_some() { ID_BYTES } else { 0 };
    texts as u64 + (EVENT_BYTES + id_bytes) as u64
}

/// The same of a row, from the column on: bytes of message, attributes and event_id, the latter null where there are none.
pub const COLUMNS: &str = "octet_length(message), octet_length(attributes), octet_length(event_id)";

pub fn of_row(row: &Row, column: usize) -> Result<u64> {
    let message: i64 = row.get(column)?;
    let (attributes, event_id): (Option<i64>, Option<i64>) = (row.get(column + 1)?, row.get(column + 2)?);
    let id_bytes = event_id.map_or(0, |bytes| bytes + ID_BYTES);
    Ok((message + attributes.unwrap_or(0) + id_bytes + EVENT_BYTES) as u64)
}

/// Of all events, read one by one.
pub fn recount(conn: &Connection, up_to_seq: i64) -> Result<u64> {
    let mut statement = conn.prepare(&format!("select {COLUMNS} from log_event where seq <= :seq"))?;
    let mut rows = statement.query([up_to_seq])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += of_row(row, 0)?;
    }
    Ok(bytes)
}
