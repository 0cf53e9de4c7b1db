//! What an event costs as the file grows, in process: CPU, bytes, memory, and how long the file takes to open.
//!
//! ```sh
//! cargo bench --bench growth -- --what usage|log --sizes 1000000,5000000 [--sample 200000] [--directory /some/directory]
//! ```
//!
//! In order, 2,000 events a commit, to each size in turn: user-days (one event each) of a million users, or log events of
//! 80 bytes. At each size the last of them are what "in order" means, then a sample comes late (by up to 30 days; of the
//! log and, to tell, of usage too, from anywhere), and the same rows go into a bare table of a file of its own, with the
//! same durability. CPU is of the whole process, in microseconds an event. Prints JSON, a line a size; leaves the file, which
//! holds `held` user-days or events: those in order, and what the samples have added.

#[path = "shared/history.rs"]
mod history;
#[path = "shared/log_history.rs"]
mod log_history;
#[path = "shared/process.rs"]
mod process;
#[path = "shared/random.rs"]
mod random;
#[path = "shared/store.rs"]
mod store;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use analytics::model::{SystemEvent, UsageEvent};
use analytics::store::{Store, beside};
use history::Users;
use process::{resident_mib, time_of};
use random::Random;
use rusqlite::Connection;
use rustix::time::ClockId;
use serde_json::json;
use store::open;
use tokio::runtime::Runtime;

const USAGE: &str =
    "usage: cargo bench --bench growth -- --what usage|log --sizes N,N.. [--sample N] [--directory DIRECTORY]";
const COMMIT: u64 = 2_000;
const USERS: Users = Users { all: 1_000_000, of_a_day: 20_000 };
const LATE_DAYS_MAX: u64 = 30;
const DAYS_MAX: u64 = 100_000;
/// Of the largest log that is asked for: all lie within the same three years.
const LOG_EVENTS: u64 = 50_000_000;

