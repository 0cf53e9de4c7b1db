//! The only part that decodes what comes in: JSON, NDJSON and CSV, plain or gzip, into values of the model.
//!
//! Bytes are split into items (`body` for requests, `import` for files), an item is read into cells by the names of
//! its fields (`cells`), and each kind of item makes its value from its cells (`usage_event`, `system_event`,
//! `registration`). What a body is, is told by its content: labels of real clients are often wrong.

mod attributes;
mod batch;
mod body;
mod cells;
mod csv_file;
mod export_request;
mod gzip;
mod import;
mod message;
mod ndjson_file;
mod registration;
mod system_event;
mod usage_event;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Receipt};
pub use cells::{Cell, Cells, Item, Rules};
pub use export_request::{export_request, stored_export_request, write_export_request};
pub use gzip::gunzip;
pub use import::Import;

use crate::error::Result;
use crate::model::{Id, Registration, SystemEvent, Timestamp, UsageEvent};

/// Bounds on what one request may hold; each is a setting under `[limits]` of the same name.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of a body, after decompression too.
    pub body_bytes_max: usize,
    /// Items of a batch.
    pub items_max: usize,
    /// Nesting of an item's JSON; a usage event nests one deep, a system event with attributes two.
    pub nesting_max: usize,
    /// Bytes of a system event's message.
    pub message_bytes_max: usize,
    /// Bytes of a system event's attributes, as compact JSON.
    pub attributes_bytes_max: usize,
}

/// One object, an array, or NDJSON. `now` stands in for absent time stamps. Errors with `Invalid` only if nothing can
/// be read, `TooLarge` past `items_max`.
pub fn usage_events(body: &[u8], now: Timestamp, bounds: &Bounds) -> Result<Batch<UsageEvent>> {
    body::read(body, &Rules { now, bounds: *bounds })
}

/// As [`usage_events`].
pub fn system_events(body: &[u8], now: Timestamp, bounds: &Bounds) -> Result<Batch<SystemEvent>> {
    body::read(body, &Rules { now, bounds: *bounds })
}

/// As [`usage_events`], without time stamps to stand in for.
pub fn registrations(body: &[u8], bounds: &Bounds) -> Result<Batch<Registration>> {
    // A registration has no time stamp that could be absent: any instant will do.
    body::read(body, &Rules { now: Timestamp::MIN, bounds: *bounds })
}

/// The body of `PUT /users/{user_id}`: one object without `user_id`, or with the same one, or nothing. Errors with `Invalid`.
pub fn registration_of(user_id: Id, body: &[u8], bounds: &Bounds) -> Result<Registration> {
    registration::of(user_id, body, &Rules { now: Timestamp::MIN, bounds: *bounds })
}

/// Appends the item to `out` as one line of NDJSON, as [`usage_events`] and its like read it.
pub fn write_ndjson<T: Item>(item: &T, out: &mut Vec<u8>) {
    item.write_json(out);
    out.push(b'\n');
}
