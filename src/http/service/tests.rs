use std::time::Duration;

use http_body_util::{BodyExt, Full};

use super::*;
use crate::ingest::Bounds;
use crate::model::{Severity, SystemEvent};
use crate::store;

const SUMMARY: &str = "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31";

fn service(directory: &tempfile::TempDir, handler_timeout: Duration) -> Arc<Service> {
    let clock = Clock::manual(0);
    let store = Store::open(&store::testing::settings(directory), clock.clone()).unwrap();
    let long = Duration::from_secs(60);
    let bounds = Bounds {
        body_bytes_max: 1000,
        items_max: 10,
        nesting_max: 8,
        message_bytes_max: 100,
        attributes_bytes_max: 100,
    };
    let settings = Settings {
        public_url: "http://127.0.0.1".into(),
        contact: "ops@example.com".into(),
        cors_origins: vec![],
        trusted_proxies: vec![],
        connections_max: 10,
        connections_per_peer_max: 10,
        header_timeout: long,
        body_timeout: long,
        handler_timeout,
        write_timeout: long,
        connection_age_max: long,
        drain_timeout: long,
        metrics_public: false,
        bounds,
    };
    Service::new(Wiring::plain(store, clock, settings).unwrap())
}

async fn get(service: &Arc<Service>, target: &str) -> (u16, String) {
    let response = ask(service, Request::get(target)).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn work_that_does_not_end_in_time_is_503() {
    const BY_USER: &str = "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31&group_by=user";
    let directory = tempfile::tempdir().unwrap();
    let service = service(&directory, Duration::from_millis(20));
    let _all = Arc::clone(&service.long_reads).acquire_many_owned(LONG_READS_MAX as u32).await.unwrap();
    let (status, body) = get(&service, BY_USER).await;
    assert_eq!(status, 503, "{body}");
    assert_eq!(get(&service, "/healthz").await.0, 200);
}

#[tokio::test]
async fn where_only_the_operator_can_help_the_answer_says_who_that_is() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(&directory, Duration::from_secs(60));
    let body = http_body_util::Full::new(Bytes::from(vec![b' '; 1_001]));
    let request = Request::post("/usage/events").body(body).unwrap();
    let response = service.answer(request, Peer::Local).await;
    assert_eq!(response.status(), 413);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("(contact: ops@example.com)"), "{text:?}");
    assert!(!get(&service, "/nowhere").await.1.contains("contact"));
}

#[tokio::test]
async fn a_stopping_server_is_alive_and_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(&directory, Duration::from_secs(60));
    assert_eq!(get(&service, "/readyz").await, (200, r#"{"status":"ready"}"#.into()));
    service.stop();
    assert_eq!((get(&service, "/readyz").await.0, get(&service, "/healthz").await.0), (503, 200));
}

#[tokio::test]
async fn large_answers_that_nobody_has_read_yet_are_bounded_together() {
    const NEWEST: &str = "/logs/system-events?limit=1";
    let directory = tempfile::tempdir().unwrap();
    let service = service(&directory, Duration::from_secs(60));
    service.store.append(vec![event_of(100_000)]).await.unwrap();
    let unread = ask(&service, Request::get(NEWEST)).await;
    let mut others = service.answers.share();
    let left = ANSWER_BYTES_MAX - 150_000;
    others.grow(left).unwrap();
    assert_eq!(get(&service, NEWEST).await.0, 503);
    assert_eq!(get(&service, SUMMARY).await.0, 200);
    drop(unread);
    assert_eq!(get(&service, NEWEST).await.0, 200);
}

#[tokio::test]
async fn a_batch_holds_its_share_until_its_receipt_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(&directory, Duration::from_secs(60));
    let post = async || {
        let body = format!("{{\"user_id\":\"u\"}}{}", " ".repeat(900));
        let request = Request::post("/usage/events").body(Full::new(Bytes::from(body))).unwrap();
        service.answer(request, Peer::Local).await
    };
    let mut unread = vec![];
    for _ in 0..8 {
        unread.push(post().await);
    }
    assert!(unread.iter().all(|response| response.status() == 200));
    assert_eq!(post().await.status(), 503);
    unread.pop();
    assert_eq!(post().await.status(), 200);
}

#[tokio::test]
async fn items_that_there_is_no_room_to_reject_are_not_stored_either() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(&directory, Duration::from_secs(60));
    let mut others = service.bodies.share();
    others.grow(7_900).unwrap();
    let body = r#"[{"user_id":"u"},{"user":"u"}]"#;
    let request = Request::post("/usage/events").body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
    assert_eq!(service.answer(request, Peer::Local).await.status(), 503);
    let everything = "/reports/usage-summary?start_date=0001-01-01&end_date=9999-12-31";
    assert!(get(&service, everything).await.1.contains("\"active_users\":0"));
}

async fn ask(service: &Arc<Service>, request: hyper::http::request::Builder) -> Response<ResponseBody> {
    service.answer(request.body(Full::<Bytes>::default()).unwrap(), Peer::Local).await
}

fn event_of(message_bytes: usize) -> SystemEvent {
    SystemEvent {
        at: Timestamp::MIN,
        severity: Severity::Info,
        service: None,
        message: "a".repeat(message_bytes),
        event_id: None,
        attributes: None,
    }
}
