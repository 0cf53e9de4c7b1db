//! Exports asked for, looked at, listed and removed.

use std::time::{Duration, Instant};

use analytics::limits::Settings as LimitSettings;
use analytics::model::Scope;
use serde_json::{Value, json};

use super::jobs::{EVENTS, Jobs, USAGE, grants, id_of};
use super::server::{PATIENCE, send};

const EXPORTS: &str = "/reports/export";

fn quota(exports_per_day: u32) -> LimitSettings {
    LimitSettings { exports_per_day, ..LimitSettings::none() }
}

#[test]
fn what_is_asked_for_is_accepted_with_a_job_to_look_at() {
    let jobs = Jobs::start();
    let key = jobs.report_admin("ann");
    let answer = jobs.order_as(&key, &[("Content-Type", "application/x-www-form-urlencoded")], USAGE);
    let id = id_of(&answer);
    assert_eq!(answer.status, 202);
    assert_eq!(answer.text(), format!(r#"{{"job_id":"{id}","status":"queued"}}"#));
    let location = format!("{EXPORTS}/{id}");
    assert_eq!(answer.header("location"), Some(location.as_str()));
    assert!(id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");

    let shown = jobs.ask("GET", &location, &key);
    assert_eq!((shown.status, shown.header("cache-control")), (200, Some("no-store")));
    let expected = json!({"job_id": id, "status": "queued", "report_type": "usage-summary", "format": "csv",
        "created_at": "2025-06-01T12:00:00Z", "progress": {"rows_done": 0},
        "owner": {"issuer": "local", "subject": "ann"}});
    assert_eq!(shown.json(), expected);
    let gzipped = jobs.order_as(&key, &[("Content-Type", "application/json")], EVENTS);
    assert_eq!(gzipped.status, 202);
}

#[test]
fn what_cannot_be_asked_for_is_refused_by_name() {
    let jobs = Jobs::start();
    let key = jobs.report_admin("ann");
    let table = [
        ("", "the body is empty"),
        ("[]", "must be one JSON object"),
        (r#"{"report_type":"usage"}"#, "\"report_type\" must be \"usage-summary\" or \"system-events\""),
        (r#"{"report_type":"usage-summary","format":"csv","start_date":"2025-01-01"}"#, "\"end_date\" is required"),
        (r#"{"report_type":"system-events","format":"pdf"}"#, "\"format\" must be \"csv\" or \"xlsx\""),
        (r#"{"report_type":"system-events","format":"csv","limit":5}"#, "no field \"limit\"; known: report_type"),
        (r#"{"report_type":"system-events","format":"xlsx","raw":true}"#, "\"raw\" goes with format \"csv\" only"),
    ];
    for (body, told) in table {
        let message = jobs.order_as(&key, &[], body).error(400, "Bad Request");
        assert!(message.contains(told), "{body}: {message}");
    }
    jobs.order_as(&key, &[], &" ".repeat(20_000)).error(413, "Content Too Large");
    jobs.order_as(&key, &[("Content-Type", "text/xml")], USAGE).error(415, "Unsupported Media Type");
    let message =
        jobs.server.request_as("POST", "/reports/export?format=csv", &[("X-API-Key", &key)], USAGE.as_bytes());
    assert!(message.error(400, "Bad Request").contains("unknown parameter \"format\""));
    assert_eq!(jobs.ask("GET", EXPORTS, &key).json(), json!({"jobs": [], "page": 1, "total_pages": 0}));
}

#[test]
fn the_same_key_gives_the_same_job_and_charges_once() {
    let jobs = Jobs::with_limits(quota(2));
    let (ann, bob) = (jobs.report_admin("ann"), jobs.report_admin("bob"));
    let order =
        |key: &str, idempotency: &str, body: &str| jobs.order_as(key, &[("Idempotency-Key", idempotency)], body);
    let id = id_of(&order(&ann, "\"k1\"", USAGE));
    // However it is spelt: what is asked for is the same.
    let spelt = r#"{ "format":"csv", "end_date":"2025-01-31","start_date":"2025-01-01","interval":"day","gzip":false,
        "report_type":"usage-summary","team_id":null}"#;
    for (key, body) in [("\"k1\"", USAGE), ("k1", spelt)] {
        let again = order(&ann, key, body);
        assert_eq!((again.status, id_of(&again)), (202, id.clone()), "{}", again.text());
    }
    let of_user = USAGE.replace('}', r#","user_id":"u1"}"#);
    order(&ann, "k1", &of_user).error(422, "Unprocessable Content");
    order(&ann, "k1", EVENTS).error(422, "Unprocessable Content");
    assert_ne!(id_of(&order(&bob, "k1", USAGE)), id);
    assert_ne!(id_of(&order(&ann, "k2", USAGE)), id);
    // The day's are used up, and what is known is not asked to pay.
    order(&ann, "k3", USAGE).error(429, "Too Many Requests");
    jobs.complete(&id, b"x");
    assert_eq!(order(&ann, "k1", USAGE).json(), json!({"job_id": id, "status": "completed"}));
    assert_eq!(jobs.ask("DELETE", &format!("{EXPORTS}/{id}"), &ann).status, 204);
    assert!(order(&ann, "k1", USAGE).error(410, "Gone").contains("new key"));
    jobs.server.pass(86_400);
    assert_ne!(id_of(&order(&ann, "k1", USAGE)), id);
}

#[test]
fn an_idempotency_key_that_is_none_is_refused() {
    let jobs = Jobs::start();
    let key = jobs.report_admin("ann");
    for bad in ["", "\"\"", "\"a", "a b", &"x".repeat(256)] {
        let message = jobs.order_as(&key, &[("Idempotency-Key", bad)], USAGE).error(400, "Bad Request");
        assert!(message.contains("Idempotency-Key"), "{bad}: {message}");
    }
    let twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")];
    assert!(jobs.order_as(&key, &twice, USAGE).error(400, "Bad Request").contains("more than once"));
}

#[test]
fn the_exports_of_a_day_are_used_up_until_midnight() {
    let jobs = Jobs::with_limits(quota(2));
    let key = jobs.report_admin("ann");
    for _ in 0..5 {
        jobs.order_as(&key, &[], "{}").error(400, "Bad Request");
    }
    let first = jobs.order(&key, USAGE);
    jobs.order(&jobs.report_admin("ann"), USAGE);
    // Another key of the same owner is the same principal; what is cancelled is not given back.
    assert_eq!(jobs.ask("DELETE", &format!("{EXPORTS}/{first}"), &key).status, 204);
    jobs.server.clock.set(jobs.server.clock.unix_micros() + 1);
    let refused = jobs.order_as(&key, &[], USAGE);
    assert!(refused.error(429, "Too Many Requests").contains("2 exports a day are used up"));
    assert_eq!(refused.header("retry-after"), Some("43200"));
    assert_eq!(refused.header("ratelimit"), Some("\"exports\";r=0;t=43200"));
    assert_eq!(jobs.order_as(&jobs.report_admin("bob"), &[], USAGE).status, 202);
    jobs.server.pass(43_199);
    assert_eq!(jobs.order_as(&key, &[], USAGE).header("retry-after"), Some("1"));
    jobs.server.pass(1);
    assert_eq!(jobs.order_as(&key, &[], USAGE).status, 202);
}

#[test]
fn an_accepted_export_tells_what_is_left_of_the_day_beside_what_is_left_of_the_minute() {
    let jobs = Jobs::with_limits(LimitSettings { requests_per_minute: 5, ..quota(3) });
    let key = jobs.report_admin("ann");
    let answer = jobs.order_as(&key, &[], USAGE);
    assert_eq!(answer.header("ratelimit-policy"), Some("\"minute\";q=5;w=60, \"exports\";q=3;w=86400"));
    assert_eq!(answer.header("ratelimit"), Some("\"minute\";r=4;t=60, \"exports\";r=2;t=43200"));
    let shown = jobs.ask("GET", &format!("{EXPORTS}/{}", id_of(&answer)), &key);
    assert_eq!(shown.header("ratelimit-policy"), Some("\"minute\";q=5;w=60"));
}

#[test]
fn an_export_beyond_the_days_costs_no_request_either() {
    let jobs = Jobs::with_limits(LimitSettings { requests_per_minute: 3, ..quota(1) });
    let key = jobs.report_admin("ann");
    assert_eq!(
        jobs.order_as(&key, &[], USAGE).header("ratelimit"),
        Some("\"minute\";r=2;t=60, \"exports\";r=0;t=43200")
    );
    for _ in 0..10 {
        let refused = jobs.order_as(&key, &[], USAGE);
        assert!(refused.error(429, "Too Many Requests").contains("exports a day"));
        assert_eq!(refused.header("ratelimit"), Some("\"minute\";r=2;t=60, \"exports\";r=0;t=43200"));
    }
    let statuses = [(); 3].map(|()| jobs.ask("GET", EXPORTS, &key).status);
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn the_administrator_asks_for_exports_that_nobody_is_charged_for() {
    let jobs = Jobs::with_limits(quota(1));
    for _ in 0..3 {
        assert_eq!(jobs.server.admin("POST", EXPORTS, USAGE).0, 202);
    }
    let ann = jobs.report_admin("ann");
    let of_ann = jobs.order(&ann, USAGE);
    let (_, listed) = jobs.server.admin("GET", EXPORTS, "");
    let owners: Vec<&str> =
        listed["jobs"].as_array().unwrap().iter().map(|job| job["owner"]["subject"].as_str().unwrap()).collect();
    assert_eq!(owners, ["ann", "administrator", "administrator", "administrator"]);
    assert_eq!(jobs.server.admin("DELETE", &format!("{EXPORTS}/{of_ann}"), "").0, 204);
    assert_eq!(jobs.show(&of_ann, &ann)["error"]["code"], "cancelled");
}

/// Whoever has no right to a job is answered as if there were none, to the letter.
#[test]
fn a_job_is_for_its_owner_and_report_admins() {
    let jobs = Jobs::start();
    let id = jobs.order(&jobs.report_admin("ann"), USAGE);
    jobs.complete(&id, b"a,b\r\n");
    let unknown = "A".repeat(22);
    let targets = |id: &str| {
        [
            ("GET", format!("{EXPORTS}/{id}")),
            ("GET", format!("{EXPORTS}/{id}?link=signed")),
            ("GET", format!("/downloads/export-{id}.csv")),
            ("DELETE", format!("{EXPORTS}/{id}")),
        ]
    };
    let statuses = |key: &str| {
        let [show, link, download, remove] = targets(&id).map(|(method, target)| jobs.ask(method, &target, key));
        [show.status, link.status, download.status, remove.status]
    };
    let stranger = jobs.reader("bob");
    for ((method, known), (_, unknown)) in targets(&id).into_iter().zip(targets(&unknown)) {
        let [one, other] = [known, unknown].map(|target| jobs.ask(method, &target, &stranger));
        assert_eq!((one.status, one.text()), (404, other.text()), "{method}");
    }
    let scopeless = jobs.server.key_of("ann", grants(&[Scope::WriteEvents], true));
    assert_eq!(statuses(&scopeless), [403; 4]);
    let nobody = targets(&id).map(|(method, target)| jobs.server.request_as(method, &target, &[], b"").status);
    assert_eq!(nobody, [401; 4]);
    // The owner needs the privilege to ask for an export, not to have it.
    let owner = jobs.reader("ann");
    jobs.order_as(&owner, &[], USAGE).error(403, "Forbidden");
    let [show, link, download, _] = targets(&id);
    assert_eq!([show, link, download].map(|(method, target)| jobs.ask(method, &target, &owner).status), [200; 3]);
    assert_eq!(jobs.show(&id, &owner).get("owner"), None);
    assert_eq!(statuses(&jobs.report_admin("carol")), [200, 200, 200, 204]);
    assert_eq!(statuses(&jobs.report_admin("carol")), [404; 4]);
}

#[test]
fn for_want_of_the_privilege_the_answer_says_so() {
    let jobs = Jobs::start();
    let answer = jobs.order_as(&jobs.reader("ann"), &[], USAGE);
    assert!(answer.error(403, "Forbidden").contains("report_admin"));
    let challenge = "Bearer realm=\"analytics\", error=\"insufficient_scope\", scope=\"report_admin\"";
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
}

#[test]
fn jobs_are_listed_newest_first_by_page_and_status() {
    let jobs = Jobs::start();
    let (ann, bob) = (jobs.report_admin("ann"), jobs.report_admin("bob"));
    let ids: Vec<String> = (0..5).map(|n| jobs.order(if n == 3 { &bob } else { &ann }, USAGE)).collect();
    jobs.complete(&ids[4], b"x");
    let list = |key: &str, query: &str| jobs.ask("GET", &format!("{EXPORTS}{query}"), key);
    let listed = |answer: &Value| -> Vec<usize> {
        let of = |job: &Value| ids.iter().position(|id| job["job_id"] == id.as_str()).unwrap();
        answer["jobs"].as_array().unwrap().iter().map(of).collect()
    };
    let reader = jobs.reader("ann");
    assert_eq!(listed(&list(&reader, "").json()), [4, 2, 1, 0]);
    assert_eq!(listed(&list(&ann, "").json()), [4, 3, 2, 1, 0]);
    assert_eq!(listed(&list(&ann, "?status=completed").json()), [4]);
    assert_eq!(list(&ann, "?status=failed").json(), json!({"jobs": [], "page": 1, "total_pages": 0}));
    let page = list(&ann, "?limit=2&page=2");
    assert_eq!((listed(&page.json()), page.json()["total_pages"].clone()), (vec![2, 1], json!(3)));
    let links = page.header("link").unwrap();
    assert!(links.contains("</reports/export?limit=2&page=3>; rel=\"next\""), "{links}");
    for beyond in ["?page=4&limit=2", "?page=18446744073709551615&limit=1000"] {
        assert_eq!(listed(&list(&ann, beyond).json()), [0; 0], "{beyond}");
    }
    for bad in ["?limit=0", "?limit=1001", "?page=0", "?status=done", "?owner=ann", "?page=1&page=2"] {
        list(&ann, bad).error(400, "Bad Request");
    }
}

#[test]
fn a_job_shows_how_far_it_is_and_what_it_came_to() {
    let jobs = Jobs::start();
    let ann = jobs.report_admin("ann");
    let (begun, done, failed) = (jobs.order(&ann, USAGE), jobs.order(&ann, EVENTS), jobs.order(&ann, EVENTS));
    let job = jobs.begin(&begun);
    let note = |rows, expected| jobs.server.runtime.block_on(jobs.store.note_export_progress(&job, rows, expected));
    note(5, None).unwrap();
    let shown = jobs.show(&begun, &ann);
    assert_eq!((&shown["status"], &shown["progress"]), (&json!("processing"), &json!({"rows_done": 5})));
    assert_eq!(shown["started_at"], "2025-06-01T12:00:00Z");
    for (rows, expected, percent) in [(5, 20, 25), (20, 20, 99), (0, 0, 0)] {
        note(rows, Some(expected)).unwrap();
        let progress = json!({"rows_done": rows, "rows_expected": expected, "percent": percent});
        assert_eq!(jobs.show(&begun, &ann)["progress"], progress);
    }
    jobs.server.pass(90);
    jobs.complete(&done, b"abc");
    let shown = jobs.show(&done, &ann);
    let expected = json!({"job_id": done, "status": "completed", "report_type": "system-events", "format": "xlsx",
        "created_at": "2025-06-01T12:00:00Z", "started_at": "2025-06-01T12:01:30Z", "rows": 31, "bytes": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "finished_at": "2025-06-01T12:01:30Z", "expires_at": "2025-06-08T12:01:30Z",
        "download_url": format!("http://127.0.0.1/downloads/export-{done}.xlsx"),
        "owner": {"issuer": "local", "subject": "ann"}});
    assert_eq!(shown, expected);
    jobs.fail(&failed, "storage_full", "the disk is full");
    let shown = jobs.show(&failed, &ann);
    assert_eq!(shown["error"], json!({"code": "storage_full", "message": "the disk is full"}));
    assert!(shown["status"] == "failed" && shown.get("progress").is_none() && shown.get("expires_at").is_none());
    jobs.server.pass(7 * 86_400);
    let shown = jobs.show(&done, &ann);
    assert!(shown["status"] == "completed" && shown["rows"] == 31 && shown.get("download_url").is_none(), "{shown}");
}

#[test]
fn a_job_whose_file_cannot_be_removed_stays_until_it_can_and_gives_no_download() {
    let jobs = Jobs::start();
    let ann = jobs.report_admin("ann");
    let id = jobs.order(&ann, USAGE);
    jobs.complete(&id, b"x");
    let (job, name) = (format!("{EXPORTS}/{id}"), format!("export-{id}.csv"));
    let file = jobs.directory.path_of(&name);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    jobs.ask("DELETE", &job, &ann).error(500, "Internal Server Error");
    assert!(jobs.show(&id, &ann).get("download_url").is_none());
    jobs.ask("GET", &format!("/downloads/{name}"), &ann).error(410, "Gone");
    std::fs::remove_dir(&file).unwrap();
    std::fs::write(&file, "x").unwrap();
    assert_eq!(jobs.ask("DELETE", &job, &ann).status, 204);
    assert!(!file.exists());
    jobs.ask("GET", &job, &ann).error(404, "Not Found");
}

#[test]
fn an_unfinished_job_is_cancelled_and_a_finished_one_removed_with_its_file() {
    let jobs = Jobs::start();
    let ann = jobs.report_admin("ann");
    let (queued, done) = (jobs.order(&ann, USAGE), jobs.order(&ann, USAGE));
    let remove = |id: &str| jobs.ask("DELETE", &format!("{EXPORTS}/{id}"), &ann);
    assert_eq!((remove(&queued).status, remove(&queued).status), (204, 204));
    jobs.ask("GET", &format!("{EXPORTS}/{queued}"), &ann).error(404, "Not Found");
    jobs.complete(&done, b"x");
    let file = jobs.directory.path_of(&format!("export-{done}.csv"));
    assert!(file.exists());
    assert_eq!(remove(&done).status, 204);
    assert!(!file.exists());
    remove(&done).error(404, "Not Found");
    for id in ["x", "..", "%2e%2e", &"A".repeat(5_000)] {
        remove(id).error(404, "Not Found");
    }
    let allowed = jobs.ask("PUT", &format!("{EXPORTS}/{done}"), &ann);
    allowed.error(405, "Method Not Allowed");
    assert_eq!(allowed.header("allow"), Some("GET, HEAD, DELETE, OPTIONS"));
}

#[test]
fn a_file_goes_with_its_job_though_whoever_removed_it_has_hung_up() {
    let jobs = Jobs::start();
    let ann = jobs.report_admin("ann");
    let ids: Vec<String> = (0..100).map(|_| jobs.order(&ann, USAGE)).collect();
    for (n, id) in ids.iter().enumerate() {
        jobs.complete(id, b"x");
        let mut stream = jobs.server.connect();
        send(&mut stream, format!("DELETE {EXPORTS}/{id} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ann}\r\n\r\n").as_bytes());
        // Somewhere between the request's arrival and its answer.
        std::thread::sleep(Duration::from_micros(n as u64 * 50));
    }
    // A request that was not even read has removed nothing.
    let lost = |id: &&String| {
        let has_file = jobs.directory.path_of(&format!("export-{id}.csv")).exists();
        has_file && jobs.store.snapshot().unwrap().export_job(id).unwrap().is_none()
    };
    let deadline = Instant::now() + PATIENCE;
    while ids.iter().any(|id| lost(&id)) {
        let count = ids.iter().filter(lost).count();
        assert!(Instant::now() < deadline, "{count} files are left behind");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_job_is_heard_of_though_whoever_asked_for_it_has_hung_up() {
    let jobs = Jobs::start();
    let ann = jobs.report_admin("ann");
    let head =
        format!("POST {EXPORTS} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ann}\r\nContent-Length: {}\r\n\r\n", USAGE.len());
    for n in 0..100 {
        send(&mut jobs.server.connect(), format!("{head}{USAGE}").as_bytes());
        // Somewhere between the request's arrival and its answer.
        std::thread::sleep(Duration::from_micros(n * 50));
    }
    jobs.order(&ann, USAGE);
    let accepted = || jobs.store.snapshot().unwrap().export_counts().unwrap().iter().sum::<u64>();
    let deadline = Instant::now() + PATIENCE;
    while accepted() != jobs.store.exports_changed() {
        assert!(Instant::now() < deadline, "{} jobs, {} changes", accepted(), jobs.store.exports_changed());
        std::thread::sleep(Duration::from_millis(10));
    }
}
