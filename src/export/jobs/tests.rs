use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::model::{ExportReport, History, Id, JobState, LogFilter};
use crate::store::testing::{export_id, new_export};
use crate::store::{Accepted, ExportJob, NewExport, Removed, testing};

/// A bound on waiting for what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(5);

/// A database, a directory and a clock, which outlive exporters.
struct House {
    clock: Clock,
    store: Store,
    directory: ExportDirectory,
    settings: Settings,
    audit: Audit,
    _root: TempDir,
}

impl House {
    fn new() -> House {
        let root = tempfile::tempdir().unwrap();
        let clock = Clock::manual(0);
        let store = Store::open(&testing::settings(&root), clock.clone()).unwrap();
        let settings = Settings {
            directory: PathBuf::new(),
            workers: 2,
            retention: Duration::from_secs(1_000),
            bytes_max: 1 << 20,
            time_limit: Duration::from_secs(100),
        };
        let directory = ExportDirectory::new(root.path().join("exports"));
        let audit = Audit::new(store.clone(), clock.clone());
        House { clock, store, directory, settings, audit, _root: root }
    }

    async fn start(
        &self,
        write: impl Fn(&Store, &Assignment, &Watch) -> Result<Written> + Send + Sync + 'static,
    ) -> Exporter {
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let (settings, audit, clock) = (self.settings.clone(), self.audit.clone(), self.clock.clone());
        Exporter::start_with(store, directory, settings, audit, clock, Box::new(write)).await.unwrap()
    }

    async fn accept(&self, n: u32, owner: &str) {
        self.accept_new(new_export(n, owner, 0)).await;
    }

    async fn accept_new(&self, new: NewExport) {
        assert!(matches!(self.store.accept_export(new).await.unwrap(), Accepted::New(_)));
    }

    async fn begin(&self) -> ExportJob {
        self.store.begin_export(9, 0).await.unwrap().unwrap()
    }

    fn job(&self, n: u32) -> ExportJob {
        self.store.snapshot().unwrap().export_job(&export_id(n)).unwrap().unwrap()
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = self.clock.monotonic();
        while !is_so() {
            assert!(self.clock.monotonic() - begun < PATIENCE, "in vain we waited: {what}");
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn until_finished(&self, n: u32) -> ExportJob {
        self.until("the job is finished", || self.job(n).state.is_finished()).await;
        self.job(n)
    }

    /// State, and code of the error.
    async fn end_of(&self, n: u32) -> (JobState, String) {
        let job = self.until_finished(n).await;
        (job.state, job.error.map_or(String::new(), |error| error.code))
    }

    /// Names in the directory but for the lock.
    fn files(&self) -> HashSet<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != ".lock").collect()
    }

    async fn restart(
        self,
        write: impl Fn(&Store, &Assignment, &Watch) -> Result<Written> + Send + Sync + 'static,
    ) -> (House, Exporter) {
        let exporter = self.start(write).await;
        (self, exporter)
    }
}

fn names(jobs: &[u32]) -> HashSet<String> {
    jobs.iter().map(|n| format!("export-{}.csv", export_id(*n))).collect()
}

/// Writes a few bytes at once.
fn quick(_: &Store, assignment: &Assignment, _: &Watch) -> Result<Written> {
    fs::write(&assignment.file, "0123456789").unwrap();
    Ok(Written { rows: 3, bytes: 10, sha256: "ab".into() })
}

/// Writes a piece, and then nothing more until it is told to stop.
fn endless(store: &Store, assignment: &Assignment, watch: &Watch) -> Result<Written> {
    fs::write(&assignment.file, "012").unwrap();
    watch.expect_rows(100);
    watch.add_rows(7);
    loop {
        drop(watch.turn()?);
        store.wait_for_exports(store.exports_changed(), GLANCE);
        let _ = assignment;
    }
}

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

fn all_events() -> LogFilter {
    let request = crate::ingest::stored_export_request(&new_export(1, "me", 0).request, None).unwrap();
    match request.report {
        ExportReport::Events(filter) => filter,
        other => panic!("{other:?}"),
    }
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
    house.until("all places are taken", || under_way() == 16).await;
    let owners: Vec<String> =
        (0..60).map(|n| house.job(n)).filter(|job| job.state == JobState::Processing).map(|job| job.subject).collect();
    let distinct: HashSet<&String> = owners.iter().collect();
    assert!(distinct.len() >= 8, "{owners:?}");
    exporter.stop().await;
    assert_eq!(house.store.snapshot().unwrap().export_counts().unwrap(), [60, 0, 0, 0]);
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
