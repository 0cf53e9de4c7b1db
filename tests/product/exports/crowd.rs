//! Users who ask for exports, look at them, cancel and remove them, all at once, while the server is killed and stopped at
//! random moments; against what each of them was told.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use analytics::clock::Clock;
use analytics::model::{Day, LOCAL_ISSUER, Timestamp};
use analytics::store::{ExportFilter, Store};
use serde_json::Value;

use crate::support::client::{Answer, Client};
use crate::support::exports::{
    expect_whole, file_name, files, is_finished, log_csv, log_xlsx, look, seed, usage_csv, wait, wait_until,
};
use crate::support::process::{self, Process};
use crate::support::random::Random;
use crate::support::{local, server};

const USERS: usize = 4;
/// The server dies so often, unless `ANALYTICS_TEST_ROUNDS` says otherwise.
const ROUNDS: usize = 8;
const EVENTS: usize = 4_000;
/// What one user asks for between two deaths of the server, at most.
const ASKED_PER_ROUND_MAX: usize = 3;
/// Each so-manieth death is a graceful one.
const STOP_EVERY: usize = 4;
/// The server lives so long at most.
const LIFE_MS_MAX: usize = 700;
/// How an export may fail here.
const REASONS: [&str; 2] = ["cancelled", "interrupted"];

const SETTINGS: &[(&str, &str)] = &[
    // Room for some of the files only.
    ("ANALYTICS_EXPORTS_MAX_BYTES", "3 MiB"),
    ("ANALYTICS_LIMITS_EXPORTS_PER_DAY", "1000000"),
];

#[test]
fn every_accepted_job_ends_once_and_is_charged_once_whatever_happens_to_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("analytics.db");
    let rounds = std::env::var("ANALYTICS_TEST_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    let mut crowd = Crowd::gather(&database);
    for round in 0..rounds {
        crowd.live(round);
    }
    crowd.settle();
    crowd.tell(rounds);
}

struct Crowd {
    database: PathBuf,
    users: Vec<User>,
    first_day: Day,
    stops: usize,
}

/// What one user asked for, and was told.
struct User {
    owner: String,
    key: String,
    random: Random,
    jobs: Vec<Asked>,
}

struct Asked {
    idempotency_key: String,
    request: Value,
    /// None until the server has said so.
    id: Option<String>,
    /// How it was when it was seen finished first.
    ended: Option<Value>,
    /// Whether its removal was asked for; the answer may never have come.
    is_removed: bool,
    /// Whether a download was answered that there is none any more.
    is_gone: bool,
}

impl Crowd {
    fn gather(database: &Path) -> Crowd {
        let server = Process::serve_with(database, SETTINGS);
        let users: Vec<User> = (0..USERS).map(|n| User::new(database, n)).collect();
        seed(&server.client_with(&users[0].key), EVENTS);
        server.terminate();
        Crowd { database: database.to_path_buf(), users, first_day: today(), stops: 0 }
    }

    /// A life of the server, with its end.
    fn live(&mut self, round: usize) {
        let server = Process::serve_with(&self.database, SETTINGS);
        let mut random = Random::new(round as u64);
        if random.chance(30) {
            self.wait_for_all(&server);
        }
        std::thread::scope(|scope| {
            for user in &mut self.users {
                let client = server.client_with(&user.key);
                scope.spawn(move || user.act(&client));
            }
            // A random moment is what this is about.
            std::thread::sleep(Duration::from_millis(random.below(LIFE_MS_MAX) as u64));
            if round % STOP_EVERY == STOP_EVERY - 1 {
                self.stops += 1;
                server.terminate();
            } else {
                server.kill();
            }
        });
    }

    fn wait_for_all(&self, server: &Process) {
        let client = server.client_with(&self.users[0].key);
        wait_until("all exports are finished", || {
            let unfinished =
                |status| client.json(&format!("/reports/export?status={status}"))["jobs"] == serde_json::json!([]);
            (unfinished("queued") && unfinished("processing")).then_some(())
        });
    }

    /// In peace: everything has ended as it should.
    fn settle(&mut self) {
        let server = Process::serve_with(&self.database, SETTINGS);
        for user in &mut self.users {
            user.settle(&server.client_with(&user.key));
        }
        let client = server.client_with(&self.users[0].key);
        let whole = self.users.iter().flat_map(|user| user.expect_all_whole(&client)).collect::<BTreeSet<_>>();
        wait_until("what was given up is gone", || (files(&self.database) == whole).then_some(()));
        server.terminate();
        assert_eq!(files(&self.database), whole, "no orphan, and no part");
        let checked = process::run(&["check", "--database", &self.database.to_string_lossy()]);
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }

