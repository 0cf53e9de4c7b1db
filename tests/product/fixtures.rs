//! The sample files of `fixtures/` give the answers that lie beside them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::client::{Client, NDJSON};
use crate::support::process::{self, Process};
use crate::support::server::Server;

#[test]
fn the_sample_files_give_the_answers_beside_them_by_http() {
    let server = Server::start();
    for (path, file) in [
        ("/users", "users.ndjson"),
        ("/usage/events", "usage_events.ndjson"),
        ("/logs/system-events", "system_events.ndjson"),
    ] {
        let lines = std::fs::read_to_string(fixture(file)).expect("a fixture");
        server.post_all(path, &[NDJSON], &lines, lines.lines().count());
    }
    expect_answers(&server);
}

#[test]
fn the_sample_files_give_the_answers_beside_them_by_command_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    import(&database, "users", "users.ndjson");
    import(&database, "usage", "usage_events.csv");
    let server = Process::serve(&database);
    // The third goes through the running server.
    import(&database, "events", "system_events.ndjson");
    expect_answers(&server.client());
}

fn import(database: &Path, kind: &str, file: &str) {
    let (file, database) = (fixture(file), database.to_string_lossy());
    let imported = process::run(&["import", kind, &file.to_string_lossy(), "--database", &database]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
}

fn expect_answers(client: &Client) {
    let lines = std::fs::read_to_string(fixture("answers.ndjson")).expect("a fixture");
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).expect("a line is JSON");
        let request = case["request"].as_str().expect("a path");
        assert_eq!(client.json(request), case["answer"], "{request}");
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}
