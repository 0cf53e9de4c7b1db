//! (in the making)

pub mod settings;
