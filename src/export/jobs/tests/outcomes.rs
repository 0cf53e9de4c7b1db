use super::*;

#[tokio::test]
async fn a_job_goes_from_the_queue_to_a_whole_file() {
    let house = House::new();
    let exporter = house.start(quick).await;
    house.accept(1, "me").await;
    let job = house.until_finished(1).await;
    assert_eq!((job.state, job.rows, job.bytes, job.rows_done), (JobState::Completed, Some(3), Some(10), 3));
    assert_eq!((job.sha256.as_deref(), job.expires_at), (Some("ab"), Some(1_000_000_000)));
    assert_eq!((job.attempt, job.has_file, house.files()), (1, true, names(&[1])));
    exporter.stop().await;
    assert_eq!((house.job(1), house.files()), (job, names(&[1])));
}

#[tokio::test]
async fn what_is_assigned_is_what_was_asked_for() {
    let house = House::new();
    let (tell, told) = std::sync::mpsc::channel();
    let tell = Mutex::new(tell);
    let _exporter = house
        .start(move |store, assignment, watch| {
            tell.lock().send(assignment.clone()).unwrap();
            quick(store, assignment, watch)
        })
        .await;
    house.accept_new(NewExport { issuer: "https://id.example.com".into(), ..new_export(1, "bob", 0) }).await;
    house.until_finished(1).await;
    let assignment = told.try_recv().unwrap();
    let all = ExportReport::Events(all_events());
    assert_eq!((assignment.request.report, assignment.log_seq), (all, 0));
    assert_eq!((assignment.made_for.as_str(), assignment.bytes_max), ("bob (https://id.example.com)", 1 << 20));
}

#[tokio::test]
async fn progress_shows_while_a_job_is_under_way_and_a_cancelled_one_leaves_nothing() {
    let house = House::new();
    let exporter = house.start(endless).await;
    house.accept(1, "me").await;
    house.until("progress is told", || house.job(1).rows_done == 7).await;
    assert_eq!((house.job(1).state, house.job(1).rows_expected), (JobState::Processing, Some(100)));
    assert_eq!(house.store.remove_export(&export_id(1), 0).await.unwrap(), Removed::Cancelled);
    house.until("the part is gone", || house.files().is_empty()).await;
    assert_eq!(house.end_of(1).await, (JobState::Failed, "cancelled".into()));
    exporter.stop().await;
    assert_eq!((house.store.exports_failed(), house.job(1).attempt), (0, 1));
}

#[tokio::test]
async fn a_job_beyond_the_time_limit_fails_and_names_the_setting() {
    let house = House::new();
    let _exporter = house.start(endless).await;
    house.accept(1, "me").await;
    house.until("it is under way", || house.job(1).rows_done == 7).await;
    // The wall clock alone decides nothing.
    house.clock.set(-1);
    house.clock.set(99_000_000);
    assert_eq!(house.job(1).state, JobState::Processing);
    house.clock.set(101_000_000);
    let job = house.until_finished(1).await;
    let error = job.error.unwrap();
    assert_eq!((error.code.as_str(), job.state), ("time_limit", JobState::Failed));
    assert!(error.message.contains("100 s (exports.time_limit)"), "{}", error.message);
    house.until("the part is gone", || house.files().is_empty()).await;
}

#[tokio::test]
async fn each_failure_is_told_by_a_code_and_audited_and_leaves_no_part() {
    let house = House::new();
    let exporter = house
        .start(|_, assignment, _| {
            fs::write(&assignment.file, "01").unwrap();
            Err(match assignment.made_for.as_str() {
                "large" => Error::new(Kind::TooLarge, "/secret"),
                "full" => Error::new(Kind::StorageFull, "/secret"),
                _ => Error::internal("/secret"),
            })
        })
        .await;
    for (n, owner, code) in [(1, "large", "too_large"), (2, "full", "storage_full"), (3, "other", "internal")] {
        house.accept(n, owner).await;
        assert_eq!(house.end_of(n).await, (JobState::Failed, code.into()));
        assert!(!house.job(n).error.unwrap().message.contains("secret"));
    }
    exporter.stop().await;
    assert_eq!((house.files(), house.store.exports_failed()), (HashSet::new(), 3));
    house.audit.flush().await;
    let trail = house.store.snapshot().unwrap().scan(&all_events(), 0, 10).unwrap();
    let told: Vec<_> = trail.events.iter().map(|event| event.message.as_str()).collect();
    let expected = format!("export {} of \"large\" failed: too_large", export_id(1));
    assert_eq!((told.len(), told[0]), (3, expected.as_str()), "{told:?}");
}

#[tokio::test]
async fn a_file_that_is_not_what_was_written_is_no_export() {
    let house = House::new();
    let _exporter = house
        .start(|_, assignment, _| {
            fs::write(&assignment.file, "0").unwrap();
            Ok(Written { rows: 1, bytes: 2, sha256: "ab".into() })
        })
        .await;
    house.accept(1, "me").await;
    assert_eq!(house.end_of(1).await, (JobState::Failed, "internal".into()));
    assert_eq!(house.files(), HashSet::new());
}

#[tokio::test]
async fn a_writer_that_panics_fails_its_job_and_no_other() {
    let house = House::new();
    let _exporter = house
        .start(|store, assignment, watch| match assignment.made_for.as_str() {
            "unlucky" => panic!("a fault of ours"),
            _ => quick(store, assignment, watch),
        })
        .await;
    house.accept(1, "unlucky").await;
    assert_eq!(house.end_of(1).await, (JobState::Failed, "internal".into()));
    house.accept(2, "me").await;
    assert_eq!(house.end_of(2).await, (JobState::Completed, String::new()));
    assert_eq!(house.files(), names(&[2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_written_once_there_is_room_and_not_for_ever_once_we_are_to_end() {
    let house = House::new();
    let exporter = house.start(quick).await;
    let office = Arc::clone(&exporter.office);
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    // As many failures come first as are given.
    let outcome = |failures, kind| {
        let (office, tries) = (Arc::clone(&office), Arc::clone(&tries));
        tries.store(0, SeqCst);
        tokio::task::spawn_blocking(move || {
            let write = || {
                let n = tries.fetch_add(1, SeqCst);
                std::future::ready(if n < failures { Err(Error::new(kind, "no")) } else { Ok(true) })
            };
            let outcome = attempt::until_taken(&office, write);
            (outcome.is_ok(), tries.load(SeqCst))
        })
    };
    assert_eq!(outcome(1, Kind::StorageFull).await.unwrap(), (true, 2));
    assert_eq!(outcome(1, Kind::Internal).await.unwrap(), (false, 1));
    exporter.stop().await;
    assert_eq!(outcome(3, Kind::Busy { retry_after_s: 1 }).await.unwrap(), (true, 4));
    assert_eq!(outcome(1000, Kind::StorageFull).await.unwrap(), (false, 11));
}
