//! Random histories, told in random order and batches, against answers by definition.

mod draw;
mod log;
mod story;
mod usage;
mod volume;
