//! Seeded usage events and log lines, in the order in which they arrive.

use chrono::DateTime;

use super::random::Random;
use super::skewed::skewed;

/// 2023-01-01T00:00:00Z.
const FIRST_SECOND: i64 = 1_672_531_200;
const DAY_SECONDS: i64 = 86_400;
pub const USERS: u64 = 300_000;
const TEAMS: u64 = 200;
const SERVICES: u64 = 20;
const SESSIONS_A_DAY: u64 = 5_000;
const LATE_DAYS_MAX: u64 = 30;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    InOrder,
    /// A session's events come together, 1 to 30 days after they happened.
    Late,
}

/// A usage event as plain columns.
pub struct Usage {
    /// Unix seconds.
    pub at: i64,
    pub user: String,
    pub team: String,
    pub service: String,
    pub session: Option<String>,
}

/// Sessions of 1 to 6 events by users of whom few do most, a day's worth in order of time, then the next day's. One in
/// four says its id, one in ten goes over several teams and services.
pub struct History {
    random: Random,
    day: u64,
    waiting: std::vec::IntoIter<Usage>,
}

impl History {
    pub fn new(seed: u64) -> History {
        History { random: Random(seed), day: LATE_DAYS_MAX, waiting: vec![].into_iter() }
    }

    /// So many sessions are over when that many events have come, about.
    pub fn events_of_sessions(sessions: u64) -> u64 {
        sessions * 7 / 2
    }

    pub fn next(&mut self, arrival: Arrival) -> Usage {
        loop {
            if let Some(event) = self.waiting.next() {
                return event;
            }
            let mut sessions: Vec<Vec<Usage>> = (0..SESSIONS_A_DAY).map(|_| self.session(arrival)).collect();
            let mut events: Vec<Usage> = sessions.drain(..).flatten().collect();
            if arrival == Arrival::InOrder {
                events.sort_by_key(|event| event.at);
            }
            self.waiting = events.into_iter();
            self.day += 1;
        }
    }

    fn session(&mut self, arrival: Arrival) -> Vec<Usage> {
        let random = &mut self.random;
        let late = if arrival == Arrival::Late { 1 + random.below(LATE_DAYS_MAX) } else { 0 };
        let user = skewed(random, USERS);
        // A user keeps to one team.
        let team = skewed(&mut Random(user), TEAMS);
        let service = skewed(random, SERVICES);
        let session = (random.below(4) == 0).then(|| format!("{:016x}", random.next()));
        let day = (self.day - late.min(self.day)) as i64;
        let mut at = FIRST_SECOND + day * DAY_SECONDS + random.below(DAY_SECONDS as u64) as i64;
        let wanders = random.below(10) == 0;
        let mut events = vec![];
        for _ in 0..1 + random.below(6) {
            let (team, service) = match wanders && random.below(2) == 0 {
                true => (skewed(random, TEAMS), skewed(random, SERVICES)),
                false => (team, service),
            };
            events.push(Usage {
                at,
                user: format!("user-{user:06}"),
                team: format!("team-{team:03}"),
                service: format!("service-{service:02}"),
                session: session.clone(),
            });
            at += 10 + random.below(900) as i64;
        }
        events
    }
}

impl Usage {
    pub fn json(&self) -> String {
        let Usage { at, user, team, service, session } = self;
        let session = session.as_ref().map_or(String::new(), |session| format!(r#""session_id":"{session}","#));
        let at = time(*at * 1_000);
        format!(r#"{{"user_id":"{user}","team_id":"{team}","service":"{service}",{session}"timestamp":"{at}"}}"#)
    }
}

/// A log event as plain columns.
pub struct Line {
    /// Unix milliseconds.
    pub at: i64,
    pub severity: &'static str,
    pub service: String,
    pub message: String,
}

/// Messages of 80 bytes, 1 % errors and 9 % warnings, one in a hundred late by up to ten minutes.
pub struct Lines {
    random: Random,
    n: u64,
}

impl Lines {
    pub fn new(seed: u64) -> Lines {
        Lines { random: Random(seed), n: 0 }
    }

    pub fn next(&mut self) -> Line {
        const EVENT_MILLIS: i64 = 40;
        let (random, n) = (&mut self.random, self.n);
        self.n += 1;
        let late = if random.below(100) == 0 { random.below(600_000) as i64 } else { 0 };
        let severity = match random.below(100) {
            0 => "error",
            1..=9 => "warning",
            _ => "info",
        };
        let message =
            format!("GET /items/{n:08} took {:4} ms for user-{:06}", random.below(2_000), random.below(USERS));
        let service = format!("service-{:02}", skewed(random, SERVICES));
        let at = FIRST_SECOND * 1_000 + n as i64 * EVENT_MILLIS - late;
        Line { at, severity, service, message: format!("{message:.<80}") }
    }
}

impl Line {
    pub fn json(&self) -> String {
        let Line { at, severity, service, message } = self;
        let at = time(*at);
        format!(r#"{{"timestamp":"{at}","severity":"{severity}","service":"{service}","message":"{message}"}}"#)
    }
}

fn time(unix_millis: i64) -> String {
    let at = DateTime::from_timestamp_millis(unix_millis).expect("a time within the calendar");
    at.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
}
