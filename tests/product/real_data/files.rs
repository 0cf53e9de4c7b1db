use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::Value;

/// The directory of the data.
pub struct Files(PathBuf);

impl Files {
    /// None, and a word about it, where a lone clone has no data. Where they must be there (`CI` is set, or
    /// `ANALYTICS_TEST_DATA` names them) their absence ends the test.
    pub fn find() -> Option<Files> {
        let named = std::env::var_os("ANALYTICS_TEST_DATA").map(PathBuf::from);
        let required = named.is_some() || std::env::var_os("CI").is_some();
        let directory = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
        if directory.join("oracle_usage.ndjson").is_file() {
            return Some(Files(directory));
        }
        assert!(!required, "no real data in {}; name their directory with ANALYTICS_TEST_DATA", directory.display());
        // Past the harness, which keeps to itself what a test that succeeds prints.
        let _ = writeln!(std::io::stdout().lock(), "skipped: no real data in {}", directory.display());
        None
    }

    pub fn users(&self) -> Vec<String> {
        self.lines("users.ndjson.gz")
    }

    pub fn usage(&self) -> Vec<String> {
        self.lines("usage_events.ndjson.gz")
    }

    /// The same events in the same order, with offsets other than Z.
    pub fn usage_with_offsets(&self) -> Vec<String> {
        self.lines("usage_events_offsets.ndjson.gz")
    }

    pub fn log(&self) -> Vec<String> {
        self.lines("system_events.ndjson.gz")
    }

    /// The log with the line's number as its `event_id`, so that a second delivery can be told.
    pub fn log_with_event_ids(&self) -> Vec<String> {
        let with_id = |(i, line): (usize, String)| {
            let rest = line.strip_prefix('{').expect("a line is an object");
            format!("{{\"event_id\":\"{}\",{rest}", i + 1)
        };
        self.log().into_iter().enumerate().map(with_id).collect()
    }

    pub fn usage_cases(&self) -> Vec<Value> {
        self.values("oracle_usage.ndjson")
    }

    pub fn log_cases(&self) -> Vec<Value> {
        self.values("oracle_events.ndjson")
    }

    fn values(&self, name: &str) -> Vec<Value> {
        self.lines(name).iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let file = File::open(self.0.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let reader: Box<dyn Read> = if name.ends_with(".gz") { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
        BufReader::new(reader).lines().map(|line| line.expect("the file is text")).collect()
    }
}
