//! Signed links: what they open, and what ends them.

use serde_json::{Value, json};

use super::jobs::{EVENTS, Jobs, USAGE};
use super::server::{Answer, Server};

/// A server with one completed job of ann's.
struct Stage {
    jobs: Jobs,
    ann: String,
    id: String,
}

impl Stage {
    fn new() -> Stage {
        let jobs = Jobs::start();
        let ann = jobs.report_admin("ann");
        let id = jobs.order(&ann, USAGE);
        jobs.complete(&id, b"a,b\r\n");
        Stage { jobs, ann, id }
    }

    fn server(&self) -> &Server {
        &self.jobs.server
    }

    fn ask_for_link(&self, bearer: &str, more: &str) -> Answer {
        let target = format!("/reports/export/{}?link=signed{more}", self.id);
        self.server().request_as("GET", &target, &[("Authorization", &format!("Bearer {bearer}"))], b"")
    }

    /// Path and query of a fresh link of whoever shows this key or token.
    #[track_caller]
    fn link(&self, bearer: &str, more: &str) -> String {
        let answer = self.ask_for_link(bearer, more);
        assert_eq!(answer.status, 200, "{}", answer.text());
        path_of(&answer.json())
    }

    fn follow(&self, link: &str) -> Answer {
        self.server().request_as("GET", link, &[], b"")
    }

    fn is_good(&self, link: &str) -> bool {
        let answer = self.follow(link);
        if answer.status == 200 {
            assert_eq!(answer.text(), "a,b\r\n");
            return true;
        }
        assert!(answer.error(404, "Not Found").contains("this link is not good"));
        false
    }

    fn made(&self, path: &str, body: &Value) -> Value {
        let (status, made) = self.server().admin("POST", path, &body.to_string());
        assert_eq!(status, 201, "{made}");
        made
    }
}

fn path_of(job: &Value) -> String {
    let url = job["signed_url"].as_str().unwrap();
    url.strip_prefix("http://127.0.0.1").unwrap_or_else(|| panic!("{url} is not under the public URL")).to_string()
}

fn rights() -> Value {
    json!({"scopes": ["read:analytics"], "roles": ["report_admin"]})
}

fn with(mut object: Value, more: Value) -> Value {
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn text<'v>(object: &'v Value, field: &str) -> &'v str {
    object[field].as_str().unwrap_or_else(|| panic!("no {field} in {object}"))
}

