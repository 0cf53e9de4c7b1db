use super::*;

#[tokio::test]
async fn expired_files_go_though_nothing_else_happens_and_so_does_what_is_beyond_the_bound() {
    let mut house = House::new();
    house.settings.bytes_max = 25;
    let exporter = house.start(quick).await;
    for n in 1..=3 {
        house.accept(n, "me").await;
        house.until_finished(n).await;
        house.clock.set(i64::from(n));
    }
    house.until("the oldest is gone", || house.files() == names(&[2, 3])).await;
    house.clock.set(1_000_000_001);
    house.store.wake_exports();
    house.until("the second has expired", || house.files() == names(&[3])).await;
    // What is gone is gone, and the job is still told of.
    house.clock.set(0);
    house.until("both are noted", || !house.job(1).has_file && !house.job(2).has_file).await;
    assert_eq!((house.job(2).state, house.job(3).has_file), (JobState::Completed, true));
    exporter.stop().await;
}

#[tokio::test]
async fn files_that_name_an_erased_person_go_at_once_and_exports_under_way_are_begun_anew() {
    let house = House::new();
    let exporter = house
        .start(|store, assignment, watch| match assignment.made_for.as_str() {
            "slow" if assignment.made_at.unix_micros() == 0 => endless(store, assignment, watch),
            _ => quick(store, assignment, watch),
        })
        .await;
    house.accept_new(NewExport { names_users: true, ..new_export(1, "me", 0) }).await;
    house.accept(2, "me").await;
    house.accept_new(NewExport { names_users: true, ..new_export(3, "slow", 0) }).await;
    house.until_finished(1).await;
    house.until_finished(2).await;
    house.until("the slow one is under way", || house.job(3).rows_done == 7).await;
    // What is begun from now on is written at once.
    house.clock.set(1);
    house.store.erase(Id::new("ann").unwrap(), History::Anonymize).await.unwrap();
    assert!(!house.job(1).is_available(i64::MIN));
    assert_eq!(house.end_of(3).await, (JobState::Completed, String::new()));
    assert_eq!(house.job(3).attempt, 1);
    house.until("the files fit", || house.files() == names(&[2, 3])).await;
    assert_eq!(fs::read(house.directory.path_of(&house.job(3).file_name())).unwrap(), b"0123456789");
    exporter.stop().await;
}
