//! The only part that knows SQLite.

pub mod digest;
mod failure;
pub mod log;
pub mod usage;
pub mod varint;
