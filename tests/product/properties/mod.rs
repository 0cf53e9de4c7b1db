//! Random histories, told in random order and batches, against answers by definition.

mod log;
mod usage;
