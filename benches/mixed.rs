//! What readers feel while the server has much else to do: 200 reads a second (30-day summaries and first pages of the log),
//! idle and while 20,000 events a second come in, in batches of 100, and one export of the whole log is always under way, by
//! turns.
//!
//! ```sh
//! analytics serve --database copy-of-big.db &
//! cargo bench --bench mixed -- --url http://127.0.0.1:8080 --key ak_... [--rounds 5] [--seconds 10]
//! ```
//!
//! An open loop: a read's time counts from when it was due, so that a server that stalls does not hide it by slowing down
//! whoever asks. It expects the data of `benches/generate.rs`, adds to them, and needs a key with every scope, under no limits.
//! Prints JSON: of each turn the percentiles in microseconds, and what was taken in meanwhile.

#[path = "shared/client.rs"]
mod client;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Days, NaiveDate};
use client::Client;
use serde_json::{Value, json};

const USAGE: &str = "usage: cargo bench --bench mixed -- --url URL --key KEY [--rounds N] [--seconds N]";
const READS_PER_S: u32 = 200;
const READERS: u32 = 16;
const BATCH: u64 = 100;
const BATCHES_PER_S: u32 = 200;
const SENDERS: u32 = 8;
/// The day behind the generated data: 2026-01-01T00:00:00Z.
const FIRST_SECOND: i64 = 1_767_225_600;
const POLL: Duration = Duration::from_millis(50);

fn main() {
    let (Some(url), Some(key)) = (option("--url"), option("--key")) else {
        return println!("{USAGE}");
    };
    let number = |name, default| option(name).map_or(default, |text| text.parse().expect("a whole number"));
    let target = Target { url, key, lasts: Duration::from_secs(number("--seconds", 10)) };
    let turns: Vec<Value> =
        (0..number("--rounds", 5)).map(|_| json!({ "idle": target.idle(), "busy": target.busy() })).collect();
    println!("{}", Value::from(turns));
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

struct Target {
    url: String,
    key: String,
    lasts: Duration,
}

impl Target {
    fn client(&self) -> Client {
        Client::connect(&self.url, &self.key).expect("the server listens")
    }

    fn idle(&self) -> Value {
        reads_as_json(self.read())
    }

    fn busy(&self) -> Value {
        let (over, events, refused, exports) =
            (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let mut found = std::thread::scope(|scope| {
            let senders = scope.spawn(|| self.send(&events, &refused));
            scope.spawn(|| exports.store(self.export_until(&over), Ordering::Relaxed));
            let reads = self.read();
            senders.join().expect("senders do not panic");
            over.store(true, Ordering::Relaxed);
            reads_as_json(reads)
        });
        let per_s = events.into_inner() as f64 / self.lasts.as_secs_f64();
        found["events_per_s"] = per_s.into();
        found["batches_refused"] = refused.into_inner().into();
        found["exports_begun"] = exports.into_inner().into();
        found
    }

    /// Times of summaries and of pages, each from when it was due.
    fn read(&self) -> [Vec<Duration>; 2] {
        let mut times = [vec![], vec![]];
        let found = at_a_rate(READS_PER_S, READERS, self.lasts, || {
            let mut client = self.client();
            move |nth, due| {
                let is_page = nth % 2 == 1;
                let path = if is_page { "/logs/system-events?limit=100".into() } else { summary(nth / 2) };
                let request = client.request("GET", &path, "");
                let (status, body) = client.ask(&request).expect("the server answers");
                assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(body));
                (is_page, due.elapsed())
            }
        });
        for (is_page, took) in found {
            times[usize::from(is_page)].push(took);
        }
        times
    }

    /// Batches of usage and of the log by turns, in order of time.
    fn send(&self, events: &AtomicU64, refused: &AtomicU64) {
        let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
        at_a_rate(BATCHES_PER_S, SENDERS, self.lasts, || {
            let mut client = self.client();
            move |nth, _| {
                let (path, body) = if nth % 2 == 0 {
                    ("/usage/events", usage_batch(begun, nth))
                } else {
                    ("/logs/system-events", log_batch(begun, nth))
                };
                let request = client.request("POST", path, &body);
                let (status, body) = client.ask(&request).expect("the server answers");
                match status {
                    200 => events.fetch_add(BATCH, Ordering::Relaxed),
                    503 => refused.fetch_add(1, Ordering::Relaxed),
                    _ => panic!("{path}: {status} {}", String::from_utf8_lossy(body)),
                };
            }
        });
    }

    /// One export after the other; the last is cancelled. Gives how many were begun.
    fn export_until(&self, over: &AtomicBool) -> u64 {
        const WHOLE_LOG: &str = r#"{"report_type":"system-events","format":"csv"}"#;
        let mut client = self.client();
        for begun in 1.. {
            let job = call(&mut client, "POST", "/reports/export", WHOLE_LOG);
            let path = format!("/reports/export/{}", job["job_id"].as_str().expect("a job"));
            let mut is_over = false;
            while !is_over
                && ["queued", "processing"]
                    .contains(&call(&mut client, "GET", &path, "")["status"].as_str().unwrap_or(""))
            {
                std::thread::sleep(POLL);
                is_over = over.load(Ordering::Relaxed);
            }
            let request = client.request("DELETE", &path, "");
            client.ask(&request).expect("the server answers");
            if is_over || over.load(Ordering::Relaxed) {
                return begun;
            }
        }
        unreachable!("counted to the end of u64")
    }
}

fn call(client: &mut Client, method: &str, path: &str, body: &str) -> Value {
    let request = client.request(method, path, body);
    let (status, body) = client.ask(&request).expect("the server answers");
    assert!((200..300).contains(&status), "{method} {path}: {status} {}", String::from_utf8_lossy(body));
    serde_json::from_slice(body).expect("JSON")
}

/// Calls on several threads, each with what `worker` makes for it, so that the nth call is due within the nth part of a second. A call that is
/// due while all threads wait is late, and is told when it was due.
fn at_a_rate<T: Send, W: FnMut(u64, Instant) -> T + Send>(
    rate_per_s: u32,
    threads: u32,
    lasts: Duration,
    worker: impl Fn() -> W,
) -> Vec<T> {
    let calls = u64::from(rate_per_s) * lasts.as_secs();
    let next = AtomicU64::new(0);
    let workers: Vec<W> = (0..threads).map(|_| worker()).collect();
    let begun = Instant::now();
    let work = |mut worker: W| {
        let mut found = vec![];
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= calls {
                return found;
            }
            let due = begun + due_after(nth, rate_per_s, threads);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            found.push(worker(nth, due));
        }
    };
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = workers.into_iter().map(|worker| scope.spawn(move || work(worker))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a worker")).collect()
    })
}

