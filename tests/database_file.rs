//! What is done with a database file that is not as it should be.

use std::path::{Path, PathBuf};

use analytics::clock::Clock;
use analytics::error::Kind;
use analytics::store::{Durability, Settings, Store, beside};
use rusqlite::Connection;

fn settings(path: &Path) -> Settings {
    Settings {
        path: path.to_path_buf(),
        durability: Durability::Full,
        teams_max: 100,
        services_max: 100,
        queue_items_max: 1_000,
    }
}

fn open(path: &Path) -> Result<Store, analytics::error::Error> {
    Store::open(&settings(path), Clock::system())
}

/// The message with which the file is refused; the file must stay as it is.
fn refusal(path: &Path) -> String {
    let before = std::fs::read(path).unwrap();
    let message = open(path).err().expect("the file is refused").message;
    assert_eq!(std::fs::read(path).unwrap(), before, "a refused file is left as it is");
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    message
}

fn made(dir: &Path) -> PathBuf {
    let path = dir.join("a.db");
    open(&path).unwrap().close();
    path
}

#[test]
fn a_fresh_database_opens_again_and_leaves_no_wal_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    assert!(!beside(&path, "-wal").exists());
    open(&path).unwrap();
    let conn = Connection::open(&path).unwrap();
    let pragma = |name: &str| conn.query_row(&format!("pragma {name}"), [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("auto_vacuum"), pragma("application_id")), (2, 0x616e_6c74));
}

#[test]
fn a_database_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("create table notes (text)").unwrap();
    assert!(refusal(&path).contains("another program"));
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    Connection::open(&path).unwrap().execute_batch("pragma user_version = 1000").unwrap();
    assert!(refusal(&path).contains("newer"));
}

#[test]
fn a_directory_that_is_not_there_is_said_to_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("absent/a.db");
    let message = open(&path).err().expect("there is no such directory").message;
    assert!(message.contains("absent/a.db") && message.contains("make it first"), "{message}");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letter.txt");
    std::fs::write(&path, "Dear analytics, ".repeat(1_000)).unwrap();
    assert!(refusal(&path).contains("not an SQLite database"));
}

#[test]
fn a_truncated_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(refusal(&path).contains("damaged"));
}

#[test]
fn an_altered_schema_is_refused_and_the_table_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    Connection::open(&path).unwrap().execute_batch("drop table usage_node").unwrap();
    assert!(refusal(&path).contains("usage_node"));
}

#[test]
fn a_database_in_use_is_refused_with_the_holders_pid() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let _held = open(&path).unwrap();
    let refused = open(&path).err().unwrap();
    assert_eq!(refused.kind, Kind::Conflict);
    assert!(refused.message.contains(&format!("pid {}", std::process::id())), "{}", refused.message);
}

#[test]
fn a_missing_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let message = open(&dir.path().join("no/such/a.db")).err().unwrap().message;
    assert!(message.contains("no/such/a.db.lock"), "{message}");
}
