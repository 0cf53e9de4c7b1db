use super::*;
use crate::model::History;
use crate::store::testing::{export_id, new_export};

fn user(name: &str) -> Id {
    Id::new(name).unwrap()
}

async fn accept(room: &Room, n: u32, about: Option<&str>, names_users: bool) {
    let new = NewExport { user_id: about.map(user), names_users, ..new_export(n, "me", 0) };
    room.store.accept_export(new).await.unwrap();
}

#[tokio::test]
async fn files_that_may_hold_an_erased_id_are_given_up_at_once_and_for_good() {
    let room = Room::new();
    for (n, about, names_users) in [(1, Some("ann"), false), (2, None, true), (3, None, false), (4, Some("bob"), false)]
    {
        accept(&room, n, about, names_users).await;
        let job = room.begin(1).await.unwrap();
        room.store.complete_export(&job, finished(1, i64::MAX), 0).await.unwrap();
    }
    // Nobody has sent an event of hers; the export was asked for all the same.
    assert!(!room.store.erase(user("ann"), History::Anonymize).await.unwrap());
    let available: Vec<u32> = (1..=4).filter(|n| room.job(*n).unwrap().is_available(i64::MIN)).collect();
    assert_eq!((available, room.to_unlink()), (vec![3, 4], vec![export_id(1), export_id(2)]));
    let about = |n| room.job(n).unwrap().user_id.map(|id| id.as_str().to_string());
    assert_eq!((about(1), about(4)), (None, Some("bob".into())));
}

#[tokio::test]
async fn jobs_about_an_erased_person_fail_and_others_that_name_users_are_begun_anew() {
    let room = Room::new();
    for (n, about, names_users) in [(1, Some("ann"), false), (2, None, true), (3, None, false), (4, Some("ann"), false)]
    {
        accept(&room, n, about, names_users).await;
    }
    let begun: Vec<ExportJob> =
        vec![room.begin(9).await.unwrap(), room.begin(9).await.unwrap(), room.begin(9).await.unwrap()];
    let rung = room.store.exports_changed();
    room.store.erase(user("ann"), History::Remove).await.unwrap();
    assert_ne!(room.store.exports_changed(), rung);
    let code = |n| room.job(n).unwrap().error.map(|error| error.code);
    assert_eq!([1, 2, 3, 4].map(|n| room.state(n).as_str()), ["failed", "queued", "processing", "failed"]);
    assert_eq!((code(1), code(4)), (Some("erased".into()), Some("erased".into())));
    // Whoever still writes them has lost them, and the new attempt is not a second one.
    assert!(!room.store.complete_export(&begun[0], finished(1, 1), 0).await.unwrap());
    assert!(!room.store.complete_export(&begun[1], finished(1, 1), 0).await.unwrap());
    assert!(room.store.complete_export(&begun[2], finished(1, 1), 0).await.unwrap());
    assert_eq!(room.begin(9).await.map(|job| (job.id, job.attempt)), Some((export_id(2), 1)));
}

/// So many jobs that the ids fill some pages of the file.
const JOBS: u32 = 240;

fn person(n: u32) -> String {
    format!("person-{n:04}-{}", "long enough to fill pages ".repeat(4))
}

#[tokio::test]
async fn an_erased_id_is_nowhere_in_the_file_though_jobs_have_come_and_gone_around_it() {
    let room = Room::new();
    for n in 0..JOBS {
        accept(&room, n, Some(&person(n)), false).await;
    }
    // In an order that empties pages here and there; every tenth job stays.
    let shuffled = (0..JOBS).map(|n| n * 101 % JOBS);
    for n in shuffled.filter(|n| n % 10 != 0) {
        room.store.remove_export(&export_id(n), 0).await.unwrap();
        room.store.remove_export(&export_id(n), 0).await.unwrap();
    }
    for n in (0..JOBS).filter(|n| n.is_multiple_of(20)) {
        room.store.erase(user(&person(n)), History::Anonymize).await.unwrap();
    }
    let Room { store, directory, .. } = room;
    drop(store);
    let file = std::fs::read(testing::settings(&directory).path).unwrap();
    let found = file
        .windows(12)
        .filter_map(|bytes| std::str::from_utf8(bytes).ok()?.strip_prefix("person-")?.get(..4)?.parse().ok());
    let found: std::collections::BTreeSet<u32> = found.collect();
    assert_eq!(found, (0..JOBS).filter(|n| n % 20 == 10).collect());
}
