//! Exports of the log: rows per second and memory, beside other software that writes the same rows. Each measurement is a
//! process of its own, in turn, round after round.
//!
//! ```sh
//! python3 -m venv peers && peers/bin/pip install duckdb xlsxwriter
//! cargo bench --bench exports -- [--events 5000000] [--xlsx-events 1000000] [--rounds 5] [--workers 2] \
//!     [--directory /some/directory] [--peers peers/bin/python] [--only csv,duckdb] [--json]
//! ```
//!
//! - `csv`, `csv.gz`, `xlsx`: ours; the whole log, the same with gzip, and as much of it as fills `--xlsx-events` rows.
//! - `sqlite3`, `duckdb`, `xlsxwriter`: see `exports_peers.py`. They know nothing of formulas or of SHA-256.
//!
//! What is written is not synced. The database and DuckDB's copy are made where they are missing in the directory, and
//! stay there. Memory is the peak while it works, over what the process had before (of peers: the whole process).
//! With `--json` every round's figures are printed, by name.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use analytics::clock::Clock;
use analytics::export::{self, Assignment, Watch};
use analytics::model::{
    CsvOptions, ExportFormat, ExportReport, ExportRequest, Id, LogFilter, Severity, SystemEvent, Timestamp,
};
use analytics::store::{Durability, Settings, Store};

const OURS: [&str; 3] = ["csv", "csv.gz", "xlsx"];
const PEERS: [(&str, &str); 3] = [("sqlite3", "csv"), ("duckdb", "csv"), ("xlsxwriter", "xlsx")];
const ROLE: &str = "BENCH_EXPORTS_WRITE";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/exports_peers.py");
/// 2023-01-01T00:00:00Z, and three years.
const FIRST_MICROS: i64 = 1_672_531_200_000_000;
const SPAN_MILLIS: i64 = 1_096 * 86_400_000;

fn main() {
    let plan = Plan::from_arguments();
    match std::env::var(ROLE) {
        Ok(role) => println!("{}", write(&plan, &role).line()),
        Err(_) => compare(&plan),
    }
}

struct Plan {
    events: u64,
    xlsx_events: u64,
    rounds: u64,
    workers: u64,
    directory: PathBuf,
    python: Option<String>,
}

impl Plan {
    fn from_arguments() -> Plan {
        let directory = std::env::temp_dir().join("analytics-bench-exports");
        Plan {
            events: number("--events", 5_000_000),
            xlsx_events: number("--xlsx-events", 1_000_000),
            rounds: number("--rounds", 5),
            workers: number("--workers", 2),
            directory: option("--directory").map_or(directory, PathBuf::from),
            python: option("--peers"),
        }
    }

    fn database(&self) -> PathBuf {
        self.directory.join(format!("log-{}.db", self.events))
    }

    fn output(&self) -> PathBuf {
        self.directory.join("output")
    }

    /// Before this instant lie about as many events as the sheet is to hold.
    fn xlsx_to(&self) -> i64 {
        millis_of(self.xlsx_events.min(self.events), self.events) * 1_000 + FIRST_MICROS
    }
}

/// What one process says of its work.
#[derive(Clone, Copy)]
struct Measured {
    rows: f64,
    seconds: f64,
    cpu_seconds: f64,
    peak_mib: f64,
    bytes: f64,
}

impl Measured {
    fn line(&self) -> String {
        format!("{} {} {} {} {}", self.rows, self.seconds, self.cpu_seconds, self.peak_mib, self.bytes)
    }

