//! No room left: answered, survived, and nothing acknowledged is lost.

use serde_json::{Value, json};

use crate::support::client::{Answer, NDJSON};
use crate::support::server::Server;
use crate::support::usage::report;

const DAY: &str = "2025-03-04";

/// Room for the schema and little more.
fn small() -> Server {
    Server::with(|settings| settings.store.bytes_max = 400 << 10)
}

/// Users who are all in one batch.
fn post_users(server: &Server, batch: usize) -> Answer {
    let event =
        |n| json!({"user_id": format!("user {batch}-{n} {}", "x".repeat(200)), "timestamp": "2025-03-04T10:00:00Z"});
    let lines: String = (0..100).map(|n| format!("{}\n", event(n))).collect();
    server.send("POST", "/usage/events", &[NDJSON], lines.as_bytes())
}

/// Posts until there is no room; gives the users acknowledged, and the refusal.
fn fill(server: &Server) -> (u64, Answer) {
    for batch in 0..1_000 {
        let answer = post_users(server, batch);
        if answer.status != 200 {
            return (100 * batch as u64, answer);
        }
    }
    panic!("the file grows without a bound");
}

fn active_users(server: &Server) -> Value {
    report(server, DAY, &[])["active_users"].clone()
}

#[test]
fn a_full_database_answers_507_and_names_the_setting_while_reads_go_on() {
    let server = small();
    let (acknowledged, refused) = fill(&server);
    assert!(acknowledged > 0);
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert_eq!(refused.json()["error"], "Insufficient Storage");
    assert!(refused.text().contains("database.bytes_max"), "{}", refused.text());
    assert_eq!(active_users(&server), acknowledged);

    let log: Vec<Value> = (0..200).map(|_| json!({"severity": "info", "message": "x".repeat(2_000)})).collect();
    assert_eq!(server.post("/logs/system-events", json!(log).to_string()).status, 507);
    assert_eq!(server.json("/logs/system-events")["total_pages"], 0);
    assert_eq!(active_users(&server), acknowledged);
    assert_eq!(server.check(), Vec::<String>::new());
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_full_database_takes_more_once_its_bound_is_raised() {
    let server = small();
    let (acknowledged, _) = fill(&server);
    let server = server.restart_with(|settings| settings.store.bytes_max = 0);
    assert_eq!(active_users(&server), acknowledged);
    assert_eq!(post_users(&server, 5_000).status, 200);
    assert_eq!(active_users(&server), acknowledged + 100);
    assert_eq!(server.check(), Vec::<String>::new());
}

#[test]
fn a_person_can_be_erased_from_a_full_database() {
    let server = small();
    let (acknowledged, _) = fill(&server);
    let path = format!("/users/user%200-0%20{}", "x".repeat(200));
    assert_eq!(server.send("DELETE", &path, &[], b"").status, 204);
    assert_eq!(active_users(&server), acknowledged);
    assert_eq!(server.check(), Vec::<String>::new());
}
