//! Settings, wiring, start and stop.

pub mod demo;
