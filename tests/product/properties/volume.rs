use chrono::{Days, TimeDelta};

use super::draw::day;
use super::story::Story;
use crate::support::model::{Event, Filter, Range};
use crate::support::random::Random;

const USERS: usize = 250;
const DAYS: usize = 1_200;
const TEAMS: usize = 12;
const SERVICES: usize = 5;
/// More than the server keeps in memory before it begins to fold facts into its rollups.
const EVENTS: usize = 260_000;
const BATCH: usize = 4_000;

#[test]
fn so_much_that_rollups_fold_in_the_background_still_gives_exact_figures() {
    let mut random = Random::new(41);
    let mut story = Story::begin();
    let events = random_events(&mut random);
    for (n, batch) in events.chunks(BATCH).enumerate() {
        story.record(&mut random, batch);
        match n {
            20 | 55 => story.erase(&user(n), true),
            30 | 56 => story.erase(&user(n), false),
            // About when folding is under way.
            52 | 58 => story = story.restart(),
            _ => {}
        }
        if n >= 48 {
            ask(&story, &mut random, 3);
        }
    }
    ask(&story, &mut random, 40);
    story.check();
}

/// Almost in order of time; one in ten is late by up to all of it.
fn random_events(random: &mut Random) -> Vec<Event> {
    let mut events: Vec<(usize, Event)> = (0..EVENTS)
        .map(|_| {
            let on = random.below(DAYS);
            let late = if random.chance(10) { random.below(DAYS) } else { 0 };
            (on + late, random_event(random, on))
        })
        .collect();
    events.sort_by_key(|(arrival, _)| *arrival);
    events.into_iter().map(|(_, event)| event).collect()
}

fn random_event(random: &mut Random, on: usize) -> Event {
    let midnight = (day("2022-01-01") + Days::new(on as u64)).and_time(chrono::NaiveTime::MIN).and_utc();
    Event {
        at: midnight + TimeDelta::seconds(random.below(86_400) as i64),
        user: user(random.below(USERS)),
        team: random.chance(80).then(|| format!("team {}", random.below(TEAMS))),
        service: random.chance(80).then(|| format!("service {}", random.below(SERVICES))),
        session: random.chance(10).then(|| format!("{on}")),
    }
}

fn user(n: usize) -> String {
    format!("user {n}")
}

fn ask(story: &Story, random: &mut Random, questions: usize) {
    for _ in 0..questions {
        let filter = Filter {
            user: random.chance(20).then(|| user(random.below(USERS))),
            team: random.chance(40).then(|| Some(format!("team {}", random.below(TEAMS)))),
            service: random.chance(40).then(|| Some(format!("service {}", random.below(SERVICES)))),
        };
        let range = random_range(random);
        story.ask_about(random, &filter, range);
    }
}

/// From a day to all of it, aligned to months and years or not.
fn random_range(random: &mut Random) -> Range {
    let whole = ["2022-01-01", "2022-12-31", "2023-01-01", "2023-06-30", "2024-02-01", "2025-12-31"];
    let mut days = [0, 1].map(|_| match random.chance(40) {
        true => day(random.pick(&whole)),
        false => day("2022-01-01") + Days::new(random.below(DAYS) as u64),
    });
    days.sort();
    (days[0], days[1])
}
