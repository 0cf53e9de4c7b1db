//! A seeded history in memory, of any size: one event a user-day, days in order.

use analytics::model::{Id, Timestamp, UsageEvent};

use super::random::Random;

/// 2023-01-01T00:00:00Z.
const FIRST_SECOND: i64 = 1_672_531_200;
const DAY_SECONDS: i64 = 86_400;
const TEAMS: u64 = 200;
const SERVICES: u64 = 20;
/// A prime that divides no sensible number of users.
const STRIDE: u64 = 7_368_787;

/// How many users there are, and how many of them are active on a day.
#[derive(Clone, Copy)]
pub struct Users {
    pub all: u64,
    pub of_a_day: u64,
}

/// The nth user-day. A day's users are all different, and so are its events' times.
pub fn usage_event(users: Users, n: u64) -> UsageEvent {
    let (day, nth) = (n / users.of_a_day, n % users.of_a_day);
    let second = nth * DAY_SECONDS as u64 / users.of_a_day;
    event_of(user_of(users, day, nth), day, second)
}

/// Users all over, beginning at a place that changes with the day; the first `users.all` of a day differ.
pub fn user_of(users: Users, day: u64, nth: u64) -> u64 {
    (Random(day).below(users.all) + nth * STRIDE) % users.all
}

pub fn event_of(user: u64, day: u64, second: u64) -> UsageEvent {
    let mut random = Random(user);
    let at = FIRST_SECOND + day as i64 * DAY_SECONDS + second as i64;
    UsageEvent {
        user_id: id(format!("user-{user:07}")),
        at: Timestamp::from_unix_micros(at * 1_000_000).expect("a time within the calendar"),
        team_id: Some(id(format!("team-{:03}", random.below(TEAMS)))),
        service: Some(id(format!("service-{:02}", (random.next() ^ day) % SERVICES))),
        session_id: None,
    }
}

fn id(text: String) -> Id {
    Id::new(text).expect("an id")
}
