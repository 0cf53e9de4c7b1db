//! `jobs`: export jobs, with a server and without.

use serde_json::{Value, json};

use crate::support::{Place, Server, get, post};

struct Jobs {
    place: Place,
    key: String,
}

impl Jobs {
    fn new() -> Jobs {
        let place = Place::new();
        let create = ["key", "create", "--owner", "auditor", "--scope", "read:analytics", "--role", "report_admin"];
        let key = place.run(&create).ok().trim_end().to_string();
        Jobs { place, key }
    }

    /// Has a job made and waits for its end. Gives its id.
    fn complete(&self, server: &Server) -> String {
        let body = r#"{"report_type":"system-events","format":"csv"}"#;
        let (status, made) = post(&format!("{}/reports/export", server.url), &self.key, body);
        assert_eq!(status, 202, "{made}");
        let id = made["job_id"].as_str().unwrap().to_string();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while get(&format!("{}/reports/export/{id}", server.url), &self.key).1["status"] != "completed" {
            assert!(std::time::Instant::now() < deadline, "the job never ends");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        id
    }

    fn list(&self) -> Vec<Value> {
        let listed = self.place.run(&["jobs", "list", "--json"]).json();
        listed["jobs"].as_array().unwrap().clone()
    }

    /// The files of all jobs.
    fn files(&self) -> usize {
        let entries = std::fs::read_dir(self.place.path().join("analytics.db.exports")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("export-")).count()
    }
}

#[test]
fn jobs_are_listed_and_shown_with_a_server_and_without() {
    let jobs = Jobs::new();
    assert!(jobs.place.run(&["jobs", "list"]).stderr.contains("POST /reports/export"));
    let server = jobs.place.serve();
    let id = jobs.complete(&server);
    let (listed, shown) = (jobs.list(), jobs.place.run(&["jobs", "show", &id, "--json"]).json());
    assert_eq!(listed, std::slice::from_ref(&shown));
    assert_eq!(
        (&shown["status"], &shown["owner"]),
        (&json!("completed"), &json!({"issuer": "local", "subject": "auditor"}))
    );
    let (table, text) = (jobs.place.run(&["jobs", "list"]).ok(), jobs.place.run(&["jobs", "show", &id]).ok());
    assert!(table.starts_with("id ") && table.contains("system-events") && table.contains("auditor"), "{table}");
    assert!(text.contains("owner       auditor (local)\n") && text.contains("\nkept until  20"), "{text}");
    assert_eq!(jobs.place.run(&["jobs", "list", "--status", "failed", "--json"]).json(), json!({"jobs": []}));
    server.stop("TERM");
    assert_eq!(jobs.list()[0]["sha256"], shown["sha256"]);
    assert!(jobs.place.run(&["jobs", "show", &id]).ok().contains("completed"));
}

#[test]
fn a_removed_job_and_its_file_are_gone_with_a_server_and_without() {
    let jobs = Jobs::new();
    let server = jobs.place.serve();
    let (one, other) = (jobs.complete(&server), jobs.complete(&server));
    assert_eq!(jobs.files(), 2);
    jobs.place.run(&["jobs", "remove", &one]).ok();
    assert_eq!((jobs.files(), jobs.list().len()), (1, 1));
    server.stop("TERM");
    let removed = jobs.place.run(&["jobs", "remove", &one, &other]);
    assert_eq!(removed.code, 1, "one of them was gone already");
    assert!(removed.stderr.contains(&format!("there is no job {one}")), "{}", removed.stderr);
    assert!(removed.stderr.contains(&format!("Job {other} is removed.")), "{}", removed.stderr);
    assert_eq!((jobs.files(), jobs.list().len()), (0, 0));
}

#[test]
fn a_finished_job_is_not_cancelled() {
    let jobs = Jobs::new();
    let server = jobs.place.serve();
    let id = jobs.complete(&server);
    let refused = jobs.place.run(&["jobs", "cancel", &id, "nobody"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("is completed already") && refused.stderr.contains("jobs remove"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("there is no job nobody") && refused.stderr.contains("jobs list"),
        "{}",
        refused.stderr
    );
    assert_eq!((jobs.files(), jobs.list().len()), (1, 1));
}

#[test]
fn links_end_and_new_ones_can_be_had() {
    let jobs = Jobs::new();
    let server = jobs.place.serve();
    let id = jobs.complete(&server);
    let link = || {
        let (_, job) = get(&format!("{}/reports/export/{id}?link=signed", server.url), &jobs.key);
        job["signed_url"].as_str().unwrap_or_else(|| panic!("{job}")).to_string()
    };
    let follow = |link: &str| ureq::get(link).call().map(|answer| answer.status().as_u16()).unwrap_or(0);
    let before = link();
    assert_eq!(follow(&before), 200);
    jobs.place.run(&["jobs", "unlink", &id]).ok();
    assert_eq!((follow(&before), follow(&link())), (0, 200));
    assert!(jobs.place.run(&["jobs", "unlink", "nobody"]).stderr.contains("jobs list"));
}

#[test]
fn an_unfinished_job_is_cancelled_or_removed_without_a_server() {
    let jobs = Jobs::new();
    // As a server leaves them that was killed.
    let conn = rusqlite::Connection::open(jobs.place.database()).unwrap();
    for id in ["one", "other"] {
        let insert =
            "insert into export_job (id, issuer, subject, request, extension, names_users, log_seq, state, attempt,
            generation, rows_done, created_at, file_state)
            values (?1, 'local', 'auditor', ?2, 'csv', 0, 0, 'processing', 1, 1, 0, 0, 0)";
        conn.execute(insert, [id, r#"{"report_type":"system-events","format":"csv"}"#]).unwrap();
    }
    drop(conn);
    jobs.place.run(&["jobs", "cancel", "one"]).ok();
    jobs.place.run(&["jobs", "remove", "other"]).ok();
    let listed = jobs.list();
    assert_eq!((listed.len(), &listed[0]["error"]["code"]), (1, &json!("cancelled")), "{listed:?}");
    assert!(jobs.place.run(&["jobs", "list"]).ok().contains("failed: cancelled"));
}
