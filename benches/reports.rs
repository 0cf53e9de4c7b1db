//! The hot paths of reading, without HTTP: the calls of a snapshot that a request makes, its transaction included.
//!
//! ```sh
//! cargo bench --bench reports [-- FILTER]                  # a small history made for it, or ANALYTICS_BENCH_DATABASE
//! cargo bench --bench reports -- --ask big.db              # answers questions, for benches/compare
//! ```
//!
//! With `--ask` each line of standard input is a question and each line of standard output its answer: see [`Question`].

#[path = "shared/history.rs"]
mod history;
#[path = "shared/log_history.rs"]
mod log_history;
#[path = "shared/random.rs"]
mod random;
#[path = "shared/store.rs"]
mod store;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Instant;

use analytics::model::{
    DateRange, Day, GroupBy, Id, Interval, LogFilter, Severity, SeveritySet, Start, TimeOrder, Timestamp, UsageFilter,
};
use analytics::store::Store;
use divan::{Bencher, black_box};
use history::Users;
use random::Random;
use serde::Deserialize;
use serde_json::{Value, json};
use store::open;

fn main() {
    match option("--ask") {
        Some(database) => answer_all(&open(Path::new(&database))),
        None => divan::main(),
    }
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

// ---------------------------------------------------------------------------------------------------------------------
// Questions of another process.

/// `{"ask":"figures","start":"2025-01-01","end":"2025-01-31","team":"team-007"}`, for instance. The answer has `micros`
/// and what was answered, as far as benches/compare/peers.py computes it, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// `figures`, `series`, `groups`, `page`.
    ask: String,
    start: Option<String>,
    /// Of a log page: exclusive.
    end: Option<String>,
    user: Option<String>,
    team: Option<String>,
    service: Option<String>,
    /// `user`, `team` or `service`.
    by: Option<String>,
    severity: Option<String>,
    page: Option<u64>,
}

const PAGE: usize = 100;

fn answer_all(store: &Store) {
    let mut output = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line.expect("text")).expect("a question");
        let asked = Asked::of(&question);
        let begun = Instant::now();
        let answer = asked.answer(store);
        let micros = begun.elapsed().as_nanos() as f64 / 1e3;
        writeln!(output, "{}", json!({ "micros": micros, "answer": answer.summary() })).expect("a reader");
    }
    store.close();
}

/// A question in the store's words: reading it is not measured.
enum Asked {
    Figures(DateRange, UsageFilter),
    Series(DateRange, UsageFilter),
    Groups(DateRange, UsageFilter, GroupBy),
    Page(LogFilter, u64),
}

enum Answer {
    Figures(analytics::model::Figures),
    Series(Vec<analytics::model::Period>),
    Groups(analytics::model::GroupPage, GroupBy),
    Page(analytics::model::LogPage),
}

impl Asked {
    fn of(question: &Question) -> Asked {
        let id = |text: &Option<String>| text.as_ref().map(|text| Id::new(text.as_str()).expect("an id"));
        let filter =
            UsageFilter { user_id: id(&question.user), team_id: id(&question.team), service: id(&question.service) };
        let day = |text: &Option<String>| Day::parse(text.as_deref().expect("a day")).expect("a day");
        let range = || DateRange::new(day(&question.start), day(&question.end)).expect("a range");
        match question.ask.as_str() {
            "figures" => Asked::Figures(range(), filter),
            "series" => Asked::Series(range(), filter),
            "groups" => {
                let named = |(name, _): &&(&str, GroupBy)| Some(*name) == question.by.as_deref();
                Asked::Groups(range(), filter, GroupBy::WORDS.iter().find(named).expect("a dimension").1)
            }
            "page" => {
                let severities = question.severity.iter().map(|name| Severity::parse(name).expect("a severity"));
                let severities =
                    if question.severity.is_some() { severities.collect::<SeveritySet>() } else { SeveritySet::ALL };
                let instant = |text: &Option<String>| text.as_ref().map(|_| day(text).start());
                let (from, to): (Option<Timestamp>, _) = (instant(&question.start), instant(&question.end));
                Asked::Page(LogFilter { severities, service: filter.service, from, to }, question.page.unwrap_or(1))
            }
            other => panic!("{other} is nothing to ask"),
        }
    }

    /// As the server goes about it: from memory, where that can tell, or by one statement.
    fn answer(&self, store: &Store) -> Answer {
        if let Asked::Figures(range, filter) = self
            && let Some(figures) = store.glance().figures(*range, filter).expect("figures")
        {
            return Answer::Figures(figures);
        }
        if let Asked::Figures(range, filter) = self
            && let Some(user_id) = &filter.user_id
            && let Some(figures) =
                store.glance_at_user(user_id).expect("a glance").figures(*range, filter).expect("figures")
        {
            return Answer::Figures(figures);
        }
        let snapshot = store.snapshot().expect("a snapshot");
        match self {
            Asked::Figures(range, filter) => Answer::Figures(snapshot.figures(*range, filter).expect("figures")),
            Asked::Series(range, filter) => {
                Answer::Series(snapshot.series(*range, filter, Interval::Day).expect("a series"))
            }
            Asked::Groups(range, filter, by) => {
                Answer::Groups(snapshot.groups(*range, filter, *by, 0, PAGE).expect("groups"), *by)
            }
            Asked::Page(filter, page) => {
                let start = Start::Offset((page - 1) * PAGE as u64);
                Answer::Page(snapshot.page(filter, TimeOrder::NewestFirst, start, PAGE).expect("a page"))
            }
        }
    }
}

