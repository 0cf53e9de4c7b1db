use super::*;
use crate::model::Day;
use crate::store::testing::export_id;
use crate::store::{BackupOptions, backup};

const NO_BOUND: u64 = u64::MAX;

async fn expire(room: &Room, bytes_max: u64, now: i64) {
    if room.store.snapshot().unwrap().is_export_expiry_due(bytes_max, now).unwrap() {
        room.store.expire_exports(bytes_max, now).await.unwrap();
    }
}

fn available(room: &Room, now: i64) -> Vec<u32> {
    (1..10).filter(|n| room.job(*n).is_some_and(|job| job.is_available(now))).collect()
}

#[tokio::test]
async fn an_unfinished_job_is_cancelled_and_a_finished_one_removed() {
    let room = Room::new();
    room.accept(1, "me").await;
    let id = export_id(1);
    assert_eq!(room.store.remove_export(&id, 5).await.unwrap(), Removed::Cancelled);
    let job = room.job(1).unwrap();
    assert_eq!(
        (job.state, job.finished_at, job.error.unwrap().code.as_str()),
        (JobState::Failed, Some(5), "cancelled")
    );
    assert_eq!(room.store.remove_export(&id, 6).await.unwrap(), Removed::Removed);
    assert_eq!(room.store.remove_export(&id, 7).await.unwrap(), Removed::Missing);
    assert_eq!((room.job(1), room.begin(1).await), (None, None));
    // A cancelled job is no failure.
    assert_eq!(room.store.exports_failed(), 0);
}

#[tokio::test]
async fn a_finished_job_is_removed_once_its_file_is_and_until_then_nobody_gets_that_and_somebody_finds_it() {
    let room = Room::new();
    room.complete(1, 10, 0, 100).await;
    let id = export_id(1);
    let file_name = format!("export-{id}.csv");
    for now in [50, 60] {
        let first = Removed::FileFirst { file_name: file_name.clone() };
        assert_eq!(room.store.remove_export(&id, now).await.unwrap(), first);
        assert_eq!((available(&room, 0), room.to_unlink()), (vec![], vec![id.clone()]));
        assert_eq!(room.job(1).unwrap().expires_at, Some(50));
    }
    room.store.note_exports_unlinked(vec![id.clone()]).await.unwrap();
    assert_eq!(room.store.remove_export(&id, 70).await.unwrap(), Removed::Removed);
    assert_eq!(room.job(1), None);
}

#[tokio::test]
async fn files_expire_by_age_and_once_given_up_stay_so_though_the_clock_steps_back() {
    let room = Room::new();
    room.complete(1, 10, 0, 100).await;
    room.complete(2, 10, 0, 101).await;
    assert_eq!((available(&room, 99), available(&room, 100)), (vec![1, 2], vec![2]));
    expire(&room, NO_BOUND, 99).await;
    assert_eq!(available(&room, 99), [1, 2]);
    expire(&room, NO_BOUND, 100).await;
    assert_eq!((available(&room, 0), room.to_unlink()), (vec![2], vec![export_id(1)]));
    room.store.note_exports_unlinked(vec![export_id(1), export_id(7)]).await.unwrap();
    assert_eq!((available(&room, 0), room.to_unlink(), room.state(1)), (vec![2], vec![], JobState::Completed));
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_files_go() {
    let room = Room::new();
    for (n, bytes) in [(1, 10), (2, 20), (3, 30), (4, 40)] {
        room.complete(n, bytes, i64::from(n), 1000).await;
    }
    assert_eq!(room.store.snapshot().unwrap().export_bytes().unwrap(), 100);
    expire(&room, 100, 50).await;
    assert_eq!(available(&room, 50), [1, 2, 3, 4]);
    expire(&room, 99, 50).await;
    assert_eq!((available(&room, 0), room.job(1).unwrap().expires_at), (vec![2, 3, 4], Some(50)));
    expire(&room, 70, 50).await;
    assert_eq!(available(&room, 0), [3, 4]);
    expire(&room, 1, 50).await;
    assert_eq!((available(&room, 0), room.to_unlink()), (vec![], [1, 2, 3, 4].map(export_id).to_vec()));
}

#[tokio::test]
async fn jobs_of_long_ago_are_forgotten_and_not_those_with_a_file() {
    let room = Room::new();
    room.complete(1, 10, 0, i64::MAX).await;
    room.complete(2, 10, 0, 1).await;
    room.accept(3, "me").await;
    room.store.remove_export(&export_id(3), 1).await.unwrap();
    room.accept(4, "me").await;
    expire(&room, NO_BOUND, 2).await;
    room.store.note_exports_unlinked(vec![export_id(2)]).await.unwrap();
    expire(&room, NO_BOUND, 366 * Day::MICROS - 1).await;
    let there = |room: &Room| (1..=4).filter(|n| room.job(*n).is_some()).collect::<Vec<_>>();
    assert_eq!(there(&room), [1, 2, 3, 4]);
    expire(&room, NO_BOUND, 366 * Day::MICROS + 1).await;
    assert_eq!(there(&room), [1, 4]);
    let is_due = room.store.snapshot().unwrap().is_export_expiry_due(NO_BOUND, 366 * Day::MICROS + 1).unwrap();
    assert!(!is_due, "what is done is not done again");
}

#[tokio::test]
async fn a_link_key_stays_until_links_are_ended() {
    let room = Room::new();
    room.complete(1, 10, 0, 100).await;
    let id = export_id(1);
    let key = |fresh| room.store.export_link_key(&id, [fresh; 32]);
    assert_eq!((key(1).await.unwrap(), key(2).await.unwrap()), (Some([1; 32]), Some([1; 32])));
    assert!(room.store.end_export_links(&id).await.unwrap());
    assert_eq!(room.job(1).unwrap().link_key, None);
    assert_eq!(key(3).await.unwrap(), Some([3; 32]));
    assert_eq!(room.store.export_link_key(&export_id(2), [4; 32]).await.unwrap(), None);
    assert!(!room.store.end_export_links(&export_id(2)).await.unwrap());
}

#[tokio::test]
async fn a_backup_holds_no_key_that_signs_links() {
    let room = Room::new();
    room.complete(1, 10, 0, 100).await;
    room.store.export_link_key(&export_id(1), [7; 32]).await.unwrap();
    let (database, copy) = (room.store.path().to_path_buf(), room.directory.path().join("copy"));
    backup(&database, &copy, BackupOptions { with_signing_keys: true, overwrite: false }).unwrap();
    let holds_key = |file: &std::path::Path| std::fs::read(file).unwrap().windows(32).any(|bytes| bytes == [7; 32]);
    assert!(!holds_key(&copy));
    assert_eq!(room.job(1).unwrap().link_key, Some([7; 32]));
    drop(room.store);
    assert!(holds_key(&database));
}