    /// Compares with the database itself, and says what there was.
    fn tell(&self, rounds: usize) {
        let store = Store::open(&server::settings(self.database.clone()).store, Clock::system()).expect("it opens");
        let snapshot = store.snapshot().expect("it can be read");
        for user in &self.users {
            let ids: HashSet<&String> = user.jobs.iter().filter_map(|job| job.id.as_ref()).collect();
            assert_eq!(ids.len(), user.jobs.len(), "a job for each key");
            let days = self.first_day.index()..=today().index();
            let days = days.map(|index| Day::from_index(index).expect("a day"));
            let charged = days.map(|day| snapshot.export_count(LOCAL_ISSUER, &user.owner, day).expect("a count"));
            assert_eq!(charged.sum::<u32>() as usize, ids.len(), "{} was charged once for each job", user.owner);
        }
        let [queued, processing, completed, failed] = snapshot.export_counts().expect("counts");
        assert_eq!((queued, processing), (0, 0));
        let rows = snapshot.export_jobs(&ExportFilter::default(), 0, usize::MAX).expect("the jobs").jobs;
        let code = |code: &str| rows.iter().filter(|job| job.error.as_ref().is_some_and(|e| e.code == code)).count();
        let redone = rows.iter().filter(|job| job.attempt > 1).count();
        let accepted: usize = self.users.iter().map(|user| user.jobs.len()).sum();
        println!(
            "{} kills and {} stops: {accepted} jobs accepted; of {} rows {completed} completed, {failed} failed ({} \
             cancelled, {} interrupted), {redone} begun more than once",
            rounds - self.stops,
            self.stops,
            rows.len(),
            code("cancelled"),
            code("interrupted")
        );
    }
}

fn today() -> Day {
    Timestamp::from_unix_micros(Clock::system().unix_micros()).expect("a time of ours").day()
}

impl User {
    fn new(database: &Path, n: usize) -> User {
        let owner = format!("owner-{n}");
        let key = local::create_full_key(database, &owner);
        User { owner, key, random: Random::new(1_000 + n as u64), jobs: vec![] }
    }

    /// One thing after another, until the server is gone.
    fn act(&mut self, client: &Client) {
        let mut asked = 0;
        loop {
            let done = match self.random.below(100) {
                0..30 if asked < ASKED_PER_ROUND_MAX => {
                    asked += 1;
                    self.ask_anew(client)
                }
                0..40 => self.ask_again(client),
                40..70 => self.look(client),
                70..71 => self.remove(client),
                71..98 => self.download(client),
                _ => self.erase(client),
            };
            if done.is_none() {
                return;
            }
        }
    }

    fn ask_anew(&mut self, client: &Client) -> Option<()> {
        let mut gzipped = log_csv();
        gzipped["gzip"] = true.into();
        let mut workbook = usage_csv("team");
        workbook["format"] = "xlsx".into();
        let requests = [log_csv(), log_csv(), log_xlsx(), gzipped, usage_csv("user"), workbook];
        let request = self.random.pick(&requests);
        let idempotency_key = format!("{}-{}", self.owner, self.jobs.len());
        let asked = Asked { idempotency_key, request, id: None, ended: None, is_removed: false, is_gone: false };
        self.jobs.push(asked);
        self.jobs.last_mut()?.ask(client)
    }

    fn ask_again(&mut self, client: &Client) -> Option<()> {
        let Some(job) = self.any() else { return Some(()) };
        if job.id.is_none() || !job.idempotency_key.len().is_multiple_of(2) {
            return job.ask(client);
        }
        // Something else under the same key.
        let other = usage_csv("service");
        let answer = post(client, &job.idempotency_key, &other)?;
        assert_eq!(answer.status, 422, "{}", answer.text());
        Some(())
    }

    fn look(&mut self, client: &Client) -> Option<()> {
        self.any().map_or(Some(()), |job| job.look(client))
    }

