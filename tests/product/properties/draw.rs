//! Random usage: few users, teams and days, so that everything meets everything.

use chrono::{Days, NaiveDate, TimeDelta};

use crate::support::model::{Event, Filter, Instant, Range, Registration, Said};
use crate::support::random::Random;

pub const USERS: [&str; 7] = ["ann", "bob", "cy/7", "dé", "e f", "🦊", "zed"];
const TEAMS: [&str; 3] = ["core", "docs", "web/ui"];
const SERVICES: [&str; 3] = ["api", "mail", "s p"];
const SESSIONS: [&str; 2] = ["one", "two"];

/// Days whose midnights are crowded: the ends of a year and of a leap month, and a plain Sunday and Monday.
const DAYS: [&str; 6] = ["2023-12-31", "2024-01-01", "2024-02-29", "2024-03-01", "2024-03-03", "2024-03-04"];

pub fn random_events(random: &mut Random, count: usize) -> Vec<Event> {
    let mut events = Vec::<Event>::new();
    for _ in 0..count {
        let before = if events.is_empty() { None } else { Some(random.pick(&events)) };
        // Close to another event of the same user, or anywhere.
        let (user, at) = match before {
            Some(event) if random.chance(55) => (event.user, event.at + random_gap(random)),
            _ => (random.pick(&USERS).to_string(), random_instant(random)),
        };
        let event = Event {
            user,
            at,
            team: maybe(random, 70, &TEAMS),
            service: maybe(random, 70, &SERVICES),
            session: maybe(random, 25, &SESSIONS),
        };
        events.push(event);
    }
    events
}

/// Around the half hour that parts two sessions, to the microsecond.
fn random_gap(random: &mut Random) -> TimeDelta {
    let seconds = random.pick(&[0, 1, 600, 1799, 1800, 1801, 3600, 7000]);
    let gap = TimeDelta::seconds(seconds) + TimeDelta::microseconds(random.below(3) as i64 - 1);
    if random.chance(50) { gap } else { -gap }
}

fn random_instant(random: &mut Random) -> Instant {
    let day = if random.chance(90) {
        day(random.pick(&DAYS))
    } else {
        // Late by years.
        day("2019-06-01") + Days::new(random.below(1500) as u64)
    };
    let around_midnight = random.below(4000) as i64 - 2000;
    let second = if random.chance(70) { around_midnight } else { random.below(86_400) as i64 };
    day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::seconds(second)
}

pub fn random_registration(random: &mut Random) -> Registration {
    let team = said(random, |random| random.pick(&TEAMS).to_string());
    let registered_at = said(random, random_instant);
    let deactivated_at = said(random, random_instant);
    Registration { user: random.pick(&USERS).to_string(), team, registered_at, deactivated_at }
}

fn said<T>(random: &mut Random, value: impl FnOnce(&mut Random) -> T) -> Said<T> {
    match random.below(5) {
        0 | 1 => Said::Nothing,
        2 => Said::Set(None),
        _ => Said::Set(Some(value(random))),
    }
}

pub fn random_filter(random: &mut Random) -> Filter {
    // Now and then an id that nobody has sent.
    let user = if random.chance(5) { Some("nobody".to_string()) } else { maybe(random, 30, &USERS) };
    Filter { user, team: maybe(random, 40, &TEAMS).map(Some), service: maybe(random, 40, &SERVICES).map(Some) }
}

pub fn every_filter() -> Vec<Filter> {
    let some = |ids: &[&str]| ids.iter().map(|id| Some(id.to_string())).chain([None]).collect::<Vec<_>>();
    let mut filters = Vec::new();
    for user in some(&USERS) {
        for team in some(&TEAMS) {
            for service in some(&SERVICES) {
                filters.push(Filter { user: user.clone(), team: team.clone().map(Some), service: service.map(Some) });
            }
        }
    }
    filters
}

pub fn random_range(random: &mut Random) -> Range {
    let mut days = [0, 1].map(|_| day(random.pick(&DAYS)) + Days::new(random.below(3) as u64) - Days::new(1));
    if random.chance(15) {
        days[0] = day("2019-01-01") + Days::new(random.below(1800) as u64);
    }
    days.sort();
    (days[0], days[1])
}

fn maybe(random: &mut Random, percent: usize, ids: &[&str]) -> Option<String> {
    random.chance(percent).then(|| random.pick(ids).to_string())
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}
