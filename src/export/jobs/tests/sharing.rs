use super::*;

#[tokio::test]
async fn with_one_worker_a_small_export_ends_before_ten_large_ones_of_another() {
    let mut house = House::new();
    house.settings.workers = 1;
    let begun = Arc::new(AtomicBool::new(false));
    let small_is_done = Arc::new(AtomicBool::new(false));
    let write = {
        let (begun, done) = (Arc::clone(&begun), Arc::clone(&small_is_done));
        move |store: &Store, assignment: &Assignment, watch: &Watch| {
            let is_small = assignment.made_for == "small";
            // A large one works on, turn by turn, until the small one has had its own few.
            let mut turns = 0;
            while if is_small { turns < 20 } else { !done.load(SeqCst) } {
                begun.store(true, SeqCst);
                drop(watch.turn()?);
                turns += 1;
            }
            if is_small {
                done.store(true, SeqCst);
            }
            quick(store, assignment, watch)
        }
    };
    let exporter = house.start(write).await;
    for n in 1..=10 {
        house.accept(n, "large").await;
    }
    house.until("the large ones work", || begun.load(SeqCst)).await;
    house.accept(11, "small").await;
    let small = house.until_finished(11).await;
    assert_eq!(small.state, JobState::Completed);
    for n in 1..=10 {
        assert_eq!(house.end_of(n).await, (JobState::Completed, String::new()));
    }
    exporter.stop().await;
}

#[tokio::test]
async fn no_more_jobs_are_under_way_than_there_are_places_and_each_principal_gets_one() {
    let house = House::new();
    let exporter = house.start(endless).await;
    for n in 0..60 {
        house.accept(n, &format!("owner {}", n / 3)).await;
    }
    let under_way = || house.store.snapshot().unwrap().export_counts().unwrap()[1];
    house.until("all places are taken", || under_way() == 8).await;
    let owners: Vec<String> =
        (0..60).map(|n| house.job(n)).filter(|job| job.state == JobState::Processing).map(|job| job.subject).collect();
    let distinct: HashSet<&String> = owners.iter().collect();
    assert!(distinct.len() >= 4, "{owners:?}");
    exporter.stop().await;
    assert_eq!(house.store.snapshot().unwrap().export_counts().unwrap(), [60, 0, 0, 0]);
}
