use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Place, SUMMARY, Server, post_form, post_json};

const USAGE: &str = "user_id,timestamp\nu-1,2025-01-10T10:00:00Z\nu-2,2025-01-11T10:00:00Z\n";
const LATER: &str = "user_id,timestamp\nu-3,2025-01-12T10:00:00Z\n";
const PASSWORD: &str = "correct horse battery";

/// A database with two active users, and a key that reads.
fn place() -> (Place, String) {
    let place = Place::new();
    // So that tokens are good on whatever port the server listens next.
    place.file("analytics.toml", "[issuer]\nurl = \"https://analytics.example.com\"\n");
    import(&place, USAGE);
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "read:analytics"]).ok();
    (place, key.trim_end().to_string())
}

fn import(place: &Place, usage: &str) {
    let file = place.file("usage.csv", usage);
    place.run(&["import", "usage", &file]).ok();
}

fn active_users(server: &Server, key: &str) -> Value {
    let (status, figures) = server.get(SUMMARY, key);
    assert_eq!(status, 200, "{figures}");
    figures["active_users"].clone()
}

fn etag(server: &Server, key: &str) -> String {
    let answer = ureq::get(format!("{}{SUMMARY}", server.url)).header("X-API-Key", key).call().unwrap();
    answer.headers()["etag"].to_str().unwrap().to_string()
}