    fn parse(line: &str) -> Measured {
        let numbers: Vec<f64> = line.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        let [rows, seconds, cpu_seconds, peak_mib, bytes] = numbers[..] else { panic!("five numbers: {line}") };
        Measured { rows, seconds, cpu_seconds, peak_mib, bytes }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The side that compares.

fn compare(plan: &Plan) {
    std::fs::create_dir_all(&plan.directory).expect("a directory");
    if !plan.database().exists() {
        fill(plan);
    }
    if plan.python.is_some()
        && is_wanted("duckdb")
        && !plan.directory.join(format!("log-{}.duckdb", plan.events)).exists()
    {
        // DuckDB takes its copy from our file.
        ours("csv");
        peer(plan, "make-duckdb");
    }
    let peers = PEERS.iter().filter(|_| plan.python.is_some());
    let names: Vec<&str> =
        OURS.into_iter().chain(peers.map(|(name, _)| *name)).filter(|name| is_wanted(name)).collect();
    let mut found: Vec<Vec<Measured>> = vec![vec![]; names.len()];
    for _ in 0..plan.rounds {
        for (name, found) in names.iter().zip(&mut found) {
            found.push(if OURS.contains(name) { ours(name) } else { peer(plan, name) });
        }
    }
    let _ = std::fs::remove_file(plan.output());
    if std::env::args().any(|argument| argument == "--json") {
        let rounds = names.into_iter().zip(&found).map(|(name, found)| (name.to_string(), as_json(found)));
        return println!("{}", serde_json::Value::Object(rounds.collect()));
    }
    let medians: Vec<(&str, Measured)> = names.into_iter().zip(found.iter().map(|found| median(found))).collect();
    tell(plan, &medians);
}

fn as_json(found: &[Measured]) -> serde_json::Value {
    let of = |figure: fn(&Measured) -> f64| found.iter().map(figure).collect::<Vec<f64>>();
    serde_json::json!({
        "rows": of(|it| it.rows), "seconds": of(|it| it.seconds), "cpu_seconds": of(|it| it.cpu_seconds),
        "peak_mib": of(|it| it.peak_mib), "bytes": of(|it| it.bytes),
    })
}

/// Each by itself with `--only`.
fn is_wanted(name: &str) -> bool {
    option("--only").is_none_or(|only| only.split(',').any(|wanted| wanted == name))
}

fn ours(role: &str) -> Measured {
    let mut program = Command::new(std::env::current_exe().expect("this program has a path"));
    run(program.args(std::env::args_os().skip(1)).env(ROLE, role))
}

fn peer(plan: &Plan, what: &str) -> Measured {
    let python = plan.python.as_deref().expect("there are peers");
    let duckdb = plan.directory.join(format!("log-{}.duckdb", plan.events));
    let mut program = Command::new(python);
    program.args([SCRIPT, what]).arg(plan.database()).arg(duckdb).arg(plan.output()).arg(plan.xlsx_to().to_string());
    run(&mut program)
}

fn run(program: &mut Command) -> Measured {
    let output = program.stderr(Stdio::inherit()).output().expect("it starts");
    assert!(
        output.status.success(),
        "{program:?} failed. Peers need sqlite3, and a Python with: pip install duckdb xlsxwriter. A database that an \
         older version has made is to be removed"
    );
    Measured::parse(&String::from_utf8_lossy(&output.stdout))
}

fn tell(plan: &Plan, medians: &[(&str, Measured)]) {
    println!("medians of {} rounds, {} workers, {} events", plan.rounds, plan.workers, plan.events);
    println!(
        "{:<11} {:>9} {:>8} {:>8} {:>11} {:>9} {:>8}  ours is",
        "", "rows", "s", "CPU s", "rows/s", "peak MiB", "MB"
    );
    for (name, it) in medians {
        let format = PEERS.iter().find(|(peer, _)| peer == name).map(|(_, format)| *format);
        let ours = medians.iter().find(|(ours, _)| Some(*ours) == format);
        let ratio = ours.map_or(String::new(), |(_, ours)| format!("{:.2} times as fast", it.seconds / ours.seconds));
        println!(
            "{name:<11} {:>9} {:>8.2} {:>8.2} {:>11.0} {:>9.1} {:>8.0}  {ratio}",
            it.rows,
            it.seconds,
            it.cpu_seconds,
            it.rows / it.seconds,
            it.peak_mib,
            it.bytes / 1e6
        );
    }
}

fn median(found: &[Measured]) -> Measured {
    let of = |figure: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = found.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Measured {
        rows: of(|it| it.rows),
        seconds: of(|it| it.seconds),
        cpu_seconds: of(|it| it.cpu_seconds),
        peak_mib: of(|it| it.peak_mib),
        bytes: of(|it| it.bytes),
    }
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn number(name: &str, default: u64) -> u64 {
    option(name).map_or(default, |value| value.parse().expect("a whole number"))
}

// ---------------------------------------------------------------------------------------------------------------------
// The log: messages of 80 bytes from 20 services, one event in ten with attributes, one in a hundred late by minutes.

fn fill(plan: &Plan) {
    const PIECE: u64 = 4_000;
    eprintln!("makes a log of {} events in {}", plan.events, plan.directory.display());
    let store = open(&plan.database());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut random = Random(1);
    for first in (0..plan.events).step_by(PIECE as usize) {
        let piece = (first..plan.events.min(first + PIECE)).map(|n| event(&mut random, n, plan.events)).collect();
        runtime.block_on(store.append(piece)).expect("room for an event");
    }
    store.close();
}

fn open(database: &Path) -> Store {
    let settings = Settings {
        path: database.into(),
        durability: Durability::None,
        bytes_max: 0,
        teams_max: 1_000,
        services_max: 1_000,
        queue_items_max: 10_000,
        span_cache_bytes: 32 << 20,
    };
    Store::open(&settings, Clock::system()).expect("a database")
}

fn event(random: &mut Random, n: u64, events: u64) -> SystemEvent {
    let late = if random.below(100) == 0 { random.below(600_000) as i64 } else { 0 };
    let micros = FIRST_MICROS + (millis_of(n, events) - late).max(0) * 1_000;
    let severity = match random.below(100) {
        0 => Severity::Error,
        1..=9 => Severity::Warning,
        _ => Severity::Info,
    };
    let message = format!("GET /items/{n:08} took {:4} ms for user-{:06}", random.below(2_000), random.below(999_999));
    let attributes = || format!(r#"{{"host":"web-{}","status":{}}}"#, random.below(40), 200 + random.below(300));
    SystemEvent {
        attributes: n.is_multiple_of(10).then(attributes),
        at: Timestamp::from_unix_micros(micros).expect("within the calendar"),
        severity,
        service: Some(Id::new(format!("service-{:02}", n.wrapping_mul(0x9e37) % 20)).expect("an id")),
        message: format!("{message:.<80}"),
        event_id: None,
    }
}

/// Evenly over the span.
fn millis_of(n: u64, events: u64) -> i64 {
    (i128::from(SPAN_MILLIS) * i128::from(n) / i128::from(events)) as i64
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The side that writes.

fn write(plan: &Plan, role: &str) -> Measured {
    let store = open(&plan.database());
    std::fs::write(plan.output(), "").expect("a file");
    let assignment = assignment(plan, role);
    let watch = Watch::alone(plan.workers as usize);
    let idle_kib = reset_peak();
    let (cpu, begun) = (cpu_seconds(), Instant::now());
    let written = export::write(&store, &assignment, &watch).expect("an export");
    let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let peak_mib = (status_kib("VmHWM:") - idle_kib) / 1024.0;
    store.close();
    Measured { rows: written.rows as f64, seconds, cpu_seconds, peak_mib, bytes: written.bytes as f64 }
}

fn assignment(plan: &Plan, role: &str) -> Assignment {
    let csv = CsvOptions::default();
    let (format, to) = match role {
        "csv" => (ExportFormat::Csv(csv), None),
        "csv.gz" => (ExportFormat::Csv(CsvOptions { gzip: true, ..csv }), None),
        _ => (ExportFormat::Xlsx, Timestamp::from_unix_micros(plan.xlsx_to())),
    };
    let report = ExportReport::Events(LogFilter { to, ..LogFilter::default() });
    Assignment {
        request: ExportRequest { report, format },
        log_seq: i64::MAX,
        made_for: "bench".into(),
        made_at: Timestamp::from_unix_micros(FIRST_MICROS).expect("within the calendar"),
        file: plan.output(),
        scratch: plan.directory.clone(),
        bytes_max: u64::MAX,
    }
}

/// Gives what is resident now; the peak counts from here.
fn reset_peak() -> f64 {
    std::fs::write("/proc/self/clear_refs", "5").expect("our own process");
    status_kib("VmRSS:")
}

fn status_kib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("our own process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a figure of memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// User and system time so far, in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("our own process");
    let (_, rest) = stat.rsplit_once(") ").expect("a name in brackets");
    let ticks: u64 = rest.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    ticks as f64 / 100.0
}