/// Somewhere within the nth of so many parts of a second, by chance, but the same in every run: calls of several kinds at
/// one rate would else always meet, or never.
fn due_after(nth: u64, rate_per_s: u32, seed: u32) -> Duration {
    let part_ns = 1_000_000_000 / u64::from(rate_per_s);
    let mut chance = DefaultHasher::new();
    (nth, seed).hash(&mut chance);
    Duration::from_nanos(part_ns * nth + chance.finish() % part_ns)
}

/// 30 days up to the day on which events come in, or some days before: no two in a row are the same.
fn summary(nth: u64) -> String {
    let last = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day") - Days::new(nth % 100);
    let first = last - Days::new(29);
    format!("/reports/usage-summary?start_date={first}&end_date={last}")
}

fn usage_batch(begun: u64, batch: u64) -> String {
    let event = |n: u64| {
        let user = (begun + (batch * BATCH + n) * 7_919) % 1_000_000;
        format!(
            r#"{{"user_id":"user-{user:06}","team_id":"team-{:03}","service":"service-{:02}","timestamp":"{}"}}"#,
            user % 200,
            n % 20,
            time(batch)
        )
    };
    format!("[{}]", (0..BATCH).map(event).collect::<Vec<_>>().join(","))
}

fn log_batch(begun: u64, batch: u64) -> String {
    let event = |n: u64| {
        let message = format!("GET /items/{begun:013} took {:4} ms", batch + n);
        format!(
            r#"{{"timestamp":"{}","severity":"info","service":"service-{:02}","message":"{message:.<80}"}}"#,
            time(batch),
            n % 20
        )
    };
    format!("[{}]", (0..BATCH).map(event).collect::<Vec<_>>().join(","))
}

fn time(batch: u64) -> String {
    let second = FIRST_SECOND + (batch / u64::from(BATCHES_PER_S)) as i64;
    DateTime::from_timestamp(second, 0).expect("within the calendar").format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn reads_as_json([summaries, pages]: [Vec<Duration>; 2]) -> Value {
    json!({ "summary": percentiles(summaries), "page": percentiles(pages) })
}

fn percentiles(times: Vec<Duration>) -> Value {
    let mut micros: Vec<f64> = times.iter().map(|time| time.as_nanos() as f64 / 1e3).collect();
    micros.sort_by(f64::total_cmp);
    let at = |hundredth: usize| micros[micros.len() * hundredth / 100];
    json!({ "p50": at(50), "p99": at(99), "max": micros[micros.len() - 1] })
}