#[test]
fn a_link_opens_one_file_without_a_credential_until_its_time_is_over() {
    let stage = Stage::new();
    let shown = stage.ask_for_link(&stage.ann, "").json();
    assert_eq!(
        (&shown["signed_url_expires_at"], &shown["status"]),
        (&json!("2025-06-01T12:15:00Z"), &json!("completed"))
    );
    let link = path_of(&shown);
    assert!(stage.is_good(&link));
    // Whatever else is sent is not looked at, be it right or wrong.
    for credential in ["nonsense", &stage.jobs.reader("bob")] {
        let headers = [("Authorization", format!("Bearer {credential}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(stage.server().request_as("GET", &link, &headers, b"").status, 200);
    }
    let part = stage.server().request_as("GET", &link, &[("Range", "bytes=2-")], b"");
    assert_eq!((part.status, part.text()), (206, "b\r\n"));
    assert_eq!(stage.server().request_as("HEAD", &link, &[], b"").header("content-length"), Some("5"));
    stage.server().pass(899);
    assert!(stage.is_good(&link));
    stage.server().pass(1);
    assert!(!stage.is_good(&link));
    let long = stage.link(&stage.ann, "&link_ttl_s=86400");
    stage.server().pass(86_399);
    assert!(stage.is_good(&long));
    stage.server().pass(1);
    assert!(!stage.is_good(&long));
}

#[test]
fn a_link_outlives_neither_its_file_nor_the_credential_that_has_an_end() {
    let stage = Stage::new();
    stage.server().pass(7 * 86_400 - 60);
    assert_eq!(stage.ask_for_link(&stage.ann, "").json()["signed_url_expires_at"], "2025-06-08T12:00:00Z");
    let link = stage.link(&stage.ann, "");
    stage.server().pass(60);
    assert!(!stage.is_good(&link));
    let message = stage.ask_for_link(&stage.ann, "").error(409, "Conflict");
    assert!(message.contains("ask for"), "{message}");

    let stage = Stage::new();
    let key = stage.made("/admin/keys", &with(rights(), json!({"owner": "ann", "expires_at": "2025-06-01T12:10:00Z"})));
    let shown = stage.ask_for_link(text(&key, "key"), "&link_ttl_s=3600").json();
    assert_eq!(shown["signed_url_expires_at"], "2025-06-01T12:10:00Z");
}

#[test]
fn a_link_that_was_altered_in_any_part_is_none() {
    let stage = Stage::new();
    let other = stage.jobs.order(&stage.ann, USAGE);
    let workbook = stage.jobs.order(&stage.ann, EVENTS);
    stage.jobs.complete(&other, b"other");
    stage.jobs.complete(&workbook, b"workbook");
    // Keys of links are made with the first: the other jobs have theirs, too.
    for id in [&other, &workbook] {
        stage.jobs.ask("GET", &format!("/reports/export/{id}?link=signed"), &stage.ann);
    }
    let link = stage.link(&stage.ann, "");
    let (path, query) = link.split_once('?').unwrap();
    let [expires, by, signature]: [&str; 3] = query.split('&').collect::<Vec<_>>().try_into().unwrap();
    let later = format!("expires={}", expires[8..].parse::<i64>().unwrap() + 1);
    let mut altered = vec![
        format!("/downloads/export-{other}.csv?{query}"),
        format!("/downloads/export-{workbook}.xlsx?{query}"),
        format!("/downloads/export-{}.csv?{query}", "A".repeat(22)),
        format!("{}.gz?{query}", path),
        format!("{}xlsx?{query}", path.strip_suffix("csv").unwrap()),
        format!("{path}?{later}&{by}&{signature}"),
        format!("{path}?expires=%2B{}&{by}&{signature}", &expires[8..]),
        format!("{path}?expires=0{}&{by}&{signature}", &expires[8..]),
        format!("{path}?expires=x&{by}&{signature}"),
        format!("{path}?{expires}&by=administrator&{signature}"),
        format!("{path}?{expires}&by=key%3Aabc&{signature}"),
        format!("{path}?{expires}&{signature}"),
        format!("{path}?{by}&{signature}"),
        format!("{path}?{signature}"),
        format!("{path}?{expires}&{by}&{signature}A"),
        format!("{path}?{expires}&{by}&{signature}%3D"),
    ];
    for at in "signature=".len()..signature.len() {
        // Four bits of the last character say something.
        let other = if &signature[at..=at] == "Q" { "g" } else { "Q" };
        altered.push(format!("{path}?{expires}&{by}&{}{other}{}", &signature[..at], &signature[at + 1..]));
    }
    for link in altered {
        assert!(!stage.is_good(&link), "{link}");
    }
    for bad in [format!("{link}&signature=x"), format!("{link}&key=x"), format!("{link}&x=1")] {
        stage.follow(&bad).error(400, "Bad Request");
    }
    stage.follow(&format!("{path}?{expires}&{by}")).error(401, "Unauthorized");
    let half = stage.jobs.ask("GET", &format!("{path}?{expires}"), &stage.ann);
    assert!(half.error(400, "Bad Request").contains("signature"));
    assert!(stage.is_good(&link));
}

#[test]
fn a_link_is_useless_for_anything_else() {
    let stage = Stage::new();
    let link = stage.link(&stage.ann, "");
    let query = link.split_once('?').unwrap().1;
    for path in ["/reports/export", &format!("/reports/export/{}", stage.id), "/logs/system-events", "/metrics"] {
        let answer = stage.follow(&format!("{path}?{query}"));
        answer.error(401, "Unauthorized");
    }
    stage.server().request_as("DELETE", &link, &[], b"").error(405, "Method Not Allowed");
}

#[test]
fn links_end_with_their_job_and_by_the_administrators_word() {
    let stage = Stage::new();
    let links = [stage.link(&stage.ann, ""), stage.link(&stage.jobs.report_admin("bob"), "&link_ttl_s=60")];
    assert!(links.iter().all(|link| stage.is_good(link)));
    let unlink = |id: &str| stage.server().admin("POST", &format!("/admin/exports/{id}/unlink"), "").0;
    assert_eq!((unlink(&stage.id), unlink("none")), (204, 404));
    assert!(!links.iter().any(|link| stage.is_good(link)));
    let fresh = stage.link(&stage.ann, "");
    assert!(stage.is_good(&fresh));
    assert_eq!(stage.jobs.ask("DELETE", &format!("/reports/export/{}", stage.id), &stage.ann).status, 204);
    assert!(!stage.is_good(&fresh));
}

#[test]
fn a_link_ends_with_the_key_that_made_it() {
    let stage = Stage::new();
    let key = |more: Value| stage.made("/admin/keys", &with(rights(), with(json!({"owner": "bob"}), more)));
    let (revoked, rotated) = (key(json!({})), key(json!({})));
    let [of_revoked, of_rotated] = [&revoked, &rotated].map(|key| stage.link(text(key, "key"), "&link_ttl_s=7200"));
    assert!(stage.is_good(&of_revoked) && stage.is_good(&of_rotated));
    assert_eq!(stage.server().admin("DELETE", &format!("/admin/keys/{}", text(&revoked, "id")), "").0, 204);
    assert!(!stage.is_good(&of_revoked) && stage.is_good(&of_rotated));
    // The old key, and what it made, go on for the overlap.
    let rotate = format!("/admin/keys/{}/rotate", text(&rotated, "id"));
    assert_eq!(stage.server().admin("POST", &rotate, r#"{"overlap_s":3600}"#).0, 201);
    stage.server().pass(3_599);
    assert!(stage.is_good(&of_rotated));
    stage.server().pass(1);
    assert!(!stage.is_good(&of_rotated));
}

#[test]
fn a_link_ends_with_the_client_that_made_it_and_not_with_its_token() {
    let stage = Stage::new();
    let client = stage.made("/admin/clients", &with(rights(), json!({"name": "nightly"})));
    let (id, secret) = (text(&client, "id"), text(&client, "secret"));
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let token = stage.server().request_as("POST", "/oauth/token", &headers, form.as_bytes()).json();
    let link = stage.link(text(&token, "access_token"), "&link_ttl_s=7200");
    stage.server().pass(3_600);
    assert!(stage.is_good(&link));
    assert_eq!(stage.server().admin("DELETE", &format!("/admin/clients/{id}"), "").0, 204);
    assert!(!stage.is_good(&link));
}

#[test]
fn a_link_ends_with_the_log_in_and_the_account_that_made_it() {
    let stage = Stage::new();
    let log_in = || {
        let body = r#"{"username":"bob","password":"correct horse battery"}"#;
        let headers = [("Content-Type", "application/json")];
        let pair = stage.server().request_as("POST", "/auth/login", &headers, body.as_bytes()).json();
        stage.link(text(&pair, "access_token"), "")
    };
    stage.made("/admin/accounts", &with(rights(), json!({"name": "bob", "password": "correct horse battery"})));
    let change = |body: &str| assert_eq!(stage.server().admin("PATCH", "/admin/accounts/bob", body).0, 204);
    let link = log_in();
    assert!(stage.is_good(&link));
    change(r#"{"disabled":true}"#);
    assert!(!stage.is_good(&link));
    change(r#"{"disabled":false}"#);
    let link = log_in();
    change(r#"{"scopes":["read:analytics"],"roles":[]}"#);
    assert!(!stage.is_good(&link));
    change(r#"{"scopes":["read:analytics"],"roles":["report_admin"]}"#);
    let link = log_in();
    assert!(stage.is_good(&link));
    change(r#"{"password":"another good one"}"#);
    assert!(!stage.is_good(&link));
}

#[test]
fn a_link_ends_with_the_issued_token_that_made_it() {
    let stage = Stage::new();
    let issue = || stage.made("/admin/tokens", &with(rights(), json!({"subject": "cron", "ttl_s": 600})));
    let (revoked, kept) = (issue(), issue());
    let [of_revoked, of_kept] = [&revoked, &kept].map(|made| stage.link(text(made, "token"), ""));
    assert!(stage.is_good(&of_revoked) && stage.is_good(&of_kept));
    assert_eq!(stage.server().admin("DELETE", &format!("/admin/tokens/{}", text(&revoked, "id")), "").0, 204);
    assert!(!stage.is_good(&of_revoked) && stage.is_good(&of_kept));
    stage.server().pass(600);
    assert!(!stage.is_good(&of_kept));
}

#[test]
fn the_administrator_makes_links_of_any_job() {
    let stage = Stage::new();
    let (status, shown) = stage.server().admin("GET", &format!("/reports/export/{}?link=signed", stage.id), "");
    assert_eq!(status, 200, "{shown}");
    assert!(stage.is_good(&path_of(&shown)));
}

#[test]
fn a_link_is_made_only_of_a_file_that_is_there_and_for_a_time_that_can_be() {
    let stage = Stage::new();
    let queued = stage.jobs.order(&stage.ann, USAGE);
    stage.jobs.ask("GET", &format!("/reports/export/{queued}?link=signed"), &stage.ann).error(409, "Conflict");
    let show = format!("/reports/export/{}", stage.id);
    for bad in ["?link=yes", "?link_ttl_s=60", "?link=signed&link_ttl_s=0", "?link=signed&link_ttl_s=86401", "?sign=1"]
    {
        stage.jobs.ask("GET", &format!("{show}{bad}"), &stage.ann).error(400, "Bad Request");
    }
    assert_eq!(stage.jobs.ask("GET", &show, &stage.ann).json().get("signed_url"), None);
}
