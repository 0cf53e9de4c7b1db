//! Writes a large, seeded history as NDJSON files, for imports and for `benches/http.rs`:
//!
//! ```sh
//! cargo bench --bench generate -- --out /some/directory [--sessions 5000000] [--users 700000] [--events 20000000] [--seed 1] [--gzip]
//! analytics import users  /some/directory/users.ndjson  --database big.db
//! analytics import usage  /some/directory/usage.ndjson  --database big.db
//! analytics import events /some/directory/events.ndjson --database big.db
//! ```
//!
//! Usage: about 3.5 events a session, three years from 2023-01-01, 200 teams, 20 services; few users and teams do most
//! (roughly Zipf); days grow over time and weekends are quiet; one session in fifty arrives late, by up to a month.
//! Log: messages of 80 bytes from 20 services, 1 % errors, 9 % warnings; one event in a hundred is late by minutes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike};
use flate2::Compression;
use flate2::write::GzEncoder;

#[path = "shared/random.rs"]
mod random;
#[path = "shared/skewed.rs"]
mod skewed;

use self::random::Random;
use self::skewed::skewed;

const DAYS: u64 = 3 * 365 + 1;
/// 2023-01-01T00:00:00Z.
const FIRST_SECOND: i64 = 1_672_531_200;
const DAY_SECONDS: i64 = 86_400;
const TEAMS: usize = 200;
const SERVICES: usize = 20;
/// Late sessions wait here until their day of arrival.
const LATE_DAYS_MAX: u64 = 30;

fn main() -> io::Result<()> {
    let Some(plan) = Plan::from_arguments() else {
        println!(
            "usage: cargo bench --bench generate -- --out DIRECTORY [--sessions N] [--users N] [--events N] [--seed N] [--gzip]"
        );
        return Ok(());
    };
    std::fs::create_dir_all(&plan.out)?;
    let users = write_users(&plan)?;
    let (sessions, usage) = write_usage(&plan)?;
    let events = write_log(&plan)?;
    println!(
        "{users} users, {sessions} sessions in {usage} usage events, {events} log events in {}",
        plan.out.display()
    );
    Ok(())
}

struct Plan {
    out: PathBuf,
    sessions: u64,
    users: u64,
    events: u64,
    seed: u64,
    gzip: bool,
}

impl Plan {
    /// None without `--out`: `cargo bench` alone runs every bench, and this one then only says how it is used.
    fn from_arguments() -> Option<Plan> {
        let mut plan =
            Plan { out: PathBuf::new(), sessions: 5_000_000, users: 700_000, events: 20_000_000, seed: 1, gzip: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse().ok());
            match name.as_str() {
                "--out" => plan.out = arguments.next()?.into(),
                "--sessions" => plan.sessions = number()?,
                "--users" => plan.users = number()?,
                "--events" => plan.events = number()?,
                "--seed" => plan.seed = number()?,
                "--gzip" => plan.gzip = true,
                // cargo bench says so itself.
                "--bench" => {}
                _ => return None,
            }
        }
        (!plan.out.as_os_str().is_empty()).then_some(plan)
    }

    fn file(&self, name: &str) -> io::Result<Box<dyn Write>> {
        let path = if self.gzip { self.out.join(format!("{name}.gz")) } else { self.out.join(name) };
        let file = BufWriter::with_capacity(1 << 20, File::create(Path::new(&path))?);
        Ok(if self.gzip { Box::new(GzEncoder::new(file, Compression::fast())) } else { Box::new(file) })
    }
}

