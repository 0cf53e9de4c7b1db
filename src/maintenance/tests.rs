use tempfile::TempDir;

use super::*;
use crate::model::{DateRange, Figures, Id, LogFilter, Start, SystemEvent, TimeOrder, UsageEvent, UsageFilter};
use crate::store;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

struct Room {
    store: Store,
    audit: Audit,
    clock: Clock,
    _directory: TempDir,
}

impl Room {
    /// At 2025-06-15, with an event of a user on each of these days.
    async fn with(days: &[&str]) -> Room {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::parse("2025-06-15T12:00:00Z").unwrap().unix_micros());
        let store = Store::open(&store::testing::settings(&directory), clock.clone()).unwrap();
        let events = days.iter().map(|day| event(day)).collect();
        assert_eq!(store.record(events).await, Ok(vec![]));
        Room { audit: Audit::new(store.clone(), clock.clone()), store, clock, _directory: directory }
    }

    fn sweeper(&self, usage_facts_age: Option<Duration>) -> (watch::Sender<bool>, Sweeper) {
        let (stopping, stopped) = watch::channel(false);
        let (store, settings, audit) = (self.store.clone(), settings(usage_facts_age), self.audit.clone());
        (stopping, Sweeper::new(store, settings, audit, self.clock.clone(), stopped))
    }

    fn figures(&self) -> Figures {
        let all = DateRange::new(Day::MIN, Day::MAX).unwrap();
        self.store.snapshot().unwrap().figures(all, &UsageFilter::default()).unwrap()
    }

    fn horizon(&self) -> Option<String> {
        self.store.snapshot().unwrap().usage_horizon().unwrap().map(|day| day.to_string())
    }

    fn left_before(&self, day: &str) -> u64 {
        self.store.snapshot().unwrap().prunable_usage(Day::parse(day).unwrap()).unwrap().user_days
    }
}

fn settings(usage_facts_age: Option<Duration>) -> Settings {
    Settings {
        log_ages: [None; 3],
        log_bytes_max: None,
        usage_facts_age,
        interval: Duration::from_millis(1),
        exports_time_limit: Duration::from_secs(60),
    }
}

fn event(day: &str) -> UsageEvent {
    UsageEvent {
        user_id: Id::new("ann").unwrap(),
        at: Timestamp::parse(&format!("{day}T10:00:00Z")).unwrap(),
        team_id: None,
        service: None,
        session_id: None,
    }
}

#[tokio::test]
async fn what_is_older_than_the_settings_say_goes_and_the_trail_tells_of_it() {
    let room = Room::with(&["2023-01-01", "2024-05-31", "2024-06-01", "2025-06-01"]).await;
    let before = room.figures();
    assert_eq!(before.total_sessions, 4);
    let (_stopping, mut sweeper) = room.sweeper(Some(YEAR));
    sweeper.sweep().await.unwrap();
    assert_eq!((room.horizon().as_deref(), room.left_before("2026-01-01")), (Some("2024-06-01"), 2));
    assert_eq!(room.figures(), before);

    room.audit.flush().await;
    let snapshot = room.store.snapshot().unwrap();
    let trail = snapshot.page(&LogFilter::default(), TimeOrder::OldestFirst, Start::Offset(0), 10).unwrap().events;
    let messages: Vec<_> = trail.iter().map(|event| event.message.as_str()).collect();
    assert_eq!(messages, ["retention removed 2 user-days before 2024-06-01"]);
    let stats = room.store.stats();
    assert_eq!((stats.pruned_user_days, stats.pruning_unix_micros), (2, Some(room.clock.unix_micros())));
}

#[tokio::test]
async fn system_events_go_by_age_and_by_size_and_an_export_under_way_is_spared() {
    let room = Room::with(&[]).await;
    let event = |at: &str, severity| SystemEvent {
        at: Timestamp::parse(at).unwrap(),
        severity,
        service: None,
        message: "x".repeat(1_000),
        event_id: None,
        attributes: None,
    };
    let (old, new) = ("2025-01-01T00:00:00Z", "2025-06-15T11:00:00Z");
    let events = [old, new].map(|at| [Severity::Info, Severity::Error].map(|severity| event(at, severity)));
    assert_eq!(room.store.append(events.concat()).await, Ok(vec![]));
    let (_stopping, mut sweeper) = room.sweeper(None);
    sweeper.settings.log_ages = [Some(Duration::from_secs(86_400)), None, None];
    let count = || room.store.snapshot().unwrap().count_events(&LogFilter::default()).unwrap();

    let now = room.clock.unix_micros();
    room.store.accept_export(store::testing::new_export(1, "ann", now)).await.unwrap();
    assert_eq!((sweeper.sweep().await, count()), (Ok(false), 4));
    room.clock.set(now + 3_600 * 1_000_000);
    assert_eq!((sweeper.sweep().await, count()), (Ok(true), 3));

    sweeper.settings.log_bytes_max = Some(2_500);
    assert_eq!((sweeper.sweep().await, count()), (Ok(true), 2));
    room.audit.flush().await;
    let trail = room.store.snapshot().unwrap().page(&LogFilter::default(), TimeOrder::NewestFirst, Start::Offset(0), 9);
    let messages: Vec<_> = trail.unwrap().events.into_iter().map(|event| event.message).collect();
    let told = |part: &str| messages.iter().any(|message| message.contains(part));
    assert!(told("retention removed 1 system events before 2025-06-14T13:00:00Z (info)"), "{messages:?}");
    assert_eq!(room.store.stats().retired_events, 2);
}

