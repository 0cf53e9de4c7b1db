use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use super::*;
use crate::model::{LogFilter, Severity, Start, StoredEvent, SystemEvent, TimeOrder};
use crate::store;

const MINUTE: i64 = 60_000_000;
const NOON: i64 = 1_748_779_200_000_000;

struct Room {
    audit: Audit,
    store: Store,
    clock: Clock,
    now: AtomicI64,
    _directory: TempDir,
}

impl Room {
    fn new() -> Room {
        Room::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut store::Settings)) -> Room {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = store::testing::settings(&directory);
        change(&mut settings);
        let clock = Clock::manual(NOON);
        let store = Store::open(&settings, clock.clone()).unwrap();
        let audit = Audit::new(store.clone(), clock.clone());
        Room { audit, store, clock, now: NOON.into(), _directory: directory }
    }

    fn after(&self, micros: i64) {
        self.clock.set(self.now.fetch_add(micros, Ordering::Relaxed) + micros);
    }

    fn fail_from(&self, source: &str) {
        self.audit.note(Entry::LoginFailed { source: source.parse().unwrap(), way: "API key" });
    }

    /// What a task that runs would write now.
    async fn write(&self) {
        let inner = self.audit.0.as_ref().unwrap();
        inner.trail.lock().end_minute(inner.now().unwrap());
        inner.write().await.unwrap();
    }

    /// The trail, in order of time.
    fn events(&self) -> Vec<StoredEvent> {
        let snapshot = self.store.snapshot().unwrap();
        let page = snapshot.page(&LogFilter::default(), TimeOrder::OldestFirst, Start::Offset(0), 10_000).unwrap();
        page.events
    }

    fn messages(&self) -> Vec<String> {
        self.events().into_iter().map(|event| event.message).collect()
    }
}

fn attributes(event: &StoredEvent) -> serde_json::Value {
    serde_json::from_str(event.attributes.as_deref().unwrap()).unwrap()
}

