mod files;
mod properties;
mod requests;

use super::Bounds;
use crate::model::{Id, Timestamp};

const BOUNDS: Bounds = Bounds {
    body_bytes_max: 1 << 20,
    items_max: 1000,
    nesting_max: 16,
    message_bytes_max: 100,
    attributes_bytes_max: 64,
};

fn now() -> Timestamp {
    at("2025-05-21T10:15:30Z")
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}
