//! The product's store, in process.

use std::path::Path;

use analytics::app::settings::{Settings, Sources};
use analytics::clock::Clock;
use analytics::store::Store;

/// With the settings that a server has; makes the database where there is none.
pub fn open(database: &Path) -> Store {
    let flags = vec![("database.path", database.to_string_lossy().into_owned())];
    let settings = Settings::load(Sources { config: None, environment: std::iter::empty(), flags }).expect("settings");
    Store::open(&settings.store, Clock::system()).expect("a database that nobody holds")
}
