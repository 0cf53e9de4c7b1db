//! The product from the outside: every test talks HTTP to a running server on a real SQLite file.
//!
//! One crate, so that the engine is linked once and the tests share the two cores.
//! `ANALYTICS_TEST_SEED` repeats a random test, `ANALYTICS_TEST_ROUNDS` makes it longer.

mod audit;
mod durability;
mod erasure;
mod errors;
mod exports;
mod fixtures;
mod full_disk;
mod log_pages;
mod properties;
mod real_data;
mod retention;
mod support;
mod usage_definitions;
mod usage_series;
