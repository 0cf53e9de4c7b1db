//! The sample's event log: exactly [`EVENTS`] events, twelve pages of a hundred, with the reference's event on top.

use super::random::Random;
use crate::model::{Day, Id, Severity, SystemEvent, Timestamp};

/// Eleven full pages at the default limit, and a bit.
const EVENTS: usize = 1_152;
const FIRST_DAY: (i32, u32, u32) = (2024, 11, 1);
/// The event that the API's reference shows; nothing is newer.
const NEWEST_AT: &str = "2025-05-21T10:15:30Z";
const NEWEST_MESSAGE: &str = "Login failed for user alice@example.com: wrong password (attempt 3)";

const PEOPLE: [&str; 6] = ["alice", "bruno", "chiara", "dmitri", "emeka", "fatima"];
const HOSTS: [&str; 5] = ["db-1", "web-1", "web-2", "worker-1", "worker-2"];
const TABLES: [&str; 4] = ["invoices", "sessions", "orders", "audit_trail"];

/// Oldest first.
pub fn events(seed: u64) -> Vec<SystemEvent> {
    let mut random = Random::new(seed);
    let newest = Timestamp::parse(NEWEST_AT).expect("the reference's time stamp is RFC 3339").unix_micros();
    let (year, month, day) = FIRST_DAY;
    let first = Day::from_ymd(year, month, day).expect("the sample's dates exist").start().unix_micros();
    let seconds = (newest - first) / 1_000_000;
    let mut times: Vec<i64> = (1..EVENTS).map(|_| newest - random.between(60, seconds) * 1_000_000).collect();
    times.sort_unstable();
    let mut events: Vec<SystemEvent> = times.into_iter().map(|at| event(at, &mut random)).collect();
    events.push(plain(newest, Severity::Warning, NEWEST_MESSAGE.into()));
    events
}

/// Of twenty events about fifteen inform, four warn and one is an error.
fn event(at: i64, random: &mut Random) -> SystemEvent {
    match random.below(20) {
        0 => error(at, random),
        1..=4 => warning(at, random),
        _ => info(at, random),
    }
}

fn info(at: i64, random: &mut Random) -> SystemEvent {
    let person = random.pick(&PEOPLE);
    let (service, message, attributes) = match random.below(6) {
        0 => ("auth", format!("{person}@example.com logged in"), ip(random)),
        1 => ("auth", format!("{person}@example.com logged out"), None),
        2 => {
            let (seconds, mib) = (random.between(38, 75), random.between(820, 1_460));
            ("backup", format!("Backup finished in {seconds} s"), Some(format!(r#"{{"size_mib":{mib}}}"#)))
        }
        3 => ("reports", format!("Monthly usage report sent to {} recipients", random.between(2, 14)), None),
        4 => {
            let release = format!("{}.{}", random.between(4, 9), random.between(0, 30));
            ("deploy", format!("Release {release} is live on {}", random.pick(&HOSTS)), None)
        }
        _ => ("billing", format!("Invoice {} paid", random.between(40_000, 49_999)), None),
    };
    from_service(plain(at, Severity::Info, message), service, attributes)
}

fn warning(at: i64, random: &mut Random) -> SystemEvent {
    let person = random.pick(&PEOPLE);
    let (service, message, attributes) = match random.below(4) {
        0 => {
            let attempt = random.between(2, 4);
            let message = format!("Login failed for user {person}@example.com: wrong password (attempt {attempt})");
            ("auth", message, ip(random))
        }
        1 => {
            let (table, ms) = (random.pick(&TABLES), random.between(900, 4_800));
            let attributes = format!(r#"{{"table":"{table}","duration_ms":{ms}}}"#);
            ("api", format!("Slow query on {table}: {ms} ms"), Some(attributes))
        }
        2 => {
            let (host, percent) = (random.pick(&HOSTS), random.between(80, 94));
            ("monitoring", format!("Disk of {host} is {percent} % full"), Some(format!(r#"{{"host":"{host}"}}"#)))
        }
        _ => {
            let attempt = random.between(2, 5);
            ("billing", format!("Webhook to https://hooks.example.com failed, attempt {attempt} follows"), None)
        }
    };
    from_service(plain(at, Severity::Warning, message), service, attributes)
}

fn error(at: i64, random: &mut Random) -> SystemEvent {
    let (service, message, attributes) = match random.below(3) {
        0 => {
            let order = random.between(100_000, 199_999);
            ("billing", format!("Payment of order {order} failed: the provider answered 502"), None)
        }
        1 => {
            let host = random.pick(&HOSTS);
            let attributes = format!(r#"{{"host":"{host}","restarts":{}}}"#, random.between(1, 4));
            ("monitoring", format!("{host} ran out of memory and was restarted"), Some(attributes))
        }
        _ => ("mail", "Cannot connect to smtp.example.com: connection refused".into(), None),
    };
    from_service(plain(at, Severity::Error, message), service, attributes)
}

/// An address of the range that RFC 5737 keeps for documentation.
fn ip(random: &mut Random) -> Option<String> {
    Some(format!(r#"{{"ip":"203.0.113.{}"}}"#, random.between(1, 254)))
}

fn plain(at: i64, severity: Severity, message: String) -> SystemEvent {
    let at = Timestamp::from_unix_micros(at).expect("the sample lies within the calendar");
    SystemEvent { at, severity, service: None, message, event_id: None, attributes: None }
}

fn from_service(event: SystemEvent, service: &str, attributes: Option<String>) -> SystemEvent {
    SystemEvent { service: Some(Id::new(service).expect("the sample's ids are ids")), attributes, ..event }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_fills_twelve_pages_and_the_references_event_is_the_newest() {
        let events = events(1);
        assert_eq!(events.len().div_ceil(100), 12);
        let (newest, older) = events.split_last().unwrap();
        assert_eq!((newest.at.to_string().as_str(), newest.severity), (NEWEST_AT, Severity::Warning));
        assert!(older.iter().all(|event| event.at < newest.at));
        assert!(older.is_sorted_by_key(|event| event.at));
    }

    #[test]
    fn attributes_are_json_objects() {
        for text in events(2).iter().filter_map(|event| event.attributes.as_deref()) {
            assert!(serde_json::from_str::<serde_json::Map<_, _>>(text).is_ok(), "{text}");
        }
    }
}
