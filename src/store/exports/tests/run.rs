use super::*;
use crate::store::testing::export_id;

async fn begin_all(room: &Room, each: u32) -> Vec<String> {
    let mut begun = vec![];
    while let Some(job) = room.begin(each).await {
        begun.push(job.id);
    }
    begun
}

fn ids(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|n| export_id(*n)).collect()
}

#[tokio::test]
async fn whoever_has_the_fewest_under_way_comes_first_and_nobody_has_more_than_allowed() {
    let room = Room::new();
    for n in 1..=10 {
        room.accept(n, "big").await;
    }
    room.accept(11, "small").await;
    room.accept(12, "late").await;
    assert_eq!(begin_all(&room, 2).await, ids(&[1, 11, 12, 2]));
    // With one place more than is taken, the next of whoever has the most.
    assert_eq!(begin_all(&room, 3).await, ids(&[3]));
    let first = room.job(1).unwrap();
    assert!(room.store.complete_export(&first, finished(1, 1), 0).await.unwrap());
    assert_eq!(begin_all(&room, 3).await, ids(&[4]));
}

#[tokio::test]
async fn among_equals_whoever_was_served_longest_ago_comes_first_though_the_clock_stands_still() {
    let room = Room::new();
    for (n, owner) in [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "b"), (6, "c")] {
        room.accept(n, owner).await;
    }
    let mut order = vec![];
    while let Some(job) = room.begin(1).await {
        assert!(room.store.fail_export(&job, error("internal"), 0).await.unwrap());
        order.push(job.id);
    }
    assert_eq!(order, ids(&[1, 4, 6, 2, 5, 3]));
}

#[tokio::test]
async fn a_step_holds_only_for_the_generation_that_it_was_begun_with() {
    let room = Room::new();
    room.accept(1, "me").await;
    let stale = room.begin(1).await.unwrap();
    assert!(room.store.note_export_progress(&stale, 5, Some(9)).await.unwrap());
    assert!(room.store.put_export_back(&stale).await.unwrap());
    let queued = room.job(1).unwrap();
    assert_eq!((queued.state, queued.attempt, queued.rows_done), (JobState::Queued, 0, 0));
    let held = room.begin(1).await.unwrap();
    assert!(held.generation > stale.generation);
    let store = &room.store;
    assert!(!store.note_export_progress(&stale, 1, None).await.unwrap());
    assert!(!store.complete_export(&stale, finished(1, 1), 0).await.unwrap());
    assert!(!store.fail_export(&stale, error("internal"), 0).await.unwrap());
    assert!(!store.put_export_back(&stale).await.unwrap());
    assert_eq!(room.job(1).unwrap(), held);
    assert!(store.complete_export(&held, finished(1, 1), 0).await.unwrap());
    // Once finished, always finished.
    assert!(!store.complete_export(&held, finished(2, 2), 0).await.unwrap());
    assert!(!store.fail_export(&held, error("internal"), 0).await.unwrap());
    assert!(!store.put_export_back(&held).await.unwrap());
    assert_eq!((room.state(1), room.job(1).unwrap().bytes), (JobState::Completed, Some(1)));
    assert_eq!(store.exports_failed(), 0);
}

#[tokio::test]
async fn a_job_that_the_process_ended_under_three_times_fails_and_good_ends_do_not_count() {
    let mut room = Room::new();
    room.accept(1, "me").await;
    for attempt in 1..=3 {
        let job = room.begin(1).await.unwrap();
        assert!(room.store.put_export_back(&job).await.unwrap());
        assert_eq!(room.begin(1).await.unwrap().attempt, attempt);
        room = room.reopen();
        let recovered = room.store.recover_exports(0).await.unwrap();
        let expected = if attempt < 3 { (1, 0) } else { (0, 1) };
        assert_eq!((recovered.requeued, recovered.failed.len()), expected);
    }
    let job = room.job(1).unwrap();
    assert_eq!((job.state, job.error.unwrap().code.as_str()), (JobState::Failed, "interrupted"));
    assert_eq!(room.store.recover_exports(0).await.unwrap(), Recovered::default());
}

#[tokio::test]
async fn counts_and_lists_show_each_job_once_newest_first_to_whom_it_belongs() {
    let room = Room::new();
    for (n, owner) in [(1, "a"), (2, "b"), (3, "a"), (4, "a")] {
        room.accept(n, owner).await;
    }
    let job = room.begin(1).await.unwrap();
    room.store.fail_export(&job, error("internal"), 0).await.unwrap();
    room.begin(1).await.unwrap();
    let snapshot = room.store.snapshot().unwrap();
    assert_eq!(snapshot.export_counts().unwrap(), [2, 1, 0, 1]);
    let list = |owner: Option<&str>, state, offset, limit| {
        let owner = owner.map(|owner| (crate::model::LOCAL_ISSUER.to_string(), owner.to_string()));
        let page = snapshot.export_jobs(&ExportFilter { owner, state }, offset, limit).unwrap();
        (page.jobs.into_iter().map(|job| job.id).collect::<Vec<_>>(), page.total)
    };
    assert_eq!(list(None, None, 0, 10), (ids(&[4, 3, 2, 1]), 4));
    assert_eq!(list(Some("a"), None, 1, 1), (ids(&[3]), 3));
    assert_eq!(list(Some("a"), Some(JobState::Failed), 0, 10), (ids(&[1]), 1));
    assert_eq!(list(Some("nobody"), None, 0, 10), (vec![], 0));
}
