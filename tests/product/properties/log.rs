use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::client::{Client, NDJSON, url};
use crate::support::log_model::{LogEvent, LogFilter, LogModel};
use crate::support::random::{Random, rounds};
use crate::support::server::Server;

const SEVERITIES: [&str; 3] = ["info", "warning", "error"];
const SERVICES: [&str; 3] = ["api", "mail", "s p"];
const ORDERS: [&str; 3] = ["desc", "asc", "arrival"];

#[test]
fn every_page_is_a_piece_of_the_sorted_whole() {
    rounds(4, |random| {
        let server = Server::start();
        let client: &Client = &server;
        let mut model = LogModel::default();
        let events = random_events(random, 400);
        for batch in random.batches(&events, 120) {
            append(client, batch, &mut model);
            for _ in 0..4 {
                let (filter, order) = (random_filter(random), random.pick(&ORDERS));
                expect_a_page(client, &model, random, &filter);
                expect_the_whole_by_cursor(client, &model, random, &filter, order);
            }
        }
        assert_eq!(server.check(), Vec::<String>::new());
    });
}

#[test]
fn a_reader_misses_nothing_and_sees_nothing_twice_while_events_arrive() {
    rounds(2, |random| {
        let server = Server::start();
        let client: &Client = &server;
        let mut batches = batches_of_unique_events(random, 60, 25);
        let rest = batches.split_off(15);
        let acknowledged = Mutex::new(HashSet::new());
        let write = |batches: &[Vec<LogEvent>]| {
            for batch in batches {
                append(client, batch, &mut LogModel::default());
                acknowledged.lock().extend(batch.iter().map(|event| event.message.clone()));
            }
        };
        write(&batches);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for order in ["desc", "asc"] {
                let (acknowledged, done) = (&acknowledged, &done);
                scope.spawn(move || {
                    while !done.load(Ordering::SeqCst) {
                        read_a_moving_log(client, order, acknowledged);
                    }
                });
            }
            let poller = scope.spawn(|| follow_arrivals(client, &done));
            write(&rest);
            done.store(true, Ordering::SeqCst);
            let expected: Vec<String> =
                batches.iter().chain(&rest).flatten().map(|event| event.message.clone()).collect();
            assert_eq!(poller.join().expect("the poller ends well"), expected);
        });
    });
}

/// Walks the log by cursor: what was acknowledged before the first page comes exactly once, in order.
fn read_a_moving_log(client: &Client, order: &str, acknowledged: &Mutex<HashSet<String>>) {
    let before = acknowledged.lock().clone();
    let events = walk(client, &[("order", order), ("limit", "17")]);
    let time = |event: &Value| event["timestamp"].as_str().and_then(|time| time.parse::<DateTime<Utc>>().ok());
    let mut times: Vec<DateTime<Utc>> = events.iter().map(|event| time(event).expect("a time")).collect();
    if order == "desc" {
        times.reverse();
    }
    assert!(times.is_sorted(), "{order}: {times:?}");
    let messages: Vec<String> = events.iter().map(message).collect();
    let seen: HashSet<String> = messages.iter().cloned().collect();
    assert_eq!(seen.len(), messages.len(), "{order}: an event came twice");
    let missed: Vec<&String> = before.difference(&seen).collect();
    assert!(missed.is_empty(), "{order}: missed {missed:?}");
}

/// Polls by arrival until the writer is done and the end is reached.
fn follow_arrivals(client: &Client, done: &AtomicBool) -> Vec<String> {
    let (mut messages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        // Read before the page is asked for: a page that is empty after the last event is the end.
        let last = done.load(Ordering::SeqCst);
        let mut parameters = vec![("order", "arrival"), ("limit", "13")];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = client.json(&url("/logs/system-events", &parameters));
        let events = page["events"].as_array().expect("events");
        messages.extend(events.iter().map(message));
        if last && events.is_empty() {
            return messages;
        }
        cursor = Some(page["next_cursor"].as_str().expect("a place to go on from, always").to_string());
    }
}

