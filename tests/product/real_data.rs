//! Real usage and log data with answers computed by two independent implementations: every case must match, in whatever
//! order, how often and by which way the events came.
//!
//! The data lie outside the repository: `ANALYTICS_TEST_DATA` names their directory, `../shared/data` is tried otherwise.

mod cases;
mod files;

use std::path::Path;

use self::cases::{Mismatches, log_cases, usage_cases};
use self::files::Files;
use crate::support::client::{Client, GZIP, NDJSON, gzip};
use crate::support::process::{self, Process};
use crate::support::random::Random;
use crate::support::server::Server;

/// Small enough that many of them meet the writer, large enough to be quick.
const BATCH_LINES: usize = 5_000;

#[test]
fn every_case_matches() {
    let Some(files) = Files::find() else { return };
    let server = Server::start();
    post(&server, "/users", &files.users());
    post(&server, "/usage/events", &files.usage());
    post(&server, "/logs/system-events", &files.log());
    expect_all(&server, &files, "as it came");
    assert_eq!(server.check(), Vec::<String>::new());
}

#[test]
fn local_offsets_name_the_same_instants() {
    let Some(files) = Files::find() else { return };
    let server = Server::start();
    post(&server, "/usage/events", &files.usage_with_offsets());
    post(&server, "/users", &files.users());
    expect_usage(&server, &files, "with local offsets");
}

#[test]
fn order_and_batches_make_no_difference() {
    let Some(files) = Files::find() else { return };
    let server = Server::start();
    let mut random = Random::new(20_250_521);
    let (mut usage, mut users) = (files.usage(), files.users());
    random.shuffle(&mut usage);
    random.shuffle(&mut users);
    let (before, after) = users.split_at(users.len() / 2);
    post(&server, "/users", before);
    for batch in random.batches(&usage, 4_000) {
        post(&server, "/usage/events", batch);
    }
    post(&server, "/users", after);
    expect_usage(&server, &files, "shuffled");
    assert_eq!(server.check(), Vec::<String>::new());
}

#[test]
fn a_second_delivery_of_everything_changes_nothing() {
    let Some(files) = Files::find() else { return };
    let server = Server::start();
    let log = files.log_with_event_ids();
    for _ in 0..2 {
        post(&server, "/users", &files.users());
        post(&server, "/usage/events", &files.usage());
        post(&server, "/logs/system-events", &log);
    }
    expect_all(&server, &files, "everything twice");
}

#[test]
fn half_by_command_line_and_half_by_http_survive_a_stop_and_a_kill() {
    let Some(files) = Files::find() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    let halves = |lines: Vec<String>| {
        let mut first = lines;
        let second = first.split_off(first.len() / 2);
        (first, second)
    };
    let ((users, more_users), (usage, more_usage), (log, more_log)) =
        (halves(files.users()), halves(files.usage()), halves(files.log()));
    import(&database, "users", &users);
    import(&database, "usage", &usage);
    import(&database, "events", &log);

    let server = Process::serve(&database);
    let client = server.client();
    post(&client, "/users", &more_users);
    post(&client, "/usage/events", &more_usage);
    post(&client, "/logs/system-events", &more_log);
    expect_all(&client, &files, "half by command line, half by HTTP");
    server.terminate();

    let server = Process::serve(&database);
    expect_all(&server.client(), &files, "after a stop");
    server.kill();

    let server = Process::serve(&database);
    expect_all(&server.client(), &files, "after a kill");
    server.terminate();
    let checked = process::run(&["check", "--database", &database.to_string_lossy()]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

fn post(client: &Client, path: &str, lines: &[String]) {
    for batch in lines.chunks(BATCH_LINES) {
        client.post_all(path, &[NDJSON, GZIP], gzip(batch.join("\n").as_bytes()), batch.len());
    }
}

/// Imports by command line, with the server stopped.
fn import(database: &Path, kind: &str, lines: &[String]) {
    let file = database.with_file_name(format!("{kind}.ndjson.gz"));
    std::fs::write(&file, gzip(lines.join("\n").as_bytes())).expect("the directory is ours");
    let imported = process::run(&["import", kind, &file.to_string_lossy(), "--database", &database.to_string_lossy()]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
}

fn expect_all(client: &Client, files: &Files, how: &str) {
    let mut mismatches = Mismatches::default();
    usage_cases(client, files, &mut mismatches);
    log_cases(client, files, &mut mismatches);
    mismatches.report(how);
}

fn expect_usage(client: &Client, files: &Files, how: &str) {
    let mut mismatches = Mismatches::default();
    usage_cases(client, files, &mut mismatches);
    mismatches.report(how);
}
