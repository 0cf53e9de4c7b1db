//! Links made by tokens of trusted issuers, which cannot be asked about later.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use analytics::model::Timestamp;
use serde_json::{Value, json};

use crate::server::{AUDIENCE, ISSUER, Server};

const PATIENCE: Duration = Duration::from_secs(120);
const ORDER: &str =
    r#"{"report_type":"usage-summary","format":"csv","start_date":"2025-01-01","end_date":"2025-01-31"}"#;

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

fn token(server: &Server, subject: &str, ttl_s: i64) -> String {
    let claims = json!({"iss": ISSUER, "sub": subject, "aud": AUDIENCE, "iat": now_s(), "exp": now_s() + ttl_s,
        "scope": "read:analytics", "roles": ["report_admin"]});
    server.signer.es256(&json!({"alg": "ES256", "kid": "ec", "typ": "at+jwt"}), &claims)
}

/// Asks again until the job has ended.
fn completed(server: &Server, id: &str, bearer: &str) -> Value {
    let begun = Instant::now();
    loop {
        let job = server.get_as(&format!("/reports/export/{id}?"), bearer).json();
        match job["status"].as_str().expect("a status") {
            "completed" => return job,
            "queued" | "processing" if begun.elapsed() < PATIENCE => sleep(Duration::from_millis(10)),
            other => panic!("{other}: {job}"),
        }
    }
}

#[test]
fn a_link_of_a_trusted_issuers_token_ends_with_the_token() {
    let server = Server::start();
    let (ann, bob) = (token(&server, "ann", 600), token(&server, "bob", 600));
    let headers = [("authorization", format!("Bearer {ann}")), ("content-type", "application/json".to_string())];
    let accepted = server.send("POST", "/reports/export", &headers, ORDER);
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let id = accepted.json()["job_id"].as_str().expect("an id").to_string();
    let job = completed(&server, &id, &ann);
    assert_eq!(job["owner"], json!({"issuer": ISSUER, "subject": "ann"}));
    for bearer in [&ann, &bob] {
        let shown = server.get_as(&format!("/reports/export/{id}?link=signed&link_ttl_s=86400"), bearer).json();
        let ends = Timestamp::parse(shown["signed_url_expires_at"].as_str().expect("a time")).expect("a time");
        let left_s = ends.unix_micros() / 1_000_000 - now_s();
        assert!((1..=600).contains(&left_s), "{left_s} s");
        let url = shown["signed_url"].as_str().expect("a link");
        let path = &url[url.find("/downloads/").expect("a path")..];
        let file = server.send("GET", path, &[], "");
        assert_eq!((file.status, file.header("etag").map(str::len)), (200, Some(66)), "{}", file.text);
        assert_eq!(file.text.lines().count(), 32);
    }
}
