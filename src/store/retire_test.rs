use std::time::Duration;

use tempfile::TempDir;

use crate::clock::Clock;
use crate::error::Kind;
use crate::model::{EventCutoffs, Id, LogFilter, Severity, SystemEvent, Timestamp};
use crate::store::{NewExport, Revision, Settings, Store, repair, testing};

fn at(unix_micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(unix_micros).unwrap()
}

/// Every third is of the same severity; messages grow.
fn event(n: i64) -> SystemEvent {
    SystemEvent {
        at: at(n),
        severity: Severity::ALL[n as usize % 3],
        service: None,
        message: "m".repeat(n as usize),
        event_id: (n % 4 == 0).then(|| Id::new(n.to_string()).unwrap()),
        attributes: None,
    }
}

fn settings(directory: &TempDir) -> Settings {
    Settings { queue_items_max: 10_000, ..testing::settings(directory) }
}

fn store(directory: &TempDir) -> Store {
    Store::open(&settings(directory), Clock::manual(0)).unwrap()
}

fn count(store: &Store) -> u64 {
    store.snapshot().unwrap().count_events(&LogFilter::default()).unwrap()
}

fn revision(store: &Store) -> Revision {
    store.snapshot().unwrap().log_revision()
}

async fn retire(store: &Store, cutoffs: EventCutoffs) -> u64 {
    let mut removed = 0;
    loop {
        let retired = store.retire_events(cutoffs, Timestamp::MAX, 7).await.unwrap();
        removed += retired.removed;
        if retired.is_done {
            return removed;
        }
    }
}

#[tokio::test]
async fn the_cutoff_for_a_size_takes_the_oldest_events_and_no_more_than_needed() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    store.append((1..=2_000).map(event).collect()).await.unwrap();
    let size = store.snapshot().unwrap().log_size();
    assert_eq!(store.log_cutoff_for(size, || true).unwrap(), None);
    assert_eq!(store.log_cutoff_for(0, || false).unwrap(), None, "nobody waits for it");
    for bytes_max in [size - 1, size / 2, 5_000, 0] {
        let size = store.snapshot().unwrap().log_size();
        let cutoff = store.log_cutoff_for(bytes_max, || true).unwrap().unwrap();
        let last = retire(&store, EventCutoffs::all(cutoff)).await;
        let left = store.snapshot().unwrap().log_size();
        // One event less would not have been enough.
        let bytes_of_last = 2_200;
        assert!(left <= bytes_max && left + bytes_of_last >= bytes_max.min(size), "{left} of {bytes_max}, {last} went");
    }
    assert_eq!((count(&store), store.snapshot().unwrap().log_size()), (0, 0));
}

#[tokio::test]
async fn the_revision_grows_when_events_are_hidden_and_not_when_their_rows_go() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    store.append((1..=100).map(event).collect()).await.unwrap();
    let before = revision(&store);
    let cutoffs = EventCutoffs([Some(at(50)), None, Some(at(20))]);
    store.retire_events(cutoffs, at(0), 3).await.unwrap();
    let hidden = revision(&store);
    assert_ne!(hidden, before);
    assert_eq!(count(&store), 100 - 16 - 6);
    retire(&store, cutoffs).await;
    // A cutoff below a floor lowers nothing.
    retire(&store, EventCutoffs([Some(at(49)), None, Some(at(0))])).await;
    assert_eq!(revision(&store), hidden);
    assert_eq!(store.snapshot().unwrap().event_floors(), cutoffs);
}

#[tokio::test]
async fn an_event_before_its_floor_is_rejected_and_so_is_one_that_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    store.append((1..=100).map(event).collect()).await.unwrap();
    retire(&store, EventCutoffs([Some(at(50)), None, None])).await;
    let again = [48, 50, 51].map(event);
    let rejected = store.append(again.to_vec()).await.unwrap();
    assert_eq!(rejected.iter().map(|rejected| rejected.index).collect::<Vec<_>>(), [0]);
    for part in ["timestamp is before 1970-01-01T00:00:00.000050Z", "severity info", "retention.log_info"] {
        assert!(rejected[0].message.contains(part), "{}", rejected[0].message);
    }
}