fn expect_a_page(client: &Client, model: &LogModel, random: &mut Random, filter: &LogFilter) {
    let order = random.pick(&["desc", "asc"]);
    let matching = model.matching(filter, order);
    let limit = random.pick(&[1, 2, 7, 50, 1000]);
    let pages = matching.len().div_ceil(limit);
    let page = 1 + random.below(pages + 2);
    let (limit_text, page_text) = (limit.to_string(), page.to_string());
    let filters = filter.parameters();
    let mut parameters = vec![("limit", limit_text.as_str()), ("page", &page_text), ("order", order)];
    parameters.extend(filters.iter().map(|(name, value)| (*name, value.as_str())));
    let answer = client.json(&url("/logs/system-events", &parameters));
    let events = matching.chunks(limit).nth(page - 1).unwrap_or_default();
    assert_eq!(answer["events"], json!(events), "{parameters:?}");
    assert_eq!((&answer["page"], &answer["total_pages"]), (&json!(page), &json!(pages)), "{parameters:?}");
    assert_eq!(answer.get("next_cursor").is_some(), page < pages, "{parameters:?}");
}

fn expect_the_whole_by_cursor(client: &Client, model: &LogModel, random: &mut Random, filter: &LogFilter, order: &str) {
    let limit = random.pick(&["1", "9", "64", "1000"]).to_string();
    // One event a page over the whole log is many requests and shows nothing more.
    let limit = if limit == "1" && model.matching(filter, order).len() > 60 { "9".to_string() } else { limit };
    let filters = filter.parameters();
    let mut parameters = vec![("limit", limit.as_str()), ("order", order)];
    parameters.extend(filters.iter().map(|(name, value)| (*name, value.as_str())));
    assert_eq!(walk(client, &parameters), model.matching(filter, order), "{parameters:?}");
}

/// Every event from the first page on, by `next_cursor`.
fn walk(client: &Client, parameters: &[(&str, &str)]) -> Vec<Value> {
    let mut events = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let mut asked = parameters.to_vec();
        asked.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let mut page = client.json(&url("/logs/system-events", &asked));
        let Value::Array(found) = page["events"].take() else { panic!("no events: {page}") };
        let ended = found.is_empty();
        events.extend(found);
        match page["next_cursor"].as_str() {
            // In order of arrival there is always a cursor; an empty page is the end for now.
            Some(_) if ended => return events,
            Some(next) => cursor = Some(next.to_string()),
            None => return events,
        }
    }
}

fn append(client: &Client, batch: &[LogEvent], model: &mut LogModel) {
    let lines: String = batch.iter().map(|event| format!("{}\n", event.wire())).collect();
    client.post_all("/logs/system-events", &[NDJSON], lines, batch.len());
    batch.iter().for_each(|event| model.append(event));
}

fn random_events(random: &mut Random, count: usize) -> Vec<LogEvent> {
    (0..count)
        .map(|i| LogEvent {
            // Many share an instant; some differ by a microsecond.
            at: instant(random),
            severity: random.pick(&["info", "info", "info", "warning", "error"]),
            service: random.chance(70).then(|| random.pick(&SERVICES).to_string()),
            message: if random.chance(30) {
                "again".into()
            } else {
                format!("event {i}:\t\"quoted\"\n=1+1 é🦊\u{0}")
            },
            event_id: random.chance(30).then(|| format!("id {}", random.below(40))),
            attributes: random.chance(30).then(|| json!({"n": random.below(9), "ok": true, "none": null, "t": "x\n"})),
        })
        .collect()
}

fn batches_of_unique_events(random: &mut Random, batches: usize, len: usize) -> Vec<Vec<LogEvent>> {
    let mut batch = |b: usize| {
        let mut events = random_events(random, len);
        for (i, event) in events.iter_mut().enumerate() {
            (event.message, event.event_id) = (format!("{b}/{i}"), None);
        }
        events
    };
    (0..batches).map(&mut batch).collect()
}

fn instant(random: &mut Random) -> DateTime<Utc> {
    let base =
        random.pick(&["2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z", "2019-05-05T12:00:00Z", "1969-12-31T23:59:59Z"]);
    let base: DateTime<Utc> = base.parse().expect("a time");
    base + TimeDelta::seconds(random.below(3) as i64) + TimeDelta::microseconds(random.below(2) as i64)
}

fn random_filter(random: &mut Random) -> LogFilter {
    let mut severities: Vec<&'static str> = SEVERITIES.into_iter().filter(|_| random.chance(30)).collect();
    random.shuffle(&mut severities);
    let mut bounds = [instant(random), instant(random)];
    bounds.sort();
    LogFilter {
        severities,
        service: random.chance(30).then(|| random.pick(&SERVICES).to_string()),
        from: random.chance(30).then_some(bounds[0]),
        to: random.chance(30).then_some(bounds[1]),
    }
}

fn message(event: &Value) -> String {
    event["message"].as_str().expect("a message").to_string()
}
