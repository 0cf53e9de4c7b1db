use proptest::test_runner::Config;
use tempfile::TempDir;

use super::{Durability, NewExport, Settings};
use crate::model::LOCAL_ISSUER;

/// A database to be thrown away, with small bounds.
pub fn settings(directory: &TempDir) -> Settings {
    Settings {
        path: directory.path().join("analytics.db"),
        durability: Durability::None,
        bytes_max: 0,
        teams_max: 100,
        services_max: 100,
        queue_items_max: 100,
        span_cache_bytes: 1 << 20,
    }
}

/// So many cases, or as many as `PROPTEST_CASES` asks for: a long run is a matter of patience, not of the code.
pub fn cases(usual: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(usual),
    }
}

/// A job as `subject` of the local issuer would ask for it: all of the log as CSV, charged to no quota.
pub fn new_export(n: u32, subject: &str, now: i64) -> NewExport {
    NewExport {
        id: export_id(n),
        issuer: LOCAL_ISSUER.into(),
        subject: subject.into(),
        request: r#"{"report_type":"system-events","format":"csv"}"#.into(),
        user_id: None,
        extension: "csv",
        names_users: false,
        idempotency: None,
        now,
        charge: None,
    }
}

/// The `n`-th id of a job.
pub fn export_id(n: u32) -> String {
    format!("job{n:019}")
}
