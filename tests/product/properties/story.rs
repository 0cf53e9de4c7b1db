use std::time::SystemTime;

use chrono::{DateTime, FixedOffset, NaiveDate, SecondsFormat};
use serde_json::{Value, json};

use super::draw::{USERS, day, every_filter, random_filter, random_range, random_registration};
use crate::support::client::{Client, GZIP, NDJSON, gzip, percent_encoded, url};
use crate::support::model::{Event, Figures, Filter, Instant, Model, Range, Registration, periods, previous, wire};
use crate::support::random::Random;
use crate::support::server::Server;

const INTERVALS: [&str; 3] = ["day", "week", "month"];
const DIMENSIONS: [&str; 3] = ["team", "service", "user"];

/// A server, and what it ought to know.
pub struct Story {
    server: Server,
    model: Model,
}

impl Story {
    pub fn begin() -> Story {
        Story { server: Server::start(), model: Model::default() }
    }

    pub fn restart(self) -> Story {
        Story { server: self.server.restart(), model: self.model }
    }

    pub fn record(&mut self, random: &mut Random, events: &[Event]) {
        let items: Vec<Value> = events.iter().map(|event| wire::event(event, &shown(random, event.at))).collect();
        post(&self.server, random, "/usage/events", &items);
        events.iter().for_each(|event| self.model.record(event));
    }

    /// A few random registrations.
    pub fn register(&mut self, random: &mut Random) {
        let registrations: Vec<Registration> = (0..1 + random.below(3)).map(|_| random_registration(random)).collect();
        let items: Vec<Value> = registrations.iter().map(wire::registration).collect();
        post(&self.server, random, "/users", &items);
        let now = Instant::from(SystemTime::now());
        registrations.iter().for_each(|registration| self.model.register(registration, now));
    }

    pub fn erase_someone(&mut self, random: &mut Random) {
        self.erase(random.pick(&USERS), random.chance(50));
    }

    pub fn erase(&mut self, user: &str, keep: bool) {
        let path = format!("/users/{}?history={}", percent_encoded(user), if keep { "keep" } else { "remove" });
        let answer = self.server.send("DELETE", &path, &[], b"");
        let known = self.model.erase(user, keep);
        assert_eq!(answer.status, if known { 204 } else { 404 }, "{path}: {}", answer.text());
    }

    /// Random questions of every kind.
    pub fn ask(&self, random: &mut Random, questions: usize) {
        for _ in 0..questions {
            let (filter, range) = (random_filter(random), random_range(random));
            self.ask_about(random, &filter, range);
        }
    }

    /// One question of a random kind.
    pub fn ask_about(&self, random: &mut Random, filter: &Filter, range: Range) {
        match random.below(4) {
            0 => self.expect_series(filter, range, random.pick(&INTERVALS)),
            1 => self.expect_groups(filter, range, random.pick(&DIMENSIONS)),
            2 => self.expect_previous(filter, range),
            _ => self.expect_figures(filter, range),
        }
    }

    /// Every combination of filters and every way to ask, over many ranges.
    pub fn ask_for_everything(&self, random: &mut Random) {
        for filter in every_filter() {
            let range = random_range(random);
            self.expect_figures(&filter, range);
            self.expect_figures(&filter, (day("0001-01-01"), day("9999-12-31")));
            self.expect_previous(&filter, range);
            self.expect_series(&filter, range, random.pick(&INTERVALS));
            self.expect_groups(&filter, range, random.pick(&DIMENSIONS));
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
        expect_list(&answer["series"], &series, || format!("{filter:?} {range:?} by {interval}"));
    }

    fn expect_groups(&self, filter: &Filter, range: Range, by: &str) {
        let answer = self.report(filter, range, &[("group_by", by), ("limit", "1000")]);
        let name = if by == "service" { "service".to_string() } else { format!("{by}_id") };
        let group = |(id, figures): (Option<String>, Figures)| {
            let mut group = json!({&name: id});
            extend(&mut group, &figures.json());
            group
        };
        let groups: Vec<Value> = self.model.groups(by, filter, range).into_iter().map(group).collect();
        expect_list(&answer["groups"], &groups, || format!("{filter:?} {range:?} by {by}"));
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
    pub fn check(&self) {
        assert_eq!(self.server.check(), Vec::<String>::new());
    }
}

/// Fails with the first entry that differs: whole lists are too long to read.
fn expect_list(found: &Value, expected: &[Value], what: impl Fn() -> String) {
    let found = found.as_array().expect("a list");
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "entry {n} of {}", what());
    }
    assert_eq!(found.len(), expected.len(), "{}", what());
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
