//! What is left of a person who was erased: nothing to find, in no file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Client, NDJSON, percent_encoded};
use crate::support::process::{self, Process};
use crate::support::random::Random;
use crate::support::usage::{report, summary};

/// The contract's minute.
const GONE_WITHIN: Duration = Duration::from_secs(60);
/// Not to spin while the server cleans up; what is waited for is the condition.
const POLL_EVERY: Duration = Duration::from_millis(100);

const TEAM: &str = "core";
const EVERYTHING: &str = "2020-01-01..2025-12-31";
/// Distinct in every part, so that any piece of it that is left gives it away.
const PERSON: &str = "person-qzvkwxjh8431@example.org";
const PIECE: &[u8] = b"qzvkwxjh8431";

#[test]
fn an_erased_id_is_found_in_no_file_and_the_counts_stay() {
    let crowd = Crowd::around_a_person();
    let before = crowd.figures();
    let groups = report(&crowd.client, EVERYTHING, &[("group_by", "team")]);
    crowd.erase("keep");
    assert_eq!(crowd.figures(), before);
    assert_eq!(report(&crowd.client, EVERYTHING, &[("group_by", "team")]), groups);
    crowd.expect_no_trace();
    assert_eq!(crowd.figures(), before);
    crowd.expect_clean_check();
}

#[test]
fn an_erased_history_leaves_what_would_be_had_the_user_never_been() {
    let crowd = Crowd::around_a_person();
    let never = Crowd::without_the_person();
    assert_ne!(crowd.figures(), never.figures());
    crowd.erase("remove");
    assert_eq!(crowd.figures(), never.figures());
    for parameters in [("group_by", "team"), ("group_by", "service"), ("group_by", "user"), ("interval", "month")] {
        let [left, expected] =
            [&crowd, &never].map(|crowd| report(&crowd.client, EVERYTHING, &[parameters, ("user_id", &name(77))]));
        assert_eq!(left, expected, "{parameters:?} of another user");
        let [left, expected] = [&crowd, &never].map(|crowd| report(&crowd.client, EVERYTHING, &[parameters]));
        assert_eq!(left, expected, "{parameters:?}");
    }
    crowd.expect_no_trace();
    crowd.expect_clean_check();
}

#[test]
fn a_later_event_makes_a_new_user() {
    let crowd = Crowd::around_a_person();
    let [total, active, sessions] = crowd.figures();
    crowd.erase("keep");
    assert_eq!(summary(&crowd.client, EVERYTHING, &[("user_id", PERSON)]), [0, 0, 0]);
    post_usage(&crowd.client, &[event(PERSON, 3)]);
    assert_eq!(summary(&crowd.client, EVERYTHING, &[("user_id", PERSON)]), [1, 1, 1]);
    assert_eq!(crowd.figures(), [total + 1, active + 1, sessions + 1]);
}

#[test]
fn an_id_erased_again_and_again_is_gone_each_time() {
    let crowd = Crowd::around_a_person();
    for history in ["remove", "keep", "remove"] {
        crowd.erase(history);
        assert_eq!(crowd.client.send("DELETE", &user_path(""), &[], b"").status, 404);
        crowd.expect_no_trace();
        post_usage(&crowd.client, &[event(PERSON, 5), event(PERSON, 90)]);
    }
    crowd.erase("remove");
    crowd.expect_no_trace();
    crowd.expect_clean_check();
}

/// A server of its own process (we read its files' bytes while it runs) with some thousand users of similar names, added
/// in random order before and after the person, so that pages of the file split around it.
struct Crowd {
    client: Client,
    _server: Process,
    database: PathBuf,
    _directory: tempfile::TempDir,
}

impl Crowd {
    fn around_a_person() -> Crowd {
        Crowd::new(true)
    }

    fn without_the_person() -> Crowd {
        Crowd::new(false)
    }

    fn new(with_person: bool) -> Crowd {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("analytics.db");
        let server = Process::serve(&database);
        let client = server.client();
        let mut others: Vec<usize> = (0..4000).collect();
        Random::new(7).shuffle(&mut others);
        let (before, after) = others.split_at(others.len() / 2);
        let post = |users: &[usize]| {
            for batch in users.chunks(500) {
                post_usage(&client, &batch.iter().map(|n| event(&name(*n), n % 900)).collect::<Vec<_>>());
            }
        };
        post(before);
        if with_person {
            let registration = json!({"user_id": PERSON, "team_id": TEAM, "registered_at": "2020-02-02T00:00:00Z"});
            client.post_all("/users", &[], registration.to_string(), 1);
            // Many days, sessions with and without an id, over midnight.
            post_usage(&client, &(0..300).map(|n| event(PERSON, n * 3)).collect::<Vec<_>>());
        }
        post(after);
        Crowd { client, _server: server, database, _directory: directory }
    }

    fn figures(&self) -> [u64; 3] {
        summary(&self.client, EVERYTHING, &[])
    }

    fn erase(&self, history: &str) {
        assert!(!self.files_with_traces().is_empty(), "the id is in the files, and we can find it there");
        let answer = self.client.send("DELETE", &user_path(&format!("?history={history}")), &[], b"");
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Waits until no piece of the id is left in the database, its WAL or any other file beside them.
    fn expect_no_trace(&self) {
        let erased = Instant::now();
        loop {
            let left = self.files_with_traces();
            if left.is_empty() {
                return;
            }
            assert!(erased.elapsed() < GONE_WITHIN, "after a minute the id is still in {left:?}");
            std::thread::sleep(POLL_EVERY);
        }
    }

    fn files_with_traces(&self) -> Vec<PathBuf> {
        files_with(self.database.parent().expect("a directory"), PIECE)
    }

    fn expect_clean_check(&self) {
        let checked = process::run(&["check", "--database", &self.database.to_string_lossy()]);
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

fn files_with(directory: &Path, piece: &[u8]) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).expect("the directory is ours");
    let mut found = Vec::new();
    for file in files {
        let path = file.expect("the directory is ours").path();
        // A socket has no bytes to read, and a file may vanish between the two looks.
        let bytes = std::fs::read(&path).unwrap_or_default();
        if bytes.windows(piece.len()).any(|window| window == piece) {
            found.push(path);
        }
    }
    found
}

fn user_path(query: &str) -> String {
    format!("/users/{}{query}", percent_encoded(PERSON))
}

/// Neighbours of the person in every index: the same beginning, and an end of the same length.
fn name(n: usize) -> String {
    format!("person-{:012}@example.org", n * 7919)
}

/// The `n`-th half day since 2022.
fn event(user: &str, n: usize) -> Value {
    let at = chrono::DateTime::from_timestamp(1_640_995_200 + n as i64 * 43_195, 0).expect("a time");
    let session = n.is_multiple_of(4).then(|| format!("session {}", n % 3));
    json!({"user_id": user, "team_id": TEAM, "service": "api", "session_id": session, "timestamp": at.to_rfc3339()})
}

fn post_usage(client: &Client, events: &[Value]) {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    client.post_all("/usage/events", &[NDJSON], lines, events.len());
}
