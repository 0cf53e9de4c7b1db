//! What taking events in costs: over HTTP, durable, beside an empty POST and beside bare tables; and in process, in
//! order of time and late. Everything that is measured runs in a process of its own.
//!
//! ```sh
//! cargo bench --bench ingest -- [--only single,batch,cpu] [--kinds usage,log] [--rounds 5] [--requests 20000] [--batches 150]
//!     [--events 200000] [--history 500000] [--json FILE] [--directory DIR]
//! ```
//!
//! - `single`: 64 connections, an event a request (`--requests` of them a round), beside an empty batch (`[]`) sent to the same server.
//! - `batch`: 8 connections, 1,000 events a request (`--batches` of them a round), beside a process that inserts the same rows into a bare
//!   table: WAL, `synchronous = full`, a commit per 1,000 rows, no index, no HTTP.
//! - `cpu`: 2,000 events a commit in process, `--events` of them behind `--history` sessions: in order, and late by up to
//!   30 days; beside the same rows in a bare table.

mod bare;
mod events;
mod inside;
mod load;
#[path = "../shared/random.rs"]
mod random;
#[path = "../shared/skewed.rs"]
mod skewed;
#[path = "../shared/store.rs"]
mod store;
mod table;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use self::table::{Rate, Table};

const ROLE: &str = "BENCH_INGEST_ROLE";

fn main() {
    let plan = Plan::from_arguments();
    match std::env::var(ROLE).as_deref() {
        Ok("serve") => load::serve(&plan),
        Ok("bare-usage") => bare::usage(&plan, 1_000),
        Ok("bare-log") => bare::log(&plan, 1_000),
        Ok("cpu-bare") => bare::usage(&plan, 2_000),
        Ok("cpu-in-order") => inside::record(&plan, events::Arrival::InOrder),
        Ok("cpu-late") => inside::record(&plan, events::Arrival::Late),
        Ok(role) => panic!("no such role: {role}"),
        Err(_) => drive(&plan),
    }
}

pub struct Plan {
    only: Vec<String>,
    kinds: Vec<String>,
    pub rounds: u64,
    pub requests: u64,
    pub batches: u64,
    pub events: u64,
    pub history: u64,
    json: Option<PathBuf>,
    directory: Option<PathBuf>,
}

impl Plan {
    fn from_arguments() -> Plan {
        let number = |name, default| argument(name).map_or(default, |text| text.parse().expect("a whole number"));
        let words = |name, default: &str| {
            let text = argument(name).unwrap_or_else(|| default.into());
            text.split(',').map(String::from).collect()
        };
        Plan {
            only: words("--only", "single,batch,cpu"),
            kinds: words("--kinds", "usage,log"),
            rounds: number("--rounds", 5),
            requests: number("--requests", 20_000),
            batches: number("--batches", 150),
            events: number("--events", 200_000),
            history: number("--history", 500_000),
            json: argument("--json").map(PathBuf::from),
            directory: argument("--directory").map(PathBuf::from),
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.only.iter().any(|only| only == part)
    }

    fn takes(&self, kind: &str) -> bool {
        self.kinds.iter().any(|taken| taken == kind)
    }

    /// A directory that goes with its value, on the disk that is to be measured.
    pub fn directory(&self) -> tempfile::TempDir {
        let made = self.directory.as_ref().map_or_else(tempfile::tempdir, tempfile::tempdir_in);
        made.expect("a directory")
    }
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn drive(plan: &Plan) {
    let mut table = Table::default();
    if plan.wants("single") || plan.wants("batch") {
        load::drive(plan, &mut table);
    }
    if plan.wants("cpu") {
        let parts = [("cpu-bare", "bare table"), ("cpu-in-order", "in order"), ("cpu-late", "late by days")];
        for _ in 0..plan.rounds {
            for (role, name) in parts {
                table.add("2,000 a commit, in process", name, "events", measured_by(role));
            }
        }
    }
    print!("{}", table.text());
    if let Some(file) = &plan.json {
        std::fs::write(file, table.json()).expect("the file can be written");
    }
}

/// What a process in that role prints: how many items it took, in how many seconds, and with how many of CPU.
pub fn measured_by(role: &str) -> Rate {
    let mut child = start(role);
    let line = first_line(&mut child);
    assert!(child.wait().expect("our child").success(), "{role} has failed");
    let figures: Vec<f64> = line.split(' ').map(|text| text.parse().expect("a number")).collect();
    Rate { items: figures[0], seconds: figures[1], cpu_seconds: figures[2] }
}

pub fn start(role: &str) -> Child {
    let program = std::env::current_exe().expect("this program has a path");
    let arguments = std::env::args_os().skip(1);
    Command::new(program)
        .args(arguments)
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts again")
}

pub fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    line.trim().to_string()
}

/// User and system time of a process so far, in ticks of 10 ms.
pub fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process that runs");
    let (_, rest) = stat.rsplit_once(") ").expect("a name in brackets");
    let ticks: u64 = rest.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}
