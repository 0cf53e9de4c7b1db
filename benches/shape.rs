//! What the shape of a history costs, its size apart: the same number of user-days, spread over more or fewer users, teams,
//! services or days than usual, one of them at a time.
//!
//! ```sh
//! cargo bench --bench shape -- [--user-days 365000] [--directory /some/directory]
//! ```
//!
//! Each history goes into a file of its own by a process of its own, 2,000 events a commit, one event a user-day. Prints JSON, a
//! line a history, once everything is folded: CPU an event in microseconds, bytes of the file, memory of the process after its reads, and medians of
//! what reads take in microseconds, each asked of many ranges: summaries of 30 days and of half of all days, of everyone and of a
//! team, and first pages of groups over half of all days.

#[path = "shared/history.rs"]
mod history;
#[path = "shared/process.rs"]
mod process;
#[path = "shared/random.rs"]
mod random;
#[path = "shared/store.rs"]
mod store;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use analytics::model::{DateRange, Day, GroupBy, Id, UsageEvent, UsageFilter};
use analytics::store::Store;
use history::Users;
use process::{resident_mib, time_of};
use random::Random;
use rustix::time::ClockId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::open;

const ROLE: &str = "BENCH_SHAPE";
const COMMIT: usize = 2_000;
/// Of each kind of read, after as many that are not counted.
const READS: u64 = 20;
/// A prime: the days with which ranges begin are spread.
const STRIDE: u64 = 7_919;
const PAGE: usize = 100;
/// The writer takes up what can wait after five seconds of quiet.
const QUIET: Duration = Duration::from_secs(10);
const USUAL: Shape = Shape { users: 100_000, teams: 50, services: 10, days: 365 };

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Shape {
    users: u64,
    teams: u64,
    services: u64,
    days: u64,
}

fn main() {
    let user_days = option("--user-days").map_or(365_000, |text| text.parse().expect("a whole number"));
    let directory = option("--directory").map_or_else(std::env::temp_dir, PathBuf::from);
    if let Ok(shape) = std::env::var(ROLE) {
        return measure(serde_json::from_str(&shape).expect("a shape"), user_days, &directory);
    }
    for shape in shapes() {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args(std::env::args_os().skip(1)).env(ROLE, json!(shape).to_string());
        assert!(command.status().expect("it starts again").success());
    }
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// The usual one first.
fn shapes() -> Vec<Shape> {
    let mut shapes = vec![USUAL];
    shapes.extend([10_000, 1_000_000].map(|users| Shape { users, ..USUAL }));
    shapes.extend([5, 500].map(|teams| Shape { teams, ..USUAL }));
    shapes.extend([2, 100].map(|services| Shape { services, ..USUAL }));
    shapes.extend([73, 3_650].map(|days| Shape { days, ..USUAL }));
    shapes
}

fn measure(shape: Shape, user_days: u64, directory: &Path) {
    let directory = tempfile::tempdir_in(directory).expect("a directory");
    let path = directory.path().join("analytics.db");
    let store = open(&path);
    let begun = time_of(ClockId::ProcessCPUTime);
    let made = take_in(shape, user_days, &store);
    let event_us = (time_of(ClockId::ProcessCPUTime) - begun - made).as_nanos() as f64 / 1e3 / user_days as f64;
    // What was recorded last is folded then, too: it would cost reads some nanoseconds a user-day, here and there.
    std::thread::sleep(QUIET);
    store.close();
    drop(store);
    let store = open(&path);
    let line = json!({
        "shape": shape, "user_days": user_days, "event_us": event_us,
        "file_bytes": std::fs::metadata(&path).expect("a file").len(), "reads_us": reads(shape, &store),
        "resident_mib": resident_mib(),
    });
    println!("{line}");
    store.close();
}

/// Gives the CPU that making the events has taken.
fn take_in(shape: Shape, user_days: u64, store: &Store) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut made = Duration::ZERO;
    for first in (0..user_days).step_by(COMMIT) {
        let begun = time_of(ClockId::ThreadCPUTime);
        let events = (first..(first + COMMIT as u64).min(user_days)).map(|n| event(shape, user_days, n)).collect();
        made += time_of(ClockId::ThreadCPUTime) - begun;
        assert!(runtime.block_on(store.record(events)).expect("room").is_empty());
    }
    made
}

/// The nth user-day: users keep to their team, and change services.
fn event(shape: Shape, user_days: u64, n: u64) -> UsageEvent {
    let users = Users { all: shape.users, of_a_day: user_days / shape.days };
    let (day, nth) = (n / users.of_a_day, n % users.of_a_day);
    let user = history::user_of(users, day, nth);
    let mut random = Random(user);
    UsageEvent {
        team_id: Some(team(random.below(shape.teams))),
        service: Some(id(format!("service-{:03}", (random.next() ^ day) % shape.services))),
        ..history::usage_event(users, n)
    }
}

fn team(number: u64) -> Id {
    id(format!("team-{number:04}"))
}

fn id(text: String) -> Id {
    Id::new(text).expect("an id")
}

fn reads(shape: Shape, store: &Store) -> serde_json::Value {
    let half = shape.days / 2;
    let of_team = |n: u64| UsageFilter { team_id: Some(team(n % shape.teams)), ..UsageFilter::default() };
    let everyone = |_| UsageFilter::default();
    json!({
        "summary_30d": median(|n| summary(store, range(shape, 30, n), everyone(n))),
        "summary_half": median(|n| summary(store, range(shape, half, n), everyone(n))),
        "team_30d": median(|n| summary(store, range(shape, 30, n), of_team(n))),
        "team_half": median(|n| summary(store, range(shape, half, n), of_team(n))),
        "by_user_half": median(|n| groups(store, range(shape, half, n), GroupBy::User)),
        "by_team_half": median(|n| groups(store, range(shape, half, n), GroupBy::Team)),
    })
}

/// So many days. The second half of the numbers begins between the days with which the first half begins: no answer that is
/// kept is asked for, but everything that it is made from has been read.
fn range(shape: Shape, days: u64, nth: u64) -> DateRange {
    let first = Day::from_ymd(2023, 1, 1).expect("a day").index();
    let starts = (shape.days - days).div_ceil(2);
    let start = first + (2 * (nth * STRIDE % starts) + nth / READS % 2) as u32;
    let day = |index| Day::from_index(index).expect("a day");
    DateRange::new(day(start), day(start + days as u32 - 1)).expect("a range")
}

fn summary(store: &Store, range: DateRange, filter: UsageFilter) {
    let known = store.glance().figures(range, &filter).expect("figures");
    known.unwrap_or_else(|| store.snapshot().expect("a snapshot").figures(range, &filter).expect("figures"));
}

fn groups(store: &Store, range: DateRange, by: GroupBy) {
    let snapshot = store.snapshot().expect("a snapshot");
    snapshot.groups(range, &UsageFilter::default(), by, 0, PAGE).expect("groups");
}

/// In microseconds, of calls with numbers that differ from call to call.
fn median(read: impl Fn(u64)) -> f64 {
    let mut times: Vec<f64> = (0..2 * READS)
        .map(|n| {
            let begun = Instant::now();
            read(n);
            begun.elapsed().as_nanos() as f64 / 1e3
        })
        .skip(READS as usize)
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
