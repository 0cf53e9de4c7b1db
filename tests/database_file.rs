//! What is done with a database file that is not as it should be.

use std::path::{Path, PathBuf};

use analytics::clock::Clock;
use analytics::error::Kind;
use analytics::model::{Id, Severity, SystemEvent, Timestamp, UsageEvent};
use analytics::store::{Durability, Settings, Store, beside, repair};
use rusqlite::Connection;

fn settings(path: &Path) -> Settings {
    Settings {
        path: path.to_path_buf(),
        durability: Durability::Full,
        bytes_max: 0,
        teams_max: 100,
        services_max: 100,
        queue_items_max: 1_000,
        span_cache_bytes: 1 << 20,
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

/// A database with some of everything, closed.
fn filled(dir: &Path) -> PathBuf {
    let path = dir.join("a.db");
    let store = open(&path).unwrap();
    let at = |n: i64| Timestamp::from_unix_micros(n * 3_600_000_000).unwrap();
    let usage = |n: i64| UsageEvent {
        user_id: Id::new(format!("user {}", n % 40)).unwrap(),
        at: at(n),
        team_id: Id::new(format!("team {}", n % 3)).ok(),
        service: Id::new("api").ok(),
        session_id: (n % 5 == 0).then(|| Id::new(format!("session {}", n / 10)).unwrap()),
    };
    let log = |n: i64| SystemEvent {
        at: at(n % 70),
        severity: Severity::ALL[n as usize % 3],
        service: Id::new("db").ok(),
        message: format!("message {n}"),
        event_id: (n % 4 == 0).then(|| Id::new(format!("event {n}")).unwrap()),
        attributes: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(store.record((0..400).map(usage).collect())).unwrap(), []);
    assert_eq!(runtime.block_on(store.append((0..9_000).map(log).collect())).unwrap(), []);
    assert_eq!(check(&store), Vec::<String>::new());
    store.close();
    path
}

fn check(store: &Store) -> Vec<String> {
    store.snapshot().unwrap().check().unwrap()
}

/// Damage, by the words that the refusal to open must hold; none where only `check` can see it.
const DAMAGES: &[&str] = &[
    "update usage_delta set delta = x'ff'",
    "update usage_delta set delta = substr(delta, 1, length(delta) - 1)",
    "update usage_fold set seq = 5, folded_seq = 9",
    "update usage_fold set keyed_ord = 99999",
    "update usage_horizon set seq = 99999",
    "update log_leaf set counts = x'80'",
    "update log_leaf set counts = x'04ffffffff0f'",
    "update log_leaf set counts = x'fcffffff0f01'",
    "delete from log_leaf where at = (select min(at) from log_leaf)",
    "update log_counted set seq = -1",
];

#[test]
fn damage_to_what_follows_from_the_base_facts_is_refused_and_repaired() {
    for damage in DAMAGES {
        let dir = tempfile::tempdir().unwrap();
        let path = filled(dir.path());
        assert!(Connection::open(&path).unwrap().execute(damage, []).unwrap() > 0, "{damage}");
        let refused = open(&path).err().unwrap_or_else(|| panic!("{damage} is not seen")).message;
        assert!(refused.contains("check --repair") && refused.contains(path.to_str().unwrap()), "{damage}: {refused}");
        repair(&settings(&path), &Clock::system()).unwrap();
        assert_eq!(check(&open(&path).unwrap()), Vec::<String>::new(), "{damage}");
    }
}

#[test]
fn a_repair_gives_the_answers_of_before_and_new_revisions() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let answers = |store: &Store| {
        let snapshot = store.snapshot().unwrap();
        let day = |text| analytics::model::Day::parse(text).unwrap();
        let range = analytics::model::DateRange::new(day("1970-01-03"), day("1970-01-09")).unwrap();
        let by_user = analytics::model::GroupBy::User;
        let groups = snapshot.groups(range, &Default::default(), by_user, 0, 100).unwrap();
        let start = analytics::model::Start::Offset(4_321);
        let page = snapshot.page(&Default::default(), analytics::model::TimeOrder::NewestFirst, start, 50).unwrap();
        ((groups, page), (snapshot.usage_revision().number, snapshot.log_revision().number))
    };
    let (before, (usage, log)) = answers(&open(&path).unwrap());
    let wreck = "
        delete from usage_node; delete from usage_count; delete from usage_user_history; delete from usage_delta;
        delete from log_order; delete from log_leaf; delete from log_event_id";
    Connection::open(&path).unwrap().execute_batch(wreck).unwrap();
    repair(&settings(&path), &Clock::system()).unwrap();
    assert_eq!(answers(&open(&path).unwrap()), (before, (usage + 1, log + 1)));
}

#[test]
fn a_database_in_use_is_not_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let _held = open(&path).unwrap();
    assert_eq!(repair(&settings(&path), &Clock::system()).unwrap_err().kind, Kind::Conflict);
}

#[test]
fn a_reader_does_not_wait_for_ever_for_a_commit_that_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let store = open(&path).unwrap();
    Connection::open(&path).unwrap().execute("update database set commit_seq = 77777", []).unwrap();
    let message = store.snapshot().err().expect("no view fits").message;
    assert!(message.contains("another program"), "{message}");
}

#[test]
fn a_database_has_one_lock_by_whichever_name_it_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink("a.db", &link).unwrap();
    let far = dir.path().join("far.db");
    std::os::unix::fs::symlink(&link, &far).unwrap();
    for (first, second) in [(&path, &far), (&far, &path), (&link, &far)] {
        let _held = open(first).unwrap();
        assert_eq!(open(second).err().expect("one file, one lock").kind, Kind::Conflict);
    }
    assert!(!beside(dir.path(), "far.db.lock").exists());
}

#[test]
fn a_path_is_a_path_whatever_sqlite_would_make_of_it() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["file:a.db?mode=memory", "with blanks and 'quotes'.db", "a?b=c#d%20.db"] {
        let path = dir.path().join(name);
        open(&path).unwrap().close();
        open(&path).unwrap().snapshot().unwrap();
        assert!(path.exists(), "{name}");
    }
}

#[test]
fn the_digest_of_an_erased_id_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    // Stores the keys that wait, as many users or a quiet while would.
    repair(&settings(&path), &Clock::system()).unwrap();
    let digest = |conn: &Connection| -> Vec<u8> {
        conn.query_row("select digest from usage_user_key where ord = 7", [], |row| row.get(0)).unwrap()
    };
    let digest = digest(&Connection::open(&path).unwrap());
    let is_there = || std::fs::read(&path).unwrap().windows(digest.len()).any(|bytes| bytes == digest);
    assert!(is_there());
    let store = open(&path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let history = analytics::model::History::Anonymize;
    let user = Connection::open(&path).unwrap();
    let user: String =
        user.query_row("select user_id from usage_user_name where ord = 7", [], |row| row.get(0)).unwrap();
    assert_eq!(runtime.block_on(store.erase(Id::new(user).unwrap(), history)), Ok(true));
    store.close();
    assert!(!is_there());
}

#[test]
fn a_new_database_is_for_its_owner_alone_and_an_old_one_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let store = open(&path).unwrap();
    assert_eq!((mode(&path), mode(&beside(&path, "-wal"))), (0o600, 0o600));
    store.close();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    drop(store);
    open(&path).unwrap().close();
    assert_eq!(mode(&path), 0o640);
}