fn names(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The database that a restore has kept.
fn kept_aside(place: &Place) -> PathBuf {
    let names = names(place);
    let kept: Vec<_> = names.iter().filter(|name| name.contains(".before-")).collect();
    assert_eq!(kept.len(), 1, "{names:?}");
    place.path().join(kept[0])
}

fn users(database: &std::path::Path) -> i64 {
    let conn = Connection::open(database).unwrap();
    conn.query_row("select count(*) from usage_user", [], |row| row.get(0)).unwrap()
}

#[test]
fn what_a_killed_backup_left_goes_with_the_next_one() {
    let (place, _) = place();
    let left = place.file("copy.db.part-0123456789abcdef", "half a copy");
    let other = place.file("copy.db.part-of-something-else", "not ours");
    place.run(&["backup", place.path().join("copy.db").to_str().unwrap()]).ok();
    assert!(!std::path::Path::new(&left).exists() && std::path::Path::new(&other).exists());
}

#[test]
fn a_restored_database_answers_as_it_did_under_another_etag() {
    let (place, key) = place();
    let server = place.serve();
    let before = etag(&server, &key);
    let made = place.run(&["backup", "b.db"]);
    assert!(made.stderr.contains("b.db is a backup of"), "{}", made.stderr);
    assert_eq!(made.ok(), "");
    import(&place, LATER);
    assert_eq!(active_users(&server, &key), 3);
    server.stop("TERM");

    let refused = place.run(&["restore", "b.db"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    place.run(&["restore", "--force", "b.db"]).ok();
    assert_eq!(users(&kept_aside(&place)), 3);

    let server = place.serve();
    assert_eq!(active_users(&server, &key), 2);
    assert_ne!(etag(&server, &key), before);
    assert!(place.run(&["check"]).ok().contains("everything agrees"));
    import(&place, LATER);
    assert_eq!(active_users(&server, &key), 3);
}

#[test]
fn a_backup_is_one_private_file_and_leaves_nothing_beside_the_database() {
    let (place, _) = place();
    let before = names(&place);
    place.run(&["backup", "b.db"]).ok();
    let mode = std::fs::metadata(place.path().join("b.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut after = names(&place);
    after.retain(|name| !before.contains(name));
    assert_eq!(after, ["b.db"]);

    let again = place.run(&["backup", "b.db"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    import(&place, LATER);
    place.run(&["backup", "--force", "b.db"]).ok();
    assert_eq!(users(&place.path().join("b.db")), 3);
}

#[test]
fn a_backup_goes_behind_a_link_and_leaves_the_link_where_it_is() {
    let (place, _) = place();
    let at = |name: &str| place.path().join(name);
    place.run(&["backup", "b.db"]).ok();
    std::os::unix::fs::symlink("b.db", at("link.db")).unwrap();
    std::os::unix::fs::symlink("nothing.db", at("loose.db")).unwrap();
    import(&place, LATER);
    assert_eq!(place.run(&["backup", "link.db"]).code, 1);
    place.run(&["backup", "--force", "link.db"]).ok();
    assert!(std::fs::symlink_metadata(at("link.db")).unwrap().is_symlink());
    assert_eq!(users(&at("b.db")), 3);
    let refused = place.run(&["backup", "--force", "loose.db"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("a link to nothing"), "{}", refused.stderr);
}

#[test]
fn every_backup_made_while_events_come_in_is_a_sound_database() {
    let (place, _) = place();
    let server = place.serve();
    let line = |n: usize| format!("u-{n},2025-{:02}-{:02}T10:00:00Z,t-{}\n", 1 + n % 12, 1 + n % 28, n % 7);
    let file =
        place.file("many.csv", "user_id,timestamp,team_id\n".to_string() + &(0..40_000).map(line).collect::<String>());
    std::thread::scope(|scope| {
        let importing = scope.spawn(|| place.run(&["import", "usage", &file]).ok());
        for n in 0..3 {
            place.run(&["backup", &format!("{n}.db")]).ok();
        }
        importing.join().unwrap();
    });
    drop(server);
    for n in 0..3 {
        let other = Place::new();
        other.run(&["restore", place.path().join(format!("{n}.db")).to_str().unwrap()]).ok();
        assert!(other.run(&["check"]).ok().contains("everything agrees"));
    }
}

/// A token of `token issue`, and the answer to a log-in; both seen to work.
fn tokens(place: &Place, server: &Server) -> (String, Value) {
    let token = place.run(&["token", "issue", "--subject", "ci", "--scope", "read:analytics"]).ok();
    let account = ["account", "create", "alice", "--scope", "read:analytics", "--password-stdin"];
    place.run_with_input(&account, PASSWORD.as_bytes()).ok();
    let (status, login) = log_in(server);
    assert_eq!(status, 200, "{login}");
    (token.trim_end().to_string(), login)
}

fn log_in(server: &Server) -> (u16, Value) {
    post_json(&format!("{}/auth/login", server.url), &json!({"username": "alice", "password": PASSWORD}))
}

fn opens(server: &Server, token: &str) -> bool {
    let status = server.get(SUMMARY, token).0;
    assert!(status == 200 || status == 401, "{status}");
    status == 200
}

fn refresh(server: &Server, login: &Value) -> (u16, Value) {
    let token = login["refresh_token"].as_str().unwrap();
    post_form(&format!("{}/oauth/token", server.url), &format!("grant_type=refresh_token&refresh_token={token}"))
}

#[test]
fn tokens_and_log_ins_of_before_a_restore_are_refused() {
    let (place, key) = place();
    let server = place.serve();
    let (token, login) = tokens(&place, &server);
    place.run(&["backup", "b.db"]).ok();
    server.stop("TERM");
    // A mere restart ends neither.
    let server = place.serve();
    assert!(opens(&server, &token) && opens(&server, login["access_token"].as_str().unwrap()));
    server.stop("TERM");

    let restored = place.run(&["restore", "--force", "b.db"]);
    assert!(restored.stderr.contains("tokens of before have ended"), "{}", restored.stderr);
    let server = place.serve();
    assert!(!opens(&server, &token) && !opens(&server, login["access_token"].as_str().unwrap()));
    let (status, refused) = refresh(&server, &login);
    assert_eq!((status, &refused["error"]), (400, &"invalid_grant".into()), "{refused}");
    assert!(place.run(&["token", "list"]).ok().contains("revoked"));

    assert!(opens(&server, &key));
    let (status, login) = log_in(&server);
    assert_eq!(status, 200, "{login}");
    assert!(opens(&server, login["access_token"].as_str().unwrap()));
}

#[test]
fn signing_keys_that_were_asked_for_twice_keep_issued_tokens_but_no_log_in() {
    let (place, _) = place();
    let server = place.serve();
    let (token, login) = tokens(&place, &server);
    place.run(&["backup", "--with-signing-keys", "b.db"]).ok();
    server.stop("TERM");
    place.run(&["restore", "--force", "--keep-signing-keys", "b.db"]).ok();
    let server = place.serve();
    assert!(opens(&server, &token) && !opens(&server, login["access_token"].as_str().unwrap()));
    assert_eq!(refresh(&server, &login).0, 400);
    server.stop("TERM");

    // Once is not enough.
    place.run(&["restore", "--force", "b.db"]).ok();
    assert!(!opens(&place.serve(), &token));
}

#[test]
fn a_backup_holds_no_signing_key_unless_asked() {
    let (place, _) = place();
    place.run(&["token", "issue", "--subject", "ci", "--scope", "read:analytics"]).ok();
    let conn = Connection::open(place.database()).unwrap();
    let key: Vec<u8> = conn.query_row("select private_key from signing_key", [], |row| row.get(0)).unwrap();
    drop(conn);
    place.run(&["backup", "without.db"]).ok();
    place.run(&["backup", "--with-signing-keys", "with.db"]).ok();
    let holds = |name: &str| {
        let bytes = std::fs::read(place.path().join(name)).unwrap();
        bytes.windows(key.len()).any(|window| window == key)
    };
    assert!(holds("with.db") && !holds("without.db"));

    let restored = place.run(&["restore", "--force", "--keep-signing-keys", "without.db"]);
    assert!(restored.stderr.contains("holds no signing keys"), "{}", restored.stderr);
}

#[test]
fn what_a_crash_has_left_is_kept_whole_and_touches_nothing_restored() {
    let (place, key) = place();
    place.run(&["backup", "b.db"]).ok();
    let server = place.serve();
    import(&place, LATER);
    server.stop("KILL");
    assert!(std::fs::metadata(place.path().join("analytics.db-wal")).unwrap().len() > 0);

    place.run(&["restore", "--force", "b.db"]).ok();
    assert_eq!(users(&kept_aside(&place)), 3);
    assert_eq!(active_users(&place.serve(), &key), 2);
}

#[test]
fn a_restore_that_fails_half_way_leaves_the_database_in_its_place() {
    let (place, _) = place();
    place.run(&["backup", "b.db"]).ok();
    import(&place, LATER);
    // Cannot be cleared away.
    std::fs::create_dir(place.path().join("analytics.db-journal")).unwrap();
    let failed = place.run(&["restore", "--force", "b.db"]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    std::fs::remove_dir(place.path().join("analytics.db-journal")).unwrap();
    assert!(place.database().exists(), "{:?}", names(&place));
    assert_eq!(users(&place.database()), 3);
}

#[test]
fn a_backup_takes_the_place_of_nothing_but_a_file() {
    let (place, _) = place();
    let listener = std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
    std::fs::create_dir(place.path().join("folder")).unwrap();
    for name in ["socket", "folder"] {
        let refused = place.run(&["backup", "--force", name]);
        assert!(refused.code == 1 && refused.stderr.contains("not a file"), "{name}: {}", refused.stderr);
    }
    assert!(!std::fs::metadata(place.path().join("socket")).unwrap().is_file());
    drop(listener);
}

#[test]
fn what_is_no_backup_replaces_nothing() {
    let (place, _) = place();
    place.run(&["backup", "b.db"]).ok();
    let backup = std::fs::read(place.path().join("b.db")).unwrap();
    place.file("letter.txt", "Dear analytics, ".repeat(1_000));
    place.file("empty.db", "");
    let mut damaged = backup.clone();
    damaged[8_192..20_480].fill(7);
    place.file("damaged.db", damaged);
    place.file("newer.db", &backup);
    Connection::open(place.path().join("newer.db")).unwrap().execute_batch("pragma user_version = 1000").unwrap();
    Connection::open(place.path().join("foreign.db")).unwrap().execute_batch("create table notes (text)").unwrap();
    let before = std::fs::read(place.database()).unwrap();

    let cases = [
        ("absent.db", "there is no backup at"),
        ("letter.txt", "not an SQLite database"),
        ("empty.db", "another program"),
        ("damaged.db", "damaged"),
        ("newer.db", "newer analytics"),
        ("foreign.db", "another program"),
        ("analytics.db", "in use"),
    ];
    for (file, why) in cases {
        let refused = place.run(&["restore", "--force", file]);
        assert_eq!(refused.code, 1, "{file}");
        assert!(refused.stderr.starts_with("error: ") && refused.stderr.contains(why), "{file}: {}", refused.stderr);
        assert!(std::fs::read(place.database()).unwrap() == before, "{file}");
    }
    assert!(!names(&place).iter().any(|name| name.contains(".part-") || name.contains(".before-")));
    let absent = place.run(&["restore", "absent.db"]);
    assert!(absent.stderr.contains("there is no backup at"), "{}", absent.stderr);
}

#[test]
fn a_damaged_database_makes_no_backup() {
    let (place, _) = place();
    let mut bytes = std::fs::read(place.database()).unwrap();
    bytes[8_192..20_480].fill(7);
    std::fs::write(place.database(), bytes).unwrap();
    let refused = place.run(&["backup", "b.db"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("is damaged") && !names(&place).contains(&"b.db".into()), "{}", refused.stderr);
}

#[test]
fn a_running_server_keeps_its_database() {
    let (place, _) = place();
    let _server = place.serve();
    place.run(&["backup", "b.db"]).ok();
    let refused = place.run(&["restore", "--force", "b.db"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("in use by another process"), "{}", refused.stderr);
    for own in ["analytics.db", "analytics.db-wal", "./analytics.db-shm", "analytics.db.lock"] {
        let refused = place.run(&["backup", "--force", own]);
        assert!(refused.stderr.contains("belongs to the database itself"), "{own}: {}", refused.stderr);
    }
}

#[test]
fn there_is_nothing_to_back_up_where_there_is_no_database() {
    let place = Place::new();
    let ended = place.run(&["backup", "b.db"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("no database at") && names(&place).is_empty(), "{}", ended.stderr);
}
