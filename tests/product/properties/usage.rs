use std::time::SystemTime;

use chrono::{DateTime, Days, FixedOffset, NaiveDate, SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use crate::support::client::{Client, GZIP, NDJSON, gzip, percent_encoded, url};
use crate::support::model::{
    Event, Figures, Filter, Instant, Model, Range, Registration, Said, periods, previous, wire,
};
use crate::support::random::{Random, rounds};
use crate::support::server::Server;

const USERS: [&str; 7] = ["ann", "bob", "cy/7", "dé", "e f", "🦊", "zed"];
const TEAMS: [&str; 3] = ["core", "docs", "web/ui"];
const SERVICES: [&str; 3] = ["api", "mail", "s p"];
const SESSIONS: [&str; 2] = ["one", "two"];
const INTERVALS: [&str; 3] = ["day", "week", "month"];

/// Days whose midnights are crowded: the ends of a year and of a leap month, and a plain Sunday and Monday.
const DAYS: [&str; 6] = ["2023-12-31", "2024-01-01", "2024-02-29", "2024-03-01", "2024-03-03", "2024-03-04"];

#[test]
fn figures_are_what_the_definitions_say_whatever_the_order_and_the_batches() {
    rounds(6, |random| {
        let mut story = Story::begin();
        let events = random_events(random, 150);
        let mut deliveries = events.clone();
        // Everything may come again, and nothing may come of it.
        deliveries.extend((0..40).map(|_| random.pick(&events)));
        random.shuffle(&mut deliveries);
        for batch in random.batches(&deliveries, 40) {
            story.record(random, batch);
            if random.chance(50) {
                story.register(random);
            }
            if random.chance(60) {
                story.ask(random, 12);
            }
        }
        story.ask_for_everything(random);
        story.check();
    });
}

#[test]
fn an_erased_user_leaves_counts_or_nothing_as_asked() {
    rounds(6, |random| {
        let mut story = Story::begin();
        for _ in 0..8 {
            let events = random_events(random, 30);
            story.record(random, &events);
            story.register(random);
            story.erase(random);
            story.ask(random, 15);
        }
        story.ask_for_everything(random);
        story.check();
    });
}

#[test]
fn a_restart_in_the_middle_changes_no_figure() {
    rounds(2, |random| {
        let mut story = Story::begin();
        for _ in 0..4 {
            let events = random_events(random, 60);
            story.record(random, &events);
            story.register(random);
            story.erase(random);
            story = story.restart();
            story.ask(random, 30);
        }
        story.check();
    });
}

/// A server, and what it ought to know.
struct Story {
    server: Server,
    model: Model,
}

impl Story {
    fn begin() -> Story {
        Story { server: Server::start(), model: Model::default() }
    }

    fn restart(self) -> Story {
        Story { server: self.server.restart(), model: self.model }
    }

    fn record(&mut self, random: &mut Random, events: &[Event]) {
        let items: Vec<Value> = events.iter().map(|event| wire::event(event, &shown(random, event.at))).collect();
        post(&self.server, random, "/usage/events", &items);
        events.iter().for_each(|event| self.model.record(event));
    }

    fn register(&mut self, random: &mut Random) {
        let registrations: Vec<Registration> = (0..1 + random.below(3)).map(|_| random_registration(random)).collect();
        let items: Vec<Value> = registrations.iter().map(wire::registration).collect();
        post(&self.server, random, "/users", &items);
        let now = Instant::from(SystemTime::now());
        registrations.iter().for_each(|registration| self.model.register(registration, now));
    }

    fn erase(&mut self, random: &mut Random) {
        let (user, keep) = (random.pick(&USERS), random.chance(50));
        let path = format!("/users/{}?history={}", percent_encoded(user), if keep { "keep" } else { "remove" });
        let answer = self.server.send("DELETE", &path, &[], b"");
        let known = self.model.erase(user, keep);
        assert_eq!(answer.status, if known { 204 } else { 404 }, "{path}: {}", answer.text());
    }

    /// Random questions of every kind.
    fn ask(&self, random: &mut Random, questions: usize) {
        for _ in 0..questions {
            let (filter, range) = (random_filter(random), random_range(random));
            match random.below(4) {
                0 => self.expect_series(&filter, range, random.pick(&INTERVALS)),
                1 => self.expect_groups(&filter, range, random.pick(&["team", "service", "user"])),
                2 => self.expect_previous(&filter, range),
                _ => self.expect_figures(&filter, range),
            }
        }
    }

    /// Every combination of filters and every way to ask, over many ranges.
    fn ask_for_everything(&self, random: &mut Random) {
        for filter in every_filter() {
            let range = random_range(random);
            self.expect_figures(&filter, range);
            self.expect_figures(&filter, (day("0001-01-01"), day("9999-12-31")));
            self.expect_previous(&filter, range);
            self.expect_series(&filter, range, random.pick(&INTERVALS));
            self.expect_groups(&filter, range, random.pick(&["team", "service", "user"]));
        }
    }

    fn expect_figures(&self, filter: &Filter, range: Range) {
        let answer = self.report(filter, range, &[]);
        assert_eq!(answer, self.model.figures(filter, range).json(), "{filter:?} {range:?}");
    }

    fn expect_series(&self, filter: &Filter, range: Range, interval: &str) {
        let answer = self.report(filter, range, &[("interval", interval)]);
        let entry = |period: Range| {
            let mut entry = json!({"start_date": period.0.to_string(), "end_date": period.1.to_string()});
            extend(&mut entry, &self.model.figures(filter, period).json());
            entry
        };
        let series: Vec<Value> = periods(interval, range).into_iter().map(entry).collect();
        assert_eq!(answer["series"], json!(series), "{filter:?} {range:?} {interval}");
    }

    fn expect_groups(&self, filter: &Filter, range: Range, by: &str) {
        let answer = self.report(filter, range, &[("group_by", by)]);
        let name = if by == "service" { "service".to_string() } else { format!("{by}_id") };
        let group = |(id, figures): (Option<String>, Figures)| {
            let mut group = json!({&name: id});
            extend(&mut group, &figures.json());
            group
        };
        let groups: Vec<Value> = self.model.groups(by, filter, range).into_iter().map(group).collect();
        assert_eq!(answer["groups"], json!(groups), "{filter:?} {range:?} by {by}");
    }

    fn expect_previous(&self, filter: &Filter, range: Range) {
        let answer = self.report(filter, range, &[("compare", "previous")]);
        let expected = self.model.figures(filter, previous(range)).json();
        assert_eq!(answer["previous"], expected, "{filter:?} before {range:?}");
    }

    fn report(&self, filter: &Filter, (start, end): Range, more: &[(&str, &str)]) -> Value {
        let (start, end, filters) = (shown_day(start), shown_day(end), filter.parameters());
        let mut parameters = vec![("start_date", start.as_str()), ("end_date", end.as_str())];
        parameters.extend(filters.iter().map(|(name, value)| (*name, value.as_str())));
        parameters.extend(more);
        self.server.json(&url("/reports/usage-summary", &parameters))
    }

    /// What the server keeps agrees with itself.
    fn check(&self) {
        assert_eq!(self.server.check(), Vec::<String>::new());
    }
}

fn random_events(random: &mut Random, count: usize) -> Vec<Event> {
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

fn random_registration(random: &mut Random) -> Registration {
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

fn random_filter(random: &mut Random) -> Filter {
    // Now and then an id that nobody has sent.
    let user = if random.chance(5) { Some("nobody".to_string()) } else { maybe(random, 30, &USERS) };
    Filter { user, team: maybe(random, 40, &TEAMS).map(Some), service: maybe(random, 40, &SERVICES).map(Some) }
}

fn every_filter() -> Vec<Filter> {
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

fn random_range(random: &mut Random) -> Range {
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

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

/// chrono shows years beyond 9999 and before 0 with a sign; ours have four digits always.
fn shown_day(day: NaiveDate) -> String {
    day.format("%Y-%m-%d").to_string()
}

/// The instant with some offset, and now and then digits that are to be cut.
fn shown(random: &mut Random, at: Instant) -> String {
    let minutes = random.pick(&[0, 0, 345, -210, 840, -720]);
    let offset = FixedOffset::east_opt(minutes * 60).expect("an offset of less than a day");
    let local: DateTime<FixedOffset> = at.with_timezone(&offset);
    let format = if random.chance(50) { SecondsFormat::AutoSi } else { SecondsFormat::Micros };
    let mut text = local.to_rfc3339_opts(format, true);
    if format == SecondsFormat::Micros && random.chance(30) {
        let point = text.find('.').expect("digits of a second");
        text.insert_str(point + 7, "987");
    }
    text
}

/// Sends the items in one of the ways a client may.
fn post(client: &Client, random: &mut Random, path: &str, items: &[Value]) {
    let lines = || items.iter().map(|item| format!("{item}\n")).collect::<String>();
    let array = || json!(items).to_string();
    match random.below(4) {
        0 => client.post_all(path, &[NDJSON], lines(), items.len()),
        1 => client.post_all(path, &[NDJSON, GZIP], gzip(lines().as_bytes()), items.len()),
        2 => client.post_all(path, &[GZIP], gzip(array().as_bytes()), items.len()),
        _ if items.len() == 1 => client.post_all(path, &[], items[0].to_string(), 1),
        _ => client.post_all(path, &[], array(), items.len()),
    }
}

fn extend(object: &mut Value, more: &Value) {
    for (name, value) in more.as_object().expect("an object") {
        object[name] = value.clone();
    }
}