#[tokio::test]
async fn exports_of_the_log_that_always_overlap_give_way_after_an_hour_and_others_do_not() {
    const MINUTE: i64 = 60_000_000;
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(0);
    let store = Store::open(&settings(&directory), clock.clone()).unwrap();
    store.append((1..=10).map(event).collect()).await.unwrap();
    let accept = async |n, request: &str| {
        let job = testing::new_export(n, "ann", clock.unix_micros());
        store.accept_export(NewExport { request: request.into(), ..job }).await.unwrap();
    };
    let begin = async || store.begin_export(9, clock.unix_micros()).await.unwrap();
    let retire = async || store.retire_events(EventCutoffs::all(at(5)), at(0), 100).await.unwrap();
    let (of_log, of_usage) = (r#"{"report_type":"system-events"}"#, r#"{"report_type":"usage-summary"}"#);

    accept(1, of_log).await;
    let first = begin().await.unwrap();
    for minute in (0..=56).step_by(4) {
        clock.set(minute * MINUTE);
        assert!(retire().await.waits_for_exports);
    }
    accept(2, of_log).await;
    assert_eq!(begin().await.unwrap().id, testing::export_id(2), "within the hour they begin");
    clock.set(60 * MINUTE);
    assert!(retire().await.waits_for_exports);
    accept(3, of_log).await;
    accept(4, of_usage).await;
    assert_eq!(begin().await.unwrap().id, testing::export_id(4));
    assert_eq!(begin().await, None);
    assert!(retire().await.waits_for_exports, "two are under way");
    for id in [first.id, testing::export_id(2)] {
        store.remove_export(&id, clock.unix_micros()).await.unwrap();
    }
    assert_eq!((retire().await.waits_for_exports, count(&store)), (false, 6));
    assert_eq!(begin().await.unwrap().id, testing::export_id(3));
}

/// A kilobyte each, so that some thousands fill more pages than a file keeps free.
fn large_events(numbers: std::ops::Range<i64>) -> Vec<SystemEvent> {
    numbers.map(|n| SystemEvent { message: "m".repeat(1_000), event_id: None, ..event(n) }).collect()
}

#[tokio::test]
async fn what_was_removed_is_given_back_to_the_system_while_events_come_in() {
    const KEPT_BYTES_MAX: u64 = 20 << 20;
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    for first in (0..40_000).step_by(4_000) {
        store.append(large_events(first..first + 4_000)).await.unwrap();
    }
    while !store.retire_events(EventCutoffs::all(at(40_000)), Timestamp::MAX, 1_000).await.unwrap().is_done {}
    let clock = Clock::system();
    let begun = clock.monotonic();
    let mut next = 40_000;
    while store.stats().file_bytes > KEPT_BYTES_MAX {
        assert!(clock.monotonic() - begun < Duration::from_secs(60), "{} bytes", store.stats().file_bytes);
        assert_eq!(store.append(large_events(next..next + 1)).await, Ok(vec![]));
        next += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(count(&store), next as u64 - 40_000);
    assert_eq!(store.snapshot().unwrap().check().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_may_not_grow_takes_events_again_once_old_ones_have_gone() {
    let directory = tempfile::tempdir().unwrap();
    let bounded = Settings { bytes_max: 4 << 20, ..settings(&directory) };
    let store = Store::open(&bounded, Clock::manual(0)).unwrap();
    let (mut next, mut is_full) = (0, false);
    while !is_full {
        match store.append(large_events(next..next + 100)).await {
            Ok(rejected) => assert_eq!(rejected, []),
            Err(error) => is_full = error.kind == Kind::StorageFull,
        }
        next += 100;
        assert!(next < 100_000);
    }
    let taken = count(&store);
    assert_eq!(retire(&store, EventCutoffs::all(at(next / 2))).await, next as u64 / 2);
    assert_eq!(count(&store), taken - next as u64 / 2);
    assert_eq!(store.append(large_events(next..next + 100)).await, Ok(vec![]));
    assert_eq!(store.snapshot().unwrap().check().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn floors_outlive_the_process_and_a_repair_and_a_check_knows_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let cutoffs = EventCutoffs([Some(at(50)), None, Some(at(20))]);
    let first = store(&directory);
    first.append((1..=300).map(event).collect()).await.unwrap();
    let retired = first.retire_events(cutoffs, at(0), 5).await.unwrap();
    assert!(!retired.is_done);
    let left = count(&first);
    first.close();
    drop(first);
    repair(&settings(&directory), &Clock::manual(0)).unwrap();
    let store = store(&directory);
    assert_eq!((count(&store), store.snapshot().unwrap().event_floors()), (left, cutoffs));
    assert_eq!(store.snapshot().unwrap().check().unwrap(), Vec::<String>::new());
    retire(&store, cutoffs).await;
    assert_eq!(store.snapshot().unwrap().check().unwrap(), Vec::<String>::new());
    assert_eq!(count(&store), left);
}
