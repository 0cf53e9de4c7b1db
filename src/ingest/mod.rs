//! The only part that decodes what comes in: JSON, NDJSON and CSV, plain or gzip, into values of the model.

use crate::error::Result;
use crate::model::{Id, Registration, Rejected, SystemEvent, Timestamp, UsageEvent};

/// Bounds on what one request may hold; each is a setting under `[limits]` of the same name.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of a body, after decompression too.
    pub body_bytes_max: usize,
    /// Items of a batch.
    pub items_max: usize,
    /// Nesting of JSON; a usage event nests one deep, attributes two.
    pub nesting_max: usize,
    /// Bytes of a system event's message.
    pub message_bytes_max: usize,
    /// Bytes of a system event's attributes, as compact JSON.
    pub attributes_bytes_max: usize,
}

/// What could be read of a request. `items[i]` stood at `origins[i]` of the request, counted from 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch<T> {
    pub items: Vec<T>,
    pub origins: Vec<usize>,
    /// Sorted by index.
    pub rejected: Vec<Rejected>,
}

/// What a batch came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub accepted: usize,
    /// Sorted by index in the request.
    pub rejected: Vec<Rejected>,
}

impl<T> Batch<T> {
    /// Adds what the store rejected (by index into `items`) to what could not be read.
    pub fn receipt(_origins: Vec<usize>, _unread: Vec<Rejected>, _rejected_by_store: Vec<Rejected>) -> Receipt {
        todo!()
    }
}

/// Decompresses gzip (several members too). Errors with `TooLarge` past `bytes_max`, `Invalid` if it is not gzip.
pub fn gunzip(_bytes: &[u8], _bytes_max: usize) -> Result<Vec<u8>> {
    todo!()
}

/// One object, an array, or NDJSON. `now` stands in for absent time stamps. Errors with `Invalid` only if nothing can
/// be read, `TooLarge` past `items_max`.
pub fn usage_events(_body: &[u8], _now: Timestamp, _bounds: &Bounds) -> Result<Batch<UsageEvent>> {
    todo!()
}

/// As [`usage_events`].
pub fn system_events(_body: &[u8], _now: Timestamp, _bounds: &Bounds) -> Result<Batch<SystemEvent>> {
    todo!()
}

/// As [`usage_events`], without time stamps to stand in for.
pub fn registrations(_body: &[u8], _bounds: &Bounds) -> Result<Batch<Registration>> {
    todo!()
}

/// The body of `PUT /users/{user_id}`: one object without `user_id`, or with the same one.
pub fn registration_of(_user_id: Id, _body: &[u8], _bounds: &Bounds) -> Result<Registration> {
    todo!()
}
