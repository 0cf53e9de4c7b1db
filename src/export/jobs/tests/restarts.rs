use super::*;

#[tokio::test]
async fn a_graceful_stop_puts_back_what_is_under_way_and_the_next_exporter_ends_it() {
    let house = House::new();
    let exporter = house.start(endless).await;
    for n in 1..=3 {
        house.accept(n, "me").await;
    }
    house.until("two are under way", || (1..=2).all(|n| house.job(n).state == JobState::Processing)).await;
    exporter.stop().await;
    assert_eq!(house.files(), HashSet::new());
    for n in 1..=3 {
        assert_eq!((house.job(n).state, house.job(n).attempt), (JobState::Queued, 0));
    }
    let (house, exporter) = house.restart(quick).await;
    for n in 1..=3 {
        assert_eq!(house.end_of(n).await, (JobState::Completed, String::new()));
        assert_eq!(house.job(n).attempt, 1);
    }
    exporter.stop().await;
}

#[tokio::test]
async fn a_dropped_exporter_lets_go_of_the_directory_and_the_database() {
    let house = House::new();
    let exporter = house.start(endless).await;
    house.accept(1, "me").await;
    house.until("it is under way", || house.job(1).state == JobState::Processing).await;
    drop(exporter);
    assert_eq!(house.job(1).state, JobState::Queued);
    drop(house.directory.prepare().unwrap());
}

#[tokio::test]
async fn what_a_killed_process_left_is_taken_up_and_what_nobody_has_a_right_to_goes() {
    let house = House::new();
    let exporter = house.start(quick).await;
    for n in 1..=3 {
        house.accept(n, "me").await;
        house.until_finished(n).await;
    }
    exporter.stop().await;
    // Killed: between the file's name and its row; in the midst of a part; after the row of a removed job.
    house.accept(4, "me").await;
    house.begin().await;
    let place = |name: &str| house.directory.path_of(name);
    let name = |n| names(&[n]).into_iter().next().unwrap();
    fs::write(place(&name(4)), "0123456789").unwrap();
    fs::write(place(&format!("{}.part-0123456789abcdef", name(4))), "01").unwrap();
    fs::write(place(&name(9)), "0123456789").unwrap();
    // As in a restored database: the file is elsewhere, or another one.
    fs::remove_file(place(&name(1))).unwrap();
    fs::write(place(&name(2)), "short").unwrap();
    fs::write(place("notes.txt"), "not ours").unwrap();
    let exporter = house.start(endless).await;
    let mut left = names(&[3]);
    left.insert("notes.txt".into());
    house.until("the fourth is begun anew", || house.files().len() == 3).await;
    assert!(left.is_subset(&house.files()));
    assert_eq!([1, 2, 3].map(|n| house.job(n).has_file), [false, false, true]);
    assert_eq!((house.job(1).state, house.job(4).attempt), (JobState::Completed, 2));
    exporter.stop().await;
    assert_eq!(house.files(), left);
}

#[tokio::test]
async fn a_foreign_thing_under_a_name_of_ours_holds_up_neither_the_start_nor_any_job() {
    let house = House::new();
    let exporter = house.start(quick).await;
    house.accept(1, "me").await;
    house.until_finished(1).await;
    exporter.stop().await;
    let name = |n| names(&[n]).into_iter().next().unwrap();
    fs::remove_file(house.directory.path_of(&name(1))).unwrap();
    // Nobody removes a directory by mistake for a file.
    for n in [1, 9] {
        fs::create_dir(house.directory.path_of(&name(n))).unwrap();
    }
    let exporter = house.start(quick).await;
    assert!(!house.job(1).has_file);
    house.accept(2, "me").await;
    assert!(house.until_finished(2).await.has_file);
    exporter.stop().await;
}

#[tokio::test]
async fn a_job_that_ended_the_process_three_times_is_not_begun_again() {
    let house = House::new();
    house.accept(1, "me").await;
    for _ in 1..3 {
        house.begin().await;
        house.store.recover_exports(0).await.unwrap();
    }
    house.begin().await;
    let exporter = house.start(|_, _, _| panic!("it must not be begun")).await;
    assert_eq!(house.end_of(1).await, (JobState::Failed, "interrupted".into()));
    exporter.stop().await;
    house.audit.flush().await;
    let trail = house.store.snapshot().unwrap().scan(&all_events(), 0, 10).unwrap();
    assert!(trail.events[0].message.ends_with("failed: interrupted"), "{:?}", trail.events[0]);
}

#[tokio::test]
async fn a_closed_database_neither_panics_nor_spins() {
    let house = House::new();
    let exporter = house.start(endless).await;
    house.accept(1, "me").await;
    house.until("it is under way", || house.job(1).state == JobState::Processing).await;
    house.store.close();
    house.store.wake_exports();
    exporter.stop().await;
    assert_eq!(house.files(), HashSet::new());
}