    fn remove(&mut self, client: &Client) -> Option<()> {
        let Some((job, path)) = self.any().and_then(|job| job.path().map(|path| (job, path))) else { return Some(()) };
        let was_removed = std::mem::replace(&mut job.is_removed, true);
        let answer = client.try_send("DELETE", &path, &[], b"").ok()?;
        assert!(answer.status == 204 || (was_removed && answer.status == 404), "{}", answer.text());
        Some(())
    }

    fn download(&mut self, client: &Client) -> Option<()> {
        let Some(job) = self.any() else { return Some(()) };
        let Some(ended) = job.ended.clone().filter(|job| job.get("download_url").is_some()) else { return Some(()) };
        let answer = client.try_send("GET", &format!("/downloads/{}", file_name(&ended)), &[], b"").ok()?;
        match answer.status {
            410 => job.is_gone = true,
            404 => assert!(job.is_removed, "{ended}"),
            _ => {
                assert!(!job.is_gone, "what was gone is there again: {ended}");
                expect_whole(&ended, &answer);
            }
        }
        Some(())
    }

    fn erase(&mut self, client: &Client) -> Option<()> {
        let user = format!("/users/user%20{}", self.random.below(500));
        let answer = client.try_send("DELETE", &user, &[], b"").ok()?;
        assert!([204, 404].contains(&answer.status), "{}", answer.text());
        Some(())
    }

    fn any(&mut self) -> Option<&mut Asked> {
        let index = self.random.below(self.jobs.len().max(1));
        self.jobs.get_mut(index)
    }

    /// Everything asked for has its job, and every job has ended.
    fn settle(&mut self, client: &Client) {
        for job in &mut self.jobs {
            job.ask(client).expect("the server answers");
            let id = job.id.clone().expect("whoever asks again is told");
            if !job.is_removed {
                wait(client, &id);
            }
            job.look(client).expect("the server answers");
        }
    }

    /// Downloads what there is; gives the names of the files.
    fn expect_all_whole(&self, client: &Client) -> Vec<String> {
        let ids = self.jobs.iter().filter_map(|job| job.id.as_ref());
        let there = ids.filter(|id| client.get(&format!("/reports/export/{id}")).status == 200);
        let jobs = there.map(|id| look(client, id)).filter(|job| job.get("download_url").is_some());
        jobs.map(|job| {
            let name = file_name(&job);
            expect_whole(&job, &client.get(&format!("/downloads/{name}")));
            name
        })
        .collect()
    }
}

impl Asked {
    /// The first time, or again: it is the same job.
    fn ask(&mut self, client: &Client) -> Option<()> {
        let answer = post(client, &self.idempotency_key, &self.request)?;
        if answer.status == 410 {
            assert!(self.is_removed, "{}", answer.text());
            return Some(());
        }
        assert_eq!(answer.status, 202, "{}", answer.text());
        let id = answer.json()["job_id"].as_str().expect("an id").to_string();
        let known = self.id.get_or_insert_with(|| id.clone());
        assert_eq!(*known, id, "one key, one job");
        Some(())
    }

    fn path(&self) -> Option<String> {
        self.id.as_ref().map(|id| format!("/reports/export/{id}"))
    }

    /// What has ended once stays as it is.
    fn look(&mut self, client: &Client) -> Option<()> {
        let Some(path) = self.path() else { return Some(()) };
        let answer = client.try_send("GET", &path, &[], b"").ok()?;
        if answer.status == 404 {
            assert!(self.is_removed, "{path} is gone, and nobody removed it");
            return Some(());
        }
        let job = answer.json();
        assert_eq!(answer.status, 200, "{job}");
        if let Some(ended) = &self.ended {
            for field in ["status", "rows", "bytes", "sha256", "finished_at", "error"] {
                assert_eq!(job[field], ended[field], "{field} of {job}, which was {ended}");
            }
        } else if is_finished(&job) {
            let code = job["error"]["code"].as_str();
            assert!(code.is_none_or(|code| REASONS.contains(&code)), "{job}");
            assert!(code != Some("cancelled") || self.is_removed, "{job}");
            self.ended = Some(job);
        }
        Some(())
    }
}

/// None if the server did not answer.
fn post(client: &Client, idempotency_key: &str, request: &Value) -> Option<Answer> {
    let key = format!("\"{idempotency_key}\"");
    client.try_send("POST", "/reports/export", &[("idempotency-key", &key)], request.to_string().as_bytes()).ok()
}
