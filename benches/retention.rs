//! Retention at size: the log's oldest year is retired in the background while events come in and others read. What they
//! wait for then is shown beside what they waited for before.
//!
//! ```sh
//! cargo bench --bench retention -- [--gone 50000000] [--kept 10000000] [--piece 1000] [--directory /some/directory]
//! ```
//!
//! In process, with full durability: 8 clients append batches of 100 events, 200 of them a second together; one asks for the
//! newest page, a page in the middle, a page of errors and a usage summary, 50 times a second each. Times are in
//! milliseconds, from when a request was due, and a client that is late by over 100 ms lets requests out. The database is made anew, and removed in the end. Needs 130 bytes of disk an event.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use analytics::clock::Clock;
use analytics::model::{
    DateRange, Day, EventCutoffs, Id, LogFilter, Severity, SeveritySet, Start, SystemEvent, TimeOrder, Timestamp,
    UsageEvent, UsageFilter,
};
use analytics::store::{Durability, Settings, Snapshot, Store};
use tokio::runtime::{Builder, Runtime};

/// 2024-01-01T00:00:00Z: what lies before it goes.
const CUTOFF_MICROS: i64 = 1_704_067_200_000_000;
const YEAR_MICROS: i64 = 365 * 86_400_000_000;
const FILL_BATCH: u64 = 4_000;
const BATCH: u64 = 100;
const CLIENTS: u32 = 8;
const BATCHES_PER_S: u32 = 200;
const READS_PER_S: u32 = 50;
const IDLE_S: u64 = 10;
/// How long the file may take to shrink in the end.
const PATIENCE: Duration = Duration::from_secs(1_800);

fn main() {
    let plan = Plan::from_arguments();
    let directory = tempfile::tempdir_in(&plan.directory).expect("a directory can be made");
    let path = directory.path().join("retention.db");
    let settings = Settings {
        path,
        durability: Durability::Full,
        bytes_max: 0,
        teams_max: 100,
        services_max: 100,
        queue_items_max: 100_000,
        span_cache_bytes: 24 << 20,
    };
    let store = Store::open(&settings, Clock::system()).expect("the database opens");
    plan.fill(&store);
    println!("{} events, {:.2} GB", plan.gone + plan.kept, gigabytes(&store));

    println!("\n{:<28} {:>9} {:>9} {:>9}", "milliseconds", "median", "p99", "worst");
    under_load(&plan, &store, "idle", || std::thread::sleep(Duration::from_secs(IDLE_S)));
    let begun = Instant::now();
    under_load(&plan, &store, "meanwhile", || retire(&plan, &store));
    println!("\nremoved after {:.0} s; the file then: {:.2} GB", begun.elapsed().as_secs_f64(), gigabytes(&store));
    let begun = Instant::now();
    under_load(&plan, &store, "giving space back", || until_shrunk(&store));
    println!("\n{:.2} GB after another {:.0} s", gigabytes(&store), begun.elapsed().as_secs_f64());
    store.close();
}

struct Plan {
    gone: u64,
    kept: u64,
    piece: usize,
    directory: PathBuf,
}

impl Plan {
    fn from_arguments() -> Plan {
        let arguments: Vec<String> = std::env::args().collect();
        let after = |name: &str| {
            let place = arguments.iter().position(|argument| argument == name)?;
            arguments.get(place + 1).cloned()
        };
        let number = |name: &str, usual| after(name).map_or(usual, |text| text.parse().expect("a number"));
        Plan {
            gone: number("--gone", 50_000_000),
            kept: number("--kept", 10_000_000),
            piece: number("--piece", 1_000) as usize,
            directory: after("--directory").map_or_else(std::env::temp_dir, PathBuf::from),
        }
    }

    /// Event `n`, as late as can be: those that go fill the year before the cutoff, the rest a year behind it.
    fn event(&self, n: u64) -> SystemEvent {
        let step = YEAR_MICROS / self.gone.max(self.kept + 1) as i64;
        let severity = match n % 100 {
            0 => Severity::Error,
            1..10 => Severity::Warning,
            _ => Severity::Info,
        };
        SystemEvent {
            at: Timestamp::from_unix_micros(CUTOFF_MICROS + (n as i64 - self.gone as i64) * step).expect("a year"),
            severity,
            service: Id::new(format!("service {}", n % 20)).ok(),
            message: format!("GET /items/{n:08} took {:>4} ms for user-{:06}{:.<32}", n % 2_000, n % 999_983, ""),
            event_id: None,
            attributes: None,
        }
    }