#[tokio::test]
async fn where_nothing_is_too_old_nothing_is_written() {
    let room = Room::with(&["2024-07-01"]).await;
    let (_stopping, mut sweeper) = room.sweeper(Some(YEAR));
    sweeper.sweep().await.unwrap();
    let commits = room.store.stats().commits;
    sweeper.sweep().await.unwrap();
    let (_stopping, mut keeps_all) = room.sweeper(None);
    keeps_all.sweep().await.unwrap();
    assert_eq!((room.store.stats().commits, room.horizon().as_deref()), (commits, Some("2024-06-01")));
}

#[tokio::test]
async fn what_was_begun_is_brought_to_its_end_by_settings_that_keep_everything() {
    let room = Room::with(&["2023-01-01", "2023-01-02"]).await;
    let begun = room.store.prune_usage(Day::parse("2024-01-31").unwrap(), 1).await.unwrap();
    assert!(begun.is_raised && !begun.is_done);
    let (_stopping, mut sweeper) = room.sweeper(None);
    sweeper.sweep().await.unwrap();
    assert_eq!((room.horizon().as_deref(), room.left_before("0001-01-01")), (Some("2024-01-01"), 0));
    let again = room.store.prune_usage(Day::MIN, 1).await.unwrap();
    assert!(again.is_done && !again.is_raised && again.removed == 0);
}

#[tokio::test]
async fn a_clock_that_was_set_years_ahead_removes_nothing_before_the_server_has_run_for_a_day() {
    let room = Room::with(&["2023-01-01", "2025-06-01"]).await;
    let (_stopping, mut before) = room.sweeper(None);
    assert_eq!(before.sweep().await, Ok(true));
    room.clock.set(Timestamp::parse("2045-06-15T12:00:00Z").unwrap().unix_micros());
    let (_stopping, mut after_a_restart) = room.sweeper(Some(YEAR));
    assert_eq!((after_a_restart.sweep().await, room.horizon()), (Ok(false), None));
    room.clock.set(room.clock.unix_micros() + 86_400_000_000);
    assert_eq!((after_a_restart.sweep().await, room.horizon().as_deref()), (Ok(true), Some("2025-06-01")));
    assert_eq!(room.left_before("2045-01-01"), 1, "the last month with usage stays");
}

#[tokio::test]
async fn events_of_the_future_that_are_too_many_by_themselves_stay_and_all_that_have_come_to_pass_go() {
    let room = Room::with(&[]).await;
    let event = |at: &str| SystemEvent {
        at: Timestamp::parse(at).unwrap(),
        severity: Severity::Info,
        service: None,
        message: "x".repeat(1_000),
        event_id: None,
        attributes: None,
    };
    let (passed, to_come) = ("2025-06-15T11:00:00Z", "2025-07-01T00:00:00Z");
    assert_eq!(room.store.append([passed, to_come, to_come].map(event).to_vec()).await, Ok(vec![]));
    let (_stopping, mut sweeper) = room.sweeper(None);
    sweeper.settings.log_bytes_max = Some(1_500);
    let left = || room.store.snapshot().unwrap().count_events(&LogFilter::default()).unwrap();
    assert_eq!((sweeper.sweep().await, left()), (Ok(true), 2));
    room.clock.set(Timestamp::parse("2025-07-02T00:00:00Z").unwrap().unix_micros());
    assert_eq!((sweeper.sweep().await, left()), (Ok(true), 0), "they share their instant");
}

#[tokio::test]
async fn nothing_more_goes_once_it_is_to_stop() {
    let room = Room::with(&["2023-01-01"]).await;
    let (stopping, mut sweeper) = room.sweeper(Some(YEAR));
    stopping.send_replace(true);
    sweeper.sweep().await.unwrap();
    assert_eq!(room.horizon(), None);
    sweeper.run().await;
}

#[tokio::test]
async fn whoever_stops_it_does_not_wait_until_all_that_has_to_go_for_size_was_read() {
    let room = Room::with(&[]).await;
    let event = SystemEvent {
        at: Timestamp::parse("2025-01-01T00:00:00Z").unwrap(),
        severity: Severity::Info,
        service: None,
        message: "x".into(),
        event_id: None,
        attributes: None,
    };
    assert_eq!(room.store.append(vec![event]).await, Ok(vec![]));
    let (stopping, mut sweeper) = room.sweeper(None);
    sweeper.settings.log_bytes_max = Some(1);
    let now = room.clock.unix_micros();
    let nothing = EventCutoffs::default();
    assert_ne!(sweeper.by_size(now).await, Ok(nothing));
    stopping.send_replace(true);
    assert_eq!(sweeper.by_size(now).await, Ok(nothing));
}

#[tokio::test]
async fn the_task_works_by_itself_and_stops_when_asked() {
    let room = Room::with(&["2023-01-01", "2025-06-01"]).await;
    let store = room.store.clone();
    let task = Maintenance::start(store, settings(Some(YEAR)), room.audit.clone(), room.clock.clone());
    let begun = room.clock.monotonic();
    while room.left_before("2024-06-01") > 0 {
        assert!(room.clock.monotonic() - begun < Duration::from_secs(20), "nothing went");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    task.stop().await;
    assert_eq!(room.horizon().as_deref(), Some("2024-06-01"));
}
