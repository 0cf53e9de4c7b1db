use super::*;
use crate::model::{EventCutoffs, Severity, SystemEvent, Timestamp};

fn at(unix_micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(unix_micros).unwrap()
}

fn event(n: i64) -> SystemEvent {
    SystemEvent {
        at: at(n),
        severity: Severity::Info,
        service: None,
        message: format!("event {n}"),
        event_id: None,
        attributes: None,
    }
}

#[tokio::test]
async fn an_export_begun_before_a_retirement_holds_every_row_and_the_retirement_waits_for_it() {
    let house = House::new();
    house.store.append((0..50).map(event).collect()).await.unwrap();
    let (begun, may_go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let write = {
        let (begun, may_go_on) = (Arc::clone(&begun), Arc::clone(&may_go_on));
        move |store: &Store, assignment: &Assignment, watch: &Watch| {
            begun.store(true, SeqCst);
            while !may_go_on.load(SeqCst) {
                drop(watch.turn()?);
                store.wait_for_exports(store.exports_changed(), GLANCE);
            }
            crate::export::write(store, assignment, watch)
        }
    };
    let exporter = house.start(write).await;
    house.accept(1, "me").await;
    house.until("the job is under way", || begun.load(SeqCst)).await;

    let cutoffs = EventCutoffs::all(at(40));
    let retired = house.store.retire_events(cutoffs, at(0), 10).await.unwrap();
    assert!(retired.waits_for_exports && !retired.is_done && retired.removed == 0, "{retired:?}");
    assert_eq!(house.store.snapshot().unwrap().event_floors(), EventCutoffs::default());
    may_go_on.store(true, SeqCst);
    let job = house.until_finished(1).await;
    assert_eq!((job.state, job.rows), (JobState::Completed, Some(50)));

    let retired = house.store.retire_events(cutoffs, at(0), 1_000).await.unwrap();
    assert!(retired.is_done && retired.removed >= 40, "{retired:?}");
    exporter.stop().await;
}

#[tokio::test]
async fn a_job_that_has_gone_on_for_longer_than_it_may_is_not_waited_for_and_neither_is_one_about_usage() {
    let house = House::new();
    house.store.append((0..50).map(event).collect()).await.unwrap();
    let usage = r#"{"report_type":"usage-summary","format":"csv"}"#.into();
    house.accept_new(NewExport { request: usage, ..new_export(1, "me", 1_000) }).await;
    house.accept_new(new_export(2, "me", 0)).await;
    let cutoffs = EventCutoffs::all(at(40));
    let retired = house.store.retire_events(cutoffs, at(0), 10).await.unwrap();
    assert!(retired.waits_for_exports);
    let retired = house.store.retire_events(cutoffs, at(1), 10).await.unwrap();
    assert_eq!((retired.waits_for_exports, retired.is_done, retired.removed), (false, false, 10));
    // Rows that nobody sees any more go whatever is being read.
    let retired = house.store.retire_events(cutoffs, at(0), 100).await.unwrap();
    assert_eq!((retired.waits_for_exports, retired.is_done, retired.removed), (false, true, 30));
    assert_eq!(house.store.snapshot().unwrap().count_events(&all_events()).unwrap(), 10);
}
