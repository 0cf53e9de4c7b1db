use proptest::test_runner::Config;
use tempfile::TempDir;

use super::{Durability, Settings};

/// A database to be thrown away, with small bounds.
pub fn settings(directory: &TempDir) -> Settings {
    Settings {
        path: directory.path().join("analytics.db"),
        durability: Durability::None,
        bytes_max: 0,
        teams_max: 100,
        services_max: 100,
        queue_items_max: 100,
    }
}

/// So many cases, or as many as `PROPTEST_CASES` asks for: a long run is a matter of patience, not of the code.
pub fn cases(usual: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(usual),
    }
}