impl Answer {
    /// Counts that another program can compute just so.
    fn summary(&self) -> Value {
        match self {
            Answer::Figures(figures) => figures.active_users.into(),
            Answer::Series(periods) => periods.iter().map(|period| period.figures.active_users).collect(),
            Answer::Groups(page, GroupBy::User) => {
                page.groups.iter().map(|group| group.figures.total_sessions).collect()
            }
            Answer::Groups(page, _) => {
                // Teams that only have users at home are no groups of a count of active ones.
                let active = page.groups.iter().map(|group| group.figures.active_users);
                active.filter(|active| *active > 0).collect()
            }
            Answer::Page(page) => page.events.len().into(),
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// For those who work on it.

const USERS: Users = Users { all: 50_000, of_a_day: 1_000 };
const USER_DAYS: u64 = 400_000;
const LOG_EVENTS: u64 = 400_000;

/// 30 days within 400, and all of them.
const RANGES: [(u32, u32); 2] = [(97, 126), (0, 399)];

static STORE: LazyLock<Store> = LazyLock::new(|| match std::env::var("ANALYTICS_BENCH_DATABASE") {
    Ok(database) => open(Path::new(&database)),
    Err(_) => small_history(),
});

/// Made once, and left for the next time: the system's directory for such files, named by the schema.
fn small_history() -> Store {
    let schema: u64 = include_bytes!("../schema.sql").iter().fold(0, |sum, byte| Random(sum ^ u64::from(*byte)).next());
    let path: PathBuf = std::env::temp_dir().join(format!("analytics-bench-reports-{schema:016x}.db"));
    let is_there = path.exists();
    let store = open(&path);
    if !is_there {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let pieces = |of: u64| (0..of).step_by(10_000).map(|first| first..first + 10_000);
        for piece in pieces(USER_DAYS) {
            let events = piece.map(|n| history::usage_event(USERS, n)).collect();
            runtime.block_on(store.record(events)).expect("room");
        }
        for piece in pieces(LOG_EVENTS) {
            let events = piece.map(|n| log_history::log_event(n, LOG_EVENTS)).collect();
            runtime.block_on(store.append(events)).expect("room");
        }
    }
    store
}

fn range((first, last): (u32, u32)) -> DateRange {
    let base = Day::from_ymd(2023, 1, 1).expect("a day").index();
    let day = |days: u32| Day::from_index(base + days).expect("a day");
    DateRange::new(day(first), day(last)).expect("a range")
}

fn of_team(team: &str) -> UsageFilter {
    UsageFilter { team_id: Some(Id::new(team).expect("an id")), ..UsageFilter::default() }
}

fn run(bencher: Bencher, asked: Asked) {
    let store = &*STORE;
    bencher.bench(|| {
        black_box(asked.answer(store));
    });
}

#[divan::bench(args = RANGES)]
fn figures_of_all(bencher: Bencher, days: (u32, u32)) {
    run(bencher, Asked::Figures(range(days), UsageFilter::default()));
}

#[divan::bench(args = RANGES)]
fn figures_of_a_team(bencher: Bencher, days: (u32, u32)) {
    run(bencher, Asked::Figures(range(days), of_team("team-007")));
}

#[divan::bench(args = RANGES)]
fn figures_of_a_user(bencher: Bencher, days: (u32, u32)) {
    let user_id = Some(Id::new("user-0000042").expect("an id"));
    run(bencher, Asked::Figures(range(days), UsageFilter { user_id, ..UsageFilter::default() }));
}

#[divan::bench(args = RANGES)]
fn series_by_day(bencher: Bencher, days: (u32, u32)) {
    run(bencher, Asked::Series(range(days), UsageFilter::default()));
}

#[divan::bench(args = RANGES)]
fn groups_by_team(bencher: Bencher, days: (u32, u32)) {
    run(bencher, Asked::Groups(range(days), UsageFilter::default(), GroupBy::Team));
}

#[divan::bench(args = RANGES)]
fn groups_by_user(bencher: Bencher, days: (u32, u32)) {
    run(bencher, Asked::Groups(range(days), UsageFilter::default(), GroupBy::User));
}

#[divan::bench(args = [1, 4_000])]
fn log_page(bencher: Bencher, page: u64) {
    run(bencher, Asked::Page(LogFilter::default(), page));
}

#[divan::bench(args = [1, 3_000])]
fn log_page_of_info(bencher: Bencher, page: u64) {
    let severities = [Severity::Info].into_iter().collect();
    run(bencher, Asked::Page(LogFilter { severities, ..LogFilter::default() }, page));
}