fn attempts(events: &[StoredEvent]) -> u64 {
    events.iter().map(|event| attributes(event)["attempts"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn the_first_of_a_group_is_written_at_once_and_the_rest_when_its_minute_is_over() {
    let room = Room::new();
    for _ in 0..500 {
        room.fail_from("203.0.113.7");
    }
    room.write().await;
    assert_eq!(room.messages(), ["log-in failed from 203.0.113.7 (API key)"]);
    room.after(MINUTE - 1);
    room.write().await;
    assert_eq!(room.events().len(), 1, "the minute is not over");
    room.after(1);
    room.write().await;
    assert_eq!(room.messages()[1], "log-in failed 499 more times from 203.0.113.7 (API key)");
    assert_eq!(attempts(&room.events()), 500);
    room.fail_from("203.0.113.7");
    room.write().await;
    assert_eq!(room.events().len(), 3, "a new minute begins anew");
    for event in room.events() {
        assert_eq!((event.severity, event.service.as_ref().unwrap().as_str()), (Severity::Warning, "analytics"));
        let attributes = attributes(&event);
        assert_eq!((&attributes["event"], &attributes["source"]), (&"login_failed".into(), &"203.0.113.7".into()));
    }
}

#[tokio::test]
async fn a_lonely_entry_is_written_once() {
    let room = Room::new();
    room.fail_from("203.0.113.7");
    room.write().await;
    room.after(5 * MINUTE);
    room.write().await;
    room.audit.flush().await;
    assert_eq!(room.events().len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_ends_the_minute_too() {
    let room = Room::new();
    room.fail_from("203.0.113.7");
    room.fail_from("203.0.113.7");
    room.after(-10 * MINUTE);
    room.fail_from("203.0.113.7");
    room.write().await;
    assert_eq!(attempts(&room.events()), 3);
}

#[tokio::test]
async fn a_flood_of_sources_makes_no_flood_of_events() {
    let room = Room::new();
    for n in 0..30_000_u32 {
        room.fail_from(&std::net::Ipv4Addr::from(n % 15_000).to_string());
    }
    room.after(MINUTE);
    room.write().await;
    let events = room.events();
    // 1,000 sources and the others, each with the first and the rest.
    assert_eq!(events.len(), 2 * 1001);
    assert_eq!(attempts(&events), 30_000);
    let of_others: Vec<_> = events.iter().filter(|event| event.message.contains("other sources")).collect();
    assert_eq!(of_others.len(), 2);
    assert!(of_others.iter().all(|event| attributes(event).get("source").is_none()));
}

#[tokio::test]
async fn a_flood_of_one_kind_hides_nobody_of_another() {
    let room = Room::new();
    for n in 0..2_000_u32 {
        room.fail_from(&std::net::Ipv4Addr::from(n).to_string());
    }
    room.audit.note(Entry::RefreshTokenReused { account: "ann".into(), source: None });
    room.write().await;
    let messages = room.messages();
    assert!(messages.iter().any(|message| message.contains("\"ann\"")), "{:?}", messages.last());
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_are_one_source_and_a_mapped_one_is_ipv4() {
    let room = Room::new();
    for n in 0..100 {
        room.fail_from(&format!("2001:db8:1:2::{n:x}"));
    }
    room.fail_from("2001:db8:1:3::1");
    room.fail_from("::ffff:203.0.113.7");
    room.fail_from("203.0.113.7");
    room.audit.flush().await;
    let mut messages = room.messages();
    messages.sort();
    let expected = [
        "log-in failed 99 more times from 2001:db8:1:2::/64 (API key)",
        "log-in failed from 2001:db8:1:2::/64 (API key)",
        "log-in failed from 2001:db8:1:3::/64 (API key)",
        "log-in failed from 203.0.113.7 (API key)",
        "log-in failed once more from 203.0.113.7 (API key)",
    ];
    assert_eq!(messages, expected);
}

#[tokio::test]
async fn what_differs_within_a_group_is_not_said_of_all() {
    let room = Room::new();
    let refused = [("read:metrics", "203.0.113.7"), ("read:analytics", "203.0.113.8"), ("admin", "203.0.113.7")];
    for (what, source) in refused {
        let source = Some(source.parse().unwrap());
        room.audit.note(Entry::Refused { issuer: "local".into(), subject: "me".into(), what, source });
    }
    room.audit.flush().await;
    let events = room.events();
    assert_eq!(events[0].message, r#""me" of "local" was refused for want of read:metrics"#);
    assert_eq!(events[1].message, r#""me" of "local" was refused 2 more times for want of several"#);
    assert_eq!(attributes(&events[0])["source"], "203.0.113.7");
    assert!(attributes(&events[1]).get("source").is_none());
}

#[tokio::test]
async fn what_was_told_of_the_first_of_a_group_is_not_mixed_into_the_others() {
    let room = Room::new();
    for (what, source) in [("read:analytics", "203.0.113.7"), ("admin", "203.0.113.8"), ("admin", "203.0.113.8")] {
        let source = Some(source.parse().unwrap());
        room.audit.note(Entry::Refused { issuer: "local".into(), subject: "me".into(), what, source });
    }
    room.audit.flush().await;
    let events = room.events();
    assert_eq!(events[1].message, r#""me" of "local" was refused 2 more times for want of admin"#);
    assert_eq!(attributes(&events[1])["source"], "203.0.113.8");
}

#[tokio::test]
async fn every_kind_has_its_severity_and_its_words() {
    let room = Room::new();
    let changed =
        |detail: &str| Entry::Changed { what: "key", how: "created", name: "k1".into(), detail: detail.into() };
    room.audit.note(Entry::Started { version: "1.2.3" });
    room.audit.note(changed("me"));
    room.audit.note(changed(""));
    room.audit.note(Entry::RefreshTokenReused { account: "ann".into(), source: None });
    room.audit.note(Entry::LimitExceeded { name: "me".into(), policy: "minute" });
    room.audit.note(Entry::Stopped);
    room.audit.flush().await;
    let told: Vec<_> = room.events().iter().map(|event| (event.severity.as_str(), event.message.clone())).collect();
    let expected = [
        ("info", "analytics 1.2.3 started"),
        ("info", r#"key "k1" created: "me""#),
        ("info", r#"key "k1" created"#),
        ("error", r#"a used refresh token of account "ann" was used again; its log-in has ended"#),
        ("warning", r#""me" exceeded the limit "minute""#),
        ("info", "analytics stopped"),
    ];
    assert_eq!(told, expected.map(|(severity, message)| (severity, message.to_string())));
    assert_eq!(
        room.events()[1].attributes.as_deref(),
        Some(r#"{"event":"changed","what":"key","how":"created","name":"k1","detail":"me"}"#)
    );
}

#[tokio::test]
async fn names_from_outside_are_bounded_and_cannot_forge_a_line() {
    let room = Room::new();
    let name = format!("a\"\n\u{202e}\0{}", "é".repeat(100_000));
    room.audit.note(Entry::LimitExceeded { name: name.clone(), policy: "minute" });
    room.audit.note(Entry::Refused { issuer: name.clone(), subject: name, what: "admin", source: None });
    room.audit.flush().await;
    for event in room.events() {
        assert!(!event.message.contains(char::is_control) && !event.message.contains('\u{202e}'), "{}", event.message);
        assert!(event.message.len() < 1000 && event.attributes.as_ref().unwrap().len() < 2000);
        assert_eq!(attributes(&event)["attempts"], 1);
    }
}

#[tokio::test]
async fn what_finds_no_room_is_counted() {
    let room = Room::new();
    let n = WAITING_MAX + 5;
    for _ in 0..n {
        room.audit.note(Entry::Changed { what: "key", how: "created", name: "k".into(), detail: String::new() });
    }
    room.audit.flush().await;
    let snapshot = room.store.snapshot().unwrap();
    let page = snapshot.page(&LogFilter::default(), TimeOrder::NewestFirst, Start::Offset(0), 1).unwrap();
    assert_eq!(page.total, WAITING_MAX as u64 + 1);
    let lost = room.events().into_iter().chain(page.events).find(|event| event.message.contains("were lost")).unwrap();
    assert_eq!(attributes(&lost)["entries"], 5);
}

#[tokio::test]
async fn what_is_noted_while_the_task_runs_is_written_by_it_and_by_nobody_else() {
    let room = Room::new();
    let task = tokio::spawn(room.audit.clone().run());
    for n in 0..200 {
        room.audit.note(Entry::Changed { what: "key", how: "created", name: n.to_string(), detail: String::new() });
        tokio::task::yield_now().await;
    }
    room.audit.flush().await;
    task.abort();
    assert_eq!(room.events().len(), 200);
}

/// Fills the last page, too.
async fn fill(store: &Store) {
    for len in [60_000, 1000, 50] {
        let event = SystemEvent {
            at: Timestamp::from_unix_micros(NOON).unwrap(),
            severity: Severity::Info,
            service: None,
            message: "x".repeat(len),
            event_id: None,
            attributes: None,
        };
        while store.append(vec![event.clone()]).await.is_ok() {}
    }
}

#[tokio::test]
async fn a_full_disk_keeps_nobody_from_stopping_and_what_was_noted_waits_for_room() {
    let room = Room::with(|settings| settings.bytes_max = 1 << 20);
    fill(&room.store).await;
    let before = room.events().len();
    room.fail_from("203.0.113.7");
    room.audit.flush().await;
    assert_eq!(room.events().len(), before);
    assert_eq!(room.audit.0.as_ref().unwrap().trail.lock().waiting.len(), 1);
    room.store.close();
    room.audit.flush().await;
}

#[tokio::test]
async fn a_log_with_all_the_services_it_may_have_goes_on_without_a_trail() {
    let room = Room::with(|settings| settings.services_max = 0);
    room.fail_from("203.0.113.7");
    room.audit.flush().await;
    room.write().await;
    assert_eq!(room.events().len(), 0);
}

#[tokio::test]
async fn an_audit_trail_that_is_off_takes_entries_and_forgets_them() {
    let audit = Audit::off();
    audit.note(Entry::Stopped);
    audit.flush().await;
    audit.run().await;
}