fn main() {
    let (Some(what), Some(sizes)) = (option("--what"), option("--sizes")) else {
        return println!("{USAGE}");
    };
    let sizes: Vec<u64> = sizes.split(',').map(|size| size.parse().expect("a whole number")).collect();
    let sample = option("--sample").map_or(200_000, |text| text.parse().expect("a whole number"));
    let directory =
        option("--directory").map_or_else(|| std::env::temp_dir().join("analytics-bench-growth"), PathBuf::from);
    std::fs::create_dir_all(&directory).expect("a directory");
    match what.as_str() {
        "usage" => grow::<UsageEvent>(&directory, &sizes, sample),
        "log" => grow::<SystemEvent>(&directory, &sizes, sample),
        _ => println!("{USAGE}"),
    }
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// What grows: how its events are made, taken in, and put into a bare table.
trait Growing: Sized {
    const NAME: &str;
    const BARE_TABLE: &str;
    const BARE_INSERT: &str;
    fn nth(n: u64) -> Self;
    /// One that belongs before the nth, by so many days at most; and a number of its user-day or of itself, None if the file
    /// has that already.
    fn late(random: &mut Random, n: u64, days_max: u64) -> (Self, Option<u64>);
    fn take_in(runtime: &Runtime, store: &Store, events: Vec<Self>);
    fn insert_bare(&self, insert: &mut rusqlite::Statement<'_>) -> rusqlite::Result<usize>;
}

impl Growing for UsageEvent {
    const NAME: &str = "usage";
    const BARE_TABLE: &str =
        "create table bare (at integer, user_id text, team_id text, service text, session_id text)";
    const BARE_INSERT: &str = "insert into bare values (?1, ?2, ?3, ?4, ?5)";

    fn nth(n: u64) -> UsageEvent {
        history::usage_event(USERS, n)
    }

    /// Of a user who was active on that day, or of one who was not.
    fn late(random: &mut Random, n: u64, days_max: u64) -> (UsageEvent, Option<u64>) {
        let today = n / USERS.of_a_day;
        let day = today - (1 + random.below(days_max.min(today.max(1)))).min(today);
        let nth = random.below(2 * USERS.of_a_day);
        let event = history::event_of(history::user_of(USERS, day, nth), day, random.below(86_400));
        (event, (nth >= USERS.of_a_day).then_some(day * USERS.all + nth))
    }

    fn take_in(runtime: &Runtime, store: &Store, events: Vec<UsageEvent>) {
        assert!(runtime.block_on(store.record(events)).expect("room").is_empty());
    }

    fn insert_bare(&self, insert: &mut rusqlite::Statement<'_>) -> rusqlite::Result<usize> {
        let id = |id: &Option<analytics::model::Id>| id.as_ref().map(|id| id.as_str().to_string());
        let ids = (id(&self.team_id), id(&self.service), id(&self.session_id));
        insert.execute((self.at.unix_micros(), self.user_id.as_str(), ids.0, ids.1, ids.2))
    }
}

impl Growing for SystemEvent {
    const NAME: &str = "log";
    const BARE_TABLE: &str = "create table bare (at integer, severity integer, service text, message text)";
    const BARE_INSERT: &str = "insert into bare values (?1, ?2, ?3, ?4)";

    fn nth(n: u64) -> SystemEvent {
        log_history::log_event(n, LOG_EVENTS)
    }

    fn late(random: &mut Random, n: u64, days_max: u64) -> (SystemEvent, Option<u64>) {
        let back = random.below(n.min(days_max.saturating_mul(LOG_EVENTS / (3 * 365))).max(1));
        (log_history::log_event(n - back.min(n), LOG_EVENTS), Some(random.next()))
    }

    fn take_in(runtime: &Runtime, store: &Store, events: Vec<SystemEvent>) {
        assert!(runtime.block_on(store.append(events)).expect("room").is_empty());
    }

    fn insert_bare(&self, insert: &mut rusqlite::Statement<'_>) -> rusqlite::Result<usize> {
        let service = self.service.as_ref().map(|service| service.as_str());
        insert.execute((self.at.unix_micros(), self.severity.index() as i64, service, &self.message))
    }
}

fn grow<E: Growing>(directory: &Path, sizes: &[u64], sample: u64) {
    let path = directory.join(format!("growth-{}.db", E::NAME));
    remove(&path);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut random = Random(1);
    let mut store = open(&path);
    let (mut have, mut added) = (0, vec![]);
    for size in sizes {
        take_in(&runtime, &store, (have..size.saturating_sub(sample).max(have)).map(E::nth));
        let begun = Instant::now();
        let in_order = take_in(&runtime, &store, (size.saturating_sub(sample).max(have)..*size).map(E::nth));
        let rate = in_order.events as f64 / begun.elapsed().as_secs_f64();
        let mut late = |days_max| {
            let (event, new) = E::late(&mut random, *size, days_max);
            added.extend(new);
            event
        };
        let by_days = take_in(&runtime, &store, (0..sample).map(|_| late(LATE_DAYS_MAX)));
        let anywhere = take_in(&runtime, &store, (0..sample / 2).map(|_| late(DAYS_MAX)));
        let bare = bare_insert::<E>(directory, size.saturating_sub(sample)..*size);
        let resident_mib = resident_mib();
        store.close();
        // The file's lock goes with it.
        drop(store);
        added.sort_unstable();
        added.dedup();
        let held = size + added.len() as u64;
        let begun = Instant::now();
        store = open(&path);
        let line = json!({
            "what": E::NAME, "size": size, "held": held, "file_bytes": bytes(&path), "resident_mib": resident_mib,
            "open_ms": begun.elapsed().as_nanos() as f64 / 1e6, "events_per_s": rate,
            "in_order_us": in_order.micros(), "late_us": by_days.micros(), "anywhere_us": anywhere.micros(),
            "bare_us": bare.micros(),
        });
        println!("{line}");
        have = *size;
    }
    store.close();
}

/// CPU that events took.
struct Cost {
    events: u64,
    cpu: Duration,
}

impl Cost {
    fn micros(&self) -> f64 {
        self.cpu.as_nanos() as f64 / 1e3 / self.events.max(1) as f64
    }
}

/// A commit after the other; making the events is not counted.
fn take_in<E: Growing>(runtime: &Runtime, store: &Store, events: impl Iterator<Item = E>) -> Cost {
    let mut cost = Cost { events: 0, cpu: Duration::ZERO };
    in_commits(events, |commit| {
        let (count, begun) = (commit.len() as u64, time_of(ClockId::ProcessCPUTime));
        E::take_in(runtime, store, commit);
        cost.cpu += time_of(ClockId::ProcessCPUTime) - begun;
        cost.events += count;
    });
    cost
}

fn in_commits<E>(mut events: impl Iterator<Item = E>, mut each: impl FnMut(Vec<E>)) {
    loop {
        let commit: Vec<E> = events.by_ref().take(COMMIT as usize).collect();
        if commit.is_empty() {
            return;
        }
        each(commit);
    }
}

/// No index, no rollup: the least that keeping the rows can cost.
fn bare_insert<E: Growing>(directory: &Path, numbers: std::ops::Range<u64>) -> Cost {
    let path = directory.join("growth-bare.db");
    remove(&path);
    let mut conn = Connection::open(&path).expect("a file");
    conn.execute_batch("pragma journal_mode = wal; pragma synchronous = full;").expect("pragmas");
    conn.execute_batch(E::BARE_TABLE).expect("a table");
    let mut cost = Cost { events: 0, cpu: Duration::ZERO };
    in_commits(numbers.map(E::nth), |commit| {
        let begun = time_of(ClockId::ProcessCPUTime);
        let transaction = conn.transaction().expect("a transaction");
        let mut insert = transaction.prepare_cached(E::BARE_INSERT).expect("a statement");
        for event in &commit {
            event.insert_bare(&mut insert).expect("room");
        }
        drop(insert);
        transaction.commit().expect("room");
        cost.cpu += time_of(ClockId::ProcessCPUTime) - begun;
        cost.events += commit.len() as u64;
    });
    drop(conn);
    remove(&path);
    cost
}

fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn remove(path: &Path) {
    for path in [path.to_path_buf(), beside(path, "-wal"), beside(path, "-shm")] {
        if let Err(error) = std::fs::remove_file(&path) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}: {error}", path.display());
        }
    }
}
