use super::*;
use crate::model::{Day, SystemEvent, Timestamp};
use crate::store::testing::{export_id, new_export};

const DAY: i64 = Day::MICROS;

fn keyed(n: u32, owner: &str, key: &str, digest: u8, now: i64) -> NewExport {
    let idempotency = Idempotency { key: key.into(), request_digest: [digest; 32] };
    NewExport { idempotency: Some(idempotency), charge: Some((Day::MIN, 2)), ..new_export(n, owner, now) }
}

/// What became of it, and of which job.
async fn outcome(room: &Room, new: NewExport) -> (&'static str, Option<String>) {
    match room.store.accept_export(new).await.unwrap() {
        Accepted::New(job) => ("new", Some(job.id)),
        Accepted::Repeated(job) => ("repeated", Some(job.id)),
        Accepted::RepeatedButGone => ("gone", None),
        Accepted::KeyInUse => ("in use", None),
        Accepted::OverQuota => ("over quota", None),
    }
}

fn charged(room: &Room, owner: &str) -> u32 {
    room.store.snapshot().unwrap().export_count(crate::model::LOCAL_ISSUER, owner, Day::MIN).unwrap()
}

#[tokio::test]
async fn a_key_stands_for_one_job_and_is_charged_once_for_a_day() {
    let room = Room::new();
    let id = |n| Some(export_id(n));
    let story = [
        (keyed(1, "me", "k", 1, 0), ("new", id(1)), 1),
        (keyed(2, "me", "k", 1, 1), ("repeated", id(1)), 1),
        (keyed(3, "me", "k", 2, 2), ("in use", None), 1),
        // Another's key of the same name is another key.
        (keyed(4, "you", "k", 2, 3), ("new", id(4)), 1),
        (keyed(5, "me", "l", 1, 4), ("new", id(5)), 2),
        (keyed(6, "me", "m", 1, 5), ("over quota", None), 2),
        // What was refused has left no key, and a known key is looked at before the quota.
        (keyed(7, "me", "m", 9, 6), ("over quota", None), 2),
        (keyed(8, "me", "l", 1, 7), ("repeated", id(5)), 2),
        (keyed(9, "me", "k", 1, DAY - 1), ("repeated", id(1)), 2),
        (keyed(10, "me", "k", 1, DAY), ("over quota", None), 2),
    ];
    for (n, (new, expected, count)) in story.into_iter().enumerate() {
        let owner = new.subject.clone();
        assert_eq!(outcome(&room, new).await, expected, "{n}");
        assert_eq!(charged(&room, &owner), count, "{n}");
    }
}

#[tokio::test]
async fn a_key_whose_job_was_removed_says_so() {
    let room = Room::new();
    outcome(&room, keyed(1, "me", "k", 1, 0)).await;
    room.store.remove_export(&export_id(1), 0).await.unwrap();
    assert_eq!(outcome(&room, keyed(2, "me", "k", 1, 0)).await.0, "repeated");
    room.store.remove_export(&export_id(1), 0).await.unwrap();
    assert_eq!(outcome(&room, keyed(3, "me", "k", 1, 0)).await.0, "gone");
    assert_eq!(charged(&room, "me"), 1);
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart_with_its_charge_and_key() {
    let room = Room::new();
    outcome(&room, NewExport { user_id: Some(Id::new("u").unwrap()), ..keyed(1, "me", "k", 1, 7) }).await;
    let before = room.job(1);
    let room = room.reopen();
    assert_eq!(room.job(1), before);
    assert_eq!(before.unwrap().user_id.unwrap().as_str(), "u");
    assert_eq!((charged(&room, "me"), outcome(&room, keyed(2, "me", "k", 1, 8)).await.0), (1, "repeated"));
}

#[tokio::test]
async fn of_many_requests_at_once_as_many_are_taken_as_the_quota_allows() {
    let room = Room::new();
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let store = room.store.clone();
            let new = NewExport { charge: Some((Day::MIN, 7)), ..new_export(n, "me", 0) };
            tokio::spawn(async move { store.accept_export(new).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        taken += u32::from(matches!(task.await.unwrap(), Accepted::New(_)));
    }
    let page = room.store.snapshot().unwrap().export_jobs(&ExportFilter::default(), 0, 100).unwrap();
    assert_eq!((taken, page.total, charged(&room, "me")), (7, 7, 7));
}

#[tokio::test]
async fn the_quota_is_of_the_day_that_is_charged_however_the_clock_steps() {
    let room = Room::new();
    let (first, second) = (Day::MIN, Day::from_index(Day::MIN.index() + 1).unwrap());
    let mut n = 0;
    let mut ask = |day| {
        n += 1;
        NewExport { charge: Some((day, 2)), ..new_export(n, "me", 0) }
    };
    for (day, expected) in [
        (first, "new"),
        (first, "new"),
        (first, "over quota"),
        (second, "new"),
        // Back over midnight, and forward again.
        (first, "over quota"),
        (second, "new"),
        (second, "over quota"),
    ] {
        assert_eq!(outcome(&room, ask(day)).await.0, expected, "{day}");
    }
}

#[tokio::test]
async fn a_job_knows_which_events_were_acknowledged_before_it() {
    let room = Room::new();
    let event = SystemEvent {
        at: Timestamp::from_unix_micros(0).unwrap(),
        severity: crate::model::Severity::Info,
        service: None,
        message: "m".into(),
        event_id: None,
        attributes: None,
    };
    let first = room.accept(1, "me").await;
    room.store.append(vec![event.clone(), event.clone()]).await.unwrap();
    let second = room.accept(2, "me").await;
    room.store.append(vec![event]).await.unwrap();
    assert_eq!((first.log_seq, second.log_seq, room.job(2).unwrap().log_seq), (0, 2, 2));
}