    fn fill(&self, store: &Store) {
        let runtime = runtime();
        for first in (0..self.gone + self.kept).step_by(FILL_BATCH as usize) {
            let last = (first + FILL_BATCH).min(self.gone + self.kept);
            let events = (first..last).map(|n| self.event(n)).collect();
            runtime.block_on(store.append(events)).expect("events are taken");
        }
        let usage = (0..100_000).map(|n| UsageEvent {
            user_id: Id::new(format!("user {}", n % 10_000)).expect("an id"),
            at: Timestamp::from_unix_micros(CUTOFF_MICROS + n % 365 * 86_400_000_000).expect("a year"),
            team_id: None,
            service: None,
            session_id: None,
        });
        runtime.block_on(store.record(usage.collect())).expect("events are taken");
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

fn gigabytes(store: &Store) -> f64 {
    store.stats().file_bytes as f64 / 1e9
}

/// Measures ingest and reads while the work is done.
fn under_load(plan: &Plan, store: &Store, name: &str, work: impl FnOnce()) {
    let is_done = AtomicBool::new(false);
    let (written, read) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ingest(plan, store, &is_done))).collect();
        let reader = scope.spawn(|| read(plan, store, &is_done));
        work();
        is_done.store(true, Relaxed);
        let written = writers.into_iter().flat_map(|writer| writer.join().expect("ingest ends well"));
        (written.collect::<Vec<_>>(), reader.join().expect("reads end well"))
    });
    print(&format!("{name}: {BATCH} events"), written);
    for (kind, times) in READS.iter().zip(read) {
        print(&format!("{name}: {kind}"), times);
    }
}

fn print(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let millis = |place: usize| times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let last = times.len().saturating_sub(1);
    println!("{name:<28} {:>9.3} {:>9.3} {:>9.3}", millis(last / 2), millis(last * 99 / 100), millis(last));
}

/// Times of batches, each begun at its time whether the one before was slow or not.
fn ingest(plan: &Plan, store: &Store, is_done: &AtomicBool) -> Vec<Duration> {
    let runtime = runtime();
    let mut times = vec![];
    let mut next = Instant::now();
    while !is_done.load(Relaxed) {
        let events = (0..BATCH).map(|n| plan.event(plan.gone + plan.kept + n)).collect();
        runtime.block_on(store.append(events)).expect("events are taken");
        times.push(next.elapsed());
        next = wait_for(next + Duration::from_secs(1) * CLIENTS / BATCHES_PER_S);
    }
    times
}

const READS: [&str; 4] = ["newest page", "page in the middle", "page of errors", "usage summary"];

fn read(plan: &Plan, store: &Store, is_done: &AtomicBool) -> [Vec<Duration>; READS.len()] {
    let mut times = [const { vec![] }; READS.len()];
    let mut next = Instant::now();
    while !is_done.load(Relaxed) {
        for (kind, times) in times.iter_mut().enumerate() {
            read_one(plan, &store.snapshot().expect("a snapshot"), kind);
            times.push(next.elapsed());
            next = wait_for(next + Duration::from_secs(1) / READS_PER_S / READS.len() as u32);
        }
    }
    times
}

fn read_one(plan: &Plan, snapshot: &Snapshot, kind: usize) {
    let errors = SeveritySet::from_iter([Severity::Error]);
    let errors = LogFilter { severities: errors, ..LogFilter::default() };
    let page = |filter: &LogFilter, skipped| {
        let page = snapshot.page(filter, TimeOrder::NewestFirst, Start::Offset(skipped), 100).expect("a page");
        assert_eq!(page.events.len(), 100);
    };
    match kind {
        0 => page(&LogFilter::default(), 0),
        1 => page(&LogFilter::default(), plan.kept / 2),
        2 => page(&errors, 0),
        _ => {
            let day = |text| Day::parse(text).expect("a day");
            let range = DateRange::new(day("2024-03-01"), day("2024-08-31")).expect("a range");
            snapshot.figures(range, &UsageFilter::default()).expect("figures");
        }
    }
}

/// The time itself, or now if it is over.
fn wait_for(time: Instant) -> Instant {
    std::thread::sleep(time.saturating_duration_since(Instant::now()));
    time.max(Instant::now() - Duration::from_millis(100))
}

/// Piece by piece, resting as long as each took.
fn retire(plan: &Plan, store: &Store) {
    let runtime = runtime();
    let cutoff = Timestamp::from_unix_micros(CUTOFF_MICROS).expect("a year");
    loop {
        let begun = Instant::now();
        let piece = store.retire_events(EventCutoffs::all(cutoff), Timestamp::MAX, plan.piece);
        if runtime.block_on(piece).expect("a piece goes").is_done {
            return;
        }
        std::thread::sleep(begun.elapsed());
    }
}

/// Until the file has not shrunk for a while.
fn until_shrunk(store: &Store) {
    let (begun, mut shrunk, mut bytes) = (Instant::now(), Instant::now(), u64::MAX);
    while begun.elapsed() < PATIENCE && shrunk.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(500));
        let now = store.stats().file_bytes;
        if now < bytes {
            (shrunk, bytes) = (Instant::now(), now);
        }
    }
}
