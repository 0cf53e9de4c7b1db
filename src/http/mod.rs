//! The only part that serves with hyper.

mod settings;

pub use settings::Settings;