/// Every user, registered on some day of the three years, at home in a team.
fn write_users(plan: &Plan) -> io::Result<u64> {
    let mut file = plan.file("users.ndjson")?;
    let mut random = Random(plan.seed);
    for user in 0..plan.users {
        let at = FIRST_SECOND + random.below(DAYS * DAY_SECONDS as u64) as i64;
        let team = skewed(&mut random, TEAMS as u64);
        writeln!(file, r#"{{"user_id":"user-{user:06}","team_id":"team-{team:03}","registered_at":"{}"}}"#, time(at))?;
    }
    file.flush()?;
    Ok(plan.users)
}

/// Day by day; gives how many sessions and events.
fn write_usage(plan: &Plan) -> io::Result<(u64, u64)> {
    let mut file = plan.file("usage.ndjson")?;
    let mut random = Random(plan.seed ^ 0x5eed);
    let mut late = (0..DAYS + LATE_DAYS_MAX + 1).map(|_| Vec::new()).collect::<Vec<Vec<Event>>>();
    let (mut sessions, mut events) = (0, 0);
    for day in 0..DAYS + LATE_DAYS_MAX + 1 {
        let mut arriving = std::mem::take(&mut late[day as usize]);
        if day < DAYS {
            let due = plan.sessions * weight_before(day + 1) / weight_before(DAYS);
            for _ in sessions..due {
                let session = random_session(&mut random, plan.users, day);
                let delay = if random.below(50) == 0 { 1 + random.below(LATE_DAYS_MAX) } else { 0 };
                if delay == 0 { arriving.extend(session) } else { late[(day + delay) as usize].extend(session) }
            }
            sessions = due;
        }
        // In order of time but for those that are late.
        arriving.sort_by_key(|event| event.at);
        events += arriving.len() as u64;
        for event in &arriving {
            event.write(&mut file)?;
        }
    }
    file.flush()?;
    Ok((sessions, events))
}

struct Event {
    at: i64,
    user: u64,
    team: u64,
    service: u64,
    session: Option<u64>,
}

impl Event {
    fn write(&self, file: &mut dyn Write) -> io::Result<()> {
        let Event { at, user, team, service, session } = self;
        write!(file, r#"{{"user_id":"user-{user:06}","team_id":"team-{team:03}","service":"service-{service:02}","#)?;
        if let Some(session) = session {
            write!(file, r#""session_id":"{session:016x}","#)?;
        }
        writeln!(file, r#""timestamp":"{}"}}"#, time(*at))
    }
}

/// 1 to 6 events within minutes; one session in four says its id, one in ten goes over two teams or services.
fn random_session(random: &mut Random, users: u64, day: u64) -> Vec<Event> {
    let user = skewed(random, users);
    // A user keeps to one team.
    let team = skewed(&mut Random(user), TEAMS as u64);
    let service = skewed(random, SERVICES as u64);
    let session = (random.below(4) == 0).then(|| random.next());
    let mut at = FIRST_SECOND + day as i64 * DAY_SECONDS + random.below(DAY_SECONDS as u64) as i64;
    let wanders = random.below(10) == 0;
    let mut events = Vec::new();
    for _ in 0..1 + random.below(6) {
        let (team, service) = if wanders && random.below(2) == 0 {
            (skewed(random, TEAMS as u64), skewed(random, SERVICES as u64))
        } else {
            (team, service)
        };
        events.push(Event { at, user, team, service, session });
        at += 10 + random.below(900) as i64;
    }
    events
}

/// How much happens before a day, in parts of a whole: use doubles over the three years, weekends have a third.
fn weight_before(day: u64) -> u64 {
    (0..day).map(|day| (DAYS + day) * if is_weekend(day) { 1 } else { 3 }).sum()
}

fn is_weekend(day: u64) -> bool {
    let date = DateTime::from_timestamp(FIRST_SECOND + day as i64 * DAY_SECONDS, 0).expect("a day within the calendar");
    date.weekday().num_days_from_monday() >= 5
}

/// Evenly over the three years.
fn write_log(plan: &Plan) -> io::Result<u64> {
    let mut file = plan.file("events.ndjson")?;
    let mut random = Random(plan.seed ^ 0x10_65);
    let span = DAYS * DAY_SECONDS as u64 * 1_000;
    for n in 0..plan.events {
        let late = if random.below(100) == 0 { random.below(600_000) } else { 0 };
        let millis = (span as u128 * n as u128 / plan.events as u128) as u64;
        let millis = millis.saturating_sub(late) as i64 + FIRST_SECOND * 1_000;
        let severity = match random.below(100) {
            0 => "error",
            1..=9 => "warning",
            _ => "info",
        };
        let service = skewed(&mut random, SERVICES as u64);
        let message = format!(
            "GET /items/{:08} took {:4} ms for user-{:06}",
            n % 99_999_999,
            random.below(2_000),
            random.below(999_999)
        );
        let at = DateTime::from_timestamp_millis(millis).expect("a time within the calendar");
        writeln!(
            file,
            r#"{{"timestamp":"{}","severity":"{severity}","service":"service-{service:02}","message":"{message:.<80}"}}"#,
            at.format("%Y-%m-%dT%H:%M:%S%.3fZ")
        )?;
    }
    file.flush()?;
    Ok(plan.events)
}

fn time(second: i64) -> impl std::fmt::Display {
    DateTime::from_timestamp(second, 0).expect("a time within the calendar").format("%Y-%m-%dT%H:%M:%SZ")
}
